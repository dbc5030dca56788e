"""Settings of a sign-in: the server's endpoints, the client, the redirect, the user's prompts.

Data only. Field names follow RFC 6749 (OAuth 2.0) and RFC 8414 (server metadata).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from agentouto._domain.secret import Secret

SIGN_IN_SECONDS = 300.0
"""Default time limit for a person to sign in: five minutes leave room for a second factor."""

NO_SECRET = Secret()
"""A public client has none: a program on a person's machine cannot keep one (RFC 8252 §8.5)."""


class AuthServer(msgspec.Struct, frozen=True):
    """The endpoints and habits of an authorization server.

    Attributes:
        authorize: The authorization endpoint, where the person signs in (RFC 6749 §3.1).
        token: The token endpoint (RFC 6749 §3.2).
        device: The device authorization endpoint (RFC 8628 §3.1); empty if there is none.
        revoke: The revocation endpoint (RFC 7009); empty if there is none.
        issuer: The issuer identifier; empty if unknown.
        sends_issuer: Whether every redirect must carry ``iss`` (RFC 9207).
        basic: Whether the client secret is sent with HTTP Basic (RFC 6749 §2.3.1), or in the form.
        takes_json: Whether the token endpoint takes JSON instead of a form, as Anthropic's does.
    """

    authorize: str = ""
    token: str = ""
    device: str = ""
    revoke: str = ""
    issuer: str = ""
    sends_issuer: bool = False
    basic: bool = False
    takes_json: bool = False


class Redirect(msgspec.Struct, frozen=True):
    """The redirect URI (RFC 6749 §3.1.2; RFC 8252 §7.3 for loopback addresses).

    Attributes:
        host: A loopback name of this machine.
        ports: Ports to try in order; 0 is any free port.
        path: The path of the URI.
        elsewhere: The whole URI, if it is a page of the vendor that shows the code to the person.
    """

    host: str = "127.0.0.1"
    ports: tuple[int, ...] = (0,)
    path: str = "/callback"
    elsewhere: str = ""


class Client(msgspec.Struct, frozen=True):
    """The program that asks for tokens.

    Attributes:
        name: Name of the sign-in in error texts and in the token store.
        client_id: The program's identifier at the server.
        client_secret: The program's secret at the server; empty for a public client.
        scopes: The scopes to request.
        required: Scopes without which the sign-in is of no use.
        redirect: The redirect URI.
        more: Further parameters of the authorization request.
        may_be_renamed: Whether the redirect may assign another ``client_id`` to the program.
    """

    name: str
    client_id: str
    client_secret: Secret = NO_SECRET
    scopes: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    redirect: Redirect = Redirect()
    more: Mapping[str, str] = {}
    may_be_renamed: bool = False


class SignInSession(msgspec.Struct, frozen=True):
    """How to reach the person who signs in, and for how long.

    Attributes:
        open_browser: Called with the URL to open; ``None`` opens none.
        ask: Called with a question; returns the URL at which the browser ended, or an empty text
            to keep waiting for the browser.
        tell: Called with a text for the person, such as a URL or a code.
        seconds: Time limit.
    """

    open_browser: Callable[[str], object] | None
    ask: Callable[[str], str | Awaitable[str]] | None
    tell: Callable[[str], object]
    seconds: float = SIGN_IN_SECONDS
