"""URLs as errors and logs show them."""

from __future__ import annotations

import pytest

from agentouto._network.addresses import shown


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("http://host:8080/v1?key=secret#f", "http://host:8080/v1"),
        ("https://user:secret@host/v1/@me", "https://host/v1/@me"),
        ("http://user:sec/ret@host:8080/v1?key=1", "http://host:8080/v1"),
        ("http://user:sec?r#et@host:port/v1", "http://host:port/v1"),
        ("user:secret@host/v1?key=secret", "host/v1"),
        ("http://host:port/v1?key=secret", "http://host:port/v1"),
    ],
)
def test_user_password_and_query_are_not_shown(url: str, seen: str) -> None:
    assert shown(url) == seen
