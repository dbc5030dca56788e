"""Errors, addresses and keys."""

from __future__ import annotations

import json

import pytest

from agentouto._domain.errors import (
    AgentoutoError,
    AuthError,
    ConfigurationError,
    ContextOverflow,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
)
from agentouto._domain.participants import Provider
from agentouto._network import is_local, shown
from agentouto.providers import missing_key, open_backend
from agentouto.providers._format.errors import parse_error
from agentouto.providers._format.wire import endpoint
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.keys import find_key, own_variable, resolve_key
from wire.words import local


def said(message: object, code: object = None, type_: object = None, param: object = None) -> bytes:
    return json.dumps(
        {"error": {"message": message, "code": code, "type": type_, "param": param}}
    ).encode()


def refusal(status: int, body: bytes = b"", **headers: str) -> AgentoutoError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return OpenAIChatWire(local()).error_for(parse_error(body, status, named))


REFUSALS: list[tuple[int, bytes, type[AgentoutoError]]] = [
    (401, said("Incorrect API key provided", "invalid_api_key"), AuthError),
    (403, b"", AuthError),
    (400, said("bad key", "invalid_api_key"), AuthError),
    (402, b"", QuotaExhausted),
    (
        429,
        said("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
        QuotaExhausted,
    ),
    (429, said("x", "billing_hard_limit_reached"), QuotaExhausted),
    (429, said("x", "project_spend_limit_exceeded"), QuotaExhausted),
    (429, said("You exceeded your current quota, retry in 14s", 429, None), RateLimited),
    (429, said("slow down", "rate_limit_exceeded"), RateLimited),
    (429, said("You exceeded your current quota, please check your plan."), QuotaExhausted),
    (429, said("You exceeded your current quota", "RESOURCE_EXHAUSTED"), RateLimited),
    (
        429,
        said("Request too large for m on tokens per min: Limit 10000, Requested 20000.", "tokens"),
        ContextOverflow,
    ),
    (429, said("Rate limit reached for m: Limit 10000, Used 9000, Requested 2000."), RateLimited),
    (500, said("input length exceeds context length"), ContextOverflow),
    (500, said("more than the maximum number of tokens allowed"), ContextOverflow),
    (400, said("this model does not support maximum context length option"), ProviderError),
    (429, b"", RateLimited),
    (400, said("too long", "context_length_exceeded"), ContextOverflow),
    (400, said("This model's maximum context length is 4096 tokens"), ContextOverflow),
    (400, said("Please reduce the length of the messages or completion."), ContextOverflow),
    (
        400,
        said("the request exceeds the available context size", "exceed_context_size_error"),
        ContextOverflow,
    ),
    (500, said("the request exceeds the available context size"), ContextOverflow),
    (413, b"", ContextOverflow),
    (
        400,
        said("the maximum prompt length is 131072 but there are 537812 tokens."),
        ContextOverflow,
    ),
    (400, said("Your request exceeded model token limit: 262144"), ContextOverflow),
    (400, said("prompt token count of 70000 exceeds the limit of 64000"), ContextOverflow),
    (400, said("invalid params, context window exceeds limit (2013)"), ContextOverflow),
    (400, b'{"error":"more tokens to keep, greater than the context length"}', ContextOverflow),
    (400, said("the model is loaded with context length of only 4096 tokens"), ContextOverflow),
    (400, said("filtered", "content_filter"), Refused),
    (404, said("no such model", "model_not_found"), ProviderError),
    (400, said("nope"), ProviderError),
    (422, b'{"detail":[{"loc":["body","x"],"msg":"wrong"}]}', ProviderError),
    (408, b"", ProviderUnavailable),
    (409, b"", ProviderUnavailable),
    (500, b"", ProviderUnavailable),
    (502, b"<html><head><title>Bad Gateway</title>", ProviderUnavailable),
    (503, said("x", "server_is_overloaded"), ProviderUnavailable),
    (529, b"", ProviderUnavailable),
    (400, said("x", "server_is_overloaded"), ProviderUnavailable),
]


@pytest.mark.parametrize(("status", "body", "kind"), REFUSALS)
def test_each_refusal_has_its_error(status: int, body: bytes, kind: type[AgentoutoError]) -> None:
    error = refusal(status, body)
    assert type(error) is kind
    if isinstance(error, ProviderError):
        assert (error.status, error.provider_name) == (status, "local")
        assert error.retryable is (kind in {RateLimited, ProviderUnavailable})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (said("boom"), "boom"),
        (b'{"error":"boom"}', "boom"),
        (b'{"message":"boom","code":"x"}', "boom"),
        (b'{"detail":"boom"}', "boom"),
        (
            b'{"detail":[{"loc":["body","a"],"msg":"boom"},{"loc":["b"],"msg":"bang"}]}',
            "body.a: boom; b: bang",
        ),
        (b'[{"error":{"message":"boom"}}]', "boom"),
        (b'{"error":{"message":{"a":1}}}', '{"a":1}'),
        (b"boom\n  bang", "boom bang"),
        (
            b"<html><title> Gone &amp; lost</title><body>x</body></html>",
            "a web page titled 'Gone & lost'",
        ),
        (b"<html><style>x{}</style><h1>502</h1> nginx", "502 nginx"),
        (b"", "it said nothing else"),
        (b"null", "it said nothing else"),
        (b"{}", "it said nothing else"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_an_error_is_read_in_every_shape(body: bytes, text: str) -> None:
    assert str(refusal(400, body)) == (
        f"[local] HTTP 400 Bad Request for http://localhost:1/v1/chat/completions: {text}"
    )


def test_a_long_text_is_cut() -> None:
    assert len(str(refusal(400, b"x" * 100_000))) < 700


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123456",
        "sk-abc***********wxyz",
        "AIzaSyA1234567890abc",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4.sig",
    ],
)
def test_what_looks_like_a_key_is_not_shown(secret: str) -> None:
    assert secret not in str(refusal(401, said(f"Incorrect API key provided: {secret}.")))


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "250", "retry_after": "7"}, 0.25),
        (
            {
                "retry_after": "Wed, 21 Oct 2026 07:28:10 GMT",
                "date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            10.0,
        ),
        (
            {
                "retry_after": "Wed, 21 Oct 2026 07:28:00 GMT",
                "date": "Wed, 21 Oct 2026 07:28:10 GMT",
            },
            0.0,
        ),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-1"}, None),
        ({}, None),
    ],
)
def test_the_wait_a_server_asks_for_is_understood(
    headers: dict[str, str], wait: float | None
) -> None:
    error = refusal(429, b"", **headers)
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait


