"""What every sign-in does: hand out a token that is good, and renew it once for all who ask.

A refresh token can be spent only once, so of all tasks, threads and processes one spends it, and
the others take what it got. Where people sign in is told by the subclasses; how they do, and what
is sent for it, is loaded when somebody signs in or tokens are renewed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from urllib.parse import urlsplit

from msgspec import structs

from agentouto._domain.errors import AuthError, ProviderError, ProviderUnavailable
from agentouto._domain.secret import Secret
from agentouto._domain.world import REAL
from agentouto._network import is_local, is_safe
from agentouto.auth._client import Client, Server, Sitting
from agentouto.auth._lock import AGAIN_SECONDS, acquired, to_the_end
from agentouto.auth._method import AuthMethod
from agentouto.auth._store import TokenStore, check_name
from agentouto.auth._token import CLIENT_ID, ID_TOKEN, TokenData, claims_of, is_fresh, is_valid

log = logging.getLogger("agentouto")

SERVER = "server"
"""Under which name ``extra`` says where tokens come from."""


class SignIn(AuthMethod):
    """A sign-in whose tokens are kept and renewed."""

    def __init__(
        self,
        client: Client,
        server: Server,
        *,
        store: TokenStore | None,
        sitting: Sitting,
        device: bool,
        hosts: Sequence[str],
    ) -> None:
        self._client = client
        self._server = server
        self._store = store or TokenStore()
        self._sitting = sitting
        self._device = device
        self._hosts = tuple(hosts)
        self._from = server.issuer or server.token
        self._tokens: TokenData | None = None
        self._gate, self._process = threading.Lock(), os.getpid()
        self._rounds = 0
        self._failure: AuthError | ProviderError | None = None
        check_name(client.name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self._client.name!r})"

    async def get_token(self) -> str:
        """Return an access token that is good for a while, renewing it if that is due.

        Raises:
            AuthError: Nobody has signed in, or the sign-in has ended.
            ProviderUnavailable: A new token is due and the server does not answer.
        """
        return (await self._fresh()).access_token

    async def refresh_token(self) -> str:
        """Return another access token, because the last one was refused.

        Raises:
            AuthError: There is none to be had without signing in again.
            ProviderUnavailable: The server does not answer.
        """
        refused = self._tokens or self._kept()
        return (await self._fresh(refused.access_token if refused else "")).access_token

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002
        """Return what lets a request to ``url`` in.

        Raises:
            AuthError: The tokens are not for that address, or there are none.
            ProviderUnavailable: A new token is due and the server does not answer.
        """
        host = urlsplit(url).hostname or ""
        if not is_safe(url):
            raise self._error("its tokens are for https:// addresses and this machine only")
        theirs = any(host == known or host.endswith(f".{known}") for known in self._hosts)
        if self._hosts and not (theirs or is_local(url)):
            raise self._error(f"its tokens are for {' and '.join(self._hosts)}, and not for {host}")
        return self._headers_of(await self._fresh())

    async def ensure_authenticated(self) -> None:
        """Let the person sign in, unless there are tokens that are good or can be renewed.

        Raises:
            AuthError: It was refused, or nobody signed in in time.
            ProviderUnavailable: The server does not answer.
            ConfigurationError: The extra ``oauth`` is not installed.
        """
        if self.is_authenticated:
            try:
                await self._fresh()
            except AuthError as error:
                log.info("%s", error)
            else:
                return
        await self.login()

    async def login(self) -> None:
        """Let the person sign in, whether or not somebody has.

        Raises:
            AuthError: It was refused, or nobody signed in in time.
            ProviderUnavailable: The server does not answer.
            ConfigurationError: The extra ``oauth`` is not installed.
        """
        from agentouto.auth._device import sign_in_elsewhere  # noqa: PLC0415
        from agentouto.auth._flow import sign_in  # noqa: PLC0415
        from agentouto.auth._protocol import words  # noqa: PLC0415

        words()
        server = await self._ready_server()
        way = sign_in_elsewhere if self._device else sign_in
        tokens = await way(self._newcomer(), server, self._sitting)
        with await self._alone():
            self._keep(tokens)

    async def logout(self) -> None:
        """Forget the tokens, and hand them back to the server if it takes them.

        Raises:
            AuthError: They cannot be deleted.
        """
        from agentouto.auth._grants import revoke  # noqa: PLC0415

        with await self._alone():  # others may have renewed what is known here
            tokens = self._kept() or self._tokens
            self._tokens = None
            self._store.delete(self._client.name)
        if tokens is not None:
            taken = False
            with suppress(AuthError, ProviderError):
                taken = await revoke(self._client_of(tokens), await self._ready_server(), tokens)
            if not taken:
                log.info("%s: the tokens are forgotten here; the server was not told", self)

    @property
    def is_authenticated(self) -> bool:
        """Whether a token can be had without signing in again."""
        tokens = self._tokens or self._kept()
        if tokens is None:
            return False
        return tokens.refresh_token is not None or is_valid(tokens, REAL.now())

    @property
    def tokens(self) -> TokenData | None:
        """What is kept, as it is; ``None`` if nobody has signed in."""
        return self._tokens or self._kept()

    @property
    def claims(self) -> Mapping[str, object]:
        """What the server says of who signed in, such as ``email``; nothing if it says nothing."""
        tokens = self.tokens
        return claims_of(tokens.told(ID_TOKEN)) if tokens else {}

    async def _ready_server(self) -> Server:
        """Return where to ask what."""
        return self._server

    def _headers_of(self, tokens: TokenData) -> dict[str, str]:
        return {"Authorization": Secret(f"Bearer {tokens.access_token}")}

    def _newcomer(self) -> Client:
        """Return who signs in, when somebody does."""
        return self._client

    def _client_of(self, tokens: TokenData) -> Client:
        """Return whose tokens these are: the server may have given the program a name."""
        return structs.replace(
            self._client, client_id=tokens.told(CLIENT_ID) or self._client.client_id
        )

    async def _fresh(self, refused: str = "") -> TokenData:
        """Return tokens that are good and not ``refused``; one renews them for all who wait."""
        if self._process != os.getpid():  # whoever held the gate is in another process now
            self._gate, self._process = threading.Lock(), os.getpid()
        rounds = self._rounds
        while True:
            waited = self._rounds != rounds
            tokens = self._tokens
            if tokens is not None and _is_good(tokens, refused, nearly=waited):
                return tokens
            if waited and self._failure is not None:
                raise self._failed_again(self._failure)
            if self._gate.acquire(blocking=False):
                try:
                    return await to_the_end(self._renewed(refused))
                finally:
                    self._gate.release()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _renewed(self, refused: str) -> TokenData:
        """Renew the tokens, unless another process has; tell those who wait what came of it."""
        try:
            tokens = self._known(refused)
            if tokens is None:
                with await self._alone():
                    tokens = self._known(refused) or await self._next(refused)  # look again
        except (AuthError, ProviderError) as error:
            self._failure = error
            raise
        else:
            self._tokens, self._failure = tokens, None
            return tokens
        finally:
            self._rounds += 1

    async def _alone(self) -> ExitStack:
        """Return the right to change what is kept, when nobody else has it."""
        try:
            return await acquired(self._store.lock(self._client.name))
        except OSError as error:
            why = error.strerror
        raise self._error(f"the tokens cannot be locked: {why}")

    def _known(self, refused: str) -> TokenData | None:
        """Return what is kept, if it is good; ``None`` if it has to be renewed."""
        kept = self._kept()
        if kept is None:
            raise self._error(
                "nobody is signed in: `agentouto login`, or `await auth.ensure_authenticated()`"
            )
        return kept if _is_good(kept, refused) else None

    async def _next(self, refused: str) -> TokenData:
        """Return what comes after what is kept."""
        from agentouto.auth._grants import refreshed  # noqa: PLC0415
        from agentouto.auth._protocol import Denied  # noqa: PLC0415

        kept = self._kept() or TokenData("")
        try:
            server = await self._ready_server()
            tokens = await refreshed(self._client_of(kept), server, kept)
        except (AuthError, ProviderError) as error:
            ended = error.code if isinstance(error, Denied) and error.is_final else ""
            if ended:
                kept = replace(kept, refresh_token=None)
                self._keep(kept)
            if _is_good(kept, refused, nearly=True):
                log.info("%s", error)
                return kept
            if not ended:
                raise
        else:
            self._keep(tokens)
            return tokens
        raise self._error(f"the sign-in has ended, somebody has to sign in again ({ended})")

    def _keep(self, tokens: TokenData) -> None:
        tokens = replace(tokens, extra={**tokens.extra, SERVER: self._from})
        self._tokens = tokens
        self._store.save(self._client.name, tokens)

    def _kept(self) -> TokenData | None:
        """Return what is kept of this sign-in; what is of another server or program is not."""
        tokens = self._store.load(self._client.name)
        if tokens is None:
            return None
        server, client_id = tokens.told(SERVER), tokens.told(CLIENT_ID)
        renamed = self._client.may_be_renamed
        if server in {"", self._from} and (renamed or client_id in {"", self._client.client_id}):
            return tokens
        log.warning("%s: what is kept under this name is of another server or program", self)
        return None

    def _error(self, text: str) -> AuthError:
        return AuthError(self._client.name, text)

    def _failed_again(self, error: AuthError | ProviderError) -> AuthError | ProviderError:
        """Return an error that says what ``error`` said to another who waited for the same."""
        text = str(error).removeprefix(f"[{self._client.name}] ")
        if isinstance(error, ProviderError):
            return ProviderUnavailable(self._client.name, text)
        return self._error(text)


def _is_good(tokens: TokenData, refused: str, *, nearly: bool = False) -> bool:
    """Return whether a request can be made; ``nearly``: if that has to be soon."""
    now = REAL.now()
    good = is_valid(tokens, now) if nearly else is_fresh(tokens, now)
    return good and tokens.access_token != refused
