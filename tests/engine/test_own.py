"""Whose event loop a run lives in, and what made it."""

from __future__ import annotations

import asyncio
import sys

import pytest

from agentouto import Tool, async_run, run, run_background_sync
from agentouto.testing import finish, tool
from teams import peers

ASKS = {"a": [tool("whose"), lambda request: finish(request.results("whose")[0])]}


@Tool
async def whose() -> str:
    """Tell what made the loop."""
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_plain_code_gets_the_fast_loop_where_it_is_installed() -> None:
    pytest.importorskip("uvloop", reason="uvloop is not installed: the extra `fast` brings it")
    assert run("Go.", peers(ASKS, "a"), [whose]).output == "uvloop"


def test_the_background_thread_has_the_fast_loop_too() -> None:
    pytest.importorskip("uvloop", reason="uvloop is not installed: the extra `fast` brings it")
    handle = run_background_sync("Go.", peers(ASKS, "a"), [whose])
    assert handle.result(timeout=10).output == "uvloop"


def test_without_it_python_makes_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run("Go.", peers(ASKS, "a"), [whose]).output == "asyncio"


def test_a_loop_that_somebody_else_has_made_is_left_as_it_is() -> None:
    assert asyncio.run(async_run("Go.", peers(ASKS, "a"), [whose])).output == "asyncio"
