"""What ``agentouto run`` says of a program that answers for a peer."""

from __future__ import annotations

import sys
from pathlib import Path

from cli.terminal import agentouto

TEAM = """
import sys
from agentouto import Team
from agentouto.acp import program

coder = program("coder", "Writes code.", sys.executable, {agent!r})
team = Team([coder], starting_agents=[coder])
"""


def test_the_program_is_named_before_it_starts_and_its_tools_can_be_approved(
    tmp_path: Path,
) -> None:
    agent = str(Path(__file__).with_name("acp_agent.py"))
    (tmp_path / "team.py").write_text(TEAM.format(agent=agent), encoding="utf-8")
    message = "write a.txt allow_once reject_once"
    done = agentouto("run", "team.py", message, "--approve", "coder.edit", cwd=tmp_path)
    assert f"coder starts: {sys.executable} {agent}" in done.err
    assert done.out == "id-allow_once\n"
    refused = agentouto("run", "team.py", message, cwd=tmp_path)
    assert refused.out == "id-reject_once\n"
