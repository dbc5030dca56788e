"""Agents that are reached over A2A as peers; ``a2a_agent.py`` is one, on the SDK of the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from a2a.types import AgentCapabilities, AgentInterface

from agentouto import (
    AgentError,
    Attachment,
    ConfigurationError,
    Message,
    Peer,
    RunResult,
    async_run,
    async_run_stream,
)
from agentouto.a2a import remote
from agentouto.testing import Script, call, finish
from guests.a2a_agent import Server, serving
from teams import peers


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


async def told(peer: Peer, *texts: str, **options: Any) -> RunResult:
    """Run an agent that asks ``peer`` and returns what it was told last, an error included."""
    lines = [
        *(call(peer.name, each) for each in texts),
        lambda seen: finish(seen.outcomes[-1].content),
    ]
    [lead] = peers(Script({"lead": lines}), "lead")
    return await async_run("Go.", [lead], run_agents=[lead, peer], **options)


async def test_its_card_is_its_name_and_role_and_its_words_are_streamed(server: Server) -> None:
    peer = await remote(server.url)
    assert (peer.name, peer.role) == ("fox expert", "Knows foxes. Skills: foxes.")
    stream = async_run_stream("say red", [peer])
    events = [event async for event in stream]
    assert (await stream.result()).output == "red"
    assert [e.data["token"] for e in events if e.type == "token"] == ["r", "e", "d"]
    assert [e.data["text"] for e in events if e.type == "tool_progress"] == ["reading"]


async def test_without_a_stream_the_task_is_asked_for() -> None:
    async with serving(capabilities=AgentCapabilities(streaming=False)) as server:
        assert (await async_run("say red", [await remote(server.url)])).output == "red"


async def test_the_other_transport_works_too() -> None:
    async with serving() as first:
        rest = AgentInterface(
            url=f"{first.url}/rest", protocol_binding="HTTP+JSON", protocol_version="1.0"
        )
        async with serving(supported_interfaces=[rest]) as server:
            assert (await async_run("say red", [await remote(server.url)])).output == "red"


async def test_a_direct_answer_needs_no_task(server: Server) -> None:
    peer = await remote(server.url, name="fox")
    assert (await async_run("direct yes", [peer])).output == "yes"


async def test_what_it_asks_for_the_user_is_asked_under_its_name(server: Server) -> None:
    asked: list[Message] = []
    result = await async_run(
        "ask Which fox?",
        [await remote(server.url, name="fox")],
        ask_user=lambda message: asked.append(message) or "the red one",
    )
    assert result.output == "You said the red one."
    assert [(one.sender, one.content) for one in asked] == [("fox", "Which fox?")]


async def test_where_no_user_is_there_the_caller_is_told(server: Server) -> None:
    result = await told(await remote(server.url, name="fox"), "ask Which fox?")
    assert result.output.startswith("Error")
    assert "user" in result.output


async def test_files_and_data_go_and_come(server: Server) -> None:
    files = [
        Attachment("image/png", data="iVBORw0KGgo=", name="a.png"),
        Attachment("text/html", url="https://example.com/a.html"),
    ]
    result = await async_run("data", [await remote(server.url)], attachments=files)
    assert result.output == '{"fox": "red"}'
    image, page = result.attachments
    assert (image.mime_type, image.data, image.name) == ("image/png", "iVBORw==", "fox.png")
    assert page.url == "https://example.com/fox.html"
    sent, link = server.executor.files
    assert (sent.media_type, sent.filename) == ("image/png", "a.png")
    assert link.url == "https://example.com/a.html"


async def test_the_calls_of_a_run_are_one_conversation(server: Server) -> None:
    peer = await remote(server.url, name="fox")
    await told(peer, "say a", "direct b", "say c")
    await told(peer, "say d")
    contexts = [context for _, context in server.executor.seen]
    assert len({*contexts[:3]}) == 1
    assert contexts[3] != contexts[0]


@pytest.mark.parametrize("word", ["fail", "reject"])
async def test_a_task_that_fails_is_told_to_the_caller(server: Server, word: str) -> None:
    result = await told(await remote(server.url, name="fox"), f"{word} no foxes here")
    assert f"its task is {word}ed: no foxes here" in result.output


async def test_cancelling_the_run_cancels_the_task(server: Server) -> None:
    stream = async_run_stream("wait", [await remote(server.url)])
    async for event in stream:
        if event.type == "tool_progress":
            break
    await stream.aclose()
    while not server.executor.cancelled:
        await asyncio.sleep(0.01)


async def test_an_agent_that_goes_while_it_works_is_an_error_and_the_run_goes_on(
    server: Server,
) -> None:
    def stop(message: Message) -> str:
        server.stop()
        return "gone"

    stopper = Peer("stopper", "", stop)
    peer = await remote(server.url, name="fox")
    lines = [
        [call("fox", "wait"), call("stopper", "now")],
        lambda seen: finish(" ".join(one.content for one in seen.outcomes)),
    ]
    [lead] = peers(Script({"lead": lines}), "lead")
    result = await async_run("Go.", [lead], run_agents=[lead, peer, stopper])
    assert "is gone: " in result.output
    assert "[stopper]gone[/stopper]" in result.output
    assert "is gone: " in (await told(peer, "say a")).output


async def test_a_card_that_cannot_be_read_is_named() -> None:
    async with serving() as server:
        for url, why in [
            (f"{server.url}/nowhere", "cannot be read"),
            ("http://127.0.0.1:9", "cannot be read"),
        ]:
            with pytest.raises(AgentError, match=f"its card at {url} {why}"):
                await remote(url)


async def test_an_agent_that_only_speaks_another_transport_is_named() -> None:
    grpc = AgentInterface(url="https://a.example", protocol_binding="GRPC", protocol_version="1.0")
    async with serving(supported_interfaces=[grpc]) as server:
        with pytest.raises(AgentError, match=r"no interface for JSONRPC or HTTP\+JSON: GRPC"):
            await remote(server.url)


async def test_headers_are_sent_to_the_origin_that_was_named_only(server: Server) -> None:
    await remote(server.url, headers={"Authorization": "Bearer secret"})
    other = AgentInterface(
        url="http://127.0.0.1:9/rpc", protocol_binding="JSONRPC", protocol_version="1.0"
    )
    async with serving(supported_interfaces=[other]) as elsewhere:
        await remote(elsewhere.url)
        with pytest.raises(AgentError, match=r"sends us to http://127.0.0.1:9/rpc") as raised:
            await remote(elsewhere.url, headers={"Authorization": "Bearer secret"})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", [7, "", "agents.example.com", "file:///etc/passwd"])
async def test_what_is_no_address_is_refused(url: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no http or https address"):
        await remote(url)


async def test_it_ends_with_its_timeout(server: Server) -> None:
    result = await told(await remote(server.url, name="fox", timeout=1), "wait")
    assert "did not return within 1 s" in result.output
