"""A kind of the user's own: ``acme``, whose format stands in ``acme.py``, outside the package."""

from __future__ import annotations

import ast
import asyncio
import copy
import dataclasses
import gc
import pickle
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import agentouto
from agentouto import (
    Agent,
    AuthError,
    ConfigurationError,
    KindSpec,
    Limits,
    OpenAIOAuth,
    Provider,
    RunResult,
    async_run,
    async_run_stream,
    run,
)
from agentouto._domain.limits import Price
from agentouto.exceptions import ProviderError, QuotaExhausted
from agentouto.providers import missing_key, open_backend, price_of
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.testing import Script, call, fail, finish
from wire import acme
from wire.acme import ACME, AcmeWire
from wire.server import Answer, Server, refuses, serving, streams
from wire.words import event

KEY = "acme-key-SECRET-1"
END = event({"end": [3, 4]})


def says(*words: str) -> Answer:
    return streams(*(event({"say": word}) for word in words), END)


def uses(tool: str, **arguments: object) -> Answer:
    return streams(event({"use": tool, "with": arguments}), END)


def provider(server: Server | None = None, **settings: object) -> Provider:
    url = None if server is None else server.url
    given: dict[str, Any] = {"kind": ACME, "api_key": KEY, "base_url": url} | settings
    return Provider(**given)


async def asked(*providers: Provider, **options: Any) -> RunResult:
    agents = [Agent(f"a{n}", "Do it.", "acme-1", each) for n, each in enumerate(providers)]
    options = {"run_agents": agents} | options
    return await async_run("Hi", agents[:1], **options)


# ── a run ─────────────────────────────────────────────────────────────────────────────────────


