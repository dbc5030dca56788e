"""Makes the pictures of the README from real runs: the page twice, and the terminal.

::

    python docs/pictures/make.py

It needs the packages of the group ``test`` and a Chromium, as ``tests/page`` does, and leaves
``question.png``, ``path.png`` and ``terminal.png`` beside itself.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from io import StringIO
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from agentouto import Agent, Team, Tool  # noqa: E402
from agentouto.testing import (  # noqa: E402  # noqa: E402
    Request,
    Script,
    ScriptedReply,
    Turn,
    call,
    fail,
    finish,
    say,
    think,
    tool,
)
from cli.terminal import ERASED, Terminal  # noqa: E402
from page.browsing import Visitor  # noqa: E402
from page.served import served  # noqa: E402
from page.teams import crowd, provider  # noqa: E402

TERMINAL = """<pre style="{stylesheet}">{code}</pre>"""
SHELL = """
background: #0c0c0c; color: #d9d9d9; margin: 0; padding: 18px 22px;
font: 14px/1.35 'DejaVu Sans Mono', monospace;
"""
DIM = {"\x1b[2m": "\x1b[38;5;248m", "\x1b[2;": "\x1b[", "\x1b[1;2": "\x1b[1"}
"""Dim text as terminals show it: rich blends it with half of the background."""


def reporters() -> Team:
    """Three agents that write a report, and ask who reads it."""

    @Tool
    async def search_web(query: str) -> str:
        """Search the web."""
        await asyncio.sleep(0.7)
        return f"6 results for {query}"

    def researcher(request: Request) -> ScriptedReply:
        if request.turn:
            return Turn(finish("Solar power costs half of what it did in 2020."), stream=True)
        return Turn(
            think("The reader is unknown. A draft can begin while I search."),
            say("I search, and ask writer for a draft at the same time."),
            tool("search_web", query="solar prices 2026"),
            call("writer", "Draft one page on solar costs, storage and grid queues."),
            call("critic", "List review criteria for a report on solar power.", background=True),
            stream=True,
        )

    def writer(request: Request) -> ScriptedReply:
        if request.turn:
            return Turn(finish("Module prices fell again. Storage is the larger share."))
        return Turn(
            say("Before I write I need to know who reads this."),
            call("user", "Who is the reader: an engineer or an investor?"),
            call("critic", "Which claims need a source?"),
            stream=True,
        )

    def critic(request: Request) -> ScriptedReply:
        if request.heard[0].startswith("Which"):
            limited = request.attempt == 1
            return fail(429, retry_after=8) if limited else finish("Two claims need a source.")
        if request.turn < 4:
            return Turn(tool("search_web", query=f"criteria, page {request.turn}"), stream=True)
        return finish("Sources, units, dates and tone.")

    peers = {"researcher": researcher, "writer": writer, "critic": critic}
    scripted = provider(Script(peers, stream=True, pause=0.02, delay=0.3))
    agents = [Agent(name, f"You are {name}.", "any-model", scripted) for name in peers]
    return Team(agents, [search_web], starting_agents=agents[:1])


def draw_question(browser: Browser) -> None:
    """Draw the ring at the moment of a question."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    visitor = Visitor(page)
    with served(reporters()) as site:
        visitor.open(site)
        visitor.start("Write a report on solar power.")
        visitor.see("next in")
        page.wait_for_timeout(1_600)
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=HERE / "question.png")


def draw_path(browser: Browser) -> None:
    """Draw the time of 30 agents and 282 calls, with the path that decided."""
    page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
    visitor = Visitor(page)
    with served(crowd(pause=0.01, delay=0.4)) as site:
        visitor.open(site)
        visitor.start("Survey the field.")
        page.locator("header .pill", has_text="returned").wait_for(timeout=120_000)
        page.evaluate("document.activeElement.blur()")
        page.get_by_label("show the path").check()
        page.wait_for_timeout(300)
        page.screenshot(path=HERE / "path.png")


def draw_terminal(browser: Browser, folder: Path) -> None:
    """Draw the demo in a terminal, before it asks."""
    for name, text in {"notes.md": "TODO: write more.\n" * 40, "plan.md": "Plan.\n" * 90}.items():
        (folder / name).write_text(text, encoding="utf-8")
    with Terminal("demo", ".", "--pause", "0.03", cwd=folder, rows=30, columns=100) as terminal:
        terminal.wait_for("\n> ")
        frames = ERASED.split(terminal.seen)
    shown = Console(record=True, width=100, file=StringIO())
    frame = frames[-1].replace("\r", "")
    for dim, bright in DIM.items():
        frame = frame.replace(dim, bright)
    shown.print(Text.from_ansi(frame))
    page = browser.new_context(viewport={"width": 960, "height": 400}).new_page()
    page.set_content(shown.export_html(inline_styles=True, code_format=TERMINAL, theme=MONOKAI))
    page.add_style_tag(content=f"body {{margin: 0}} pre {{{SHELL}}}")
    page.locator("pre").screenshot(path=HERE / "terminal.png")


def main() -> None:
    """Make all pictures."""
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=found, args=root)
        draw_question(browser)
        draw_path(browser)
        draw_terminal(browser, Path(folder))


if __name__ == "__main__":
    main()
