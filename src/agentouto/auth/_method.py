"""How a provider is let in, as the user sees it: a key, or a sign-in.

How either works is not known here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from agentouto._domain.errors import AuthError
from agentouto._domain.secret import Secret


class AuthMethod(ABC):
    """A way to be let in: what ``Provider(auth=)`` takes.

    A subclass may have two methods more. ``async def refresh_token(self) -> str`` is asked for
    another token when a server refuses the one it was sent. If there is an ``async def
    headers(self, method, url, body)``, what it returns is put on each request, in place of the
    token as a key.
    """

    @abstractmethod
    async def get_token(self) -> str:
        """Return a token that is valid now.

        Raises:
            AuthError: There is none; whoever signs in gets one.
        """

    @abstractmethod
    async def ensure_authenticated(self) -> None:
        """Sign in, unless that has been done.

        Raises:
            AuthError: It was refused, or nobody signed in.
        """

    @property
    @abstractmethod
    def is_authenticated(self) -> bool:
        """Whether a token can be had without signing in again."""


class ApiKeyAuth(AuthMethod):
    """A key, in the form of a sign-in.

    Args:
        api_key: The key. It is sent as the provider's kind wants keys to be sent.
    """

    def __init__(self, api_key: str) -> None:
        self._api_key = Secret(api_key.strip())

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
