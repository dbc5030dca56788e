"""A transcript's entries as input items of the Responses API, each written once, as bytes.

A reply goes back as the items it came in, unread and in order, if it goes back to where it came
from; to anybody else it goes as words and calls. How a request as a whole looks, and what comes
back, is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

import msgspec

from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply, ToolCall
from agentouto._domain.message import Attachment
from agentouto.providers._entries import sendable, showable, valid_id, valid_name
from agentouto.providers._json import Json, as_list, as_object, as_text, dump, object_text
from agentouto.providers._media import File, no_place

_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_DOCUMENTS = re.compile(
    r"application/(pdf|rtf|msword|epub\+zip|vnd\.(openxmlformats-officedocument|ms-|oasis).*)"
)
_POSSIBLE = "png, jpeg, gif, webp, pdf, office and text files can"


class Manner(msgspec.Struct, frozen=True):
    """How one server wants to be written to.

    Attributes:
        provider_name: Who complains if an entry cannot be written.
        origin: Replies from here are returned as the items they came in.
        unsealed: Whether even those go back as words and calls.
        needs_seal: Whether thinking may only go back with its encrypted content.
        bare: Fields of items that the server gives but does not take.
    """

    provider_name: str
    origin: str
    unsealed: bool = False
    needs_seal: bool = False
    bare: frozenset[str] = frozenset()


def write_entry(entry: Entry, manner: Manner) -> bytes:
    """Return the items for ``entry``, joined by commas; nothing for a reply without words."""
    match entry:
        case Incoming(text, ()):
            return dump({"role": "user", "content": text})
        case Incoming(text, attachments):
            return dump({"role": "user", "content": _parts(text, attachments, manner)})
        case Reply():
            return _joined(_reply(entry, manner))
        case Outcomes(items):
            return _joined([_result(item) for item in items])
        case _:
            assert_never(entry)


def _joined(items: Sequence[Json]) -> bytes:
    return b",".join(map(dump, items))


def _parts(text: str, attachments: Sequence[Attachment], manner: Manner) -> list[Json]:
    parts = [_words(text)] if text else []
    return parts + [sendable(file, _part, manner.provider_name) for file in attachments]


def _words(text: str) -> Json:
    return {"type": "input_text", "text": text}


def _part(file: File) -> Json:
    """Return ``file`` as a part of a message or a result; ``Unsendable`` if there is none."""
    if file.mime_type in _PICTURES or (file.url and file.mime_type.startswith("image/")):
        url = file.url or file.data_uri
        return {"type": "input_image", "image_url": url, "detail": "auto"}
    if file.is_text and not file.url:
        return _words(file.quoted)
    if not (file.is_text or _DOCUMENTS.fullmatch(file.mime_type)):
        raise no_place(file, _POSSIBLE)
    if file.url:
        return {"type": "input_file", "file_url": file.url}
    name = file.name or f"file.{file.mime_type.rpartition('/')[2]}"
    return {"type": "input_file", "filename": name, "file_data": file.data_uri}


# Replies ------------------------------------------------------------------------------------------


def _reply(reply: Reply, manner: Manner) -> list[Json]:
    native = reply.native
    if native is not None and native.origin == manner.origin:
        items = [as_object(item) for item in as_list(native.data)]
        calls = sum(item.get("type") == "function_call" for item in items)
        if items and calls == len(reply.tool_calls):
            return _own(items, reply, manner)
    said: list[Json] = [_said(reply.text)] if reply.text else []
    return said + [_call(call) for call in reply.tool_calls]


def _own(items: list[Json], reply: Reply, manner: Manner) -> list[Json]:
    """Return the items of a reply, with the ids that its calls have here."""
    sealed = not (manner.unsealed or (manner.needs_seal and any(map(_is_open, items))))
    calls = iter(reply.tool_calls)
    own: list[Json] = []
    for item in items:
        kept: Json = {key: value for key, value in item.items() if key not in manner.bare}
        if item.get("type") == "function_call":
            call = _call(next(calls))
            own.append(kept | call if sealed else call)
        elif sealed:
            own.append(kept)
        elif text := text_of(item):
            phase = {"phase": item["phase"]} if item.get("phase") else {}
            own.append(_said(text) | phase)
    return own


def _is_open(item: Json) -> bool:
    """Return whether ``item`` is thinking that only its server's memory could make sense of."""
    sealed = item.get("encrypted_content") or item.get("content")
    return item.get("type") == "reasoning" and not sealed


def text_of(item: Json) -> str:
    """Return the words of a message that a model wrote, or why it would not write any."""
    if item.get("type") != "message":
        return ""
    parts = (as_object(part) for part in as_list(item.get("content")))
    return "".join(as_text(part.get("text")) or as_text(part.get("refusal")) for part in parts)


def _said(text: str) -> Json:
    return {"role": "assistant", "content": text}


def _call(call: ToolCall) -> Json:
    return {
        "type": "function_call",
        "call_id": valid_id(call.id),
        "name": valid_name(call.name),
        "arguments": object_text(call.arguments),
    }


# Results of tools ---------------------------------------------------------------------------------


def _result(outcome: Outcome) -> Json:
    parts = [_words(outcome.content)] if outcome.content else []
    parts += [_enclosed(attachment) for attachment in outcome.attachments]
    only_words = len(parts) < 2 and not outcome.attachments
    return {
        "type": "function_call_output",
        "call_id": valid_id(outcome.tool_call.id),
        "output": (outcome.content or "(no output)") if only_words else parts,
    }


def _enclosed(attachment: Attachment) -> Json:
    part = showable(attachment, _part)
    return _words(part) if isinstance(part, str) else part
