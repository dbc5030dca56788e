"""The web: public addresses only, as text, bounded, whatever a server says."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web as server

from agentouto import Agent, ConfigurationError, Provider, Tool, ToolError, async_run
from agentouto.testing import Script, finish, tool
from agentouto.tools import web
from agentouto.tools._html_text import read_page
from growth import is_linear

Handler = Callable[[server.Request], Any]
HTML = "text/html; charset=utf-8"


class Place:
    """A server whose pages are dictionary entries: a body and a type, or a function."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[bytes, str] | Handler] = {}
        self.asked: list[server.Request] = []
        self.url = ""
        self.port = 0
        self.names = {"page.example": [PUBLIC]}
        self.all_at_once = False
        self.looked_up: list[str] = []
        self.reached: list[str] = []

    def at(self, path: str, body: bytes | str = b"", said: str = HTML) -> str:
        self.pages[path] = (body.encode() if isinstance(body, str) else body), said
        return self.url + path

    async def answer(self, request: server.Request) -> server.StreamResponse:
        self.asked.append(request)
        there = self.pages.get(request.path)
        if there is None:
            return server.Response(status=404)
        if isinstance(there, tuple):
            headers: dict[str, str] = {"Content-Type": there[1]} if there[1] else {}
            return server.Response(body=there[0], headers=headers)
        response: server.StreamResponse = await there(request)
        return response


