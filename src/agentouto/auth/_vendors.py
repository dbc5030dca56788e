"""The sign-ins of OpenAI, Anthropic and Google: endpoints, scopes, headers and warnings.

Where the values come from: OpenAI's plan, from OpenAI's description of "Sign in with ChatGPT" for
open-source and local programs, and from the sources of openai/codex (``codex=True``). Anthropic's,
from what its own client sends. Google's, from its guide "OAuth 2.0 for Mobile & Desktop Apps" and
from the sources of its Gemini CLI. None of them could be tried against the vendor.
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
from agentouto.auth._client import SIGN_IN_SECONDS, AuthServer, Client, Redirect, SignInSession
from agentouto.auth._sign_in import SignIn
from agentouto.auth._token_data import CLIENT_ID, HINT, ID_TOKEN, TokenData, read_claims
from agentouto.auth._token_store import TokenStore

log = logging.getLogger("agentouto")

OPENAI_ISSUER = "https://auth.openai.com"
"""``iss`` of OpenAI's id tokens, and the host of its endpoints."""

OPENAI_SCOPES = (
    "openid",
    "profile",
    "email",
    "offline_access",
    "resource.invoke",
    "chatgpt.tokens.use.direct",
)
"""The first four are of OpenID Connect. Without the last two a token cannot be used for requests to
models, so they are required of every answer."""

CODEX_SCOPES = OPENAI_SCOPES[:4]
"""What Codex requests: its endpoint takes tokens without the other two."""

NEW_PROGRAM = "dynamic_agent_client"
"""The client id of a program to which OpenAI has not assigned one yet."""

CLAUDE_SCOPES = ("user:inference", "user:profile")
"""Of the scopes of Anthropic's own client, those for requests to models and for the profile."""

CLAUDE_BETA = "oauth-2025-04-20"
"""Value of ``anthropic-beta`` with which the API accepts tokens of a sign-in (anthropic 2.11)."""

GOOGLE_SCOPES = (
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/userinfo.profile",
)
"""The first is for requests to models, the others say who has signed in."""


class Prompts(TypedDict, total=False):
    """How to reach the person who signs in; the options are those of ``OAuth``."""

    open_browser: Callable[[str], object] | None
    ask: Callable[[str], str | Awaitable[str]] | None
    tell: Callable[[str], object]
    device: bool
    seconds: float


class _Vendor(SignIn):
    """The common base: fixed endpoints, and the arguments that all three share."""

    def __init__(
        self,
        client: Client,
        server: AuthServer,
        store: TokenStore | None,
        hosts: Sequence[str],
        prompts: Prompts,
    ) -> None:
        session = SignInSession(
            prompts.get("open_browser", open_in_browser),
            prompts.get("ask"),
            prompts.get("tell", log.warning),
            prompts.get("seconds", SIGN_IN_SECONDS),
        )
        device = prompts.get("device", False)
        super().__init__(client, server, store=store, session=session, device=device, hosts=hosts)


