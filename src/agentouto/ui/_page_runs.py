"""The runs of the page: starts them, finds them, streams their lines, and stops them at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import cast

import msgspec

from agentouto import ConfigurationError, JournalError, SavedRun
from agentouto.ui._live_run import Address, Lines, LiveRun
from agentouto.ui._saved_runs import SavedRuns
from agentouto.ui._setup import MAX_RUNS, PageSetup

MAX_ENDED = 50
"""Ended runs that stay in memory; a run of 300 calls takes about 5 MB."""

MAX_WATCHERS = 64
"""Streams at once: more than the open tabs of one person."""

MAX_BATCH = 2_000
"""Lines in one message of a stream: about 1 MB, which a browser parses in 10 ms."""

JOIN_SECONDS = 0.05
"""New lines are collected for so long: below what a reader notices, and 20 messages a second."""

QUIET_SECONDS = 15.0
"""A stream without lines sends a comment so often, for proxies that close silent connections."""

CLOSE_SECONDS = 5.0
"""How long a run may take to clean up when the server ends."""


RESTART = b"event: restart\ndata: 0\n\n"
"""Tells a reader to drop what it has: the lines come again, from the first one on."""


class TooMany(Exception):
    """There are as many runs or streams as there may be; the text says how to get another."""


class PageRuns:
    """The runs that the page has started, newest last, and those of its journal."""

    def __init__(self, setup: PageSetup) -> None:
        self._setup = setup
        self.saved: SavedRuns = SavedRuns(setup.kept_in())
        self._runs: dict[str, LiveRun] = {}
        self._watchers = 0
        self._is_closing = False

    async def start(
        self, text: str, to: Sequence[str], history_of: str = "", resume: str = ""
    ) -> LiveRun:
        """Start a run.

        Args:
            text: The message.
            to: The names of the starting agents; empty for those of the team.
            history_of: The run whose messages the agents read first; empty for none.
            resume: A run in the journal that goes on, instead of a new one; empty for none.

        Raises:
            ConfigurationError: The team cannot work, or a name does not exist.
            JournalError: The journal cannot be used.
            TooMany: ``MAX_RUNS`` runs are at work.
        """
        team = self._setup.team
        if team is None or self._setup.why_not():
            raise ConfigurationError(self._setup.why_not())
        names = [each.name for each in team.agents]
        if unknown := [name for name in to if name not in names]:
            raise ConfigurationError(
                f"there is no {unknown[0]!r:.80}. There are: {', '.join(names)}"
            )
        earlier = await self.lines_of(history_of) if history_of else None
        if history_of and earlier is None:
            raise ConfigurationError(f"there is no run {history_of!r:.80} to continue")
        lost = await self.saved.find(resume) if resume else None
        if resume and (lost is None or lost.status != "interrupted"):
            raise ConfigurationError(f"there is no run {resume!r:.80} that ended without an end")
        if sum(run.is_running for run in self._runs.values()) >= MAX_RUNS:
            raise TooMany(f"{MAX_RUNS} runs are at work: stop one, or wait until one has ended")
        run = LiveRun(self._setup, team, text if lost is None else lost.message)
        run.start(list(to), [] if earlier is None else list(history_from(earlier.texts)), resume)
        self._runs.pop(run.id, None)  # the newest comes last
        self._runs[run.id] = run
        self._drop_oldest()
        return run

    async def go_on(self, saved: SavedRun) -> None:
        """Go on with a run that waited for people, if the page began it and all is answered.

        Where that cannot be done now, the page shows *Resume*, which says why.
        """
        run = self._runs.get(saved.id)
        if run is None or not run.waits or await self.saved.asked(saved):
            return
        # Of two answers at the same time, one goes on.
        if self._runs.pop(saved.id, None) is run:
            with suppress(ConfigurationError, JournalError, TooMany):
                await self.start(saved.message, [], resume=saved.id)

    def find(self, run_id: str) -> LiveRun | None:
        """Return a run, or ``None``. One that waits for people is found in the journal."""
        run = self._runs.get(run_id)
        return None if run is None or run.waits else run

    async def lines_of(self, run_id: str) -> Lines | None:
        """Return the lines that there are of a run, of the page or of the journal."""
        run = self.find(run_id)
        if run is not None:
            return run.lines
        saved = await self.saved.find(run_id)
        return None if saved is None else await self.saved.lines(saved)

    async def summaries(self, before: str = "") -> list[dict[str, object]]:
        """Return what the list of runs shows: those of the page, then those of the journal.

        With ``before``, the id of a run in the journal, the older ones.
        """
        own = {run.id: run.summary() for run in reversed(self._runs.values()) if not run.waits}
        if before:
            return await self.saved.summaries(own, before)
        return [*own.values(), *await self.saved.summaries(own)]

    async def stream(self, run: LiveRun | SavedRun, after: Address | None) -> AsyncIterator[bytes]:
        """Yield the lines after an address as server-sent events, as they come.

        Raises:
            TooMany: There are ``MAX_WATCHERS`` streams.
        """
        if self._watchers >= MAX_WATCHERS:
            raise TooMany(f"{MAX_WATCHERS} streams are open: close some tabs")
        self._watchers += 1
        try:
            yield b"retry: 500\n\n"  # browsers wait some seconds otherwise (HTML, 9.2)
            now: LiveRun | SavedRun | None = run
            while now is not None:
                run = now
                if isinstance(run, SavedRun):
                    messages = self._saved_messages(run, after)
                else:
                    messages = self._own_messages(run, after)
                async for message in messages:
                    yield message
                now = await self._gone_on_as(run)
                if now is not None:
                    after = None
                    yield RESTART
            yield b"event: %b\ndata: 0\n\n" % (b"gone" if self._is_closing else b"end")
        finally:
            self._watchers -= 1

    async def _gone_on_as(self, run: LiveRun | SavedRun) -> LiveRun | SavedRun | None:
        """Return what a run has become that goes on in this process, or waits in the journal."""
        if self._is_closing or (isinstance(run, LiveRun) and not run.waits):
            return None
        own = self.find(run.id)
        if own is not None or isinstance(run, SavedRun):
            return own
        return await self.saved.find(run.id)

    async def _own_messages(self, run: LiveRun, after: Address | None) -> AsyncIterator[bytes]:
        lines = run.lines
        at = 0 if after is None else lines.after(after)
        if has_only_a_piece(after) and lines.whole:
            at = 0
            yield RESTART
        changed = asyncio.Event()
        run.watch(changed)
        try:
            while not self._is_closing:
                # Before the look: a line that comes between a look and this would wake no one.
                changed.clear()
                if at < len(lines.texts):
                    # Counted before it is sent, which takes long to a slow reader: lines that come
                    # meanwhile are for the next batch.
                    end = min(at + MAX_BATCH, len(lines.texts))
                    yield _batch(lines, at)
                    at = end
                    if at == len(lines.texts):
                        await asyncio.sleep(JOIN_SECONDS)
                elif not run.is_running:
                    return
                elif not await _is_set(changed, QUIET_SECONDS):
                    yield b": nothing new\n\n"
        finally:
            run.unwatch(changed)

    async def _saved_messages(self, run: SavedRun, after: Address | None) -> AsyncIterator[bytes]:
        if has_only_a_piece(after):
            after = None
            yield RESTART
        async for told in self.saved.stream(run, after):
            if isinstance(told, Lines):
                for at in range(0, len(told.texts), MAX_BATCH):
                    yield _batch(told, at)
            else:
                yield b"event: idle\ndata: %b\n\n" % msgspec.json.encode(told)
            if self._is_closing or self.find(run.id) is not None:
                return

    async def close(self) -> None:
        """End all streams, and stop all runs."""
        self._is_closing = True
        for run in self._runs.values():
            run.wake()  # streams wait for lines, and see that they have to end only when woken
        for run in [run for run in self._runs.values() if run.is_running]:
            await run.close(CLOSE_SECONDS)

    def _drop_oldest(self) -> None:
        # Only ended ones: a run at work may wait for an answer of the person.
        ended = [run for run in self._runs.values() if not run.is_running]
        for run in ended[: max(0, len(ended) - MAX_ENDED)]:
            del self._runs[run.id]
            run.forget()


def has_only_a_piece(after: Address | None) -> bool:
    """Return whether a reader has read a part of a reply, and cannot go on with whole replies."""
    return after is not None and after[1] > 0


def _batch(lines: Lines, at: int) -> bytes:
    """Return up to ``MAX_BATCH`` lines as a server-sent event, whose id is the last address."""
    batch = lines.texts[at : at + MAX_BATCH]
    address = lines.address(at + len(batch) - 1).encode()
    return b"id: %b\ndata: [%b]\n\n" % (address, b",".join(batch))


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def history_from(lines: Sequence[bytes]) -> Iterator[Mapping[str, object]]:
    """Yield the forwards to the starting agents and their returns, as ``history=`` takes them."""
    for text in lines:
        if b'"forward"' not in text and b'"return"' not in text:
            continue
        line = cast("dict[str, object]", msgspec.json.decode(text))
        if line["type"] in {"forward", "return"} and line.get("parent") is None:
            yield {
                "type": line["type"],
                "sender": line["sender"],
                "receiver": line["receiver"],
                "content": line["text"],
            }
