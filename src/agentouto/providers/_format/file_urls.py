"""Chooses which files to download for an API that does not fetch them, and inserts the content.

A wire decides which addresses its API takes, and the transport downloads the others. The content
takes the place of the address when the entry is encoded; the transcript keeps the address.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping

import msgspec

from agentouto._domain.content import Entry, Incoming, Outcomes
from agentouto._domain.message import Attachment
from agentouto._domain.ports import ModelRequest
from agentouto.providers._format.media import File, Missing, Unsendable, name_in, to_file

_HTML_STARTS = (b"<!doctype html", b"<html")
"""How a web page begins (WHATWG MIME Sniffing §7.1). Servers answer 200 with a page for a sign-in
or a file that is gone, and a model would be shown its source as if it were the file."""


def files_to_download(request: ModelRequest, fetches: Callable[[File], bool]) -> list[Attachment]:
    """Return the files to download before ``request`` can be encoded, each once.

    ``fetches`` tells whether a file at an address has to be downloaded. A download that failed
    temporarily is retried when a later message names the same address.
    """
    draft, entries = request.draft, request.transcript.entries
    downloads = draft.files
    written = draft.count if draft.options is not None else 0
    unseen = draft.unseen(request.transcript, fetches)
    missing = {
        attachment: None
        for place, entry in enumerate(unseen, len(entries) - len(unseen))
        for attachment in _attachments_of(entry)
        if attachment.url
        and not attachment.url.startswith("data:")
        and _is_missing(downloads.get(attachment), is_new=place >= written)
        and fetches(to_file(attachment))
    }
    if not missing:
        draft.see(request.transcript, fetches)
    return list(missing)


def _is_missing(download: Attachment | None, *, is_new: bool) -> bool:
    if download is None:
        return True
    return is_new and isinstance(download, Missing) and download.for_now


def with_downloads(entry: Entry, files: Mapping[Attachment, Attachment]) -> Entry:
    """Return ``entry`` with downloaded files in place of their addresses."""
    if not files or (isinstance(entry, Incoming) and not entry.attachments):
        return entry
    if isinstance(entry, Incoming):
        return Incoming(entry.text, _substituted(entry.attachments, files))
    if isinstance(entry, Outcomes):
        items = (
            msgspec.structs.replace(item, attachments=_substituted(item.attachments, files))
            for item in entry.items
        )
        return Outcomes(tuple(items))
    return entry


def downloaded(attachment: Attachment, body: bytes, content_type: str) -> Attachment:
    """Return the downloaded file; ``content_type`` is its type according to its server.

    Raises:
        Unsendable: It is empty, or a web page in place of a file.
    """
    file = to_file(attachment)
    if not (file.is_vague or file.is_text) and body[:64].lstrip().lower().startswith(_HTML_STARTS):
        raise Unsendable("there is a web page at its address, and no such file")
    if not body:
        raise Unsendable("it is empty")
    name = attachment.name or name_in(file.url) or None
    data = base64.b64encode(body).decode()
    return Attachment(content_type if file.is_vague else attachment.mime_type, data, name=name)


def _attachments_of(entry: Entry) -> Iterator[Attachment]:
    if isinstance(entry, Incoming):
        yield from entry.attachments
    elif isinstance(entry, Outcomes):
        for item in entry.items:
            yield from item.attachments


def _substituted(
    attachments: tuple[Attachment, ...], files: Mapping[Attachment, Attachment]
) -> tuple[Attachment, ...]:
    return tuple(files.get(one, one) if one.url else one for one in attachments)
