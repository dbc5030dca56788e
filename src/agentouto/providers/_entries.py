"""What all formats do alike when they write a transcript down.

An entry is written once, into the draft of its call. Ids become such as every vendor takes. A file
that cannot be sent is an error in a message, and a note in the result of a tool. How an entry looks
in the end is the format's own business and not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b

from agentouto._domain.content import Entry
from agentouto._domain.errors import ProviderError
from agentouto._domain.message import Attachment
from agentouto._domain.ports import Draft, ModelRequest
from agentouto.providers._addresses import delivered
from agentouto.providers._json import Json
from agentouto.providers._media import File, Unsendable, described, opened

_ODD = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_ID = 64
_LONGEST_NAME = 64
_UNSEALED = " unsealed"
"""Ends the name a draft goes by whose replies are written without what they came with."""


def write_new(
    request: ModelRequest, wire: str, write: Callable[[Entry, int], bytes | None]
) -> list[bytes]:
    """Write down what the draft of ``request`` lacks, and return all that is in it.

    ``write`` gets an entry and its place among all; there is no piece where it says ``None``.
    """
    transcript, draft = request.transcript, request.draft
    try:
        new = draft.unwritten(transcript, wire)
        for place, entry in enumerate(new, draft.count - len(new)):
            piece = write(delivered(entry, draft.files), place)
            if piece is not None:
                draft.pieces.append(piece)
    except BaseException:
        draft.wire = ""  # it says more is written down than is
        raise
    return draft.pieces


def unseal(draft: Draft) -> None:
    """Have ``draft`` written anew, its replies as words and calls from now on."""
    draft.wire, draft.count = draft.wire.removesuffix(_UNSEALED) + _UNSEALED, 0


def is_unsealed(draft: Draft, origin: str) -> bool:
    """Return whether ``draft`` has been unsealed for the model that ``origin`` names."""
    return draft.wire.startswith(f"{origin} ") and draft.wire.endswith(_UNSEALED)


def unsealed(wire: str) -> str:
    """Return what a draft is called that is written for ``wire`` and without seals."""
    return wire + _UNSEALED


def valid_id(id_: str, longest: int = _LONGEST_ID) -> str:
    """Return an id that is taken everywhere: ``id_`` if it is, else always the same other one."""
    if 0 < len(id_) <= longest and not _ODD.search(id_):
        return id_
    told_apart = blake2b(id_.encode("utf-8", "replace"), digest_size=6).hexdigest()
    return f"{_ODD.sub('_', id_)[: longest - len(told_apart) - 1]}_{told_apart}"


def valid_name(name: str) -> str:
    """Return the name of a tool as it is taken everywhere: models also call what there is not."""
    return _ODD.sub("_", name)[:_LONGEST_NAME] or "unknown"


def sendable(attachment: Attachment, part: Callable[[File], Json], provider_name: str) -> Json:
    """Return a file of a message as ``part`` writes it; ``ProviderError`` if it cannot."""
    try:
        return part(opened(attachment))
    except Unsendable as error:
        raise ProviderError(
            provider_name, f"{described(attachment)} cannot be sent: {error}"
        ) from error


def showable(attachment: Attachment, part: Callable[[File], Json]) -> Json | str:
    """Return a file of a result as ``part`` writes it; why it is not there if it cannot."""
    try:
        return part(opened(attachment))
    except Unsendable as error:
        return f"({described(attachment)} cannot be shown to you: {error})"
