"""Encodes transcript entries as contents of the Gemini API, each once, as bytes.

Source: ai.google.dev, "Generating content" (``Content``, ``Part``), "Function calling", "Thought
signatures" and the pages on images, sound, video and documents. A reply goes back with every part
and signature, if it goes back to its origin; other servers get its text and tool calls.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import assert_never

import msgspec

from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply, Text, ToolCall
from agentouto._domain.message import Attachment
from agentouto.providers._format.entries import (
    file_after_results,
    part_or_error,
    part_or_note,
    valid_id,
)
from agentouto.providers._format.json import (
    Json,
    arguments_object,
    as_list,
    as_object,
    as_str,
    dump,
    dump_joined,
)
from agentouto.providers._format.media import File, Unsendable, unsupported_type

EMPTY_USER = dump({"parts": [{"text": ""}], "role": "user"})
"""An empty message of the user, for places where the API requires a user's turn."""

MODEL_ENDS = b'"role":"model"}'
"""The end of an encoded content of the model."""

_PLACEHOLDER_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()
"""What the API accepts in place of the signature of a call that another model made ("Thought
signatures", migrating from other models)."""

_SENT_AS = MappingProxyType(
    {
        **dict.fromkeys(("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"), ""),
        **dict.fromkeys(("audio/wav", "audio/aiff", "audio/aac", "audio/ogg", "audio/flac"), ""),
        **dict.fromkeys(("video/mp4", "video/mpeg", "video/mpg", "video/mov", "video/avi"), ""),
        **dict.fromkeys(("video/x-flv", "video/webm", "video/wmv", "video/3gpp"), ""),
        "application/pdf": "",
        "audio/mpeg": "audio/mp3",
        "audio/x-aiff": "audio/aiff",
        "audio/x-flac": "audio/flac",
        "video/quicktime": "video/mov",
        "video/x-msvideo": "video/avi",
        "video/flv": "video/x-flv",
        "video/x-ms-wmv": "video/wmv",
    }
)
"""Types that can be sent ("Image understanding", "Audio understanding", "Video understanding",
"Document understanding"), and the name that the API uses for each, if it uses another."""

_TYPES_IN_RESULTS = frozenset({"image/png", "image/jpeg", "image/webp", "application/pdf"})
"""Types that a result of a function can hold ("Function calling", multimodal responses)."""

_SENDABLE = "png, jpeg, webp, heic, pdf and text files, sound and video can"
"""``_SENT_AS`` in words."""

_OWN_ADDRESSES = re.compile(
    r"gs://|https?://[^/]+/v\d\w*/files/|https?://((www\.|m\.)?youtube\.com|youtu\.be)/",
    re.IGNORECASE,
)
"""What ``fileUri`` takes: Cloud Storage (at Vertex AI), the "Files API", and videos of YouTube."""

_MAX_FUNCTION_NAME = 128
"""Characters of a function's name (API reference, ``FunctionDeclaration``)."""


class GeminiOptions(msgspec.Struct, frozen=True):
    """How entries are encoded for one model.

    Attributes:
        provider_name: Whose errors they are if an entry cannot be encoded.
        origin: Replies from here go back with all their parts; empty for none.
        signed: Whether the first tool call of a reply must have a signature.
        ids: Whether calls of other models may have ids.
        files_in_results: Whether results of tools can hold files.
    """

    provider_name: str
    origin: str = ""
    signed: bool = False
    ids: bool = True
    files_in_results: bool = False


def write_entry(entry: Entry, before: Entry | None, options: GeminiOptions) -> bytes:
    """Return the contents for ``entry``, joined by commas; nothing for a reply without words.

    ``before`` is the entry before it: results have the ids that the calls of that reply have.
    """
    match entry:
        case Incoming(text, attachments):
            return dump(_user(_parts(text, attachments, options)))
        case Reply():
            parts = _reply(entry, options)
            return dump({"parts": parts, "role": "model"}) if parts else b""
        case Outcomes(items):
            ids = _ids(before, options) if isinstance(before, Reply) else {}
            return dump_joined(_results(items, ids, options))
        case _:
            assert_never(entry)


def takes_address(url: str) -> bool:
    """Return whether the API fetches ``url`` itself."""
    return _OWN_ADDRESSES.match(url) is not None


def needs_download(file: File) -> bool:
    """Return whether ``file``, which is at an address, can be sent only with its content."""
    is_sendable = file.mime_type in _SENT_AS or file.is_text or file.is_vague
    return is_sendable and not takes_address(file.url)


def _user(parts: list[Json]) -> Json:
    return {"parts": parts, "role": "user"}


def _parts(text: str, attachments: Sequence[Attachment], options: GeminiOptions) -> list[Json]:
    parts = [_text_part(text)] if text or not attachments else []
    return parts + [part_or_error(file, _part, options.provider_name) for file in attachments]


def _text_part(text: str) -> Json:
    return {"text": text}


def _part(file: File) -> Json:
    """Return ``file`` as a part; ``Unsendable`` if the API has none for it."""
    mime_type = _SENT_AS.get(file.mime_type) or file.mime_type
    if file.url and (needs_download(file) or takes_address(file.url)):
        return _part_by_url(file, mime_type)
    if file.mime_type in _SENT_AS:
        return {"inlineData": {"mimeType": mime_type, "data": file.data}}
    if file.is_text:
        return _text_part(file.quoted)
    raise unsupported_type(file, _SENDABLE)


