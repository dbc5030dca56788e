"""Files as they travel in requests: the true type found out, base64 put in order.

What a file is, its first bytes say; what they are called often does not. Which types a wire has
words for is the wire's own knowledge.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import msgspec

from agentouto._domain.message import Attachment

_SAME = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "audio/mp3": "audio/mpeg",
    "audio/x-mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "application/x-pdf": "application/pdf",
}
_TEXTS = frozenset(
    {
        "application/json",
        "application/xml",
        "application/yaml",
        "application/x-yaml",
        "application/toml",
        "application/javascript",
        "application/x-sh",
        "application/sql",
        "image/svg+xml",
    }
)
_VAGUE = frozenset(
    {"", "*/*", "application/octet-stream", "binary/octet-stream", "application/x-download"}
)
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)


class Unsendable(Exception):
    """A file cannot be sent; the text says why and what could be."""


@dataclass(frozen=True, slots=True)
class Missing(Attachment):
    """A file that was looked for at its address and not found; ``why`` says the reason.

    ``for_now`` is whether it may well be there later.
    """

    why: str = ""
    for_now: bool = False


class File(msgspec.Struct, frozen=True):
    """A file ready to be sent: its type, and either its content or where that is.

    ``data`` is base64 of the standard kind, padded, without a prefix.
    """

    mime_type: str
    data: str = ""
    url: str = ""
    name: str = ""

    @property
    def is_text(self) -> bool:
        """Whether the content can be read as text."""
        return self.mime_type.startswith("text/") or self.mime_type in _TEXTS

    @property
    def is_vague(self) -> bool:
        """Whether nobody has said what it is."""
        return self.mime_type in _VAGUE

    @property
    def data_uri(self) -> str:
        """The file as a URL that contains it."""
        return f"data:{self.mime_type};base64,{self.data}"

    @property
    def text(self) -> str:
        """The content, as text."""
        return base64.b64decode(self.data).decode("utf-8", "replace")

    @property
    def quoted(self) -> str:
        """The content as words in a message: what it is called, and what it says."""
        return f"{self.name or 'Attached file'}:\n{self.text}"


def opened(attachment: Attachment) -> File:
    """Return ``attachment`` with its true type; ``Unsendable`` if it holds nothing that is."""
    if isinstance(attachment, Missing):
        raise Unsendable(attachment.why)
    mime_type = _plain(attachment.mime_type)
    name = attachment.name or ""
    data, url = attachment.data, attachment.url or ""
    if url.startswith("data:"):
        data = url
    elif url:
        return File(mime_type, url=url, name=name)
    prefix, comma, content = (data or "").partition(",")
    if comma and prefix.startswith("data:"):
        mime_type = mime_type or _plain(prefix[5:])
        data = content
    base64_text, content_bytes = _in_order(data or "")
    file = File(mime_type, base64_text, name=name)
    if file.is_text:
        return file
    return msgspec.structs.replace(file, mime_type=_sniffed(content_bytes) or mime_type)


def no_place(file: File, possible: str) -> Unsendable:
    """Return the complaint that an API has no words for ``file``, only for what is ``possible``."""
    return Unsendable(f"this API has no place for {file.mime_type or 'such files'}; {possible}")


def described(attachment: Attachment) -> str:
    """Return what ``attachment`` is called when it is spoken of."""
    name = attachment.name or name_in(attachment.url or "") or "a file"
    return f"{name} ({attachment.mime_type or 'of unknown type'})"


def name_in(url: str) -> str:
    """Return what the file at ``url`` is called, if its address says so."""
    try:
        return "" if url.startswith("data:") else unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        return ""  # it is no address; whoever has to go there says so


def _plain(mime_type: str) -> str:
    plain = mime_type.partition(";")[0].strip().lower()
    return _SAME.get(plain, plain)


def _in_order(data: str) -> tuple[str, bytes]:
    """Return base64 of the standard kind, and the first bytes it stands for."""
    plain = "".join(data.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    plain += "=" * (-len(plain) % 4)
    try:
        content = base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unsendable(f"its data is not base64 ({error})") from error
    if not content:
        raise Unsendable("it is empty")
    return plain, content[:16]


def _sniffed(head: bytes) -> str:
    for beginning, mime_type in _BEGINNINGS:
        if head.startswith(beginning):
            return mime_type
    if head[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(head[8:12], "")
    return ""
