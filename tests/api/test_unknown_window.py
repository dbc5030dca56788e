"""A conversation that is several times too long for a model whose context window is unknown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from agentouto import Agent, Message, Provider, async_run
from agentouto.exceptions import ContextOverflow
from wire.server import HELLO, Server, serving

WINDOW = 2_048


class SmallModel:
    """A server whose model reads ``WINDOW`` tokens, of four characters each.

    Attributes:
        says: The text of its error for a longer request.
        models: What its list of models says of the model.
        looked_up: How often the list was asked for.
        too_long: How many requests were refused.
    """

    def __init__(self, says: str, models: Mapping[str, Any] | None = None) -> None:
        self.says = says
        self.models = models
        self.looked_up = 0
        self.too_long = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/v1/models":
            self.looked_up += 1
            return web.json_response({"data": [{"id": "mine-1", **(self.models or {})}]})
        body: dict[str, Any] = await request.json()
        tokens = len(json.dumps([body["messages"], body.get("tools", [])])) // 4
        if tokens <= WINDOW:
            return web.Response(body=HELLO, content_type="text/event-stream")
        self.too_long += 1
        text = self.says.format(tokens=tokens, window=WINDOW)
        error = {"message": text, "type": "exceed_context_size_error", "code": 400}
        return web.json_response({"error": error}, status=400)


def long_history(times: float) -> list[Message]:
    """Return messages of about ``times`` windows."""
    words = "The quick brown fox jumps over the lazy dog. " * 8
    count = int(times * WINDOW * 4 / len(words) / 2)
    return [
        message
        for number in range(count)
        for message in (
            Message("forward", "user", "a", f"{number}: {words}"),
            Message("return", "a", "user", f"{number}: {words}"),
        )
    ]


async def answer(server: Server, times: float) -> str:
    provider = Provider("local", "openai", base_url=server.url, api_key="k")
    agents = [Agent("a", "Be brief.", "mine-1", provider)]
    return (await async_run("Go.", agents, history=long_history(times))).output


@pytest.mark.parametrize("times", [1.2, 2, 5])
async def test_the_window_is_read_out_of_the_error(times: float) -> None:
    model = SmallModel(
        "request ({tokens} tokens) exceeds the available context size ({window} tokens)"
    )
    async with serving(model) as server:
        assert await answer(server, times) == "Hello"
    assert (model.looked_up, model.too_long) == (0, 1)


@pytest.mark.parametrize("times", [2, 5])
async def test_the_list_of_models_is_asked_for_a_window_that_the_error_does_not_name(
    times: float,
) -> None:
    model = SmallModel("the prompt is longer than the model can read", {"n_ctx": WINDOW})
    async with serving(model) as server:
        assert await answer(server, times) == "Hello"
    assert (model.looked_up, model.too_long) == (1, 1)


@pytest.mark.parametrize("times", [2, 5, 12])
async def test_a_summary_that_is_too_long_is_asked_for_from_less_text(times: float) -> None:
    model = SmallModel("the prompt is longer than the model can read")
    async with serving(model) as server:
        assert await answer(server, times) == "Hello"
    assert 1 < model.too_long < 10


async def test_a_server_that_refuses_every_length_ends_the_run() -> None:
    model = SmallModel("the prompt is longer than the model can read")

    async def refuses(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            await request.read()
            model.too_long += 1
            return web.json_response({"error": {"message": "prompt is too long"}}, status=400)
        return await model(request)

    async with serving(refuses) as server:
        with pytest.raises(ContextOverflow):
            await answer(server, 5)
    assert model.too_long < 12