def test_the_kind_is_written_with_public_names_only() -> None:
    tree = ast.parse(Path(acme.__file__).read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    optional = {name for name in modules if name and name.startswith("agentouto")}
    assert optional == {"agentouto", "agentouto.exceptions", "agentouto.wires"}


async def test_an_agent_of_a_foreign_kind_uses_tools_streams_and_is_counted() -> None:
    def double(n: int) -> int:
        """Double a number."""
        return 2 * n

    async with serving(uses("double", n=21), says("It is ", "42.")) as server:
        result = await asked(provider(server), tools=[double])
    assert result.output == "It is 42."
    assert (result.usage.input_tokens, result.usage.output_tokens) == (6, 8)
    first, second = server.asked
    assert (first.path, first.headers["X-Acme-Key"]) == ("/v1/talk", KEY)
    assert first.body["model"] == "acme-1"
    assert {"double", "call_agent", "finish"} <= set(first.body["tools"])
    assert second.body["turns"][1:] == [{"said": "", "used": ["double"]}, {"came of it": ["42"]}]


async def test_the_words_of_a_foreign_kind_are_streamed_as_they_come() -> None:
    words = [event({"say": "It is "}), event({"say": "42."}), END]
    async with serving(streams(*words, wait=0.05)) as server:
        stream = async_run_stream("Hi", [Agent("a", "", "acme-1", provider(server))])
        tokens = [e.data["token"] async for e in stream if e.type == "token"]
    assert tokens == ["It is ", "42."]


async def test_two_agents_with_two_providers_of_one_kind_keep_to_their_own() -> None:
    async with (
        serving(uses("call_agent", agent_name="a1", message="?"), says("One.")) as one,
        serving(says("Two.")) as other,
    ):
        result = await asked(
            provider(one, name="one", api_key="k1"), provider(other, name="two", api_key="k2")
        )
    assert result.output == "One."
    assert [each.headers["X-Acme-Key"] for each in one.asked] == ["k1", "k1"]
    assert [each.headers["X-Acme-Key"] for each in other.asked] == ["k2"]


async def test_a_foreign_kind_stands_in_and_is_stood_in_for() -> None:
    scripted = Provider("scripted", kind="script", script=Script(lambda _: finish("Scripted.")))
    broken = Provider("broken", kind="script", script=Script(lambda _: fail("quota")))
    async with serving(refuses(402, "insufficient_quota")) as empty:
        agent = Agent("a", "", "acme-1", provider(empty), fallback=[(scripted, "m")])
        assert (await async_run("Hi", [agent])).output == "Scripted."
    async with serving(says("Acme.")) as server:
        agent = Agent("a", "", "m", broken, fallback=[(provider(server), "acme-1")])
        assert (await async_run("Hi", [agent])).output == "Acme."


async def test_what_a_foreign_kind_said_is_recorded_and_replayed(tmp_path: Path) -> None:
    file = tmp_path / "tape"
    async with serving(says("Kept.")) as server:
        tape = Provider("tape", kind="record", file=file, source=provider(server))
        assert (await asked(tape)).output == "Kept."
        assert (await asked(tape)).output == "Kept."
        assert len(server.asked) == 1
    assert (await asked(Provider("tape", kind="record", file=file))).output == "Kept."
    assert KEY not in file.read_text(encoding="utf-8")


async def test_failures_are_told_in_the_words_of_the_wire_and_without_the_key() -> None:
    async with serving(refuses(402, f"insufficient_quota for {KEY}")) as server:
        with pytest.raises(QuotaExhausted) as caught:
            await asked(provider(server))
    assert "SECRET" not in str(caught.value)
    async with serving(streams(event({"say": "Hm"}), event({"sorry": "no such model"}))) as server:
        with pytest.raises(ProviderError, match="no such model"):
            await asked(provider(server))


async def test_a_model_of_a_foreign_kind_is_looked_up_where_its_wire_says() -> None:
    async def model(request: web.Request) -> web.Response:
        assert request.path == "/v1/models/acme-1"
        return web.json_response({"reads": 5_000})

    async with serving(model) as server:
        backend, agent = open_backend(provider(server)), Agent("a", "", "acme-1", "acme")
        assert backend.window(agent) is None
        await backend.find_window(agent)
        assert backend.window(agent) == 5_000
        assert server.asked[0].headers["X-Acme-Key"] == KEY


def test_a_public_service_is_asked_about_models_that_are_sold_in_public_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AGENTOUTO_LCW", "1")

    def may_be_asked(kind: KindSpec) -> bool:
        backend = open_backend(Provider(kind=kind, api_key=KEY))
        assert isinstance(backend, HttpBackend)
        return backend._windows.lcw is not None

    assert not may_be_asked(ACME)
    assert may_be_asked(dataclasses.replace(ACME, sold_by="acme"))


# ── keys and prices ───────────────────────────────────────────────────────────────────────────


async def test_a_missing_key_is_told_with_all_its_variables() -> None:
    assert missing_key(Provider(kind=ACME)) == "ACME_API_KEY"
    with pytest.raises(AuthError, match="Set ACME_API_KEY or ACME_TOKEN, or give"):
        await asked(Provider(kind=ACME))


@pytest.mark.parametrize("variable", ["ACME_API_KEY", "ACME_TOKEN"])
async def test_variables_are_read_for_the_vendors_own_host_only(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, KEY)
    assert missing_key(Provider(kind=ACME)) is None
    async with serving(says("Hi.")) as server:
        await asked(Provider(kind=ACME, base_url=server.url))
        assert "X-Acme-Key" not in server.asked[0].headers
        monkeypatch.setattr(acme, "HOST", server.url)
        await asked(Provider(kind=ACME))
        assert server.asked[1].headers["X-Acme-Key"] == KEY


async def test_a_kind_without_variables_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = KindSpec("free", AcmeWire)
    assert missing_key(Provider(kind=kind)) is None
    async with serving(says("Hi.")) as server:
        monkeypatch.setattr(acme, "HOST", server.url)
        assert (await asked(Provider(kind=kind))).output == "Hi."
        assert "X-Acme-Key" not in server.asked[0].headers
        monkeypatch.setenv("AGENTOUTO_FREE_API_KEY", KEY)
        await asked(Provider(kind=kind))
        assert server.asked[1].headers["X-Acme-Key"] == KEY


async def test_a_price_that_is_unknown_is_asked_for_and_one_that_is_said_is_taken() -> None:
    async with serving(says("Hi.")) as server:
        with pytest.raises(ConfigurationError, match="the price of 'acme-1' is unknown"):
            await asked(provider(server), limits=Limits(cost=1.0))
        assert not server.asked
        result = await asked(
            provider(server), limits=Limits(cost=1.0, prices={"acme-1": (1.0, 2.0)})
        )
    assert result.output == "Hi."


def test_a_kind_that_a_vendor_sells_has_the_vendors_prices() -> None:
    pytest.importorskip("genai_prices")
    kind = dataclasses.replace(ACME, sold_by="groq")
    found = price_of(Provider(kind=kind), "llama-3.3-70b-versatile")
    assert found == Price(0.59, 0.79)
    odd = dataclasses.replace(ACME, sold_by="no such vendor")
    assert price_of(Provider(kind=odd), "no-such-model") is None


def test_a_plan_takes_no_foreign_kind_over() -> None:
    signed_in = Provider(kind=ACME, auth=OpenAIOAuth())
    backend = open_backend(signed_in)
    assert isinstance(backend, HttpBackend)
    assert isinstance(backend._wire, AcmeWire)


# ── the object ────────────────────────────────────────────────────────────────────────────────


def test_a_kind_gives_its_name_to_a_provider_that_has_none() -> None:
    assert Provider(kind=ACME).name == "acme"
    assert Provider("other", kind=ACME).name == "other"
    assert Provider("other", ACME).kind is ACME


def test_the_wire_may_be_named_instead_of_given() -> None:
    named = KindSpec("acme", f"{AcmeWire.__module__}:{AcmeWire.__qualname__}")
    backend = open_backend(Provider(kind=named))
    assert isinstance(backend, HttpBackend)
    assert isinstance(backend._wire, AcmeWire)


def test_copies_are_the_kind_itself_and_a_changed_one_is_checked_again() -> None:
    agents = [Agent("a", "", "m", Provider(kind=ACME)), Agent("b", "", "m", Provider(kind=ACME))]
    copied = [copy.deepcopy(agent) for agent in agents]
    assert copied == agents
    assert copy.copy(ACME) is copy.deepcopy(ACME) is ACME
    moved = dataclasses.replace(Provider(kind=ACME), base_url="http://localhost:1")
    assert (moved.kind, moved.name) == (ACME, "acme")
    other = dataclasses.replace(ACME, name="other")
    assert (other.name, other.wire, other.key_variables) == ("other", AcmeWire, ACME.key_variables)
    with pytest.raises(ConfigurationError, match="built-in"):
        dataclasses.replace(ACME, name="openai")


def test_providers_that_are_pickled_together_still_share_their_kind() -> None:
    one, other = Provider("one", ACME), Provider("other", ACME, api_key=KEY)
    again = pickle.loads(pickle.dumps([one, other]))
    assert [each.name for each in again] == ["one", "other"]
    assert again[0].kind is again[1].kind
    assert (again[0].kind.name, again[0].kind.wire) == ("acme", AcmeWire)
    assert isinstance(open_backend(again[0]), HttpBackend)


def test_nothing_is_kept_of_a_kind_when_its_providers_are_gone() -> None:
    kind = KindSpec("brief", AcmeWire)
    gone = weakref.ref(kind)
    open_backend(Provider(kind=kind, api_key=KEY))
    del kind
    gc.collect()
    assert gone() is None


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", KEY)
    shown = provider(headers={"X-Acme-Key": KEY}, base_url=f"http://localhost:1?key={KEY}")
    open_backend(shown)
    assert "acme" in repr(shown)
    assert "SECRET" not in f"{shown!r} {shown.kind!r}"


def test_a_kind_is_frozen_and_fits_into_sets() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ACME.name = "other"  # type: ignore[misc]
    assert len({ACME, ACME, dataclasses.replace(ACME)}) == 2
    assert len({Provider(kind=ACME), Provider(kind=ACME)}) == 1


# ── what cannot work ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "acme"}, r"KindSpec 'acme' has no wire; give wire= a class.*'module:name'"),
        ({"name": "acme", "wire": None}, "has no wire"),
        ({"name": "acme", "wire": "acme.AcmeWire"}, "which is none.*'module:name'"),
        ({"name": "acme", "wire": "acme:"}, "which is none"),
        ({"name": "acme", "wire": 7}, "wire=7, which is none"),
        ({"name": "acme", "wire": AcmeWire(Provider(kind=ACME))}, "which is none; give wire= a cl"),
        ({"name": "openai", "wire": AcmeWire}, "'openai' is the name of a built-in kind, as are"),
        ({"name": "record", "wire": AcmeWire}, "is the name of a built-in kind"),
        ({"name": "", "wire": AcmeWire}, "a kind's name is printable text"),
        ({"name": " ", "wire": AcmeWire}, "a kind's name is printable text"),
        ({"name": "a\n", "wire": AcmeWire}, "a kind's name is printable text"),
        ({"name": 3, "wire": AcmeWire}, "a kind's name is printable text and not blank, not 3"),
        ({"name": "acme", "wire": AcmeWire, "key_variables": "ACME_API_KEY"}, "'ACME_API_KEY',"),
        ({"name": "acme", "wire": AcmeWire, "key_variables": ["A=B"]}, "environment variables"),
        ({"name": "acme", "wire": AcmeWire, "key_variables": [""]}, "environment variables"),
        ({"name": "acme", "wire": AcmeWire, "key_variables": None}, "environment variables"),
        ({"name": "acme", "wire": AcmeWire, "key_variables": 5}, "environment variables"),
        ({"name": "acme", "wire": AcmeWire, "sold_by": 5}, "sold_by= takes text, not 5"),
        ({"name": "acme", "wire": AcmeWire, "example_model": None}, "example_model= takes text"),
    ],
)
def test_a_kind_that_cannot_work_is_refused_when_it_is_made(
    settings: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        KindSpec(**settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "acme"}, "there is no kind 'acme'; there are: openai, .*kind=KindSpec"),
        ({"name": "x", "kind": "opnai"}, r"Did you mean 'openai'\?"),
        ({"name": "x", "kind": KindSpec}, "kind=<class .*; there are: openai"),
        ({"name": "x", "kind": AcmeWire}, "kind=<class .*kind=KindSpec"),
        ({"name": "x", "kind": 5}, "kind=5; there are: openai"),
        ({"name": "x", "kind": ["openai"]}, r"kind=\['openai'\]; there are: openai"),
        ({"name": ACME}, "is not text; a kind goes into kind="),
    ],
)
def test_a_kind_there_is_not_is_told_with_those_there_are(
    settings: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Provider(**settings)


class _Half:
    """Has an address, and some of what a wire does."""

    def __init__(self, provider: Provider) -> None:
        self.url = f"http://localhost/{provider.name}"

    def encode(self) -> None:
        """Return nothing."""

    adapt = "nothing"


class _Picky(AcmeWire):
    """Wants more than a provider."""

    def __init__(self, provider: Provider, region: str) -> None:
        super().__init__(provider)
        self.region = region


class _Refusing(AcmeWire):
    """Refuses a provider in words of its own."""

    def __init__(self, provider: Provider) -> None:
        raise ConfigurationError(f"{provider.name} has no region")


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        ("no_such_module_at_all:Wire", "'acme' cannot be imported from 'no_such_.*No module named"),
        ("wire.acme:NoSuchWire", "cannot be imported from 'wire.acme:NoSuchWire'.*NoSuchWire"),
        ("wire.acme:HOST", "cannot be made: TypeError"),
        (object, "cannot be made: TypeError.*called with the Provider"),
        (str, r"is no Wire: str lacks url, credentials"),
        ("builtins:repr", r"is no Wire: str lacks url, credentials"),
        (
            _Half,
            r"is no Wire: _Half lacks credentials, needed_downloads, decoder, error_for, adapt, model_lookup;",
        ),
        (_Picky, "cannot be made: TypeError.*region"),
        (_Refusing, "^acme has no region$"),
    ],
)
def test_a_wire_that_is_none_is_refused_before_anything_starts(
    wire: str | type[object], said: str
) -> None:
    heard: list[str] = []
    first = Provider("first", kind="script", script=Script(lambda _: heard.append("asked")))
    agents = [
        Agent("a", "", "m", first),
        Agent("b", "", "m", Provider(kind=KindSpec("acme", wire))),
    ]
    with pytest.raises(ConfigurationError, match=said):
        run("Hi", agents)
    assert not heard


