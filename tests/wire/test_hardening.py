"""What strangers' servers, settings and addresses must not be able to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import process_time

import pytest

from agentouto import Agent, Provider, Tool, async_run
from agentouto._domain.content import Incoming
from agentouto._domain.errors import ConfigurationError
from agentouto._domain.kinds import Kind
from agentouto._domain.memory import Memory
from agentouto._domain.redaction import CUT, hidden_in, in_all_forms, secrets_in
from agentouto.providers import open_backend
from agentouto.providers._anthropic import wire as anthropic
from agentouto.providers._format.errors import LONGEST, ErrorDetails, parse_error, short
from agentouto.providers._format.json import arguments_text, dump, parse
from agentouto.providers._format.quirks import MOST_QUIRKS, LearnedQuirks, Quirks, field_named
from agentouto.providers._format.wire import Wire
from agentouto.providers._google import wire as google
from agentouto.providers._google.raw_arguments import written_arguments
from agentouto.providers._openai import chat_wire, responses_wire
from agentouto.providers._transport.downloads import is_public
from agentouto.providers._transport.keys import secrets
from wire.dialects import DIALECTS, Call, Words
from wire.server import serving, streams
from wire.words import asking

DEEP = "[" * 100_000


@pytest.mark.parametrize("text", [b'{"x":' + b"[" * 5000, b"[" * 100_000])
def test_what_is_nested_too_deeply_is_no_json(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"nested|JSON|Expecting|truncated"):
        parse(text)
    assert parse_error(text, 400, {}).status == 400


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
    assert r"my\/secret+one" in in_all_forms(["my/secret+one"])


def test_a_secret_is_not_shown_where_a_text_was_cut_in_the_middle_of_it() -> None:
    secret = "Zm9vYmFy/is+mine"
    for before in range(LONGEST - 20, LONGEST + 4):
        hidden = hidden_in(short("x" * before + secret + "y" * LONGEST), [secret])
        assert not any(secret[:size] in hidden for size in range(4, len(secret)))
        assert hidden.endswith(CUT)


@pytest.mark.parametrize(
    ("said", "wait"),
    [("try again in 6m0s", 360), ("try again in 1.5s", 1.5), ("try again in 1.2.3s", None)],
)
def test_a_wait_in_words_is_understood_or_passed_over(said: str, wait: float | None) -> None:
    assert (
        parse_error(f'{{"error": {{"message": "Please {said}."}}}}'.encode(), 429, {}).retry_after
        == wait
    )


def test_a_date_out_of_this_world_is_no_wait() -> None:
    late = {
        "retry-after": "Wed, 21 Oct 2015 07:28:00 +9999999999999999",
        "date": "Wed, 21 Oct 2015 07:28:00 GMT",
    }
    assert parse_error(b"", 429, late).retry_after is None


def test_nobody_learns_from_another_ones_wrong_value() -> None:
    optional = frozenset({"temperature", "max_tokens"})
    said = "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3.0 instead."
    assert field_named(optional, ErrorDetails(said, param="temperature", status=400)) == ""
    assert (
        field_named(
            optional,
            ErrorDetails("Unsupported parameter: 'temperature'", param="temperature", status=400),
        )
        == "temperature"
    )


# Nested too deeply --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [f'{{"x": {DEEP}', f'{{"x": {DEEP}{"]" * 100_000}}}'])
def test_arguments_that_nobody_can_read_are_sent_as_text(text: str) -> None:
    assert json.loads(arguments_text(text)) == {"_invalid_json": text}


def test_what_nobody_can_write_down_is_said_to_be_so() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    for odd in (value, [value, "\ud800"], ["\ud800", value]):
        with pytest.raises(ValueError, match="nested too deeply"):
            dump(odd)


def test_a_call_whose_arguments_are_nested_too_deeply_is_a_call_without_a_text() -> None:
    event = f'{{"candidates": [{{"content": {{"parts": [{{"functionCall": {{"args": {DEEP}'
    assert written_arguments(event.encode(), [{"functionCall": {"args": {"x": 1}}}]) == ['{"x":1}']


@pytest.mark.parametrize("depth", [900, 960, 3000])
@pytest.mark.parametrize("kind", DIALECTS)
async def test_a_model_that_nests_too_deeply_costs_no_run(kind: Kind, depth: int) -> None:
    @Tool
    def look(what: str) -> str:
        """Look."""
        return what

    deep = "[" * depth + "]" * depth
    said = DIALECTS[kind].stream([Call("call_A", '{"what":"@@"}')])
    for held, put in ((b'"@@"', deep), (b'\\"@@\\"', deep)):
        said = said.replace(held, put.encode())
    async with serving(streams(said), streams(DIALECTS[kind].stream([Words("done")]))) as server:
        provider = Provider("p", kind, api_key="k", base_url=server.url)
        result = await async_run("Go", [Agent("a", "You look.", "m", "p")], [look], [provider])
        assert result.output == "done"
        assert len(server.asked) == 2


# Addresses and pages ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["openai", "openai_responses", "anthropic", "google"])
@pytest.mark.parametrize(
    "base_url",
    ["http://[::1/v1", f"http://{'a' * 64}.com/v1", "http://a..b/v1", "http://x:99999/v1"],
)
def test_an_address_that_no_server_can_have_is_refused_before_anything_starts(
    kind: Kind, base_url: str
) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        open_backend(Provider("p", kind, api_key="k", base_url=base_url))


@pytest.mark.parametrize("piece", ["<title", "<script ", "<", "<style><", "<a b='", "eyJ-"])
def test_a_broken_page_is_read_in_no_time(piece: str) -> None:
    page = (piece * 65_536)[:65_536].encode()
    said = json.dumps({"error": {"message": page.decode(), "code": page.decode()}}).encode()
    begun = process_time()
    for body in (page, said):
        assert len(parse_error(body, 502, {}).message) <= 500
    assert process_time() - begun < 1


# What is kept -------------------------------------------------------------------------------------


def test_what_servers_teach_is_kept_for_a_thousand_of_them() -> None:
    corrections: LearnedQuirks[Quirks] = LearnedQuirks()
    kept = [corrections.of(str(number), Quirks) for number in range(MOST_QUIRKS)]
    assert corrections.of("0", Quirks) is kept[0]
    corrections.of("one more", Quirks)
    assert len(corrections) == MOST_QUIRKS
    assert corrections.of("1", Quirks) is kept[1]
    assert corrections.of("0", Quirks) is not kept[0]


@pytest.mark.parametrize(
    ("make", "corrections"),
    [
        (chat_wire.OpenAIChatWire, chat_wire.LearnedChatQuirks),
        (responses_wire.OpenAIResponsesWire, responses_wire.LearnedResponsesQuirks),
        (anthropic.AnthropicWire, anthropic.LearnedMessagesQuirks),
        (google.GeminiWire, google.LearnedGeminiQuirks),
    ],
    ids=["openai", "openai_responses", "anthropic", "google"],
)
def test_no_format_remembers_models_without_end(
    make: Callable[..., Wire], corrections: type[LearnedQuirks[Quirks]]
) -> None:
    memory = Memory()
    wire = make(Provider("p", "openai", base_url="http://localhost:1"), memory)
    for number in range(1_100):
        wire.encode(asking(Incoming("Hi"), model=f"m{number}"))
    assert len(memory.part(corrections)) == MOST_QUIRKS


# Secrets ------------------------------------------------------------------------------------------


def test_headers_are_secret_under_every_name_but_a_few() -> None:
    headers = {
        "X-Api-Key": "key-number-one",
        "X-Seal": "Bearer token-number-two",
        "Authorization": "Seal Credential=AK/one, Signature=abcdefgh",
        "X-Own": "value-number-three",
        "X-Title": "The Application",
        "User-Agent": "harmless/1.0",
        "anthropic-beta": "harmless-2025-08-07",
        "Content-Type": "application/json",
    }
    hidden = set(secrets_in(headers))
    assert {
        "key-number-one",
        "token-number-two",
        "Credential=AK/one",
        "Signature=abcdefgh",
        "value-number-three",
        "The Application",
    } <= hidden
    shown = {"Application", "harmless/1.0", "harmless-2025-08-07", "application/json"}
    assert not shown & hidden
