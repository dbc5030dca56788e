"""``agentouto login``, ``logout`` and ``whoami``: signing in from a terminal.

What a sign-in is made of is not known here; this is who is asked, and what a person is told.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from dataclasses import dataclass, field

from agentouto import ClaudeOAuth, GoogleOAuth, OAuth, OpenAIOAuth, TokenStore
from agentouto.auth import Person, name_for
from agentouto.cli._ask import read_line
from agentouto.cli._exit import Code, Trouble
from agentouto.cli._text import clean, listed

STORE_NAMES = {
    "openai": "openai_oauth",
    "claude": "claude_oauth",
    "google": "google_oauth",
}
"""Under which names the vendors' sign-ins are kept, unless a program says otherwise."""

SAME = {"anthropic": "claude", "chatgpt": "openai", "gemini": "google"}

AnySignIn = OpenAIOAuth | ClaudeOAuth | GoogleOAuth | OAuth


@dataclass(frozen=True, slots=True)
class How:
    """How somebody is to sign in.

    Attributes:
        client_id: What the server calls the program; empty for the one used last.
        client_secret: What the server knows it by.
        device: On another device, with a code.
        browser: Whether to open one here.
        may_warn: Whether a person is to be told of a vendor's terms.
    """

    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    device: bool = False
    browser: bool = True
    may_warn: bool = False


def login(provider: str, how: How) -> Code:
    """Let a person sign in at ``provider``."""
    auth = _auth(provider, how)
    asyncio.run(auth.login())
    _say(f"Signed in: {_who(auth)}")
    return Code.RETURNED


def logout(provider: str) -> Code:
    """Forget the tokens for ``provider``."""
    if not _known_id(provider):
        _say(f"Nobody is signed in at {provider}.")
        return Code.RETURNED
    asyncio.run(_auth(provider, How()).logout())
    _say(f"Signed out of {provider}.")
    return Code.RETURNED


def whoami(provider: str) -> Code:
    """Say who is signed in at ``provider``."""
    auth = _auth(provider, How()) if _known_id(provider) else None
    tokens = auth.tokens if auth else None
    if auth is None or tokens is None or not auth.is_authenticated:
        nobody = "Nobody is signed in" if tokens is None else "The sign-in has ended"
        raise Trouble(
            f"{nobody} at {provider}. To sign in: agentouto login {provider}", Code.FAILED
        )
    renewed = "renewed when that is due" if tokens.refresh_token else "good until it ends"
    sys.stdout.write(
        f"{_who(auth)}\nMay: {listed([clean(scope) for scope in tokens.scopes]) or 'unknown'}\n"
        f"The token is {renewed}.\n"
    )
    return Code.RETURNED


def _auth(provider: str, how: How) -> AnySignIn:
    """Return the sign-in, with the program's own id or the one it was made with before."""
    vendor, client_id = SAME.get(provider, provider), how.client_id or _known_id(provider)
    if not client_id and vendor != "openai":
        raise Trouble(
            f"{provider} has to know your program: --client-id ID, as it was given to you there.",
            Code.USAGE,
        )
    person = Person(tell=_say, device=how.device)
    if not how.browser:
        person["open_browser"] = None
        if sys.stdin.isatty() and not how.device:
            person["ask"] = _pasted
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        auth = _made(vendor, client_id, how.client_secret, person)
    for warning in caught if how.may_warn else ():
        _say(str(warning.message))
    return auth


def _made(vendor: str, client_id: str, client_secret: str, person: Person) -> AnySignIn:
    match vendor:
        case "openai":
            return OpenAIOAuth(client_id, **person)
        case "claude":
            return ClaudeOAuth(client_id, **person)
        case "google":
            return GoogleOAuth(client_id, client_secret, **person)
        case _:
            return OAuth(vendor, client_id, client_secret=client_secret, **person)


def _known_id(provider: str) -> str:
    """Return the program's id that the last sign-in at ``provider`` was made with."""
    vendor = SAME.get(provider, provider)
    if vendor not in STORE_NAMES and not provider.startswith(("https://", "http://")):
        raise Trouble(
            f"There is no sign-in called {provider!r}. There are: {', '.join(STORE_NAMES)}, and "
            "the https:// address of any server that speaks OpenID Connect.",
            Code.USAGE,
        )
    tokens = TokenStore().load(STORE_NAMES.get(vendor) or name_for(provider))
    client_id = tokens.extra.get("client_id") if tokens else None
    return str(client_id) if isinstance(client_id, str) else ""


def _who(auth: AnySignIn) -> str:
    """Return who has signed in, as far as the server says."""
    claims = auth.claims
    for claim in ("email", "name", "preferred_username", "sub"):
        value = claims.get(claim)
        if isinstance(value, str) and value:
            return clean(value)
    return "the server does not say who"


async def _pasted(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return await read_line()


def _say(text: str) -> None:
    sys.stderr.write(f"{clean(text)}\n")
    sys.stderr.flush()
