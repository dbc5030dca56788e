"""What the tests of signing in have in common: a server, a browser, a store, and somebody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from agentouto import OAuth, TokenData, TokenStore
from agentouto._domain.clock import SYSTEM_CLOCK
from auth.authority import Authority, Browser, running

SignInOf = Callable[..., OAuth]


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    async with running() as server:
        yield server


@pytest.fixture
def browser() -> Browser:
    return Browser()


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "tokens")


@pytest.fixture
def sign_in(authority: Authority, browser: Browser, store: TokenStore) -> SignInOf:
    """Make a sign-in at the server, with the browser."""

    def made(**settings: Any) -> OAuth:
        given: dict[str, Any] = {
            "name": "desk",
            "store": store,
            "open_browser": browser,
            "tell": lambda text: None,
        }
        return OAuth(authority.url, "desk", **given | settings)

    return made


@pytest.fixture
def expired(authority: Authority, store: TokenStore) -> TokenData:
    """Tokens of somebody who signed in yesterday, in the store."""
    tokens = TokenData("SECREToldaccess", authority.given(), SYSTEM_CLOCK.now() - 86_400)
    store.save("desk", tokens)
    return tokens
