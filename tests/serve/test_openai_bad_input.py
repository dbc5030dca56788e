"""The OpenAI front, asked badly: every mistake has its answer, and none starts a run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest

from agentouto.testing import Script, say
from serve.serving import openai_served, team

USER = {"role": "user", "content": "Go."}


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "team", "messages": [USER], **fields}


def parts(*given: Any) -> dict[str, Any]:
    return chat(messages=[{"role": "user", "content": list(given)}])


MISTAKES: dict[str, tuple[Any, int, str | None, str]] = {
    "no object": ([], 400, None, "must be a JSON object"),
    "no JSON": (b'{"model": ', 400, None, "is no JSON"),
    "too deep": (b"[" * 100_000, 400, None, "is no JSON"),
    "no model": ({"messages": [USER]}, 400, "model", "There are: team, lead"),
    "a number as model": (chat(model=3), 400, "model", "model must be text, not int"),
    "an unknown model": (
        chat(model="gpt"),
        404,
        "model",
        "There is no model 'gpt'. There are: team, lead.",
    ),
    "no messages": ({"model": "team"}, 400, "messages", "a list with at least one message"),
    "empty messages": (chat(messages=[]), 400, "messages", "a list with at least one message"),
    "text as a message": (chat(messages=["Go."]), 400, "messages[0]", "an object with role"),
    "an unknown role": (
        chat(messages=[{"role": "king"}, USER]),
        400,
        "messages[0].role",
        "not 'king'",
    ),
    "the assistant last": (
        chat(messages=[USER, {"role": "assistant", "content": "Yes?"}]),
        400,
        "messages[1].role",
        "the last message must have the role user, or tool after tool_calls, not 'assistant'",
    ),
    "no content": (chat(messages=[{"role": "user"}]), 400, "messages[0].content", "text or a list"),
    "empty content": (
        chat(messages=[{"role": "user", "content": " "}]),
        400,
        "messages[0].content",
        "is empty",
    ),
    "a part that is text": (parts("Go."), 400, "messages[0].content[0]", "an object with a type"),
    "an unknown part": (parts({"type": "video"}), 400, "messages[0].content[0]", "not 'video'"),
    "text without text": (
        parts({"type": "text"}),
        400,
        "messages[0].content[0].text",
        "must be text",
    ),
    "an image of a file": (
        parts({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}),
        400,
        "messages[0].content[0].image_url.url",
        "an https:// address or a data: URL",
    ),
    "an image that is no base64": (
        parts({"type": "image_url", "image_url": {"url": "data:image/png;base64,@@"}}),
        400,
        "messages[0].content[0].image_url.url",
        "is not base64",
    ),
    "audio of another format": (
        parts({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "ogg"}}),
        400,
        "messages[0].content[0].input_audio.format",
        "wav or mp3",
    ),
    "a stored file": (
        parts({"type": "file", "file": {"file_id": "f1"}}),
        400,
        "messages[0].content[0].file",
        "there is no store of files here",
    ),
    "a forced tool": (chat(tool_choice="required"), 400, "tool_choice", "auto or none"),
    "a named tool": (
        chat(tool_choice={"type": "function", "function": {"name": "f"}}),
        400,
        "tool_choice",
        "auto or none",
    ),
    "two answers": (chat(n=2), 400, "n", "one answer"),
    "a schema": (
        chat(response_format={"type": "json_schema"}),
        400,
        "response_format",
        "output_type",
    ),
    "stream as text": (chat(stream="yes"), 400, "stream", "true or false"),
}


@pytest.fixture
def script() -> Script:
    return Script({"lead": [say("Done.")]})


@pytest.fixture
async def url(script: Script) -> AsyncIterator[str]:
    async with openai_served(team(script, "lead"), {"allowed_hosts": ["box.example:80"]}) as url:
        yield url


async def post(url: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    """Post ``body``, as JSON if it is no bytes; return the status and the answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"data": body} if isinstance(body, bytes) else {"json": body}
    if "data" in given:
        named.setdefault("content-type", "application/json")
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/chat/completions", headers=named, **given) as response,
    ):
        return response.status, await response.json()


