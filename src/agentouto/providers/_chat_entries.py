"""A transcript's entries as messages of Chat Completions, each written once, as bytes.

A reply goes back with what came with it, if it goes back to where it came from. How a request as a
whole looks, and what comes back, is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import assert_never

import msgspec

from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply, ToolCall
from agentouto._domain.message import Attachment
from agentouto.providers._entries import sendable, showable, valid_id, valid_name
from agentouto.providers._json import (
    Json,
    as_list,
    as_object,
    as_text,
    dump,
    object_text,
)
from agentouto.providers._media import File, Unsendable, described, no_place

_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_SOUNDS = {"audio/wav": "wav", "audio/mpeg": "mp3"}
_SHORT_ID = re.compile(r"[A-Za-z0-9]{9}")
_LONGEST_ID = 40
"""How long an id may be at every server; those that take more are newer."""

_POSSIBLE = "png, jpeg, gif, webp, wav, mp3, pdf and text files can"


class Manner(msgspec.Struct, frozen=True):
    """How one server wants to be written to.

    Attributes:
        provider_name: Who complains if an entry cannot be written.
        origin: Replies from here are returned with all they came with; empty returns none so.
        backfill: A field that every reply with tool calls must have, if need be empty.
        short_ids: Whether ids of tool calls are nine letters and digits.
        alternate: Whether a user message may follow nothing but a reply.
    """

    provider_name: str
    origin: str = ""
    backfill: str = ""
    short_ids: bool = False
    alternate: bool = False

    def is_own(self, reply: Entry | None) -> bool:
        """Return whether ``reply`` is known to have come from this server."""
        native = reply.native if isinstance(reply, Reply) else None
        return native is not None and native.origin == self.origin

    def id_of(self, call: ToolCall, *, own: bool) -> str:
        """Return the id that ``call`` goes by at this server, whose ``own`` ids it takes back."""
        if not self.short_ids:
            return call.id if own else valid_id(call.id, _LONGEST_ID)
        if _SHORT_ID.fullmatch(call.id):
            return call.id
        return blake2b(call.id.encode("utf-8", "replace"), digest_size=5).hexdigest()[:9]


BRIDGE = dump({"role": "assistant", "content": "(going on)"})
"""What is put between two messages where a server wants a reply between them."""


def write_entry(entry: Entry, before: Entry | None, manner: Manner) -> bytes:
    """Return the messages for ``entry``, joined by commas; nothing for a reply without words.

    ``before`` is the entry before it: results go by the ids that their calls have gone by.
    """
    match entry:
        case Incoming(text, ()):
            return dump({"role": "user", "content": text})
        case Incoming(text, attachments):
            return dump({"role": "user", "content": _parts(text, attachments, manner)})
        case Reply():
            return _reply(entry, manner)
        case Outcomes(items):
            messages = _results(items, manner, own=manner.is_own(before))
            if manner.alternate and messages[-1]["role"] == "user":
                return b",".join((*map(dump, messages[:-1]), BRIDGE, dump(messages[-1])))
            return b",".join(map(dump, messages))
        case _:
            assert_never(entry)


def must_be_fetched(file: File) -> bool:
    """Return whether ``file``, which is at an address, can be sent, but only whole."""
    if file.mime_type.startswith("image/"):
        return False
    sendable = file.mime_type in _SOUNDS or file.mime_type == "application/pdf" or file.is_text
    return sendable or file.is_vague


def _parts(text: str, attachments: Sequence[Attachment], manner: Manner) -> list[Json]:
    parts: list[Json] = [{"type": "text", "text": text}] if text else []
    return parts + [sendable(file, _part, manner.provider_name) for file in attachments]


def _part(file: File) -> Json:
    """Return ``file`` as a part of a user message; ``Unsendable`` if there is no such part."""
    if file.mime_type in _PICTURES or (file.url and file.mime_type.startswith("image/")):
        return {"type": "image_url", "image_url": {"url": file.url or file.data_uri}}
    if file.url and must_be_fetched(file):
        raise Unsendable("this API takes addresses of images only; give the file itself as data=")
    if sound := _SOUNDS.get(file.mime_type):
        return {"type": "input_audio", "input_audio": {"data": file.data, "format": sound}}
    if file.mime_type == "application/pdf":
        named = {"filename": file.name or "file.pdf", "file_data": file.data_uri}
        return {"type": "file", "file": named}
    if file.is_text:
        return {"type": "text", "text": file.quoted}
    raise no_place(file, _POSSIBLE)


# Replies ------------------------------------------------------------------------------------------


def _reply(reply: Reply, manner: Manner) -> bytes:
    message: Json = {"role": "assistant", "content": reply.text or None}
    own = manner.is_own(reply)
    calls = [_call(call, manner, own=own) for call in reply.tool_calls]
    if calls:
        message["tool_calls"] = calls
    if kept := kept_with(reply, manner.origin):
        _restore(message, calls, kept)
    if calls and manner.backfill:
        message.setdefault(manner.backfill, "")
    return dump(message) if calls or message["content"] else b""


def _call(call: ToolCall, manner: Manner, *, own: bool) -> Json:
    """Return ``call`` as it was made; elsewhere, models may call what cannot be a name here."""
    name = call.name if own else valid_name(call.name)
    function = {"name": name, "arguments": object_text(call.arguments)}
    return {"id": manner.id_of(call, own=own), "type": "function", "function": function}


def kept_with(reply: Reply, origin: str) -> Json:
    """Return what ``reply`` came with besides words and calls, if it came from ``origin``."""
    native = reply.native
    return as_object(native.data) if native is not None and native.origin == origin else {}


def _restore(message: Json, calls: list[Json], kept: Json) -> None:
    """Put back what ``_chat_answer`` has kept."""
    message["content"] = as_text(kept.get("think")) + as_text(message["content"]) or None
    message |= as_object(kept.get("message"))
    for call, fields in zip(calls, as_list(kept.get("calls")), strict=False):
        call |= as_object(fields)


# Results of tools ---------------------------------------------------------------------------------


def _results(items: Sequence[Outcome], manner: Manner, *, own: bool) -> list[Json]:
    """Return one message for each result, and one more for the files, which results cannot hold."""
    messages: list[Json] = []
    files: list[Json] = []
    for item in items:
        id_ = manner.id_of(item.tool_call, own=own)
        text = "\n\n".join(part for part in (item.content, *_enclosed(item, id_, files)) if part)
        messages.append({"role": "tool", "tool_call_id": id_, "content": text or "(no output)"})
    if files:
        messages.append({"role": "user", "content": files})
    return messages


def _enclosed(outcome: Outcome, id_: str, files: list[Json]) -> list[str]:
    """Add the files of ``outcome`` to ``files``; return what the result says of them."""
    notes: list[str] = []
    call = outcome.tool_call
    for attachment in outcome.attachments:
        part = showable(attachment, _part)
        if isinstance(part, str):
            notes.append(part)
            continue
        if part["type"] == "text":
            notes.append(as_text(part["text"]))
            continue
        number = len(files) // 2 + 1
        notes.append(f"({described(attachment)} follows as attachment {number})")
        label = f"Attachment {number}, returned by the tool {call.name} ({id_}):"
        files.append({"type": "text", "text": label})
        files.append(part)
    return notes
