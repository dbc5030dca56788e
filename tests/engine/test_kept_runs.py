"""Background runs that have ended stay readable, up to a number and a size."""

from __future__ import annotations

import pytest

from agentouto import (
    Agent,
    Handle,
    Provider,
    RoutingError,
    Tool,
    get_agent_status,
    run_background,
)
from agentouto._domain.event import Event
from agentouto._engine.kept_runs import MAX_KEPT_BYTES, KeptRuns, events_size
from agentouto.testing import Script, finish, tool

LARGE = 6_000_000


def large_run() -> Handle:
    @Tool
    def large() -> str:
        return "y" * LARGE

    script = Script({"a": [tool("large"), finish("done")]})
    handle = run_background(
        "Go.", [Agent("a", "", "m", Provider("s", "script", script=script))], [large]
    )
    assert handle.result(timeout=20).output == "done"
    return handle


def is_kept(task_id: str) -> bool:
    try:
        get_agent_status(task_id)
    except RoutingError:
        return False
    return True


def test_large_runs_are_dropped_long_before_there_are_a_thousand() -> None:
    first = large_run()
    ids = [str(large_run()) for _ in range(MAX_KEPT_BYTES // LARGE + 1)]
    kept = [is_kept(task_id) for task_id in ids]
    assert kept[-1]
    assert sum(kept) * LARGE <= MAX_KEPT_BYTES
    assert sum(kept) >= MAX_KEPT_BYTES // LARGE - 2
    assert not is_kept(str(first))
    assert first.status() == "completed"
    assert len(first.result().output) == 4


def events(text: str) -> list[Event]:
    """Return the events of a run that is asked ``text``."""
    script = Script({"a": [finish("ok")]})
    agent = Agent("a", "", "m", Provider("s", "script", script=script))
    handle = run_background(text, [agent])
    handle.result(timeout=20)
    return handle._owner.record.log.events


def test_a_text_in_several_events_is_counted_once() -> None:
    small, large = events_size(events("x")), events_size(events("x" * 1_000_000))
    assert 999_000 <= large - small < 1_100_000


@pytest.mark.parametrize("max_kept", [0, 1, 3])
def test_a_number_of_runs_is_kept(max_kept: int) -> None:
    kept, ids = KeptRuns(max_kept), dict[str, None]()
    for number in range(5):
        ids[str(number)] = None
        kept.add(str(number), ())
        for surplus in kept.take_surplus(ids):
            del ids[surplus]
    assert [*ids] == [str(number) for number in range(5 - max_kept, 5)]


def test_a_run_that_was_forgotten_takes_no_room() -> None:
    kept = KeptRuns(10)
    half = events("x" * (MAX_KEPT_BYTES // 2 + 1))
    kept.add("forgotten", half)
    kept.add("first", half)
    assert [*kept.take_surplus({"first"})] == []
    kept.add("second", half)
    assert [*kept.take_surplus({"first", "second"})] == ["forgotten", "first"]
