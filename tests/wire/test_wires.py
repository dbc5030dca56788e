"""A wire is made once for all runs with the same provider, and never for another one."""

from __future__ import annotations

import gc

import pytest

from agentouto._domain.participants import Provider
from agentouto.providers import open_backend
from agentouto.providers._http import HttpBackend
from agentouto.providers._wire import Wire
from agentouto.providers._wires import wire_to
from agentouto.providers.openai import OpenAIChatWire

LOCAL = "http://localhost:1/v1"


def local(**settings: object) -> Provider:
    return Provider(**{"name": "local", "kind": "openai", "base_url": LOCAL} | settings)  # type: ignore[arg-type]


def test_runs_with_the_same_provider_share_its_wire() -> None:
    one, alike = local(), local()
    assert wire_to(one, OpenAIChatWire) is wire_to(one, OpenAIChatWire)
    assert wire_to(one, OpenAIChatWire) is not wire_to(alike, OpenAIChatWire)


def test_another_key_in_the_environment_makes_another_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = local()
    before = wire_to(provider, OpenAIChatWire)
    monkeypatch.setenv("AGENTOUTO_LOCAL_API_KEY", "a key of its own")
    after = wire_to(provider, OpenAIChatWire)
    assert after is not before
    assert wire_to(provider, OpenAIChatWire) is after


@pytest.mark.parametrize("setting", ["headers", "query"])
def test_a_header_that_was_put_in_later_makes_another_wire(setting: str) -> None:
    provider = local()
    before = wire_to(provider, OpenAIChatWire)
    getattr(provider, setting)["api-key"] = "the key of somebody else"
    assert wire_to(provider, OpenAIChatWire) is not before


def test_a_wire_goes_with_its_provider_and_nothing_is_left_for_the_next() -> None:
    made: list[Provider] = []

    def make(provider: Provider) -> Wire:
        made.append(Provider("copy", provider.kind))
        return OpenAIChatWire(provider)

    for _ in range(20):  # their numbers are used again
        wire_to(local(api_key="k"), make)
        gc.collect()
    assert len(made) == 20


@pytest.mark.parametrize("kind", ["openai", "openai_responses", "anthropic", "google"])
def test_every_run_has_a_backend_of_its_own(kind: str) -> None:
    provider = local(kind=kind)
    one, other = open_backend(provider), open_backend(provider)
    assert isinstance(one, HttpBackend)
    assert one is not other
