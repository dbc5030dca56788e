"""The servers run once for all tests, and forget between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from outside.signin import Issuer, oidc
from outside.simulators import Grader, Player, aimock, llmock


@pytest.fixture(scope="session")
def llmock_url() -> Iterator[str]:
    with llmock() as url:
        yield url


@pytest.fixture(scope="session")
def aimock_url() -> Iterator[str]:
    with aimock() as url:
        yield url


@pytest.fixture(scope="session")
def oidc_url() -> Iterator[str]:
    with oidc() as url:
        yield url


@pytest.fixture
def grader(llmock_url: str) -> Grader:
    server = Grader(llmock_url)
    server.tell("reset")
    return server


@pytest.fixture
def player(aimock_url: str) -> Player:
    server = Player(aimock_url)
    server.tell("reset")
    return server


@pytest.fixture
def issuer(oidc_url: str) -> Issuer:
    server = Issuer(oidc_url)
    server.tell("reset")
    return server
