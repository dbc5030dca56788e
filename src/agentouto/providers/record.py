"""``kind="record"``: another provider's replies, written to a file and replayed from it.

One file holds one run. A reply is found by where in the run it was asked for: the path of the call
and the turn; a summary by the turn it was asked for before, and its place among such. So prompts,
ids and tools may change and it is found all the same. What is in the file is replayed; anything
else is asked for and added. Failures are not kept. No key and no setting of a provider is ever
written: there is nothing in a line but names, the question and the reply.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from agentouto._core.assemble import ReplyBuilder
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
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import Backend, ModelRequest
from agentouto._domain.script import newest
from agentouto.providers._json import dump
from agentouto.providers._retry import admitted


class _Counted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens, as they stand in a file."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    complete: bool = True


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reply, as it stands in a file.

    ``asked`` is the newest thing the agent had been told, kept for the first turn of a call: by it
    a recording of another run is recognised. ``summary`` is which of the summaries asked for before
    the turn this is, from 1, and 0 for the turn itself.
    """

    path: str
    turn: int
    parts: tuple[Part, ...]
    asked: str | None = None
    stop: Stop = Stop.COMPLETE
    usage: _Counted | None = None
    native: Native | None = None
    summary: int = 0

    @property
    def key(self) -> _Key:
        """Where in the run it was asked for."""
        return self.path, self.turn, self.summary


_Key = tuple[str, int, int]
HEAD = b'{"path":'
"""How every line begins."""


def open_record(provider: Provider, open_source: Callable[[Provider], Backend]) -> Backend:
    """Return the backend that replays ``provider.file``, and extends it if there is a source.

    Raises:
        ConfigurationError: No file is named, it cannot be used, or there is nothing to replay and
            no source to record.
    """
    if provider.file is None:
        raise ConfigurationError(f"Provider {provider.name!r} has kind 'record' and no file=")
    path = Path(os.fspath(provider.file))
    try:
        tape = _Tape(path, new=provider.source is not None)
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"Provider {provider.name!r}: there is no {path} to replay; give source= to record it"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"Provider {provider.name!r}: {path} cannot be used: {error}"
        ) from error
    source = None if provider.source is None else open_source(provider.source)
    return _RecordBackend(provider.name, tape, source)


class _Tape:
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
        """Return what was recorded there."""
        return self._lines.get(key)

    def keep(self, line: _Line) -> None:
        """Add ``line`` to the file, in one write, so that lines of many writers do not mix."""
        written = dump(msgspec.to_builtins(line)) + b"\n"
        if self._torn:
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
                if HEAD.startswith(text[: len(HEAD)]) and _is_broken(error):
                    continue  # somebody was stopped while writing it
                raise ConfigurationError(
                    f"{self.path}, line {number} is no recorded reply: {error}"
                ) from error
            self._lines.setdefault(line.key, line)


class _RecordBackend:
    """Replays what is on a tape, and records what is not."""

    def __init__(self, provider_name: str, tape: _Tape, source: Backend | None) -> None:
        self._provider_name = provider_name
        self._tape = tape
        self._source = source
        self._summaries: Counter[tuple[str, int]] = Counter()

    def window(self, agent: Agent) -> int | None:
        """Return what the source knows; a replay knows what the agent says."""
        source = self._source
        return agent.context_window if source is None else source.window(agent)

    async def find_window(self, agent: Agent) -> None:
        """Let the source ask, if there is one."""
        if self._source is not None:
            await self._source.find_window(agent)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        """Yield the recorded reply, or the source's."""
        summary = self._place_among_summaries(request) if request.summary else 0
        line = self._tape.find((request.path, request.turn, summary))
        if line is not None:
            self._check(line, request)
            async with admitted(request):
                yield tuple(deltas_of(line))
            return
        if self._source is None:
            raise ProviderError(
                self._provider_name,
                f"{self._tape.path} has no reply for {_where(request)}; give source= to record it",
            )
        builder = ReplyBuilder(self._provider_name)
        async with aclosing(self._source.stream(request)) as stream:
            async for deltas in stream:
                for delta in deltas:
                    builder.add(delta)
                yield deltas
        self._keep(line_of(request, builder.finish(), summary))

    def _place_among_summaries(self, request: ModelRequest) -> int:
        """Count the summaries that are asked for before one turn, those that fail among them."""
        self._summaries[request.path, request.turn] += 1
        return self._summaries[request.path, request.turn]

    def _check(self, line: _Line, request: ModelRequest) -> None:
        asked = _asked(request)
        if line.asked is not None and line.asked != asked:
            raise ProviderError(
                self._provider_name,
                f"{self._tape.path} is the recording of another run: at {_where(request)} it has "
                f"the reply to {_short(line.asked)}, and now {_short(asked)} was asked; "
                "name another file, or remove this one to record anew",
            )

    def _keep(self, line: _Line) -> None:
        try:
            self._tape.keep(line)
        except (OSError, TypeError, ValueError) as error:
            raise ProviderError(
                self._provider_name, f"{self._tape.path} cannot be written: {error}"
            ) from error


def line_of(request: ModelRequest, reply: Reply, summary: int = 0) -> _Line:
    """Return ``reply`` as it is kept."""
    used = reply.usage
    count = _Counted(
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
        _asked(request) if request.turn == 0 and not summary else None,
        reply.stop,
        None if used == Usage(complete=False) else count,
        reply.native,
        summary,
    )


def deltas_of(line: _Line) -> Iterator[Delta]:
    """Yield the deltas that ``line`` was made from, joined."""
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


def _is_broken(error: Exception) -> bool:
    return not isinstance(error, msgspec.ValidationError | RecursionError)


def _asked(request: ModelRequest) -> str:
    """Return the newest thing the agent was told, as a file can hold it."""
    return newest(request.transcript.entries).encode("utf-8", "replace").decode()


def _where(request: ModelRequest) -> str:
    what = "the summary before turn" if request.summary else "turn"
    return f"{request.path!r}, {what} {request.turn + 1}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
