"""Downloads files for APIs that take their content only, from public addresses only.

An address may come from a model, so nothing is fetched from this machine or from a private network,
wherever a name or a redirect leads (server-side request forgery: CWE-918). A direct connection goes
to the very address that was checked; a second look at the name could find another one. Through a
proxy, it is the proxy that looks names up: a name is refused if it is private as seen from here,
and otherwise the proxy's own rules decide. No key or header of a provider is sent.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import TypeAlias, cast

import msgspec

from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.message import Attachment
from agentouto._network import proxy_fault, proxy_for, proxy_refusal
from agentouto.providers._format.errors import short
from agentouto.providers._format.file_urls import downloaded
from agentouto.providers._format.media import Missing, Unsendable
from agentouto.providers._transport.content_codings import decoded
from agentouto.providers._transport.http_limits import USUAL, UnusableBody
from agentouto.providers._transport.sessions import LoopResources, Response, Session

__all__ = ["Download", "Downloads", "Unsendable", "is_public"]

MOST_REDIRECTS = 5
"""File hosts redirect once or twice, to a storage server; more is a loop."""

MOST_CONNECTIONS = 64
"""Files of one request are few; this only bounds the sockets of a request with hundreds."""

_DOWNLOAD_HEADERS = MappingProxyType({"Accept-Encoding": "identity", "User-Agent": "agentouto"})
"""``identity``: a compressed body could become larger than the limits without having arrived."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Statuses whose ``Location`` is followed (RFC 9110 §15.4)."""

_TEMPORARY = frozenset({408, 425, 429})
"""Statuses below 500 after which the same request may succeed (RFC 9110 §15.5.9, RFC 8470 §5.2,
RFC 6585 §4)."""

_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
"""The only range from which IANA assigns public addresses (RFC 4291 §2.4)."""

_RESERVED = tuple(map(ipaddress.ip_network, ("3fff::/20", "2001:db8::/32", "192.88.99.0/24")))
"""Documentation (RFC 9637, RFC 3849) and former 6to4 relays (RFC 7526), which some versions of
``ipaddress`` call global."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""The IPv4 address is in the last 32 bits (RFC 6052 §2.1)."""


class _Temporary(Unsendable):
    """A download failed and may succeed later."""


class Download(msgspec.Struct, frozen=True):
    """A downloaded file.

    Attributes:
        body: Its content.
        content_type: The ``Content-Type`` that its server sent; empty without one.
        url: Its address after all redirects.
    """

    body: bytes
    content_type: str
    url: str


SessionFor: TypeAlias = Callable[[str | None], Awaitable[Session]]
"""Returns the session for one proxy, or for direct connections."""


class _ByteLimits:
    """How many bytes one file may have, and how many the files of one request still may."""

    __slots__ = ("_together", "each", "left")

    def __init__(self, each: int, together: int) -> None:
        self.each = each
        self._together = self.left = together

    def take(self, size: int) -> None:
        if size > self.left:
            raise _Temporary(f"with the others it is larger than {self._together / 1e6:g} MB")
        self.left -= size


