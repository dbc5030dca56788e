"""Counts the runs of a front that are at work, and keeps those that wait for their caller.

A run is kept under the id of what it waits for and under its owner, and given out once. A team with
a journal loses none: its runs are left to the journal instead of being stopped, and found there.

A talk is in one place at a time: at work, waiting, or left to the journal. It goes from one to the
other without an ``await`` in between, so no two requests can take the same one. ``take`` looks
whether there is room before it removes the talk: in the other order, a client that is told to come
back later would find nothing to come back to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from agentouto import ConfigurationError, Options, Team, ToolResult
from agentouto.exceptions import JournalError
from agentouto.serve._saved_talks import find_saved, new_identity
from agentouto.serve._talk import Talk
from agentouto.serve._teams import StartingParticipants
from agentouto.serve._waiting import CallerTool, ToolOutput

log = logging.getLogger("agentouto.serve")

WAITING_SECONDS = 600.0
"""How long a question waits for its answer: a person has read it by then, or has gone."""

MOST_WAITING = 1000
"""Runs that wait at the same time. Each holds its transcripts, some hundred kilobytes at most."""

MOST_RUNNING = 100
"""Runs that work at the same time. More would wait for the same model servers anyway."""


class MissingOutputs(Exception):
    """A run waits for several results of tools, and not all of them were sent.

    Attributes:
        ids: The uses whose results are missing.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"The result of {', '.join(ids)} is missing: the run waits for all.")
        self.ids = ids


class TooManyRuns(Exception):
    """As many runs as allowed are at work."""


class _Waiting:
    """A talk that waits, and who may go on with it."""

    __slots__ = ("subject", "talk", "timer")

    def __init__(self, talk: Talk, subject: str, timer: asyncio.TimerHandle) -> None:
        self.talk = talk
        self.subject = subject
        self.timer = timer


