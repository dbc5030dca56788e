"""Every try to reach a model is let through first, and none is made that is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from agentouto._domain.content import Incoming
from agentouto._domain.delta import Delta, RetryDelta
from agentouto._domain.errors import LimitReached, ProviderError, ProviderUnavailable
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Admit, Backend, ModelRequest
from agentouto.providers import open_backend
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.retry import RetryPolicy
from agentouto.testing import Script, fail, say
from wire.server import HELLO, Server, breaks, hangs, refuses, serving, streams
from wire.words import asking, chunk, event

HI = event(chunk({"content": "Hi"}))
QUICK = RetryPolicy(total=5.0, first=0.01, longest=0.02)


class Door:
    """Counts who goes in, and who is inside; ``most`` may go in at all."""

    def __init__(self, most: int = 1_000) -> None:
        self.most = most
        self.entered = 0
        self.inside = 0

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        if self.entered >= self.most:
            raise LimitReached("a", "requests", self.most)
        self.entered += 1
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1


def chat(server: Server, **settings: Any) -> HttpBackend:
    provider = Provider("p", "openai", base_url=server.url, **settings)
    return HttpBackend(provider, OpenAIChatWire(provider), policy=QUICK)


def request(admit: Admit | None, **settings: Any) -> ModelRequest:
    asked = asking(Incoming("Hi"), **settings)
    return msgspec.structs.replace(asked, admit=admit)


async def heard(backend: Backend, asked: ModelRequest) -> list[Delta]:
    said: list[Delta] = []
    async with aclosing(backend.stream(asked)) as stream:
        async for deltas in stream:
            said += deltas
    return said


async def test_a_request_is_let_through_once_and_held_until_its_answer_is_read() -> None:
    door = Door()
    async with serving(streams(HELLO[:40], HELLO[40:], wait=0.01)) as server:
        async with aclosing(chat(server).stream(request(door.admit))) as stream:
            inside = [door.inside async for _ in stream]
        assert set(inside) == {1}
        assert (door.entered, door.inside, len(server.asked)) == (1, 0, 1)


async def test_nobody_need_let_it_through() -> None:
    async with serving(streams()) as server:
        await heard(chat(server), request(None))
        assert len(server.asked) == 1


async def test_every_retry_is_let_through_anew_and_nothing_is_held_between() -> None:
    door = Door()
    held: list[int] = []
    async with serving(refuses(500), breaks(), refuses(429), streams()) as server:
        async with aclosing(chat(server).stream(request(door.admit))) as stream:
            async for deltas in stream:
                held += [door.inside for delta in deltas if isinstance(delta, RetryDelta)]
        assert (door.entered, len(server.asked)) == (4, 4)
        assert held == [0, 0, 0]


async def test_a_request_that_is_written_better_is_another_one() -> None:
    door = Door()
    async with serving(refuses(400, "unknown field stream_options"), streams()) as server:
        await heard(chat(server), request(door.admit))
        assert (door.entered, door.inside, len(server.asked)) == (2, 0, 2)


async def test_a_request_with_a_fresh_token_is_another_one() -> None:
    door = Door()

    class Tokens:
        def __init__(self) -> None:
            self.count = 0

        async def get_token(self) -> str:
            self.count += 1
            return f"token number {self.count}"

    async with serving(refuses(401), streams()) as server:
        await heard(chat(server, auth=Tokens()), request(door.admit))
        assert (door.entered, door.inside, len(server.asked)) == (2, 0, 2)


async def test_who_waited_to_be_let_through_comes_with_a_fresh_signature() -> None:
    signed: list[int] = []
    door = Door()

    class Signer:
        async def headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
            signed.append(door.inside)
            return {"X-Signature": "made just now"}

    async with serving(streams()) as server:
        await heard(chat(server, auth=Signer()), request(door.admit))
    assert signed == [1]


@pytest.mark.parametrize("most", [0, 1, 2])
async def test_what_is_not_let_through_is_not_sent_and_not_tried_again(most: int) -> None:
    door = Door(most)
    async with serving(refuses(500)) as server:
        with pytest.raises(LimitReached) as raised:
            await heard(chat(server), request(door.admit))
        assert raised.value.allowed == most
        assert (door.entered, door.inside, len(server.asked)) == (most, 0, most)


async def test_who_leaves_early_gives_the_place_back() -> None:
    door = Door()
    async with serving(hangs(HI)) as server:
        stream = chat(server).stream(request(door.admit))
        await anext(stream)
        assert door.inside == 1
        await stream.aclose()
        assert door.inside == 0
        waiting = asyncio.ensure_future(heard(chat(server), request(door.admit)))
        while door.inside == 0:
            await asyncio.sleep(0.001)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (door.entered, door.inside) == (2, 0)


async def test_no_more_than_there_are_places_for_are_at_the_server_at_once() -> None:
    places = asyncio.Semaphore(3)
    there, most = 0, 0
    answer = streams(wait=0.002)

    async def counting(asked: web.Request) -> web.StreamResponse:
        nonlocal there, most
        there += 1
        most = max(most, there)
        try:
            return await answer(asked)
        finally:
            there -= 1

    @asynccontextmanager
    async def admit() -> AsyncIterator[None]:
        async with places:
            yield

    async with serving(counting) as server:
        backend = chat(server)
        async with asyncio.TaskGroup() as group:
            for _ in range(30):
                group.create_task(heard(backend, request(admit)))
        assert len(server.asked) == 30
    assert most <= 4  # a server notices a little later that somebody has left


# Kinds without a network --------------------------------------------------------------------------


def scripted(*lines: object) -> Backend:
    return open_backend(Provider("s", kind="script", script=Script({"a": list(lines)})))


async def test_every_reply_of_a_script_is_let_through() -> None:
    door = Door()
    backend = scripted(fail(500), fail("nonsense"), say("ok"))
    await heard(backend, request(door.admit))
    assert (door.entered, door.inside) == (3, 0)


async def test_a_script_says_nothing_to_who_is_not_let_through() -> None:
    script = Script({"a": [fail(500), say("ok")]})
    backend = open_backend(Provider("s", kind="script", script=script))
    with pytest.raises(LimitReached):
        await heard(backend, request(Door(1).admit))
    assert len(script.requests) == 1


async def test_a_recorder_counts_what_its_source_counts_and_a_replay_each_reply(
    tmp_path: Path,
) -> None:
    script = Script({"a": [fail(500), say("ok")]})
    source = Provider("s", kind="script", script=script)
    file = tmp_path / "run.jsonl"
    door = Door()
    recorder = open_backend(Provider("r", kind="record", file=file, source=source))
    await heard(recorder, request(door.admit))
    assert door.entered == 2
    replay = open_backend(Provider("r", kind="record", file=file))
    async with aclosing(replay.stream(request(door.admit))) as stream:
        assert [door.inside async for _ in stream] == [1]
    assert (door.entered, door.inside) == (3, 0)
    missing = msgspec.structs.replace(request(door.admit), turn=7)
    with pytest.raises(ProviderError, match="has no reply"):
        await heard(replay, missing)
    assert door.entered == 3
    with pytest.raises(LimitReached):
        await heard(replay, request(Door(0).admit))


async def test_a_server_that_is_not_there_has_been_tried() -> None:
    door = Door()
    async with serving(streams()) as server:
        backend = chat(server)
    with pytest.raises(ProviderUnavailable):
        await heard(backend, request(door.admit))
    assert (door.entered, door.inside) == (QUICK.tries, 0)
