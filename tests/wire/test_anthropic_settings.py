"""What an agent's settings become for Claude, what servers teach, and what their errors mean."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from agentouto._domain.content import Incoming, Outcome, Reply, Text
from agentouto._domain.errors import (
    AgentoutoError,
    AuthError,
    ContextOverflow,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Draft, ModelRequest
from agentouto.providers import missing_key, open_backend
from agentouto.providers._anthropic.wire import (
    BINDING_BETA,
    TOKEN_BETA,
    VERSION,
    AnthropicWire,
)
from agentouto.providers._format.errors import parse_error
from agentouto.providers._format.wire import WireRequest
from agentouto.providers._models.families import claude_family
from wire.anthropic_words import (
    ELSEWHERE,
    HOME,
    MEMORY,
    asked,
    assistant,
    body_of,
    complaints,
    kept,
    text,
    thought,
    use,
    user,
)
from wire.words import LOOK, call, came_of
from wire.words import wants as called


@pytest.fixture(autouse=True)
def nothing_has_been_learnt() -> None:
    MEMORY.forget()


PLAIN = {"model", "stream", "messages", "cache_control", "max_tokens"}


def settings_of(provider: Provider = HOME, **settings: Any) -> dict[str, Any]:
    """The settings in a request: what is in every one is left out."""
    body = body_of(asked(Incoming("Hi"), **settings), provider)
    if "extra" not in settings:
        assert complaints(body) == []
    return {key: value for key, value in body.items() if key not in PLAIN}


def adaptive(effort: str) -> dict[str, object]:
    return {
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": effort},
    }


def enabled(budget: int) -> dict[str, object]:
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


NOTHING: dict[str, object] = {}
OFF = {"thinking": {"type": "disabled"}}
LOW = {"output_config": {"effort": "low"}}


@pytest.mark.parametrize(
    ("model", "off", "medium", "strongest", "cap"),
    [
        ("claude-fable-5-2", LOW, adaptive("medium"), adaptive("max"), 128_000),
        ("claude-mythos-5", LOW, adaptive("medium"), adaptive("max"), 128_000),
        ("claude-opus-5-5-20261001", LOW, adaptive("medium"), adaptive("max"), 128_000),
        (
            "claude-sonnet-5-5",
            {"thinking": {"type": "between_tools"}},
            adaptive("medium"),
            adaptive("max"),
            128_000,
        ),
        ("claude-opus-5", OFF, adaptive("medium"), adaptive("max"), 128_000),
        ("claude-sonnet-5", OFF, adaptive("medium"), adaptive("max"), 128_000),
        ("claude-haiku-5-5", OFF, adaptive("medium"), adaptive("max"), 128_000),
        ("claude-opus-4-8", NOTHING, adaptive("medium"), adaptive("max"), 128_000),
        ("claude-opus-4-7", NOTHING, adaptive("medium"), adaptive("max"), 128_000),
        ("claude-opus-4-6", NOTHING, adaptive("medium"), adaptive("max"), 128_000),
        ("claude-sonnet-4-6", NOTHING, adaptive("medium"), adaptive("max"), 128_000),
        ("claude-opus-4-5", NOTHING, enabled(8_192), enabled(40_960), 64_000),
        ("claude-sonnet-4-5-20250929", NOTHING, enabled(8_192), enabled(40_960), 64_000),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", NOTHING, enabled(8_192), enabled(40_960), 64_000),
        ("anthropic/claude-sonnet-4.5", NOTHING, enabled(8_192), enabled(40_960), 64_000),
        ("claude-opus-4-1@20250805", NOTHING, enabled(8_192), enabled(27_904), 32_000),
        ("claude-opus-4-20250514", NOTHING, enabled(8_192), enabled(27_904), 32_000),
        ("claude-3-7-sonnet-latest", NOTHING, enabled(8_192), enabled(40_960), 64_000),
        ("claude-3-5-haiku-20241022", NOTHING, NOTHING, NOTHING, 8_192),
        ("claude-3-opus-20240229", NOTHING, NOTHING, NOTHING, 4_096),
        ("claude-octopus-7", NOTHING, adaptive("medium"), adaptive("max"), 16_384),
        ("kimi-k3", NOTHING, enabled(8_192), enabled(40_960), 16_384),
    ],
)  # fmt: skip
def test_each_family_is_told_to_think_in_its_own_way(
    model: str,
    off: dict[str, object],
    medium: dict[str, object],
    strongest: dict[str, object],
    cap: int,
) -> None:
    assert settings_of(model=model) == off
    assert settings_of(model=model, reasoning=True) == medium
    assert settings_of(model=model, reasoning=True, reasoning_effort="max") == strongest
    assert settings_of(model=model, reasoning=True, reasoning_effort="none") == off
    assert body_of(asked(model=model))["max_tokens"] == cap


def test_an_effort_is_one_the_model_takes() -> None:
    assert settings_of(model="claude-opus-4-6", reasoning=True, reasoning_effort="xhigh") == (
        adaptive("max")
    )
    assert settings_of(reasoning=True, reasoning_effort="minimal") == adaptive("low")


def test_a_budget_is_sent_where_there_are_budgets_and_fits_into_the_reply() -> None:
    def sent(**settings: Any) -> tuple[int, int]:
        body = body_of(asked(reasoning=True, **({"model": "claude-sonnet-4-5"} | settings)))
        return body["max_tokens"], body.get("thinking", {}).get("budget_tokens", 0)

    assert sent(reasoning_budget=2_000) == (64_000, 2_000)
    assert sent(reasoning_budget=10) == (64_000, 1_024)
    assert sent(reasoning_budget=20_000, max_output_tokens=8_192) == (8_192, 6_144)
    assert sent(reasoning_budget=8_000, max_output_tokens=8_192) == (8_192, 8_000)
    assert sent(reasoning_effort="high", max_output_tokens=8_192) == (8_192, 6_144)
    assert sent(max_output_tokens=1_100) == (1_100, 1_024)
    assert sent(max_output_tokens=1_024) == (1_024, 0)
    assert sent(reasoning_budget=30_000, model="kimi-k3") == (34_096, 30_000)


def test_a_budget_becomes_the_nearest_effort_where_there_are_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "agentouto"):
        for _ in range(2):
            assert settings_of(model="claude-opus-4-7", reasoning=True, reasoning_budget=3_000) == (
                adaptive("low")
            )
    assert len(caplog.records) == 1
    assert "reasoning_budget is not sent" in caplog.text


def test_only_a_temperature_that_was_chosen_is_sent_and_only_where_it_is_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def temperature(**settings: Any) -> object:
        return settings_of(temperature=0.2, **settings).get("temperature")

    old = "claude-sonnet-4-5"
    assert "temperature" not in settings_of(model=old)
    assert temperature(model=old) == 0.2
    assert temperature(model="claude-opus-4-6") == 0.2
    assert temperature(model="kimi-k3") == 0.2
    with caplog.at_level(logging.WARNING, "agentouto"):
        assert temperature(model=old, reasoning=True) is None
        assert temperature(model="claude-opus-4-7") is None
        assert temperature(model="claude-opus-5-5") is None
        newer = {"extra_headers": {"Anthropic-Version": "2026-10-21"}}
        assert temperature(model="claude-haiku-4-5", extra=newer) is None
        own = {"thinking": {"type": "enabled", "budget_tokens": 2_000}}
        assert temperature(model="claude-3-7-sonnet", extra=own) is None
    assert caplog.text.count("temperature is not sent") == 5


def test_the_length_of_a_reply_is_what_the_agent_says_and_the_model_can() -> None:
    assert body_of(asked(max_output_tokens=9))["max_tokens"] == 9
    assert body_of(asked(max_output_tokens=10**6))["max_tokens"] == 128_000
    assert body_of(asked(max_output_tokens=10**6, model="unheard-of"))["max_tokens"] == 10**6


def test_extra_has_the_last_word() -> None:
    extra = {
        "temperature": 0.1,
        "max_tokens": 5,
        "thinking": {"display": "omitted"},
        "cache_control": {"ttl": "1h"},
        "output_config": {"format": {"type": "json_schema", "schema": {}}},
        "metadata": {"user_id": "u"},
        "extra_headers": {"X-Title": "t", "anthropic-beta": "a-1"},
    }
    request = asked(Incoming("Hi"), reasoning=True, temperature=0.7, extra=extra)
    sent = AnthropicWire(HOME).encode(request)
    assert json.loads(sent.body) == {
        "model": "claude-opus-4-8",
        "stream": True,
        "temperature": 0.1,
        "max_tokens": 5,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "output_config": {"effort": "medium", "format": {"type": "json_schema", "schema": {}}},
        "metadata": {"user_id": "u"},
        "messages": [user(text("Hi"))],
    }
    assert sent.headers == {
        "anthropic-version": "2023-06-01",
        "x-title": "t",
        "anthropic-beta": "a-1",
    }
    assert sent.optional == {"thinking", "effort"}


def test_thinking_that_the_user_has_set_is_not_mixed_with_ours() -> None:
    for own in ({"type": "disabled"}, {"type": "enabled", "budget_tokens": 1_024}, None):
        body = body_of(asked(model="claude-sonnet-4-5", reasoning=True, extra={"thinking": own}))
        assert body["thinking"] == own


def test_extra_may_replace_system_and_messages() -> None:
    extra = {"system": [text("X")], "messages": [user(text("Ho"))]}
    body = body_of(asked(Incoming("Hi"), system="S", tools=(LOOK,), extra=extra))
    assert {key: body[key] for key in extra} == extra


def test_a_blank_system_prompt_is_left_out() -> None:
    assert "system" not in body_of(asked(Incoming("Hi"), system=" \n"))


def test_an_extra_that_is_not_json_is_a_provider_error() -> None:
    with pytest.raises(ProviderError, match="is not JSON"):
        body_of(asked(extra={"x": object()}))


# Addresses and keys -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (None, "https://api.anthropic.com/v1/messages"),
        ("http://localhost:1", "http://localhost:1/v1/messages"),
        ("http://localhost:1/", "http://localhost:1/v1/messages"),
        ("http://localhost:1/v1", "http://localhost:1/v1/messages"),
        (" http://localhost:1/v1/ ", "http://localhost:1/v1/messages"),
        ("http://localhost:1/v1/messages", "http://localhost:1/v1/messages"),
        ("https://x.ai/api/anthropic", "https://x.ai/api/anthropic/v1/messages"),
        ("https://x.ai/anthropic/v1", "https://x.ai/anthropic/v1/messages"),
        ("https://x.ai/a?k=v", "https://x.ai/a/v1/messages?k=v"),
    ],
)
def test_an_address_may_be_given_in_any_length(base_url: str | None, url: str) -> None:
    assert AnthropicWire(Provider("p", "anthropic", base_url=base_url)).url == url


class Tokens:
    async def get_token(self) -> str:
        return "token"


def test_a_key_goes_where_it_is_looked_for() -> None:
    def headers(key: str, provider: Provider = HOME) -> dict[str, str]:
        return dict(AnthropicWire(provider).credentials(key))

    bearer = {"authorization": "Bearer t"}
    assert headers("") == {}
    assert headers("k") == {"x-api-key": "k"}
    assert headers("t", ELSEWHERE) == {"x-api-key": "t", **bearer}
    signed_in = Provider("anthropic", auth=Tokens())
    assert headers("t", signed_in) == {**bearer, "anthropic-beta": TOKEN_BETA}
    by_name = Provider("p", "anthropic", base_url="https://api.anthropic.com/v1", auth=Tokens())
    assert headers("t", by_name) == {**bearer, "anthropic-beta": TOKEN_BETA}
    assert headers("sk-ant-api03-x", signed_in) == {"x-api-key": "sk-ant-api03-x"}
    assert headers("sk-ant-oat01-x") == {
        "authorization": "Bearer sk-ant-oat01-x",
        "anthropic-beta": TOKEN_BETA,
    }
    elsewhere = Provider("p", "anthropic", auth=Tokens(), base_url="https://x.ai")
    assert headers("t", elsewhere) == bearer


def test_the_beta_of_tokens_is_not_lost_beside_others() -> None:
    request = asked(extra={"extra_headers": {"Anthropic-Beta": "a-1, b-2"}})
    sent = AnthropicWire(Provider("anthropic", auth=Tokens())).encode(request)
    assert sent.headers["anthropic-beta"] == f"a-1,b-2,{TOKEN_BETA}"


def test_the_kind_can_be_opened() -> None:
    open_backend(HOME)
    assert missing_key(Provider("anthropic")) == "ANTHROPIC_API_KEY"


# What servers teach -------------------------------------------------------------------------------


class Server:
    """One server that refuses, asked about one model that nobody else is asked about."""

    count = 0

    def __init__(self, provider: Provider = HOME, **settings: Any) -> None:
        Server.count += 1
        model = f"{settings.pop('model', 'claude-opus-4-8')}-{Server.count}"
        self.wire = AnthropicWire(provider)
        self.settings = {"model": model, "draft": Draft(), **settings}
        self.entries: list[Any] = [Incoming("Hi")]

    def request(self) -> ModelRequest:
        return asked(*self.entries, **self.settings)

    def sent(self) -> WireRequest:
        return self.wire.encode(self.request())

    def body(self) -> dict[str, Any]:
        return json.loads(self.sent().body)

    def refuses(self, message: str, status: int = 400) -> dict[str, Any]:
        """Refuse the next request; return the one after it."""
        request, sent = self.request(), self.sent()
        self.wire.adapt(request, sent, said(message, status=status))
        return self.body()


def said(message: str, kind: str = "invalid_request_error", status: int | None = 400) -> Any:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return parse_error(json.dumps(body).encode(), status)


def test_thinking_is_asked_for_in_the_other_way_and_then_not_at_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server(model="claude-sonnet-4-5", reasoning=True)
    with caplog.at_level(logging.WARNING, "agentouto"):
        body = server.refuses(
            '"thinking.type.enabled" is not supported for this model. Use '
            '"thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        )
        assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
        body = server.refuses("adaptive thinking is not supported on this model")
    assert "thinking" not in body
    assert caplog.text.count("thinking=enabled is not sent") == 1
    assert caplog.text.count("thinking=adaptive is not sent") == 1

    server = Server(reasoning=True)
    body = server.refuses("thinking.type: adaptive is not supported on this model")
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 8_192}
    assert "output_config" not in body


def test_thinking_that_cannot_be_switched_off_is_kept_short() -> None:
    server = Server(model="claude-opus-5")
    assert server.body()["thinking"] == {"type": "disabled"}
    body = server.refuses('"thinking.type.disabled" is not supported for this model.')
    assert "thinking" not in body
    assert body["output_config"] == {"effort": "low"}

    server = Server(model="claude-haiku-5-5")
    body = server.refuses('"thinking.type.disabled" is not supported. Use "between_tools".')
    assert body["thinking"] == {"type": "between_tools"}


def test_an_effort_is_chosen_among_those_a_server_names() -> None:
    server = Server(reasoning=True, reasoning_effort="xhigh")
    body = server.refuses(
        "This model does not support effort level 'xhigh'. Supported levels: high, low, medium."
    )
    assert body["output_config"] == {"effort": "high"}
    body = server.refuses("output_config: Extra inputs are not permitted")
    assert "output_config" not in body
    assert body["thinking"]["type"] == "adaptive"


@pytest.mark.parametrize(
    ("message", "gone"),
    [
        ("cache_control: Extra inputs are not permitted", "cache_control"),
        ("thinking.adaptive.display: Extra inputs are not permitted", "display"),
        ("body.cache_control: extra fields not permitted", "cache_control"),
    ],
)
def test_a_field_of_ours_that_is_refused_is_left_out(message: str, gone: str) -> None:
    server = Server(reasoning=True)
    assert f'"{gone}"'.encode() in server.sent().body
    server.refuses(message)
    assert f'"{gone}"'.encode() not in server.sent().body
    assert server.body()["thinking"]["type"] == "adaptive"


def test_a_temperature_that_is_refused_is_left_out() -> None:
    server = Server(model="claude-sonnet-4-5", temperature=0.2)
    body = server.refuses("`temperature` and `top_p` cannot both be specified for this model.")
    assert "temperature" not in body


def test_a_wrong_temperature_says_nothing_of_others() -> None:
    server = Server(model="claude-sonnet-4-5", temperature=1.2)
    body = server.refuses("temperature: Input should be less than or equal to 1")
    assert body["temperature"] == 1.2


def test_what_the_user_has_put_into_extra_is_never_left_out() -> None:
    extra = {
        "temperature": 0.1,
        "cache_control": {"type": "ephemeral"},
        "thinking": {"type": "enabled", "budget_tokens": 2_000},
        "output_config": {"effort": "max"},
        "max_tokens": 10**6,
    }
    server = Server(reasoning=True, extra=extra)
    before = server.sent().body
    for message in (
        "temperature: Extra inputs are not permitted",
        "cache_control: Extra inputs are not permitted",
        '"thinking.type.enabled" is not supported for this model.',
        "This model does not support effort level 'max'. Supported levels: low.",
        "max_tokens: 1000000 > 128000, which is the maximum allowed number of output tokens",
    ):
        server.refuses(message)
        assert server.sent().body == before


@pytest.mark.parametrize(
    ("message", "cap"),
    [
        (
            "max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens for x",
            8_192,
        ),
        ("max_tokens: must be less than or equal to 4,096", 4_096),
        ("The maximum tokens you requested exceeds the model limit of 2048. Try lower.", 2_048),
    ],
)
def test_how_long_a_reply_may_be_is_learnt_from_the_refusal(message: str, cap: int) -> None:
    server = Server(model="unheard-of")
    assert server.refuses(message)["max_tokens"] == cap
    assert server.refuses("max_tokens: wrong somehow")["max_tokens"] == cap


def test_the_version_of_the_api_is_the_one_a_server_asks_for() -> None:
    server = Server(model="claude-sonnet-4-5", temperature=0.2)
    assert server.sent().headers["anthropic-version"] == "2023-06-01"
    body = server.refuses(
        "anthropic-version: 2023-06-01 is not supported for this model; use 2026-10-21 or later"
    )
    assert server.sent().headers["anthropic-version"] == "2026-10-21"
    assert "temperature" not in body


def test_a_version_that_the_provider_asks_for_is_its_own_affair() -> None:
    own = Provider("anthropic", api_key="k", headers={"Anthropic-Version": "2024-01-01"})
    server = Server(own)
    server.refuses("anthropic-version: 2024-01-01 is not supported; use 2026-10-21")
    headers = AnthropicWire(HOME).encode(server.request()).headers
    assert headers["anthropic-version"] == VERSION


def test_a_reply_is_made_to_fit_beside_a_long_request() -> None:
    server = Server(model="claude-sonnet-4-5")
    message = (
        "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease"
    )
    room = 200_000 - 178_959
    assert server.refuses(message)["max_tokens"] == room - room // 4
    full = "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000"
    before = server.sent().body
    server.refuses(full)
    assert server.sent().body == before
    assert isinstance(server.wire.error_for(said(full)), ContextOverflow)
    tight = "max_tokens is too large: 64000. This model's maximum context length is 8192 (64000 > 8192 - 20)"
    assert server.refuses(tight)["max_tokens"] == 8_172 - 8_172 // 4


def with_thinking(server: Server) -> Server:
    """A conversation in which the model has thought and called a tool."""
    origin = server.wire.decoder(server.request())._origin
    own = {"type": "tool_use", "id": "t1", "name": "look"}
    reply = Reply((call("t1"),), native=kept(thought("hm"), own, origin=origin))
    server.entries += [reply, came_of(Outcome(call("t1"), "seen"))]
    assert server.body()["messages"][1] == assistant(thought("hm"), use("t1"))
    return server


BOUND = "messages.1.content.0: The block is bound to a different conversation."


def test_thinking_that_is_bound_elsewhere_is_dropped_by_the_server_from_then_on() -> None:
    server = with_thinking(Server(model="claude-opus-5-5", reasoning=True))
    body = server.refuses(BOUND)
    assert body["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}
    assert server.sent().headers["anthropic-beta"] == BINDING_BETA
    assert body["messages"][1] == assistant(thought("hm"), use("t1"))
    assert complaints(body, beta=True) == []
    body = server.refuses("thinking.adaptive.block_binding: Extra inputs are not permitted")
    assert "block_binding" not in body["thinking"]
    assert body["messages"][1] == assistant(use("t1"))
    assert "anthropic-beta" not in server.sent().headers


def test_what_one_conversation_teaches_is_not_held_against_others() -> None:
    server = with_thinking(Server(model="claude-opus-5-5", reasoning=True))
    server.refuses(BOUND)
    other = asked(Incoming("Hi"), model=server.settings["model"], reasoning=True)
    sent = server.wire.encode(_of_call(other, "another call"))
    assert b"block_binding" not in sent.body
    assert "anthropic-beta" not in sent.headers


def _of_call(request: ModelRequest, call_id: str) -> ModelRequest:
    return ModelRequest(
        request.agent, request.transcript, request.tools, request.draft, call_id, 0, "a"
    )


@pytest.mark.parametrize(
    "message",
    [
        BOUND,
        "messages.1.content.0: Invalid `signature` in `thinking` block",
        "messages.1.content.0.thinking.signature: Field required",
        (
            "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant "
            "message cannot be modified. These blocks must remain as they were."
        ),
        (
            "messages.1.content.0: When thinking is disabled, an `assistant` message in the final "
            "position cannot contain `thinking`."
        ),
        "messages.1.content.1.tool_use.caller: Extra inputs are not permitted",
    ],
)
def test_thinking_that_is_refused_is_left_out_of_the_conversation(message: str) -> None:
    server = with_thinking(Server())
    assert server.refuses(message)["messages"][1] == assistant(use("t1"))
    server.entries.append(Incoming("More"))
    assert server.body()["messages"][1] == assistant(use("t1"))


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "deepseek-v5"])
@pytest.mark.parametrize(
    "message",
    [
        (
            "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. "
            "When `thinking` is enabled, a final `assistant` message must start with a thinking block."
        ),
        "The content[].thinking in the thinking mode must be passed back to the API.",
    ],
)
def test_a_model_that_misses_thinking_it_never_did_goes_on_without(
    model: str, message: str
) -> None:
    server = Server(model=model, reasoning=True)
    server.entries += [called(call("t1")), came_of(Outcome(call("t1"), "seen"))]
    assert server.body()["thinking"]["type"] == "enabled"
    assert server.refuses(message)["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("messages.3: tool_use ids were found without tool_result blocks immediately after", 400),
        ("tools.0.cache_control: Extra inputs are not permitted", 400),
        ("prompt is too long: 210000 tokens > 200000 maximum", 400),
        ("Your credit balance is too low to use temperature", 400),
        ("the key is invalid; thinking is not supported", 401),
        ("model: nope", 404),
        ("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024", 400),
    ],
)
def test_other_complaints_change_nothing(message: str, status: int) -> None:
    server = with_thinking(Server(model="claude-sonnet-4-6", reasoning=True))
    before = server.sent().body
    server.refuses(message, status)
    assert server.sent().body == before


def test_only_so_many_conversations_are_remembered() -> None:
    server = Server()
    for number in range(300):
        request = _of_call(server.request(), f"call {number}")
        server.wire.adapt(request, server.wire.encode(request), said(BOUND))
    quirks = server.wire._quirks_for(server.request().agent)
    assert len(quirks.corrections) == 256
    assert quirks.correction("call 299").plain
    assert not quirks.correction("call 0").plain


# Errors -------------------------------------------------------------------------------------------

REFUSALS: list[tuple[int, str, str, type[AgentoutoError]]] = [
    (401, "authentication_error", "invalid x-api-key", AuthError),
    (403, "permission_error", "not yours", AuthError),
    (402, "billing_error", "pay", QuotaExhausted),
    (400, "invalid_request_error", "Your credit balance is too low to access", QuotaExhausted),
    (429, "rate_limit_error", "slow down", RateLimited),
    (529, "overloaded_error", "Overloaded", ProviderUnavailable),
    (500, "api_error", "Internal server error", ProviderUnavailable),
    (504, "timeout_error", "x", ProviderUnavailable),
    (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000", ContextOverflow),
    (413, "request_too_large", "Request exceeds the maximum size", ContextOverflow),
    (404, "not_found_error", "model: claude-nope", ProviderError),
    (400, "invalid_request_error", "messages: at least one message is required", ProviderError),
]


@pytest.mark.parametrize(("status", "kind", "message", "error"), REFUSALS)
def test_each_refusal_has_its_error(
    status: int, kind: str, message: str, error: type[AgentoutoError]
) -> None:
    refused = AnthropicWire(HOME).error_for(said(message, kind, status))
    assert type(refused) is error
    assert message in str(refused)
    if isinstance(refused, ProviderError):
        assert refused.status == status
        assert refused.retryable is (error in {RateLimited, ProviderUnavailable})


def test_a_spending_limit_is_no_rate_limit() -> None:
    body = b'{"error":{"type":"rate_limit_error","message":"x","details":{"error_code":"contract_spend_limit_reached"}}}'
    assert type(AnthropicWire(HOME).error_for(parse_error(body, 429))) is QuotaExhausted


def test_a_name_is_found_whatever_stands_around_it() -> None:
    assert claude_family("claude-opus-5") != claude_family("claude-opus-5-5")
    assert claude_family("bedrock/eu.anthropic.claude-opus-5-5-v1:0") == claude_family(
        "claude-opus-5-5"
    )
    assert claude_family("claude-opus-4-70") == claude_family("claude-something-else")
    assert claude_family("my-own-model").most is None


def test_words_of_a_foreign_reply_stay() -> None:
    body = body_of(asked(Incoming("Hi"), Reply((Text("Ho"),)), Incoming("?")))
    assert body["messages"][1] == assistant(text("Ho"))
