"""Fronts inside of other applications."""

from __future__ import annotations

from typing import Any

import aiohttp
import fastapi
import openai
import pytest
import starlette.applications
import starlette.routing

from agentouto.serve import openai_app
from agentouto.testing import say
from serve.serving import ask, asks_user, served, team, text_of, unguarded


def in_fastapi(front: Any) -> Any:
    app = fastapi.FastAPI()
    app.mount("/ai", front)
    return app


def in_starlette(front: Any) -> Any:
    return starlette.applications.Starlette(routes=[starlette.routing.Mount("/ai", app=front)])


@pytest.mark.parametrize("mount", [in_fastapi, in_starlette])
async def test_a_front_works_where_it_is_mounted(mount: Any) -> None:
    front = openai_app(team({"lead": asks_user, "writer": [say("Written.")]}))
    async with unguarded(mount(front)) as address:
        for base in (f"{address}/ai/v1", f"{address}/ai"):  # some leave the version out
            async with openai.AsyncOpenAI(base_url=base, api_key="any") as asking:
                assert [model.id async for model in await asking.models.list()] == [
                    "team",
                    "lead",
                    "writer",
                ]
                question = text_of(await ask(asking, "Paint."))
                assert text_of(await ask(asking, "Paint.", question, "Red")) == "Painted Red."
    await front.aclose()


async def test_the_application_around_a_front_decides_about_names_and_keys() -> None:
    front = openai_app(team({"lead": [say("Done.")]}))
    async with (
        unguarded(in_starlette(front)) as address,
        openai.AsyncOpenAI(
            base_url=f"{address}/ai/v1", api_key="any", default_headers={"host": "public.example"}
        ) as asking,
    ):
        assert text_of(await ask(asking, "Go.")) == "Done."
        with pytest.raises(openai.PermissionDeniedError, match="another site"):
            await ask(asking, "Go.", extra_headers={"origin": "https://evil.example"})


async def test_a_page_of_an_allowed_origin_may_ask_and_read_the_answer() -> None:
    front = openai_app(team({"lead": [say("Done.")]}), origins=["https://chat.example"])
    headers = {"origin": "https://chat.example", "sec-fetch-site": "cross-site"}
    async with (
        served(front, key="right") as address,
        aiohttp.ClientSession(headers=headers) as session,
    ):
        url = f"{address}/v1/models"
        async with session.options(url) as response:  # what a browser asks first, without the key
            assert response.status == 204
            assert response.headers["access-control-allow-origin"] == "https://chat.example"
            assert "authorization" in response.headers["access-control-allow-headers"]
        async with session.get(url, headers={"authorization": "Bearer right"}) as response:
            assert response.status == 200
            assert response.headers["access-control-allow-origin"] == "https://chat.example"
        async with session.options(url, headers={"origin": "https://evil.example"}) as response:
            assert response.status == 403
            assert "access-control-allow-origin" not in response.headers
