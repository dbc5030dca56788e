"""Encodes transcript entries as content blocks of the Messages API, each once, as bytes.

Source: Anthropic's API reference, "Messages" (request), "Vision", "PDF support" and "Extended
thinking". A reply goes back block by block as it came, if it goes back to its origin: thinking with
its signature, and blocks of unknown types. Other servers get its text and tool calls. ``wire.py``
gathers blocks into messages.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply, Text, ToolCall
from agentouto._domain.message import Attachment
from agentouto.providers._format.entries import part_or_error, part_or_note, valid_id, valid_name
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

_SENDABLE = "png, jpeg, gif, webp, pdf and text files can"
"""Types of images: "Vision". Documents: PDF and plain text ("PDF support", source types)."""

_THINKING_TYPES = frozenset({"thinking", "redacted_thinking"})
"""Blocks that are bound to a signature ("Extended thinking")."""


class MessagesOptions(msgspec.Struct, frozen=True):
    """How entries are encoded for one server.

    Attributes:
        provider_name: Whose errors they are if an entry cannot be encoded.
        origin: Replies from here go back with all their blocks.
        documents: Whether text files are documents; else they are text.
        plain: Whether thinking is left out even so.
    """

    provider_name: str
    origin: str
    documents: bool = True
    plain: bool = False


def write_entry(entry: Entry, options: MessagesOptions) -> bytes:
    """Return the blocks of ``entry``, joined by commas; nothing for a reply without any."""
    match entry:
        case Incoming(text, attachments):
            blocks = _text_blocks(text) + [_attachment_block(file, options) for file in attachments]
            return dump_joined(blocks or [_text_block("(an empty message)")])
        case Reply():
            return b",".join(_reply(entry, options))
        case Outcomes(items):
            return dump_joined([_result(item, options) for item in items])
        case _:
            assert_never(entry)


def _text_block(text: str) -> Json:
    return {"type": "text", "text": text}


def _text_blocks(text: str) -> list[Json]:
    """Return a block for ``text``, or none if it is blank.

    The API answers 400 to blank text: "text content blocks must be non-empty".
    """
    return [_text_block(text)] if text.strip() else []


# Files --------------------------------------------------------------------------------------------


def needs_download(file: File) -> bool:
    """Return whether ``file``, which is at an address, can be sent only with its content."""
    return file.is_vague or (file.is_text and not file.mime_type.startswith("image/"))


def _attachment_block(attachment: Attachment, options: MessagesOptions) -> Json:
    return part_or_error(attachment, lambda file: _file(file, options), options.provider_name)


def _file(file: File, options: MessagesOptions) -> Json:
    """Return ``file`` as a block; ``Unsendable`` if the API has none for it."""
    if file.mime_type in IMAGE_TYPES or (file.url and file.mime_type.startswith("image/")):
        return {"type": "image", "source": _source(file)}
    if file.mime_type == "application/pdf":
        return _document(file, _source(file))
    if file.url and needs_download(file):
        raise Unsendable(
            "this API takes addresses of images and pdf files only; give the file itself as data="
        )
    if not file.is_text:
        raise unsupported_type(file, _SENDABLE)
    if not options.documents or not file.text.strip():
        return _text_block(file.quoted)
    return _document(file, {"type": "text", "media_type": "text/plain", "data": file.text})


def _source(file: File) -> Json:
    if file.url:
        return {"type": "url", "url": file.url}
    return {"type": "base64", "media_type": file.mime_type, "data": file.data}


def _document(file: File, source: Json) -> Json:
    document: Json = {"type": "document", "source": source}
    return {**document, "title": file.name} if file.name else document


# Replies ------------------------------------------------------------------------------------------


def _reply(reply: Reply, options: MessagesOptions) -> list[bytes]:
    calls = reply.tool_calls
    if reply.native is not None and reply.native.origin == options.origin:
        blocks = _native_blocks(reply.native.data, options)
        own = [block for block in blocks if block.get("type") == "tool_use"]
        if len(own) == len(calls):
            left = iter(calls)
            return [
                _call(next(left), block) if block.get("type") == "tool_use" else dump(block)
                for block in blocks
            ]
    written: list[bytes] = []
    for part in reply.parts:
        match part:
            case Text(text):
                written += map(dump, _text_blocks(text))
            case ToolCall():
                written.append(_call(part, {"type": "tool_use"}))
            case _:
                pass  # the API refuses thinking without its signature
    return written


def _native_blocks(data: object, options: MessagesOptions) -> list[Json]:
    """Return the blocks that a reply came with, without those that the API refuses."""
    blocks = [
        block
        for item in as_list(as_object(data).get("content"))
        if _may_return(block := as_object(item), plain=options.plain)
    ]
    while blocks and blocks[-1].get("type") in _THINKING_TYPES:
        blocks.pop()  # a message must not end with thinking
    return blocks


def _may_return(block: Json, *, plain: bool) -> bool:
    kind = block.get("type")
    if kind == "text":
        return bool(as_str(block.get("text")).strip())
    if kind in _THINKING_TYPES:
        return not plain and block.get("signature") != ""  # an interrupted stream
    return bool(kind)


def _call(call: ToolCall, block: Json) -> bytes:
    """Return ``block`` with id, name and arguments of ``call``; arguments stay as written."""
    fields = {**block, "id": valid_id(call.id), "name": valid_name(call.name)}
    fields.pop("input", None)
    return dump(fields)[:-1] + b',"input":' + arguments_text(call.arguments).encode() + b"}"


# Results of tools ---------------------------------------------------------------------------------


def _result(outcome: Outcome, options: MessagesOptions) -> Json:
    result: Json = {"type": "tool_result", "tool_use_id": valid_id(outcome.tool_call.id)}
    files = [_result_file(file, options) for file in outcome.attachments]
    if not files:
        result["content"] = outcome.content if outcome.content.strip() else "(no output)"
    else:
        result["content"] = _text_blocks(outcome.content) + files
    if outcome.is_error and all(file["type"] == "text" for file in files):
        result["is_error"] = True  # the API takes no files in an error
    return result


def _result_file(attachment: Attachment, options: MessagesOptions) -> Json:
    """Return a file within a result, or a note if the API does not take it there."""
    block = part_or_note(attachment, lambda file: _file(file, options))
    return _text_block(block) if isinstance(block, str) else block