@asynccontextmanager
async def served(
    handler: Handler, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[str, None]:
    app = server.Application()
    app.router.add_route("*", "/{rest:.*}", handler)
    runner = server.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await server.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


PUBLIC = "93.184.216.34"


@pytest.fixture
async def place(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """Serve ``page.example``, whose address is a public one that leads to a server of this test."""
    here = Place()
    connect = socket.socket.connect

    def looked_up(host: str, port: object, *args: object, **more: object) -> list[Any]:
        here.looked_up.append(host)
        found = here.names.get(host, [])
        if not found:
            raise socket.gaierror(8, "no such name")
        addresses = found if len(found) > 1 and here.all_at_once else [found[0]]
        here.names[host] = found if here.all_at_once else found[1:] or found
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    def connected(sock: socket.socket, address: Any) -> object:
        here.reached.append(address[0])
        there = ("127.0.0.1", *address[1:]) if address[0] == PUBLIC else address
        return connect(sock, there)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket.socket, "connect", connected)
    async with served(here.answer) as url:
        here.port = int(url.rpartition(":")[2])
        here.url = f"http://page.example:{here.port}"
        yield here


def reader(**more: Any) -> Tool[..., Any]:
    [only] = web(**more)
    return only


async def read(url: str, **more: Any) -> str:
    said: str = await reader(**more)(url)
    return said


async def why(url: str, **more: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await read(url, **more)
    return caught.value.message


async def text_of(html: str, address: str = "https://example.com/a/b") -> str:
    return (await read_page(html, address)).text


# Public addresses only ----------------------------------------------------------------------------

PRIVATE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://localhost/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1%25eth0]/",
    "http://[fc00::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://example.com@127.0.0.1/",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
]
NO_ADDRESS = [
    "file:///etc/passwd",
    "ftp://example.com/",
    "gopher://example.com/",
    "data:text/html,x",
    "javascript:alert(1)",
    "/etc/passwd",
    "example.com",
    "",
    "http://",
    "http:///x",
    "http://[::1",
    "http://x:99999/",
    "http://exa mple.com/\n",
    "http://example.com/\r\nX: y",
    "https://" + "x" * 3_000,
]


@pytest.mark.parametrize("url", [*PRIVATE, *NO_ADDRESS])
async def test_nothing_but_the_public_web_is_reached(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_up(host: str, port: object, *args: object, **more: object) -> list[Any]:
        """Look a name up as systems do it, which know odd numbers, but without the network."""
        try:
            return [
                (
                    socket.AF_INET,
                    socket.SOCK_STREAM,
                    6,
                    "",
                    (socket.inet_ntoa(socket.inet_aton(host)), 80),
                )
            ]
        except (OSError, UnicodeError):
            if host == "localhost":
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
            raise socket.gaierror(8, "no such name") from None

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    said = await why(url)
    assert "root:" not in said
    if url in PRIVATE:
        assert "is no public address" in said or "cannot be read" in said


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:1/", "http://169.254.169.254/", "file:///etc/passwd", "//10.0.0.1/"],
)
async def test_every_redirection_is_looked_at(place: Place, target: str) -> None:
    async def there(request: server.Request) -> server.StreamResponse:
        return server.Response(status=302, headers={"Location": target})

    place.pages["/go"] = there
    said = await why(place.url + "/go")
    assert "no public address" in said or "only http:// and https://" in said


async def test_redirections_have_an_end_and_the_last_address_is_told(place: Place) -> None:
    async def around(request: server.Request) -> server.StreamResponse:
        raise server.HTTPFound("/around")

    async def moved(request: server.Request) -> server.StreamResponse:
        raise server.HTTPMovedPermanently("/new/")

    place.pages["/around"], place.pages["/old"] = around, moved
    place.at("/new/", "<a href='x'>link</a>")
    assert "redirects more than 5 times" in await why(place.url + "/around")
    said = await read(place.url + "/old")
    assert said.startswith(f"[{place.url}/new/: text/html, utf-8, ")
    assert f"[link]({place.url}/new/x)" in said


async def test_a_name_that_changes_its_address_leads_nowhere_else(place: Place) -> None:
    """The address that was checked is the one that is connected to; a name is looked up once."""
    place.names["rebind.example"] = [PUBLIC, "127.0.0.1"]
    place.at("/", "hello")
    url = f"http://rebind.example:{place.port}/"
    assert "hello" in await read(url)
    assert place.looked_up == ["rebind.example"]
    assert place.reached == [PUBLIC]
    assert "rebind.example is no public address" in await why(url)
    assert place.reached == [PUBLIC]


async def test_of_several_addresses_only_the_public_ones_are_used(place: Place) -> None:
    place.names["both.example"], place.all_at_once = ["127.0.0.1", "10.0.0.1", PUBLIC], True
    place.at("/", "hello")
    assert "hello" in await read(f"http://both.example:{place.port}/")
    assert place.reached == [PUBLIC]


async def test_nothing_of_the_users_is_sent(place: Place) -> None:
    place.at("/", "x")
    await read(place.url)
    [asked] = place.asked
    assert set(asked.headers) <= {"Host", "Accept", "Accept-Encoding", "User-Agent", "Connection"}
    assert asked.headers["User-Agent"] == "agentouto"


# Bounded ------------------------------------------------------------------------------------------


async def test_a_page_has_a_size_and_a_time(place: Place) -> None:
    async def endless(request: server.Request) -> server.StreamResponse:
        response = server.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        while True:
            await response.write(b"x" * 10_000)

    async def slow(request: server.Request) -> server.StreamResponse:
        response = server.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.02)

    place.pages |= {"/endless": endless, "/slow": slow}
    assert "it is larger than 2 MB" in await why(place.url + "/endless")
    assert "it is larger than 0.001 MB" in await why(place.url + "/endless", most_bytes=1_000)
    assert "did not arrive within 0.3 s" in await why(place.url + "/slow", seconds=0.3)
    place.at("/fits", "x" * 1_000, "text/plain")
    assert "x" * 1_000 in await read(place.url + "/fits", most_bytes=1_000)


async def test_what_is_small_only_while_it_travels_is_no_way_around(place: Place) -> None:
    packed = gzip.compress(bytes(200_000_000), 9)

    async def bomb(request: server.Request) -> server.StreamResponse:
        headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
        return server.Response(body=packed, headers=headers)

    place.pages["/bomb"] = bomb
    assert "it is larger than 2 MB" in await why(place.url + "/bomb")


async def test_what_a_server_refuses_is_told(place: Place) -> None:
    for status in (401, 404, 500):

        async def refuses(request: server.Request, status: int = status) -> server.StreamResponse:
            return server.Response(status=status)

        place.pages["/x"] = refuses
        assert f"answers with HTTP {status}" in await why(place.url + "/x")
    async with served(place.answer) as gone:
        pass
    port = gone.rpartition(":")[2]
    assert "could not be fetched" in await why(f"http://page.example:{port}/")
    assert "could not be fetched" in await why("http://no-such-name.example/")


def test_bounds_that_are_none_are_refused() -> None:
    for bounds in (
        {"most_bytes": 0},
        {"seconds": 0},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
    ):
        with pytest.raises(ConfigurationError, match="more than 0"):
            web(**bounds)  # type: ignore[arg-type]


