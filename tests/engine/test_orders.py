"""Two things that happen at once: whatever the order, nothing is lost and nobody sleeps for ever.

The other thing happens in another thread, before each line of a function in turn. Where it has to
wait for a lock, it is waited for only after that line.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from agentouto import (
    Cancelled,
    Handle,
    Message,
    Receipt,
    RoutingError,
    RunStream,
    Tool,
    async_run_stream,
    cancel,
    run_background,
    send_message,
)
from agentouto._engine.call import Mailbox
from agentouto._engine.delivery import Delivery
from agentouto._engine.mail import Mail
from agentouto._engine.threads import Threads
from agentouto.testing import Request, Script, ScriptedReply, Turn, finish, say, tool
from interruption import Interruption
from teams import peers

A_MOMENT = 0.02
"""Seconds after which the other thread is taken to wait for a lock."""


class Aside:
    """Something that another thread does, once, before a line of a function is run."""

    def __init__(
        self, function: Callable[..., object], number: int, act: Callable[[], object]
    ) -> None:
        self._thread = threading.Thread(target=act)
        self._interruption = Interruption(function, number, self._begin)

    def _begin(self) -> None:
        self._thread.start()
        self._thread.join(A_MOMENT)

    def during(self, function: Callable[[], object]) -> bool:
        """Call ``function``; return whether something was done meanwhile."""
        with self._interruption.in_this_thread():
            function()
        return self._has_ended()

    async def during_async(self, function: Callable[[], Awaitable[object]]) -> bool:
        """Await ``function``; return whether something was done meanwhile."""
        with self._interruption.in_this_thread():
            await function()
        return await asyncio.to_thread(self._has_ended)

    def _has_ended(self) -> bool:
        if self._interruption.happened:
            self._thread.join()
        return self._interruption.happened


def at_every_line(attempt: Callable[[int], bool]) -> int:
    """Call ``attempt`` with the number of each line; return how many there are."""
    number = 1
    while attempt(number):
        number += 1
    return number - 1


async def at_every_line_async(attempt: Callable[[int], Awaitable[bool]]) -> int:
    """Do what ``at_every_line`` does."""
    number = 1
    while await attempt(number):
        number += 1
    return number - 1


def delivery() -> Delivery:
    message = Message("forward", "b", "a", "hello", "m")
    return Delivery(message, "a", "b", Receipt("sent", "m"))


def nothing() -> None:
    """Do nothing."""


async def turns() -> None:
    """Let the loop run all that is ready, and what that makes ready."""
    for _ in range(20):
        await asyncio.sleep(0)


# ── mailboxes ─────────────────────────────────────────────────────────────────────────────────


async def test_mail_that_arrives_at_any_line_of_the_beginning_of_a_wait_ends_it() -> None:
    async def attempt(number: int) -> bool:
        box, waiting = Mailbox(), list[asyncio.Task[bool]]()

        async def begin() -> None:
            waiting.append(asyncio.create_task(box.wait_for_mail()))
            await turns()

        aside = Aside(Mailbox.wait_for_mail, number, lambda: box.put(delivery(), nothing))
        if not await aside.during_async(begin):
            waiting[0].cancel()
            return False
        async with asyncio.timeout(10):
            assert await waiting[0], f"before line {number}"
        return True

    assert await at_every_line_async(attempt) > 3


def test_mail_is_told_of_before_it_can_be_read() -> None:
    def attempt(number: int) -> bool:
        box, seen = Mailbox(), list[str]()

        def drain() -> None:
            seen.extend("read" for _ in box.drain())

        def put() -> None:
            box.put(delivery(), lambda: seen.append("posted"))

        happened = Aside(Mailbox.put, number, drain).during(put)
        drain()
        assert seen == ["posted", "read"], f"before line {number}"
        return happened

    assert at_every_line(attempt) > 4


@pytest.mark.parametrize("close", [Mailbox.close_if_empty, Mailbox.close])
@pytest.mark.parametrize("by_the_reader", [True, False])
def test_mail_that_meets_a_mailbox_that_closes_is_refused_or_known_to_who_closes(
    close: Callable[[Mailbox], list[Delivery] | bool], *, by_the_reader: bool
) -> None:
    def attempt(number: int) -> bool:
        box, accepted = Mailbox(), threading.Event()
        closed: list[list[Delivery] | bool] = []

        def put() -> None:
            with suppress(RoutingError):
                box.put(delivery(), accepted.set)

        def close_it() -> None:
            closed.append(close(box))

        one, other = (close_it, put) if by_the_reader else (put, close_it)
        happened = Aside(close if by_the_reader else Mailbox.put, number, other).during(one)
        if happened:
            [told] = closed
            knows = not told if isinstance(told, bool) else bool(told)
            assert knows == accepted.is_set(), f"before line {number}"
        return happened

    assert at_every_line(attempt) > 1


# ── runs ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_message_to_the_user_while_a_run_begins_is_told_of_at_once() -> None:
    async def attempt(number: int) -> bool:
        told, handles = asyncio.Event(), list[Handle]()

        @Tool
        async def hold() -> str:
            """Hold up the agent until the user has the message."""
            await told.wait()
            return "held"

        async def begin() -> None:
            agents = peers(Script({"a": [tool("hold"), finish("done")]}), "a")
            handles.append(
                run_background("Go.", agents, [hold], on_message=lambda message, send: told.set())
            )
            await turns()

        aside = Aside(Mail.begin, number, lambda: send_message(f"user_{handles[0]}", "hello"))
        happened = await aside.during_async(begin)
        if not happened:
            told.set()
        async with asyncio.timeout(10):
            assert (await handles[0].wait()).output == "done", f"before line {number}"
        return happened

    assert await at_every_line_async(attempt) > 1


async def read_all(stream: RunStream) -> None:
    async for _ in stream:
        pass


async def leave(stream: RunStream) -> None:
    async with stream:
        async for event in stream:
            if event.type == "token":
                break


@pytest.mark.parametrize("function", [Mail.end, Mail.end_call])
@pytest.mark.parametrize("use", [read_all, leave])
async def test_a_message_at_any_line_of_the_end_is_read_returned_or_refused(
    function: Callable[..., object], use: Callable[[RunStream], Awaitable[None]]
) -> None:
    async def attempt(number: int) -> bool:
        pause = 60 if use is leave else 0
        turn = Turn(say("one two"), stream=True, pause=pause)
        stream = async_run_stream("Go.", peers(Script({"a": [turn]}), "a"))
        fates: list[Receipt | None] = []

        def send() -> None:
            try:
                fates.append(stream.send("hello"))
            except RoutingError:
                fates.append(None)

        happened = await Aside(function, number, send).during_async(lambda: use(stream))
        for fate in fates:
            assert fate is None or fate.status in {"read", "returned"}, f"before line {number}"
        assert len(fates) == happened
        return happened

    assert await at_every_line_async(attempt) > 2


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_receipt_says_read_after_the_callback_has_had_the_message(
    *, cancelled: bool
) -> None:
    seen: list[str] = []
    begun, gate = asyncio.Event(), asyncio.Event()

    async def on_message(_: Message, _send: Callable[[str], None]) -> None:
        begun.set()
        await gate.wait()
        seen.append(receipt.status)

    @Tool
    async def hold() -> str:
        """Hold."""
        await gate.wait()
        return "held"

    script = Script({"a": [tool("hold"), finish("done")]})
    task = run_background("Go.", peers(script, "a"), [hold], on_message=on_message)
    receipt = send_message(f"user_{task}", "hello")
    async with asyncio.timeout(10):
        await begun.wait()
        assert receipt.status == "accepted"
        if cancelled:
            cancel(task)
            with pytest.raises(Cancelled):
                await task.wait()
        else:
            gate.set()
            await task.wait()
    assert seen == ([] if cancelled else ["accepted"])
    assert receipt.status == ("returned" if cancelled else "read")


async def test_mail_that_arrives_with_a_useless_reply_is_read_after_the_nudge() -> None:
    requests: list[Request] = []

    def reply(request: Request) -> ScriptedReply:
        requests.append(request)
        if request.turn:
            return finish("done")
        stream.send("Hurry.")
        return say("")

    stream = async_run_stream("Go.", peers(Script({"a": reply}), "a"))
    lines = [line async for line in stream.lines()]
    told = [line for line in lines if line["type"] in {"note", "message.read", "model.end"}]
    assert [line["type"] for line in told] == ["model.end", "note", "message.read", "model.end"]
    first, second = (request.entries for request in requests)
    assert second[: len(first)] == first
    nudge, mail = second[-2:]
    assert str(told[1]["text"]) in str(nudge)
    assert "Hurry." in str(mail)


# ── threads ───────────────────────────────────────────────────────────────────────────────────


async def test_a_function_that_gets_no_thread_of_its_own_is_done_by_one_that_is_just_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("agentouto-tool"):
            raise RuntimeError("can't start new thread")
        start(thread)

    async def attempt(number: int) -> bool:
        threads, gate, late = Threads(), threading.Event(), list[asyncio.Task[int]]()
        busy = asyncio.create_task(threads.call(lambda: gate.wait(10)))
        await turns()

        async def submit() -> None:
            late.append(asyncio.create_task(threads.call(lambda: 1)))
            await turns()

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            happened = await Aside(vars(Threads)["_queue"], number, gate.set).during_async(submit)
        gate.set()
        async with asyncio.timeout(10):
            assert await late[0] == 1, f"before line {number}"
            await busy
        threads.close()
        return happened

    assert await at_every_line_async(attempt) > 3
