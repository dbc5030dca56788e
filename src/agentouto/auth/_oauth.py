"""``OAuth``: the sign-in at any OAuth 2.0 or OpenID Connect server.

Endpoints come from the server's discovery document or from the arguments. The code of the flows is
loaded at the first sign-in or refresh.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit

from agentouto._domain.errors import ConfigurationError
from agentouto._domain.secret import Secret
from agentouto._network import is_safe, shown
from agentouto.auth._browser import open_in_browser
from agentouto.auth._client import SIGN_IN_SECONDS, AuthServer, Client, Redirect, SignInSession
from agentouto.auth._sign_in import SignIn
from agentouto.auth._token_store import TokenStore, name_for

log = logging.getLogger("agentouto")

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
"""Loopback names that a redirect URI may have (RFC 8252 §7.3). The default is an address, because
``localhost`` may lead elsewhere (§8.3)."""


class OAuth(SignIn):
    """A sign-in at any OpenID Connect or OAuth 2.0 server.

    Nothing is sent before ``ensure_authenticated()`` or the first request.

    Args:
        issuer: The issuer URL, whose discovery document names the endpoints. Without it,
            ``auth_url`` and ``token_url`` are needed.
        client_id: The identifier of your program at the server.
        client_secret: The secret of your program, if it has one.
        scopes: The scopes to request.
        name: The name of the sign-in in errors and in the store. By default it is made from
            the server's address.
        auth_url: The authorization endpoint, instead of the discovered one.
        token_url: The token endpoint, likewise.
        device_url: The device authorization endpoint, likewise.
        redirect_port: The port of this machine that receives the redirect; 0 is any free port.
        redirect_host: ``"127.0.0.1"``, ``"localhost"`` or ``"[::1]"``, as registered at the
            server.
        redirect_path: The path of the redirect URI.
        extra: Further parameters of the authorization request, such as an audience.
        hosts: Hosts, with their subdomains, that tokens may be sent to. By default every https
            address of a provider with this sign-in. This machine is always allowed.
        store: Where tokens are stored.
        open_browser: Called with the URL to open, plain or async; ``None`` opens none. By default
            the browser of this machine is opened.
        ask: Called with a question, plain or async. It returns the URL at which the browser
            ended, pasted by the person, or an empty text to wait for the browser. A plain function
            blocks the event loop.
        tell: Called with a text for the person: a URL, or a code. By default it is logged as a
            warning.
        device: Sign in on another device with a code, instead of with a browser on this machine.
        seconds: The time limit for the person.

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
        seconds: float = SIGN_IN_SECONDS,
    ) -> None:
        _check_endpoints(issuer, client_id, auth_url, token_url, device_url)
        _check_redirect(redirect_host, redirect_port, redirect_path)
        # OpenID Connect Core 1.0 §11: without it, servers leave out the refresh token.
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
            AuthServer(auth_url, token_url, device_url, issuer=issuer),
            store=store,
            session=SignInSession(open_browser, ask, tell, seconds),
            device=device,
            hosts=hosts,
        )

    async def _resolve_server(self) -> AuthServer:
        server = await super()._resolve_server()
        if server.issuer and not server.token:  # else it was discovered, or named by the user
            from agentouto.auth._oidc import discover  # noqa: PLC0415

            server = await discover(self._client.name, server)
        self._server = server
        return server


def _check_endpoints(
    issuer: str, client_id: str, auth_url: str, token_url: str, device_url: str
) -> None:
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
    """Raise ``ConfigurationError`` for a redirect URI that no browser can reach."""
    url = f"http://{host}:{port}{path}"
    is_valid = is_safe(url) and path.isascii() and urlsplit(url).path == path != ""
    if host not in _LOOPBACK_NAMES or not is_valid:
        raise ConfigurationError(
            f"OAuth(): the browser cannot come back to {url!r}: redirect_host is one of "
            f"{', '.join(_LOOPBACK_NAMES)}, redirect_port is from 0 to 65535, and redirect_path "
            "begins with / and has no query"
        )
