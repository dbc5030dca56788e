"""Signing in at any server that speaks OAuth 2.0 or OpenID Connect.

What the server offers is asked of the server itself, or given. How that is done is loaded when
somebody signs in.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit

from agentouto._domain.errors import ConfigurationError
from agentouto._domain.secret import Secret
from agentouto._network import is_safe, shown
from agentouto.auth._browser import open_in_browser
from agentouto.auth._client import LONGEST_SECONDS, Client, Redirect, Server, Sitting
from agentouto.auth._sign_in import SignIn
from agentouto.auth._store import TokenStore, name_for

log = logging.getLogger("agentouto")

_HERE = ("127.0.0.1", "localhost", "[::1]")
"""Under which names the page on this machine is found."""


class OAuth(SignIn):
    """A sign-in at any OpenID Connect or OAuth 2.0 server.

    Nothing is asked of anybody before ``ensure_authenticated()`` or the first request.

    Args:
        issuer: The server's address; what it offers is read from its discovery document. Left
            empty, ``auth_url`` and ``token_url`` say where to go.
        client_id: What the server calls your program.
        client_secret: What the server knows it by, if it has one.
        scopes: What to ask for.
        name: What the sign-in is called in errors, and in the store. Left empty, it follows from
            the server's address.
        auth_url: Where the person signs in, in place of what discovery says.
        token_url: Where tokens are given out, likewise.
        device_url: Where a sign-in on another device begins, likewise.
        redirect_port: The port of this machine the browser is sent back to; 0 is any that is free.
        redirect_host: ``"127.0.0.1"``, ``"localhost"`` or ``"[::1]"``, as it is registered at the
            server.
        redirect_path: The path it is sent back to.
        extra: Further fields of the address at which the person signs in, such as an audience.
        hosts: To which hosts, and those below them, tokens may be sent. Left empty, to any https
            address that a provider with this sign-in names. This machine is always allowed.
        store: Where tokens are kept.
        open_browser: Called with the address that is to be opened, plain or async; ``None`` opens
            none. Left out, the browser of this machine is opened.
        ask: Called with a question, plain or async: the answer is the address at which the browser
            ended, pasted by the person; an empty one waits for the browser. A plain function holds
            up the event loop.
        tell: Called with what the person has to know: an address, or a code. Left out, it is
            logged as a warning.
        device: Sign in on another device, with a code, in place of a browser on this machine.
        seconds: How long the person has.

    Raises:
        ConfigurationError: The arguments cannot work.
    """

    def __init__(
        self,
        issuer: str = "",
        client_id: str = "",
        *,
        client_secret: str | None = None,
        scopes: Sequence[str] = ("openid", "offline_access"),
        name: str = "",
        auth_url: str = "",
        token_url: str = "",
        device_url: str = "",
        redirect_port: int = 0,
        redirect_host: str = "127.0.0.1",
        redirect_path: str = "/callback",
        extra: Mapping[str, str] | None = None,
        hosts: Sequence[str] = (),
        store: TokenStore | None = None,
        open_browser: Callable[[str], object] | None = open_in_browser,
        ask: Callable[[str], str | Awaitable[str]] | None = None,
        tell: Callable[[str], object] = log.warning,
        device: bool = False,
        seconds: float = LONGEST_SECONDS,
    ) -> None:
        _check(issuer, client_id, auth_url, token_url, device_url)
        _check_redirect(redirect_host, redirect_port, redirect_path)
        consent = {"prompt": "consent"} if "offline_access" in scopes else {}
        client = Client(
            name=name or name_for(issuer or token_url),
            client_id=client_id,
            client_secret=Secret(client_secret or ""),
            scopes=tuple(scopes),
            redirect=Redirect(redirect_host, (redirect_port,), redirect_path),
            more=consent | dict(extra or {}),
        )
        super().__init__(
            client,
            Server(auth_url, token_url, device_url, issuer=issuer),
            store=store,
            sitting=Sitting(open_browser, ask, tell, seconds),
            device=device,
            hosts=hosts,
        )

    async def _ready_server(self) -> Server:
        server = await super()._ready_server()
        if server.issuer and not server.token:
            from agentouto.auth._oidc import discovered  # noqa: PLC0415

            server = await discovered(self._client.name, server)
        self._server = server
        return server


def _check(issuer: str, client_id: str, auth_url: str, token_url: str, device_url: str) -> None:
    if not client_id:
        raise ConfigurationError("OAuth() needs the client_id that the server gave your program")
    if not (issuer or token_url):
        raise ConfigurationError("OAuth() needs the issuer's address, or auth_url= and token_url=")
    for url in (issuer, auth_url, token_url, device_url):
        if url and not is_safe(url):
            raise ConfigurationError(
                f"OAuth(): {shown(url)!r} is neither an https:// address nor on this machine"
            )


def _check_redirect(host: str, port: int, path: str) -> None:
    """Refuse what no browser would ever come back to."""
    url = f"http://{host}:{port}{path}"
    whole = is_safe(url) and path.isascii() and urlsplit(url).path == path != ""
    if host not in _HERE or not whole:
        raise ConfigurationError(
            f"OAuth(): the browser cannot come back to {url!r}: redirect_host is one of "
            f"{', '.join(_HERE)}, redirect_port is from 0 to 65535, and redirect_path begins with "
            "/ and has no query"
        )
