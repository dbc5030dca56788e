"""One log, many readers, in any loop, at any pace."""

from __future__ import annotations

import asyncio
import threading

from agentouto._domain.content import Reasoning, Reply, Text, ToolCall
from agentouto._domain.event import CallFailed, ModelAsked, Replied, Stamp, Thinking, Token
from agentouto._engine.log import Log, Reader

STAMP = Stamp("a", "c", None)
REPLY = Replied(STAMP, 2.0, Reply((Reasoning("hm"), Text("one two"), ToolCall("1", "t", "{}"))))


async def rest(reader: Reader) -> list[object]:
    read: list[object] = []
    while (event := await reader.next()) is not None:
        read.append(event)
    return read


def tell(log: Log, *, closing: bool = True) -> None:
    log.append(ModelAsked(STAMP, 1.0, "m"))
    telling = log.tell()
    telling.say(Thinking(STAMP, 1.1, "hm"))
    telling.say(Token(STAMP, 1.2, "one "))
    telling.say(Token(STAMP, 1.3, "two"))
    telling.end(REPLY)
    if closing:
        log.close()


async def test_whoever_listens_from_the_beginning_hears_every_piece() -> None:
    log = Log()
    reader = log.read()
    tell(log)
    words = [event.text for event in await rest(reader) if isinstance(event, Token | Thinking)]
    assert words == ["hm", "one ", "two"]


async def test_whoever_comes_late_hears_each_reply_whole() -> None:
    log = Log()
    tell(log)
    events = await rest(log.read())
    assert [type(event).__name__ for event in events] == [
        "ModelAsked",
        "Thinking",
        "Token",
        "Replied",
    ]
    assert events[2] == Token(STAMP, 2.0, "one two")


async def test_whoever_comes_in_the_middle_of_a_reply_hears_it_whole_and_once() -> None:
    log = Log()
    early = log.read()
    telling = log.tell()
    telling.say(Token(STAMP, 1.0, "one "))
    late = log.read()
    telling.say(Token(STAMP, 1.1, "two"))
    telling.end(REPLY)
    log.close()
    assert [e.text for e in await rest(late) if isinstance(e, Token)] == ["one two"]
    assert [e.text for e in await rest(early) if isinstance(e, Token)] == ["one ", "two"]


async def test_a_reader_waits_for_news_and_stops_at_the_end() -> None:
    log = Log()
    reader = log.read()
    waiting = asyncio.create_task(rest(reader))
    await asyncio.sleep(0)
    tell(log, closing=False)
    await asyncio.sleep(0)
    assert not waiting.done()
    log.close()
    assert len(await waiting) == 5


async def test_events_reach_a_reader_from_other_threads() -> None:
    log = Log()
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


async def test_a_reader_that_leaves_hears_no_more_and_a_gone_loop_disturbs_nobody() -> None:
    log = Log()
    reader = log.read()
    reader.leave()
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
    log = Log()
    log.read()
    tell(log)
    assert [type(event).__name__ for event in log.events] == ["ModelAsked", "Replied"]