@pytest.mark.parametrize(
    ("text", "wait"),
    [("try again in 1.5s.", 1.5), ("Please try again in 20ms", 0.02), ("try again in 2m", 120)],
)
def test_a_wait_may_stand_in_the_text(text: str, wait: float) -> None:
    error = refusal(429, said(text))
    assert isinstance(error, RateLimited)
    assert error.retry_after == pytest.approx(wait)


def test_a_busy_server_that_says_how_long_is_waited_for_like_a_limit() -> None:
    error = refusal(503, b"", retry_after="3")
    assert isinstance(error, RateLimited)
    assert error.retry_after == 3


# Addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (None, "https://api.openai.com/v1/chat/completions"),
        ("http://localhost:11434", "http://localhost:11434/v1/chat/completions"),
        ("http://localhost:11434/", "http://localhost:11434/v1/chat/completions"),
        ("http://localhost:11434/v1", "http://localhost:11434/v1/chat/completions"),
        ("http://localhost:11434/v1/", "http://localhost:11434/v1/chat/completions"),
        ("https://x.ai/openai/v2", "https://x.ai/openai/v2/chat/completions"),
        ("https://x.ai/v1/chat/completions", "https://x.ai/v1/chat/completions"),
        ("https://x.ai/v1/chat/completions/", "https://x.ai/v1/chat/completions"),
        ("https://x.ai/d/gpt?api-version=1", "https://x.ai/d/gpt/chat/completions?api-version=1"),
        ("https://x.ai?k=v#part", "https://x.ai/v1/chat/completions?k=v"),
        (" https://x.ai/v1 ", "https://x.ai/v1/chat/completions"),
        ("http://[::1]:8000", "http://[::1]:8000/v1/chat/completions"),
    ],
)
def test_an_address_may_be_given_in_any_length(base_url: str | None, url: str) -> None:
    wire = OpenAIChatWire(Provider("p", "openai", base_url=base_url))
    assert wire.url == url


