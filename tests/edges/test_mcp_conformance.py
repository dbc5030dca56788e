"""The conformance suite of MCP, against our client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edges.parties import needs_npm, on_node, python_module

python_module("mcp")

CLIENT = Path(__file__).with_name("conformance_client.py")

SCENARIOS = (
    "initialize",
    "tools_call",
    "elicitation-sep1034-client-defaults",
    "sse-retry",
    "auth/metadata-default",
    "auth/basic-cimd",
    "auth/scope-step-up",
    "auth/pre-registration",
    "auth/resource-mismatch",
)
"""Those of signing in are about the sign-in of the SDK, which ``auth=`` passes on."""


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_suite_passes(scenario: str, tmp_path: Path) -> None:
    needs_npm("@modelcontextprotocol/conformance")
    command = f"{sys.executable} {CLIENT} {scenario}"
    done = subprocess.run(
        on_node("conformance", "client", "--command", command, "--scenario", scenario),
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=50,
    )
    shown = done.stdout + done.stderr
    assert ", 0 failed, 0 warnings" in shown, shown[-3000:]
