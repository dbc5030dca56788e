"""The base class of sign-ins: hand out valid tokens, and refresh them once for all callers.

Theory of operation. Servers that rotate refresh tokens accept each of them once; a second use may
end the whole sign-in (RFC 9700 §4.14.2). So among all tasks, threads and processes exactly one
uses a refresh token, and the others take its result. Four measures see to that:

1. ``_refresh_lock``, a lock for the threads and tasks of this process. It is only ever tried
   without blocking: the holder awaits the network, and a blocking wait in another task of the same
   loop would be a deadlock. Those who wait poll.
2. ``_store_lock()``, a lock on a file, for other processes and other objects. ``_refresh`` loads
   the refresh token after the lock was acquired, so it never uses one that another process has used
   meanwhile. Before that, ``_renew`` looks *again* whether the stored tokens are usable. Without
   this second look, each one that waited for the lock would refresh once more, needlessly.
3. ``start_refresh``: once a refresh token has been sent, the request runs to its end in a
   thread of its own, even if the caller is cancelled or its event loop ends. Otherwise the new
   refresh token would arrive and be dropped. The thread releases ``_refresh_lock``.
4. ``keep_refresh_token``: the new refresh token is saved as soon as it has arrived, before the
   answer is checked. The old one is spent even if the answer turns out to be useless.

``_attempts`` counts finished refreshes. A task that waited during a failed refresh gets a copy of
that error instead of sending the same request again; a task that comes later starts a new attempt.
New tokens are saved before they are used, so a crash loses at most an access token. After ``fork``
the child makes a lock of its own: the thread that held the old one does not exist there.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from msgspec import structs

from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.errors import AuthError, ProviderError, ProviderUnavailable
from agentouto._domain.secret import Secret
from agentouto._network import is_local, is_safe
from agentouto.auth._client import AuthServer, Client, SignInSession
from agentouto.auth._file_lock import LOCK_POLL_SECONDS, LOCK_SECONDS, acquire_lock
from agentouto.auth._method import AuthMethod
from agentouto.auth._refresh_thread import start_refresh
from agentouto.auth._token_data import (
    CLIENT_ID,
    ID_TOKEN,
    TokenData,
    is_fresh,
    is_valid,
    read_claims,
)
from agentouto.auth._token_store import TokenStore, check_store_name

log = logging.getLogger("agentouto")

SERVER = "server"
"""Key in ``extra``: the issuer or token endpoint that the tokens come from."""


class SignIn(AuthMethod):
    """A sign-in whose tokens are stored and refreshed."""

    def __init__(
        self,
        client: Client,
        server: AuthServer,
        *,
        store: TokenStore | None,
        session: SignInSession,
        device: bool,
        hosts: Sequence[str],
        lock_seconds: float = LOCK_SECONDS,
    ) -> None:
        self._client = client
        self._server = server
        self._store = store or TokenStore()
        self._session = session
        self._device = device
        self._hosts = tuple(hosts)
        self._lock_seconds = lock_seconds
        self._origin = server.issuer or server.token
        self._tokens: TokenData | None = None
        self._refresh_lock, self._process = threading.Lock(), os.getpid()
        self._attempts = 0
        self._failure: AuthError | ProviderError | None = None
        check_store_name(client.name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self._client.name!r})"

    async def get_token(self) -> str:
        """Return a valid access token, refreshed if it is about to expire.

        Raises:
            AuthError: There is no sign-in, or it has ended.
            ProviderUnavailable: A refresh is due and the server does not answer.
        """
        return (await self._valid_tokens()).access_token

    async def refresh_token(self) -> str:
        """Return another access token, because a server refused the last one.

        Raises:
            AuthError: A new sign-in is needed.
            ProviderUnavailable: The server does not answer.
        """
        refused = self._tokens or self._load()
        return (await self._valid_tokens(refused.access_token if refused else "")).access_token

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002
        """Return the headers that authorize a request to ``url``.

        Raises:
            AuthError: The tokens must not be sent to that address, or there are none.
            ProviderUnavailable: A refresh is due and the server does not answer.
        """
        host = urlsplit(url).hostname or ""
        if not is_safe(url):
            raise self._error("its tokens are for https:// addresses and this machine only")
        is_theirs = any(host == allowed or host.endswith(f".{allowed}") for allowed in self._hosts)
        if self._hosts and not (is_theirs or is_local(url)):
            raise self._error(f"its tokens are for {' and '.join(self._hosts)}, and not for {host}")
        return self._auth_headers(await self._valid_tokens())

    async def ensure_authenticated(self) -> None:
        """Let the person sign in, unless the stored tokens are valid or can be refreshed.

        Raises:
            AuthError: The sign-in was refused or did not finish in time.
            ProviderUnavailable: The server does not answer.
            ConfigurationError: The extra ``oauth`` is not installed.
        """
        if self.is_authenticated:
            try:
                await self._valid_tokens()
            except AuthError as error:
                log.info("%s", error)
            else:
                return
        await self.login()

    async def login(self) -> None:
        """Let the person sign in, also if there are tokens already.

        Raises:
            AuthError: The sign-in was refused or did not finish in time.
            ProviderUnavailable: The server does not answer.
            ConfigurationError: The extra ``oauth`` is not installed.
        """
        from agentouto.auth._browser_flow import sign_in  # noqa: PLC0415
        from agentouto.auth._device_flow import sign_in_on_device  # noqa: PLC0415
        from agentouto.auth._oauth_messages import load_oauthlib  # noqa: PLC0415

        load_oauthlib()
        server = await self._resolve_server()
        flow = sign_in_on_device if self._device else sign_in
        await flow(self._sign_in_client(), server, self._session, self._save_locked)

    async def logout(self) -> None:
        """Delete the tokens, and revoke them at the server if it supports that.

        Raises:
            AuthError: The stored tokens cannot be deleted.
        """
        from agentouto.auth._token_requests import revoke  # noqa: PLC0415

        with await self._store_lock():  # another process may have refreshed them
            tokens = self._load() or self._tokens
            self._tokens = None
            self._store.delete(self._client.name)
        if tokens is not None:
            revoked = False
            with suppress(AuthError, ProviderError):
                revoked = await revoke(
                    self._client_for(tokens), await self._resolve_server(), tokens
                )
            if not revoked:
                log.info(
                    "%s: the tokens are deleted here, but were not revoked at the server", self
                )

    @property
    def is_authenticated(self) -> bool:
        """Whether a token is available without signing in again."""
        tokens = self._tokens or self._load()
        if tokens is None:
            return False
        return tokens.refresh_token is not None or is_valid(tokens, SYSTEM_CLOCK.now())

    @property
    def tokens(self) -> TokenData | None:
        """The stored tokens, valid or not; ``None`` if there is no sign-in."""
        return self._tokens or self._load()

    @property
    def claims(self) -> Mapping[str, object]:
        """Claims of the id token, such as ``email``; empty if the server sent none."""
        tokens = self.tokens
        return read_claims(tokens.extra_text(ID_TOKEN)) if tokens else {}

    async def _resolve_server(self) -> AuthServer:
        """Return the server with all endpoints that are needed."""
        return self._server

    def _auth_headers(self, tokens: TokenData) -> dict[str, str]:
        return {"Authorization": Secret(f"Bearer {tokens.access_token}")}

    def _sign_in_client(self) -> Client:
        """Return the client for a new sign-in."""
        return self._client

    def _client_for(self, tokens: TokenData) -> Client:
        """Return the client that ``tokens`` belong to: the server may have assigned another id."""
        return structs.replace(
            self._client, client_id=tokens.extra_text(CLIENT_ID) or self._client.client_id
        )

    async def _valid_tokens(self, refused: str = "") -> TokenData:
        """Return valid tokens other than ``refused``; one caller refreshes them for all."""
        if self._process != os.getpid():  # forked: the holder of the lock is in the parent
            self._refresh_lock, self._process = threading.Lock(), os.getpid()
        attempts = self._attempts
        while True:
            waited = self._attempts != attempts
            tokens = self._tokens
            if tokens is not None and _is_usable(tokens, refused, nearly=waited):
                return tokens
            if waited and self._failure is not None:
                raise self._copy_error(self._failure)
            if self._refresh_lock.acquire(blocking=False):
                held = self._refresh_lock
                try:
                    renewal = start_refresh(partial(self._renew, refused, held))
                except RuntimeError:
                    held.release()
                    raise
                return await asyncio.wrap_future(renewal)
            await asyncio.sleep(LOCK_POLL_SECONDS)

    async def _renew(self, refused: str, held: threading.Lock) -> TokenData:
        """Refresh the tokens unless another process has; note the outcome for waiting tasks.

        Releases ``held`` at the end.
        """
        try:
            tokens = self._stored_if_usable(refused)
            if tokens is None:
                with await self._store_lock():
                    tokens = self._stored_if_usable(refused) or await self._refresh(
                        refused
                    )  # second look: see the module
        except (AuthError, ProviderError) as error:
            self._failure = error
            raise
        else:
            self._tokens, self._failure = tokens, None
            return tokens
        finally:
            self._attempts += 1
            held.release()

    async def _store_lock(self) -> ExitStack:
        """Wait for the lock on the stored tokens and return it."""
        try:
            return await acquire_lock(self._store.lock(self._client.name), self._lock_seconds)
        except OSError as error:
            why = error.strerror
        raise self._error(f"the tokens cannot be locked: {why}")

    def _stored_if_usable(self, refused: str) -> TokenData | None:
        """Return the stored tokens if they are usable; ``None`` if they must be refreshed."""
        stored = self._load()
        if stored is None:
            raise self._error(
                "not signed in: run `agentouto login`, or `await auth.ensure_authenticated()`"
            )
        return stored if _is_usable(stored, refused) else None

    async def _refresh(self, refused: str) -> TokenData:
        """Refresh the stored tokens and return the new ones."""
        from agentouto.auth._oauth_messages import AccessDenied  # noqa: PLC0415
        from agentouto.auth._token_requests import refresh_tokens  # noqa: PLC0415

        stored = self._load() or TokenData("")

        def keep_refresh_token(token: Secret) -> None:
            nonlocal stored
            stored = replace(stored, refresh_token=token)
            self._save(stored)

        try:
            server = await self._resolve_server()
            client = self._client_for(stored)
            tokens = await refresh_tokens(client, server, stored, keep_refresh_token)
        except (AuthError, ProviderError) as error:
            ended = error.code if isinstance(error, AccessDenied) and error.is_final else ""
            if ended:
                stored = replace(stored, refresh_token=None)
                self._save(stored)
            if _is_usable(stored, refused, nearly=True):
                log.info("%s", error)
                return stored
            if not ended:
                raise
        else:
            self._save(tokens)
            return tokens
        raise self._error(f"the sign-in has ended; sign in again ({ended})")

    async def _save_locked(self, tokens: TokenData) -> None:
        """Save the tokens of a new sign-in; other processes may be using those before."""
        with await self._store_lock():
            self._save(tokens)

    def _save(self, tokens: TokenData) -> None:
        tokens = replace(tokens, extra={**tokens.extra, SERVER: self._origin})
        try:
            self._store.save(self._client.name, tokens)
        finally:
            self._tokens = tokens  # not before: other threads use them as soon as they are there

    def _load(self) -> TokenData | None:
        """Return the stored tokens if they belong to this server and program."""
        tokens = self._store.load(self._client.name)
        if tokens is None:
            return None
        server, client_id = tokens.extra_text(SERVER), tokens.extra_text(CLIENT_ID)
        renamed = self._client.may_be_renamed
        if server in {"", self._origin} and (renamed or client_id in {"", self._client.client_id}):
            return tokens
        log.warning(
            "%s: the tokens stored under this name belong to another server or program", self
        )
        return None

    def _error(self, text: str) -> AuthError:
        return AuthError(self._client.name, text)

    def _copy_error(self, error: AuthError | ProviderError) -> AuthError | ProviderError:
        """Return a copy of ``error`` for another task that waited for the same refresh."""
        text = str(error).removeprefix(f"[{self._client.name}] ")
        if isinstance(error, ProviderError):
            return ProviderUnavailable(self._client.name, text)
        return self._error(text)


def _is_usable(tokens: TokenData, refused: str, *, nearly: bool = False) -> bool:
    """Return whether the tokens authorize a request now; ``nearly`` accepts a last moment."""
    now = SYSTEM_CLOCK.now()
    good = is_valid(tokens, now) if nearly else is_fresh(tokens, now)
    return good and tokens.access_token != refused
