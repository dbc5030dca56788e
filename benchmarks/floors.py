"""The two floors: agent loops written by hand that do only what is measured.

They have no log, no events, no retries and store nothing: messages are a list of dictionaries, and
a call of an agent is one more tool. ``f1`` uses the ``openai`` package, ``f2`` aiohttp, with orjson
to encode and minimal msgspec structs to decode. In formats other than Chat Completions, ``f2`` can
only stream: this is the least that a token costs.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import aiohttp
import msgspec
import orjson
from contenders import KEY, MODEL, SYSTEM, Contender, Hear
from openai import AsyncOpenAI

TYPES = {int: "integer", str: "string", float: "number", bool: "boolean"}
CALL_AGENT = {
    "type": "function",
    "function": {
        "name": "call_agent",
        "description": "Call another agent.",
        "parameters": {
            "type": "object",
            "properties": {"agent_name": {"type": "string"}, "message": {"type": "string"}},
            "required": ["agent_name", "message"],
        },
    },
}

Json = dict[str, Any]
Called = tuple[str, str, str]
"""Id, name and arguments, as JSON text."""


def schema(function: Callable[..., Any]) -> Json:
    declared = inspect.signature(function, eval_str=True).parameters
    kinds = {name: {"type": TYPES[one.annotation]} for name, one in declared.items()}
    described = {"name": function.__name__, "description": (function.__doc__ or "").strip()}
    parameters = {"type": "object", "properties": kinds, "required": list(declared)}
    return {"type": "function", "function": {**described, "parameters": parameters}}


def opening(prompt: str) -> list[Json]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]


class Worker:
    """An agent."""

    __slots__ = ("agents", "name", "schemas", "tools")

    def __init__(
        self, name: str, tools: Sequence[Callable[..., Any]], agents: Sequence[Worker]
    ) -> None:
        self.name = name
        self.tools = {tool.__name__: tool for tool in tools}
        self.schemas = [schema(tool) for tool in tools] + ([CALL_AGENT] if agents else [])
        self.agents = {agent.name: agent for agent in agents}


class Floor(Contender):
    """The loop that both share."""

    loads: Callable[[str], Any] = staticmethod(json.loads)

    def agent(
        self,
        name: str,
        tools: Sequence[Callable[..., Any]] = (),
        agents: Sequence[Worker] = (),
    ) -> Worker:
        return Worker(name, tools, agents)

    async def complete(
        self, messages: list[Json], tools: list[Json]
    ) -> tuple[str | None, list[Called]]:
        raise NotImplementedError

    async def run(self, agent: Worker, prompt: str) -> str:
        messages = opening(prompt)
        while True:
            content, calls = await self.complete(messages, agent.schemas)
            if not calls:
                return content or ""
            made = [
                {"id": i, "type": "function", "function": {"name": n, "arguments": a}}
                for i, n, a in calls
            ]
            messages.append({"role": "assistant", "content": content, "tool_calls": made})
            if len(calls) == 1:
                results = [await self._use(agent, calls[0])]
            else:
                results = await asyncio.gather(*[self._use(agent, call) for call in calls])
            for (i, _, _), result in zip(calls, results, strict=True):
                messages.append({"role": "tool", "tool_call_id": i, "content": result})

    async def _use(self, agent: Worker, call: Called) -> str:
        _, name, written = call
        arguments = self.loads(written)
        if name == "call_agent":
            return await self.run(agent.agents[arguments["agent_name"]], arguments["message"])
        tool = agent.tools[name]
        if inspect.iscoroutinefunction(tool):
            return str(await tool(**arguments))
        return str(await asyncio.to_thread(tool, **arguments))


class FloorOpenAI(Floor):
    """By hand over the ``openai`` package."""

    async def setup(self) -> None:
        self._client = AsyncOpenAI(api_key=KEY, base_url=f"{self.url}/v1", max_retries=0)

    async def close(self) -> None:
        await self._client.close()

    async def complete(
        self, messages: list[Json], tools: list[Json]
    ) -> tuple[str | None, list[Called]]:
        more: Json = {"tools": tools} if tools else {}
        reply = await self._client.chat.completions.create(model=MODEL, messages=messages, **more)
        message = reply.choices[0].message
        calls = message.tool_calls or ()
        return message.content, [(c.id, c.function.name, c.function.arguments) for c in calls]

    async def stream(self, agent: Worker, prompt: str, hear: Hear) -> None:  # noqa: ARG002
        create = self._client.chat.completions.create
        async for chunk in await create(model=MODEL, messages=opening(prompt), stream=True):
            if chunk.choices and (text := chunk.choices[0].delta.content):
                hear(text)


# By hand over aiohttp -----------------------------------------------------------------------------


class Function(msgspec.Struct):
    name: str = ""
    arguments: str = ""


class Call(msgspec.Struct):
    function: Function
    id: str = ""


class Said(msgspec.Struct):
    content: str | None = None
    tool_calls: list[Call] = []


class Choice(msgspec.Struct):
    message: Said


class Completion(msgspec.Struct):
    choices: list[Choice]


class ChunkChoice(msgspec.Struct):
    delta: Said


class Chunk(msgspec.Struct):
    choices: list[ChunkChoice] = []


class ResponsesEvent(msgspec.Struct):
    type: str
    delta: str = ""


class MessagesDelta(msgspec.Struct):
    text: str = ""


class MessagesEvent(msgspec.Struct):
    type: str
    delta: MessagesDelta | None = None


class GeminiPart(msgspec.Struct):
    text: str = ""


class GeminiContent(msgspec.Struct):
    parts: list[GeminiPart] = []


class GeminiCandidate(msgspec.Struct):
    content: GeminiContent | None = None


class GeminiChunk(msgspec.Struct):
    candidates: list[GeminiCandidate] = []


COMPLETION = msgspec.json.Decoder(Completion)
CHUNK = msgspec.json.Decoder(Chunk)
RESPONSES = msgspec.json.Decoder(ResponsesEvent)
MESSAGES = msgspec.json.Decoder(MessagesEvent)
GEMINI = msgspec.json.Decoder(GeminiChunk)


async def data_of(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the data of every event of ``response``."""
    rest = b""
    async for block in response.content.iter_any():
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line.startswith(b"data: {"):
                yield line[6:]


