"""``kind="record"``: records the replies of another provider in a file, and replays them.

One file has one run. A reply is found by its place in the run: the path of the call and the turn;
a summary by the turn after it, and its number among the summaries there. So prompts, ids and tools
may change, and the reply is found all the same. Replies in the file are replayed; others are asked
for and added. Failures are not recorded. A line has names, the newest input and the reply, but no
key and no setting of a provider.

A line is one write to a file that is open for appending, so lines of several processes do not mix
(POSIX, ``O_APPEND``). A process may stop within a line: an incomplete last line is skipped, and the
next one begins on a line of its own.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from agentouto._core.reply_builder import ReplyBuilder
from agentouto._domain.content import Native, Part, Reasoning, Reply, Stop, Text, ToolCall, Usage
from agentouto._domain.delta import (
    Delta,
    NativeDelta,
    ReasoningDelta,
    StopDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from agentouto._domain.errors import ConfigurationError, ProviderError
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import Backend, ModelRequest
from agentouto.providers import open_backend
from agentouto.providers._format.json import dump
from agentouto.providers._script.replies import newest
from agentouto.providers._transport.retry import admission


class _UsageLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counts of tokens, as in a file."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    complete: bool = True


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reply, as in a file.

    ``asked`` is the newest input of the agent, kept for the first turn of a call to recognise the
    recording of another run. ``summary`` is the number, from 1, of a summary before the turn, and 0
    for the reply of the turn.
    """

    path: str
    turn: int
    parts: tuple[Part, ...]
    asked: str | None = None
    stop: Stop = Stop.COMPLETE
    usage: _UsageLine | None = None
    native: Native | None = None
    summary: int = 0

    @property
    def key(self) -> _Key:
        """Its place in the run."""
        return self.path, self.turn, self.summary


_Key = tuple[str, int, int]
"""Path of the call, turn, and number of the summary."""

HEAD = b'{"path":'
"""The beginning of every line: a line that is incomplete JSON and has no such beginning is no line
of a recording."""


def open_record(
    provider: Provider,
    memory: Memory | None = None,
    open_source: Callable[[Provider, Memory | None], Backend] = open_backend,
) -> Backend:
    """Return the backend that replays ``provider.file``, and adds to it if there is a source.

    Raises:
        ConfigurationError: No file is named, it cannot be used, or there is nothing to replay and
            no source to record.
    """
    if provider.file is None:
        raise ConfigurationError(f"Provider {provider.name!r} has kind 'record' and no file=")
    path = Path(os.fspath(provider.file))
    try:
        recording = _Recording(path, new=provider.source is not None)
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"Provider {provider.name!r}: there is no {path} to replay; give source= to record it"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"Provider {provider.name!r}: {path} cannot be used: {error}"
        ) from error
    source = None if provider.source is None else open_source(provider.source, memory)
    return _RecordBackend(provider.name, recording, source)


