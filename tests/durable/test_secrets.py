"""A key is in no journal, event, line, log and error, whatever setting it is in and whoever repeats it."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from aiohttp import web

from agentouto import (
    Agent,
    AgentoutoError,
    ApiKeyAuth,
    ConfigurationError,
    Journal,
    Provider,
    Retry,
    RunResult,
    async_run,
    run,
)
from agentouto.a2a import remote
from agentouto.acp import program
from agentouto.mcp import MCPServer
from agentouto.testing import Request, Script, call, finish, say, tool
from mcp_tools.conftest import TINY
from wire.server import Answer, serving, streams
from wire.words import DONE, chunk, event

KEY = "quiet.walrus.and.its.4711/hats+more"
"""It looks like no key of a vendor: those are hidden wherever they are seen."""

ACP_AGENT = str(Path(__file__).parents[1] / "guests" / "acp_agent.py")


class Tokens:
    async def get_token(self) -> str:
        return KEY


class Signs:
    async def headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
        return {"X-Seal": f"seal {KEY}"}


GIVEN: dict[str, dict[str, Any]] = {
    "api_key": {"api_key": KEY},
    "a token": {"auth": Tokens()},
    "ApiKeyAuth": {"auth": ApiKeyAuth(KEY)},
    "a signature": {"auth": Signs()},
    "a header": {"headers": {"X-Own": KEY}},
    "a header of words": {"headers": {"X-Own": f"my {KEY}"}},
    "a query": {"query": {"own": KEY}},
    "the address": {},
    "extra_headers": {},
    "the environment": {},
    "a proxy": {},
}
"""Where the key of a model may come from."""


def echo(request: web.Request) -> str:
    """Return all of a request that may hold a key."""
    return f"cannot do this: {request.path_qs} {dict(request.headers)}".replace('"', "'")


async def refuses(request: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"message": echo(request)}}, status=400)


async def breaks_off(request: web.Request) -> web.StreamResponse:
    text = f'data: {{"error": {{"message": "{echo(request)}"}}}}\n\n'
    return web.Response(text=text, content_type="text/event-stream")


async def refuses_by_json_rpc(request: web.Request) -> web.StreamResponse:
    asked = json.loads(await request.read() or b"{}")
    error = {"code": -32_001, "message": echo(request)}
    return web.json_response({"jsonrpc": "2.0", "id": asked.get("id"), "error": error})


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """The file of a journal that somebody reads: so its write-ahead log stays."""
    place = tmp_path / "runs.db"
    run("Go.", [lead(say("x"))], journal=place, run_id="first")
    reader = sqlite3.connect(place)
    reader.execute("select count(*) from facts").fetchone()
    yield place
    reader.close()


def lead(*lines: Any) -> Agent:
    return Agent("lead", "", "m", Provider("s", kind="script", script=Script({"lead": [*lines]})))


def told(request: Request) -> Any:
    return finish(request.outcomes[-1].content)


def written_at(place: Path) -> str:
    found = [path.read_bytes() for path in place.parent.iterdir() if path.is_file()]
    return b"".join(found).decode("utf-8", "replace")


def all_shown(place: Path, result: RunResult) -> str:
    """Return everything that is written and told of the run ``order``."""
    saved = Journal(place)["order"]
    assert place.with_name("runs.db-wal").stat().st_size
    live = (result.output, result.messages, result.events, result.lines(), result.event_log)
    kept = (saved.lines(), saved.events(), saved.error, saved.result().messages)
    return f"{written_at(place)} {live} {kept}"


def no_key_in(text: str) -> bool:
    """Whether neither the key nor a good part of it is in ``text``, in any form."""
    return not any(part in text for part in ("quiet.walrus", "its.4711", "hats+more", "hats%2B"))


def writer(given: str, port: int) -> Agent:
    host = f"m{port}.example" if given == "a proxy" else f"127.0.0.1:{port}"
    url = f"http://{host}/v1" + (f"?own={quote(KEY)}" if given == "the address" else "")
    provider = Provider("p", "openai", base_url=url, retry=Retry(tries=1), **GIVEN[given])
    extra = {"extra_headers": {"X-Own": KEY}} if given == "extra_headers" else {}
    return Agent("writer", "", "m", provider, extra=extra)


@pytest.mark.parametrize("answer", [refuses, breaks_off])
@pytest.mark.parametrize("given", GIVEN)
async def test_the_key_of_a_model_that_its_server_repeats_is_kept_and_shown_nowhere(
    given: str,
    answer: Answer,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG", logger="agentouto")
    if given == "the environment":
        monkeypatch.setenv("AGENTOUTO_P_API_KEY", KEY)
    async with serving(answer) as server:
        port = urlsplit(server.url).port or 0
        if given == "a proxy":
            monkeypatch.setenv("http_proxy", f"http://user:{quote(KEY, '')}@127.0.0.1:{port}")
        asks, peer = lead(call("writer", "Write."), told), writer(given, port)
        team: Any = {"run_agents": [asks, peer], "journal": place}
        result = await async_run("Go.", [asks], run_id="order", **team)
        with pytest.raises(AgentoutoError) as caught:
            await async_run("Go.", [peer], run_id="alone", **team)
    [first, *_] = server.asked
    assert KEY in f"{unquote(first.path)} {first.headers}" or given == "a proxy"
    assert no_key_in(all_shown(place, result))
    alone, error = Journal(place)["alone"], caught.value
    assert all("cannot do this" in text for text in (str(error), alone.error, caplog.text))
    assert no_key_in(f"{error} {error!r} {error.to_dict()} {error.__cause__!r} {alone.error}")
    assert no_key_in(f"{alone.lines()} {caplog.text}")


@pytest.mark.parametrize(
    ("password", "text"), [(quote(KEY, ""), "holds a password"), (KEY, "is no address")]
)
def test_an_address_with_a_password_is_refused_without_it(
    password: str, text: str, place: Path
) -> None:
    provider = Provider("p", "openai", base_url=f"http://me:{password}@host.example/v1?own={KEY}")
    asks = Agent("a", "", "m", provider)
    with pytest.raises(ConfigurationError, match=text) as caught:
        run("Go.", [asks], journal=place, run_id="order")
    assert no_key_in(f"{caught.value} {caught.value.to_dict()}")
    assert no_key_in(written_at(place))


@pytest.mark.parametrize("use", ["complain", "fail"])
async def test_a_variable_that_an_mcp_server_repeats_is_kept_and_shown_nowhere(
    use: str, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("mcp")
    caplog.set_level("DEBUG", logger="agentouto")
    asks = lead(tool(f"tiny_{use}"), told)
    async with MCPServer("tiny", command=[*TINY, use], env={"OWN": KEY}) as server:
        result = await async_run("Go.", [asks], [server], journal=place, run_id="order")
    assert "OWN=***" in result.output
    assert "OWN=***" in caplog.text
    assert no_key_in(all_shown(place, result) + caplog.text)


@pytest.mark.parametrize(
    "given",
    [{"headers": {"X-Own": KEY}}, {"auth": Tokens()}, {"query": KEY}, {"user": KEY}],
    ids=["a header", "a token", "a query", "a user"],
)  # fmt: skip
async def test_the_key_of_an_mcp_server_that_repeats_it_is_kept_and_shown_nowhere(
    given: dict[str, Any], place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("mcp")
    caplog.set_level("DEBUG", logger="agentouto")
    async with serving(refuses_by_json_rpc) as echoing:
        url = echoing.url
        if query := given.get("query"):
            url = f"{url}?own={quote(query, '')}"
        if user := given.get("user"):
            url = url.replace("://", f"://me:{quote(user, '')}@")
        more = {name: given[name] for name in ("headers", "auth") if name in given}
        async with MCPServer("far", url=url, required=False, **more) as server:
            result = await async_run(
                "Go.", [lead(say("x"))], [server], journal=place, run_id="order"
            )
    text = all_shown(place, result)
    assert "cannot do this" in text
    assert no_key_in(text + caplog.text)


async def test_the_key_of_an_agent_elsewhere_that_repeats_it_is_kept_and_shown_nowhere(
    place: Path,
) -> None:
    pytest.importorskip("a2a")
    card = pytest.importorskip("guests.a2a_agent").card
    to_dict = pytest.importorskip("google.protobuf.json_format").MessageToDict

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response(to_dict(card(f"{echoing.url}/rpc")))
        return await refuses_by_json_rpc(request)

    async with serving(answer) as echoing:
        peer = await remote(f"{echoing.url}?own={KEY}", headers={"X-Own": KEY})
        asks = lead(call(peer.name, "Say."), told)
        team: Any = {"run_agents": [asks, peer], "journal": place}
        result = await async_run("Go.", [asks], run_id="order", **team)
    assert "cannot do this" in result.output
    assert no_key_in(all_shown(place, result))


async def test_a_variable_that_a_program_repeats_is_kept_and_shown_nowhere(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("acp")
    caplog.set_level("DEBUG", logger="agentouto")
    peer = program("coder", "Codes.", sys.executable, ACP_AGENT, env={"OWN": KEY})
    asks = lead(call("coder", "complain"), told)
    team: Any = {"run_agents": [asks, peer], "journal": place}
    result = await async_run("Go.", [asks], run_id="order", **team)
    assert "OWN=***" in result.output
    assert no_key_in(all_shown(place, result) + caplog.text)


async def test_keys_that_nobody_repeats_are_not_in_the_file(place: Path) -> None:
    used: dict[str, Any] = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    blocks = event(chunk({"content": "Hi"})) + event(chunk({}, "stop")) + event(used) + DONE
    async with serving(streams(blocks)) as server:
        given = {"api_key": KEY, "headers": {"X-Own": KEY}, "query": {"own": KEY}}
        provider = Provider("local", "openai", base_url=server.url, **given)  # type: ignore[arg-type]
        extra = {"extra_headers": {"X-Other": KEY}}
        agent = Agent("lead", "You lead.", "m", provider, extra=extra)
        result = await async_run("Go.", [agent], journal=place, run_id="order")
    text = all_shown(place, result)
    assert "Hi" in text
    assert no_key_in(text)
