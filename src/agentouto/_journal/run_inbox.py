"""Writes to a run from any process: answers, decisions, messages, and what is cancelled of it.

An item is added in one transaction that finds the run not ended, and its question or receiver open.
The process that works on the run ends it in a transaction that refuses what is left in the inbox.
So an item is refused here, or it is taken, or its outcome says why it was refused. If a process is
at work, the sender waits for that outcome, for a moment.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

import msgspec

from agentouto._domain.clock import SYSTEM_CLOCK, monotonic, new_id, pause
from agentouto._domain.errors import ConfigurationError, RoutingError
from agentouto._domain.event import (
    CallCancelled,
    CallFailed,
    CallReturned,
    CallStarted,
    Event,
    RunEnded,
)
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.kept_event import CallOpened
from agentouto._domain.message import Message
from agentouto._engine.event_loops import current_loop
from agentouto._journal.database import Database, JournalSite
from agentouto._journal.inbox_table import ItemRow, add_item, item_state, run_status, set_ready
from agentouto._journal.saved_run import ENDED, RunRow
from agentouto._journal.store import Store

TAKING_SECONDS = 5.0
"""How long a sender waits until the process of the run takes what was sent. It looks several times
a second, unless a function of the user's holds up its loop."""

TAKING_POLL_SECONDS = 0.01
"""Pause between two looks: twenty of them while the process of the run waits for its next one."""


class _RunState:
    """The calls of a run and the questions in it, as far as they are written."""

    def __init__(self, events: list[Event]) -> None:
        self.length = len(events)
        self.numbers: dict[Stamp, int] = {}
        self.opened: dict[str, Stamp] = {}
        self.asked: dict[str, Stamp] = {}
        self.forwards: dict[str, Message] = {}
        self.ends: dict[str, str] = {}
        for event in events:
            self._take(event)

    @property
    def starters(self) -> list[str]:
        """The ids of the calls of starting agents."""
        return [id_ for id_, stamp in self.opened.items() if stamp.parent_call_id is None]

    def _take(self, event: Event) -> None:
        stamp = event.stamp
        self.numbers.setdefault(stamp, len(self.numbers))
        match event:
            case CallOpened():
                self.opened[stamp.call_id] = stamp
            case CallStarted() if event.person or event.message.approval is not None:
                self.asked[stamp.call_id] = stamp
                self.forwards[stamp.call_id] = event.message
            case CallReturned() | CallFailed() | CallCancelled():
                self.ends[stamp.call_id] = type(event).__name__
            case RunEnded():
                self.ends.update(dict.fromkeys(self.asked, "RunEnded"))
            case _:
                pass


