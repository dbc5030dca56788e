"""Four vendors in one table: the same words in each format, and who judges what we send back.

A reply is put in neutral words here and said as each vendor would stream it, so that one test can
be about all of them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from agentouto._core.reply_builder import ReplyBuilder
from agentouto._domain.content import Entry, Reply, Transcript
from agentouto._domain.delta import Delta
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import Draft, ModelRequest, ToolSpec
from agentouto.providers._anthropic.wire import AnthropicWire
from agentouto.providers._format.wire import AccountBound, Wire
from agentouto.providers._google.wire import GeminiWire
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._openai.responses_wire import OpenAIResponsesWire
from agentouto.providers._transport.accounts import account
from agentouto.providers._transport.sse import SseReader
from wire import anthropic_words as claude
from wire import gemini_judge, gemini_words, judge, turns
from wire import responses_words as responses
from wire import words as chat
from wire.words import LOOK, MEMORY

# What a model says --------------------------------------------------------------------------------


class Thought(NamedTuple):
    """Thinking, and the vendor's proof that it was thought there."""

    text: str
    seal: str = "U0VBTA=="


class Redacted(NamedTuple):
    """Thinking that nobody may read."""

    data: str = "SElEREVO"


class Words(NamedTuple):
    text: str


class Call(NamedTuple):
    id: str
    arguments: str = '{"what":"x"}'
    name: str = "look"


class Odd(NamedTuple):
    """Something this vendor has only just invented."""

    text: str


Said: TypeAlias = Thought | Redacted | Words | Call | Odd


def halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [half for half in (text[:middle], text[middle:]) if half]


# How each vendor says it --------------------------------------------------------------------------


def chat_stream(said: Sequence[Said]) -> bytes:
    """A compatible server, which is the only kind that shows its thoughts."""
    chunks: list[dict[str, object]] = [chat.chunk({"role": "assistant", "content": ""})]
    number = 0
    for place, one in enumerate(said):
        match one:
            case Thought(text, seal):
                chunks += [chat.chunk({"reasoning_content": half}) for half in halves(text)]
                if seal:
                    chunks.append(_detail(place, "reasoning.text", text=text, signature=seal))
            case Redacted(data):
                chunks.append(_detail(place, "reasoning.encrypted", data=data))
            case Odd(text):
                chunks.append(_detail(place, "new_thing", x=text))
            case Words(text):
                chunks += [chat.chunk({"content": half}) for half in halves(text)]
            case Call(id_, arguments, name):
                chunks.append(chat.calling(chat.piece(number, id_, name, "")))
                chunks += [
                    chat.calling(chat.piece(number, arguments=half)) for half in halves(arguments)
                ]
                number += 1
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    chunks.append(chat.chunk({}, "tool_calls" if number else "stop"))
    return chat.stream(*chunks, {"choices": [], "usage": usage})


def _detail(index: int, kind: str, **fields: object) -> dict[str, object]:
    return chat.chunk({"reasoning_details": [{"type": kind, "index": index, **fields}]})


def chat_kept(said: Sequence[Said]) -> list[Any]:
    thoughts = [one for one in said if isinstance(one, Thought)]
    details = [
        {"type": "reasoning.text", "index": place, "text": one.text, "signature": one.seal}
        for place, one in enumerate(said)
        if isinstance(one, Thought) and one.seal
    ]
    calls = [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
        for c in said
        if isinstance(c, Call)
    ]
    kept = {
        "reasoning_content": "".join(one.text for one in thoughts),
        "reasoning_details": details,
        "tool_calls": calls,
    }
    text = "".join(one.text for one in said if isinstance(one, Words))
    message = {"role": "assistant", "content": text or None}
    return [message | {key: value for key, value in kept.items() if value}]


def responses_stream(said: Sequence[Said]) -> bytes:
    usage = {
        "input_tokens": 9,
        "output_tokens": 7,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 3},
    }
    return responses.stream(responses.said(*responses_kept(said), usage=usage))


