"""Begins a run in a journal, or goes on with the one that is there."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from agentouto._domain.clock import SYSTEM_CLOCK, monotonic, pause
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.errors import JournalError
from agentouto._domain.event import Event, RunEnded
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.journal_errors import RunChanged, RunOther, RunTaken
from agentouto._domain.message import USER
from agentouto._domain.participants import Agent
from agentouto._engine.durable_run import DurableRun
from agentouto._engine.plan import Plan
from agentouto._journal.database import JournalSite, OnLost, OpenedRun, RunOpener
from agentouto._journal.saved_run import TEAM, RunRow, marks_in
from agentouto._journal.store import Store

RUN_LOCK_SECONDS = 0.2
"""How long a lock is waited for. Who only looks whether the run is at work holds it for less."""


def open_run(
    place: JournalSite,
    run_id: str,
    plan: Plan,
    *,
    accept_changes: bool,
    team: str = "",
    on_lost: OnLost | None = None,
) -> DurableRun:
    """Return the run ``run_id`` of the journal at ``place``: new, to be gone on with, or ended.

    ``Journal`` says what ``team`` and ``on_lost`` are.

    Raises:
        JournalError: The journal cannot be used.
        RunTaken: The run is at work.
        RunOther: It was asked something else.
        RunChanged: Its agents or tools are others now.
    """
    _check_characters(plan.message)
    opener = place.open_run()
    try:
        opened = _opened(opener, run_id, plan, team, accept_changes)
        return DurableRun(opener.keeper(opened, on_lost), run_id, opened.earlier)
    except BaseException:
        opener.close()
        raise


def _opened(
    opener: RunOpener,
    run_id: str,
    plan: Plan,
    team: str,
    accept_changes: bool,  # noqa: FBT001
) -> OpenedRun:
    deadline = monotonic() + RUN_LOCK_SECONDS
    while True:
        try:
            return opener.do(lambda one: _take(Store(one), run_id, plan, team, accept_changes))
        except RunTaken:
            if monotonic() > deadline:
                raise
        pause(0.01)


def _take(store: Store, run_id: str, plan: Plan, team: str, accept_changes: bool) -> OpenedRun:  # noqa: FBT001
    held = store.database.hold_run(run_id)
    row = store.run(run_id)
    if held is None:
        owner = row.owner if row is not None and row.owner else "another process"
        raise RunTaken(f"run {run_id!r} is at work in {owner}")
    try:
        earlier: list[Event] = []
        marks = marks_of(plan)
        if row is None:
            begun_with = {TEAM: {"name": team, "folder": str(Path.cwd())}} if team else {}
            text = msgspec.json.encode(marks | begun_with).decode()
            row = store.add_run(run_id, plan.message, text, SYSTEM_CLOCK.now())
        else:
            earlier = _earlier_events(store, row)
            _check_same_message(row, plan)
            if not (earlier and isinstance(earlier[-1], RunEnded)):
                _check_marks(row, marks, accept_changes=accept_changes)
        if not (earlier and isinstance(earlier[-1], RunEnded)):
            store.set_owner(row.no, f"process {os.getpid()} on host {platform.node()}")
    except BaseException:
        held.release()
        raise
    return OpenedRun(row, held, earlier)


def _earlier_events(store: Store, row: RunRow) -> list[Event]:
    events = store.events(row)
    if row.status == "cancelled" and events and not isinstance(events[-1], RunEnded):
        # ``cancel`` was called, and the process ended before the run did.
        stamp = Stamp(USER, row.id, None)
        events.append(RunEnded(stamp, row.ended or events[-1].at, "cancelled", ()))
    if row.status == "failed" and not (events and isinstance(events[-1], RunEnded)):
        raise JournalError(
            f"run {row.id!r} cannot be gone on with: {row.error}. What it did then would be done "
            "twice; fork(before=(call, turn)) begins again from an earlier turn"
        )
    return events


def _check_characters(message: str) -> None:
    try:
        message.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"the message cannot be kept in a journal: it has half of a character at {error.start}"
        ) from error


def _check_same_message(row: RunRow, plan: Plan) -> None:
    if row.message != plan.message:
        raise RunOther(
            f"run {row.id!r} was asked {row.message!r:.120}, and now it is asked "
            f"{plan.message!r:.120}: give the same message, or another run_id="
        )


def marks_of(plan: Plan) -> dict[str, dict[str, str]]:
    """Return what a run is made of: a hash for each agent, peer and tool, by name."""
    agents: dict[str, str] = {}
    for name, one in plan.participants.items():
        agents[name] = (
            _hash(one.instructions, one.model, one.provider_name)
            if isinstance(one, Agent)
            else "peer"
        )
    tools = {
        name: _hash(tool.description, msgspec.json.encode(tool.parameters).decode())
        for name, tool in plan.tools.items()
    }
    return {"agents": agents, "tools": tools}


def _hash(*texts: str) -> str:
    return blake2b("\0".join(texts).encode(errors="replace"), digest_size=8).hexdigest()


def _check_marks(
    row: RunRow, marks: Mapping[str, Mapping[str, str]], *, accept_changes: bool
) -> None:
    before = marks_in(row)
    for what in ("agents", "tools"):
        was, now = before.get(what, {}), marks[what]
        gone = [name for name in was if name not in now]
        if gone:
            raise RunChanged(
                f"run {row.id!r} has {what} that are not there now: {', '.join(gone)}. It can only "
                f"go on with them; there are: {', '.join(now) or 'none'}"
            )
        changed = [name for name in was if now[name] != was[name]]
        if changed and not accept_changes:
            raise RunChanged(
                f"run {row.id!r} was begun with other {what}: {', '.join(changed)} now have other "
                'instructions, models or parameters. changed="accept" goes on with those; turns '
                "that are done stay as they are"
            )