class RunInbox:
    """What people can answer in a run, and write to it.

    Args:
        place: Where the journal is.
        run_id: The run.
    """

    def __init__(self, place: JournalSite, run_id: str) -> None:
        self._place = place
        self._run_id = run_id

    def asked(self) -> list[Message]:
        """Return the questions and the requests for approval that wait, oldest first."""
        with self._opened() as (store, run):
            if run.status in ENDED:
                return []
            state = _RunState(store.events(run))
            with store.database.errors("cannot be read"):
                return [
                    forward
                    for id_, forward in state.forwards.items()
                    if id_ not in state.ends
                    and not _is_answered(store.database, run.no, _kind_of(forward), id_)
                ]

    def answer(self, call_id: str, text: str) -> None:
        """Answer a question; see ``SavedRun.answer``."""
        body = _keepable_text("an answer", text)
        self._decide("answer", call_id, body)

    def approve(self, approval_id: str, *, yes: bool, reason: str) -> None:
        """Decide on a request for approval; see ``SavedRun.approve``."""
        if yes is not True and yes is not False:
            raise ConfigurationError(f"approve(yes=) takes True or False, not {yes!r:.60}")
        why = _keepable_text("a reason", reason)
        self._decide("approval", approval_id, msgspec.json.encode((yes, why)).decode())

    def send(self, text: str, to: str | None, id_: str | None) -> str:
        """Send a message; see ``SavedRun.send``."""
        body = _keepable_text("a message", text)
        name = new_id() if id_ is None else _keepable_text("the id of a message", id_)
        self._write(ItemRow("message", name, to, body))
        return name

    def pass_on(self, address: str, id_: str, letter: str) -> str:
        """Write to a call as a participant of another run does; return the name of the receiver."""
        return self._write(ItemRow("letter", id_, address, letter))

    def _write(self, item: ItemRow) -> str:
        with self._opened() as (store, run):
            state, to = _RunState(store.events(run)), item.address
            if to is not None:
                self._check_call(state, to)
            receivers = state.starters if to is None else [to]
            with store.database.transaction():
                self._check_not_ended(store.database, run.no)
                ended = state.ends.keys() | _ended_since(store.database, run.no, state)
                if receivers and ended.issuperset(receivers):
                    names = " and ".join(state.opened[one].agent_name for one in receivers)
                    raise RoutingError(self._run_id, f"{names} has already returned")
                self._add(store.database, run.no, item)
            self._await_taking(store, run.no, item.kind, item.id)
        return "" if to is None else state.opened[to].agent_name

    def cancel(self, reason: str) -> bool:
        """End the run for good; see ``SavedRun.cancel``."""
        why = _keepable_text("a reason", reason)
        with self._opened() as (store, run):
            while True:
                held = store.database.hold_run(self._run_id)
                if held is not None:
                    try:
                        now = store.run(self._run_id)
                        if now is None or now.status in ENDED:
                            return False
                        store.cancel(run.no, why)
                        return True
                    finally:
                        held.release()
                try:
                    with store.database.transaction():
                        self._check_not_ended(store.database, run.no)
                        self._add(store.database, run.no, ItemRow("cancel", "", None, why))
                    self._await_taking(store, run.no, "cancel", "")
                except RoutingError:  # it has ended by itself
                    return False
                if store.database.is_at_work(self._run_id) or not self._has_item(store, run.no):
                    return True

    def cancel_call(self, call_id: str, reason: str) -> bool:
        """End one call; see ``SavedRun.cancel``."""
        why = _keepable_text("a reason", reason)
        with self._opened() as (store, run):
            state = _RunState(store.events(run))
            self._check_call(state, call_id)
            try:
                with store.database.transaction():
                    self._check_not_ended(store.database, run.no)
                    if call_id in state.ends.keys() | _ended_since(store.database, run.no, state):
                        return False
                    self._add(store.database, run.no, ItemRow("cancel_call", call_id, None, why))
                self._await_taking(store, run.no, "cancel_call", call_id)
            except RoutingError:  # it has ended by itself
                return False
        return True

    def _decide(self, kind: str, id_: str, body: str) -> None:
        what = "question" if kind == "answer" else "approval"
        with self._opened() as (store, run):
            state = _RunState(store.events(run))
            known = state.forwards.get(id_) if isinstance(cast("object", id_), str) else None
            if known is None or _kind_of(known) != kind:
                raise RoutingError(self._run_id, f"the run has no {what} {id_!r:.80}")
            with store.database.transaction():
                self._check_not_ended(store.database, run.no)
                end = {**state.ends, **_ended_since(store.database, run.no, state)}.get(id_)
                if end == "CallReturned" or _is_answered(store.database, run.no, kind, id_):
                    raise RoutingError(self._run_id, f"the {what} {id_!r} was answered already")
                if end is not None:
                    raise RoutingError(self._run_id, f"the {what} {id_!r} was cancelled")
                self._add(store.database, run.no, ItemRow(kind, id_, None, body))
            self._await_taking(store, run.no, kind, id_)

    # ── the file ──────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _opened(self) -> Generator[tuple[Store, RunRow]]:
        database = self._place.connect()
        store = Store(database)
        try:
            run = store.run(self._run_id)
            if run is None:
                raise ConfigurationError(
                    f"the journal {self._place} has no run {self._run_id!r} any more"
                )
            yield store, run
        finally:
            database.close()

    def _check_call(self, state: _RunState, call_id: str) -> None:
        if isinstance(cast("object", call_id), str) and call_id in state.opened:
            return
        open_calls = [one for one in state.opened if one not in state.ends]
        raise RoutingError(
            self._run_id,
            f"the run has no call {call_id!r:.80}; those that have not ended: "
            f"{', '.join(open_calls) or 'none'}",
        )

    def _check_not_ended(self, database: Database, no: int) -> None:
        status = run_status(database, no, lock=True)
        if status in ENDED:
            raise RoutingError(self._run_id, f"the run has ended: it is {status}")
        if status not in ("running", "waiting"):
            raise RoutingError(self._run_id, "the run was removed")

    def _add(self, database: Database, no: int, item: ItemRow) -> None:
        add_item(database, no, item, SYSTEM_CLOCK.now())
        set_ready(database, no)

    def _has_item(self, store: Store, no: int) -> bool:
        with store.database.errors("cannot be read"):
            return item_state(store.database, no, "cancel", "") is not None

    def _await_taking(self, store: Store, no: int, kind: str, id_: str) -> None:
        """Wait for a moment until the process of the run has taken an item.

        Raises:
            RoutingError: It was refused.
        """
        if current_loop() is not None:  # which may be that of the run
            return
        deadline = monotonic() + TAKING_SECONDS
        while True:
            # Before the state is read: the process lets go of the run when it has written its end.
            at_work = store.database.is_at_work(self._run_id)
            with store.database.errors("cannot be read"):
                status = run_status(store.database, no)
                state = item_state(store.database, no, kind, id_)
            if state is None or (state.is_taken and not state.refusal):
                return
            if state.refusal or status in ENDED:
                raise RoutingError(self._run_id, state.refusal or "the run has ended")
            if monotonic() > deadline or not at_work:
                return
            pause(TAKING_POLL_SECONDS)


def _ended_since(database: Database, no: int, state: _RunState) -> dict[str, str]:
    """Return the calls that have ended since ``state`` was read, and how."""
    _, _, where, values = database.events_from(no, state.length)
    ends = f"{where} and kind in ('CallReturned', 'CallFailed', 'CallCancelled')"
    found = database.execute(f"select call, kind from facts where {ends}", values)  # noqa: S608
    names = {number: stamp.call_id for stamp, number in state.numbers.items()}
    return {names[call]: kind for call, kind in found if call in names}


def _is_answered(database: Database, no: int, kind: str, id_: str) -> bool:
    """Whether an answer is in the inbox, for the run to take."""
    item = item_state(database, no, kind, id_)
    return item is not None and item.is_open


def _kind_of(forward: Message) -> str:
    return "answer" if forward.approval is None else "approval"


def _keepable_text(what: str, text: object) -> str:
    if not isinstance(text, str):
        raise ConfigurationError(f"{what} is text, not {text!r:.60}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"{what} cannot be kept in a journal: it has half of a character at {error.start}"
        ) from error
    return str(text)
