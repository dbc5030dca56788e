"""The context window that a server names when a request was too long for it."""

from __future__ import annotations

import pytest
from aiohttp import web

from agentouto._domain.errors import ContextOverflow
from agentouto._domain.participants import Agent, Provider
from agentouto.providers import open_backend
from agentouto.providers._format.lookups import window_in_error
from agentouto.providers._format.server_messages import CONTEXT_EXCEEDED, WINDOW_SIZE
from wire.server import serving
from wire.words import asking

NAMED = {4096, 2048, 200_000, 1_048_576, 131_072, 64_000, 262_144}


@pytest.mark.parametrize("example", [row.example for row in WINDOW_SIZE.rows])
def test_every_server_that_names_its_window_is_understood(example: str) -> None:
    assert window_in_error(f"[p] {example}") in NAMED


@pytest.mark.parametrize(
    "text",
    [
        "invalid params, context window exceeds limit (2013)",  # MiniMax: the code of the error
        "prompt is too long: 210000 tokens",
        "This model's maximum context length is 0 tokens",
        "This model's maximum context length is ,,, tokens",
        "exceeds the available context size (999999999999 tokens)",
        "Request too large for m on tokens per min: Limit 10000, Requested 20000.",
        "",
    ],
)
def test_a_number_that_is_no_window_is_not_taken_for_one(text: str) -> None:
    assert window_in_error(text) is None


def test_rows_with_a_number_are_about_overflows() -> None:
    assert all(CONTEXT_EXCEEDED.matches(row.example) for row in WINDOW_SIZE.rows)


async def test_a_server_that_allows_less_than_the_model_can_read_is_believed() -> None:
    async def refuses(_: web.Request) -> web.StreamResponse:
        text = "This model's maximum context length is 8,192 tokens. However, you requested 9000."
        return web.json_response({"error": {"message": text}}, status=400)

    async with serving(refuses) as server:
        backend = open_backend(Provider("local", "openai", base_url=server.url))
        agent = Agent("a", "", "gpt-4o", "local")
        before = backend.window(agent)
        with pytest.raises(ContextOverflow):
            await anext(backend.stream(asking(model="gpt-4o")))
        assert backend.window(agent) == 8_192 != before
        assert backend.window(Agent("a", "", "gpt-4o", "local", context_window=9_000)) == 9_000
        assert backend.window(Agent("a", "", "gpt-4.1", "local")) != 8_192
