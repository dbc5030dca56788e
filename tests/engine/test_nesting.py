"""What a run is nested in."""

from __future__ import annotations

import asyncio

import pytest

from agentouto._engine.nesting import Enclosing, Nesting, Scope


async def test_a_run_that_may_not_begin_is_closed() -> None:
    function, closed = Scope(), list[str]()
    function.close()
    nest = Nesting(Enclosing(None, function), None)
    with pytest.raises(asyncio.CancelledError):
        nest.attached(lambda: closed.append("closed"))
    assert closed == ["closed"]
