"""Whose replies go back with what they came with: one account's never to another."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from agentouto._core.reply_builder import ReplyBuilder
from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Draft
from agentouto.providers._format.errors import parse_error
from agentouto.providers._transport.accounts import account
from agentouto.providers._transport.sse import SseReader
from wire.dialects import DIALECTS, Call, Dialect, Thought, Words, seal

EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
SEAL = seal("made for one account")
ACCOUNTS = [
    {"api_key": "the key of somebody else"},
    {"name": "another"},
    {"headers": {"api-key": "the key of somebody else"}},
    {"query": {"key": "the key of somebody else"}},
]


class Auth:
    """Hands out another token each time."""

    def __init__(self) -> None:
        self.token = 0

    async def get_token(self) -> str:
        self.token += 1
        return str(self.token)


def heard(dialect: Dialect, provider: Provider) -> list[Entry]:
    """A conversation that ``provider`` has had, up to the result of a tool."""
    decoder, builder = dialect.wire(provider).decoder(dialect.request(())), ReplyBuilder("p")
    data = dialect.stream([Thought("hm", SEAL), Words("Wait."), Call("call_A")])
    deltas = [*decoder.feed(SseReader().feed(data)), *decoder.end()]
    for delta in deltas:
        builder.add(delta)
    reply = builder.finish()
    outcomes = Outcomes(tuple(Outcome(call, "seen") for call in reply.tool_calls))
    return [Incoming("Hi"), reply, outcomes]


def asked(dialect: Dialect, provider: Provider, entries: list[Entry], **settings: Any) -> str:
    return dialect.wire(provider).encode(dialect.request(entries, **settings)).body.decode()


@EVERY
@pytest.mark.parametrize("other", ACCOUNTS, ids=lambda other: next(iter(other)))
def test_a_seal_goes_back_to_its_own_account_and_to_no_other(
    dialect: Dialect, other: dict[str, str]
) -> None:
    own = replace(dialect.home, api_key="a key")
    entries, draft = heard(dialect, own), Draft()
    assert SEAL in asked(dialect, own, entries, draft=draft)
    fallback = asked(dialect, replace(own, **other), entries, draft=draft)
    assert SEAL not in fallback
    assert "Wait." in fallback
    assert SEAL in asked(dialect, replace(own), entries, draft=draft)


@EVERY
def test_tokens_that_change_do_not_make_another_account(dialect: Dialect) -> None:
    first, later = (replace(dialect.home, api_key="", auth=Auth()) for _ in range(2))
    assert SEAL in asked(dialect, later, heard(dialect, first))


@EVERY
def test_what_one_account_has_learnt_holds_for_all(dialect: Dialect) -> None:
    model = "gpt-4o-learnt" if dialect.name == "openai_responses" else f"{dialect.model}-learnt"
    settings = {"model": model, "reasoning": False, "temperature": 0.5}
    if dialect.name == "anthropic":
        settings["model"] = "claude-sonnet-4-5-learnt"
    one, two = (replace(dialect.home, api_key=key) for key in ("one", "two"))
    request, wire = dialect.request([Incoming("Hi")], **settings), dialect.wire(one)
    sent = wire.encode(request)
    assert '"temperature":0.5' in sent.body.decode()
    said = "Unsupported parameter: 'temperature' is not supported with this model."
    wire.adapt(request, sent, parse_error(json.dumps({"error": {"message": said}}).encode(), 400))
    assert "temperature" not in asked(dialect, two, [Incoming("Hi")], **settings)


def test_the_mark_of_an_account_is_the_same_in_every_process_and_shows_no_key() -> None:
    mark = account(Provider("p", "openai", api_key="sk-0123456789"))
    assert mark == "499d00ae5344"
    others = [
        Provider("p", "openai", api_key="sk-012345678"),
        Provider("q", "openai", api_key="sk-0123456789"),
        Provider("p", "openai", auth=Auth()),
        Provider("ps", "openai", api_key="k-0123456789"),
    ]
    assert len({mark, *map(account, others)}) == 5


def test_a_key_in_the_environment_is_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    given = account(Provider("p", "openai", api_key="k"))
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert account(Provider("p", "openai")) == given
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    assert account(Provider("p", "openai")) != given


@EVERY
def test_no_key_is_found_in_what_is_kept(dialect: Dialect) -> None:
    entries = heard(dialect, replace(dialect.home, api_key="sk-secret"))
    reply = entries[1]
    assert isinstance(reply, Reply)
    assert reply.native is not None
    assert "sk-secret" not in repr(reply.native)
