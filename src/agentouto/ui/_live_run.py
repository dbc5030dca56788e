"""One run that the page started: its lines in memory, and the questions that wait for the person.

One task reads the lines of the run, word by word, and appends them to a list; any number of
watchers read that list from wherever they are. So a watcher that is slow, or comes back, misses
nothing and delays no other. After the end of the run the list is replaced by one in which every
reply is whole; a watcher that is still reading keeps the old list.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right
from collections.abc import Mapping
from typing import cast

import msgspec

from agentouto import Approval, Handle, Message, Options, RoutingError, Team, cancel
from agentouto.ui._setup import PageSetup

Address = tuple[int, int]
"""``seq`` and ``part`` of a line: unique in a run, and rising."""

WAITING = "waiting"
"""The code of the error that a run ends with when everything in it waits for people."""

STOPPED = "stopped in the page"
"""The reason that the participants of a run are told."""


class Lines:
    """Encoded lines of a run, in order, with their addresses."""

    def __init__(self, *, whole: bool) -> None:
        self.texts: list[bytes] = []
        self._addresses: list[Address] = []
        self.whole = whole

    def add(self, line: Mapping[str, object]) -> None:
        """Append a line."""
        self.texts.append(encode(line))
        self._addresses.append((cast("int", line["seq"]), cast("int", line.get("part", 0))))

    def address(self, index: int) -> str:
        """Return the address of a line, as ``seq.part``."""
        seq, part = self._addresses[index]
        return f"{seq}.{part}"

    def last_address(self) -> Address:
        """Return the address of the last line."""
        return self._addresses[-1]

    def from_address(self, address: Address) -> Lines:
        """Return the lines after ``address``."""
        rest, start = Lines(whole=self.whole), self.after(address)
        rest.texts, rest._addresses = self.texts[start:], self._addresses[start:]
        return rest

    def after(self, address: Address) -> int:
        """Return the index of the first line after ``address``."""
        return bisect_right(self._addresses, address)


def encode(line: Mapping[str, object]) -> bytes:
    """Return ``line`` as JSON; halves of characters, which UTF-8 cannot encode, are escaped."""
    try:
        return msgspec.json.encode(line, enc_hook=str)
    except UnicodeEncodeError:
        return json.dumps(line, default=str).encode()


class LiveRun:
    """A run of the page.

    Attributes:
        id: The id of the run.
        text: The message it began with.
        at: When it began, in seconds since 1970; 0 until its first line.
        seconds: How long it has taken, up to its last line.
        status: ``running``, or the status in its last line.
        lines: Its lines.
        is_running: Whether lines may still come.
        waits: Whether it has ended because all that is under way waits for people. What it waits
            for, and its lines without this end, are in its journal.
    """

    def __init__(self, setup: PageSetup, team: Team, text: str) -> None:
        self._setup = setup
        self._team = team
        self._questions: dict[str, asyncio.Future[str]] = {}
        self._calls: set[str] = set()
        self._watchers: set[asyncio.Event] = set()
        self._handle: Handle | None = None
        self._reader: asyncio.Task[None] | None = None
        self.id: str = ""
        self.text = text
        self.at: float = 0.0
        self.seconds: float = 0.0
        self.status: str = "running"
        self.is_running: bool = True
        self.waits: bool = False
        self.lines: Lines = Lines(whole=False)

    def start(self, to: list[str], history: list[Mapping[str, object]], resumed: str = "") -> None:
        """Begin the run in the running loop.

        Args:
            to: The names of the starting agents; empty for those of the team.
            history: What they read first.
            resumed: The id of a run in the journal that goes on; empty for a new run.

        Raises:
            ConfigurationError: The team cannot work.
            JournalError: The journal cannot be used.
        """
        # What the team says itself stays; the page answers where the team has no answer of its own.
        team = self._team
        starting = [each for each in team.agents if each.name in to] or None
        options: Options = {}
        if self._setup.limits is not None and team.options.get("limits") is None:
            options["limits"] = self._setup.limits
        if not self._setup.user_is_away():  # then questions are kept, and approvals too
            if team.options.get("ask_user") is None:
                options["ask_user"] = self._ask
            if team.options.get("approve") is None:
                options["approve"] = self._wait_for_decision
        if team.options.get("on_message") is None:
            options["on_message"] = _take_note
        if history:
            options["history"] = history
        if self._setup.journal is not None:
            options["journal"] = self._setup.journal
        if resumed:
            options["run_id"] = resumed
        # In the background: the run belongs to the process, and goes on when its tab is closed.
        self._handle = team.run_background(self.text, starting, **options)
        self.id = str(self._handle)
        self._reader = asyncio.create_task(self._read(self._handle), name=f"page {self.id}")

    def summary(self) -> dict[str, object]:
        """Return what the list of runs shows."""
        return {
            "id": self.id,
            "text": self.text,
            "status": self.status,
            "at": self.at,
            "seconds": self.seconds,
            "own": True,
        }

    def watch(self, event: asyncio.Event) -> None:
        """Have ``event`` set whenever there are new lines, and at the end."""
        self._watchers.add(event)

    def unwatch(self, event: asyncio.Event) -> None:
        """Stop setting ``event``."""
        self._watchers.discard(event)

    def wake(self) -> None:
        """Wake all watchers."""
        for event in self._watchers:
            event.set()

    # ── what the person does ──────────────────────────────────────────────────────────────────────

    def send(self, call: str, text: str) -> dict[str, object]:
        """Send a message to the participant of ``call``, and return the receipt.

        Raises:
            RoutingError: There is no such call, or it has returned.
        """
        receipt = self._open().send(text, call)
        return {"id": receipt.message_id, "status": str(receipt.status)}

    def answer(self, call: str, text: str) -> dict[str, object]:
        """Answer a question.

        Raises:
            RoutingError: It has been answered, or its call has ended.
        """
        # Taken out before it is answered, so that of two tabs one is told that it came too late.
        question = self._questions.pop(call, None)
        if question is None or question.done():
            raise RoutingError("user", "this question has been answered, or is gone")
        question.set_result(text)
        return {"answered": call}

    def approve(self, request: str, reason: str, *, yes: bool) -> dict[str, object]:
        """Allow or refuse one use of a tool.

        Raises:
            RoutingError: It has been decided, or its call has ended.
        """
        self._open().approve(request, yes, reason)
        return {"approved": yes}

    def stop(self, call: str = "") -> dict[str, object]:
        """Stop one call, or the run.

        Raises:
            RoutingError: The call does not belong to the run.
        """
        if not call:
            return {"stopped": self._open().cancel(STOPPED)}
        if call not in self._calls:
            raise RoutingError("unknown", f"this run has no call {call!r:.80}")
        return {"stopped": cancel(call, STOPPED)}

    async def close(self, seconds: float) -> None:
        """Stop the run, and wait at most ``seconds`` until all its lines are read.

        One that is kept in a journal is left to the end of the event loop, as a run is that its
        process leaves, and can be resumed.
        """
        kept = self._setup.kept_in() is not None
        if self._handle is not None and self._reader is not None and not kept:
            self._handle.cancel("agentouto ui has ended")
            await asyncio.wait([self._reader], timeout=seconds)

    def forget(self) -> None:
        """Free what the process keeps of a run that has ended."""
        if self._handle is not None:
            self._handle.forget()

    # ── what the run does ─────────────────────────────────────────────────────────────────────────

    def _open(self) -> Handle:
        if self._handle is None or not self.is_running:
            raise RoutingError("unknown", "this run has ended")
        return self._handle

    async def _ask(self, message: Message) -> str:
        question: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._questions[message.call_id] = question
        try:
            return await question
        finally:
            self._questions.pop(message.call_id, None)

    async def _wait_for_decision(self, _: Approval) -> bool:
        """Wait for ever: ``approve`` decides in place of this function, and then ends it."""
        decided: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        return await decided

    async def _read(self, handle: Handle) -> None:
        try:
            async for line in handle.lines():
                self._take(line)
        finally:
            # Read again, each reply is one line: what is kept of an ended run is much smaller.
            whole = Lines(whole=True)
            async for line in handle.lines():
                whole.add(line)
            self.lines = whole
            self.is_running = False
            if self.waits:
                self.forget()  # it can go on under the same id
            self.wake()

    def _take(self, line: Mapping[str, object]) -> None:
        self.lines.add(line)
        self.seconds = max(self.seconds, cast("float", line["t"]))
        if line["type"] == "run.start":
            self.at = cast("float", line["at"])
        elif line["type"] == "run.end":
            self.status = str(line["status"])
            error = cast("Mapping[str, object]", line.get("error") or {})
            self.waits = error.get("code") == WAITING
        elif line["type"] in {"forward", "ask"}:
            self._calls.add(str(line["call"]))
        self.wake()


async def _take_note(message: Message, _: object) -> None:
    """Accept a message to the user: its line shows it, and the person answers from there."""
    del message
