"""A run that survives being killed: ``kill_program.py URL FOLDER LETTERS [POWER_LOSS]``.

A thread of the user's writes letters to the peer in the background. What has happened outside of
the run is in files of the folder, a line each: ``effects``, ``receipts``, and ``questions``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from threading import Thread

from agentouto import Agent, Handle, Journal, Message, Provider, Tool, here, run_background

URL, FOLDER, LETTERS = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
WAIT_FOR_PERSON = 0.05
"""Seconds that the user takes for an answer, so that some kills hit the question."""

journal = Journal(FOLDER / "runs.db", power_loss=len(sys.argv) > 4)


def lines(name: str) -> list[str]:
    file = FOLDER / name
    return file.read_text("utf-8").splitlines() if file.exists() else []


def add_line(name: str, line: str) -> None:
    with (FOLDER / name).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def has_happened(what: str) -> str | None:
    return "noted" if here().key in lines("effects") else None


@Tool(on_restart=has_happened)
def note(what: str) -> str:
    add_line("effects", here().key)
    return "noted"


def answer(message: Message) -> str:
    add_line("questions", message.call_id)
    time.sleep(WAIT_FOR_PERSON)
    return "blue"


def write_letters(handle: Handle[None]) -> None:
    """Send each letter until there is a receipt for it."""
    scouts: list[str] = []
    while not scouts:
        time.sleep(0.005)
        scouts = [call.id for call in journal["r"].calls if call.name == "scout"]
    for number in range(LETTERS):
        letter = f"letter {number}."
        if letter not in lines("receipts"):
            handle.send(letter, to=scouts[0], id=f"letter-{number}")
            add_line("receipts", letter)
            time.sleep(0.01)


async def main() -> str:
    provider = Provider("local", kind="openai", base_url=URL)
    names = ("lead", "writer", "critic", "scout")
    agents = [Agent(name, f"AGENT {name}", "m", provider) for name in names]
    handle = run_background(
        "Go.",
        agents[:1],
        [note],
        run_agents=agents,
        ask_user=answer,
        enabled_tools=["wait_for_messages"],
        journal=journal,
        run_id="r",
    )
    writer = Thread(target=write_letters, args=(handle,), daemon=True)
    writer.start()
    result = await handle.wait()
    await asyncio.to_thread(writer.join)
    return result.output


print(asyncio.run(main()))
