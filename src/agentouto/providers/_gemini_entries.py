"""A transcript's entries as contents of Gemini, each written once, as bytes.

A reply goes back with every part it came in, signatures and all, if it goes back to where it came
from; to anywhere else it goes as words and tool calls. How a request as a whole looks, and what
comes back, is not known here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import assert_never

import msgspec

from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply, Text, ToolCall
from agentouto._domain.message import Attachment
from agentouto.providers._entries import sendable, showable, valid_id
from agentouto.providers._json import Json, as_list, as_object, as_text, dump, object_of
from agentouto.providers._media import File, Unsendable, described, no_place

NOBODY = dump({"parts": [{"text": ""}], "role": "user"})
"""A user who says nothing: stands where the API insists that somebody has spoken."""

MODEL_ENDS = b'"role":"model"}'
"""How whatever a model said ends, as it is written here."""

_WITHOUT_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()
"""What the vendor accepts in place of the signature of a call that another model made."""

_KINDS = {
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
"""What can be sent, and under which name if not its own."""

_IN_RESULTS = frozenset({"image/png", "image/jpeg", "image/webp", "application/pdf"})
_POSSIBLE = "png, jpeg, webp, heic, pdf and text files, sound and video can"
_ADDRESSES = re.compile(
    r"gs://|https?://[^/]+/v\d\w*/files/|https?://((www\.|m\.)?youtube\.com|youtu\.be)/",
    re.IGNORECASE,
)


class Manner(msgspec.Struct, frozen=True):
    """How one model wants to be written to.

    Attributes:
        provider_name: Who complains if an entry cannot be written.
        origin: Replies from here are returned with all they came with; empty returns none so.
        signed: Whether the first tool call of a reply must have a signature.
        ids: Whether calls that were made elsewhere may have ids.
        files_in_results: Whether results of tools can hold files.
    """

    provider_name: str
    origin: str = ""
    signed: bool = False
    ids: bool = True
    files_in_results: bool = False


def write_entry(entry: Entry, before: Entry | None, manner: Manner) -> bytes:
    """Return the contents for ``entry``, joined by commas; nothing for a reply without words.

    ``before`` is the entry before it: results are told apart the way the reply's calls were.
    """
    match entry:
        case Incoming(text, attachments):
            return dump(_user(_parts(text, attachments, manner)))
        case Reply():
            parts = _reply(entry, manner)
            return dump({"parts": parts, "role": "model"}) if parts else b""
        case Outcomes(items):
            ids = _ids(before, manner) if isinstance(before, Reply) else {}
            return b",".join(dump(content) for content in _results(items, ids, manner))
        case _:
            assert_never(entry)


def takes_address(url: str) -> bool:
    """Return whether the API fetches ``url`` itself; anything else must be sent whole."""
    return _ADDRESSES.match(url) is not None


def must_be_fetched(file: File) -> bool:
    """Return whether ``file``, which is at an address, can be sent, but only whole."""
    sendable = file.mime_type in _KINDS or file.is_text or file.is_vague
    return sendable and not takes_address(file.url)


def _user(parts: list[Json]) -> Json:
    return {"parts": parts, "role": "user"}


def _parts(text: str, attachments: Sequence[Attachment], manner: Manner) -> list[Json]:
    parts: list[Json] = [{"text": text}] if text or not attachments else []
    return parts + [sendable(file, _part, manner.provider_name) for file in attachments]


def _part(file: File) -> Json:
    """Return ``file`` as a part of what a user says; ``Unsendable`` if there is no such part."""
    mime_type = _KINDS.get(file.mime_type) or file.mime_type
    if file.url and (must_be_fetched(file) or takes_address(file.url)):
        return _by_address(file, mime_type)
    if file.mime_type in _KINDS:
        return {"inlineData": {"mimeType": mime_type, "data": file.data}}
    if file.is_text:
        return {"text": file.quoted}
    raise no_place(file, _POSSIBLE)


def _by_address(file: File, mime_type: str) -> Json:
    if must_be_fetched(file):
        raise Unsendable(
            "this API fetches videos from YouTube and files it keeps itself, nothing else; "
            "give the file itself as data="
        )
    named: Json = {"mimeType": mime_type} if mime_type else {}
    return {"fileData": {**named, "fileUri": file.url}}


# Replies ------------------------------------------------------------------------------------------


def _reply(reply: Reply, manner: Manner) -> list[Json]:
    ids = _ids(reply, manner)
    kept = _kept(reply, manner)
    parts = _foreign(reply, ids) if kept is None else _returned(kept, reply.tool_calls, ids)
    if all(part.get("thought") and "thoughtSignature" not in part for part in parts):
        return []
    if manner.signed:
        for place, part in enumerate(parts):
            if "functionCall" in part:
                if not part.get("thoughtSignature"):
                    parts[place] = {**part, "thoughtSignature": _WITHOUT_SIGNATURE}
                break
    return parts


def _kept(reply: Reply, manner: Manner) -> list[Json] | None:
    """Return the parts the reply came in, if they may go where this request goes."""
    native = reply.native
    if native is None or native.origin != manner.origin:
        return None
    return [as_object(part) for part in as_list(as_object(native.data).get("parts"))]


def _returned(kept: list[Json], calls: Sequence[ToolCall], ids: Mapping[str, str]) -> list[Json]:
    """Return the parts as they came, but for ids that have been made distinct since."""
    parts: list[Json] = []
    left = iter(calls)
    for part in kept:
        if "functionCall" in part:
            call, made = next(left, None), as_object(part["functionCall"])
            if call is not None and ids.get(call.id, made.get("id")) != made.get("id"):
                part = {**part, "functionCall": {**made, "id": ids[call.id]}}
        parts.append(part)
    return parts


def _foreign(reply: Reply, ids: Mapping[str, str]) -> list[Json]:
    """Return words and tool calls; what was thought elsewhere stays there."""
    parts: list[Json] = []
    for part in reply.parts:
        if isinstance(part, Text) and part.text:
            parts.append({"text": part.text})
        elif isinstance(part, ToolCall):
            made: Json = {"name": _name(part.name), "args": object_of(part.arguments)}
            if id_ := ids.get(part.id):
                made["id"] = id_
            parts.append({"functionCall": made})
    return parts


def _ids(reply: Reply, manner: Manner) -> dict[str, str]:
    """Return which id each call of ``reply`` is sent with; one that is not in it has none.

    The server's own calls have an id only if the server gave one.
    """
    kept = _kept(reply, manner)
    if kept is not None:
        made = [as_object(part["functionCall"]) for part in kept if "functionCall" in part]
        return {
            call.id: call.id
            for call, named in zip(reply.tool_calls, made, strict=False)
            if named.get("id")
        }
    return {call.id: valid_id(call.id) for call in reply.tool_calls} if manner.ids else {}


def _name(name: str) -> str:
    """Return ``name`` as one a function can have: models also call what there is not."""
    name = re.sub(r"[^A-Za-z0-9_.:-]", "_", name)[:127]
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"


# Results of tools ---------------------------------------------------------------------------------


def _results(items: Sequence[Outcome], ids: Mapping[str, str], manner: Manner) -> list[Json]:
    """Return all results in one content, and in one more the files they cannot hold."""
    responses: list[Json] = []
    files: list[Json] = []
    for item in items:
        inside: list[Json] = []
        notes = _enclosed(item, inside, files, manner)
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


def _enclosed(outcome: Outcome, inside: list[Json], files: list[Json], manner: Manner) -> list[str]:
    """Add the files of ``outcome`` to one of the lists; return what its text says of them."""
    notes: list[str] = []
    for attachment in outcome.attachments:
        part = showable(attachment, _part)
        if isinstance(part, str):
            notes.append(part)
        elif "text" in part:
            notes.append(as_text(part["text"]))
        elif (
            manner.files_in_results
            and as_object(part.get("inlineData")).get("mimeType") in _IN_RESULTS
        ):
            inside.append(part)
        else:
            number = len(files) // 2 + 1
            notes.append(f"({described(attachment)} follows as attachment {number})")
            name = outcome.tool_call.name
            files.append({"text": f"Attachment {number}, returned by the tool {name}:"})
            files.append(part)
    return notes
