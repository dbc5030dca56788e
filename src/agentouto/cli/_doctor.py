"""``agentouto doctor``: prints what matters when something does not work.

Versions, keys, folders and local servers. It loads no team, and sends nothing to the network beyond
the addresses of local servers. Its output can be pasted into a report: no key is shown.
"""

from __future__ import annotations

import os
import platform
import stat
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType

import agentouto
from agentouto import TokenStore
from agentouto.cli._exit_codes import ExitCode
from agentouto.cli._keys import key_end
from agentouto.cli._local_servers import Candidate, probe_servers, usual_candidates
from agentouto.cli._terminal_text import clean, fit_terminal, join_words, one_line
from agentouto.wires import key_variables

PACKAGES = ("aiohttp", "msgspec", "pydantic", "rich", "typer")
"""The dependencies whose versions change behaviour most."""

EXTRAS = MappingProxyType(
    {
        "a2a": "a2a-sdk",
        "acp": "agent-client-protocol",
        "cli": "prompt_toolkit",
        "distributed": "psycopg",
        "fast": "uvloop",
        "mcp": "mcp",
        "oauth": "oauthlib",
        "otel": "opentelemetry-api",
        "prices": "genai-prices",
        "serve": "uvicorn",
    }
)
"""The optional extras of this package that a team uses, and what they install first."""

MAX_MODELS = 5
"""Models of a local server that are named; the rest is counted."""


def run_doctor() -> ExitCode:
    """Print the report."""
    _section("agentouto", [agentouto.__version__, f"in {Path(agentouto.__file__).parent}"])
    _section("python", [platform.python_version(), sys.executable, platform.platform()])
    _section("packages", [", ".join(f"{name} {_version(name)}" for name in PACKAGES)])
    _section("extras", [f"{extra}: {_version(name)}" for extra, name in EXTRAS.items()])
    _section("keys", _keys())
    home = TokenStore().directory.parent
    _section("files", [f"{home}{_folder_state(home)}; AGENTOUTO_HOME names another folder"])
    _section("servers", _servers(usual_candidates()))
    return ExitCode.RETURNED


def _folder_state(folder: Path) -> str:
    """Return what keeps ``folder`` from being used, in parentheses; empty if nothing does."""
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            return " (is a file)"
    except FileNotFoundError:
        above = next(each for each in folder.parents if each.exists())
        return " (not made yet)" if os.access(above, os.W_OK) else " (cannot be made)"
    except OSError as error:
        return f" (cannot be read: {error.strerror})"
    return "" if os.access(folder, os.W_OK) else " (cannot be written)"


def _keys() -> list[str]:
    names = dict.fromkeys(name for names in key_variables().values() for name in names)
    own = [name for name in os.environ if name.startswith("AGENTOUTO_") and name.endswith("_KEY")]
    lines: list[str] = []
    for name in [*names, *sorted(own)]:
        key = os.environ.get(name, "").strip()
        lines.append(f"{name} is set{key_end(key)}" if key else f"{name} is not set")
    return lines


def _servers(candidates: list[Candidate]) -> list[str]:
    lines: list[str] = []
    others: list[str] = []
    for candidate, server in probe_servers(candidates):
        if server is None:
            others.append(
                f"something listens at {candidate.url}, but does not answer as {candidate.name}"
            )
            continue
        names = [one_line(name, 100) for name in server.models]
        models = join_words(names, MAX_MODELS) or "no models"
        lines.append(f"{server.name} at {server.url}: {models}")
        lines.append(f'  Provider("local", kind="openai", base_url="{server.url}")')
    if not lines:
        lines = [f"none at {', '.join(candidate.url for candidate in candidates)}"]
    return lines + others


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _section(title: str, lines: list[str]) -> None:
    for number, line in enumerate(lines):
        row = f"{'' if number else title:<10} {clean(line)}"
        sys.stdout.write(f"{fit_terminal(row, sys.stdout, ' ' * 11)}\n")
