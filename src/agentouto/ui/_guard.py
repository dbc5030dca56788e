"""Decides who may use the server: this browser, from our own pages, and nothing else.

What each check is against:

* ``Host``: a page of another site whose name was made to point at this machine (DNS rebinding).
* The token: other users and programs of this machine. It is in the address that the person opens,
  once, and becomes a cookie that scripts cannot read.
* ``Origin`` and ``Sec-Fetch-Site``: a page of another site that sends requests to ours.
* ``Content-Type``: a form of another site can send text, but no ``application/json`` without being
  asked first (Fetch Standard, "CORS-safelisted request-header").
* The policy in ``HEADERS``: text of a model that would act as a script or load something.

In an app of the user's, only ``Host`` and token are that app's business.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentouto._network.origins import is_same_origin

MAX_BODY = 1_000_000
"""Bytes of a request: a long message, and no file."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content Security Policy Level 3. Even a text of a model that became markup could run nothing, and
load nothing from elsewhere; and no page can frame ours to have it clicked."""

HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

HOW_IN = "Open the address that `agentouto ui` has printed: it has the token."

COOKIE_USE = b"cookie of the page"
"""Makes the cookie another text than whatever else may once be derived from the token."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine that a foreign page cannot have, whatever its DNS server says."""


class GuardRefusal(Exception):
    """A request that is not carried out; the text says why, ``status`` is the HTTP status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Access:
    """Under which names the server is reached, and the secrets of its browser.

    Attributes:
        port: The port that the server listens at.
        hosts: More values of ``Host``: ``NAME``, or ``NAME:PORT``.
        token: What the address of the page has, once. A random one of 192 bits.
    """

    port: int
    hosts: tuple[str, ...] = ()
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def cookie(self) -> str:
        """What the browser has instead of the token, which does not follow from it.

        It is the same after a restart with the same token, so open tabs find the server again.
        """
        return hmac.new(self.token.encode(), COOKIE_USE, hashlib.sha256).hexdigest()

    @property
    def cookie_name(self) -> str:
        """The name of the cookie. It has the port, because cookies are the same for all ports."""
        return f"agentouto_{self.port}"

    def allows_host(self, host: str) -> bool:
        """Return whether ``host``, the value of a ``Host`` header, is ours."""
        ours = {f"{name}:{self.port}" for name in LOOPBACK}
        if self.port == 80:
            ours.update(LOOPBACK)
        for name in self.hosts:
            ours.update({name} if _has_port(name) else {name, f"{name}:{self.port}"})
        return host.lower() in {each.lower() for each in ours}


def _has_port(name: str) -> bool:
    return name.rpartition(":")[2].isdecimal()


class PageGuard:
    """An ASGI app around another one, which only lets through what is allowed.

    Args:
        app: The app.
        access: Who may use it; ``None`` if an app around this one decides that.
    """

    def __init__(self, app: ASGIApp, access: Access | None) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                mine = {name for name, _ in message.get("headers", ())}
                stored = () if b"cache-control" in mine else ((b"cache-control", b"no-store"),)
                message["headers"] = [*message.get("headers", ()), *HEADERS, *stored]
            await send(message)

        request = _GuardedRequest(scope)
        try:
            answer = self._sign_in(request)
            if answer is None:
                self._check(request)
                answer = self._app
        except GuardRefusal as refusal:
            answer = PlainTextResponse(str(refusal), refusal.status)
        await answer(scope, receive, send_with_headers)

    def _sign_in(self, request: _GuardedRequest) -> ASGIApp | None:
        """Return the answer to the address with the token: a cookie, and the way to the page."""
        access = self._access
        if access is None:
            return None
        if not access.allows_host(request.headers.get("host", "")):
            raise GuardRefusal(
                403,
                "This server is not reached under this name. To allow one, for example behind "
                "ssh, Docker or Codespaces: agentouto ui --allow-host NAME[:PORT]",
            )
        given = request.token()
        if given is None:
            return None
        if not _is_same(given, access.token):
            raise GuardRefusal(401, HOW_IN)
        answer = RedirectResponse("./", 303)
        answer.set_cookie(
            access.cookie_name, access.cookie, httponly=True, samesite="strict", path="/"
        )
        return answer

    def _check(self, request: _GuardedRequest) -> None:
        if request.path == "/healthz":
            return
        headers = request.headers
        if not is_same_origin(headers):
            raise GuardRefusal(403, "This request comes from a page of another site.")
        access = self._access
        if access is not None and not _is_same(request.cookie(access.cookie_name), access.cookie):
            raise GuardRefusal(401, HOW_IN)
        if request.method not in {"GET", "HEAD"}:
            if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                raise GuardRefusal(415, "Send application/json.")
            length = headers.get("content-length", "0")
            if not (length.isascii() and length.isdecimal()):
                raise GuardRefusal(400, "Content-Length is no number.")
            if len(length) > 10 or int(length) > MAX_BODY:
                raise GuardRefusal(413, f"A request has at most {MAX_BODY} bytes.")


class _GuardedRequest:
    """What the checks read of a request."""

    def __init__(self, scope: Scope) -> None:
        self.method = str(scope["method"])
        self.path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")))
        self._query = bytes(scope.get("query_string", b"")).decode("latin-1")
        self.headers = _header_values(scope["headers"])

    def token(self) -> str | None:
        """Return the token of an address of the page."""
        if self.path not in {"", "/"} or self.method not in {"GET", "HEAD"}:
            return None
        return parse_qs(self._query, keep_blank_values=True).get("token", [None])[0]

    def cookie(self, name: str) -> str:
        """Return the value of a cookie; empty if there is none."""
        try:
            found = SimpleCookie(self.headers.get("cookie", "")).get(name)
        except CookieError:
            return ""
        return "" if found is None else found.value


def _header_values(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by name. Of several with one name the last counts, as for the checks only."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
