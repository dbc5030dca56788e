"""Writes replies in the form of the Responses API.

A reply is a list of items: messages, reasoning and function calls. While a reply is streamed, one
item is open at a time; a piece of the other kind closes it and opens the next.

The order of events is that of OpenAI's API reference, "Streaming events": the response is created
and in progress; then for each item: it is added, its part is added, its text comes, the part is
done, the item is done; then the response is completed. Clients put the response together by
``output_index``, so that of an item must stay the same from its first event to its last: it is the
number of items that are done, and an item is counted only when nothing more comes of it.

The reply that is not streamed is made by the same code, whose events are dropped, so that both have
the same items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from agentouto.serve._asgi import EventStream, HttpError
from agentouto.serve._model_reply import ModelReply, random_id
from agentouto.serve._openai_content import OpenAIRequest
from agentouto.serve._reply_fold import PieceKind, ReplyFold
from agentouto.serve._talk import Talk


class ResponsesReply(ModelReply):
    """One reply: a ``response``, or the events of one.

    Attributes:
        id: The id of the response.
    """

    def __init__(
        self, asked: OpenAIRequest, talk: Talk, fold: ReplyFold, keep: Callable[[], None]
    ) -> None:
        super().__init__(asked, talk, fold, keep)
        self.id: str = random_id("resp_")
        self._output: list[dict[str, object]] = []
        self._kind: PieceKind | None = None
        self._item_id = ""
        self._texts: list[str] = []
        self._number = 0

    async def whole(self) -> object:
        """Return the reply as one JSON value."""
        async for kind, text in self.pieces():
            for _ in self._add(kind, text):
                pass
        for _ in self._close_all():
            pass
        return self._response("completed")

    async def stream(self, stream: EventStream) -> None:
        """Send the reply as events."""
        async for kind, text in self.pieces():
            await self.begin(stream)
            for event in self._add(kind, text):
                await stream.write(event)
        await self.begin(stream)
        for event in self._close_all():
            await stream.write(event)
        done = self._event("response.completed", response=self._response("completed"))
        await stream.write(done)

    def first_events(self) -> bytes:
        """Return the events that tell of the response."""
        return b"".join(
            self._event(type_, response=self._response("in_progress"))
            for type_ in ("response.created", "response.in_progress")
        )

    def error_event(self, error: HttpError) -> bytes:
        """Return the event that ends a stream with ``error``."""
        failure = {"code": error.code, "message": error.message}
        return self._event("response.failed", response=self._response("failed", failure))

    def _add(self, kind: PieceKind, text: str) -> Iterator[bytes]:
        """Add a piece, and yield the events that say so."""
        if kind is not self._kind:
            yield from self._close()
            yield from self._open(kind)
        self._texts.append(text)
        if kind is PieceKind.CONTENT:
            # The openai package requires ``logprobs`` here; no model of a team gives any.
            yield self._in_item(
                "response.output_text.delta", content_index=0, delta=text, logprobs=[]
            )
        else:
            yield self._in_item(
                "response.reasoning_summary_text.delta", summary_index=0, delta=text
            )

    def _open(self, kind: PieceKind) -> Iterator[bytes]:
        self._kind = kind
        self._texts = []
        prefix = "msg_" if kind is PieceKind.CONTENT else "rs_"
        self._item_id = random_id(prefix)
        item = self._item("in_progress")
        # An item is added without parts: the next event adds one, and clients would have it twice.
        item["content" if kind is PieceKind.CONTENT else "summary"] = []
        yield self._event("response.output_item.added", output_index=len(self._output), item=item)
        if kind is PieceKind.CONTENT:
            part = _text_part_of("")
            yield self._in_item("response.content_part.added", content_index=0, part=part)
        else:
            part = _summary_part("")
            yield self._in_item("response.reasoning_summary_part.added", summary_index=0, part=part)

    def _close(self) -> Iterator[bytes]:
        """Close the open item, if there is one."""
        if self._kind is None:
            return
        text = "".join(self._texts)
        if self._kind is PieceKind.CONTENT:
            yield self._in_item(
                "response.output_text.done", content_index=0, text=text, logprobs=[]
            )
            part = _text_part_of(text)
            yield self._in_item("response.content_part.done", content_index=0, part=part)
        else:
            yield self._in_item("response.reasoning_summary_text.done", summary_index=0, text=text)
            part = _summary_part(text)
            yield self._in_item("response.reasoning_summary_part.done", summary_index=0, part=part)
        item = self._item("completed")
        index = len(self._output)
        self._output.append(item)
        self._kind = None
        yield self._event("response.output_item.done", output_index=index, item=item)

    def _close_all(self) -> Iterator[bytes]:
        """Close the open item, and add the uses of tools that the caller has to carry out."""
        yield from self._close()
        for use in self.talk.tool_uses:
            item: dict[str, object] = {
                "type": "function_call",
                "id": random_id("fc_"),
                "call_id": use.id,
                "name": use.name,
                "arguments": "",
                "status": "in_progress",
            }
            index = len(self._output)
            where = {"item_id": item["id"], "output_index": index}
            text = use.arguments_text
            yield self._event("response.output_item.added", output_index=index, item=item)
            # The use has begun already, so its arguments come whole, as one piece.
            yield self._event("response.function_call_arguments.delta", **where, delta=text)
            yield self._event("response.function_call_arguments.done", **where, arguments=text)
            done = item | {"arguments": text, "status": "completed"}
            self._output.append(done)
            yield self._event("response.output_item.done", output_index=index, item=done)

    def _item(self, status: str) -> dict[str, object]:
        """Return the open item as it is now."""
        text = "".join(self._texts)
        if self._kind is PieceKind.CONTENT:
            content = [_text_part_of(text)]
            about = {"type": "message", "role": "assistant", "content": content}
        else:
            about = {"type": "reasoning", "summary": [_summary_part(text)]}
        return {"id": self._item_id, **about, "status": status}

    def _in_item(self, type_: str, **fields: object) -> bytes:
        return self._event(type_, item_id=self._item_id, output_index=len(self._output), **fields)

    def _event(self, type_: str, **fields: object) -> bytes:
        # Every event of a response has the next number, whichever item it is of.
        event = {"type": type_, "sequence_number": self._number, **fields}
        self._number += 1
        return f"event: {type_}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"

    def _response(self, status: str, error: object = None) -> dict[str, object]:
        # The API describes these fields as required, also those that say nothing of a team.
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "model": self.asked.model,
            "output": list(self._output),
            "error": error,
            "incomplete_details": None,
            "instructions": self.asked.instructions,
            "metadata": {},
            "parallel_tool_calls": True,
            "previous_response_id": self.asked.previous_id,
            "temperature": None,
            "top_p": None,
            "tool_choice": "auto",
            "tools": [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                    "strict": False,
                }
                for tool in self.asked.tools
            ],
            "usage": None if status == "in_progress" else self._usage(),
        }

    def _usage(self) -> dict[str, object]:
        fold = self.fold
        return {
            "input_tokens": fold.input_tokens,
            "input_tokens_details": {
                "cached_tokens": fold.cached_tokens,
                "cache_write_tokens": 0,
            },
            "output_tokens": fold.output_tokens,
            "output_tokens_details": {"reasoning_tokens": fold.reasoning_tokens},
            "total_tokens": fold.input_tokens + fold.output_tokens,
        }


def _text_part_of(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _summary_part(text: str) -> dict[str, object]:
    return {"type": "summary_text", "text": text}
