"""A transcript's entries as content blocks of the Messages API, each written once, as bytes.

An entry is blocks and who says them; how blocks are gathered into messages is decided elsewhere.
A reply goes back block by block as it came, if it goes back to where it came from: thinking with
its signature, and blocks that nobody here knows. How a request as a whole looks is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply, Text, ToolCall
from agentouto._domain.message import Attachment
from agentouto.providers._entries import sendable, showable, valid_id, valid_name
from agentouto.providers._json import Json, as_list, as_object, as_text, dump, object_text
from agentouto.providers._media import File, Unsendable, no_place

_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_POSSIBLE = "png, jpeg, gif, webp, pdf and text files can"
_THINKING = frozenset({"thinking", "redacted_thinking"})


class Manner(msgspec.Struct, frozen=True):
    """How one server wants to be written to.

    Attributes:
        provider_name: Who complains if an entry cannot be written.
        origin: Replies from here go back with all they came with.
        documents: Whether text files go as documents; if not, they go as words.
        plain: Whether thinking is left out all the same.
    """

    provider_name: str
    origin: str
    documents: bool = True
    plain: bool = False


def write_entry(entry: Entry, manner: Manner) -> bytes:
    """Return the blocks of ``entry``, joined by commas; nothing for a reply without any."""
    match entry:
        case Incoming(text, attachments):
            blocks = _words(text) + [_enclosed(file, manner) for file in attachments]
            return _joined(blocks or [_text("(an empty message)")])
        case Reply():
            return b",".join(_reply(entry, manner))
        case Outcomes(items):
            return _joined([_result(item, manner) for item in items])
        case _:
            assert_never(entry)


def _joined(blocks: Sequence[Json]) -> bytes:
    return b",".join(map(dump, blocks))


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _words(text: str) -> list[Json]:
    """Return a block for ``text``; the API takes none that is blank."""
    return [_text(text)] if text.strip() else []


# Files --------------------------------------------------------------------------------------------


def must_be_fetched(file: File) -> bool:
    """Return whether ``file``, which is at an address, can be sent, but only whole."""
    return file.is_vague or (file.is_text and not file.mime_type.startswith("image/"))


def _enclosed(attachment: Attachment, manner: Manner) -> Json:
    return sendable(attachment, lambda file: _file(file, manner), manner.provider_name)


def _file(file: File, manner: Manner) -> Json:
    """Return ``file`` as a block; ``Unsendable`` if there is no such block."""
    if file.mime_type in _PICTURES or (file.url and file.mime_type.startswith("image/")):
        return {"type": "image", "source": _source(file)}
    if file.mime_type == "application/pdf":
        return _document(file, _source(file))
    if file.url and must_be_fetched(file):
        raise Unsendable(
            "this API takes addresses of images and pdf files only; give the file itself as data="
        )
    if not file.is_text:
        raise no_place(file, _POSSIBLE)
    if not manner.documents or not file.text.strip():
        return _text(file.quoted)
    return _document(file, {"type": "text", "media_type": "text/plain", "data": file.text})


def _source(file: File) -> Json:
    if file.url:
        return {"type": "url", "url": file.url}
    return {"type": "base64", "media_type": file.mime_type, "data": file.data}


def _document(file: File, source: Json) -> Json:
    document: Json = {"type": "document", "source": source}
    return {**document, "title": file.name} if file.name else document


# Replies ------------------------------------------------------------------------------------------


def _reply(reply: Reply, manner: Manner) -> list[bytes]:
    calls = reply.tool_calls
    if reply.native is not None and reply.native.origin == manner.origin:
        blocks = _kept(reply.native.data, manner)
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
                written += map(dump, _words(text))
            case ToolCall():
                written.append(_call(part, {"type": "tool_use"}))
            case _:
                pass  # thinking without its seal is worth nothing
    return written


def _kept(data: object, manner: Manner) -> list[Json]:
    """Return the blocks that a reply came with, without those that may not go back."""
    blocks = [
        block
        for item in as_list(as_object(data).get("content"))
        if _may_return(block := as_object(item), plain=manner.plain)
    ]
    while blocks and blocks[-1].get("type") in _THINKING:
        blocks.pop()  # a message may not end with thinking
    return blocks


def _may_return(block: Json, *, plain: bool) -> bool:
    kind = block.get("type")
    if kind == "text":
        return bool(as_text(block.get("text")).strip())
    if kind in _THINKING:
        return not plain and block.get("signature") != ""  # the server was to sign it and did not
    return bool(kind)


def _call(call: ToolCall, block: Json) -> bytes:
    """Return ``block`` with what ``call`` says; arguments stay the text that the model wrote."""
    said = {**block, "id": valid_id(call.id), "name": valid_name(call.name)}
    said.pop("input", None)
    return dump(said)[:-1] + b',"input":' + object_text(call.arguments).encode() + b"}"


# Results of tools ---------------------------------------------------------------------------------


def _result(outcome: Outcome, manner: Manner) -> Json:
    result: Json = {"type": "tool_result", "tool_use_id": valid_id(outcome.tool_call.id)}
    files = [_shown(file, manner) for file in outcome.attachments]
    if not files:
        result["content"] = outcome.content if outcome.content.strip() else "(no output)"
    else:
        result["content"] = _words(outcome.content) + files
    if outcome.is_error and all(file["type"] == "text" for file in files):
        result["is_error"] = True  # an error may hold nothing but words
    return result


def _shown(attachment: Attachment, manner: Manner) -> Json:
    """Return a file within a result; a note where it cannot be there."""
    block = showable(attachment, lambda file: _file(file, manner))
    return _text(block) if isinstance(block, str) else block
