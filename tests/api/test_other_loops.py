"""Where no event loop of asyncio runs, what needs one says so."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from agentouto import Agent, ConfigurationError, Provider, async_run, async_run_stream
from agentouto.testing import Script, finish


def agent() -> Agent:
    return Agent("a", "", "m", Provider("p", kind="script", script=Script({"a": [finish("yes")]})))


async def run_it() -> None:
    await async_run("Go.", [agent()])


async def stream_it() -> None:
    async for _ in async_run_stream("Go.", [agent()]):
        pass


async def result_of_it() -> None:
    await async_run_stream("Go.", [agent()]).result()


@pytest.mark.parametrize("use", [run_it, stream_it, result_of_it])
def test_without_a_loop_of_asyncio_the_error_says_what_to_call(
    use: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    work = use()
    with pytest.raises(ConfigurationError, match=r"event loop of asyncio.*run\(\.\.\.\)"):
        work.send(None)  # as another library's loop would
    work.close()
