"""Sign-in methods for ``Provider(auth=)``: API keys, OAuth 2.0 and OpenID Connect.

This package hands out tokens and request headers. It does not send model requests.
"""

from agentouto.auth._method import ApiKeyAuth, AuthMethod
from agentouto.auth._oauth import OAuth
from agentouto.auth._token_data import TokenData
from agentouto.auth._token_store import TokenStore, name_for
from agentouto.auth._vendors import ClaudeOAuth, GoogleOAuth, OpenAIOAuth, Prompts

__all__ = [
    "ApiKeyAuth",
    "AuthMethod",
    "ClaudeOAuth",
    "GoogleOAuth",
    "OAuth",
    "OpenAIOAuth",
    "Prompts",
    "TokenData",
    "TokenStore",
    "name_for",
]
