"""Files given by address: fetched where an API will not do it, and only from public places."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web
from msgspec.structs import replace

from agentouto._domain.content import Incoming, Outcome
from agentouto._domain.errors import ProviderError
from agentouto._domain.kinds import Kind
from agentouto._domain.memory import Memory
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Draft, ModelRequest
from agentouto.providers._anthropic.wire import AnthropicWire
from agentouto.providers._format.media import Missing
from agentouto.providers._format.wire import Wire
from agentouto.providers._google.wire import GeminiWire
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._openai.responses_wire import OpenAIResponsesWire
from agentouto.providers._transport.downloads import PUBLIC, Downloads, Unsendable, is_public
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.retry import RetryPolicy
from agentouto.providers._transport.sessions import ResourcesByLoop
from wire.server import Asked
from wire.words import asking, call, came_of, wants

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
PDF = b"%PDF-1.7 and so on"
WAV = b"RIFF\x00\x00\x00\x00WAVEfmt "
MP4 = b"\x00\x00\x00\x18ftypmp42"
PAGE = b"<!DOCTYPE html><title>Sign in</title>"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


class Place:
    """Files on one server, and a model on another that always says the same nothing."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, str] | Handler] = {}
        self.fetched: list[web.Request] = []
        self.asked: list[Asked] = []
        self.url = ""
        self.model = ""

    def at(self, path: str, body: bytes = b"", said: str = "application/octet-stream") -> str:
        self.files[path] = body, said
        return self.url + path

    async def file(self, request: web.Request) -> web.StreamResponse:
        self.fetched.append(request)
        there = self.files.get(request.path)
        if there is None:
            return web.Response(status=404)
        if callable(there):
            return await there(request)
        body, content_type = there
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(Asked(request, await request.read(), 0))
        return web.json_response({"error": {"message": "no"}}, status=404)


@asynccontextmanager
async def served(handler: Handler) -> AsyncGenerator[str, None]:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


MEMORY = Memory()


def is_here_or_public(host: str) -> bool:
    return host == "127.0.0.1" or is_public(host)


HERE = Downloads(allowed=is_here_or_public)
"""As in earnest, but from this machine too."""


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    here = Place()
    async with served(here.file) as here.url, served(here.answer) as here.model:
        yield here


WIRES: Mapping[Kind, Callable[[Provider], Wire]] = {
    "openai": OpenAIChatWire,
    "openai_responses": OpenAIResponsesWire,
    "anthropic": AnthropicWire,
    "google": GeminiWire,
}
CHAT: Kind = "openai"
RESPONSES: Kind = "openai_responses"
CLAUDE: Kind = "anthropic"
GEMINI: Kind = "google"


async def asked_of(kind: Kind, place: Place, request: ModelRequest) -> str:
    """Ask; return the body that was sent, as text."""
    provider = Provider("p", kind, api_key="the-secret-key", base_url=place.model)
    backend = HttpBackend(
        provider, WIRES[kind](provider), policy=RetryPolicy(tries=1), downloads=HERE
    )
    before = len(place.asked)
    async with aclosing(backend.stream(request)) as stream:
        with pytest.raises(ProviderError, match="404"):
            await anext(stream)
    assert len(place.asked) == before + 1
    return json.dumps(place.asked[-1].body, ensure_ascii=False)


async def refused_by(kind: Kind, place: Place, attachment: Attachment) -> str:
    """Ask; return why the model was never asked."""
    provider = Provider("p", kind, base_url=place.model)
    backend = HttpBackend(provider, WIRES[kind](provider), downloads=HERE)
    before = len(place.asked)
    with pytest.raises(ProviderError) as caught:
        await anext(backend.stream(asking(Incoming("See", (attachment,)))))
    assert len(place.asked) == before
    return str(caught.value)


# Which, by whom -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "mime_type", "body", "found"),
    [
        (CHAT, "application/pdf", PDF, '"file_data": "data:application/pdf;base64,'),
        (CHAT, "audio/wav", WAV, '"format": "wav"'),
        (CHAT, "audio/mp3", b"ID3x", '"format": "mp3"'),
        (GEMINI, "image/png", PNG, '"mimeType": "image/png"'),
        (GEMINI, "application/pdf", PDF, '"mimeType": "application/pdf"'),
        (GEMINI, "audio/wav", WAV, '"mimeType": "audio/wav"'),
        (GEMINI, "video/mp4", MP4, '"mimeType": "video/mp4"'),
    ],
)
async def test_what_an_api_does_not_fetch_is_fetched_and_sent_whole(
    place: Place, kind: Kind, mime_type: str, body: bytes, found: str
) -> None:
    file = Attachment(mime_type, url=place.at("/y", body))
    sent = await asked_of(kind, place, asking(Incoming("See", (file,))))
    assert found in sent
    assert b64(body) in sent
    assert place.url not in sent


