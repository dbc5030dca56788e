"""Draws ``idea.svg``, the picture of docs/idea.md, from a run: ``python docs/pictures/idea.py``.

The models are scripts; everything else is what happens with any model.
"""

from __future__ import annotations

import sys
from pathlib import Path

from agentouto import Agent, Message, Provider, RunResult, Tool, run
from agentouto.exports import to_svg
from agentouto.testing import Request, Script, ScriptedReply, call, finish, tool


@Tool
def search_web(query: str) -> str:
    """Search the web."""
    return f"6 results for {query}"


def answer(message: Message) -> str:
    """Answer as the user, who is a peer without a model."""
    del message
    return "Engineers."


def researcher(seen: Request) -> ScriptedReply:
    """Ask the writer for a page, and answer what the writer asks meanwhile."""
    if seen.last.startswith("Is 4 cents"):
        return finish("Yes, since March.")
    steps = [tool("search_web", query="solar prices"), call("writer", "One page, please.")]
    return [*steps, finish("The report is ready.")][seen.turn]


def result() -> RunResult:
    """Run a team in which each participant calls another, the user among them."""
    script = Script(
        {
            "researcher": researcher,
            "writer": [
                call("user", "Who reads it?"),
                call("researcher", "Is 4 cents current?"),
                call("critic", "Is it clear?"),
                finish("A page for engineers."),
            ],
            "critic": [finish("All but one word.")],
        }
    )
    scripted = Provider("scripted", kind="script", script=script)
    names = ("researcher", "writer", "critic")
    agents = [Agent(name, f"You are {name}.", "any-model", scripted) for name in names]
    question = "Report on solar power."
    return run(question, agents[:1], [search_web], run_agents=agents, ask_user=answer)


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "idea.svg"
    file.write_text(to_svg(result(), "sequence"), encoding="utf-8")
