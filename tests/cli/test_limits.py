"""The limits that the command line sets for runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentouto import ConfigurationError, Limits
from agentouto.cli._limits import DEFAULT_LIMITS, describe_limits, parse_limits
from cli.crews import TEAM
from cli.terminal import agentouto, at_once

ENDLESS = """
forever = crew({"writer": lambda seen: call("critic", f"More {seen.path}"),
                "critic": lambda seen: call("writer", f"More {seen.path}")})
def descend(seen):
    left = int(seen.heard[0])
    return call("diver", str(left - 1)) if left and not seen.answers("diver") else finish("up")
deep = crew({"diver": descend})
limited = crew({"writer": [finish("Done.")]}, limits=Limits(calls=3))
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "team.py").write_text(TEAM + ENDLESS, "utf-8")
    return tmp_path


def test_the_limits_are_said_at_the_start(here: Path) -> None:
    cases = [
        ["team.py:parrots"],
        ["team.py:parrots", "--limits", "seconds=2.5,depth=4"],
        ["team.py:parrots", "--no-limits"],
        ["team.py:limited"],
        ["team.py:limited", "--limits", "requests=9"],
    ]
    every = at_once((("run", *case, "Go") for case in cases), here)
    changes = " (--limits, --no-limits)"
    assert [done.err.splitlines()[1] for done in every] == [
        f"Limits: requests=200, seconds=1800{changes}",
        f"Limits: depth=4, requests=200, seconds=2.5{changes}",
        "Limits: none",
        "Limits of the team: calls=3",
        "Limits of the team: calls=3",
    ]


def test_what_keeps_a_run_from_beginning_is_said_alone(here: Path) -> None:
    cases = [("--run-id", "../x"), ("--journal", "no/such/folder/runs.db")]
    every = at_once((("run", "team.py:parrots", *case, "Go") for case in cases), here)
    assert [done.code for done in every] == [3, 3]
    assert [len(done.err.splitlines()) for done in every] == [2, 2]  # the team file prints a line
    assert not any("Limits:" in done.err for done in every)


def test_a_run_without_end_stops_at_the_limit_and_names_the_option(here: Path) -> None:
    done = agentouto("run", "team.py:forever", "Go", cwd=here)
    assert done.code == 5
    limit, option = done.err.splitlines()[-2:]
    assert "Limits(requests=200) is reached." in limit
    assert option == "The command set it: --limits requests=NUMBER, or --no-limits"


def test_limits_can_be_changed(here: Path) -> None:
    done = agentouto("run", "team.py:forever", "Go", "--limits", "requests=3", cwd=here)
    assert done.code == 5
    assert "Limits(requests=3) is reached." in done.err


def test_the_limits_of_a_team_replace_those_of_the_command(here: Path) -> None:
    arguments = ("run", "team.py:endless", "Go", "--limits", "requests=3")
    done = agentouto(*arguments, cwd=here)
    assert done.code == 5
    assert "Limits(requests=6) is reached." in done.err.splitlines()[-1]


def test_without_limits_a_run_goes_beyond_them(here: Path) -> None:
    done = agentouto("run", "team.py:deep", "250", "--no-limits", cwd=here)
    assert (done.code, done.out) == (0, "up\n")


def test_limits_and_no_limits_exclude_each_other(here: Path) -> None:
    done = agentouto("run", "team.py", "Go", "--limits", "depth=1", "--no-limits", cwd=here)
    assert done.code == 2
    assert "exclude each other" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("request=3", "Did you mean requests?"),
        ("requests", "requests takes a number, not ''"),
        ("requests=many", "requests takes a number, not 'many'"),
        ("requests=1.5", "must be a whole number"),
        ("requests=0", "must be more than 0"),
        ("seconds=nan", "must be more than 0"),
        ("prices=3", "There are: turns, calls"),
    ],
)
def test_wrong_limits_are_named(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=r".") as caught:
        parse_limits(text)
    assert told in str(caught.value)


def test_wrong_limits_exit_2(here: Path) -> None:
    done = agentouto("run", "team.py", "Go", "--limits", "requets=3", cwd=here)
    assert done.code == 2
    assert "Did you mean requests?" in " ".join(done.err.split())


def test_limits_are_written_as_they_are_read() -> None:
    for limits in (DEFAULT_LIMITS, Limits(requests=1, seconds=0.5, cost=2.25, mail=7)):
        assert parse_limits(describe_limits(limits)) == limits
