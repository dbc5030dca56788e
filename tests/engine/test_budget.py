"""A budget counts what is spent, and ends its run when a limit is reached and nothing is in flight."""

from __future__ import annotations

import asyncio

import pytest

from agentouto._domain.errors import LimitReached
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.limits import Limits
from agentouto._engine.budget import Budget, Reservation

STAMP = Stamp("a", "c", None)


def budget(limits: Limits, outer: Budget | None = None) -> Budget:
    return Budget(limits, {}, lambda: 0.0, outer=outer)


def ends(of: Budget) -> list[str]:
    """Begin the run; return a list that gets an item each time when the budget ends it."""
    ended: list[str] = []
    of.start_clock(lambda: ended.append("ended"))
    return ended


def refuse_call(of: Budget) -> None:
    with pytest.raises(LimitReached):
        of.reserve_call(STAMP, 1, 0)


def refuse_request(of: Budget) -> None:
    with pytest.raises(LimitReached):
        of.reserve_request(STAMP)


async def leave(reservation: Reservation) -> None:
    await reservation.__aexit__(None, None, None)
    reservation.release()


def test_a_call_that_an_outer_run_refuses_is_counted_in_no_run() -> None:
    outer = budget(Limits(calls=1))
    inner = budget(Limits(calls=5), outer)
    inner.reserve_call(STAMP, 1, 0)
    refuse_call(inner)
    assert (inner.used("calls"), outer.used("calls")) == (1, 1)


@pytest.mark.parametrize("own", [None, 5])
def test_a_run_that_an_outer_limit_has_ended_spends_nothing_more_and_names_that_limit(
    own: int | None,
) -> None:
    outer = budget(Limits(calls=1))
    inner = budget(Limits(calls=own, requests=5), outer)
    inner.reserve_call(STAMP, 1, 0)
    refuse_call(inner)
    with pytest.raises(LimitReached, match=r"Limits\(calls=1\) is reached"):
        inner.reserve_request(STAMP)
    assert inner.used("requests") == 0


async def test_a_refused_call_ends_an_idle_run() -> None:
    limited = budget(Limits(calls=1))
    ended = ends(limited)
    limited.reserve_call(STAMP, 1, 0)
    assert not ended
    refuse_call(limited)
    assert ended


async def test_the_last_request_in_flight_ends_a_run_that_has_reached_a_limit() -> None:
    limited = budget(Limits(requests=2))
    ended = ends(limited)
    limited.reserve_request(STAMP)
    limited.reserve_request(STAMP)
    refuse_request(limited)
    limited.release_request()
    assert not ended
    limited.release_request()
    assert ended


async def test_a_refused_request_is_not_in_flight_and_ends_an_idle_run() -> None:
    limited = budget(Limits(requests=1))
    ended = ends(limited)
    limited.reserve_request(STAMP)
    limited.release_request()
    refuse_request(limited)
    assert not limited.in_flight
    assert ended


async def test_a_request_that_waits_for_a_slot_is_not_counted_and_can_be_cancelled() -> None:
    limited = budget(Limits(parallel=1, requests=5))
    first, cancelled, third = (limited.reservation(STAMP) for _ in range(3))
    await first.__aenter__()
    waiting = asyncio.create_task(cancelled.__aenter__())
    await asyncio.sleep(0)
    assert limited.used("requests") == 1
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert (limited.used("requests"), len(limited.in_flight)) == (1, 1)
    assert third.has_to_wait  # the slot of the first one is still taken
    await leave(first)
    assert not limited.in_flight
    async with third:
        assert limited.used("requests") == 2
