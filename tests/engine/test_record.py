"""A recorder writes what a model said, and says it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import msgspec
import pytest

from agentouto._core.reply_builder import ReplyBuilder
from agentouto._domain.content import (
    Incoming,
    Native,
    Reasoning,
    Reply,
    Stop,
    Text,
    ToolCall,
    Transcript,
    Usage,
)
from agentouto._domain.delta import (
    Delta,
    NativeDelta,
    ReasoningDelta,
    RetryDelta,
    StopDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from agentouto._domain.errors import ConfigurationError, ProtocolViolation, ProviderError
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import Backend, Draft, ModelRequest
from agentouto.providers._record import open_record
from agentouto.providers._script.backend import open_script
from agentouto.testing import Request, Script, Turn, fail, finish, say, tool

KEY = "sk-very-secret"


def asked(
    path: str = "0:writer", *, turn: int = 0, message: str = "Go.", call_id: str = "c1"
) -> ModelRequest:
    agent = Agent("writer", "You write.", "m", "rec", extra={"secret": KEY})
    return ModelRequest(
        agent, Transcript("sys", (Incoming(message),)), (), Draft(), call_id, turn, path
    )


def recorder(file: Path, script: object = None) -> Backend:
    source = None
    if script is not None:
        source = Provider("scripted", kind="script", script=script, api_key=KEY)
    provider = Provider("rec", kind="record", file=file, source=source, api_key=KEY)
    return open_record(provider, open_source=open_script)


async def heard(backend: Backend, request: ModelRequest) -> Reply:
    builder = ReplyBuilder("rec")
    async for deltas in backend.stream(request):
        for delta in deltas:
            builder.add(delta)
    return builder.finish()


def content(file: Path) -> bytes:
    return file.read_bytes()


def overwrite(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def swap(file: Path) -> None:
    """Put a folder where the file was."""
    file.unlink()
    file.mkdir()


class Fixed:
    """Says the same deltas to everyone."""

    def __init__(self, *deltas: Delta) -> None:
        self.deltas = deltas

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta]]:
        for delta in self.deltas:
            yield (delta,)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "run.jsonl"


async def test_what_was_recorded_is_replayed_without_the_source(file: Path) -> None:
    script = Script(
        {"writer": [[say("Hm."), tool("count", text="a")], finish("done")]}, usage=(5, 2)
    )
    recording = recorder(file, script)
    said = [await heard(recording, asked(turn=turn)) for turn in (0, 1)]
    replay = recorder(file)
    assert [await heard(replay, asked(turn=turn, call_id="other")) for turn in (0, 1)] == said
    assert len(script.requests) == 2


async def test_everything_a_reply_holds_survives(file: Path) -> None:
    native = {"items": [{"type": "reasoning", "unknown": None, "한": "글"}]}
    source = Fixed(
        RetryDelta(2, 0.1, "slow down"),
        ReasoningDelta("Let "),
        ReasoningDelta("me see."),
        TextDelta("Both."),
        ToolCallDelta(0, "id0", "a", '{"x":'),
        ToolCallDelta(1, "", "b"),
        ToolCallDelta(0, arguments="1"),
        TextDelta("\u2028"),
        UsageDelta(Usage(9, 4, 3, 2)),
        NativeDelta("vendor/m", native),
        StopDelta(Stop.OUT_OF_TOKENS),
    )
    provider = Provider("rec", kind="record", file=file, source=Provider("openai"))
    reply = await heard(open_record(provider, open_source=lambda *_: source), asked())
    assert reply == Reply(
        (
            Reasoning("Let me see."),
            Text("Both."),
            ToolCall("id0", "a", '{"x":1'),
            ToolCall("", "b", ""),
            Text("\u2028"),
        ),
        Stop.OUT_OF_TOKENS,
        Usage(9, 4, 3, 2),
        Native("vendor/m", native),
    )
    assert await heard(recorder(file), asked()) == reply


async def test_a_reply_without_a_count_stays_without_one(file: Path) -> None:
    await heard(recorder(file, {"writer": say("x")}), asked())
    assert (await heard(recorder(file), asked())).usage == Usage(complete=False)


async def test_while_recording_words_come_as_they_are_said(file: Path) -> None:
    script = Script({"writer": [Turn(say("a b"), stream=True)]})
    batches = [list(deltas) async for deltas in recorder(file, script).stream(asked())]
    assert batches == [[TextDelta("a")], [TextDelta(" b")], [StopDelta(Stop.COMPLETE)]]


async def test_a_recording_is_extended_by_what_it_lacks(file: Path) -> None:
    await heard(recorder(file, {"writer": [say("old")]}), asked())
    script = Script({"writer": [say("new"), say("more")]})
    extending = recorder(file, script)
    assert (await heard(extending, asked())).text == "old"
    assert (await heard(extending, asked(turn=1))).text == "more"
    assert [request.turn for request in script.requests] == [1]
    assert (await heard(recorder(file), asked(turn=1))).text == "more"


async def test_calls_are_told_apart_by_where_they_were_made(file: Path) -> None:
    script = Script(lambda request: say(request.path))
    recording = recorder(file, script)
    paths = [f"0:boss/0.{place}:writer" for place in range(200)]
    async with asyncio.TaskGroup() as group:
        for path in paths:
            group.create_task(heard(recording, asked(path)))
    replay = recorder(file)
    assert [(await heard(replay, asked(path))).text for path in reversed(paths)] == paths[::-1]


async def test_every_line_is_one_reply_and_holds_no_secret(file: Path) -> None:
    recording = recorder(file, {"writer": [say("one\ntwo"), say("three")]})
    for turn in (0, 1):
        await heard(recording, asked(turn=turn))
    text = content(file).decode()
    assert KEY not in text
    assert [msgspec.json.decode(line) for line in text.splitlines()] == [
        {
            "path": "0:writer",
            "turn": 0,
            "parts": [{"type": "Text", "text": "one\ntwo"}],
            "asked": "Go.",
        },
        {"path": "0:writer", "turn": 1, "parts": [{"type": "Text", "text": "three"}]},
    ]


async def test_what_is_missing_is_named_with_its_place_and_file(file: Path) -> None:
    await heard(recorder(file, {"writer": say("x")}), asked())
    with pytest.raises(ProviderError, match=r"run\.jsonl has no reply for '0:critic', turn 2"):
        await heard(recorder(file), asked("0:critic", turn=1))


async def test_the_recording_of_another_run_is_not_replayed(file: Path) -> None:
    await heard(recorder(file, {"writer": [say("x"), say("y")]}), asked(message="Cats."))
    for backend in (recorder(file), recorder(file, {"writer": say("z")})):
        with pytest.raises(ProviderError, match=r"another run.*'Cats\.'.*'Dogs\.' was asked"):
            await heard(backend, asked(message="Dogs."))


async def test_failures_are_not_recorded(file: Path) -> None:
    recording = recorder(file, {"writer": [fail("quota"), fail("cut"), say("ok")]})
    for error in (ProviderError, ProtocolViolation):
        with pytest.raises(error):
            await heard(recording, asked())
    assert content(file) == b""
    assert (await heard(recording, asked())).text == "ok"


async def test_a_line_somebody_was_stopped_while_writing_is_asked_for_again(file: Path) -> None:
    await heard(recorder(file, {"writer": say("one")}), asked())
    whole = content(file)
    for torn in (whole[:1], whole[:20], whole[:-5]):
        overwrite(file, whole + torn.replace(b"0:writer", b"0:critic"))
        assert (await heard(recorder(file), asked())).text == "one"
        await heard(recorder(file, {"writer": say("two")}), asked("0:critic"))
        assert (await heard(recorder(file), asked("0:critic"))).text == "two"


@pytest.mark.parametrize(
    "line", ['{"path": "0:writer", "turn": "one", "parts": []}', "import this", "[]", "\xff"]
)
def test_a_file_that_is_no_recording_is_refused_by_line(file: Path, line: str) -> None:
    file.parent.mkdir()
    file.write_bytes(b"\n" + line.encode("latin-1") + b"\n")
    with pytest.raises(ConfigurationError, match=r"run\.jsonl, line 2 is no recorded reply"):
        recorder(file)


def test_a_recorder_needs_a_file() -> None:
    with pytest.raises(ConfigurationError, match="no file="):
        open_record(Provider("rec", kind="record"), open_source=open_script)


def test_nothing_to_replay_and_nobody_to_ask_is_refused(file: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"there is no .*run\.jsonl to replay; give source="
    ):
        recorder(file)


def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        recorder(tmp_path, {"writer": say("x")})


async def test_a_file_that_cannot_be_written_any_more_is_a_provider_error(file: Path) -> None:
    recording = recorder(file, {"writer": say("x")})
    swap(file)
    with pytest.raises(ProviderError, match="cannot be written"):
        await heard(recording, asked())


async def test_half_a_letter_costs_no_recording(file: Path) -> None:
    odd = Fixed(TextDelta("a\ud800b"), NativeDelta("x", {"y": "\udfff"}), StopDelta(Stop.COMPLETE))
    provider = Provider("rec", kind="record", file=file, source=Provider("s", kind="script"))
    question = asked(message="what is in \udc80?")
    assert (
        await heard(open_record(provider, open_source=lambda *_: odd), question)
    ).text == "a\ud800b"
    for _ in range(2):
        assert (await heard(recorder(file), question)).text == "a?b"


async def test_a_disk_that_is_full_is_told_and_costs_no_other_reply(file: Path) -> None:
    resource = pytest.importorskip("resource")
    recording = recorder(file, Script({"writer": [[finish(f"done {n}")] for n in range(3)]}))
    await heard(recording, asked("a"))
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content(file)) + 10, hard))
    try:
        with pytest.raises(ProviderError, match="cannot be written"):
            await heard(recording, asked("b"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = await heard(recording, asked("c"))
    assert await heard(recorder(file), asked("c")) == said
    with pytest.raises(ProviderError, match="has no reply"):
        await heard(recorder(file), asked("b"))


def test_a_line_that_is_nested_too_deeply_is_no_recorded_reply(file: Path) -> None:
    file.parent.mkdir()
    overwrite(
        file, b'{"path":"a","turn":0,"parts":[],"native":{"origin":"x","data":' + b"[" * 100_000
    )
    with pytest.raises(ConfigurationError, match="line 1"):
        recorder(file)


def summarising(**where: int) -> ModelRequest:
    return msgspec.structs.replace(asked(message="Sum up.", **where), summary=True)


async def test_a_summary_is_kept_apart_from_the_turn_it_is_asked_for_before(file: Path) -> None:
    script = Script({"writer": [say("one"), say("two")]}, summary=lambda _: say("short"))
    recording = recorder(file, script)
    for turn in (0, 1):
        assert (await heard(recording, summarising(turn=turn))).text == "short"
        assert (await heard(recording, asked(turn=turn))).text == ("one", "two")[turn]
    replay = recorder(file)
    for turn in (0, 1):
        assert (await heard(replay, asked(turn=turn))).text == ("one", "two")[turn]
        assert (await heard(replay, summarising(turn=turn))).text == "short"


async def test_summaries_before_one_turn_are_told_apart_by_their_order(file: Path) -> None:
    count = 0

    def tell(request: Request) -> object:
        nonlocal count
        count += 1
        return fail("context") if count == 2 else say(f"number {count}")

    async def told(backend: Backend) -> list[str]:
        texts: list[str] = []
        for _ in range(3):
            try:
                texts.append((await heard(backend, summarising(turn=4))).text)
            except ProviderError as error:
                texts.append(type(error).__name__)
        return texts

    script = Script({}, summary=tell)  # type: ignore[arg-type]
    assert await told(recorder(file, script)) == ["number 1", "ContextOverflow", "number 3"]
    assert await told(recorder(file)) == ["number 1", "ProviderError", "number 3"]
    with pytest.raises(
        ProviderError, match="has no reply for '0:writer', the summary before turn 6"
    ):
        await heard(recorder(file), summarising(turn=5))