def test_an_address_that_is_none_is_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigurationError, match="is no address of a server"):
        run("Hi", [Agent("a", "", "m", Provider(kind=ACME, base_url="localhost"))])


def twins() -> tuple[Provider, Provider]:
    return Provider("one", KindSpec("twin", AcmeWire)), Provider("two", KindSpec("twin", AcmeWire))


@pytest.mark.parametrize("where", ["agents", "providers", "fallback", "source"])
def test_two_kinds_of_one_name_are_refused_wherever_they_are(where: str, tmp_path: Path) -> None:
    one, two = twins()
    scripted = Provider("scripted", kind="script", script=Script(lambda _: finish("Never.")))
    providers: list[Provider] = []
    agents = [Agent("a", "", "m", one)]
    match where:
        case "agents":
            agents.append(Agent("b", "", "m", two))
        case "providers":
            providers = [two, scripted]
            agents.append(Agent("b", "", "m", "two"))
        case "fallback":
            agents.append(Agent("b", "", "m", scripted, fallback=[(two, "m")]))
        case _:
            tape = Provider("tape", kind="record", file=tmp_path / "tape", source=two)
            agents.append(Agent("b", "", "m", tape))
    with pytest.raises(ConfigurationError, match="two KindSpecs in one run are called 'twin'"):
        run("Hi", agents, [], providers)
    assert not (tmp_path / "tape").exists()


async def test_two_kinds_of_one_name_may_be_in_two_runs() -> None:
    async with serving(says("Hi.")) as server:
        both = [dataclasses.replace(each, base_url=server.url) for each in twins()]
        results = await asyncio.wait_for(asked_each(both), 10)
    assert [result.output for result in results] == ["Hi.", "Hi."]


async def asked_each(providers: list[Provider]) -> list[RunResult]:
    return [await asked(each) for each in providers]


async def test_a_foreign_kind_and_a_built_in_one_work_side_by_side() -> None:
    script = Script({"b": [call("a0", "?"), lambda seen: finish(seen.answers("a0")[0])]})
    async with serving(says("From acme.")) as server:
        mine = Agent("a0", "", "acme-1", provider(server))
        theirs = Agent("b", "", "m", Provider("s", kind="script", script=script))
        result = await async_run("Hi", [theirs], run_agents=[mine, theirs])
    assert result.output == "From acme."


def test_the_kind_is_exported() -> None:
    assert agentouto.KindSpec is KindSpec
