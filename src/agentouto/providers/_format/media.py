"""Prepares files for requests: detects the media type, and normalises base64.

The first bytes of a file decide its type (WHATWG MIME Sniffing, §6), because names and headers are
often wrong, and APIs compare the type with the content: Anthropic answers 400 for a JPEG that is
called ``image/png``. Base64 becomes that of RFC 4648 §4, with padding; users also bring data URLs
(RFC 2397) and the URL-safe alphabet (RFC 4648 §5). Which types can be sent is decided by each
format's encoder.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

import msgspec

from agentouto._domain.message import Attachment

_TYPE_ALIASES = MappingProxyType(
    {
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
)
"""Names that systems and browsers use for a type, and the registered name that APIs take."""

_TEXT_MEDIA_TYPES = frozenset(
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
"""Types outside of ``text/`` that are text all the same: a model reads their content."""

_VAGUE_TYPES = frozenset(
    {"", "*/*", "application/octet-stream", "binary/octet-stream", "application/x-download"}
)
"""Types that only say that something is a file; ``binary/octet-stream`` is Amazon S3's
default."""

_MAGIC_NUMBERS = (
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
"""Beginnings of files by type: WHATWG MIME Sniffing §6.1 (images), §6.2 (sound) and §7.1 (PDF); for
MP3 without a tag, the frame header of MPEG-1 layer 3; for TIFF, the byte order and the number
42."""


IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""The images that OpenAI ("Images and vision", image input requirements) and Anthropic ("Vision",
supported formats) take. Gemini takes others."""


class Unsendable(Exception):
    """A file cannot be sent; the text says why, and what can be sent."""


@dataclass(frozen=True, slots=True)
class Missing(Attachment):
    """A file that could not be downloaded; ``why`` is the reason.

    ``for_now`` is whether the failure is temporary.
    """

    why: str = ""
    for_now: bool = False


class File(msgspec.Struct, frozen=True):
    """A file ready to be sent: its type, and either its content or its address.

    ``data`` is padded base64 (RFC 4648 §4) without a prefix.
    """

    mime_type: str
    data: str = ""
    url: str = ""
    name: str = ""

    @property
    def is_text(self) -> bool:
        """Whether the content can be read as text."""
        return self.mime_type.startswith("text/") or self.mime_type in _TEXT_MEDIA_TYPES

    @property
    def is_vague(self) -> bool:
        """Whether its type is missing or generic."""
        return self.mime_type in _VAGUE_TYPES

    @property
    def data_uri(self) -> str:
        """The file as a data URL (RFC 2397)."""
        return f"data:{self.mime_type};base64,{self.data}"

    @property
    def text(self) -> str:
        """The content, as text."""
        return base64.b64decode(self.data).decode("utf-8", "replace")

    @property
    def quoted(self) -> str:
        """The content as text of a message, under its name."""
        return f"{self.name or 'Attached file'}:\n{self.text}"


def to_file(attachment: Attachment) -> File:
    """Return ``attachment`` with its detected type; ``Unsendable`` without readable content."""
    if isinstance(attachment, Missing):
        raise Unsendable(attachment.why)
    mime_type = _normal_type(attachment.mime_type)
    name = attachment.name or ""
    data, url = attachment.data, attachment.url or ""
    if url.startswith("data:"):
        data = url
    elif url:
        return File(mime_type, url=url, name=name)
    prefix, comma, content = (data or "").partition(",")
    if comma and prefix.startswith("data:"):
        mime_type = mime_type or _normal_type(prefix[5:])
        data = content
    base64_text, content_bytes = _standard_base64(data or "")
    file = File(mime_type, base64_text, name=name)
    if file.is_text:
        return file
    return msgspec.structs.replace(file, mime_type=_type_by_content(content_bytes) or mime_type)


def unsupported_type(file: File, possible: str) -> Unsendable:
    """Return the error for a ``file`` that an API cannot take; ``possible`` is what it takes."""
    return Unsendable(f"this API has no place for {file.mime_type or 'such files'}; {possible}")


def describe(attachment: Attachment) -> str:
    """Return the name of ``attachment`` for notes and errors, with its type."""
    name = attachment.name or name_in(attachment.url or "") or "a file"
    return f"{name} ({attachment.mime_type or 'of unknown type'})"


def name_in(url: str) -> str:
    """Return the name of the file at ``url``; empty if its address has none."""
    try:
        return "" if url.startswith("data:") else unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        return ""  # no valid address: the download reports that


def _normal_type(mime_type: str) -> str:
    plain = mime_type.partition(";")[0].strip().lower()
    return _TYPE_ALIASES.get(plain, plain)


def _standard_base64(data: str) -> tuple[str, bytes]:
    """Return ``data`` as standard base64, and the first bytes of its content."""
    plain = "".join(data.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    plain += "=" * (-len(plain) % 4)
    try:
        content = base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unsendable(f"its data is not base64 ({error})") from error
    if not content:
        raise Unsendable("it is empty")
    return plain, content[:16]


def _type_by_content(head: bytes) -> str:
    for beginning, mime_type in _MAGIC_NUMBERS:
        if head.startswith(beginning):
            return mime_type
    if head[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(head[8:12], "")
    return ""
