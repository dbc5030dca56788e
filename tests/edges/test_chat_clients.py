"""A team as a model, asked by clients that we did not write."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from agentouto import Agent, Limits, Provider, Team
from agentouto.serve import Server, agui_app, openai_app
from agentouto.testing import Request, Script, call, fail, finish, say, think, tool
from edges.parties import ON_NODE, needs_npm, node, python_module

CLIENTS = Path(__file__).with_name("clients")

openai_models = python_module("pydantic_ai.models.openai")
openai_providers = python_module("pydantic_ai.providers.openai")
pydantic_ai = python_module("pydantic_ai")


def story(request: Request) -> Any:
    if request.turn == 0:
        return [think("Hm."), say("I ask."), call("writer", "Write.")]
    return finish("The end.")


def paints(request: Request) -> Any:
    """Ask the user once, with the colour in the answer."""
    if request.turn == 0:
        return call("user", "Which colour?")
    return finish(f"Painted {request.answers('user')[0]}.")


def asks_a_painter(request: Request) -> Any:
    if request.turn == 0:
        return call("painter", "Paint.")
    return finish(request.answers("painter")[0])


def forecasts(request: Request) -> Any:
    """Use a tool that only the caller has."""
    if request.turn == 0:
        return tool("weather", city="Seoul")
    return finish(f"There is {request.results('weather')[0]}.")


def script() -> Script:
    lines: dict[str, Any] = {
        "story": story,
        "writer": [say("Once upon a time.")],
        "painter": paints,
        "asker": asks_a_painter,
        "forecaster": forecasts,
        "broken": [fail(400, message="SECRET")],
    }
    return Script(lines, usage=(5, 2), stream=True)


def make_team(lines: Script) -> Team:
    provider = Provider("scripted", kind="script", script=lines)
    names = ("story", "writer", "painter", "asker", "forecaster", "broken")
    agents = [Agent(name, "", "m", provider) for name in names]
    return Team(agents, starting_agents=agents[:1], limits=Limits(requests=50))


@asynccontextmanager
async def served(lines: Script) -> AsyncIterator[str]:
    """Serve a team at the address that is yielded."""
    team = make_team(lines)
    server = Server({"/v1": openai_app(team), "/agui": agui_app(team)}, port=0)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve())
        try:
            yield server.address
        finally:
            server.stop()
            await serving


async def on_node(program: str, url: str) -> dict[str, Any]:
    """Run a program of ``clients`` on Node.js and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        node(),
        "--input-type=module",
        "-",
        url,
        cwd=ON_NODE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate((CLIENTS / program).read_bytes())
    assert process.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out)
    return found


async def test_openai_for_javascript() -> None:
    needs_npm("openai")
    lines = script()
    async with served(lines) as address:
        told = await on_node("openai_js.mjs", f"{address}/v1")
    assert told["models"][:3] == ["team", "story", "writer"]
    assert told["plain"] == told["streamed"] == "I ask.\n\nThe end."
    assert "story → writer: Write." in told["reasoning"]
    assert told["question"].startswith("Which colour?")
    assert told["answer"] == "Painted Red."
    assert told["response"] == "Painted Blue."
    assert told["error"] == [502, "provider_failed"]
    assert told["unknown"] == [404, "model_not_found"]
    assert len([each for each in lines.requests if each.agent_name == "broken"]) == 1


async def test_the_ai_sdk_of_vercel() -> None:
    needs_npm("ai", "@ai-sdk/openai-compatible")
    async with served(script()) as address:
        told = await on_node("vercel_ai.mjs", f"{address}/v1")
    assert told["plain"] == told["streamed"] == "I ask.\n\nThe end."
    assert "story → writer: Write." in told["reasoning"]
    assert told["tokens"] == 21
    assert told["answer"] == "Painted Red."
    assert told["tool"] == "There is sun in Seoul."
    assert told["error"] == 502


async def test_the_client_of_ag_ui() -> None:
    needs_npm("@ag-ui/client")
    async with served(script()) as address:
        told = await on_node("agui.mjs", f"{address}/agui")
    assert told["story"] == ["I ask.", "The end."]
    assert {"SUBAGENT_STARTED", "SUBAGENT_FINISHED", "REASONING_START"} <= set(told["types"])
    assert told["question"] == "Which colour?"
    assert told["answer"] == "Painted Red."
    assert told["tool"] == "There is sun."
    assert told["beforeBroken"] == 0  # the client found no fault in any event
    assert told["broken"] == "provider_failed"


@pytest.mark.parametrize("model", ["OpenAIChatModel", "OpenAIResponsesModel"])
async def test_pydantic_ai(model: str) -> None:
    async with (
        served(script()) as address,
        openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="any") as client,
    ):
        provider = openai_providers.OpenAIProvider(openai_client=client)

        def agent(name: str) -> Any:
            return pydantic_ai.Agent(getattr(openai_models, model)(name, provider=provider))

        assert (await agent("story").run("Go.")).output == "I ask.\n\nThe end."
        async with agent("story").run_stream("Go.") as stream:
            assert await stream.get_output() == "I ask.\n\nThe end."
        painter = agent("painter")
        asked = await painter.run("Paint.")
        assert asked.output.startswith("Which colour?")
        answered = await painter.run("Red", message_history=asked.all_messages())
        assert answered.output == "Painted Red."
        forecaster = agent("forecaster")

        @forecaster.tool_plain
        def weather(city: str) -> str:
            """Tell the weather."""
            return f"sun in {city}"

        assert (await forecaster.run("Go.")).output == "There is sun in Seoul."
        with pytest.raises(pydantic_ai.exceptions.ModelHTTPError) as raised:
            await agent("broken").run("Go.")
        assert raised.value.status_code == 502


async def test_the_command_llm(tmp_path: Path) -> None:
    python_module("llm")
    async with served(script()) as address:
        models = [
            {"model_id": name, "model_name": name, "api_base": f"{address}/v1"}
            for name in ("story", "painter")
        ]
        (tmp_path / "extra-openai-models.yaml").write_text(json.dumps(models))

        async def llm(*arguments: str) -> str:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "llm",
                *arguments,
                env={**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "any"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            out, err = await process.communicate()
            assert process.returncode == 0, err.decode()
            return out.decode().strip()

        assert await llm("-m", "story", "Go.") == "I ask.\n\nThe end."
        assert await llm("-m", "story", "Go.", "--no-stream") == "I ask.\n\nThe end."
        assert (await llm("-m", "painter", "Paint.")).startswith("Which colour?")
        assert await llm("-c", "Red") == "Painted Red."
