"""One sample: one scenario, one contender, a process of its own. Prints the figures as JSON.

A scenario that begins with ``S10`` is measured over TLS, one that ends with ``_uvloop`` in a loop
of uvloop's. One of ``layers.py`` asks no server, and only this package has it.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from collections.abc import Callable
from urllib.request import urlopen

from contenders import opened
from scenarios import SCENARIOS, Figures, measured


def over_tls(url: str) -> str:
    """Return where the server at ``url`` speaks TLS, and trust it from here on."""
    with urlopen(f"{url}/_tls") as answer:  # noqa: S310
        tls = json.load(answer)
    os.environ["SSL_CERT_FILE"] = tls["authority"]
    return tls["url"]


def loop_factory(scenario: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if scenario.endswith("_uvloop"):
        import uvloop  # noqa: PLC0415 - other scenarios run without it

        return uvloop.new_event_loop
    return None


async def sample(name: str, scenario: str, url: str) -> Figures:
    """Return the figures of ``scenario``."""
    if scenario not in SCENARIOS:
        from layers import LAYERS  # noqa: PLC0415 - the floors lack what is measured there

        return await LAYERS[scenario]()
    contender = opened(name, over_tls(url) if scenario.startswith("S10") else url)
    contender.stats_url = url
    return await measured(contender, scenario)


def main(name: str, scenario: str, url: str) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=loop_factory(scenario)) as runner:
        print(json.dumps(runner.run(sample(name, scenario, url))), flush=True)
    os._exit(0)  # leaving is not measured


if __name__ == "__main__":
    main(*sys.argv[1:])