class Talks:
    """The talks of one front: those at work are counted, those that wait are kept.

    Args:
        seconds: How long a question waits; then its run is stopped.
        most_waiting: How many may wait; the oldest are stopped.
        most_running: How many may be at work; no more are started.
    """

    def __init__(
        self,
        *,
        seconds: float = WAITING_SECONDS,
        most_waiting: int = MOST_WAITING,
        most_running: int = MOST_RUNNING,
    ) -> None:
        self._seconds = seconds
        self._most_waiting = most_waiting
        self._most_running = most_running
        self._running: set[Talk] = set()
        self._left: list[Talk] = []
        self._waiting: dict[tuple[str, str], _Waiting] = {}

    def begin(
        self,
        team: Team,
        message: str,
        starting: StartingParticipants | None = None,
        options: Options | None = None,
        tools: Sequence[CallerTool] = (),
        *,
        approves: bool = False,
        owner: str = "",
        subject: str = "",
    ) -> Talk:
        """Return a new talk, which begins when it is read first.

        Raises:
            TooManyRuns: As many as allowed are at work.
            ConfigurationError: The team cannot run so.
        """
        self._check_room()
        identity = new_identity(team, owner, subject)
        talk = Talk(
            team, message, starting, options or {}, tools, approves=approves, identity=identity
        )
        self._running.add(talk)
        return talk

    def keep(self, talk: Talk, owner: str, subject: str = "") -> None:
        """Keep a talk that waits.

        Args:
            talk: The talk.
            owner: Whose it is, such as the hash of a key. No other owner can take it.
            subject: The person, where the protocol names one.
        """
        id_ = talk.waits_for
        if id_ is None:
            raise ValueError("keep() takes a talk that waits")
        self._running.discard(talk)
        key = owner, id_  # the id alone is not enough: another owner does not find the talk
        loop = asyncio.get_running_loop()
        timer = loop.call_later(
            self._seconds, self._give_up, key, f"no answer came in {self._seconds:g} seconds"
        )
        self._waiting[key] = _Waiting(talk, subject, timer)
        while len(self._waiting) > self._most_waiting:
            # A dictionary keeps the order of insertion: the first has waited longest.
            self._give_up(next(iter(self._waiting)), "too many runs wait")

    def take(self, id_: str, owner: str, subject: str = "") -> Talk | None:
        """Return the talk that waits for what has this id, once; ``None`` if there is none.

        A talk that was kept for one ``subject`` is not given to another; one that was kept or is
        asked for without a subject is not compared.

        Raises:
            TooManyRuns: As many as allowed are at work. The talk still waits.
        """
        talk = self.find(id_, owner, subject)
        if talk is None:
            return None
        self._check_room()
        # Without this, the timer would give up a talk that waits for something else by then.
        self._waiting.pop((owner, id_)).timer.cancel()
        if not talk.is_open:
            talk.cancel("what it waited for was given up")
            return None
        self._running.add(talk)
        return talk

    def revive(
        self,
        team: Team,
        answer: tuple[str, ToolResult],
        owner: str,
        subject: str = "",
        *,
        starting: StartingParticipants | None = None,
        options: Options | None = None,
        tools: Sequence[CallerTool] = (),
        approves: bool = False,
    ) -> Talk | None:
        """Return a talk that goes on with a run of the team's journal; ``None`` if there is none.

        Args:
            team: The team.
            answer: The id of the question, and the answer.
            owner: Whose it is, as in ``keep``.
            subject: The person, likewise.
            starting: As in ``begin``; so are the others.
            options: More options of the run.
            tools: Tools that the caller carries out.
            approves: Whether the user is asked to approve uses of tools.

        Raises:
            TooManyRuns: As many as allowed are at work.
        """
        id_, text = answer
        saved = find_saved(team, id_, owner, subject)
        if saved is None:
            return None
        self._check_room()
        # The client sends its instructions and tools each time, and may have changed them since.
        every: Options = {**(options or {}), "changed": "accept"}
        try:
            talk = Talk(team, saved.message, starting, every, tools, approves=approves, saved=saved)
        except (ConfigurationError, JournalError) as error:
            log.warning("run %s cannot be gone on with: %s", saved.identity.run_id, error)
            return None
        talk.prepare_answer(saved.call_id, text)
        self._running.add(talk)
        return talk

    def take_for_outputs(
        self, outputs: Sequence[ToolOutput], owner: str, subject: str = ""
    ) -> Talk | None:
        """Give results of tools to the talk that waits for them, and return it, as ``take`` does.

        Raises:
            MissingOutputs: Some are missing. The talk still waits.
            TooManyRuns: As many as allowed are at work. The talk still waits.
        """
        by_id = {output.id: output for output in outputs}
        for id_ in by_id:
            found = self.find(id_, owner, subject)
            if found is None:
                continue
            # Before ``take``, which ends the wait: so the client can send the missing ones as well.
            if missing := [use.id for use in found.tool_uses if use.id not in by_id]:
                raise MissingOutputs(missing)
            talk = self.take(id_, owner, subject)
            for use in talk.tool_uses if talk is not None else ():
                use.finish(by_id[use.id].text, by_id[use.id].attachments)
            return talk
        return None

    def find(self, id_: str, owner: str, subject: str = "") -> Talk | None:
        """Return the talk that ``take`` would return, and leave it where it is."""
        waiting = self._waiting.get((owner, id_))
        if waiting is None or (subject and waiting.subject and subject != waiting.subject):
            return None
        return waiting.talk

    async def end(self, talk: Talk) -> None:
        """Stop the run of ``talk``, if it has not ended, and count it no more."""
        talk.cancel("its client has left")
        try:
            await talk.aclose()
        finally:
            self._running.discard(talk)

    async def aclose(self) -> None:
        """Stop all runs and wait until they have ended."""
        for key in tuple(self._waiting):
            self._give_up(key, "the server stops")
        await self.sweep()
        for talk in tuple(self._running):
            await self.end(talk)

    async def sweep(self) -> None:
        """Wait until the runs have ended that were left to the journal."""
        while self._left:
            await self._left.pop().aclose()

    def _check_room(self) -> None:
        if len(self._running) >= self._most_running:
            raise TooManyRuns(f"{len(self._running)} runs are at work, and no more are allowed")

    def _give_up(self, key: tuple[str, str], reason: str) -> None:
        waiting = self._waiting.pop(key)
        waiting.timer.cancel()
        if waiting.talk.survives:
            # A timer calls this and cannot wait: the next request does, or the server at its end.
            self._left.append(waiting.talk)
        else:
            waiting.talk.cancel(reason)
        log.info("run %s was stopped: %s", waiting.talk.run_id, reason)
