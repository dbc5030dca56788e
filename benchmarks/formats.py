"""The four API formats of the fake server: parses requests and encodes answers.

A request has a *directive*: the newest text of a user with a part between ``@@`` and ``@@``. The
number of tool results after it tells how far its script has got. ``server.py`` decides what a
directive means.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A tool call in an answer; ``arguments`` is JSON text."""

    id: str
    name: str
    arguments: str


class Format(Protocol):
    def heard(self, body: Json) -> Iterator[str | None]:
        """Yield what was said, newest first: the text of a user, or None for a tool result."""
        ...

    def begin(self, *, talks: bool) -> bytes:
        """Return what comes first; ``talks`` if words follow."""
        ...

    def word(self, quoted: bytes) -> bytes:
        """Return one piece of text, given as a JSON string."""
        ...

    def end(self, said: str | None, calls: list[Asked], body: Json) -> bytes:
        """Return what comes last: the end of what was ``said``, and ``calls``."""
        ...

    def open_call(self, call: Asked) -> bytes:
        """Return the beginning of an answer that is one call, whose arguments come in pieces."""
        ...

    def arguments(self, piece: str) -> bytes:
        """Return one piece of them."""
        ...

    def close_call(self, call: Asked, body: Json) -> bytes:
        """Return what comes after the last piece of ``call``, which has all of them."""
        ...


def dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def texts(content: object) -> str:
    """Return the words of a content, whether it is a string or a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return " ".join(part.get("text") or "" for part in parts)


def _event(data: object, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + dumped(data) + b"\n\n"


# Chat Completions ---------------------------------------------------------------------------------

_ABOUT = {"id": "chatcmpl-1", "created": 1700000000, "model": "bench", "service_tier": "default"}
_COUNTS = {"prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020}


class Chat:
    """Chat Completions; the only one that can also answer in one piece, for the floors."""

    def __init__(self) -> None:
        before, after = self._chunk({"content": "@"}).split(b'"@"')
        self._before, self._after = before, after

    def heard(self, body: Json) -> Iterator[str | None]:
        for message in reversed(body["messages"]):
            if message["role"] == "tool":
                yield None
            elif message["role"] == "user":
                yield texts(message["content"])

    def begin(self, *, talks: bool) -> bytes:
        return self._chunk({"role": "assistant", "content": "" if talks else None})

    def word(self, quoted: bytes) -> bytes:
        return self._before + quoted + self._after

    def end(self, said: str | None, calls: list[Asked], body: Json) -> bytes:  # noqa: ARG002
        pieces = []
        if calls:
            told = [{"index": place} | self._call(call) for place, call in enumerate(calls)]
            pieces.append(self._chunk({"tool_calls": told}))
        return b"".join((*pieces, self._ended("tool_calls" if calls else "stop", body)))

    def open_call(self, call: Asked) -> bytes:
        begun = {"index": 0} | self._call(Asked(call.id, call.name, ""))
        return self.begin(talks=False) + self._chunk({"tool_calls": [begun]})

    def arguments(self, piece: str) -> bytes:
        return self._chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})

    def close_call(self, call: Asked, body: Json) -> bytes:  # noqa: ARG002
        return self._ended("tool_calls", body)

    def _ended(self, reason: str, body: Json) -> bytes:
        pieces = [self._chunk({}, reason)]
        if (body.get("stream_options") or {}).get("include_usage"):
            head = {**_ABOUT, "object": "chat.completion.chunk", "choices": []}
            pieces.append(_event({**head, "usage": _COUNTS}))
        return b"".join((*pieces, b"data: [DONE]\n\n"))

    def whole(self, said: str, calls: list[Asked]) -> bytes:
        """Return an answer in one piece."""
        message: Json = {"role": "assistant", "content": None if calls else said, "refusal": None}
        if calls:
            message["tool_calls"] = [self._call(call) for call in calls]
        how = "tool_calls" if calls else "stop"
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": how}
        head = {**_ABOUT, "object": "chat.completion"}
        return dumped({**head, "choices": [choice], "usage": _COUNTS})

    def _chunk(self, delta: object, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _event({**_ABOUT, "object": "chat.completion.chunk", "choices": [choice]})

    def _call(self, call: Asked) -> Json:
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": call.id, "type": "function", "function": function}


# Responses ----------------------------------------------------------------------------------------


class Responses:
    """The Responses API."""

    _at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}  # noqa: RUF012

    def __init__(self) -> None:
        piece = {**self._at, "delta": "@", "logprobs": [], "obfuscation": "x", "sequence_number": 1}
        self._before, self._after = self._said("output_text.delta", **piece).split(b'"@"')

    def heard(self, body: Json) -> Iterator[str | None]:
        for item in reversed(body["input"]):
            if item.get("type") == "function_call_output":
                yield None
            elif item.get("role") == "user":
                yield texts(item["content"])

    def begin(self, *, talks: bool) -> bytes:
        response = {"id": "resp_1", "status": "in_progress", "output": []}
        created = self._said("created", response=response)
        if not talks:
            return created
        item = self._message("", "in_progress")
        part = item["content"].pop()
        added = self._said("output_item.added", output_index=0, item=item)
        return created + added + self._said("content_part.added", **self._at, part=part)

    def word(self, quoted: bytes) -> bytes:
        return self._before + quoted + self._after

    def end(self, said: str | None, calls: list[Asked], body: Json) -> bytes:  # noqa: ARG002
        told: list[bytes] = []
        output: list[Json] = []
        if said is not None:
            output.append(self._message(said, "completed"))
            told.append(self._said("output_text.done", **self._at, text=said))
            told.append(self._said("output_item.done", output_index=0, item=output[0]))
        for call in calls:
            place = len(output)
            told += (
                self._added(call, place),
                self._piece(call.arguments, place),
                *self._done(call, place),
            )
            output.append(self._item(call))
        return b"".join((*told, self._completed(output)))

    def open_call(self, call: Asked) -> bytes:
        return self.begin(talks=False) + self._added(call, 0)

    def arguments(self, piece: str) -> bytes:
        return self._piece(piece, 0)

    def close_call(self, call: Asked, body: Json) -> bytes:  # noqa: ARG002
        return b"".join((*self._done(call, 0), self._completed([self._item(call)])))

    def _added(self, call: Asked, place: int) -> bytes:
        begun = {**self._item(call), "status": "in_progress", "arguments": ""}
        return self._said("output_item.added", output_index=place, item=begun)

    def _piece(self, arguments: str, place: int) -> bytes:
        at = {"item_id": f"fc_{place}", "output_index": place}
        return self._said("function_call_arguments.delta", **at, delta=arguments)

    def _done(self, call: Asked, place: int) -> tuple[bytes, bytes]:
        at = {"item_id": f"fc_{place}", "output_index": place}
        return (
            self._said("function_call_arguments.done", **at, arguments=call.arguments),
            self._said("output_item.done", output_index=place, item=self._item(call)),
        )

    def _item(self, call: Asked) -> Json:
        item = {"id": f"fc_{call.id}", "type": "function_call", "status": "completed"}
        return item | {"call_id": call.id, "name": call.name, "arguments": call.arguments}

    def _completed(self, output: list[Json]) -> bytes:
        usage = {"input_tokens": 1000, "output_tokens": 20, "total_tokens": 1020}
        response = {"id": "resp_1", "status": "completed", "output": output, "usage": usage}
        return self._said("completed", response=response)

    def _said(self, kind: str, **fields: object) -> bytes:
        return _event({"type": f"response.{kind}", **fields}, f"response.{kind}")

    def _message(self, text: str, status: str) -> Json:
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        item = {"id": "msg_1", "type": "message", "role": "assistant", "status": status}
        return {**item, "content": [part]}


# Messages -----------------------------------------------------------------------------------------


class Messages:
    """Anthropic's Messages API."""

    def __init__(self) -> None:
        delta = {"type": "text_delta", "text": "@"}
        self._before, self._after = self._said("content_block_delta", index=0, delta=delta).split(
            b'"@"'
        )

    def heard(self, body: Json) -> Iterator[str | None]:
        for message in reversed(body["messages"]):
            if message["role"] != "user":
                continue
            content = message["content"]
            for block in reversed(content) if isinstance(content, list) else ():
                yield None if block["type"] == "tool_result" else block.get("text", "")
            if isinstance(content, str):
                yield content

    def begin(self, *, talks: bool) -> bytes:
        usage = {"input_tokens": 1000, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "bench"}
        begun = self._said("message_start", message={**message, "content": [], "usage": usage})
        return begun + (self._begun(0, {"type": "text", "text": ""}) if talks else b"")

    def word(self, quoted: bytes) -> bytes:
        return self._before + quoted + self._after

    def end(self, said: str | None, calls: list[Asked], body: Json) -> bytes:  # noqa: ARG002
        told = [] if said is None else [self._said("content_block_stop", index=0)]
        for place, call in enumerate(calls, start=len(told)):
            told += (
                self._begun(place, self._block(call)),
                self._piece(call.arguments, place),
                self._said("content_block_stop", index=place),
            )
        return b"".join((*told, self._stopped("tool_use" if calls else "end_turn")))

    def open_call(self, call: Asked) -> bytes:
        return self.begin(talks=False) + self._begun(0, self._block(call))

    def arguments(self, piece: str) -> bytes:
        return self._piece(piece, 0)

    def close_call(self, call: Asked, body: Json) -> bytes:  # noqa: ARG002
        return self._said("content_block_stop", index=0) + self._stopped("tool_use")

    def _block(self, call: Asked) -> Json:
        return {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}

    def _piece(self, arguments: str, place: int) -> bytes:
        delta = {"type": "input_json_delta", "partial_json": arguments}
        return self._said("content_block_delta", index=place, delta=delta)

    def _stopped(self, why: str) -> bytes:
        reason = {"stop_reason": why, "stop_sequence": None}
        last = self._said("message_delta", delta=reason, usage={"output_tokens": 20})
        return last + self._said("message_stop")

    def _begun(self, place: int, block: Json) -> bytes:
        return self._said("content_block_start", index=place, content_block=block)

    def _said(self, kind: str, **fields: object) -> bytes:
        return _event({"type": kind, **fields}, kind)