class OpenAIOAuth(_Vendor):
    """A ChatGPT plan, used through OpenAI's sign-in.

    A provider with this sign-in speaks the Responses API, whatever its kind.

    Args:
        client_id: The identifier of your program at OpenAI. Without one, the first sign-in
            requests an id, which is stored with the tokens.
        scopes: The scopes to request.
        auth_url: The authorization endpoint.
        token_url: The token endpoint.
        store_name: The name under which tokens are stored.
        token_store: Where they are stored.
        app_name: The name that OpenAI shows for a program without an id.
        codex: Sign in and use the plan as OpenAI's Codex does, with a ``client_id`` that is
            allowed to.
        person: Options of ``OAuth`` for reaching the person: ``open_browser``, ``ask``, ``tell``,
            ``device``, ``seconds``.

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
        **person: Unpack[Prompts],
    ) -> None:
        if codex and not client_id:
            raise ConfigurationError("OpenAIOAuth(codex=True) needs the client_id of a program")
        asked = tuple(scopes or (CODEX_SCOPES if codex else OPENAI_SCOPES))
        client = Client(store_name, client_id, scopes=asked)
        if codex:
            client = replace(
                client,
                # Name, ports and path are those that Codex itself uses (openai/codex).
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
        server = AuthServer(
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
        """The base URL of the plan's Responses API."""
        return (
            "https://chatgpt.com/backend-api/codex" if self._codex else "https://api.openai.com/v1"
        )

    def _sign_in_client(self) -> Client:
        tokens, client = self.tokens, super()._sign_in_client()
        if tokens is None or not client.may_be_renamed or not tokens.extra_text(CLIENT_ID):
            return client
        more = {"resource": client.more["resource"], HINT: tokens.extra_text(ID_TOKEN)}
        known = self._client_for(tokens)
        return replace(known, may_be_renamed=False, more=more)

    def _auth_headers(self, tokens: TokenData) -> dict[str, str]:
        headers = super()._auth_headers(tokens)
        if not self._codex:
            return headers
        about = read_claims(tokens.extra_text("id_token")).get("https://api.openai.com/auth")
        if isinstance(about, Mapping):
            account = cast("Mapping[str, object]", about).get("chatgpt_account_id")
            headers |= {"chatgpt-account-id": Secret(account)} if isinstance(account, str) else {}
        return {**headers, "originator": "agentouto"}


class ClaudeOAuth(_Vendor):
    """A Claude plan, used through Anthropic's sign-in, with a ``client_id`` that is allowed to.

    Anthropic's terms do not allow other programs than its own to use a plan, and accounts have been
    closed for it. There is a warning about it, once for each object.

    Args:
        client_id: The identifier of your program at Anthropic.
        scopes: The scopes to request.
        auth_url: The authorization endpoint.
        token_url: The token endpoint.
        store_name: The name under which tokens are stored.
        token_store: Where they are stored.
        suppress_warning: Whether you have read the warning.
        person: Options of ``OAuth`` for reaching the person. With ``ask``, Anthropic shows the
            person a code to paste; without, the browser is redirected to this machine.

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
        **person: Unpack[Prompts],
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
        server = AuthServer(auth_url, token_url, takes_json=True)
        super().__init__(client, server, token_store, ("api.anthropic.com",), person)

    def _auth_headers(self, tokens: TokenData) -> dict[str, str]:
        return {**super()._auth_headers(tokens), "anthropic-beta": CLAUDE_BETA}


class GoogleOAuth(_Vendor):
    """A Google account, with the client of a Google Cloud project of your own.

    Google closes accounts that are used with the clients of its own programs (Antigravity, Gemini
    CLI). There is a warning about it, once for each object.

    Args:
        client_id: The identifier of your program at Google.
        client_secret: The secret of your program.
        scopes: The scopes to request.
        auth_url: The authorization endpoint.
        token_url: The token endpoint.
        store_name: The name under which tokens are stored.
        token_store: Where they are stored.
        suppress_warning: Whether you have read the warning.
        project: The Google Cloud project that pays, if it is not the client's own.
        person: Options of ``OAuth`` for reaching the person.

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
        **person: Unpack[Prompts],
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
            # "offline" asks for a refresh token; Google sends one with a consent only.
            more={"access_type": "offline", "prompt": "consent"},
        )
        server = AuthServer(
            auth_url,
            token_url,
            device="https://oauth2.googleapis.com/device/code",
            revoke="https://oauth2.googleapis.com/revoke",
            issuer="https://accounts.google.com",
        )
        self._project = project
        super().__init__(client, server, token_store, ("googleapis.com",), person)

    def _auth_headers(self, tokens: TokenData) -> dict[str, str]:
        headers = super()._auth_headers(tokens)
        return {**headers, "x-goog-user-project": self._project} if self._project else headers


def _check_id(what: str, client_id: str) -> None:
    if not client_id:
        raise ConfigurationError(f"{what}() needs a client_id; there is none for everyone")


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=3)
