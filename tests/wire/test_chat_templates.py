"""Servers whose templates are strict about ids and turns, as those of the Mistral family are."""

from __future__ import annotations

import json
import re

from aiohttp import web

from agentouto import Agent, Attachment, Provider, Tool, ToolResult, async_run
from wire.server import serving

PIXEL = Attachment(
    "image/png",
    data="iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg==",
)
SHORT = re.compile(r"[A-Za-z0-9]{9}")


def complaint(body: dict[str, object]) -> str:
    """Return what such a server says of ``body``, or nothing."""
    before = "system"
    for message in body["messages"]:  # type: ignore[attr-defined]
        role = message["role"]
        for call in message.get("tool_calls", ()):
            if not SHORT.fullmatch(call["id"]):
                return (
                    f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, with a length of 9."
                )
        if role == "tool" and not SHORT.fullmatch(message["tool_call_id"]):
            return "Tool call id has to be 9 characters"
        if role == "user" and before == "tool":
            return "Unexpected role 'user' after role 'tool'"
        if role == before == "user":
            return "Conversation roles must alternate user/assistant/user/assistant/..."
        before = role
    return ""


@Tool
def draw() -> ToolResult:
    """Draw."""
    return ToolResult("drawn", [PIXEL])


async def test_ids_and_turns_are_put_as_the_server_wants_them() -> None:
    bodies: list[dict[str, object]] = []
    refused: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        body = await request.json()
        if why := complaint(body):
            refused.append(why)
            return web.json_response({"object": "error", "message": why, "code": 3230}, status=400)
        bodies.append(body)
        done = any(message["role"] == "tool" for message in body["messages"])
        call = {"id": "call_which_is_long", "function": {"name": "draw", "arguments": "{}"}}
        message = {"content": "done"} if done else {"content": None, "tool_calls": [call]}
        return web.json_response({"choices": [{"message": message, "finish_reason": "stop"}]})

    async with serving(answer) as server:
        provider = Provider("strict", kind="openai", base_url=server.url)
        agent = Agent("a", "i", "mistral-like", provider)
        history = [{"type": "forward", "sender": "user", "receiver": "a", "content": "Earlier."}]
        result = await async_run("Go.", [agent], [draw], history=history)
    assert result.output == "done"
    assert len(refused) <= 4
    ids = re.findall(r'"(?:tool_call_id|id)": "([^"]+)"', json.dumps(bodies[-1]))
    assert len(set(ids)) == 1
