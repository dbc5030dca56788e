"""The team of docs/moving.md says the same in every SDK, against one fake server."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.runner import blocks
from edges.parties import absent
from edges.tide_server import serving

PAGE = Path(__file__).resolve().parents[2] / "docs" / "moving.md"
pytestmark = pytest.mark.timeout(180)
"""Some of these SDKs take long to be imported."""

ANSWER = "Dear sailor: High tide in Jeju is at 06:12.\n"

CREWAI = Path(sys.prefix) / "crewai" / "bin" / "python"
"""An environment of its own: it needs another version of pydantic."""

THEIRS = {
    "CrewAI": "crewai",
    "AutoGen": "ag2",
    "OpenAI": "openai-agents",
    "LangGraph": "langgraph",
    "pydantic-ai": "pydantic-ai-slim",
}
"""The package of each section, by the first word of its heading."""

QUIET = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OTEL_SDK_DISABLED": "true",
}


def program(heading: str) -> str:
    """Return the first program below a heading."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    at = next(n for n, line in enumerate(lines, 1) if line.startswith(f"## {heading}"))
    return next(block.code for block in blocks(PAGE) if block.line > at)


def said(python: str, code: str, url: str) -> str:
    """Return what a program prints whose models are at ``url``."""
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    environment |= {**QUIET, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "any"}
    command = [python, "-c", code]
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=170
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def version_in(python: Path, package: str) -> str:
    ask = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_team_here_answers() -> None:
    with serving() as server:
        address = f'Provider("openai", base_url="{server.url}")'
        code = program("Here").replace('Provider("openai")', address)
        assert said(sys.executable, code, server.url) == ANSWER
        assert len(server.asked) == 4


@pytest.mark.parametrize("heading", [name for name in THEIRS if name != "CrewAI"])
def test_a_team_there_answers_the_same(heading: str) -> None:
    try:
        version = importlib.metadata.version(THEIRS[heading])
    except importlib.metadata.PackageNotFoundError:
        absent(f"{THEIRS[heading]} is not installed")
    assert re.search(
        rf"^## {heading}.* {re.escape(version)}", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    with serving() as server:
        assert said(sys.executable, program(heading), server.url) == ANSWER
        assert len(server.asked) == 4


def test_a_crew_answers_the_same() -> None:
    if not CREWAI.is_file():
        absent(f"there is no {CREWAI}")
    assert f"## CrewAI {version_in(CREWAI, 'crewai')}\n" in PAGE.read_text(encoding="utf-8")
    with serving() as server:
        assert said(str(CREWAI), program("CrewAI"), server.url) == ANSWER
        assert len(server.asked) == 3
