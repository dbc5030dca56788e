"""Refuses requests that come from elsewhere: a foreign host name, web page or key.

A server on the loopback address can be reached by every web page that its user opens. Two checks
keep pages out, each for another trick:

* ``check_origin`` refuses what a browser says comes from another site. Every front makes it, also
  when it is mounted in another application.
* ``Guard`` refuses host names that are not ours. A page may have its own name resolve to 127.0.0.1
  (DNS rebinding); then it is the same site for the browser, but the Host header has the foreign
  name. ``Guard`` also compares the key. It stands in front of a server of our own; an application
  that mounts a front has its own ways to authenticate.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Collection

from agentouto._network.origins import is_same_origin
from agentouto.serve._asgi import (
    AsgiApp,
    AsgiScope,
    HttpError,
    HttpRequest,
    ReceiveEvent,
    SendEvent,
    send_error,
)

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names that a foreign page cannot have, whatever its DNS server says."""


class Guard:
    """An application in front of another one, which checks the host name and the key.

    Args:
        app: The application behind it.
        hosts: Names, or names with a port, that the Host header may have besides those of this
            computer and IP addresses.
        key: The key that every request must bring; ``None`` for no key.
    """

    def __init__(self, app: AsgiApp, *, hosts: Collection[str] = (), key: str | None) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._key = None if key is None else key.encode()

    async def __call__(self, scope: AsgiScope, receive: ReceiveEvent, send: SendEvent) -> None:
        """Answer one request, or take part in the start and the end of the server."""
        if scope["type"] == "http":
            request = HttpRequest(scope, receive)
            try:
                self._check_host(request.headers.get("host", ""))
                self._check_key(request)
            except HttpError as error:
                await send_error(send, error)
                return
        await self._app(scope, receive, send)

    def _check_host(self, host: str) -> None:
        name = _host_name(host)
        if name in LOCAL_NAMES or {host.lower(), name} & self._hosts or _is_address(name):
            return
        raise HttpError(
            403,
            "foreign_host",
            f"The Host header names {host!r:.100}, which this server does not answer for. If you "
            f"reach it by that name, start it with --allow-host {name or 'NAME'}.",
        )

    def _check_key(self, request: HttpRequest) -> None:
        if self._key is None or request.method == "OPTIONS":  # a browser's question before it asks
            return
        if not hmac.compare_digest(sent_key(request).encode("utf-8", "replace"), self._key):
            raise HttpError(
                401,
                "invalid_api_key",
                "The key is missing or wrong. Send it as Authorization: Bearer KEY; the server "
                "was started with it in AGENTOUTO_SERVE_KEY.",
                headers=(("www-authenticate", "Bearer"),),
            )


def check_origin(request: HttpRequest, allowed: Collection[str] = ()) -> None:
    """Raise if a browser sends the request for a page of another site.

    Args:
        request: The request.
        allowed: Origins that may, such as ``https://chat.example.org``.

    Raises:
        HttpError: It is from another site.
    """
    origin = request.headers.get("origin")
    if (origin is not None and origin in allowed) or is_same_origin(request.headers):
        return
    raise HttpError(
        403,
        "foreign_origin",
        f"The request comes from a page of another site ({origin or 'unnamed'!s:.100}).",
    )


def sent_key(request: HttpRequest) -> str:
    """Return the key that a request brings; ``""`` if it brings none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")


def owner_of(request: HttpRequest) -> str:
    """Return whose request it is: a hash of its key."""
    return hashlib.sha256(sent_key(request).encode("utf-8", "replace")).hexdigest()


def _host_name(host: str) -> str:
    """Return the name in a Host header, without port and brackets (RFC 9110 §7.2)."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()


def _is_address(name: str) -> bool:
    """Return whether ``name`` is an IP address. It needs no DNS, so no page can borrow it."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
