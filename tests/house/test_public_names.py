"""What users can rely on: names, versions, the wheel, and what importing costs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest

import agentouto
import agentouto.exceptions
from agentouto import Agent, Provider

REPOSITORY = Path(__file__).resolve().parents[2]

PUBLIC = [
    "BUILTIN_TOOL_NAMES",
    "SAVE_AND_EXIT",
    "Agent",
    "AgentError",
    "AgentEvent",
    "AgentOutOError",
    "AgentoutoError",
    "ApiKeyAuth",
    "Approval",
    "Attachment",
    "AuthError",
    "AuthMethod",
    "Cancelled",
    "ClaudeOAuth",
    "ConfigurationError",
    "Cost",
    "EventLog",
    "GoogleOAuth",
    "Handle",
    "Here",
    "Hooks",
    "Journal",
    "JournalError",
    "KindSpec",
    "LimitReached",
    "Limits",
    "Message",
    "ModelUse",
    "OAuth",
    "OpenAIOAuth",
    "Options",
    "Output",
    "Peer",
    "PlainStream",
    "Provider",
    "ProviderError",
    "Receipt",
    "Refuse",
    "Retry",
    "RoutingError",
    "RunOptions",
    "RunResult",
    "RunStream",
    "SavedRun",
    "Span",
    "StreamEvent",
    "Summary",
    "Team",
    "TokenData",
    "TokenStore",
    "Tool",
    "ToolError",
    "ToolResult",
    "ToolSource",
    "ToolUse",
    "Trace",
    "Usage",
    "Waiting",
    "async_run",
    "async_run_stream",
    "cancel",
    "get_agent_status",
    "get_messages",
    "get_stream_events",
    "here",
    "run",
    "run_background",
    "run_background_sync",
    "run_stream",
    "send_message",
]

EXCEPTIONS = [
    "AgentError",
    "AgentOutOError",
    "AgentoutoError",
    "AgentoutoWarning",
    "AuthError",
    "BrokenScript",
    "Cancelled",
    "ConfigurationError",
    "ContextOverflow",
    "JournalError",
    "LimitReached",
    "Partial",
    "ProtocolViolation",
    "ProviderError",
    "ProviderUnavailable",
    "QuotaExhausted",
    "RateLimited",
    "Refuse",
    "Refused",
    "RoutingError",
    "RunChanged",
    "RunOther",
    "RunTaken",
    "RunTakenOver",
    "ToolError",
    "Waiting",
]

LOADED_LATE = {
    "a2a",
    "agentouto.a2a",
    "acp",
    "agentouto.acp",
    "agentouto.peers",
    "agentouto.serve",
    "agentouto.tools",
    "agentouto.ui",
    "aiohttp",
    "anthropic",
    "click",
    "docstring_parser",
    "fastapi",
    "google.genai",
    "httpx",
    "httpx2",
    "mcp",
    "oauthlib",
    "openai",
    "orjson",
    "prompt_toolkit",
    "pydantic",
    "pydantic_core",
    "rich",
    "sqlite3",
    "starlette",
    "typer",
    "uvicorn",
    "webbrowser",
}
MOST_MODULES = 292
"""How many modules ``import agentouto`` may bring along, those of the standard library included.

