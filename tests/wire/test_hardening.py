"""What strangers' servers, settings and addresses must not be able to do."""

from __future__ import annotations

import pytest

from agentouto import Provider
from agentouto.providers._fetch import is_public
from agentouto.providers._habits import named
from agentouto.providers._json import parse
from agentouto.providers._keys import secrets
from agentouto.providers._refusal import Fault, read_fault


@pytest.mark.parametrize("text", [b'{"x":' + b"[" * 5000, b"[" * 100_000])
def test_what_is_nested_too_deeply_is_no_json(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"nested|JSON|Expecting|truncated"):
        parse(text)
    assert read_fault(text, 400, {}).status == 400


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b:1::7f00:1",
        "::ffff:0:169.254.169.254",
        "::127.0.0.1",
        "fec0::1",
        "5f00::1",
        "192.88.99.1",
        "2001:db8::1",
        "3fff::1",
    ],
)
def test_what_is_not_public_is_not_fetched_from(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_what_is_public_is(address: str) -> None:
    assert is_public(address)


def test_a_secret_is_known_in_all_its_forms() -> None:
    provider = Provider(
        "p",
        "openai",
        base_url="https://host/v1?api_key=my/secret+one",
        headers={"Authorization": "Bearer my-secret-token-1"},
    )
    assert {"my-secret-token-1", "Bearer my-secret-token-1"} <= set(secrets(provider))


@pytest.mark.parametrize(
    ("said", "wait"),
    [("try again in 6m0s", 360), ("try again in 1.5s", 1.5), ("try again in 1.2.3s", None)],
)
def test_a_wait_in_words_is_understood_or_passed_over(said: str, wait: float | None) -> None:
    assert (
        read_fault(f'{{"error": {{"message": "Please {said}."}}}}'.encode(), 429, {}).retry_after
        == wait
    )


def test_a_date_out_of_this_world_is_no_wait() -> None:
    late = {
        "retry-after": "Wed, 21 Oct 2015 07:28:00 +9999999999999999",
        "date": "Wed, 21 Oct 2015 07:28:00 GMT",
    }
    assert read_fault(b"", 429, late).retry_after is None


def test_nobody_learns_from_another_ones_wrong_value() -> None:
    ours = frozenset({"temperature", "max_tokens"})
    said = "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3.0 instead."
    assert named(ours, Fault(said, param="temperature", status=400)) == ""
    assert (
        named(ours, Fault("Unsupported parameter: 'temperature'", param="temperature", status=400))
        == "temperature"
    )
