"""The three vendors: where they let people sign in, and how they want their tokens sent.

What a sign-in is made of is written elsewhere; here are addresses, scopes, headers and warnings.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypedDict, Unpack, cast

from msgspec.structs import replace

from agentouto._domain.errors import ConfigurationError
from agentouto._domain.secret import Secret
from agentouto.auth._browser import open_in_browser
from agentouto.auth._client import LONGEST_SECONDS, Client, Redirect, Server, Sitting
from agentouto.auth._sign_in import SignIn
from agentouto.auth._store import TokenStore
from agentouto.auth._token import CLIENT_ID, HINT, ID_TOKEN, TokenData, claims_of

log = logging.getLogger("agentouto")

OPENAI_ISSUER = "https://auth.openai.com"
OPENAI_SCOPES = (
    "openid",
    "profile",
    "email",
    "offline_access",
    "resource.invoke",
    "chatgpt.tokens.use.direct",
)
CODEX_SCOPES = OPENAI_SCOPES[:4]
NEW_PROGRAM = "dynamic_agent_client"
"""What a program calls itself that OpenAI has not given an id yet."""

CLAUDE_SCOPES = ("user:inference", "user:profile")
CLAUDE_BETA = "oauth-2025-04-20"

GOOGLE_SCOPES = (
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/userinfo.profile",
)


class Person(TypedDict, total=False):
    """How the person who signs in is reached; each as ``OAuth`` takes it."""

    open_browser: Callable[[str], object] | None
    ask: Callable[[str], str | Awaitable[str]] | None
    tell: Callable[[str], object]
    device: bool
    seconds: float


class _Vendor(SignIn):
    """What the vendors have in common: fixed addresses, and the documents' arguments."""

    def __init__(
        self,
        client: Client,
        server: Server,
        store: TokenStore | None,
        hosts: Sequence[str],
        person: Person,
    ) -> None:
        sitting = Sitting(
            person.get("open_browser", open_in_browser),
            person.get("ask"),
            person.get("tell", log.warning),
            person.get("seconds", LONGEST_SECONDS),
        )
        device = person.get("device", False)
        super().__init__(client, server, store=store, sitting=sitting, device=device, hosts=hosts)


class OpenAIOAuth(_Vendor):
    """A ChatGPT plan, used through OpenAI's sign-in.

    A provider with this sign-in speaks the Responses API, whatever its kind.

    Args:
        client_id: What OpenAI calls your program. Left empty, the first sign-in asks for an id,
            which is kept with the tokens.
        scopes: What to ask for.
        auth_url: Where the person signs in.
        token_url: Where tokens are given out.
        store_name: Under which name tokens are kept.
        token_store: Where they are kept.
        app_name: What OpenAI shows people as the name of a program it has not given an id yet.
        codex: Sign in, and use the plan, in the way of OpenAI's Codex, with a ``client_id`` that
            may do so.
        person: How the person is reached, as ``OAuth`` takes it: ``open_browser``, ``ask``,
            ``tell``, ``device``, ``seconds``.

    Raises:
        ConfigurationError: ``codex`` is given without a ``client_id``.
    """

    def __init__(
        self,
        client_id: str = "",
        *,
        scopes: Sequence[str] | None = None,
        auth_url: str = "",
        token_url: str = "",
        store_name: str = "openai_oauth",
        token_store: TokenStore | None = None,
        app_name: str = "agentouto",
        codex: bool = False,
        **person: Unpack[Person],
    ) -> None:
        if codex and not client_id:
            raise ConfigurationError("OpenAIOAuth(codex=True) needs the client_id of a program")
        asked = tuple(scopes or (CODEX_SCOPES if codex else OPENAI_SCOPES))
        client = Client(store_name, client_id, scopes=asked)
        if codex:
            client = replace(
                client,
                redirect=Redirect("localhost", (1455, 1457), "/auth/callback"),
                more={"id_token_add_organizations": "true", "codex_cli_simplified_flow": "true"},
            )
        else:
            client = replace(
                client,
                client_id=client_id or NEW_PROGRAM,
                required=tuple(scope for scope in asked if scope in OPENAI_SCOPES[4:]),
                redirect=Redirect("127.0.0.1", (0,), "/auth/callback"),
                more={"resource": "https://api.openai.com/v1"}
                | ({} if client_id else {"agent_name_hint": app_name}),
                may_be_renamed=not client_id,
            )
        below = "/oauth" if codex else "/api/accounts"
        server = Server(
            auth_url or f"{OPENAI_ISSUER}{below}/authorize",
            token_url or f"{OPENAI_ISSUER}{'' if codex else '/api/accounts'}/oauth/token",
            issuer=OPENAI_ISSUER,
        )
        self._codex = codex
        super().__init__(
            client, server, token_store, ("chatgpt.com" if codex else "api.openai.com",), person
        )

    @property
    def plan_url(self) -> str:
        """Where the plan is used: the address below which ``/responses`` is asked."""
        return (
            "https://chatgpt.com/backend-api/codex" if self._codex else "https://api.openai.com/v1"
        )

    def _newcomer(self) -> Client:
        tokens, client = self.tokens, super()._newcomer()
        if tokens is None or not client.may_be_renamed or not tokens.told(CLIENT_ID):
            return client
        more = {"resource": client.more["resource"], HINT: tokens.told(ID_TOKEN)}
        known = self._client_of(tokens)
        return replace(known, may_be_renamed=False, more=more)

    def _headers_of(self, tokens: TokenData) -> dict[str, str]:
        headers = super()._headers_of(tokens)
        if not self._codex:
            return headers
        about = claims_of(tokens.told("id_token")).get("https://api.openai.com/auth")
        if isinstance(about, Mapping):
            account = cast("Mapping[str, object]", about).get("chatgpt_account_id")
            headers |= {"chatgpt-account-id": Secret(account)} if isinstance(account, str) else {}
        return {**headers, "originator": "agentouto"}


