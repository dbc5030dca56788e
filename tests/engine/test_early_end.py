"""The error that ends a run from whatever call it comes."""

from __future__ import annotations

from agentouto._engine.early_end import EarlyEnd


def test_the_first_error_ends_the_run_and_stays() -> None:
    ended: list[str] = []
    end = EarlyEnd()
    end.begin(lambda: ended.append("run"))
    first = ValueError("first")
    end.end_with(first)
    end.end_with(ValueError("second"))
    assert (ended, end.error) == (["run"], first)


def test_a_run_that_was_ended_before_it_began_ends_at_once() -> None:
    ended: list[str] = []
    end = EarlyEnd()
    end.end_with(ValueError("too early"))
    end.begin(lambda: ended.append("run"))
    assert ended == ["run"]
