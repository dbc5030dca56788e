"""What models cost: our own table first, and another's where that is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agentouto._domain.content import Usage
from agentouto._domain.limits import Price
from agentouto._domain.participants import Provider
from agentouto.providers import price_of
from agentouto.providers._models import catalog


@pytest.mark.parametrize(
    ("kind", "model", "price"),
    [
        ("openai", "gpt-6-astra", Price(10, 50, 1)),
        ("openai", "gpt-5.4-2026-03-05", Price(2.5, 15, 0.25)),
        ("openai_responses", "gpt-5.2-pro", Price(21, 168)),
        ("anthropic", "claude-opus-5-5", Price(4, 20, 0.2)),
        ("anthropic", "us.anthropic.claude-opus-4-5-20251101-v1:0", Price(5, 25, 0.5)),
        ("google", "models/gemini-2.5-flash-preview-09-2025", Price(0.3, 2.5, 0.03)),
        ("script", "claude-haiku-4-5", Price(1, 5, 0.1)),
    ],
)
def test_the_table_is_asked_first(
    monkeypatch: pytest.MonkeyPatch, kind: str, model: str, price: Price
) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert price_of(Provider(kind), model) == price


def test_a_million_tokens_cost_what_the_table_says() -> None:
    price = price_of(Provider("anthropic"), "claude-opus-5-5")
    assert price is not None
    assert price.of(Usage(1_000_000, 100_000, cached_tokens=500_000)) == pytest.approx(4.1)


def test_every_row_of_the_table_is_found_by_its_own_name() -> None:
    rows = {**catalog.OPENAI_MODELS, **catalog.OTHER_MODELS}
    rows |= {f"claude-{name}": row for name, row in catalog.CLAUDE_MODELS.items()}
    for name, row in rows.items():
        assert catalog.listed_price(name) == Price(row.input, row.output, row.cached)
        assert catalog.window_of(name) == row.window


@pytest.mark.parametrize("model", ["claude-opus-5-turbo", "gpt-5.4:free", "ft:gpt-4o:us::id"])
def test_what_is_derived_from_a_model_has_another_price(model: str) -> None:
    assert catalog.listed_price(model) is None


@pytest.mark.parametrize(
    ("provider", "model", "price"),
    [
        (Provider("openai"), "o3-deep-research", Price(10, 40, 2.5)),
        (Provider("anthropic"), "claude-2", Price(8, 24)),
        (Provider("x", "openai", base_url="http://localhost:1/v1"), "gpt-4", Price(30, 60)),
        (Provider("s", kind="script"), "gpt-4", Price(30, 60)),
    ],
    ids=["vendor", "anthropic", "anywhere", "script"],
)
def test_others_are_looked_up_where_the_package_is_installed(
    monkeypatch: pytest.MonkeyPatch, provider: Provider, model: str, price: Price
) -> None:
    pytest.importorskip("genai_prices")
    assert price_of(provider, model) == price
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert price_of(provider, model) is None


def test_a_host_has_prices_of_its_own() -> None:
    pytest.importorskip("genai_prices")
    groq = Provider("groq", "openai", base_url="https://api.groq.com/openai/v1")
    model = "llama-3.3-70b-versatile"
    at_groq = price_of(groq, model)
    assert at_groq is not None
    assert 0 < at_groq.input < at_groq.output < 5
    assert price_of(Provider("openai"), model) is None


@pytest.mark.parametrize("model", ["", "any", "gpt-7", "gpt-5.9", "claude-next", "whisper-1"])
def test_what_nobody_knows_has_no_price(model: str) -> None:
    assert price_of(Provider("openai"), model) is None


def test_a_recorder_costs_what_its_source_costs(tmp_path: Path) -> None:
    source = Provider("anthropic")
    recorder = Provider("r", kind="record", file=tmp_path / "f", source=source)
    assert price_of(recorder, "claude-2") == price_of(source, "claude-2")
