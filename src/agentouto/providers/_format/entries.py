"""Encodes a transcript entry by entry, as all formats do it.

An entry is encoded once, into the draft of its call, and never changed: prompt caches need equal
beginnings, and newer Claude models bind thinking to everything before it. Ids become such as every
vendor takes. A file that cannot be sent is an error in a message, because the user can change it,
and a note in the result of a tool, because the agent has to go on. The shape of an entry is decided
by the format.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b

from agentouto._domain.content import Entry
from agentouto._domain.errors import ProviderError
from agentouto._domain.message import Attachment
from agentouto._domain.ports import Draft, ModelRequest
from agentouto.providers._format.file_urls import with_downloads
from agentouto.providers._format.json import Json
from agentouto.providers._format.media import File, Unsendable, describe, to_file

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")
"""What an id may not contain: Anthropic takes ``^[a-zA-Z0-9_-]+$`` and no others."""

_MAX_ID = 64
"""Characters of an id: the ``call_id`` of OpenAI's Responses API has at most 64."""

_MAX_NAME = 64
"""Characters of a tool's name: at most 64 at OpenAI ("must be a-z, A-Z, 0-9, or contain underscores
and dashes, with a maximum length of 64"), which is the least of all vendors."""


def write_new(
    request: ModelRequest,
    options: object,
    write: Callable[[Entry, int], bytes],
    between: bytes = b",",
) -> bytearray:
    """Encode with ``options`` the entries that the draft of ``request`` lacks; return all entries.

    ``write`` takes an entry and its index; an entry for which it returns nothing is left out.
    ``between`` stands between two entries. The draft goes on writing into what is returned.
    """
    transcript, draft = request.transcript, request.draft
    try:
        new = draft.unwritten(transcript, options)
        for place, entry in enumerate(new, draft.count - len(new)):
            if piece := write(with_downloads(entry, draft.files), place):
                if between and draft.written:
                    draft.written += between
                draft.written += piece
                draft.last_written = entry
    except BaseException:
        draft.options = None  # the draft counts an entry that was not encoded: begin again
        raise
    return draft.written


def drop_native(draft: Draft, origin: str) -> None:
    """Encode all of ``draft`` again, for ``origin`` without the native items that it refuses."""
    draft.native_refused_by, draft.count = origin, 0


def valid_id(id_: str, longest: int = _MAX_ID) -> str:
    """Return ``id_`` if every vendor takes it, else another id, always the same for ``id_``."""
    if 0 < len(id_) <= longest and not _NOT_IN_IDS.search(id_):
        return id_
    suffix = blake2b(id_.encode("utf-8", "replace"), digest_size=6).hexdigest()
    return f"{_NOT_IN_IDS.sub('_', id_)[: longest - len(suffix) - 1]}_{suffix}"


def valid_name(name: str) -> str:
    """Return ``name`` as every vendor takes it: models also call tools that do not exist."""
    return _NOT_IN_IDS.sub("_", name)[:_MAX_NAME] or "unknown"


def part_or_error(attachment: Attachment, part: Callable[[File], Json], provider_name: str) -> Json:
    """Return a file of a message as ``part`` encodes it; ``ProviderError`` if it cannot."""
    try:
        return part(to_file(attachment))
    except Unsendable as error:
        raise ProviderError(
            provider_name, f"{describe(attachment)} cannot be sent: {error}"
        ) from error


def file_after_results(
    attachment: Attachment,
    part: Json,
    tool: str,
    files: list[Json],
    text_part: Callable[[str], Json],
) -> str:
    """Add ``part``, a file that ``tool`` returned, to ``files``, which follow all results.

    Returns the note that stands for it in the result. ``files`` has two parts for each file: a
    label, made by ``text_part``, and the file.
    """
    number = len(files) // 2 + 1
    files += (text_part(f"Attachment {number}, returned by the tool {tool}:"), part)
    return f"({describe(attachment)} follows as attachment {number})"


def part_or_note(attachment: Attachment, part: Callable[[File], Json]) -> Json | str:
    """Return a file of a result as ``part`` encodes it, or a note that says why it cannot."""
    try:
        return part(to_file(attachment))
    except Unsendable as error:
        return f"({describe(attachment)} cannot be shown to you: {error})"
