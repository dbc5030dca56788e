"""Tools that a provider hosts, such as a web search, are added to the tools of the run.

``extra={"tools": [...]}`` adds; it does not replace: without ``call_agent`` and ``finish`` an agent
could neither call a peer nor return.
"""

from __future__ import annotations

from typing import Any

import pytest

from agentouto._domain.content import Incoming
from wire.dialects import DIALECTS, Dialect

HOSTED: dict[str, dict[str, Any]] = {
    "openai": {"type": "function", "function": {"name": "own", "parameters": {"type": "object"}}},
    "openai_responses": {"type": "web_search", "search_context_size": "low"},
    "anthropic": {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    "google": {"googleSearch": {}},
}

EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))


@EVERY
def test_a_hosted_tool_comes_after_the_tools_of_the_run(dialect: Dialect) -> None:
    hosted = HOSTED[dialect.name]
    own = dialect.body([Incoming("Hi")])["tools"]
    body = dialect.body([Incoming("Hi")], extra={"tools": [hosted]})
    assert body["tools"] == [*own, hosted]
    assert dialect.complaints(body) == []


@EVERY
def test_it_is_there_for_an_agent_without_other_tools(dialect: Dialect) -> None:
    hosted = HOSTED[dialect.name]
    body = dialect.body([Incoming("Hi")], tools=(), extra={"tools": [hosted]})
    assert body["tools"] == [hosted]


@EVERY
def test_an_empty_list_adds_nothing(dialect: Dialect) -> None:
    plain = dialect.body([Incoming("Hi")])
    assert dialect.body([Incoming("Hi")], extra={"tools": []}) == plain


@EVERY
def test_the_extra_of_the_agent_stays_as_it_was(dialect: Dialect) -> None:
    extra = {"tools": [HOSTED[dialect.name]]}
    for _ in range(2):
        body = dialect.body([Incoming("Hi")], extra=extra)
    assert body["tools"][-1] == HOSTED[dialect.name]
    assert extra == {"tools": [HOSTED[dialect.name]]}
