"""Writes a report about a day, and publishes it when you approve: the same command goes on with it.

Every step that is finished is in the journal. After a crash, after a restart of the machine, and
while it waits for you, nothing that was done is done again.
"""

import argparse
import asyncio
import csv
import sys
from pathlib import Path

from agentouto import Agent, AgentoutoError, Approval, Journal, Limits, Provider, Tool, run_stream
from script import SCRIPT

SALES = Path(__file__).with_name("sales.csv")
REPORTS = Path("reports")
JOURNAL = Path("nightly.db")


@Tool(on_restart="run")
def sales(day: str, shop: str) -> dict[str, int]:
    """Return the orders of a shop on a day, and what they brought, in cents."""
    with SALES.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if (row["day"], row["shop"]) == (day, shop):
                return {"orders": int(row["orders"]), "cents": int(row["cents"])}
    raise LookupError(f"there are no figures for {shop} on {day}")


def is_published(day: str, text: str) -> str | None:
    """Look whether the report is there, if the program ended while it was being published."""
    path = REPORTS / f"{day}.md"
    done = path.is_file() and path.read_text(encoding="utf-8") == text
    return f"published as {path}" if done else None


@Tool(needs_approval=True, on_restart=is_published)
def publish(day: str, text: str) -> str:
    """Publish a report, in Markdown."""
    REPORTS.mkdir(exist_ok=True)
    path = REPORTS / f"{day}.md"
    path.write_text(text, encoding="utf-8")
    return f"published as {path}"


async def wait_for_morning(_: Approval) -> bool:
    """Decide nothing: the program ends, and the run waits in the journal."""
    await asyncio.Event().wait()
    return False


def approve(approval: Approval) -> bool:
    """Approve a report, and nothing else."""
    return approval.tool == "publish"


def has_returned(run_id: str) -> bool:
    """Look whether the run has come to its end, so that nothing in it waits any more."""
    if not JOURNAL.exists() or run_id not in (journal := Journal(JOURNAL)):
        return False
    return journal[run_id].status == "returned"


def report(day: str, provider: Provider, *, approved: bool, model: str = "gpt-5.2") -> str:
    """Begin the report of a day or go on with it; return what it came to so far."""
    writer = Agent(
        "writer",
        "Have the analyst judge each shop, north and south. Then publish a report of ten lines.",
        model,
        provider,
        role="Writes the report.",
    )
    analyst = Agent(
        "analyst",
        "Judge the sales of the shop that you are asked about, by its figures, in one sentence.",
        model,
        provider,
        role="Judges the sales of one shop.",
    )
    run_id = f"report-{day}"
    waits = not approved and not has_returned(run_id)
    stream = run_stream(
        f"Write the report about {day}.",
        [writer],
        [sales, publish],
        run_agents=[writer, analyst],
        approve=approve if approved else wait_for_morning,
        limits=Limits(requests=40, cost=1.0, prices={model: (1.75, 14.0)}),
        journal=JOURNAL,
        run_id=run_id,
    )
    for event in stream:
        if event.type == "agent_call" and "approval" in event.data and waits:
            text = event.data["approval"]["arguments"]["text"]
            return f"{text}\nThis waits for you: run the command again with --approve."
    return stream.result().output


def main() -> None:
    """Read the command line, and print what has become of the report."""
    parser = argparse.ArgumentParser(description="Write and publish the report about a day.")
    parser.add_argument("day", help="such as 2026-03-02")
    parser.add_argument("--approve", action="store_true", help="publish the report that waits")
    parser.add_argument("--scripted", action="store_true", help="use a script, and no model")
    given = parser.parse_args()
    scripted = Provider("scripted", kind="script", script=SCRIPT)
    provider = scripted if given.scripted else Provider("openai")
    print(report(given.day, provider, approved=given.approve))


if __name__ == "__main__":
    try:
        main()
    except AgentoutoError as error:
        sys.exit(f"nightly.py: {error}")
