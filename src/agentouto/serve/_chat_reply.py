"""Writes replies in the form of the Chat Completions API.

https://platform.openai.com/docs/api-reference/chat/streaming. A stream ends with ``[DONE]``. The
work behind the reply is in ``reasoning_content``, which is not OpenAI's: DeepSeek's API has it, and
chat programs show it folded away.
"""

from __future__ import annotations

import msgspec

from agentouto.serve._asgi import EventStream, HttpError
from agentouto.serve._model_reply import ModelReply, random_id
from agentouto.serve._reply_fold import PieceKind


class ChatReply(ModelReply):
    """One reply: ``chat.completion``, or the chunks of one."""

    _id: str = ""

    async def whole(self) -> object:
        """Return the reply as one JSON value."""
        content: list[str] = []
        reasoning: list[str] = []
        async for kind, text in self.pieces():
            (content if kind is PieceKind.CONTENT else reasoning).append(text)
        message: dict[str, object] = {"role": "assistant", "content": "".join(content)}
        if reasoning:
            message["reasoning_content"] = "".join(reasoning)
        if calls := self._tool_calls():
            message["tool_calls"] = calls
            message["content"] = message["content"] or None  # the API's form of "calls only"
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": "tool_calls" if calls else "stop",
        }
        return self._head("chat.completion") | {"choices": [choice], "usage": self._usage()}

    async def stream(self, stream: EventStream) -> None:
        """Send the reply as chunks."""
        # All chunks of words differ in their text only, so the rest of them is encoded once.
        around = {
            PieceKind.CONTENT: self._chunk_around("content"),
            PieceKind.REASONING: self._chunk_around("reasoning_content"),
        }
        async for kind, text in self.pieces():
            await self.begin(stream)
            before, after = around[kind]
            await stream.write(before + msgspec.json.encode(text) + after)
        await self.begin(stream)
        calls = self._tool_calls()
        for index, call in enumerate(calls):
            await stream.write(self._chunk({"tool_calls": [{"index": index, **call}]}))
        await stream.write(self._chunk({}, "tool_calls" if calls else "stop"))
        # ``stream_options.include_usage``: one more chunk before ``[DONE]``, with no choices.
        if self.asked.includes_usage:
            last = self._head("chat.completion.chunk")
            last |= {"choices": list[object](), "usage": self._usage()}
            await stream.write(b"data: " + msgspec.json.encode(last) + b"\n\n")
        await stream.write(b"data: [DONE]\n\n")

    def first_events(self) -> bytes:
        """Return the chunk that names the role."""
        return self._chunk({"role": "assistant", "content": ""})

    def error_event(self, error: HttpError) -> bytes:
        """Return the chunk that ends a stream with ``error``."""
        return b"data: " + msgspec.json.encode(error.to_dict()) + b"\n\n"

    def _tool_calls(self) -> list[dict[str, object]]:
        return [
            {
                "id": use.id,
                "type": "function",
                "function": {"name": use.name, "arguments": use.arguments_text},
            }
            for use in self.talk.tool_uses
        ]

    def _chunk(self, delta: dict[str, object], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk = self._head("chat.completion.chunk") | {"choices": [choice]}
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"

    def _chunk_around(self, field: str) -> tuple[bytes, bytes]:
        """Return what stands before and after the text in a chunk that has it in ``field``."""
        # The text stands for a place: a NUL is written as an escape that no other field has.
        before, _, after = self._chunk({field: "\0"}).partition(b'"\\u0000"')
        return before, after

    def _head(self, kind: str) -> dict[str, object]:
        self._id = self._id or random_id("chatcmpl-")
        return {"id": self._id, "object": kind, "created": self.created, "model": self.asked.model}

    def _usage(self) -> dict[str, object]:
        fold = self.fold
        return {
            "prompt_tokens": fold.input_tokens,
            "completion_tokens": fold.output_tokens,
            "total_tokens": fold.input_tokens + fold.output_tokens,
            "prompt_tokens_details": {"cached_tokens": fold.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": fold.reasoning_tokens},
        }