def _part_by_url(file: File, mime_type: str) -> Json:
    if needs_download(file):
        raise Unsendable(
            "this API fetches videos from YouTube and files it keeps itself, nothing else; "
            "give the file itself as data="
        )
    type_field: Json = {"mimeType": mime_type} if mime_type else {}
    return {"fileData": {**type_field, "fileUri": file.url}}


# Replies ------------------------------------------------------------------------------------------


def _reply(reply: Reply, options: GeminiOptions) -> list[Json]:
    ids = _ids(reply, options)
    kept = _native_parts(reply, options)
    parts = (
        _parts_of_other_model(reply, ids)
        if kept is None
        else _native_with_ids(kept, reply.tool_calls, ids)
    )
    if all(part.get("thought") and "thoughtSignature" not in part for part in parts):
        return []
    if options.signed:
        for place, part in enumerate(parts):
            if "functionCall" in part:
                if not part.get("thoughtSignature"):
                    parts[place] = {**part, "thoughtSignature": _PLACEHOLDER_SIGNATURE}
                break
    return parts


def _native_parts(reply: Reply, options: GeminiOptions) -> list[Json] | None:
    """Return the parts of the reply as they came, if this request goes to their origin."""
    native = reply.native
    if native is None or native.origin != options.origin:
        return None
    return [as_object(part) for part in as_list(as_object(native.data).get("parts"))]


def _native_with_ids(
    kept: list[Json], calls: Sequence[ToolCall], ids: Mapping[str, str]
) -> list[Json]:
    """Return the parts as they came, except for ids and names that the API would refuse."""
    parts: list[Json] = []
    left = iter(calls)
    for part in kept:
        if "functionCall" in part:
            call, made = next(left, None), as_object(part["functionCall"])
            changed: Json = {}
            if call is not None and ids.get(call.id, made.get("id")) != made.get("id"):
                changed["id"] = ids[call.id]
            if (name := as_str(made.get("name"))) != _name(name):
                changed["name"] = _name(name)  # models also call names that are not valid
            if changed:
                part = {**part, "functionCall": {**made, **changed}}
        parts.append(part)
    return parts


def _parts_of_other_model(reply: Reply, ids: Mapping[str, str]) -> list[Json]:
    """Return text and tool calls of another model's reply, without its thinking."""
    parts: list[Json] = []
    for part in reply.parts:
        if isinstance(part, Text) and part.text:
            parts.append(_text_part(part.text))
        elif isinstance(part, ToolCall):
            made: Json = {"name": _name(part.name), "args": arguments_object(part.arguments)}
            if id_ := ids.get(part.id):
                made["id"] = id_
            parts.append({"functionCall": made})
    return parts


def _ids(reply: Reply, options: GeminiOptions) -> dict[str, str]:
    """Return the id with which each call of ``reply`` is sent; a call without one is left out.

    Calls of the same server have an id only if the server gave one.
    """
    kept = _native_parts(reply, options)
    if kept is not None:
        made = [as_object(part["functionCall"]) for part in kept if "functionCall" in part]
        return {
            call.id: call.id
            for call, original in zip(reply.tool_calls, made, strict=False)
            if original.get("id")
        }
    return {call.id: valid_id(call.id) for call in reply.tool_calls} if options.ids else {}


def _name(name: str) -> str:
    """Return ``name`` as a valid name of a function: models also call others."""
    if name.isascii() and name.isidentifier() and len(name) < _MAX_FUNCTION_NAME:
        return name
    name = re.sub(r"[^A-Za-z0-9_.:-]", "_", name)[: _MAX_FUNCTION_NAME - 1]
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"


# Results of tools ---------------------------------------------------------------------------------


def _results(
    items: Sequence[Outcome], ids: Mapping[str, str], options: GeminiOptions
) -> list[Json]:
    """Return all results in one content, and the files that they cannot hold in another."""
    responses: list[Json] = []
    files: list[Json] = []
    for item in items:
        inside: list[Json] = []
        notes = _result_notes(item, inside, files, options)
        text = "\n\n".join(part for part in (item.content, *notes) if part)
        text = text or ("(a file)" if inside else "(no output)")
        made: Json = {
            "name": _name(item.tool_call.name),
            "response": {"error" if item.is_error else "output": text},
        }
        if id_ := ids.get(item.tool_call.id):
            made["id"] = id_
        if inside:
            made["parts"] = inside
        responses.append({"functionResponse": made})
    return [_user(responses), _user(files)] if files else [_user(responses)]


def _result_notes(
    outcome: Outcome, inside: list[Json], files: list[Json], options: GeminiOptions
) -> list[str]:
    """Add the files of ``outcome`` to one of the lists; return the notes for its text."""
    notes: list[str] = []
    for attachment in outcome.attachments:
        part = part_or_note(attachment, _part)
        if isinstance(part, str):
            notes.append(part)
        elif "text" in part:
            notes.append(as_str(part["text"]))
        elif (
            options.files_in_results
            and as_object(part.get("inlineData")).get("mimeType") in _TYPES_IN_RESULTS
        ):
            inside.append(part)
        else:
            tool = outcome.tool_call.name
            notes.append(file_after_results(attachment, part, tool, files, _text_part))
    return notes