def responses_kept(said: Sequence[Said]) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    for place, one in enumerate(said):
        match one:
            case Thought(text, seal):
                items.append(responses.reasoning(f"rs_{place}", text, encrypted_content=seal))
            case Redacted(data):
                items.append(responses.reasoning(f"rs_{place}", encrypted_content=data))
            case Odd(text):
                items.append({"type": "new_thing", "id": f"n_{place}", "x": text})
            case Words(text):
                items.append(responses.message(text, f"msg_{place}"))
            case Call(id_, arguments, name):
                items.append(responses.function_call(id_, arguments, name, id=f"fc_{place}"))
    return items


def claude_stream(said: Sequence[Said]) -> bytes:
    events: list[object] = [
        claude.started(input_tokens=5, cache_read_input_tokens=4, cache_creation_input_tokens=0)
    ]
    for place, one in enumerate(said):
        match one:
            case Thought(text, seal):
                events.append(claude.thinks(place, *halves(text), signature=seal))
            case Redacted(data):
                block = {"type": "redacted_thinking", "data": data}
                events.append([claude.begins(place, block), claude.ends(place)])
            case Odd(text):
                block = {"type": "new_thing", "x": text}
                events.append([claude.begins(place, block), claude.ends(place)])
            case Words(text):
                events.append(claude.says(place, *halves(text)))
            case Call(id_, arguments, name):
                events.append(claude.wants(place, id_, *halves(arguments), name=name))
    calls = any(isinstance(one, Call) for one in said)
    usage = {"output_tokens": 7, "output_tokens_details": {"thinking_tokens": 3}}
    events.append(claude.stopped("tool_use" if calls else "end_turn", usage=usage))
    return claude.stream(*events)


def claude_kept(said: Sequence[Said]) -> list[Any]:
    blocks: list[Any] = []
    for one in said:
        match one:
            case Thought(text, seal):
                blocks.append(claude.thought(text, seal))
            case Redacted(data):
                blocks.append({"type": "redacted_thinking", "data": data})
            case Odd(text):
                blocks.append({"type": "new_thing", "x": text})
            case Words(text):
                blocks.append(claude.text(text))
            case Call(id_, arguments, name):
                blocks.append(claude.use(id_, json.loads(arguments), name))
    return [claude.assistant(*blocks)]


def gemini_stream(said: Sequence[Said]) -> bytes:
    usage = {
        "promptTokenCount": 9,
        "cachedContentTokenCount": 4,
        "candidatesTokenCount": 4,
        "thoughtsTokenCount": 3,
    }
    chunks = [gemini_words.chunk(part) for part in _parts(said)]
    return gemini_words.stream(*chunks, gemini_words.STOP | {"usageMetadata": usage})


def gemini_kept(said: Sequence[Said]) -> list[Any]:
    return [{"role": "model", "parts": _parts(said)}]


def _parts(said: Sequence[Said]) -> list[dict[str, object]]:
    """Thoughts are signed on the call that follows them, or else on the words."""
    parts: list[dict[str, object]] = []
    pending = ""
    for place, one in enumerate(said):
        waits = isinstance(one, Words) and any(isinstance(later, Call) for later in said[place:])
        seal = {"thoughtSignature": pending} if pending and not waits else {}
        match one:
            case Thought(text, pending):
                parts.append({"text": text, "thought": True})
                continue
            case Redacted(pending):
                continue
            case Odd(text):
                parts.append({"newThing": {"x": text}})
                continue
            case Words(text):
                parts.append({"text": text, **seal})
            case Call(id_, arguments, name):
                made = {"id": id_} if id_ else {}
                args = json.loads(arguments) if arguments else None
                parts.append(gemini_words.calling(name, args, **made, **seal))
        pending = pending if waits else ""
    if pending:
        parts.append({"text": "", "thoughtSignature": pending})
    return parts