async def hear_chat(response: aiohttp.ClientResponse, hear: Hear) -> None:
    async for data in data_of(response):
        chunk = CHUNK.decode(data)
        if chunk.choices and (text := chunk.choices[0].delta.content):
            hear(text)


async def hear_responses(response: aiohttp.ClientResponse, hear: Hear) -> None:
    async for data in data_of(response):
        event = RESPONSES.decode(data)
        if event.type == "response.output_text.delta":
            hear(event.delta)


async def hear_messages(response: aiohttp.ClientResponse, hear: Hear) -> None:
    async for data in data_of(response):
        event = MESSAGES.decode(data)
        if event.type == "content_block_delta" and event.delta:
            hear(event.delta.text)


async def hear_gemini(response: aiohttp.ClientResponse, hear: Hear) -> None:
    async for data in data_of(response):
        chunk = GEMINI.decode(data)
        if chunk.candidates and (content := chunk.candidates[0].content):
            for part in content.parts:
                hear(part.text)


STREAMS = {
    "openai": ("/v1/chat/completions", hear_chat),
    "openai_responses": ("/v1/responses", hear_responses),
    "anthropic": ("/v1/messages", hear_messages),
    "google": ("/v1beta/models/m:streamGenerateContent?alt=sse", hear_gemini),
}


def body_of(kind: str, prompt: str) -> Json:
    """Return what is asked for a stream."""
    user = {"role": "user", "content": prompt}
    if kind == "openai":
        return {"model": MODEL, "messages": opening(prompt), "stream": True}
    if kind == "openai_responses":
        return {"model": MODEL, "instructions": SYSTEM, "input": [user], "stream": True}
    if kind == "anthropic":
        return {"model": MODEL, "system": SYSTEM, "messages": [user], "stream": True}
    return {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}


class FloorAiohttp(Floor):
    """By hand over aiohttp."""

    loads = staticmethod(orjson.loads)

    async def setup(self) -> None:
        path, self._hear = STREAMS[self.kind]
        self._at = self.url + path
        self._client = aiohttp.ClientSession(
            headers={"authorization": f"Bearer {KEY}", "content-type": "application/json"},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=600),
        )

    async def close(self) -> None:
        await self._client.close()

    async def complete(
        self, messages: list[Json], tools: list[Json]
    ) -> tuple[str | None, list[Called]]:
        body: Json = {"model": MODEL, "messages": messages}
        if tools:
            body["tools"] = tools
        async with self._client.post(self._at, data=orjson.dumps(body)) as response:
            message = COMPLETION.decode(await response.read()).choices[0].message
        calls = message.tool_calls
        return message.content, [(c.id, c.function.name, c.function.arguments) for c in calls]

    async def stream(self, agent: Worker, prompt: str, hear: Hear) -> None:  # noqa: ARG002
        body = orjson.dumps(body_of(self.kind, prompt))
        async with self._client.post(self._at, data=body) as response:
            await self._hear(response, hear)