@pytest.mark.parametrize("kind", [CHAT, CLAUDE, GEMINI])
async def test_text_is_fetched_where_it_goes_as_words(place: Place, kind: Kind) -> None:
    url = place.at("/notes.txt", "Grüße".encode(), "text/plain")
    sent = await asked_of(
        kind, place, asking(Incoming("See", (Attachment("text/plain", url=url),)))
    )
    assert "notes.txt:\\nGrüße" in sent


@pytest.mark.parametrize(
    ("kind", "mime_type"),
    [
        (CHAT, "image/png"),
        (RESPONSES, "image/png"),
        (RESPONSES, "application/pdf"),
        (RESPONSES, "text/csv"),
        (CLAUDE, "image/png"),
        (CLAUDE, "application/pdf"),
    ],
)
async def test_what_an_api_fetches_itself_is_left_to_it(
    place: Place, kind: Kind, mime_type: str
) -> None:
    url = place.at("/y", PNG)
    assert url in await asked_of(
        kind, place, asking(Incoming("See", (Attachment(mime_type, url=url),)))
    )
    assert not place.fetched


async def test_gemini_fetches_its_own_files_and_youtube_itself(place: Place) -> None:
    for url in ("https://www.youtube.com/watch?v=x", "gs://bucket/y.mp4"):
        request = asking(Incoming("See", (Attachment("video/mp4", url=url),)))
        assert url in await asked_of(GEMINI, place, request)


@pytest.mark.parametrize(
    ("kind", "mime_type"),
    [
        (CHAT, "video/mp4"),
        (RESPONSES, "audio/wav"),
        (CLAUDE, "video/mp4"),
        (CLAUDE, "audio/wav"),
        (GEMINI, "image/gif"),
    ],
)
async def test_what_could_not_be_sent_anyway_is_not_fetched(
    place: Place, kind: Kind, mime_type: str
) -> None:
    why = await refused_by(kind, place, Attachment(mime_type, url=place.at("/y.bin", MP4)))
    assert f"y.bin ({mime_type}) cannot be sent: this API has no place for {mime_type}" in why
    assert not place.fetched


# What it is ---------------------------------------------------------------------------------------


async def test_a_wrong_type_is_corrected_by_the_first_bytes(place: Place) -> None:
    file = Attachment("image/jpeg", url=place.at("/y.jpg", PNG, "image/jpeg"))
    sent = await asked_of(GEMINI, place, asking(Incoming("See", (file,))))
    assert '"mimeType": "image/png"' in sent


@pytest.mark.parametrize("kind", WIRES)
async def test_a_type_that_nobody_gave_is_found_out(place: Place, kind: Kind) -> None:
    file = Attachment("", url=place.at("/y", PNG))
    assert b64(PNG) in await asked_of(kind, place, asking(Incoming("See", (file,))))


async def test_a_server_may_say_what_it_is_where_the_sender_has_not(place: Place) -> None:
    url = place.at("/y", MP4, "video/mp4; codecs=x")
    file = Attachment("application/octet-stream", url=url)
    sent = await asked_of(GEMINI, place, asking(Incoming("See", (file,))))
    assert '"mimeType": "video/mp4"' in sent


async def test_a_page_to_sign_in_at_is_no_document(place: Place) -> None:
    url = place.at("/y.pdf", PAGE, "text/html")
    why = await refused_by(CHAT, place, Attachment("application/pdf", url=url))
    assert "y.pdf (application/pdf) cannot be sent: there is a web page at its address" in why


async def test_a_fetched_file_has_the_name_that_its_address_has(place: Place) -> None:
    file = Attachment("application/pdf", url=place.at("/a b.pdf", PDF))
    sent = await asked_of(CHAT, place, asking(Incoming("See", (file,))))
    assert '"filename": "a b.pdf"' in sent


# How often ----------------------------------------------------------------------------------------