# Gemini -------------------------------------------------------------------------------------------

_SIGNATURE = "EpwFCpkFAXLI2nz" + "signature" * 20
"""As long as a short one is."""


class Gemini:
    """Google's generateContent."""

    def __init__(self) -> None:
        self._before, self._after = self._chunk([{"text": "@"}]).split(b'"@"')

    def heard(self, body: Json) -> Iterator[str | None]:
        for content in reversed(body["contents"]):
            if content.get("role") != "model":
                for part in reversed(content["parts"]):
                    yield None if "functionResponse" in part else part.get("text", "")

    def begin(self, *, talks: bool) -> bytes:  # noqa: ARG002 - nothing is said before the first word
        return b""

    def word(self, quoted: bytes) -> bytes:
        return self._before + quoted + self._after

    def end(self, said: str | None, calls: list[Asked], body: Json) -> bytes:  # noqa: ARG002
        parts: list[Json] = []
        for call in calls:
            made = {"name": call.name, "args": json.loads(call.arguments)}
            signature = {} if parts else {"thoughtSignature": _SIGNATURE}
            parts.append({"functionCall": made, **signature})
        return self._chunk(parts or [{"text": ""}], finishReason="STOP")

    def open_call(self, call: Asked) -> bytes:  # noqa: ARG002 - calls come whole
        return b""

    def arguments(self, piece: str) -> bytes:  # noqa: ARG002
        return b""

    def close_call(self, call: Asked, body: Json) -> bytes:
        return self.end(None, [call], body)

    def _chunk(self, parts: Iterable[Json], **more: object) -> bytes:
        content = {"parts": parts, "role": "model"}
        counts = {"promptTokenCount": 1000, "candidatesTokenCount": 20, "totalTokenCount": 1020}
        details = [{"modality": "TEXT", "tokenCount": 1000}]
        return _event(
            {
                "candidates": [{"content": content, "index": 0, **more}],
                "usageMetadata": {**counts, "promptTokensDetails": details},
                "modelVersion": "bench",
                "responseId": "r",
            }
        )


FORMATS: dict[str, Format] = {
    "openai": Chat(),
    "openai_responses": Responses(),
    "anthropic": Messages(),
    "google": Gemini(),
}


def spoken(path: str) -> Format:
    """Return the format that is spoken at ``path``."""
    if path.endswith("/responses"):
        return FORMATS["openai_responses"]
    if path.endswith("/messages"):
        return FORMATS["anthropic"]
    return FORMATS["google" if "GenerateContent" in path else "openai"]


def stamp() -> bytes:
    """Return a word that says when it was written."""
    return b'" %d"' % time.monotonic_ns()
