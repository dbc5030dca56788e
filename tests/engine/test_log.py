"""One log, many readers, in any loop, at any pace."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from agentouto._core.reply_builder import ReplyBuilder
from agentouto._core.reply_progress import ReplyProgress
from agentouto._domain.content import Reasoning, Reply, Text, ToolCall
from agentouto._domain.delta import Delta, ReasoningDelta, TextDelta
from agentouto._domain.event import CallFailed, ModelAsked, Replied
from agentouto._domain.event_pieces import ReplySoFar, Stamp, Thinking, Token
from agentouto._engine.log import Log, Reader
from interruption import Interruption

STAMP = Stamp("a", "c", None)
REPLY = Replied(STAMP, 2.0, Reply((Reasoning("hm"), Text("one two"), ToolCall("1", "t", "{}"))))


def written(*deltas: Delta) -> ReplyProgress:
    """Return what has been written of a reply."""
    builder = ReplyBuilder("p")
    for delta in deltas:
        builder.add(delta)
    return ReplyProgress(builder, finish_is_text=True)


async def rest(reader: Reader) -> list[object]:
    read: list[object] = []
    while (event := await reader.next()) is not None:
        read.append(event)
    return read


def tell(log: Log, *, closing: bool = True) -> None:
    log.append(ModelAsked(STAMP, 1.0, "m"))
    stream = log.for_call(STAMP).begin_reply(written())
    stream.emit(Thinking, "hm")
    stream.emit(Token, "one ")
    stream.emit(Token, "two")
    stream.end(REPLY.reply)
    if closing:
        log.close()


async def test_a_reader_that_is_there_from_the_beginning_gets_every_piece() -> None:
    log = Log(lambda: 2.0)
    reader = log.read()
    tell(log)
    words = [event.text for event in await rest(reader) if isinstance(event, Token | Thinking)]
    assert words == ["hm", "one ", "two"]


async def test_a_late_reader_gets_each_reply_whole() -> None:
    log = Log(lambda: 2.0)
    tell(log)
    events = await rest(log.read())
    assert [type(event).__name__ for event in events] == [
        "ModelAsked",
        "Thinking",
        "Token",
        "Replied",
    ]
    assert events[2] == Token(STAMP, 2.0, "one two")


def texts(events: list[object]) -> list[str]:
    return [each.text for each in events if isinstance(each, Token | ReplySoFar)]


async def test_a_reader_that_comes_in_the_middle_of_a_reply_gets_it_so_far_and_then_the_rest() -> (
    None
):
    log = Log(lambda: 2.0)
    early = log.read()
    stream = log.for_call(STAMP).begin_reply(written(ReasoningDelta("hm"), TextDelta("one ")))
    stream.emit(Token, "one ")
    late = log.read()
    stream.emit(Token, "two")
    stream.end(REPLY.reply)
    log.close()
    events = await rest(late)
    assert events[0] == ReplySoFar(STAMP, 2.0, "one ", "hm", (), "")
    assert texts(events) == ["one ", "two"]
    assert texts(await rest(early)) == ["one ", "two"]


async def test_a_reader_from_another_thread_gets_the_reply_so_far_before_the_next_pieces() -> None:
    log = Log(lambda: 2.0)
    builder = ReplyBuilder("p")
    builder.add(TextDelta("one "))
    progress = ReplyProgress(builder, finish_is_text=True)
    stream = log.for_call(STAMP).begin_reply(progress)
    assert stream.is_unread()
    late = await asyncio.to_thread(log.read)
    assert stream.is_unread(), "it is added in the thread of the reply"
    builder.add(TextDelta("two "))
    assert stream.is_read()
    assert not stream.is_unread()
    stream.emit(Token, "three")
    stream.end(REPLY.reply)
    log.close()
    assert texts(await rest(late)) == ["one two ", "three"]


async def test_a_reader_that_comes_after_the_last_piece_gets_the_reply_whole() -> None:
    log = Log(lambda: 2.0)
    stream = log.for_call(STAMP).begin_reply(written(TextDelta("one two")))
    from_elsewhere = await asyncio.to_thread(log.read)
    stream.end(REPLY.reply)
    after = log.read()
    stream.close()
    log.close()
    for reader in (from_elsewhere, after):
        assert texts(await rest(reader)) == ["one two"]


async def test_a_reader_waits_for_news_and_stops_at_the_end() -> None:
    log = Log(lambda: 2.0)
    reader = log.read()
    waiting = asyncio.create_task(rest(reader))
    await asyncio.sleep(0)
    tell(log, closing=False)
    await asyncio.sleep(0)
    assert not waiting.done()
    log.close()
    assert len(await waiting) == 5


class InterruptedLoop(asyncio.SelectorEventLoop):
    """An event loop in which something happens at the moment in which a future is made."""

    interruption: Callable[[], object] | None = None

    def create_future(self) -> asyncio.Future[object]:
        interruption, self.interruption = self.interruption, None
        if interruption is not None:
            interruption()
        return super().create_future()


def test_an_event_that_comes_while_a_reader_gets_ready_to_wait_is_not_missed() -> None:
    log = Log(lambda: 2.0)
    reader = log.read()
    loop = InterruptedLoop()

    async def read() -> object:
        loop.interruption = lambda: log.append(REPLY)
        async with asyncio.timeout(10):
            return [type(await reader.next()).__name__ for _ in range(3)]

    try:
        assert loop.run_until_complete(read()) == ["Thinking", "Token", "Replied"]
    finally:
        loop.close()


async def turns() -> None:
    """Let the loop run all that is ready, and what that makes ready."""
    for _ in range(5):
        await asyncio.sleep(0)


WRITERS = pytest.mark.parametrize(
    ("write", "notify"),
    [(lambda log: log.append(CallFailed(STAMP, 0.0, "x")), Reader.push), (Log.close, Reader.end)],
    ids=["an event", "the end"],
)


@WRITERS
async def test_a_reader_that_another_thread_interrupts_at_any_line_does_not_sleep(
    write: Callable[[Log], object], notify: Callable[..., object]
) -> None:
    number = 0
    while True:
        number += 1
        log = Log(lambda: 2.0)
        reader = log.read()
        writer = threading.Thread(target=write, args=(log,))
        interruption = Interruption(
            Reader.next, number, lambda writer=writer: (writer.start(), writer.join())
        )
        with interruption.in_this_thread():
            waiting = asyncio.create_task(reader.next())
            await asyncio.sleep(0)
        if not interruption.happened:  # it sleeps already
            break
        await turns()
        assert waiting.done(), f"interrupted before line {number}, by {notify.__name__}"
    waiting.cancel()
    assert number > 5


@WRITERS
async def test_a_writer_that_is_interrupted_at_any_line_leaves_no_reader_asleep(
    write: Callable[[Log], object], notify: Callable[..., object]
) -> None:
    loop = asyncio.get_running_loop()

    def let_the_reader_run() -> None:
        asyncio.run_coroutine_threadsafe(turns(), loop).result(10)

    number, happened = 0, True
    while happened:
        number += 1
        log = Log(lambda: 2.0)
        waiting = asyncio.create_task(log.read().next())
        await turns()
        assert not waiting.done()
        interruption = Interruption(notify, number, let_the_reader_run)

        def work(interruption: Interruption = interruption, log: Log = log) -> None:
            with interruption.in_this_thread():
                write(log)

        await asyncio.to_thread(work)
        await turns()
        assert waiting.done(), f"interrupted before line {number}"
        happened = interruption.happened
    assert number > 3


async def test_an_event_that_comes_at_any_line_of_the_replay_reaches_the_reader_once() -> None:
    event = CallFailed(STAMP, 0.0, "x")
    number, happened = 0, True
    while happened:
        number += 1
        log = Log(lambda: 2.0)
        log.append(ModelAsked(STAMP, 1.0, "m"))
        writer = threading.Thread(target=log.append, args=(event,))
        # It may have to wait for the lock, so it is not waited for to the end.
        interruption = Interruption(
            Log.read, number, lambda writer=writer: (writer.start(), writer.join(0.02))
        )
        with interruption.in_this_thread():
            reader = log.read()
        if happened := interruption.happened:
            writer.join()
            log.close()
            assert (await rest(reader)).count(event) == 1, f"interrupted before line {number}"
    assert number > 3


async def test_events_reach_a_reader_from_other_threads() -> None:
    log = Log(lambda: 2.0)
    reader = log.read()
    waiting = asyncio.create_task(rest(reader))
    await asyncio.sleep(0)

    def write() -> None:
        for number in range(1000):
            log.append(CallFailed(STAMP, 0.0, str(number)))
        log.close()

    thread = threading.Thread(target=write)
    thread.start()
    read = await waiting
    await asyncio.to_thread(thread.join)
    assert [event.error for event in read if isinstance(event, CallFailed)] == [
        str(n) for n in range(1000)
    ]


async def test_a_reader_that_is_closed_gets_no_more_and_a_closed_loop_disturbs_no_other() -> None:
    log = Log(lambda: 2.0)
    reader = log.read()
    reader.close()
    abandoned: list[Reader] = []

    def elsewhere() -> None:
        async def wait() -> None:
            abandoned.append(log.read())
            task = asyncio.ensure_future(abandoned[0].next())
            await asyncio.sleep(0)
            loop_gone = abandoned[0]._waiting
            assert loop_gone is not None
            task.cancel()

        asyncio.run(wait())

    await asyncio.to_thread(elsewhere)
    tell(log)
    assert log.read().ended


def test_nothing_of_a_reply_is_kept_piece_by_piece() -> None:
    log = Log(lambda: 2.0)
    log.read()
    tell(log)
    assert [type(event).__name__ for event in log.events] == ["ModelAsked", "Replied"]