async def test_a_file_is_fetched_once_in_a_call(place: Place) -> None:
    file = Attachment("application/pdf", url=place.at("/y.pdf", PDF))
    draft = Draft()
    first = Incoming("See", (file,))
    one = await asked_of(CHAT, place, asking(first, draft=draft))
    again = asking(first, Incoming("And again", (file,)), draft=draft)
    two = await asked_of(CHAT, place, again)
    assert two.startswith(one.partition("]}]")[0])
    assert two.count(b64(PDF)) == 2
    assert len(place.fetched) == 1


async def test_a_file_that_is_not_to_be_had_is_looked_for_once(place: Place) -> None:
    outcome = Outcome(call("1"), "Here.", (Attachment("application/pdf", url=place.url + "/no"),))
    draft = Draft()
    entries = (Incoming("Go"), wants(call("1")), came_of(outcome))
    for _ in range(2):
        await asked_of(CHAT, place, asking(*entries, draft=draft))
    assert len(place.fetched) == 1


async def test_a_file_that_was_not_to_be_had_for_the_moment_is_looked_for_when_named_anew(
    place: Place,
) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    file = Attachment("application/pdf", url=place.url + "/y.pdf")
    place.files["/y.pdf"] = busy
    draft = Draft()
    entries = [Incoming("Go"), wants(call("1")), came_of(Outcome(call("1"), "Here.", (file,)))]
    first = await asked_of(CHAT, place, asking(*entries, draft=draft))
    assert "HTTP 503" in first
    place.at("/y.pdf", PDF)
    again = [wants(call("2")), came_of(Outcome(call("2"), "Again.", (file,)))]
    for _ in range(2):
        sent = await asked_of(CHAT, place, asking(*entries, *again, draft=draft))
        assert sent.startswith(first.partition("}]")[0])
        assert sent.count(b64(PDF)) == 1
    assert len(place.fetched) == 2


async def test_a_file_that_stays_away_costs_one_look_for_each_time_it_is_named(
    place: Place,
) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    place.files["/y"] = busy
    file = Attachment("application/pdf", url=place.url + "/y")
    draft = Draft()
    entries = (Incoming("Go"), wants(call("1")), came_of(Outcome(call("1"), "Here.", (file,))))
    for more in ((), (wants(call("2")), came_of(Outcome(call("2"), "Nothing."))), ()):
        await asked_of(CHAT, place, asking(*entries, *more, draft=draft))
    assert len(place.fetched) == 1


async def test_a_message_whose_file_was_not_to_be_had_can_be_sent_later(place: Place) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    place.files["/y.pdf"] = busy
    request = asking(Incoming("See", (Attachment("", url=place.url + "/y.pdf"),)), draft=Draft())
    provider = Provider("p", CHAT, base_url=place.model)
    with pytest.raises(ProviderError, match="HTTP 503"):
        await anext(HttpBackend(provider, OpenAIChatWire(provider), downloads=HERE).stream(request))
    place.at("/y.pdf", PDF)
    assert b64(PDF) in await asked_of(CHAT, place, request)


async def test_files_are_fetched_side_by_side(place: Place) -> None:
    together = asyncio.Barrier(5)

    async def waits(request: web.Request) -> web.StreamResponse:
        await together.wait()
        return web.Response(body=PDF + request.path.encode())

    files = [Attachment("application/pdf", url=f"{place.url}/{n}.pdf") for n in range(5)]
    for n in range(5):
        place.files[f"/{n}.pdf"] = waits
    async with asyncio.timeout(10):
        sent = await asked_of(CHAT, place, asking(Incoming("See", tuple(files))))
    assert [sent.index(b64(PDF + f"/{n}.pdf".encode())) for n in range(5)] == sorted(
        sent.index(b64(PDF + f"/{n}.pdf".encode())) for n in range(5)
    )


async def test_the_files_of_one_request_share_their_time_and_their_room(place: Place) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    little = replace(HERE, seconds=0.5, most_bytes_together=1_000)
    slow = [Attachment("application/pdf", url=f"{place.url}/slow{n}") for n in range(5)]
    large = [Attachment("audio/wav", url=place.at(f"/large{n}", bytes(400))) for n in range(3)]
    for one in slow:
        place.files[(one.url or "").removeprefix(place.url)] = never
    async with asyncio.timeout(2.4):  # one after the other they would take 2.5 s
        there = await fetched([*slow, *large], little)
    assert [getattr(there[one], "why", "") for one in slow] == [
        "it did not arrive within 0.5 s"
    ] * 5
    whys = sorted(getattr(there[one], "why", "") for one in large)
    assert whys == ["", "", "with the others it is larger than 0.001 MB"]


