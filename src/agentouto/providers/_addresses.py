"""Files given by address, where an API will not fetch them itself.

What has to be fetched, and how what was found takes the address's place. Which addresses an API
takes is the wire's own knowledge; how anything is fetched is not known here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping

import msgspec

from agentouto._domain.content import Entry, Incoming, Outcomes
from agentouto._domain.message import Attachment
from agentouto._domain.ports import ModelRequest
from agentouto.providers._media import File, Missing, Unsendable, name_in, opened

_PAGES = (b"<!doctype html", b"<html")


def to_fetch(request: ModelRequest, fetches: Callable[[File], bool]) -> list[Attachment]:
    """Return what must be fetched before ``request`` can be written down, each file once.

    ``fetches`` says of a file at an address whether it has to be. One that was not to be had for
    the moment is looked for again where somebody names it anew.
    """
    draft, entries = request.draft, request.transcript.entries
    known = draft.files
    written = draft.count if draft.wire else 0
    unseen = draft.unseen(request.transcript, fetches)
    missing = {
        attachment: None
        for place, entry in enumerate(unseen, len(entries) - len(unseen))
        for attachment in _attached(entry)
        if attachment.url
        and not attachment.url.startswith("data:")
        and _is_wanting(known.get(attachment), is_new=place >= written)
        and fetches(opened(attachment))
    }
    if not missing:
        draft.see(request.transcript, fetches)
    return list(missing)


def _is_wanting(had: Attachment | None, *, is_new: bool) -> bool:
    return had is None or (is_new and isinstance(had, Missing) and had.for_now)


def delivered(entry: Entry, files: Mapping[Attachment, Attachment]) -> Entry:
    """Return ``entry`` with what was fetched in place of its address."""
    if not files or (isinstance(entry, Incoming) and not entry.attachments):
        return entry
    if isinstance(entry, Incoming):
        return Incoming(entry.text, _put(entry.attachments, files))
    if isinstance(entry, Outcomes):
        items = (
            msgspec.structs.replace(item, attachments=_put(item.attachments, files))
            for item in entry.items
        )
        return Outcomes(tuple(items))
    return entry


def found(attachment: Attachment, body: bytes, said: str) -> Attachment:
    """Return the file that was found; its server ``said`` what it is.

    Raises:
        Unsendable: It is not what it was said to be.
    """
    file = opened(attachment)
    if not (file.is_vague or file.is_text) and body[:64].lstrip().lower().startswith(_PAGES):
        raise Unsendable("there is a web page at its address, and no such file")
    if not body:
        raise Unsendable("it is empty")
    name = attachment.name or name_in(file.url) or None
    data = base64.b64encode(body).decode()
    return Attachment(said if file.is_vague else attachment.mime_type, data, name=name)


def _attached(entry: Entry) -> Iterator[Attachment]:
    if isinstance(entry, Incoming):
        yield from entry.attachments
    elif isinstance(entry, Outcomes):
        for item in entry.items:
            yield from item.attachments


def _put(
    attachments: tuple[Attachment, ...], files: Mapping[Attachment, Attachment]
) -> tuple[Attachment, ...]:
    return tuple(files.get(one, one) if one.url else one for one in attachments)
