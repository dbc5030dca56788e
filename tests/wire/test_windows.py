"""How much a model reads: what a table says, what servers are asked, and what of it is believed."""

# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from agentouto._domain.content import Incoming
from agentouto._domain.errors import QuotaExhausted
from agentouto._domain.kinds import Kind
from agentouto._domain.memory import Memory
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import Backend
from agentouto.providers import open_backend
from agentouto.providers._models.catalog import window_of
from agentouto.providers._openai import OPENAI_URL as OPENAI
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._transport.context_windows import MAX_WINDOWS, FoundWindows, lcw_address
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.http_limits import HttpLimits
from wire.hosts import open_at
from wire.server import Answer
from wire.words import asking

KEY = "sk-the-secret-key"


MEMORY = Memory()
"""What the backends of one test share."""


@pytest.fixture(autouse=True)
def nothing_is_known_yet() -> None:
    MEMORY.forget()


class Knowing:
    """A server that knows something, by path; ``asked`` is how it was asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.bodies: list[bytes] = []
        self.root = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        self.headers.append(request.headers)
        self.bodies.append(await request.read())
        said = self.answers.get(request.path, 404)
        if callable(said):
            reply: web.StreamResponse = await cast("Answer", said)(request)
            return reply
        if isinstance(said, int):
            return web.json_response({"error": {"message": "no"}}, status=said)
        return web.Response(
            body=said if isinstance(said, bytes) else json.dumps(said).encode(),
            content_type="application/json",
        )


@asynccontextmanager
async def knowing(answers: Mapping[str, Any]) -> AsyncGenerator[Knowing, None]:
    server = Knowing(answers)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.root = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def agent(model: str = "m", **settings: Any) -> Agent:
    return Agent("a", "Do it.", model, "p", **settings)


async def found(backend: Backend, model: str = "m") -> int | None:
    await backend.find_window(agent(model))
    return backend.window(agent(model))


def local(server: Knowing, kind: Kind = "openai", **settings: Any) -> Backend:
    provider = Provider("p", kind, base_url=f"{server.root}/v1", **settings)
    return open_backend(provider, MEMORY)


def impatient(server: Knowing, limits: HttpLimits) -> Backend:
    provider = Provider("p", "openai", base_url=f"{server.root}/v1")
    return HttpBackend(provider, OpenAIChatWire(provider), limits=limits)


def rows(*models: Mapping[str, Any]) -> dict[str, Any]:
    return {"/v1/models": {"object": "list", "data": list(models)}}


# The table ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("gpt-6-astra", 922_000),
        ("openai/gpt-5.4-2026-03-05", 1_050_000),
        ("gpt-5.4-mini", 272_000),
        ("gpt-5.2-pro", 272_000),
        ("gpt-5.1-chat-latest", 128_000),
        ("gpt-5-2025-08-07", 272_000),
        ("ft:gpt-4o-mini-2024-07-18:us::id", 128_000),
        ("gpt-4.1-nano", 1_047_576),
        ("o4-mini", 200_000),
        ("claude-opus-5-5", 1_000_000),
        ("claude-opus-4-5@20251101", 200_000),
        ("anthropic/claude-sonnet-4.5", 200_000),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 200_000),
        ("claude-3-5-sonnet-20241022", 200_000),
        ("models/gemini-2.5-flash-preview-09-2025", 1_048_576),
        ("gemini-3.1-pro-preview", 1_048_576),
        ("deepseek-ai/DeepSeek-V4-Pro", 1_000_000),
    ],
)
def test_a_model_is_found_by_its_name_whatever_is_around_it(model: str, window: int) -> None:
    assert window_of(model) == window


@pytest.mark.parametrize(
    "model",
    [
        "",
        "m",
        "gpt-7",
        "gpt-5.9",
        "gpt-50",
        "my-gpt-4o",
        "gpt-5.4:free",
        "gpt-4o-transcribe",
        "claude-next-1",
        "gemini-2.5-flash-image",
        "gemini-9-pro",
        "deepseek-v4-flash:latest",
    ],
)
def test_of_other_names_nothing_is_presumed(model: str) -> None:
    assert window_of(model) is None


async def test_what_the_user_says_comes_first_and_the_table_next_and_nobody_is_asked() -> None:
    async with knowing(rows({"id": "gpt-5", "max_model_len": 5_000})) as server:
        backend = local(server)
        mine = agent("gpt-5", context_window=7_000)
        await backend.find_window(mine)
        assert backend.window(mine) == 7_000
        assert await found(backend, "gpt-5") == 272_000
        assert server.asked == []


# Servers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        {"id": "m", "max_model_len": 32_768},
        {"id": "m", "context_length": 32_768, "top_provider": {"context_length": 9_000}},
        {"id": "m", "context_window": 32_768, "max_completion_tokens": 8_192},
        {"id": "m", "max_context_length": 32_768},
        {"id": "m", "max_context_length": 131_072, "loaded_context_length": 32_768},
        {"id": "x.gguf", "aliases": ["m"], "meta": {"n_ctx_train": 131_072, "n_ctx": 32_768}},
        {"id": "m", "meta": {"n_ctx_train": 32_768}},
        {"id": "m:latest", "context_length": 32_768},
        {"key": "m", "context_length": 32_768},
    ],
    ids=["vllm", "openrouter", "groq", "mistral", "loaded", "llama.cpp", "trained", "tag", "key"],
)
async def test_a_server_tells_in_its_own_words(row: dict[str, Any]) -> None:
    other = {"id": "other", "max_model_len": 4_096}
    async with knowing(rows(other, row)) as server:
        for kind in ("openai", "openai_responses", "anthropic"):
            backend = local(server, kind)
            assert backend.window(agent()) is None
            assert await found(backend) == 32_768
        assert server.asked == ["GET /v1/models"] * 3


async def test_a_list_may_be_a_bare_one() -> None:
    async with knowing({"/v1/models": [{"id": "m", "context_length": 9_000}]}) as server:
        assert await found(local(server)) == 9_000


async def test_a_server_with_one_model_answers_with_that_under_any_name() -> None:
    async with knowing(rows({"id": "/models/q4.gguf", "meta": {"n_ctx": 16_384}})) as server:
        assert await found(local(server), "whatever") == 16_384


async def test_other_models_of_a_server_are_not_believed() -> None:
    listed = rows({"id": "m-large", "max_model_len": 99_999}, {"id": "x", "max_model_len": 8_000})
    async with knowing(listed) as server:
        assert await found(local(server)) is None


async def test_ollama_is_asked_where_it_knows() -> None:
    info = {"general.architecture": "qwen3", "qwen3.context_length": 40_960}
    answers = rows({"id": "m:latest", "owned_by": "library"}, {"id": "b"})
    async with knowing({**answers, "/api/show": {"model_info": info}}) as server:
        assert await found(local(server)) == 40_960
        assert server.asked == ["GET /v1/models", "POST /api/show"]
        assert json.loads(server.bodies[1]) == {"model": "m"}
    own = {"parameters": 'stop "<x>"\nnum_ctx    8192\n', "model_info": info}
    async with knowing({**answers, "/api/show": own}) as server:
        assert await found(local(server)) == 8_192


async def test_lm_studio_is_asked_where_it_knows() -> None:
    more = {"id": "m", "max_context_length": 131_072, "loaded_context_length": 4_096}
    answers = rows({"id": "m", "owned_by": "organization_owner"}, {"id": "b"})
    async with knowing({**answers, "/api/v0/models": {"data": [{"id": "b"}, more]}}) as server:
        assert await found(local(server)) == 4_096
        assert server.asked == ["GET /v1/models", "GET /api/v0/models"]


async def test_headers_query_and_key_go_with_the_question() -> None:
    async with knowing(rows({"id": "m", "max_model_len": 8_000})) as server:
        settings: dict[str, Any] = {
            "api_key": KEY,
            "headers": {"X-Own": "1"},
            "query": {"api-version": "2"},
        }
        assert await found(local(server, **settings)) == 8_000
        assert server.asked == ["GET /v1/models?api-version=2"]
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
        assert server.headers[0]["X-Own"] == "1"


@pytest.mark.parametrize("first", ["window", "request"])
async def test_anthropic_says_how_much_a_model_reads_and_writes_in_one_answer(first: str) -> None:
    said = {"id": "claude-next-1", "max_input_tokens": 700_000, "max_tokens": 90_000}
    async with knowing({"/v1/models/claude-next-1": said, "/v1/messages": 402}) as server:
        backend = open_at(server.root, Provider("anthropic", api_key=KEY), MEMORY)
        if first == "window":
            assert await found(backend, "claude-next-1") == 700_000
        with pytest.raises(QuotaExhausted):
            await anext(backend.stream(asking(Incoming("Hi"), model="claude-next-1")))
        assert backend.window(agent("claude-next-1")) == 700_000
        assert await found(backend, "claude-next-1") == 700_000
        assert server.asked == ["GET /v1/models/claude-next-1", "POST /v1/messages"]
        assert json.loads(server.bodies[1])["max_tokens"] == 90_000


@pytest.mark.parametrize(
    ("types", "reasoning", "thinking", "effort"),
    [
        (("adaptive", "disabled"), True, "adaptive", "high"),
        (("adaptive", "disabled"), False, "disabled", None),
        (("adaptive", "between_tools"), False, "between_tools", None),
        (("adaptive",), False, None, "low"),
        (("enabled", "disabled"), True, "enabled", None),
        (("disabled",), True, None, None),
    ],
)
async def test_anthropic_says_how_a_model_thinks_that_nobody_knows(
    types: tuple[str, ...],
    reasoning: bool,
    thinking: str | None,
    effort: str | None,
) -> None:
    model = f"claude-next-{'-'.join(types)}-{reasoning}"
    said = {
        "max_tokens": 90_000,
        "capabilities": {
            "effort": {name: {"supported": name != "medium"} for name in ("low", "medium", "high")},
            "thinking": {"types": {type_: {"supported": True} for type_ in types}},
        },
    }
    async with knowing({f"/v1/models/{model}": said, "/v1/messages": 402}) as server:
        backend = open_at(server.root, Provider("anthropic", api_key=KEY), MEMORY)
        with pytest.raises(QuotaExhausted):
            await anext(backend.stream(asking(Incoming("Hi"), model=model, reasoning=reasoning)))
    body = json.loads(server.bodies[1])
    assert body.get("thinking", {}).get("type") == thinking
    assert body.get("output_config", {}).get("effort") == effort


async def test_google_says_how_much_a_model_reads() -> None:
    said = {"name": "models/gemini-9", "inputTokenLimit": 2_000_000, "outputTokenLimit": 9_000}
    async with knowing({"/v1beta/models/gemini-9": said}) as server:
        backend = open_at(server.root, Provider("google", api_key=KEY), MEMORY)
        assert await found(backend, "gemini-9") == 2_000_000
        assert server.asked == ["GET /v1beta/models/gemini-9"]
        assert server.headers[0]["x-goog-api-key"] == KEY


# What is believed ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        404,
        302,
        b"",
        b"<html>",
        b"null",
        b"[[[",
        b"[" * 100_000,
        b"3",
        b'"text"',
        {"data": "m"},
        {"data": [None, 3, "m", ["m"]]},
        {"data": [{"id": ["m"], "max_model_len": 8_000}, {"id": {}}]},
        *(
            {"data": [{"id": "m", "max_model_len": value}]}
            for value in ("32768", 32_768.5, True, None, 0, -1, 1_023, 10**9, 10**30, [8_000])
        ),
        {"data": [{"id": "m", "meta": [8_000]}]},
    ],
    ids=lambda answer: repr(answer)[:60],
)
async def test_nonsense_is_not_believed_and_not_asked_for_again(answer: Any) -> None:
    async with knowing({"/v1/models": answer}) as server:
        for _ in range(2):
            backend = local(server)
            assert await found(backend) is None
            assert await found(backend) is None
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "show",
    [
        {"parameters": f"num_ctx {'9' * 5000}"},
        {"parameters": "num_ctx 12"},
        {"parameters": 3, "model_info": {"a.context_length": "8192"}},
        {"model_info": [1]},
        404,
    ],
    ids=["digits", "few", "text", "list", "none"],
)
async def test_nonsense_of_ollama_is_not_believed_either(show: Any) -> None:
    answers = rows({"id": "m", "owned_by": "library"}, {"id": "b"})
    async with knowing({**answers, "/api/show": show}) as server:
        assert await found(local(server)) is None
        assert len(server.asked) == 2


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 503])
async def test_a_busy_server_is_asked_again_by_the_next_run_only(status: int) -> None:
    answers: dict[str, Any] = {"/v1/models": status}
    async with knowing(answers) as server:
        backend = local(server)
        assert [await found(backend) for _ in range(3)] == [None] * 3
        assert len(server.asked) == 1
        answers |= rows({"id": "m", "max_model_len": 8_000})
        assert await found(local(server)) == 8_000


async def test_a_server_is_waited_for_no_longer_than_it_is_worth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def slowly(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"data": [')
        await asyncio.sleep(60)
        return response

    async with knowing({"/v1/models": slowly}) as server, asyncio.timeout(10):
        assert await found(impatient(server, HttpLimits(look_up=0.05))) is None


async def test_a_server_that_is_not_there_or_goes_away_harms_nobody() -> None:
    async def leaves(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with knowing({"/v1/models": leaves}) as server:
        assert await found(local(server)) is None
    assert await found(local(server)) is None


async def test_a_missing_key_harms_nobody() -> None:
    for kind in ("openai", "anthropic", "google"):
        assert await found(open_backend(Provider(kind)), "unknown-1") is None


@pytest.mark.parametrize("kind", ["openai", "openai_responses", "anthropic", "google"])
async def test_a_name_that_no_address_can_hold_harms_nobody(kind: Kind, lcw: Any) -> None:
    async with knowing({}) as server:
        lcw(server.root)
        assert await found(local(server, kind), "\ud800") is None
        assert await found(open_backend(Provider(kind, api_key=KEY)), "\ud800") is None


async def test_a_list_without_end_is_not_read_to_the_end() -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)
            sent += 65_536

    async with knowing({"/v1/models": endless}) as server, asyncio.timeout(5):
        assert await found(impatient(server, HttpLimits(list_bytes=1 << 20))) is None
    assert sent < 1 << 24


# What is kept -------------------------------------------------------------------------------------


async def test_many_who_ask_at_once_ask_once() -> None:
    async with knowing(rows({"id": "m", "max_model_len": 8_000})) as server:
        backends = [local(server) for _ in range(20)]
        async with asyncio.TaskGroup() as group:
            for backend in backends:
                group.create_task(backend.find_window(agent()))
        assert {backend.window(agent()) for backend in backends} == {8_000}
        assert len(server.asked) == 1


async def test_each_server_and_each_model_has_its_own() -> None:
    two = rows({"id": "m", "max_model_len": 8_000}, {"id": "n", "max_model_len": 9_000})
    async with knowing(two) as one, knowing(rows({"id": "m", "max_model_len": 4_000})) as other:
        assert await found(local(one), "m") == 8_000
        assert await found(local(one), "n") == 9_000
        assert await found(local(other), "m") == 4_000


async def test_not_more_is_kept_than_there_is_room_for() -> None:
    listed = rows(*({"id": f"m{n}", "max_model_len": 8_000 + n} for n in range(5)))
    async with knowing(listed) as server:
        backend = local(server)
        for n in range(5):
            assert await found(backend, f"m{n}") == 8_000 + n
        kept = MEMORY.part(FoundWindows).by_place
        for n in range(MAX_WINDOWS - 1):
            kept.put(("elsewhere", f"m{n}"), 9_000)
        assert len(kept) == MAX_WINDOWS
        assert backend.window(agent("m0")) is None
        assert backend.window(agent("m4")) == 8_004
        assert await found(backend, "m0") == 8_000


# LCW ----------------------------------------------------------------------------------------------


def told(name: str = "gpt-9-nova", window: object = 300_000, **more: object) -> dict[str, Any]:
    data = {"name": name, "contextWindow": window, "fromCache": False, **more}
    return {"/context-window": {"success": True, "data": data}}


@pytest.fixture
def lcw(monkeypatch: pytest.MonkeyPatch) -> Any:
    def at(url: str) -> None:
        monkeypatch.setenv("AGENTOUTO_LCW", "1")
        monkeypatch.setenv("AGENTOUTO_LCW_URL", url)

    return at


def vendor(kind: str = "openai") -> Backend:
    return open_backend(Provider(kind, api_key=KEY), MEMORY)


async def test_the_service_is_asked_about_a_model_that_nobody_else_knows(lcw: Any) -> None:
    async with knowing(told()) as server:
        lcw(server.root)
        backend = vendor()
        assert backend.window(agent("gpt-9-nova")) is None
        async with asyncio.TaskGroup() as group:
            for one in (backend, vendor(), vendor("openai_responses")):
                group.create_task(one.find_window(agent("gpt-9-nova")))
        assert await found(vendor(), "gpt-9-nova") == 300_000
        assert server.asked == ["GET /context-window?model=gpt-9-nova"]
        (headers,) = server.headers
        assert KEY not in str(dict(headers))


async def test_the_service_may_be_anywhere(lcw: Any) -> None:
    async with knowing(told()) as server:
        lcw(f"{server.root}/context-window/")
        assert await found(vendor(), "gpt-9-nova") == 300_000


@pytest.mark.parametrize("off", ["0", "false", " OFF "])
async def test_the_service_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, lcw: Any, off: str
) -> None:
    async with knowing(told()) as server:
        lcw(server.root)
        monkeypatch.setenv("AGENTOUTO_LCW", off)
        assert await found(vendor(), "gpt-9-nova") is None
        assert server.asked == []


def test_the_service_is_at_home_where_nobody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AGENTOUTO_LCW")
    assert lcw_address() == "https://lcw-api.blp.sh/context-window"
    monkeypatch.setenv("AGENTOUTO_LCW_URL", "no address")
    assert lcw_address() is None


async def test_the_service_is_not_told_of_a_server_of_ones_own(lcw: Any) -> None:
    async with knowing(told()) as server, knowing({}) as mine:
        lcw(server.root)
        for kind in ("openai", "openai_responses", "anthropic", "google"):
            assert await found(local(mine, kind), "gpt-9-nova") is None
        assert server.asked == []


@pytest.mark.parametrize("model", ["ft:gpt-9:my-company::id", "tunedModels/secret", "projects/p/x"])
async def test_the_service_is_not_told_a_name_that_may_be_a_secret(lcw: Any, model: str) -> None:
    async with knowing(told()) as server:
        lcw(server.root)
        assert await found(vendor(), model) is None
        assert server.asked == []


async def test_the_service_is_not_asked_what_the_vendor_has_told(lcw: Any) -> None:
    said = {"inputTokenLimit": 2_000_000}
    async with (
        knowing(told("gemini-9")) as server,
        knowing({"/v1beta/models/gemini-9": said}) as there,
    ):
        lcw(server.root)
        google = open_at(there.root, Provider("google", api_key=KEY), MEMORY)
        assert await found(google, "gemini-9") == 2_000_000
        assert await found(google, "gemini-9-flash") is None
        assert there.asked == [f"GET /v1beta/models/gemini-9{more}" for more in ("", "-flash")]
        assert server.asked == ["GET /context-window?model=gemini-9-flash"]


@pytest.mark.parametrize(
    ("name", "slug"),
    [("GPT-9 Nova", None), ("gpt_9_nova", None), ("Nova", "gpt-9-nova"), ("openai/gpt-9.nova", "")],
)
async def test_the_service_may_write_a_name_in_its_own_way(
    lcw: Any, name: str, slug: str | None
) -> None:
    async with knowing(told(name, slug=slug)) as server:
        lcw(server.root)
        assert await found(vendor(), "gpt-9-nova") == 300_000


@pytest.mark.parametrize(
    "answers",
    [
        told("gpt-9"),
        told("gpt-9-nova-mini"),
        told("GPT-4o"),
        told(""),
        told(None),  # type: ignore[arg-type]
        told(window="300000"),
        told(window=True),
        told(window=12),
        told(window=10**9),
        told(window=None),
        {"/context-window": {"success": False, "data": {"name": "gpt-9-nova"}}},
        {"/context-window": {"success": True, "data": ["gpt-9-nova", 300_000]}},
        {"/context-window": b"<html>"},
        {"/context-window": 404},
        {"/context-window": 500},
        {"/context-window": 429},
    ],
    ids=lambda answer: repr(answer)[:60],
)
async def test_what_the_service_gets_wrong_is_not_believed_and_not_asked_again(
    lcw: Any, answers: dict[str, Any]
) -> None:
    async with knowing(answers) as server:
        lcw(server.root)
        for _ in range(3):
            assert await found(vendor(), "gpt-9-nova") is None
        assert len(server.asked) == 1


async def test_the_service_is_not_waited_for(lcw: Any) -> None:
    async def slowly(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    limits, provider = HttpLimits(look_up=0.05), Provider("openai", api_key=KEY)
    async with knowing({"/context-window": slowly}) as server, asyncio.timeout(10):
        lcw(server.root)
        for _ in range(2):
            backend = open_at(OPENAI, provider, MEMORY, limits=limits)
            assert await found(backend, "gpt-9-nova") is None
        assert len(server.asked) == 1


# Kinds without a network --------------------------------------------------------------------------


async def test_a_script_knows_what_its_agent_says() -> None:
    backend = open_backend(Provider("s", kind="script", script={}))
    assert await found(backend, "gpt-5") is None
    assert backend.window(agent("gpt-5", context_window=8_000)) == 8_000


async def test_a_recorder_asks_its_source_and_a_replay_nobody(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    async with knowing(rows({"id": "m", "max_model_len": 8_000})) as server:
        source = Provider("p", "openai", base_url=f"{server.root}/v1")
        recorder = open_backend(Provider("r", kind="record", file=file, source=source))
        assert await found(recorder) == 8_000
        replay = open_backend(Provider("r", kind="record", file=file))
        assert await found(replay) is None
        assert replay.window(agent(context_window=9_000)) == 9_000
        assert len(server.asked) == 1