Not a goal: something heavy has slipped in when this is passed.
"""


@pytest.fixture(scope="module")
def installed() -> Distribution:
    try:
        found = distribution("agentouto")
    except PackageNotFoundError:
        found = None
    if found is None or not Path(agentouto.__file__).is_relative_to(str(found.locate_file(""))):
        if os.environ.get("CI"):
            pytest.fail("these tests have to run on the installed wheel")
        pytest.skip("agentouto is not installed here: python3 dev.py test installs the wheel")
    return found


def test_the_public_names_are_these() -> None:
    assert agentouto.__all__ == PUBLIC


def test_the_public_names_are_in_order_and_all_there() -> None:
    def order(name: str) -> tuple[bool, bool, str]:  # constants, classes, functions
        return not name.isupper(), not name[0].isupper(), name

    assert agentouto.__all__ == sorted(agentouto.__all__, key=order)
    for name in agentouto.__all__:
        assert getattr(agentouto, name) is not None


def test_nothing_else_looks_public() -> None:
    modules = {path.stem for path in Path(agentouto.__file__).parent.iterdir()}
    looks_public = {name for name in vars(agentouto) if not name.startswith("_")}
    assert looks_public - modules == set(PUBLIC) - modules


def test_everything_that_is_raised_can_be_named() -> None:
    assert agentouto.exceptions.__all__ == EXCEPTIONS
    for name in EXCEPTIONS:
        raised = getattr(agentouto.exceptions, name)
        if name != "Partial":
            assert issubclass(raised, agentouto.AgentoutoError | UserWarning)
    assert agentouto.exceptions.AgentOutOError is agentouto.AgentoutoError


def test_a_public_name_has_a_docstring() -> None:
    for name in PUBLIC:
        thing = getattr(agentouto, name)
        if callable(thing):
            assert (thing.__doc__ or "").strip(), name


@pytest.mark.parametrize(
    "name",
    [
        "agentouto.a2a",
        "agentouto.acp",
        "agentouto.auth",
        "agentouto.exceptions",
        "agentouto.exports",
        "agentouto.mcp",
        "agentouto.peers",
        "agentouto.serve",
        "agentouto.testing",
        "agentouto.tool",
        "agentouto.tools",
        "agentouto.ui",
        "agentouto.wires",
    ],
)
def test_a_public_module_offers_what_it_says(name: str) -> None:
    module = import_module(name)
    for offered in module.__all__:
        assert hasattr(module, offered)


def test_importing_brings_nothing_heavy_along() -> None:
    program = (
        "import sys; before = set(sys.modules); import agentouto;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & LOADED_LATE
    assert len(loaded) < MOST_MODULES


def test_a_provider_shows_no_secret() -> None:
    class Login:
        async def get_token(self) -> str:
            return "tok-SECRET"

        def __repr__(self) -> str:
            return "Login('tok-SECRET')"

    provider = Provider("openai", api_key="sk-SECRET", auth=Login())
    agent = Agent("writer", "Write.", "m", provider)
    for shown in (repr(provider), str(provider), f"{provider}", repr(agent), repr([agent])):
        assert "SECRET" not in shown


def test_the_version_is_said_once() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert agentouto.__version__ == project["version"]


def test_the_changelog_tells_of_this_version() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(agentouto.__version__)}\b", changelog, re.MULTILINE)


def test_the_wheel_has_this_version(installed: Distribution) -> None:
    assert installed.version == agentouto.__version__


def test_the_wheel_says_that_it_is_typed(installed: Distribution) -> None:
    assert "agentouto/py.typed" in shipped(installed)


def test_the_wheel_holds_the_package_its_command_the_licence_and_nothing_else(
    installed: Distribution,
) -> None:
    files = shipped(installed)
    tops = {name.split("/")[0] for name in files if not name.startswith("..")}
    assert tops == {
        "_agentouto_command.py",
        "agentouto",
        f"agentouto-{installed.version}.dist-info",
    }
    assert any(name.endswith("licenses/LICENSE") for name in files)
    assert installed.metadata["License-Expression"] == "Apache-2.0"


def test_the_wheel_brings_the_command(installed: Distribution) -> None:
    commands = installed.entry_points.select(group="console_scripts")
    assert commands["agentouto"].value == "_agentouto_command:main"


def test_the_extras_are_there(installed: Distribution) -> None:
    assert {"dev", "fast", "oauth", "prices", "serve"} <= set(
        installed.metadata.get_all("Provides-Extra") or ()
    )


def shipped(installed: Distribution) -> list[str]:
    return [str(file) for file in installed.files or ()]