async def test_every_mistake_is_named_and_starts_nothing(url: str, script: Script) -> None:
    for what, (body, status, param, text) in MISTAKES.items():
        found, answer = await post(url, body)
        error = answer["error"]
        assert (found, error["param"]) == (status, param), what
        assert text in error["message"], what
        assert error["type"] == "invalid_request_error"
    assert script.requests == []


async def test_what_clients_send_without_need_is_left_aside(url: str) -> None:
    more = {
        "temperature": 0.3,
        "top_p": 1,
        "max_tokens": 10,
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": "auto",
        "n": 1,
        "response_format": {"type": "text"},
        "stop": None,
        "stream_options": None,
    }
    status, answer = await post(url, chat(**more))
    assert (status, answer["choices"][0]["message"]["content"]) == (200, "Done.")


async def test_a_body_of_25_mb_is_refused_however_it_is_sent(url: str, script: Script) -> None:
    image = f"data:image/png;base64,{'QUFB' * 6_250_000}"
    large: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": image}}]}]
    async with openai.AsyncOpenAI(base_url=url, api_key="any") as asking:
        with pytest.raises(openai.APIStatusError) as raised:
            await asking.chat.completions.create(model="team", messages=large)
    assert (raised.value.status_code, raised.value.code) == (413, "request_too_large")

    async def pieces() -> AsyncIterator[bytes]:  # sent without a length
        for _ in range(25):
            yield b" " * 1_000_000

    async with aiohttp.ClientSession() as session:
        given = {"data": pieces(), "headers": {"content-type": "application/json"}}
        async with session.post(f"{url}/chat/completions", **given) as response:  # type: ignore[arg-type]
            assert response.status == 413
            assert "larger than 20 MB" in (await response.json())["error"]["message"]
    assert script.requests == []


async def test_pages_of_other_sites_and_foreign_names_are_kept_out(
    url: str, script: Script
) -> None:
    host = url.removeprefix("http://").removesuffix("/v1")
    refused: list[tuple[dict[str, str], int, str]] = [
        ({"host": "evil.example"}, 403, "--allow-host evil.example"),
        ({"host": "box.example:81"}, 403, "--allow-host box.example"),
        ({"host": ""}, 403, "foreign"),
        ({"origin": "https://evil.example"}, 403, "a page of another site"),
        ({"origin": "null"}, 403, "a page of another site"),
        ({"origin": "http://["}, 403, "a page of another site"),
        ({"sec_fetch_site": "cross-site"}, 403, "a page of another site"),
        ({"sec_fetch_site": "same-site"}, 403, "a page of another site"),
        ({"content_type": "text/plain"}, 415, "application/json"),
    ]
    for headers, status, text in refused:
        found, answer = await post(url, b'{"model": "team"}', **headers)
        assert found == status, headers
        assert text in answer["error"]["message"] + answer["error"]["code"], headers
    assert script.requests == []
    for headers in (
        {"host": "localhost:99"},
        {"host": "[::1]:99"},
        {"host": "10.0.0.7"},
        {"host": "BOX.example:80"},
        {"origin": f"http://{host}", "sec_fetch_site": "same-origin"},
    ):
        assert (await post(url, chat(), **headers))[0] == 200, headers


async def test_a_key_is_needed_where_one_is_set(script: Script) -> None:
    async with openai_served(team(script, "lead"), {"key": "right"}) as url:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "right"}):
            status, answer = await post(url, chat(), **headers)
            assert (status, answer["error"]["code"]) == (401, "invalid_api_key")
            assert "right" not in str(answer).replace("wrong", "")
        assert script.requests == []
        for headers in ({"authorization": "Bearer right"}, {"x_api_key": "right"}):
            assert (await post(url, chat(), **headers))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("GET", "/v1/models/nope", 404),
        ("POST", "/v1/embeddings", 404),
        ("GET", "/", 404),
    ],
)
async def test_other_paths_and_methods_are_told_what_there_is(
    url: str, method: str, path: str, status: int
) -> None:
    address = url.removesuffix("/v1") + path
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, address) as response,
    ):
        assert response.status == status
        assert (await response.json())["error"]["message"]