class _Recording:
    """The lines of one file."""

    def __init__(self, path: Path, *, new: bool) -> None:
        self.path = path
        self._lines: dict[_Key, _Line] = {}
        self._torn = False
        if new:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        self._read(path.read_bytes())

    def find(self, key: _Key) -> _Line | None:
        """Return the line that was recorded there, or ``None``."""
        return self._lines.get(key)

    def keep(self, line: _Line) -> None:
        """Add ``line`` to the file, in one write, so that lines of many writers do not mix."""
        written = dump(msgspec.to_builtins(line)) + b"\n"
        if self._torn:  # the half line before would make this one unreadable too
            written = b"\n" + written
        with self.path.open("ab", buffering=0) as file:
            while written:
                written = written[file.write(written) :]
                self._torn = True  # until all of it is there
        self._torn = False
        self._lines.setdefault(line.key, line)

    def _read(self, content: bytes) -> None:
        lines = content.split(b"\n")
        self._torn = bool(lines[-1])
        for number, text in enumerate(lines, start=1):
            if not text.strip():
                continue
            try:
                line = msgspec.json.decode(text, type=_Line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                if HEAD.startswith(text[: len(HEAD)]) and _is_incomplete_json(error):
                    continue  # the process was stopped while it wrote this line
                raise ConfigurationError(
                    f"{self.path}, line {number} is no recorded reply: {error}"
                ) from error
            # Two processes may have recorded the same reply: the first one counts.
            self._lines.setdefault(line.key, line)


class _RecordBackend:
    """Replays the replies of a recording, and records those that it lacks."""

    def __init__(self, provider_name: str, recording: _Recording, source: Backend | None) -> None:
        self._provider_name = provider_name
        self._recording = recording
        self._path = recording.path
        self._source = source
        self._summaries: Counter[tuple[str, int]] = Counter()

    def window(self, agent: Agent) -> int | None:
        """Return the window of the source's model; without a source, the agent's setting."""
        source = self._source
        return agent.context_window if source is None else source.window(agent)

    async def find_window(self, agent: Agent) -> None:
        """Let the source look it up, if there is one."""
        if self._source is not None:
            await self._source.find_window(agent)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        """Yield the recorded reply, or the source's."""
        summary = self._place_among_summaries(request) if request.summary else 0
        line = self._recording.find((request.path, request.turn, summary))
        if line is not None:
            self._check(line, request)
            # A replayed reply is counted like any other: limits end the run in the same place.
            async with admission(request):
                yield tuple(deltas_of(line))
            return
        if self._source is None:
            raise ProviderError(
                self._provider_name,
                f"{self._path} has no reply for {_where(request)}; give source= to record it",
            )
        builder = ReplyBuilder(self._provider_name)
        async with aclosing(self._source.stream(request)) as stream:
            async for deltas in stream:
                for delta in deltas:
                    builder.add(delta)
                yield deltas
        self._keep(line_of(request, builder.finish(), summary))

    def _place_among_summaries(self, request: ModelRequest) -> int:
        """Count the summaries before one turn, failed ones included."""
        self._summaries[request.path, request.turn] += 1
        return self._summaries[request.path, request.turn]

    def _check(self, line: _Line, request: ModelRequest) -> None:
        asked = _newest_input(request)
        if line.asked is not None and line.asked != asked:
            raise ProviderError(
                self._provider_name,
                f"{self._path} is the recording of another run: at {_where(request)} it has "
                f"the reply to {_short(line.asked)}, and now {_short(asked)} was asked; "
                "name another file, or remove this one to record again",
            )

    def _keep(self, line: _Line) -> None:
        try:
            self._recording.keep(line)
        except (OSError, TypeError, ValueError) as error:
            raise ProviderError(
                self._provider_name, f"{self._path} cannot be written: {error}"
            ) from error


def line_of(request: ModelRequest, reply: Reply, summary: int = 0) -> _Line:
    """Return ``reply`` as a line of the file."""
    used = reply.usage
    count = _UsageLine(
        used.input_tokens,
        used.output_tokens,
        used.cached_tokens,
        used.reasoning_tokens,
        used.complete,
    )
    return _Line(
        request.path,
        request.turn,
        reply.parts,
        _newest_input(request) if request.turn == 0 and not summary else None,
        reply.stop,
        None if used == Usage(complete=False) else count,
        reply.native,
        summary,
    )


def deltas_of(line: _Line) -> Iterator[Delta]:
    """Yield the deltas of ``line``, one for each part."""
    for slot, part in enumerate(line.parts):
        match part:
            case Text(text):
                yield TextDelta(text)
            case Reasoning(text):
                yield ReasoningDelta(text)
            case ToolCall(id=id_, name=name, arguments=arguments):
                yield ToolCallDelta(slot, id_, name, arguments)
    if (used := line.usage) is not None:
        yield UsageDelta(
            Usage(
                used.input_tokens,
                used.output_tokens,
                used.cached_tokens,
                used.reasoning_tokens,
                used.complete,
            )
        )
    if line.native is not None:
        yield NativeDelta(line.native.origin, line.native.data)
    yield StopDelta(line.stop)


def _is_incomplete_json(error: Exception) -> bool:
    return not isinstance(error, msgspec.ValidationError | RecursionError)


def _newest_input(request: ModelRequest) -> str:
    """Return the newest input of the agent, without characters that UTF-8 cannot express."""
    return newest(request.transcript.entries).encode("utf-8", "replace").decode()


def _where(request: ModelRequest) -> str:
    what = "the summary before turn" if request.summary else "turn"
    return f"{request.path!r}, {what} {request.turn + 1}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
