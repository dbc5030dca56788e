"""Signing in: tokens in place of keys.

What is got here is handed to ``Provider(auth=)``. How requests are made with it is not known here.
"""

from agentouto.auth._method import ApiKeyAuth, AuthMethod
from agentouto.auth._oauth import OAuth
from agentouto.auth._store import TokenStore, name_for
from agentouto.auth._token import TokenData
from agentouto.auth._vendors import ClaudeOAuth, GoogleOAuth, OpenAIOAuth, Person

__all__ = [
    "ApiKeyAuth",
    "AuthMethod",
    "ClaudeOAuth",
    "GoogleOAuth",
    "OAuth",
    "OpenAIOAuth",
    "Person",
    "TokenData",
    "TokenStore",
    "name_for",
]
