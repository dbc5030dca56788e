"""Which calls can never proceed, and the cycle that they wait in."""

from __future__ import annotations

from agentouto._engine.wait_graph import Wait, find_cycle, find_deadlocked

MAIL = Wait(mail=True)


def of(sender: str) -> Wait:
    return Wait(mail=True, sender=sender)


def test_a_call_that_waits_alone_is_deadlocked() -> None:
    assert find_deadlocked({"a": MAIL}, user_writes=False) == {"a"}


def test_the_user_may_write_to_a_call_that_waits_for_any_mail() -> None:
    assert find_deadlocked({"a": MAIL, "b": MAIL}, user_writes=True) == frozenset()


def test_two_that_wait_for_each_other_are_deadlocked_whatever_the_user_does() -> None:
    waits = {"a": of("b"), "b": of("a"), "c": MAIL}
    assert find_deadlocked(waits, user_writes=True) == {"a", "b"}


def test_a_running_call_may_still_write() -> None:
    assert find_deadlocked({"a": MAIL, "b": Wait()}, user_writes=False) == frozenset()


def test_a_caller_cannot_write_while_the_callee_waits_for_it() -> None:
    waits = {"a": Wait(callees=("b",)), "b": of("a")}
    assert find_deadlocked(waits, user_writes=False) == {"a", "b"}


def test_a_caller_goes_on_when_all_it_has_called_do() -> None:
    waits = {"a": Wait(callees=("b", "c")), "b": Wait(), "c": of("a")}
    assert find_deadlocked(waits, user_writes=False) == {"a", "c"}
    waits["c"] = of("b")
    assert find_deadlocked(waits, user_writes=False) == frozenset()


def test_a_call_that_has_ended_writes_no_more() -> None:
    assert find_deadlocked({"a": of("z"), "b": Wait()}, user_writes=True) == {"a"}


def test_one_that_can_go_on_frees_those_behind_it() -> None:
    waits = {"a": of("b"), "b": of("c"), "c": Wait(callees=("d",)), "d": Wait()}
    assert find_deadlocked(waits, user_writes=False) == frozenset()


def test_the_cycle_is_named_from_the_call_that_closes_it() -> None:
    waits = {"a": of("b"), "b": of("c"), "c": Wait(callees=("a",))}
    assert find_cycle(waits, "a", find_deadlocked(waits, user_writes=False)) == ["a", "b", "c", "a"]


def test_a_call_that_waits_for_any_mail_is_in_no_cycle() -> None:
    waits = {"a": MAIL}
    assert find_cycle(waits, "a", find_deadlocked(waits, user_writes=False)) == ["a"]


def test_a_call_that_waits_for_a_cycle_gets_the_path_to_it() -> None:
    waits = {"a": of("b"), "b": of("c"), "c": of("b")}
    assert find_cycle(waits, "a", find_deadlocked(waits, user_writes=False)) == ["a", "b", "c"]
