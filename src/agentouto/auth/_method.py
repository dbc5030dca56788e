"""The interface of sign-in methods, and the simplest one: an API key."""

from __future__ import annotations

from abc import ABC, abstractmethod

from agentouto._domain.errors import AuthError
from agentouto._domain.secret import Secret


class AuthMethod(ABC):
    """A way to authorize requests: what ``Provider(auth=)`` takes.

    A subclass may add two methods. ``async def refresh_token(self) -> str`` is called for another
    token when a server refuses the one it was sent. ``async def headers(self, method, url, body)``
    returns headers that are put on each request in place of the token.
    """

    @abstractmethod
    async def get_token(self) -> str:
        """Return a token that is valid now.

        Raises:
            AuthError: There is none. Sign in first.
        """

    @abstractmethod
    async def ensure_authenticated(self) -> None:
        """Sign in, unless already signed in.

        Raises:
            AuthError: The sign-in was refused or not finished.
        """

    @property
    @abstractmethod
    def is_authenticated(self) -> bool:
        """Whether a token is available without signing in again."""


class ApiKeyAuth(AuthMethod):
    """An API key as a sign-in method.

    Args:
        api_key: The key. It is sent as the provider's kind wants keys to be sent.
    """

    def __init__(self, api_key: str) -> None:
        self._api_key = Secret(api_key.strip())  # keys are read from files that end with a line end

    def __repr__(self) -> str:
        return "ApiKeyAuth('***')"

    async def get_token(self) -> str:
        """Return the key."""
        await self.ensure_authenticated()
        return self._api_key

    async def ensure_authenticated(self) -> None:
        """Check that there is a key."""
        if not self._api_key:
            raise AuthError("api_key", "ApiKeyAuth() was given an empty key")

    @property
    def is_authenticated(self) -> bool:
        """Whether there is a key."""
        return bool(self._api_key)
