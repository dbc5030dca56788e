"""Encodes transcript entries as messages of Chat Completions, each once, as bytes.

Source: OpenAI's API reference, "Create chat completion" (``messages``), and its guides "Images and
vision", "Audio and speech" and "PDF files". A reply goes back to its own server with every field
that came with it: DeepSeek and OpenRouter require their reasoning, Gemini's OpenAI endpoint its
signature. Results are text only, so files that tools return follow in one user message after all
results; OpenAI refuses a user message between two results.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import assert_never

import msgspec

from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply, ToolCall
from agentouto._domain.message import Attachment
from agentouto.providers._format.entries import (
    file_after_results,
    part_or_error,
    part_or_note,
    valid_id,
    valid_name,
)
from agentouto.providers._format.json import (
    Json,
    arguments_text,
    as_list,
    as_object,
    as_str,
    dump,
    dump_joined,
)
from agentouto.providers._format.media import IMAGE_TYPES, File, Unsendable, unsupported_type

_AUDIO_FORMATS = MappingProxyType({"audio/wav": "wav", "audio/mpeg": "mp3"})
"""``input_audio.format`` by type; the API takes no other (API reference, ``input_audio``)."""

_SHORT_ID = re.compile(r"[A-Za-z0-9]{9}")
"""An id as Mistral takes it: "must be a-z, A-Z, 0-9, with a length of 9"."""

_MAX_CHAT_ID = 40
"""Characters of an id: OpenAI's Chat Completions refused more ("Expected a string with maximum
length 40"), and servers that imitate it still do."""

_SENDABLE = "png, jpeg, gif, webp, wav, mp3, pdf and text files can"
"""The API's parts of a user message: ``image_url``, ``input_audio`` and ``file``; text is
inlined."""


class ChatOptions(msgspec.Struct, frozen=True):
    """How entries are encoded for one server.

    Attributes:
        provider_name: Whose errors they are if an entry cannot be encoded.
        origin: Replies from here go back with all their fields; empty for none.
        backfill: A field that every reply with tool calls must have, empty if it has no content.
        short_ids: Whether ids of tool calls are nine letters and digits.
        alternate: Whether a user message may only follow a reply.
        content_is_text: Whether the content of a reply without text is ``""`` instead of ``null``.
    """

    provider_name: str
    origin: str = ""
    backfill: str = ""
    short_ids: bool = False
    alternate: bool = False
    content_is_text: bool = False

    def is_own(self, reply: Entry | None) -> bool:
        """Return whether ``reply`` came from this server."""
        native = reply.native if isinstance(reply, Reply) else None
        return native is not None and native.origin == self.origin

    def id_of(self, call: ToolCall, *, own: bool) -> str:
        """Return the id of ``call`` for this server, which takes its ``own`` ids back."""
        if not self.short_ids:
            return call.id if own else valid_id(call.id, _MAX_CHAT_ID)
        if _SHORT_ID.fullmatch(call.id):
            return call.id
        return blake2b(call.id.encode("utf-8", "replace"), digest_size=5).hexdigest()[:9]


FILLER_REPLY = dump({"role": "assistant", "content": "(going on)"})
"""A reply that stands between two messages where a server requires one."""


def write_entry(entry: Entry, before: Entry | None, options: ChatOptions) -> bytes:
    """Return the messages for ``entry``, joined by commas; nothing for a reply without words.

    ``before`` is the entry before it: results have the ids that the calls of that reply have.
    """
    match entry:
        case Incoming(text, ()):
            return dump({"role": "user", "content": text})
        case Incoming(text, attachments):
            return dump({"role": "user", "content": _parts(text, attachments, options)})
        case Reply():
            return _reply(entry, options)
        case Outcomes(items):
            messages = _results(items, options, own=options.is_own(before))
            if options.alternate and messages[-1]["role"] == "user":
                return b",".join((*map(dump, messages[:-1]), FILLER_REPLY, dump(messages[-1])))
            return dump_joined(messages)
        case _:
            assert_never(entry)


def needs_download(file: File) -> bool:
    """Return whether ``file``, which is at an address, can be sent only with its content."""
    if file.mime_type.startswith("image/"):
        return False
    if file.mime_type in _AUDIO_FORMATS or file.mime_type == "application/pdf":
        return True
    return file.is_text or file.is_vague