def is_public(address: str) -> bool:
    """Return whether ``address`` is a numeric address of the public internet.

    IPv6 addresses that contain an IPv4 address are as public as that is.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        ip = inner or ip
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _PUBLIC_IPV6:
        return False
    reserved = any(ip.version == net.version and ip in net for net in _RESERVED)
    return ip.is_global and not ip.is_multicast and not reserved


class Downloads(msgspec.Struct, frozen=True):
    """Downloads files, within limits.

    Attributes:
        seconds: Time limit for all files of one request.
        most_bytes: Maximum size of one file.
        most_bytes_together: Maximum size of all files of one request.
        allowed: Returns whether a numeric address may be connected to.
    """

    seconds: float = 30.0
    most_bytes: int = 20_000_000
    most_bytes_together: int = 50_000_000
    allowed: Callable[[str], bool] = is_public

    async def fetch(
        self, wanted: Sequence[Attachment], mine: LoopResources
    ) -> dict[Attachment, Attachment]:
        """Return the files at the addresses of ``wanted``; a ``Missing`` where a download failed.

        All are downloaded at the same time; ``seconds`` and ``most_bytes_together`` are for all.
        """

        async def session_for(proxy: str | None) -> Session:
            return await mine.session((self, proxy), lambda: _open_session(self.allowed, proxy))

        limits = _ByteLimits(self.most_bytes, self.most_bytes_together)
        async with asyncio.TaskGroup() as group:
            tasks = {
                one: group.create_task(self._fetch_file(one, session_for, limits)) for one in wanted
            }
        return {one: task.result() for one, task in tasks.items()}

    async def fetch_one(self, address: str) -> Download:
        """Return the file at ``address``, for callers without a request to a model.

        Raises:
            Unsendable: The download failed; the text says why.
        """
        limits = _ByteLimits(self.most_bytes, self.most_bytes)
        async with AsyncExitStack() as stack:

            async def session_for(proxy: str | None) -> Session:
                session = _open_session(self.allowed, proxy)
                stack.push_async_callback(session.close)
                return session

            return await self._within_time(address, session_for, limits)

    async def _fetch_file(
        self, attachment: Attachment, session_for: SessionFor, limits: _ByteLimits
    ) -> Attachment:
        try:
            there = await self._within_time(attachment.url or "", session_for, limits)
            return downloaded(attachment, there.body, there.content_type)
        except Unsendable as error:
            why, for_now = str(error), isinstance(error, _Temporary)
        name, url = attachment.name, attachment.url
        return Missing(attachment.mime_type, url=url, name=name, why=why, for_now=for_now)

    async def _within_time(
        self, address: str, session_for: SessionFor, limits: _ByteLimits
    ) -> Download:
        """Return the file at ``address``; every failure is an ``Unsendable``."""
        import aiohttp  # noqa: PLC0415 - loaded by the time anything is fetched

        try:
            async with asyncio.timeout(self.seconds):
                return await self._download(address, session_for, limits)
        except TimeoutError as error:
            raise _Temporary(f"it did not arrive within {self.seconds:g} s") from error
        except ConfigurationError as error:
            raise Unsendable(f"it could not be fetched: {error}") from error
        except ValueError as error:
            why = f"its address cannot be read: {short(_without_query(error))}"
            raise Unsendable(why) from error
        except (aiohttp.ClientError, OSError) as error:
            why = f"it could not be fetched: {short(_without_query(error)) or type(error).__name__}"
            raise _Temporary(why) from error

    async def _download(
        self, address: str, session_for: SessionFor, limits: _ByteLimits
    ) -> Download:
        """Return the file at ``address``, following redirects; each may need another proxy."""
        import aiohttp  # noqa: PLC0415
        from yarl import URL  # noqa: PLC0415 - comes with aiohttp, which reads addresses by it

        url = URL(address, encoded=re.fullmatch("[!-~]+", address) is not None)
        for _ in range(MOST_REDIRECTS + 1):
            host = url.raw_host or ""
            _check_address(url.scheme, host, self.allowed)
            proxy = proxy_for(str(url))
            if proxy is not None:
                await _check_proxied_name(host, self.allowed)
            session = await session_for(proxy)
            try:
                request = session.get(url, headers=_DOWNLOAD_HEADERS, allow_redirects=False)
                async with await request as response:
                    if response.status not in _REDIRECTS:
                        body = await _body(str(url), response, limits)
                        return Download(body, response.headers.get("Content-Type", ""), str(url))
                    url = url.join(URL(response.headers.get("Location", "")))
            except (aiohttp.ClientError, OSError) as error:
                if fault := proxy_fault(str(url), error):
                    raise _Temporary(f"it could not be fetched: {fault}") from error
                raise
        raise Unsendable(f"its address redirects more than {MOST_REDIRECTS} times")


PUBLIC = Downloads()
"""The default: public addresses only."""


def _check_address(scheme: str, host: str, allowed: Callable[[str], bool]) -> None:
    """Raise ``Unsendable`` for another scheme or a numeric address that is not allowed."""
    if scheme not in {"http", "https"} or not host:
        raise Unsendable("only http:// and https:// addresses are fetched")
    if (":" in host or host.replace(".", "").isdigit()) and not allowed(host):
        raise _private(host)


async def _check_proxied_name(host: str, allowed: Callable[[str], bool]) -> None:
    """Raise ``Unsendable`` if ``host``, which a proxy will look up, is private as seen from here.

    A name that is unknown here is left to the proxy: networks that require one often resolve no
    public names.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return
    if not all(allowed(str(address[0])) for *_, address in found):
        raise _private(host)


def _private(host: str) -> Unsendable:
    return Unsendable(f"{host} is no public address, and nothing else is fetched")


async def _body(url: str, response: Response, limits: _ByteLimits) -> bytes:
    if response.status == 407 and (refusal := proxy_refusal(url, response.status)):
        raise _Temporary(f"it could not be fetched: {refusal}")
    if response.status != 200:
        temporary = response.status in _TEMPORARY or response.status >= 500
        kind = _Temporary if temporary else Unsendable
        raise kind(f"its address answers with HTTP {response.status}")
    size, pieces = 0, list[bytes]()
    read = decoded(response.headers, response.content.readany, USUAL.portion)
    try:
        while piece := await read():
            if size + len(piece) > limits.each:
                raise Unsendable(f"it is larger than {limits.each / 1e6:g} MB")
            limits.take(len(piece))
            size += len(piece)
            pieces.append(piece)
    except UnusableBody as error:
        limits.left += size
        raise Unsendable(f"it cannot be read: {error}") from error
    except BaseException:
        limits.left += size  # other files may use it
        raise
    return b"".join(pieces)


def _without_query(error: BaseException) -> str:
    """Return the text of ``error`` without queries of addresses, which may be secret."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return re.sub(r"\?\S*", "", str(error))


def _open_session(allowed: Callable[[str], bool], proxy: str | None) -> Session:
    """Open a session for ``proxy``, or one that connects to allowed addresses only."""
    import aiohttp  # noqa: PLC0415
    from aiohttp.abc import AbstractResolver, ResolveResult  # noqa: PLC0415

    class FilteredResolver(AbstractResolver):
        """Looks up names and returns allowed addresses only."""

        def __init__(self) -> None:
            self._resolver = aiohttp.ThreadedResolver()

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            addresses = await self._resolver.resolve(host, port, family)
            public = [address for address in addresses if allowed(address["host"])]
            if not public:
                raise _private(host)
            return public

        async def close(self) -> None:
            await self._resolver.close()

    session: object = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=MOST_CONNECTIONS,
            resolver=FilteredResolver() if proxy is None else None,  # a proxy may be a private host
            use_dns_cache=False,  # each connection checks the name again
            force_close=True,
        ),
        proxy=proxy,
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,  # ``content_codings`` does it, within bounds
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    return cast("Session", session)
