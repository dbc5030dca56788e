"""One sample: one scenario, one contender, a process of its own. Prints the figures as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys

from contenders import opened
from scenarios import measured


def main(name: str, scenario: str, url: str) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(json.dumps(asyncio.run(measured(opened(name, url), scenario))), flush=True)
    os._exit(0)  # leaving is not measured


if __name__ == "__main__":
    main(*sys.argv[1:])