async def test_a_fetch_that_is_cancelled_ends_at_once(place: Place) -> None:
    ended = asyncio.Event()

    async def waits(request: server.Request) -> server.StreamResponse:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        raise AssertionError

    place.pages["/"] = waits
    task = asyncio.create_task(read(place.url))
    while not place.asked:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(2):
        await ended.wait()


# Types and encodings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "body"),
    [
        ("image/png", b"\x89PNG\r\n\x1a\n\0"),
        ("application/pdf", b"%PDF-1.7"),
        ("application/zip", b"PK\x03\x04"),
        ("video/mp4", b"\0\0\0\x18ftyp"),
        ("application/octet-stream", bytes(range(256))),
        ("", b"\x7fELF\0\0\0"),
        ("text/plain", b"a\0b"),
    ],
)
async def test_what_is_no_text_is_named(place: Place, said: str, body: bytes) -> None:
    message = await why(place.at("/x", body, said or "application/octet-stream"))
    assert f"{len(body)} bytes; only text is read" in message
    assert (said or "application/octet-stream") in message


@pytest.mark.parametrize(
    "said",
    ["text/plain", "application/json", "application/ld+json; a=b", "TEXT/CSV", "application/rss+xml",
     "image/svg+xml", "application/octet-stream"],
)  # fmt: skip
async def test_text_is_shown_as_it_is(place: Place, said: str) -> None:
    text = await read(place.at("/x", "{ <a> &amp;\n  b }", said))
    assert text.split("\n", 1)[1] == "{ <a> &amp;\n  b }"
    assert said.partition(";")[0].lower() in text


@pytest.mark.parametrize(
    ("body", "said", "text", "named"),
    [
        ("Grüße".encode(), "text/plain; charset=utf-8", "Grüße", "utf-8"),
        ("Grüße".encode("latin-1"), "text/plain; charset=ISO-8859-1", "Grüße", "cp1252"),
        ("“x”".encode("cp1252"), "text/plain; charset=latin1", "“x”", "cp1252"),
        ("회의".encode("euc-kr"), "text/plain; charset=EUC-KR", "회의", "euc_kr"),
        ("会議".encode("shift_jis"), 'text/plain; charset="Shift_JIS"', "会議", "shift_jis"),
        ("Grüße".encode("utf-16"), "text/plain", "Grüße", "UTF-16-LE with a byte order mark"),
        ("Grüße".encode("utf-8-sig"), "text/plain; charset=latin1", "Grüße", "UTF-8 with a byte"),
        ("Grüße".encode(), "text/plain", "Grüße", "UTF-8"),
        ("Grüße".encode("cp1252"), "text/plain", "Grüße", "windows-1252, which is a guess"),
        (b"Gr\xff", "text/plain; charset=utf-8", "Gr\ufffd", "as its header says, which it is not"),
        (b"x", "text/plain; charset=no-such-thing", "x", "UTF-8"),
        (b"x", "text/plain; charset=hex", "x", "UTF-8"),
        (b"x", "text/plain; charset=idna", "x", "UTF-8"),
        (b"x", "text/plain; charset=unicode_escape", "x", "UTF-8"),
        ('<meta charset="euc-kr">회의'.encode("euc-kr"), "text/html", "회의", "euc_kr"),
        (
            b"<meta http-equiv=Content-Type content='text/html; charset=koi8-r'>"
            + "мир".encode("koi8-r"),
            "text/html",
            "мир",
            "koi8-r",
        ),
    ],
)
async def test_encodings_are_found_and_named(
    place: Place, body: bytes, said: str, text: str, named: str
) -> None:
    head, _, shown = (await read(place.at("/x", body, said))).partition("\n")
    assert shown.strip() == text
    assert named in head


async def test_a_page_without_a_type_is_known_by_its_beginning(place: Place) -> None:
    url = place.at("/x", "\n<!DOCTYPE html><title>T</title><p>a</p>", "application/octet-stream")
    assert (await read(url)).endswith("Title: T\n\na")


async def test_a_page_without_text_says_so(place: Place) -> None:
    url = place.at("/x", "<script>document.write('x')</script><div id=root></div>")
    assert "it may need a browser" in await read(url)