class ClaudeOAuth(_Vendor):
    """A Claude plan, used through Anthropic's sign-in, with a ``client_id`` that may do so.

    Anthropic's terms do not allow other programs than its own to use a plan, and accounts have been
    closed for it. There is a warning about it, once for each object.

    Args:
        client_id: What Anthropic calls your program.
        scopes: What to ask for.
        auth_url: Where the person signs in.
        token_url: Where tokens are given out.
        store_name: Under which name tokens are kept.
        token_store: Where they are kept.
        suppress_warning: Whether you have read the warning.
        person: How the person is reached, as ``OAuth`` takes it. With ``ask``, Anthropic shows the
            person a code to paste; without, the browser is sent back to this machine.

    Raises:
        ConfigurationError: There is no ``client_id``.
    """

    def __init__(
        self,
        client_id: str,
        *,
        scopes: Sequence[str] = CLAUDE_SCOPES,
        auth_url: str = "https://claude.ai/oauth/authorize",
        token_url: str = "https://platform.claude.com/v1/oauth/token",  # noqa: S107
        store_name: str = "claude_oauth",
        token_store: TokenStore | None = None,
        suppress_warning: bool = False,
        **person: Unpack[Person],
    ) -> None:
        _check_id("ClaudeOAuth", client_id)
        if not suppress_warning:
            _warn(
                "ClaudeOAuth: Anthropic does not allow other programs to use a Claude plan, and "
                "may close the account. Keys from console.anthropic.com are allowed. "
                "suppress_warning=True says that you know."
            )
        shown_there = Redirect(elsewhere="https://platform.claude.com/oauth/code/callback")
        client = Client(
            store_name,
            client_id,
            scopes=tuple(scopes),
            redirect=shown_there if person.get("ask") else Redirect("localhost"),
            more={"code": "true"} if person.get("ask") else {},
        )
        server = Server(auth_url, token_url, takes_json=True)
        super().__init__(client, server, token_store, ("api.anthropic.com",), person)

    def _headers_of(self, tokens: TokenData) -> dict[str, str]:
        return {**super()._headers_of(tokens), "anthropic-beta": CLAUDE_BETA}


class GoogleOAuth(_Vendor):
    """A Google account, with the client of a Google Cloud project of your own.

    Google closes accounts that are used with the clients of its own programs (Antigravity, Gemini
    CLI). There is a warning about it, once for each object.

    Args:
        client_id: What Google calls your program.
        client_secret: What Google knows it by.
        scopes: What to ask for.
        auth_url: Where the person signs in.
        token_url: Where tokens are given out.
        store_name: Under which name tokens are kept.
        token_store: Where they are kept.
        suppress_warning: Whether you have read the warning.
        project: The Google Cloud project that pays, if it is not the client's own.
        person: How the person is reached, as ``OAuth`` takes it.

    Raises:
        ConfigurationError: There is no ``client_id``.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str = "",
        *,
        scopes: Sequence[str] = GOOGLE_SCOPES,
        auth_url: str = "https://accounts.google.com/o/oauth2/v2/auth",
        token_url: str = "https://oauth2.googleapis.com/token",  # noqa: S107
        store_name: str = "google_oauth",
        token_store: TokenStore | None = None,
        suppress_warning: bool = False,
        project: str = "",
        **person: Unpack[Person],
    ) -> None:
        _check_id("GoogleOAuth", client_id)
        if not suppress_warning:
            _warn(
                "GoogleOAuth: Google closes accounts that are used with the clients of its own "
                "programs, with all that is in them. A client of your own Google Cloud project is "
                "allowed. suppress_warning=True says that you know."
            )
        client = Client(
            store_name,
            client_id,
            client_secret=Secret(client_secret),
            scopes=tuple(scopes),
            more={"access_type": "offline", "prompt": "consent"},
        )
        server = Server(
            auth_url,
            token_url,
            device="https://oauth2.googleapis.com/device/code",
            revoke="https://oauth2.googleapis.com/revoke",
            issuer="https://accounts.google.com",
        )
        self._project = project
        super().__init__(client, server, token_store, ("googleapis.com",), person)

    def _headers_of(self, tokens: TokenData) -> dict[str, str]:
        headers = super()._headers_of(tokens)
        return {**headers, "x-goog-user-project": self._project} if self._project else headers


def _check_id(what: str, client_id: str) -> None:
    if not client_id:
        raise ConfigurationError(f"{what}() needs a client_id: there is none that all may use")


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=3)