@pytest.mark.parametrize(
    "base_url",
    [
        "localhost:8000",
        "",
        "ftp://x",
        "http://",
        "/v1",
        "https://me:secret@x.ai/v1",
        "http://me:secret@[::1/v1?key=secret",
        "http://x.ai:80000/v1",
        "http://x.ai:port/v1",
        "http://x ai/v1",
        "http://x..ai/v1",
        f"http://{'x' * 64}.ai/v1",
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_starts(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        open_backend(local(base_url=base_url))
    assert "secret" not in str(caught.value)


def test_what_may_be_secret_in_an_address_is_not_shown() -> None:
    assert shown("https://me:pw@x.ai/v1?key=secret#x") == "https://x.ai/v1"
    assert endpoint("https://x.ai/v1?key=s", "", "/v1", "/c") == "https://x.ai/v1/c?key=s"


@pytest.mark.parametrize(
    ("url", "local_"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.9.0.1", True),
        ("http://[::1]/", True),
        ("http://a.localhost", True),
        ("http://127.0.0.1.evil.com", False),
        ("https://api.openai.com", False),
        ("http://192.168.0.2", False),
    ],
)
def test_this_machine_is_recognised(url: str, *, local_: bool) -> None:
    assert is_local(url) is local_


@pytest.mark.parametrize("kind", ["openai", "openai_responses", "anthropic", "google"])
def test_every_kind_that_is_spoken_over_http_is_opened(kind: str) -> None:
    assert isinstance(open_backend(Provider("p", kind)), HttpBackend)


# Keys ---------------------------------------------------------------------------------------------


class Tokens:
    """Hands out a new token each time."""

    def __init__(self, error: Exception | None = None) -> None:
        self.count = 0
        self.error = error

    async def get_token(self) -> str:
        if self.error:
            raise self.error
        self.count += 1
        return f"token-{self.count}"


async def key_of(provider: Provider) -> str:
    return await resolve_key(provider, OpenAIChatWire(provider).url)


async def test_the_key_that_was_given_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "vendor")
    monkeypatch.setenv("AGENTOUTO_MY_GPT_API_KEY", "own")
    assert await key_of(Provider("my-gpt", "openai", "given\n")) == "given"
    assert await key_of(Provider("my-gpt", "openai")) == "own"
    assert await key_of(Provider("other", "openai")) == "vendor"


async def test_a_cloud_key_never_goes_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "vendor")
    assert await key_of(local()) == ""
    monkeypatch.setenv("AGENTOUTO_LOCAL_API_KEY", "own")
    assert await key_of(local()) == "own"


async def test_a_missing_key_is_told_with_the_ways_out() -> None:
    with pytest.raises(AuthError, match=r"Set OPENAI_API_KEY.*Provider\(kind=\"script\"\)"):
        await key_of(Provider("openai"))


async def test_a_key_that_no_header_can_carry_is_refused_unseen() -> None:
    for key in ("sk-\x00secret", "sk-schlüssel"):
        with pytest.raises(AuthError, match="no header may carry") as caught:
            await key_of(Provider("openai", api_key=key))
        assert key not in str(caught.value)


def test_the_variable_of_a_provider_is_made_of_its_name() -> None:
    assert own_variable("my gpt-4.x") == "AGENTOUTO_MY_GPT_4_X_API_KEY"


def test_the_command_line_can_ask_which_key_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_key(Provider("openai")) == "OPENAI_API_KEY"
    assert missing_key(Provider("x", "google")) == "GEMINI_API_KEY"
    assert missing_key(local()) is None
    assert missing_key(Provider("openai", auth=Tokens())) is None
    assert missing_key(Provider("s", "script")) is None
    monkeypatch.setenv("GOOGLE_API_KEY", "k")
    assert missing_key(Provider("google")) is None
    assert find_key(Provider("google")) == "k"


async def test_a_token_is_asked_for_each_time_and_kept_from_open_networks() -> None:
    tokens = Tokens()
    provider = Provider("openai", auth=tokens)
    assert [await key_of(provider), await key_of(provider)] == ["token-1", "token-2"]
    assert await key_of(local(auth=tokens)) == "token-3"
    with pytest.raises(AuthError, match="https://"):
        await key_of(local(auth=tokens, base_url="http://192.168.0.2/v1"))
    assert tokens.count == 3


async def test_auth_that_fails_is_an_auth_error_with_its_cause() -> None:
    with pytest.raises(AuthError, match="handed out no token") as caught:
        await key_of(Provider("openai", auth=Tokens(RuntimeError("no disk"))))
    assert isinstance(caught.value.__cause__, RuntimeError)
    own = AuthError("oauth", "log in again")
    with pytest.raises(AuthError) as caught:
        await key_of(Provider("openai", auth=Tokens(own)))
    assert caught.value is own
