"""Encodes transcript entries as input items of the Responses API, each once, as bytes.

Source: OpenAI's API reference, "Create a model response" (``input``), and its guides "Reasoning
models", "Images and vision" and "File inputs". A reply goes back to its origin as the items in
which it came, unread and in order: reasoning items must stand before the item that they led to.
Other servers get its text and calls.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

import msgspec

from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply, ToolCall
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
from agentouto.providers._format.media import IMAGE_TYPES, File, unsupported_type

_DOCUMENT_TYPES = re.compile(
    r"application/(pdf|rtf|msword|epub\+zip|vnd\.(openxmlformats-officedocument|ms-|oasis).*)"
)
"""Documents besides text that ``input_file`` takes ("File inputs", accepted types)."""

_SENDABLE = "png, jpeg, gif, webp, pdf, office and text files can"
"""The API's parts ``input_image`` and ``input_file``; it has none for sound and video."""


class ResponsesOptions(msgspec.Struct, frozen=True):
    """How entries are encoded for one server.

    Attributes:
        provider_name: Whose errors they are if an entry cannot be encoded.
        origin: Replies from here go back as the items in which they came.
        without_native: Whether even those go back as text and calls.
        needs_encrypted: Whether reasoning may only go back with its encrypted content.
        refused_fields: Fields of items that the server sends but does not take.
        typed: Whether every item must have a ``type``.
    """

    provider_name: str
    origin: str
    without_native: bool = False
    needs_encrypted: bool = False
    refused_fields: frozenset[str] = frozenset()
    typed: bool = False


def write_entry(entry: Entry, options: ResponsesOptions) -> bytes:
    """Return the items for ``entry``, joined by commas; nothing for a reply without words."""
    match entry:
        case Incoming(text, ()) if not options.typed:
            return dump({"role": "user", "content": text})
        case Incoming(text, attachments):
            message: Json = {"type": "message"} if options.typed else {}
            message |= {"role": "user", "content": _parts(text, attachments, options)}
            return dump(message)
        case Reply():
            return dump_joined(_reply(entry, options))
        case Outcomes(items):
            return dump_joined([_result(item) for item in items])
        case _:
            assert_never(entry)


def _parts(text: str, attachments: Sequence[Attachment], options: ResponsesOptions) -> list[Json]:
    parts = [_input_text(text)] if text else []
    return parts + [part_or_error(file, _part, options.provider_name) for file in attachments]


def _input_text(text: str) -> Json:
    return {"type": "input_text", "text": text}


def _part(file: File) -> Json:
    """Return ``file`` as a part of a message or a result; ``Unsendable`` if the API has none."""
    if file.mime_type in IMAGE_TYPES or (file.url and file.mime_type.startswith("image/")):
        url = file.url or file.data_uri
        return {"type": "input_image", "image_url": url, "detail": "auto"}
    if file.is_text and not file.url:
        return _input_text(file.quoted)
    if not (file.is_text or _DOCUMENT_TYPES.fullmatch(file.mime_type)):
        raise unsupported_type(file, _SENDABLE)
    if file.url:
        return {"type": "input_file", "file_url": file.url}
    # OpenAI wants a name beside the data, and takes the type from its ending.
    name = file.name or f"file.{file.mime_type.rpartition('/')[2]}"
    return {"type": "input_file", "filename": name, "file_data": file.data_uri}


# Replies ------------------------------------------------------------------------------------------


def _reply(reply: Reply, options: ResponsesOptions) -> list[Json]:
    native = reply.native
    if native is not None and native.origin == options.origin:
        items = [as_object(item) for item in as_list(native.data)]
        # Only if they have the calls of the reply, each of which has a result after it.
        calls = sum(item.get("type") == "function_call" for item in items)
        if items and calls == len(reply.tool_calls):
            return _native_items(items, reply, options)
    messages: list[Json] = [_assistant_message(reply.text, options)] if reply.text else []
    return messages + [_call(call) for call in reply.tool_calls]


def _native_items(items: list[Json], reply: Reply, options: ResponsesOptions) -> list[Json]:
    """Return the items of a reply, with the ids that its calls have in the transcript."""
    # All or none: the API refuses a reasoning item without the item that it led to.
    with_native = not (
        options.without_native or (options.needs_encrypted and any(map(_lacks_content, items)))
    )
    calls = iter(reply.tool_calls)
    own: list[Json] = []
    for item in items:
        kept: Json = {
            key: value for key, value in item.items() if key not in options.refused_fields
        }
        if item.get("type") == "function_call":
            call = _call(next(calls))
            own.append(kept | call if with_native else call)
        elif with_native:
            own.append(kept)
        elif text := text_of(item):
            phase = {"phase": item["phase"]} if item.get("phase") else {}
            own.append(_assistant_message(text, options) | phase)
    return own


def _lacks_content(item: Json) -> bool:
    """Return whether ``item`` is reasoning that only a server that stored it can read."""
    has_content = item.get("encrypted_content") or item.get("content")
    return item.get("type") == "reasoning" and not has_content


def text_of(item: Json) -> str:
    """Return the text of a model's message, refusals included; empty for other items."""
    if item.get("type") != "message":
        return ""
    parts = (as_object(part) for part in as_list(item.get("content")))
    return "".join(as_str(part.get("text")) or as_str(part.get("refusal")) for part in parts)


def _assistant_message(text: str, options: ResponsesOptions) -> Json:
    """Return ``text`` as a message of the model. Servers recognise one in two ways.

    OpenAI takes the short form (EasyInputMessage in its reference). llama.cpp's /v1/responses
    recognises a message of the model's by its type and by parts of type ``output_text``.
    """
    if not options.typed:
        return {"role": "assistant", "content": text}
    part: Json = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "role": "assistant", "status": "completed", "content": [part]}


def _call(call: ToolCall) -> Json:
    return {
        "type": "function_call",
        "call_id": valid_id(call.id),
        "name": valid_name(call.name),
        "arguments": arguments_text(call.arguments),
    }


# Results of tools ---------------------------------------------------------------------------------


def _result(outcome: Outcome) -> Json:
    parts = [_input_text(outcome.content)] if outcome.content else []
    parts += [_result_part(attachment) for attachment in outcome.attachments]
    is_text = len(parts) < 2 and not outcome.attachments
    return {
        "type": "function_call_output",
        "call_id": valid_id(outcome.tool_call.id),
        "output": (outcome.content or "(no output)") if is_text else parts,
    }


def _result_part(attachment: Attachment) -> Json:
    part = part_or_note(attachment, _part)
    return _input_text(part) if isinstance(part, str) else part