# The table ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dialect:
    """One format: whom we speak it to in tests, how it sounds, what its vendor would refuse.

    ``kept`` is what a vendor wants to see again of what it said; ``judge`` has the vendor's published types; ``groups`` tells who spoke when.
    """

    name: str
    home: Provider
    model: str
    make: Callable[[Provider, Memory], Wire]
    stream: Callable[[Sequence[Said]], bytes]
    kept: Callable[[Sequence[Said]], list[Any]]
    judge: Callable[[dict[str, Any]], list[str]]
    groups: Callable[[dict[str, Any]], list[turns.Group]]

    def wire(self, provider: Provider) -> Wire:
        wire = self.make(provider, MEMORY)
        assert isinstance(wire, AccountBound)
        wire.bind_account(account(provider))
        return wire

    def complaints(self, body: dict[str, Any]) -> list[str]:
        """Everything the vendor would have against a request; what it has only just invented is let through."""
        known = without_odd(body)
        ids = turns.ANY_ID if self.name == "openai" else turns.ID
        return self.judge(known) + turns.complaints(self.groups(known), ids)

    def request(
        self,
        entries: Sequence[Entry],
        tools: tuple[ToolSpec, ...] = (LOOK,),
        draft: Draft | None = None,
        **settings: Any,
    ) -> ModelRequest:
        settings = {"model": self.model, "provider": self.home, "reasoning": True} | settings
        agent = Agent("a", "Do it.", **settings)
        transcript = Transcript("S", tuple(entries))
        return ModelRequest(agent, transcript, tools, draft or Draft(), "c", 0, "a")

    def body(self, entries: Sequence[Entry], **settings: Any) -> dict[str, Any]:
        return json.loads(self.wire(self.home).encode(self.request(entries, **settings)).body)

    def reply(self, *said: Said) -> Reply:
        """What these words are as a reply, once they have been streamed."""
        return self.heard([self.stream(said)])

    def heard(self, blocks: Iterable[bytes]) -> Reply:
        builder = ReplyBuilder(self.name)
        for delta in self.deltas(blocks):
            builder.add(delta)
        return builder.finish()

    def deltas(self, blocks: Iterable[bytes]) -> list[Delta]:
        reader, decoder = SseReader(), self.wire(self.home).decoder(self.request(()))
        heard: list[Delta] = []
        for block in blocks:
            heard += decoder.feed(reader.feed(block))
        heard += decoder.feed(reader.end())
        return heard + decoder.end()


def without_odd(value: Any) -> Any:
    """``value`` with words in place of what no published type can know."""
    match value:
        case {"newThing": _}:
            return {"text": "odd"}
        case {"type": "new_thing", "id": _}:
            return {"role": "assistant", "content": "odd"}
        case {"type": "new_thing"}:
            return {"type": "text", "text": "odd"}
        case dict():
            return {key: without_odd(inner) for key, inner in value.items()}
        case list():
            return [without_odd(item) for item in value]
        case _:
            return value


def seal(text: str) -> str:
    """A seal that every vendor could have made: base64."""
    return base64.b64encode(text.encode()).decode()


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            "openai",
            chat.local(),
            "m",
            OpenAIChatWire,
            chat_stream,
            chat_kept,
            judge.complaints,
            turns.of_chat,
        ),
        Dialect(
            "openai_responses",
            responses.HOME,
            "gpt-6-sol",
            OpenAIResponsesWire,
            responses_stream,
            responses_kept,
            responses.objections,
            turns.of_responses,
        ),
        Dialect(
            "anthropic",
            claude.HOME,
            "claude-opus-5-5",
            AnthropicWire,
            claude_stream,
            claude_kept,
            claude.complaints,
            turns.of_claude,
        ),
        Dialect(
            "google",
            gemini_words.local(),
            gemini_words.MODEL,
            GeminiWire,
            gemini_stream,
            gemini_kept,
            gemini_judge.complaints,
            turns.of_gemini,
        ),
    )
}
