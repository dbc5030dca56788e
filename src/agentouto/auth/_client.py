"""Who signs in where, said before anything is sent. Data only; nothing here is asked or opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from agentouto._domain.secret import Secret

LONGEST_SECONDS = 300.0
"""How long a person has to sign in."""

NO_SECRET = Secret()


class Server(msgspec.Struct, frozen=True):
    """Where an authorization server is asked what.

    Attributes:
        authorize: Where the person signs in.
        token: Where tokens are given out.
        device: Where a sign-in on another device begins, if that is possible.
        revoke: Where tokens are handed back, if that is possible.
        issuer: What the server calls itself; empty if nobody said.
        names_itself: Whether every redirect has to say who it comes from.
        basic: Whether a client's secret goes into a header, as passwords do, or into the form.
        takes_json: Whether it wants JSON where all others take a form.
    """

    authorize: str = ""
    token: str = ""
    device: str = ""
    revoke: str = ""
    issuer: str = ""
    names_itself: bool = False
    basic: bool = False
    takes_json: bool = False


class Redirect(msgspec.Struct, frozen=True):
    """Where the browser is sent with the answer.

    Attributes:
        host: A name of this machine.
        ports: Tried in turn; 0 is any that is free.
        path: The path of the address.
        elsewhere: The whole address, if it is the vendor's own page, which shows the answer to the
            person.
    """

    host: str = "127.0.0.1"
    ports: tuple[int, ...] = (0,)
    path: str = "/callback"
    elsewhere: str = ""


class Client(msgspec.Struct, frozen=True):
    """What asks for tokens.

    Attributes:
        name: What errors and the store call the sign-in.
        client_id: What the server calls the program.
        client_secret: What the server knows it by, if it has one.
        scopes: What is asked for.
        required: What of it has to be granted.
        redirect: Where the browser is sent with the answer.
        more: Further fields of the address at which the person signs in.
        may_be_renamed: Whether the answer may tell the program another ``client_id``.
    """

    name: str
    client_id: str
    client_secret: Secret = NO_SECRET
    scopes: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    redirect: Redirect = Redirect()
    more: Mapping[str, str] = {}
    may_be_renamed: bool = False


class Sitting(msgspec.Struct, frozen=True):
    """How the person who signs in is reached.

    Attributes:
        open_browser: Given the address to open.
        ask: Given a question, returns the address the browser ended at; empty to go on waiting.
        tell: Given what the person has to know.
        seconds: How long they have.
    """

    open_browser: Callable[[str], object] | None
    ask: Callable[[str], str | Awaitable[str]] | None
    tell: Callable[[str], object]
    seconds: float = LONGEST_SECONDS
