"""``agentouto runs resume`` and ``fork``: go on with a saved run, or from earlier."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from agentouto import Agent, Peer, SavedRun, Team
from agentouto.cli._execute import check_names, print_answer
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._journal_choice import find_run, named_journal, saved_journal
from agentouto.cli._run import (
    check_keys,
    limits_notices,
    load_for_run,
    print_programs,
    run_and_print,
    shows_notices,
)
from agentouto.cli._runs_go_on import SavedPlace, place_of
from agentouto.cli._runs_words import short_id
from agentouto.cli._terminal_text import clean, print_notice
from agentouto.cli._views import CommandOptions


def resume_run(
    name: str, spec: str, options: CommandOptions, mcp_files: Sequence[str] = ()
) -> ExitCode:
    """Go on with a saved run, with the team that ``spec`` names or the one it was begun with.

    A journal that was named may come from anywhere, and loading a team runs its Python: so the
    team that such a journal has noted is not loaded.
    """
    journal = saved_journal(options.journal or "")
    run = find_run(journal, name)
    place = SavedPlace(run.id, journal, spec or run.team, noted_team=bool(run.team and not spec))
    match run.status:
        case "returned":
            if shows_notices(options):
                print_notice("It has returned already; no model is asked.")
            return print_answer(run.result(), options)
        case "failed":
            raise ExitError(
                f"It failed: {run.error}\nFrom before the failure: {place.fork_command()}",
                ExitCode.FAILED,
            )
        case "cancelled":
            raise ExitError(
                "It was stopped for good. From an earlier turn: "
                f"{place.fork_command()} --before CALL:TURN",
                ExitCode.FAILED,
            )
        case _:
            pass
    spec = spec or _noted_team(
        run, is_named=options.journal is not None or bool(named_journal("")), options=options
    )
    team = load_for_run(spec, options, mcp_files)
    check_names(team, options)
    check_keys(team)
    print_programs(team, options)
    goes_on = replace(
        options,
        journal=journal,
        run_id=run.id,
        resume_command=place.resume_command(),
        team=spec,
        noted_team=place.noted_team,
    )
    notices = limits_notices(team, options)
    return run_and_print(team, run.message, _starting(run, team), goes_on, notices=notices)


def _noted_team(run: SavedRun, *, is_named: bool, options: CommandOptions) -> str:
    """Return the team that a run was begun with, and go to its folder."""
    name = short_id(run.id)
    if not run.team:
        raise ExitError(
            f"The journal does not say with which team this run was begun. Name it: agentouto runs "
            f"resume {name} TEAM",
            ExitCode.USAGE,
        )
    if is_named:
        raise ExitError(
            "The journal was named, and may come from anywhere: so its team is not loaded by "
            f"itself. Name it: agentouto runs resume {name} {clean(run.team)}",
            ExitCode.USAGE,
        )
    if not Path(run.folder).is_dir():
        raise ExitError(
            f"The run was begun in {clean(run.folder)}, and there is no such folder now. Name the "
            f"team: agentouto runs resume {name} TEAM"
        )
    if Path.cwd() != Path(run.folder):
        os.chdir(run.folder)
        if shows_notices(options):
            print_notice(f"In {run.folder}, where it was begun:")
    return run.team


def _starting(run: SavedRun, team: Team) -> Sequence[Agent | Peer] | None:
    """Return the starting agents that the run has, if the team has them all."""
    start = next((line for line in run.lines() if line["type"] == "run.start"), None)
    if start is None:
        return None
    by_name = {one.name: one for one in team.agents}
    names = cast("list[str]", start["to"])
    return [by_name[name] for name in names] if by_name.keys() >= {*names} else None


def fork_run(name: str, journal_file: str, before: str, new_id: str) -> ExitCode:
    """Add a run that goes on from an earlier point of another, and print its id."""
    journal = saved_journal(journal_file)
    run = find_run(journal, name)
    if not before and run.status != "failed":
        raise ExitError(
            f"It has not failed: --before CALL:TURN says where to begin, and `agentouto runs show "
            f"{short_id(run.id)}` has its calls",
            ExitCode.USAGE,
        )
    place = _place_named(run, before) if before else None
    fork = run.fork(place, new_id or None)
    sys.stdout.write(f"{fork.id}\n")
    print_notice(f"Go on with it: {place_of(journal, fork).resume_command()}")
    return ExitCode.RETURNED


def _place_named(run: SavedRun, before: str) -> tuple[str, int]:
    """Return the call and the turn that ``CALL:TURN`` names.

    Raises:
        ExitError: There is no such call or turn.
    """
    call_text, colon, turn = before.rpartition(":")
    if not (colon and call_text and turn.isdecimal()):
        raise ExitError(
            f"--before takes CALL:TURN, the first turn is 0; not {before!r:.80}", ExitCode.USAGE
        )
    calls = run.calls
    found = (
        [call for call in calls if call.id == call_text]
        or [call for call in calls if call.name == call_text]
        or [call for call in calls if call.id.startswith(call_text)]
    )
    if not found:
        there = ", ".join(f"{call.name} {short_id(call.id)}" for call in calls[:10])
        raise ExitError(f"--before {before}: there is no such call. There are: {there}")
    if len(found) > 1:
        there = ", ".join(f"{call.name} {short_id(call.id)}" for call in found[:10])
        raise ExitError(f"--before {before}: {len(found)} calls are so called: {there}")
    (call,) = found
    if int(turn) > call.turns:  # the last one may have begun without a reply
        there = f"0 to {call.turns - 1}" if call.turns else "none"
        raise ExitError(f"--before {before}: {call.name} has no turn {turn}; it has {there}")
    return call.id, int(turn)
