"""A wire is made once for all runs with the same provider, and never for another one."""

from __future__ import annotations

import gc
import weakref

import pytest

from agentouto._domain.kinds import KindSpec
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Provider
from agentouto.providers import open_backend
from agentouto.providers._format.wire import Wire
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.wires import Wires

LOCAL = "http://localhost:1/v1"


def local(**settings: object) -> Provider:
    return Provider(**{"name": "local", "kind": "openai", "base_url": LOCAL} | settings)  # type: ignore[arg-type]


def test_runs_with_the_same_provider_share_its_wire() -> None:
    one, alike, wire_to = local(), local(), Wires().to
    assert wire_to(one, OpenAIChatWire) is wire_to(one, OpenAIChatWire)
    assert wire_to(one, OpenAIChatWire) is not wire_to(alike, OpenAIChatWire)


def test_another_key_in_the_environment_makes_another_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, wire_to = local(), Wires().to
    before = wire_to(provider, OpenAIChatWire)
    monkeypatch.setenv("AGENTOUTO_LOCAL_API_KEY", "a key of its own")
    after = wire_to(provider, OpenAIChatWire)
    assert after is not before
    assert wire_to(provider, OpenAIChatWire) is after


@pytest.mark.parametrize("setting", ["headers", "query"])
def test_a_header_that_was_put_in_later_makes_another_wire(setting: str) -> None:
    provider, wire_to = local(), Wires().to
    before = wire_to(provider, OpenAIChatWire)
    getattr(provider, setting)["api-key"] = "the key of somebody else"
    assert wire_to(provider, OpenAIChatWire) is not before


def test_a_wire_goes_with_its_provider_and_nothing_is_left_for_the_next() -> None:
    made: list[Provider] = []

    def make(provider: Provider) -> Wire:
        made.append(Provider("copy", provider.kind))
        return OpenAIChatWire(provider)

    wires = Wires()
    for _ in range(20):  # their numbers are used again
        wires.to(local(api_key="k"), make)
        gc.collect()
    assert len(made) == 20


class Holding(OpenAIChatWire):
    """A wire as users write them: it keeps its provider."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider)
        self.provider = provider


def test_a_provider_that_its_wire_keeps_is_not_kept_for_ever() -> None:
    wires, provider = Wires(), local(kind=KindSpec("holding", Holding), api_key="k")
    wire = wires.to(provider, Holding)
    assert isinstance(wire, Holding)
    assert wire.provider == provider
    gone, wire_gone = weakref.ref(provider), weakref.ref(wire)
    del provider, wire
    gc.collect()
    assert gone() is None
    assert wire_gone() is None


def test_the_wires_of_one_memory_are_not_those_of_another() -> None:
    provider, memory = local(), Memory()
    one = memory.part(Wires).to(provider, OpenAIChatWire)
    assert memory.part(Wires).to(provider, OpenAIChatWire) is one
    assert Memory().part(Wires).to(provider, OpenAIChatWire) is not one
    memory.forget()
    assert memory.part(Wires).to(provider, OpenAIChatWire) is not one


@pytest.mark.parametrize("kind", ["openai", "openai_responses", "anthropic", "google"])
def test_every_run_has_a_backend_of_its_own(kind: str) -> None:
    provider = local(kind=kind)
    one, other = open_backend(provider), open_backend(provider)
    assert isinstance(one, HttpBackend)
    assert one is not other
