"""Two agents that call each other for ever: how many requests are made until something stops them?

    python3 benchmarks/runaway.py

Each framework has a program in ``runaways/`` that follows the framework's own documentation, an
environment of its own, and the same number in its limits. A fake server on this machine plays the
models: it answers every request with a call of the other agent. A program that goes on after
``MOST`` requests is ended.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from typing import NamedTuple

from environments import HERE, about, make_ours, make_theirs, plain, python
from runaway_server import serving

MOST = 200
"""Ten times the limit that each program sets."""

PATIENCE = 240.0
"""Seconds for one program; the slowest makes a few requests a second."""

QUIET = {"OTEL_SDK_DISABLED": "true", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""Keeps frameworks from reaching out of this machine."""


class Party(NamedTuple):
    """A framework, and how two of its agents call each other."""

    title: str
    limit: str
    program: str
    packages: tuple[str, ...] = ()

    @property
    def environment(self) -> str:
        return self.packages[0].partition("==")[0].partition("[")[0] if self.packages else "ours"

    @property
    def package(self) -> str:
        return self.environment if self.packages else "agentouto"


AGENTS = ("openai-agents==0.24.0",)
STRANDS = ("strands-agents[openai]==1.62.0",)
PARTIES = (
    Party("agentouto", "`Limits(requests=20)` of the run", "agentouto_"),
    Party(
        "pydantic-ai, agent delegation",
        "`UsageLimits(request_limit=20)` of the run, `usage=ctx.usage` in the tools",
        "pydantic_ai_",
        ("pydantic-ai-slim[openai]==2.68.0",),
    ),
    Party(
        "OpenAI Agents SDK, agents as tools",
        "`max_turns=20` of the run and of the tools",
        "openai_agents",
        AGENTS,
    ),
    Party("OpenAI Agents SDK, handoffs", "`max_turns=20` of the run", "openai_handoffs", AGENTS),
    Party(
        "Google ADK, agents as tools",
        "`RunConfig(max_llm_calls=20)` of the run",
        "google_adk",
        ("google-adk==2.13.0", "litellm==1.110.2"),
    ),
    Party(
        "Microsoft Agent Framework, agents as tools",
        "`max_iterations` and `max_function_calls` of the client, both 20",
        "agent_framework_",
        ("agent-framework-core==1.23.0", "agent-framework-openai==1.17.0"),
    ),
    Party(
        "LangChain, agents in tools",
        "`ModelCallLimitMiddleware(run_limit=20)` of both agents",
        "langchain_",
        ("langchain==1.5.2", "langchain-openai==1.7.4"),
    ),
    Party("Strands, agents as tools", '`limits={"turns": 20}` of the run', "strands_", STRANDS),
    Party(
        "Strands, a swarm", "`max_handoffs` and `max_iterations`, both 20", "strands_swarm", STRANDS
    ),
    Party(
        "AG2, agents as tools",
        "none is there; `LoopDetector()` of both agents",
        "ag2_",
        ("ag2[openai]==1.2.1",),
    ),
)


class Outcome(NamedTuple):
    """What a program did."""

    requests: int
    ended: str


def run(party: Party, most: int) -> Outcome:
    """Run the program of a party until it ends, or until there are ``most`` requests."""
    with serving(most) as server, tempfile.TemporaryFile("w+") as said:
        environment = {**plain(), **QUIET, "OPENAI_BASE_URL": server.url}
        command = [python(party.environment), str(HERE / "runaways" / f"{party.program}.py")]
        program = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
        until = time.monotonic() + PATIENCE
        while program.poll() is None and not server.enough.wait(0.05) and time.monotonic() < until:
            pass
        if program.poll() is None:
            program.kill()
            program.wait()
            return Outcome(server.requests, "goes on")
        said.seek(0)
        lines = [line for line in said.read().splitlines() if line.strip()]
        last = lines[-1].strip().partition(". ")[0] if lines else ""
        return Outcome(server.requests, f"`{last}`" if program.returncode else f"returns {last}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Count the requests of two agents without end.")
    parser.add_argument("--most", type=int, default=MOST, help="requests until a program is ended")
    parser.add_argument("--only", default="", help="programs, with commas between")
    given = parser.parse_args()
    print("| framework | version | limit | requests | how it ended |\n|---|---|---|---|---|")
    for party in PARTIES:
        if given.only and party.program not in given.only.split(","):
            continue
        if party.packages:
            make_theirs(party.environment, *party.packages)
        else:
            make_ours()
        requests, ended = run(party, given.most)
        version = about(party.environment)[party.package]
        shown = f"{requests}, ended by us" if ended == "goes on" else str(requests)
        print(f"| {party.title} | {version} | {party.limit} | {shown} | {ended} |", flush=True)


if __name__ == "__main__":
    main()
