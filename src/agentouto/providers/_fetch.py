"""Fetches files that an API wants whole: from anywhere in public, and from nowhere else.

Who names an address may be a model, so nothing is fetched from this machine or the network it is
in, wherever a name or a redirection leads. Nothing of a provider's is sent along. What a file is
good for is not known here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from typing import cast

from agentouto._domain.message import Attachment
from agentouto.providers._addresses import found
from agentouto.providers._belongings import Belongings, Response, Session
from agentouto.providers._media import Missing, Unsendable
from agentouto.providers._refusal import short

MOST_BYTES = 20_000_000
MOST_BYTES_TOGETHER = 50_000_000
SECONDS = 30.0
MOST_REDIRECTIONS = 5
MOST_AT_ONCE = 64

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "agentouto"}
_REDIRECTIONS = frozenset({301, 302, 303, 307, 308})
_LATER = frozenset({408, 425, 429})
_PUBLIC6 = ipaddress.ip_network("2000::/3")
_CLOSED = tuple(map(ipaddress.ip_network, ("3fff::/20", "2001:db8::/32", "192.88.99.0/24")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class _NotNow(Unsendable):
    """A file cannot be had at the moment."""


class _Room:
    """How many bytes the files of one request may still have."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST_BYTES_TOGETHER

    def take(self, size: int) -> None:
        if size > self.left:
            raise _NotNow(f"with the others it is larger than {MOST_BYTES_TOGETHER / 1e6:g} MB")
        self.left -= size


async def fetch(wanted: Sequence[Attachment], mine: Belongings) -> dict[Attachment, Attachment]:
    """Return the files at the addresses of ``wanted``, or such as say why they are missing.

    All are fetched side by side; ``SECONDS`` and ``MOST_BYTES_TOGETHER`` are for all of them.
    """
    room = _Room()
    async with asyncio.TaskGroup() as group:
        tasks = {one: group.create_task(_fetched(one, mine, room)) for one in wanted}
    return {one: task.result() for one, task in tasks.items()}


async def _fetched(attachment: Attachment, mine: Belongings, room: _Room) -> Attachment:
    import aiohttp  # noqa: PLC0415 - loaded by the time anything is fetched

    for_now = False
    try:
        async with asyncio.timeout(SECONDS):
            body, said = await _download(attachment.url or "", mine, room)
        return found(attachment, body, said)
    except Unsendable as error:
        why, for_now = str(error), isinstance(error, _NotNow)
    except TimeoutError:
        why, for_now = f"its address gave it not within {SECONDS:g} s", True
    except ValueError as error:
        why = f"its address cannot be read: {short(_plain(error))}"
    except (aiohttp.ClientError, OSError) as error:
        why = f"it could not be fetched: {short(_plain(error)) or type(error).__name__}"
        for_now = True
    name, url = attachment.name, attachment.url
    return Missing(attachment.mime_type, url=url, name=name, why=why, for_now=for_now)


def is_public(address: str) -> bool:
    """Return whether ``address`` is a numeric one that anybody in the world may ask."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        ip = inner or ip
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _PUBLIC6:
        return False
    closed = any(ip.version == net.version and ip in net for net in _CLOSED)
    return ip.is_global and not ip.is_multicast and not closed


async def _download(address: str, mine: Belongings, room: _Room) -> tuple[bytes, str]:
    """Return what is at ``address``, and what its server says it is."""
    from yarl import URL  # noqa: PLC0415 - comes with aiohttp, which reads addresses by it

    session = await mine.session("files", _open)
    url = URL(address, encoded=re.fullmatch("[!-~]+", address) is not None)
    for _ in range(MOST_REDIRECTIONS + 1):
        _check(url.scheme, url.raw_host or "")
        async with session.get(url, headers=_HEADERS, allow_redirects=False) as response:
            if response.status not in _REDIRECTIONS:
                return await _body(response, room), response.headers.get("Content-Type", "")
            url = url.join(URL(response.headers.get("Location", "")))
    raise Unsendable(f"its address leads on more than {MOST_REDIRECTIONS} times")


def _check(scheme: str, host: str) -> None:
    """Raise ``Unsendable`` unless a file may be asked for there; names are looked at later."""
    if scheme not in {"http", "https"} or not host:
        raise Unsendable("only http:// and https:// addresses are fetched")
    if (":" in host or host.replace(".", "").isdigit()) and not is_public(host):
        raise _private(host)


def _private(host: str) -> Unsendable:
    return Unsendable(f"{host} is no public address, and nothing else is fetched")


async def _body(response: Response, room: _Room) -> bytes:
    if response.status != 200:
        kind = _NotNow if response.status in _LATER or response.status >= 500 else Unsendable
        raise kind(f"its address answers with HTTP {response.status}")
    size, pieces = 0, list[bytes]()
    try:
        while piece := await response.content.readany():
            if size + len(piece) > MOST_BYTES:
                raise Unsendable(f"it is larger than {MOST_BYTES / 1e6:g} MB")
            room.take(len(piece))
            size += len(piece)
            pieces.append(piece)
    except BaseException:
        room.left += size  # the others may have it
        raise
    return b"".join(pieces)


def _plain(error: BaseException) -> str:
    """Return what ``error`` says without the address: its query may be secret."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return re.sub(r"\?\S*", "", str(error))


def _open() -> Session:
    """Open a session that connects to public addresses only."""
    import aiohttp  # noqa: PLC0415
    from aiohttp.abc import AbstractResolver, ResolveResult  # noqa: PLC0415

    class Careful(AbstractResolver):
        """Looks up names, and knows only those of public places."""

        def __init__(self) -> None:
            self._resolver = aiohttp.ThreadedResolver()

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            addresses = await self._resolver.resolve(host, port, family)
            public = [address for address in addresses if is_public(address["host"])]
            if not public:
                raise _private(host)
            return public

        async def close(self) -> None:
            await self._resolver.close()

    session: object = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=MOST_AT_ONCE, resolver=Careful(), use_dns_cache=False, force_close=True
        ),
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    return cast("Session", session)
