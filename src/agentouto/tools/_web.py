"""``web``: a tool that reads pages of the public web as text. It has no search engine.

`providers._transport.downloads` decides which addresses are public, and connects to the address
that it has checked. `_html_text` converts HTML. The encoding of a page is chosen as browsers choose
it (encoding.spec.whatwg.org).
"""

from __future__ import annotations

import codecs
import re

from agentouto import ConfigurationError, Tool, ToolError
from agentouto.providers._transport.downloads import Download, Downloads, Unsendable
from agentouto.tools._html_text import read_page
from agentouto.tools._text import decode_bytes

MOST_PAGE_BYTES = 20_000_000
"""The same as for files that are sent to providers. A page is in memory twice while it is read."""

MOST_PAGE_SECONDS = 3_600
"""An hour is longer than any run waits for one page; infinity is refused by uvloop's timers."""

MOST_URL_CHARACTERS = 2_048
"""Servers should accept 8,000 (RFC 9110, 4.1); a longer text than this is rarely an address."""

_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_TEXT_TYPES = frozenset(
    {
        *("application/ecmascript", "application/javascript", "application/json"),
        *("application/ld+json", "application/sql", "application/toml", "application/x-javascript"),
        *("application/x-ndjson", "application/x-sh", "application/x-yaml", "application/xml"),
        *("application/yaml", "image/svg+xml"),
    }
)
"""Types of text, although their names do not begin with ``text/``."""

_UNKNOWN_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""What servers say of files that they know nothing of: the bytes decide."""

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_HTML_BEGINNINGS = ("<!doctype html", "<html")

_CHARSETS = re.compile(
    "utf-8|utf-16(-[lb]e)?|ascii|iso8859-[0-9]+|cp125[0-8]|cp(874|866|932|936|949|950)|koi8-[rtu]|"
    "euc_(jp|kr|jis_2004)|shift_jis|iso2022_(jp|kr)|gb2312|gbk|gb18030|big5(hkscs)?|mac-roman|"
    "tis-620|johab|hz"
)
"""Python's names of the encodings that browsers support (encoding.spec.whatwg.org). Other codecs of
Python, such as ``idna``, are not for pages and can take quadratic time."""


def web(*, most_bytes: int = 2_000_000, seconds: float = 30.0) -> list[Tool[..., object]]:
    """Return a tool that reads a page of the public web: ``fetch_url``.

    Args:
        most_bytes: The maximum size of a page.
        seconds: The time limit, redirects included.

    Raises:
        ConfigurationError: A bound is out of range.
    """
    if not (0 < most_bytes <= MOST_PAGE_BYTES and 0 < seconds <= MOST_PAGE_SECONDS):
        raise ConfigurationError(
            f"web: most_bytes={most_bytes!r} and seconds={seconds!r} have to be more than 0, and "
            f"at most {MOST_PAGE_BYTES:,} and {MOST_PAGE_SECONDS:,}"
        )

    downloads = Downloads(seconds, most_bytes)

    async def fetch_url(url: str) -> str:
        """Read a web page or a text file on the web. HTML becomes text, with its links.

        Args:
            url: The whole address, beginning with https:// or http://
        """
        if len(url) > MOST_URL_CHARACTERS or not url.isprintable():
            what = f"an address has up to {MOST_URL_CHARACTERS:,} characters, all of them printable"
            raise ToolError("fetch_url", what)
        try:
            download = await downloads.fetch_one(url.strip())
        except Unsendable as error:
            raise ToolError("fetch_url", f"{url[:200]} was not read: {error}") from error
        return await _page_text(download)

    return [Tool(fetch_url)]


async def _page_text(download: Download) -> str:
    kind = download.content_type.partition(";")[0].strip().lower()
    is_html = kind in _HTML_TYPES
    if not (is_html or _is_text_type(kind)):
        raise _not_text_error(download, kind)
    decoded = _decode_page(download, is_html=is_html)
    if decoded is None:
        raise _not_text_error(download, kind or "of unknown type")
    text, encoding = decoded
    if kind in _UNKNOWN_TYPES and text[:100].lstrip().lower().startswith(_HTML_BEGINNINGS):
        is_html = True
    head = f"[{download.url}: {kind or 'no type'}, {encoding}, {len(download.body):,} bytes]"
    if not is_html:
        return f"{head}\n{text}"
    page = await read_page(text, download.url)
    title = f"Title: {page.title}\n" if page.title else ""
    return f"{head}\n{title}\n{page.text or '(the page has no text: it may need a browser)'}"


def _is_text_type(kind: str) -> bool:
    endings = ("+json", "+xml", "+yaml")
    return (
        kind.startswith("text/")
        or kind in _TEXT_TYPES
        or kind in _UNKNOWN_TYPES
        or kind.endswith(endings)
    )


def _not_text_error(download: Download, kind: str) -> ToolError:
    what = f"{download.url} is {kind}, {len(download.body):,} bytes; only text is read"
    return ToolError("fetch_url", what)


def _decode_page(download: Download, *, is_html: bool) -> tuple[str, str] | None:
    """Return the text and the name of its encoding, or ``None`` if it is binary.

    A byte order mark takes precedence, then the server, then the page (HTML, 13.2.3.2).
    """
    marked = decode_bytes(download.body, "windows-1252")
    if marked is not None and (marked.mark or not download.body):
        return marked.text, marked.described
    within = download.body[:1_024].decode("latin-1") if is_html else ""  # HTML, 4.2.5.4
    for place, words in (("header", download.content_type), ("page", within)):
        said = _CHARSET.search(words)
        if said is None:
            continue
        name = _python_encoding(said[1])
        if name is None:
            continue
        try:
            return download.body.decode(name), name
        except UnicodeDecodeError:
            broken = download.body.decode(name, "replace")
            return broken, f"{name} as its {place} says, which it is not everywhere"
    return None if marked is None else (marked.text, marked.described)


def _python_encoding(name: str) -> str | None:
    """Return Python's name of a charset; some labels mean windows-1252, as in browsers."""
    try:
        found = codecs.lookup(name).name
    except LookupError:
        return None
    if found in {"ascii", "iso8859-1"}:
        return "cp1252"  # encoding.spec.whatwg.org: the labels "ascii" and "latin1"
    return found if _CHARSETS.fullmatch(found) else None