def _parts(text: str, attachments: Sequence[Attachment], options: ChatOptions) -> list[Json]:
    parts = [_text_part(text)] if text else []
    return parts + [part_or_error(file, _part, options.provider_name) for file in attachments]


def _text_part(text: str) -> Json:
    return {"type": "text", "text": text}


def _part(file: File) -> Json:
    """Return ``file`` as a part of a user message; ``Unsendable`` if the API has none for it."""
    if file.mime_type in IMAGE_TYPES or (file.url and file.mime_type.startswith("image/")):
        return {"type": "image_url", "image_url": {"url": file.url or file.data_uri}}
    if file.url and needs_download(file):
        raise Unsendable("this API takes addresses of images only; give the file itself as data=")
    if sound := _AUDIO_FORMATS.get(file.mime_type):
        return {"type": "input_audio", "input_audio": {"data": file.data, "format": sound}}
    if file.mime_type == "application/pdf":
        content = {"filename": file.name or "file.pdf", "file_data": file.data_uri}
        return {"type": "file", "file": content}
    if file.is_text:
        return _text_part(file.quoted)
    raise unsupported_type(file, _SENDABLE)


# Replies ------------------------------------------------------------------------------------------


def _reply(reply: Reply, options: ChatOptions) -> bytes:
    wordless = "" if options.content_is_text else None
    message: Json = {"role": "assistant", "content": reply.text or wordless}
    own = options.is_own(reply)
    calls = [_call(call, options, own=own) for call in reply.tool_calls]
    if calls:
        message["tool_calls"] = calls
    if kept := native_fields(reply, options.origin):
        _restore(message, calls, kept)
        message["content"] = message["content"] or wordless
    if calls and options.backfill:
        message.setdefault(options.backfill, "")
    return dump(message) if calls or message["content"] else b""


def _call(call: ToolCall, options: ChatOptions, *, own: bool) -> Json:
    """Return ``call`` under a valid name: models also call names that are not.

    OpenAI and vLLM answer 400 to their own models' ``functions.look``, and to an empty name.
    """
    function = {"name": valid_name(call.name), "arguments": arguments_text(call.arguments)}
    return {"id": options.id_of(call, own=own), "type": "function", "function": function}


def native_fields(reply: Reply, origin: str) -> Json:
    """Return what came with ``reply`` besides text and calls, if it came from ``origin``."""
    native = reply.native
    return as_object(native.data) if native is not None and native.origin == origin else {}


def _restore(message: Json, calls: list[Json], kept: Json) -> None:
    """Put back the fields that the decoder has kept."""
    message["content"] = as_str(kept.get("think")) + as_str(message["content"]) or None
    message |= as_object(kept.get("message"))
    for call, fields in zip(calls, as_list(kept.get("calls")), strict=False):
        call |= as_object(fields)


# Results of tools ---------------------------------------------------------------------------------


def _results(items: Sequence[Outcome], options: ChatOptions, *, own: bool) -> list[Json]:
    """Return one message for each result, and one for the files, which results cannot hold."""
    messages: list[Json] = []
    files: list[Json] = []
    for item in items:
        id_ = options.id_of(item.tool_call, own=own)
        text = "\n\n".join(
            part for part in (item.content, *_notes_on_files(item, id_, files)) if part
        )
        messages.append({"role": "tool", "tool_call_id": id_, "content": text or "(no output)"})
    if files:
        messages.append({"role": "user", "content": files})
    return messages


def _notes_on_files(outcome: Outcome, id_: str, files: list[Json]) -> list[str]:
    """Add the files of ``outcome`` to ``files``; return the notes for its result."""
    notes: list[str] = []
    call = outcome.tool_call
    for attachment in outcome.attachments:
        part = part_or_note(attachment, _part)
        if isinstance(part, str):
            notes.append(part)
        elif "text" in part:
            notes.append(as_str(part["text"]))
        else:
            tool = f"{call.name} ({id_})"
            notes.append(file_after_results(attachment, part, tool, files, _text_part))
    return notes