# HTML ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One  <b>two</b>\n three</p><p>four", "One two three\n\nfour"),
        ("<h1>A</h1><h3> B </h3>c", "# A\n\n### B\n\nc"),
        ("<ul><li>a<li>b</ul>c", "- a\n- b\n\nc"),
        ("a<br>b<BR/>c", "a\nb\nc"),
        ("<table><tr><th>a<th>b<tr><td>1<td>2</table>", "a | b\n1 | 2"),
        ("<pre>a\n  b &lt;</pre>c", "a\n  b <\n\nc"),
        ("a<!-- b --><!-->c", "ac"),
        ("a<!-- <p>b", "a"),
        ("<script>x = '<p>y'</script>a<style>b{}</style>", "a"),
        ("<SCRIPT>x</ScRiPt >a<script>b", "a"),
        ("<title>t <b></title>a", "a"),
        ("<textarea><b>x</textarea>y", "<b>xy"),
        ("a &amp; b &eacute; &#8364; &#x1F642; &nope; &", "a & b é € 🙂 &nope; &"),
        (f"a &#{'9' * 5_000}; &#x{'f' * 5_000} b", "a \ufffd \ufffd b"),
        ("1 < 2 > 0 and a<b", "1 < 2 > 0 and a"),
        ("<a href='/x?a=1&amp;b=2'>go  <i>on</i></a>.", "[go on](https://example.com/x?a=1&b=2)."),
        (
            "<a href=c>1</a> <a href=//d.org/>2</a>",
            "[1](https://example.com/a/c) [2](https://d.org/)",
        ),
        ("<base href='http://e.org/'><a href=c>1", "[1](http://e.org/c)"),
        ("<a href='javascript:x()'>1</a><a href='#top'>2</a><a>3</a><a href=x></a>", "123"),
        ("<a href=x>1<a href=y>2", "[1](https://example.com/a/x)[2](https://example.com/a/y)"),
        ("<a href='http://[x'>1</a>", "[1](http://[x)"),
        ("<img alt='A cat' src=x><img src=y>", "A cat"),
        ('<p title="a > b">c</p>', "c"),
        ("<p title=it's>c</p>", "c"),
        ("<p a='1' a = \"2\" b>c</p d='>'>e", "c\n\n'>e"),
        ("<p<b>c", "c"),
        ("<p title='never ends>c", ""),
        ("</>a</ b>c<?php x ?>d<![CDATA[e]]>f", "acdf"),
        ("\0a\ufeff", "\0a\ufeff"),
        ("", ""),
        ("<", "<"),
        ("a<", "a<"),
        ("</", ""),
        ("<a", ""),
    ],
)
async def test_html_becomes_text(html: str, text: str) -> None:
    assert await text_of(html) == text


@pytest.mark.parametrize(
    "piece",
    [
        "<", "</", "<!", "<!-", "<!--", "<!-->", "<?", "<a", "<a ", "<a b", "<a b=", "<a b='", '<a b="',
        "<a b='x", "<a =", "<script>", "</script", "<script>x</script>", "<style>", "<title>",
        "<textarea></textarea", "<a href=x>", "<a href=x>y", "<p>", "<td>", "<li>", "<pre>", "&", "&#",
        "&#x", "&#9", "&amp", "&a", "<![CDATA[", "<svg>", "<a/", "<a / ", "=", "' ", "<b " + "x " * 50,
        "\n", " ", "\n\n \n", "<base href=x>", "<a href='../'>x</a>", "<img alt='x'>", "</a>", "<a\n",
    ],
)  # fmt: skip
def test_no_page_takes_long(piece: str) -> None:
    def work(size: int) -> None:
        asyncio.run(text_of(piece * (size // len(piece))))

    assert is_linear(work, 30_000)


async def test_others_go_on_while_a_page_is_read() -> None:
    task, turns = asyncio.create_task(text_of("<p>word <b>bold</b> " * 100_000)), 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    await task
    assert turns > 100


async def test_an_agent_reads_a_page_and_is_told_what_it_cannot_read(place: Place) -> None:
    url = place.at("/tides", "<title>Tides</title><p>High at six.")
    script = Script(
        {
            "a": [
                [tool("fetch_url", url=url), tool("fetch_url", url="http://127.0.0.1/")],
                lambda seen: finish("\n".join(one.content for one in seen.outcomes)),
            ]
        }
    )
    agent = Agent("a", "", "m", Provider("p", kind="script", script=script))
    output = (await async_run("Go.", [agent], web())).output
    assert "Title: Tides\n\nHigh at six.\n" in output
    assert "127.0.0.1 is no public address, and nothing else is fetched" in output
