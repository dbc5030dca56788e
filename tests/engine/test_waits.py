"""Nobody waits for a message that cannot come."""

from __future__ import annotations

from agentouto._engine.waits import Wait, circle, stuck

MAIL = Wait(mail=True)


def of(sender: str) -> Wait:
    return Wait(mail=True, sender=sender)


def test_whoever_waits_alone_is_stuck() -> None:
    assert stuck({"a": MAIL}, user_writes=False) == {"a"}


def test_the_user_may_write_to_whoever_waits_for_anybody() -> None:
    assert stuck({"a": MAIL, "b": MAIL}, user_writes=True) == frozenset()


def test_two_that_wait_for_each_other_are_stuck_whatever_the_user_does() -> None:
    waits = {"a": of("b"), "b": of("a"), "c": MAIL}
    assert stuck(waits, user_writes=True) == {"a", "b"}


def test_somebody_at_work_may_still_write() -> None:
    assert stuck({"a": MAIL, "b": Wait()}, user_writes=False) == frozenset()


def test_a_caller_cannot_write_while_the_callee_waits_for_it() -> None:
    waits = {"a": Wait(callees=("b",)), "b": of("a")}
    assert stuck(waits, user_writes=False) == {"a", "b"}


def test_a_caller_goes_on_when_all_it_has_called_do() -> None:
    waits = {"a": Wait(callees=("b", "c")), "b": Wait(), "c": of("a")}
    assert stuck(waits, user_writes=False) == {"a", "c"}
    waits["c"] = of("b")
    assert stuck(waits, user_writes=False) == frozenset()


def test_whoever_is_gone_writes_no_more() -> None:
    assert stuck({"a": of("z"), "b": Wait()}, user_writes=True) == {"a"}


def test_one_that_can_go_on_frees_those_behind_it() -> None:
    waits = {"a": of("b"), "b": of("c"), "c": Wait(callees=("d",)), "d": Wait()}
    assert stuck(waits, user_writes=False) == frozenset()


def test_the_circle_is_named_from_whoever_closes_it() -> None:
    waits = {"a": of("b"), "b": of("c"), "c": Wait(callees=("a",))}
    assert circle(waits, "a", stuck(waits, user_writes=False)) == ["a", "b", "c", "a"]


def test_who_waits_for_nobody_is_in_no_circle() -> None:
    waits = {"a": MAIL}
    assert circle(waits, "a", stuck(waits, user_writes=False)) == ["a"]


def test_who_waits_behind_a_circle_sees_the_way_to_it() -> None:
    waits = {"a": of("b"), "b": of("c"), "c": of("b")}
    assert circle(waits, "a", stuck(waits, user_writes=False)) == ["a", "b", "c"]
