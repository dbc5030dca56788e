"""``agentouto login``, ``logout`` and ``whoami``: signs a person in and out from a terminal.

The protocol (OAuth 2.0, OpenID Connect) is in ``agentouto.auth``. This module chooses the sign-in
for a name and prints what the person has to do.
"""

from __future__ import annotations

import asyncio
import os
import sys
import warnings
from dataclasses import dataclass, field
from types import MappingProxyType

from agentouto import AuthError, ClaudeOAuth, GoogleOAuth, OAuth, OpenAIOAuth, TokenStore
from agentouto.auth import Prompts, name_for
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._terminal_text import clean, join_words, print_notice
from agentouto.cli._user_prompt import read_line

STORE_NAMES = MappingProxyType(
    {
        "openai": "openai_oauth",
        "claude": "claude_oauth",
        "google": "google_oauth",
    }
)
"""The vendors' names in the token store, the defaults of their classes in ``agentouto.auth``."""

OTHER_FOLDER = "AGENTOUTO_HOME names another folder."
"""What helps where the folder of the tokens cannot be used."""

FOR_PROGRAMS = " suppress_warning=True says that you know."
"""The end of a vendor's terms in ``agentouto.auth``, which no person at a terminal can follow."""

VENDOR_ALIASES = MappingProxyType({"anthropic": "claude", "chatgpt": "openai", "gemini": "google"})
"""Names that people type for a vendor: the company for its product, and the reverse."""

AnySignIn = OpenAIOAuth | ClaudeOAuth | GoogleOAuth | OAuth
"""Every class of a sign-in; the last is for servers with OpenID Connect Discovery 1.0."""


@dataclass(frozen=True, slots=True)
class SignInOptions:
    """How a person signs in.

    Attributes:
        client_id: The id of the program at the server; empty for the one used last.
        client_secret: The secret of the program at the server, if it has one.
        device: Whether to sign in on another device, with a code (RFC 8628).
        browser: Whether to open a browser here.
        may_warn: Whether to print a vendor's terms.
    """

    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    device: bool = False
    browser: bool = True
    may_warn: bool = False


def sign_in_at(provider: str, options: SignInOptions) -> ExitCode:
    """Sign a person in at ``provider``."""
    auth = _make_sign_in(provider, options)
    _check_writable("The sign-in could not be stored")
    asyncio.run(auth.login())
    print_notice(f"Signed in: {_identity(auth)}")
    return ExitCode.RETURNED


def sign_out(provider: str) -> ExitCode:
    """Delete the tokens for ``provider``, and revoke them where the server can."""
    if not _saved_client_id(provider):
        print_notice(f"You are not signed in at {provider}.")
        return ExitCode.RETURNED
    _check_writable("The sign-in cannot be deleted")
    asyncio.run(_make_sign_in(provider, SignInOptions()).logout())
    print_notice(f"Signed out of {provider}.")
    return ExitCode.RETURNED


def show_identity(provider: str) -> ExitCode:
    """Print who is signed in at ``provider``, and for which scopes."""
    auth = _make_sign_in(provider, SignInOptions()) if _saved_client_id(provider) else None
    tokens = auth.tokens if auth else None
    if auth is None or tokens is None or not auth.is_authenticated:
        reason = "You are not signed in" if tokens is None else "The sign-in has ended"
        raise ExitError(
            f"{reason} at {provider}. To sign in: agentouto login {provider}", ExitCode.FAILED
        )
    renewed = "renewed when it expires" if tokens.refresh_token else "valid until it expires"
    scopes = join_words([clean(scope) for scope in tokens.scopes]) or "unknown"
    sys.stdout.write(f"{_identity(auth)}\nMay: {scopes}\nThe token is {renewed}.\n")
    return ExitCode.RETURNED


def _make_sign_in(provider: str, options: SignInOptions) -> AnySignIn:
    """Return the sign-in, with the given program id or the one of the last sign-in."""
    vendor = VENDOR_ALIASES.get(provider, provider)
    client_id = options.client_id or _saved_client_id(provider)
    if not client_id and vendor != "openai":
        raise ExitError(
            f"{provider} needs the id that it gave to your program: --client-id ID.",
            ExitCode.USAGE,
        )
    prompts = Prompts(tell=print_notice, device=options.device)
    if not options.browser:
        prompts["open_browser"] = None
        if sys.stdin.isatty() and not options.device:
            prompts["ask"] = _ask_for_paste
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        auth = _sign_in_for(vendor, client_id, options.client_secret, prompts)
    for warning in caught if options.may_warn else ():
        terms = str(warning.message).partition(": ")[2]
        print_notice(terms.removesuffix(FOR_PROGRAMS))
    return auth


def _sign_in_for(vendor: str, client_id: str, client_secret: str, prompts: Prompts) -> AnySignIn:
    match vendor:
        case "openai":
            return OpenAIOAuth(client_id, **prompts)
        case "claude":
            return ClaudeOAuth(client_id, **prompts)
        case "google":
            return GoogleOAuth(client_id, client_secret, **prompts)
        case _:
            return OAuth(vendor, client_id, client_secret=client_secret, **prompts)


def _saved_client_id(provider: str) -> str:
    """Return the program id of the last sign-in at ``provider``, or an empty string."""
    vendor = VENDOR_ALIASES.get(provider, provider)
    if vendor not in STORE_NAMES and not provider.startswith(("https://", "http://")):
        raise ExitError(
            f"There is no sign-in called {provider!r}. There are: {', '.join(STORE_NAMES)}, and "
            "the https:// address of any server that speaks OpenID Connect.",
            ExitCode.USAGE,
        )
    try:
        tokens = TokenStore().load(STORE_NAMES.get(vendor) or name_for(provider))
    except AuthError as error:  # the folder cannot be read; the server has no part in it
        raise ExitError(f"The {str(error).partition('] ')[2]}. {OTHER_FOLDER}") from error
    client_id = tokens.extra.get("client_id") if tokens else None
    return str(client_id) if isinstance(client_id, str) else ""


def _check_writable(what_happens: str) -> None:
    """Raise ``ExitError`` if tokens cannot be written: before a person signs in for nothing."""
    store = TokenStore()
    try:
        store.lock("check")  # makes the folder
    except AuthError as error:
        reason = str(error).rpartition(": ")[2]
    else:
        if os.access(store.directory, os.W_OK):
            return
        reason = str(store.directory)
    raise ExitError(f"{what_happens}: {reason} cannot be written. {OTHER_FOLDER}")


def _identity(auth: AnySignIn) -> str:
    """Return the person's name, from the claims of the ID token (OpenID Connect Core, 5.1)."""
    claims = auth.claims
    for claim in ("email", "name", "preferred_username", "sub"):
        value = claims.get(claim)
        if isinstance(value, str) and value:
            return clean(value)
    return "the server does not say who"


async def _ask_for_paste(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return await read_line()
