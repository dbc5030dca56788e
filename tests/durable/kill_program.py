"""A run that survives being killed: ``kill_program.py URL JOURNAL EFFECTS [POWER_LOSS]``."""

from __future__ import annotations

import sys
from pathlib import Path

from agentouto import Agent, Journal, Message, Provider, Tool, here, run

URL, JOURNAL, EFFECTS = sys.argv[1:4]


def has_happened(what: str) -> str | None:
    done = Path(EFFECTS).read_text("utf-8").split() if Path(EFFECTS).exists() else []
    return "noted" if here().key in done else None


@Tool(on_restart=has_happened)
def note(what: str) -> str:
    with Path(EFFECTS).open("a", encoding="utf-8") as file:
        file.write(f"{here().key}\n")
    return "noted"


def answer(message: Message) -> str:
    return "blue"


provider = Provider("local", kind="openai", base_url=URL)
journal = Journal(JOURNAL, power_loss=len(sys.argv) > 4)
agents = [Agent(name, f"AGENT {name}", "m", provider) for name in ("lead", "writer", "scout")]
result = run(
    "Go.", agents[:1], [note], run_agents=agents, ask_user=answer, journal=journal, run_id="r"
)
print(result.output)
