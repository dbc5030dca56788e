"""Proxies of the environment: which one is used, and what is said of one that fails."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agentouto import Agent, Attachment, ConfigurationError, OAuth, Provider, TokenStore
from agentouto._domain.errors import ProviderError, ProviderUnavailable
from agentouto._domain.memory import Memory
from agentouto._network import proxy_for
from agentouto._network.proxies import is_exempt
from agentouto.providers import open_backend
from agentouto.providers._format.media import Missing
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._transport.downloads import PUBLIC, Downloads, Unsendable
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.retry import RetryPolicy
from agentouto.providers._transport.sessions import ResourcesByLoop
from children import PIPE, async_child
from wire.proxy import ForwardProxy, proxying
from wire.server import HELLO, Server, serving, streams
from wire.words import asking, folded

MODEL = "http://model.test/v1"
CERTIFICATE = Path(__file__).with_name("model_test.pem")
ONCE = RetryPolicy(tries=1)


@pytest.fixture(autouse=True)
def _no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving(streams()) as one:
        yield one


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[ForwardProxy]:
    async with proxying(server.url) as one:
        yield one


def backend(base_url: str = MODEL, policy: RetryPolicy = ONCE) -> HttpBackend:
    provider = Provider("local", "openai", base_url=base_url, api_key="the-secret-key")
    return HttpBackend(provider, OpenAIChatWire(provider, Memory()), policy=policy)


async def answer(asked: HttpBackend) -> str:
    async with aclosing(asked.stream(asking())) as stream:
        return folded([each async for deltas in stream for each in deltas]).text


async def fault(asked: HttpBackend) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await answer(asked)
    return caught.value


# Which proxy --------------------------------------------------------------------------------------

PROXY = "http://proxy:3128"
FAR = "https://api.example/v1"


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("value", [PROXY, "proxy:3128", "//proxy:3128", f" {PROXY} "])
def test_each_variable_and_each_way_to_write_it_is_understood(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert proxy_for(FAR) == PROXY


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"HTTP_PROXY": "h:1"}, None),  # is for http:// addresses
        ({"HTTPS_PROXY": "s:1", "ALL_PROXY": "a:1"}, "http://s:1"),
        ({"https_proxy": "low:1", "HTTPS_PROXY": "up:1"}, "http://low:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "up:1"}, None),
        ({"https_proxy": "", "ALL_PROXY": "a:1"}, "http://a:1"),
        ({"https_proxy": "https://s:1"}, "https://s:1"),
        ({"https_proxy": "[::1]:3128"}, "http://[::1]:3128"),
        ({"https_proxy": "user:pass@p:1"}, "http://user:pass@p:1"),
        ({"https_proxy": "p:1", "no_proxy": "", "NO_PROXY": "*"}, "http://p:1"),
    ],
)
def test_the_variables_have_an_order(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], found: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(FAR) == found


def test_a_header_of_a_cgi_program_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    assert proxy_for(MODEL) == PROXY
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert proxy_for(MODEL) is None
    monkeypatch.setenv("http_proxy", PROXY)
    assert proxy_for(MODEL) == PROXY


@pytest.mark.parametrize(
    "host", ["localhost", "ollama.localhost", "127.0.0.1", "127.1.2.3", "[::1]"]
)
def test_this_machine_is_reached_directly(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1080")
    assert proxy_for(f"http://{host}:11434/v1") is None


@pytest.mark.parametrize(
    "exceptions",
    [
        "*",
        "other.example,*",
        "corp.example",
        ".corp.example",
        "*.corp.example",
        "CORP.example",
        "other.example, m.corp.example ,",
        "other.example m.corp.example",
        "m.corp.example:8000",
        "corp.example:8000",
        "m.corp.example.",
    ],
)
def test_no_proxy_names_hosts_domains_and_ports(exceptions: str) -> None:
    assert is_exempt("m.corp.example", 8000, exceptions)
    assert is_exempt("M.Corp.Example.", 8000, exceptions)


@pytest.mark.parametrize(
    "exceptions",
    ["", " , ", ".", "*.", "other.example", "p.example", "m.corp.example:80", "10.0.0.0/8", "a/b"],
)
def test_no_proxy_is_for_no_other_host(exceptions: str) -> None:
    assert not is_exempt("m.corp.example", 8000, exceptions)


@pytest.mark.parametrize(
    ("host", "exceptions", "exempt"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.9.9.9/8", True),
        ("10.1.2.3", "localhost,192.168.0.0/16", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:8000", True),
        ("10.1.2.3", "10.1.2.3:80", False),
        ("10.1.2.3", "2.3", False),
        ("10.1.2.3", "10.0.0.0/99", False),
        ("fd00::7", "fd00::/8", True),
        ("fd00::7", "[fd00::7]", True),
        ("fd00::7", "[fd00::7]:8000", True),
        ("fd00::7", "[fd00::7]:80", False),
        ("fd00::7", "[fd00::]/8", True),
        ("fd00::7", "fd00:0:0::7", True),
        ("fd00::7", "10.0.0.0/8", False),
    ],
)
def test_no_proxy_has_numeric_addresses_and_ranges(
    host: str, exceptions: str, exempt: bool
) -> None:
    assert is_exempt(host, 8000, exceptions) is exempt


def test_the_port_of_an_address_without_one_is_that_of_its_scheme(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "api.example:443")
    assert proxy_for("https://api.example/v1") is None
    assert proxy_for("http://api.example/v1") == PROXY


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("socks5://me:the-password@proxy:1080", "socks5:// proxies are not supported"),
        ("socks5h://proxy:1080", "socks5h:// proxies are not supported"),
        ("socks4://proxy", "socks4:// proxies are not supported"),
        ("sock5://me:the-password@proxy", "sock5:// proxies are not supported"),
        ("http://me:the-password@", "that is no address"),
        ("proxy:port", "that is no address"),
        ("http://proxy:99999", "that is no address"),
        ("http://[::1", "that is no address"),
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
def test_a_proxy_that_cannot_be_used_is_refused_before_a_run(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, what: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        open_backend(Provider("openai", api_key="k"))
    said = str(caught.value)
    assert said.startswith(f"{name} names the proxy ")
    assert what in said
    assert "http://HOST:PORT" in said
    assert "the-password" not in said
    monkeypatch.setenv("NO_PROXY", "api.openai.com")
    open_backend(Provider("openai", api_key="k"))


# Requests to models -------------------------------------------------------------------------------


async def test_a_plain_request_goes_through_the_proxy_with_its_password(
    monkeypatch: pytest.MonkeyPatch, server: Server, proxy: ForwardProxy
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:p%40ss@127.0.0.1:{proxy.port}")
    assert await answer(backend()) == "Hello"
    assert proxy.asked == [f"POST {MODEL}/chat/completions HTTP/1.1"]
    assert proxy.passwords == ["Basic dXNlcjpwQHNz"]
    (asked,) = server.asked
    assert "Proxy-Authorization" not in asked.headers


ASKS_THROUGH_A_TUNNEL = """
from agentouto import Agent, Provider, run
model = Provider("local", "openai", base_url="https://model.test/v1", api_key="the-secret-key")
print(run("Go.", [Agent("a", "", "m", model)]).output)
"""


async def test_an_encrypted_request_goes_through_a_tunnel() -> None:
    async def hello(_: web.Request) -> web.StreamResponse:
        return web.Response(body=HELLO, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", hello)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    target = f"https://127.0.0.1:{runner.addresses[0][1]}"
    async with proxying(target) as proxy:
        more = {"https_proxy": proxy.url, "SSL_CERT_FILE": str(CERTIFICATE)}
        command = (sys.executable, "-c", ASKS_THROUGH_A_TUNNEL)
        async with async_child(*command, stdout=PIPE, env={**os.environ, **more}) as child:
            said, _ = await child.communicate()
    await runner.cleanup()
    assert said == b"Hello\n"
    assert proxy.asked == ["CONNECT model.test:443 HTTP/1.1"]


async def test_a_proxy_that_is_down_is_named_and_not_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with proxying("http://127.0.0.1:1") as gone:
        pass
    where = f"127.0.0.1:{gone.port}"
    for scheme in ("http", "https"):
        monkeypatch.setenv("ALL_PROXY", f"http://me:the-password@{where}")
        error = await fault(backend(f"{scheme}://model.test/v1"))
        assert f"no connection to the proxy http://{where} (ALL_PROXY): " in str(error)
        assert "model.test" not in str(error)
        assert "the-password" not in f"{error} {error!r} {error.__cause__!r}"
        assert error.retryable


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("user", "what"),
    [("", "wants a password"), ("me:the-password@", "refuses the user and password in it")],
)
async def test_a_proxy_that_wants_a_password_is_named_and_asked_once(
    monkeypatch: pytest.MonkeyPatch, proxy: ForwardProxy, scheme: str, user: str, what: str
) -> None:
    proxy.refuses = "407 Proxy Authentication Required"
    monkeypatch.setenv("all_proxy", f"http://{user}127.0.0.1:{proxy.port}")
    error = await fault(backend(f"{scheme}://model.test/v1", RetryPolicy(first=0.01)))
    assert f"the proxy {proxy.url} (all_proxy) {what} (HTTP 407)" in str(error)
    assert "the-password" not in f"{error} {error!r} {error.__cause__!r}"
    assert not error.retryable
    assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    ("status", "tries"), [("403 Forbidden", 1), ("502 Bad Gateway", 2), ("503 Busy", 2)]
)
async def test_a_proxy_that_opens_no_tunnel_is_named(
    monkeypatch: pytest.MonkeyPatch, proxy: ForwardProxy, status: str, tries: int
) -> None:
    proxy.refuses = status
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    error = await fault(backend("https://model.test/v1", RetryPolicy(tries=2, first=0.01)))
    what = "does not connect to https://model.test/v1/chat/completions: HTTP"
    assert f"the proxy {proxy.url} (HTTPS_PROXY) {what} {status[:3]}" in str(error)
    assert len(proxy.asked) == tries


async def test_a_connection_that_breaks_names_the_proxy_too(
    monkeypatch: pytest.MonkeyPatch, server: Server, proxy: ForwardProxy
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    error = await fault(backend("https://model.test/v1"))  # the server speaks no TLS
    assert f"model.test/v1/chat/completions through the proxy {proxy.url}" in str(error)


async def test_the_window_of_a_model_is_looked_up_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def models(_: web.Request) -> web.StreamResponse:
        return web.json_response({"data": [{"id": "mine-1", "max_model_len": 8192}]})

    async with serving(models) as server, proxying(server.url) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        asked = backend()
        agent = Agent("a", "", "mine-1", "local")
        await asked.find_window(agent)
        assert asked.window(agent) == 8192
    assert proxy.asked == [f"GET {MODEL}/models HTTP/1.1"]


# Files and sign-ins -------------------------------------------------------------------------------


async def fetched(downloads: Downloads, url: str) -> Any:
    loops = Memory().part(ResourcesByLoop)
    file = Attachment("application/pdf", url=url)
    result = (await downloads.fetch([file], loops.here()))[file]
    await loops.here().close()
    return result


async def test_files_are_downloaded_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def pdf(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"%PDF-1.7", content_type="application/pdf")

    async with serving(pdf) as server, proxying(server.url) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        file = await fetched(PUBLIC, "http://files.test/a.pdf")
        assert file.data is not None
        assert (await PUBLIC.fetch_one("http://files.test/a.pdf")).body == b"%PDF-1.7"
        assert proxy.asked == ["GET http://files.test/a.pdf HTTP/1.1"] * 2
        for url in ("http://10.0.0.7/a.pdf", "http://localhost/a.pdf", "http://[fd00::1]/a.pdf"):
            with pytest.raises(Unsendable, match="no public address"):
                await PUBLIC.fetch_one(url)
        assert len(proxy.asked) == 2


async def test_a_file_that_the_proxy_does_not_let_through_says_so(
    monkeypatch: pytest.MonkeyPatch, proxy: ForwardProxy
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"http://me:the-password@127.0.0.1:{proxy.port}")
    proxy.refuses = "407 Proxy Authentication Required"
    for scheme in ("http", "https"):
        missing = await fetched(PUBLIC, f"{scheme}://files.test/a.pdf")
        assert isinstance(missing, Missing)
        assert f"the proxy {proxy.url} (ALL_PROXY) refuses the user and password" in missing.why
        assert "the-password" not in missing.why
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1080")
    missing = await fetched(PUBLIC, "http://files.test/a.pdf")
    assert "ALL_PROXY names the proxy" in missing.why


async def test_signing_in_goes_through_the_proxy_and_names_it_where_it_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: ForwardProxy
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:the-password@127.0.0.1:{proxy.port}")
    auth = OAuth("https://login.test", "desk", store=TokenStore(tmp_path), tell=lambda _: None)
    proxy.refuses = "407 Proxy Authentication Required"
    with pytest.raises(ProviderUnavailable, match="refuses the user and password in it") as caught:
        await auth.login()
    assert "the-password" not in str(caught.value)
    assert proxy.asked == ["CONNECT login.test:443 HTTP/1.1"]
    proxy.refuses = ""
    with pytest.raises(ProviderUnavailable, match=rf"login\.test through the proxy {proxy.url}"):
        await auth.login()
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy:1080")
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY names the proxy"):
        await auth.login()