async def test_what_one_file_gives_up_the_others_may_have(place: Place) -> None:
    little = replace(HERE, most_bytes=500, most_bytes_together=600)
    gone = asyncio.Event()

    async def too_large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await response.write(bytes(900))
            await asyncio.sleep(60)  # it is cancelled when the client has hung up
        finally:
            gone.set()
        return response

    async def later(request: web.Request) -> web.StreamResponse:
        await gone.wait()
        return web.Response(body=bytes(400))

    place.files |= {"/1": too_large, "/2": later}
    wanted = [Attachment("audio/wav", url=f"{place.url}/{n}") for n in (1, 2)]
    first, second = (await fetched(wanted, little)).values()
    assert isinstance(first, Missing)
    assert not isinstance(second, Missing)


# Failures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WIRES)
@pytest.mark.parametrize(
    "url", ["http://[::1/y.pdf", f"http://{'a' * 64}.com/y.pdf", "http://x:99999/y"]
)
async def test_an_address_that_is_none_is_told_as_that(place: Place, kind: Kind, url: str) -> None:
    assert (await why_missing(url)).startswith("its address cannot be read: ")
    outcome = Outcome(call("1"), "Here.", (Attachment("", url=url),))
    sent = await asked_of(kind, place, asking(Incoming("Go"), wants(call("1")), came_of(outcome)))
    assert "cannot be shown to you: its address cannot be read: " in sent
    assert "cannot be sent: its address" in await refused_by(kind, place, Attachment("", url=url))


@pytest.mark.parametrize("kind", WIRES)
async def test_in_a_result_a_note_says_what_is_missing(place: Place, kind: Kind) -> None:
    outcome = Outcome(call("1"), "Here.", (Attachment("", url=place.url + "/no.pdf"),))
    entries = (Incoming("Go"), wants(call("1")), came_of(outcome))
    sent = await asked_of(kind, place, asking(*entries))
    assert (
        "(no.pdf (of unknown type) cannot be shown to you: its address answers with HTTP 404)"
        in (sent)
    )


async def test_in_a_result_a_fetched_file_is_as_good_as_any(place: Place) -> None:
    outcome = Outcome(call("1"), "Here.", (Attachment("image/png", url=place.at("/y.png", PNG)),))
    entries = (Incoming("Go"), wants(call("1")), came_of(outcome))
    assert b64(PNG) in await asked_of(GEMINI, place, asking(*entries))


async def fetched(
    wanted: Sequence[Attachment], downloads: Downloads = HERE
) -> dict[Attachment, Attachment]:
    return await downloads.fetch(wanted, MEMORY.part(ResourcesByLoop).here())


async def had(attachment: Attachment, downloads: Downloads = HERE) -> Attachment:
    return (await fetched([attachment], downloads))[attachment]


async def why_missing(url: str, downloads: Downloads = HERE) -> str:
    file = await had(Attachment("application/pdf", url=url), downloads)
    assert isinstance(file, Missing)
    return file.why


async def test_what_is_too_large_is_not_read_to_its_end(place: Place) -> None:
    small = replace(HERE, most_bytes=1_000_000)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(100_000))

    place.files["/y"] = endless
    assert await why_missing(place.url + "/y", small) == "it is larger than 1 MB"
    place.at("/exactly", bytes(1_000_000))
    whole = await had(Attachment("audio/wav", url=place.url + "/exactly"), small)
    assert not isinstance(whole, Missing)


async def test_what_takes_too_long_is_given_up(place: Place) -> None:
    hasty = replace(HERE, seconds=0.05)

    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    place.files["/y"] = never
    why = await why_missing(place.url + "/y", hasty)
    assert why == "it did not arrive within 0.05 s"


async def test_a_refused_connection_and_an_empty_file_have_a_reason(place: Place) -> None:
    gone = await why_missing("http://127.0.0.1:9/y?signature=secret")
    assert gone.startswith("it could not be fetched: ")
    assert "secret" not in gone
    why = await refused_by(CHAT, place, Attachment("application/pdf", url=place.at("/y.pdf")))
    assert "y.pdf (application/pdf) cannot be sent: it is empty" in why


# Where from ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/y",
        "http:///y",
        "unix:/var/run/docker.sock",
    ],
)
async def test_only_the_web_is_fetched_from(url: str) -> None:
    assert await why_missing(url) == "only http:// and https:// addresses are fetched"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0.0.0.0",  # noqa: S104
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "user:pass@127.0.0.1",
        "①②⑦.0.0.1",
        "127.0.0.1.",
    ],
)
async def test_nothing_is_fetched_from_this_machine_or_its_network(host: str) -> None:
    why = await why_missing(f"http://{host}/y", PUBLIC)
    assert "is no public address, and nothing else is fetched" in why


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_what_is_public_is_known(address: str) -> None:
    assert is_public(address)


def test_names_are_not_addresses() -> None:
    assert not is_public("example.com")


@pytest.mark.parametrize(
    "there",
    [
        "http://127.0.0.2:{port}/y",
        "http://10.0.0.1/y",
        "http://[::1]:{port}/y",
        "file:///etc/passwd",
    ],
)
async def test_a_redirection_leads_nowhere_else_either(place: Place, there: str) -> None:
    port = place.url.rpartition(":")[2]

    async def leads(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": there.format(port=port)})

    place.files["/y"] = leads
    why = await why_missing(place.url + "/y")
    assert "no public address" in why or "only http://" in why
    assert len(place.fetched) == 1


async def test_a_name_is_worth_no_more_than_the_address_it_stands_for(place: Place) -> None:
    port = place.url.rpartition(":")[2]
    why = await why_missing(f"http://localhost:{port}/y", PUBLIC)
    assert "localhost is no public address" in why
    assert not place.fetched


async def test_redirections_are_followed_for_a_while(place: Place) -> None:
    async def leads(request: web.Request) -> web.StreamResponse:
        left = int(request.path[2:])
        return web.Response(status=302, headers={"Location": f"/r{left - 1}" if left else "/y"})

    for left in range(7):
        place.files[f"/r{left}"] = leads
    place.at("/y", PDF)
    file = await had(Attachment("application/pdf", url=place.url + "/r4"))
    assert file.data == b64(PDF)
    assert "redirects more than 5 times" in await why_missing(place.url + "/r6")


async def test_nothing_of_the_providers_is_sent_along(place: Place) -> None:
    file = Attachment("application/pdf", url=place.at("/y.pdf", PDF))
    await asked_of(CHAT, place, asking(Incoming("See", (file,))))
    (fetched,) = place.fetched
    assert "Authorization" not in fetched.headers
    assert "the-secret-key" not in str(fetched.headers)
    assert "the-secret-key" in str(place.asked[0].headers)


async def test_an_address_goes_out_as_it_was_given(place: Place) -> None:
    place.at("/y", PDF)
    url = place.url + "/y?signature=a%2Fb%3D&x=%41"
    await had(Attachment("application/pdf", url=url))
    assert place.fetched[0].raw_path == "/y?signature=a%2Fb%3D&x=%41"


async def test_one_who_is_cancelled_stops_fetching(place: Place) -> None:
    begun = asyncio.Event()

    async def never(request: web.Request) -> web.StreamResponse:
        begun.set()
        await asyncio.sleep(60)
        raise AssertionError

    place.files["/y"] = never
    draft = Draft()
    file = Attachment("application/pdf", url=place.url + "/y")
    task = asyncio.create_task(asked_of(CHAT, place, asking(Incoming("", (file,)), draft=draft)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not draft.files


# Compressed files ---------------------------------------------------------------------------------


def packed(body: bytes, coding: str = "gzip") -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        named = {"Content-Encoding": coding, "Content-Type": "image/png"}
        return web.Response(body=body, headers=named)

    return answer


async def test_a_file_that_is_compressed_unasked_arrives_as_it_was(place: Place) -> None:
    body = b"\x89PNG" + bytes(range(256)) * 4_000
    place.files["/a.png"] = packed(gzip.compress(body))
    assert (await HERE.fetch_one(place.url + "/a.png")).body == body


async def test_a_small_file_that_stands_for_a_huge_one_is_too_large(place: Place) -> None:
    place.files["/a.png"] = packed(gzip.compress(bytes(30_000_000)))
    with pytest.raises(Unsendable, match="it is larger than 20 MB"):
        await HERE.fetch_one(place.url + "/a.png")


@pytest.mark.parametrize(
    ("coding", "why"), [("br", "compressed as 'br'"), ("gzip", "the gzip of the answer is broken")]
)
async def test_a_file_whose_coding_cannot_be_read_says_so(
    place: Place, coding: str, why: str
) -> None:
    place.files["/a.png"] = packed(b"no such coding", coding)
    with pytest.raises(Unsendable, match=why):
        await HERE.fetch_one(place.url + "/a.png")
