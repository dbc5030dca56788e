"""Measures the page in Chromium, in a process of its own, and prints the figures as JSON.

::

    python benchmarks/run.py --only P

starts it in the environment ``page``. A figure of the run of 20,000 lines is the best of three:
what is measured is the page, not what else the machine does. Without a scenario it only looks
whether a Chromium can be started, and says what to do if not.
"""

# The folder of the tests, which is added to the path below, is none that checkers look in.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from page.big_run import big_run
from page.browsing import Visitor
from page.served import keep_ended_run, served
from page.teams import crowd, two_questions

TIMES = 3
TABS = ("map", "sequence", "time", "events")
NAMES = ("chromium", "chromium-browser", "google-chrome")
MEGABYTE = 1e6

FOLD = """async () => {
    const {Run} = await import(document.querySelector('link[href*=fold]').href);
    const options = {headers: {accept: 'application/x-ndjson'}};
    const text = await (await fetch('api/runs/big/events', options)).text();
    const lines = text.trim().split('\\n').map(line => JSON.parse(line));
    return [0, 1, 2].map(() => {
        const began = performance.now();
        new Run().feedAll(lines);
        return performance.now() - began;
    });
}"""
OPEN_TAB = """async name => {
    const began = performance.now();
    document.getElementById(`tab-${name}`).click();
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    return [performance.now() - began, document.querySelectorAll('*').length];
}"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 1e9"
ON_SCREEN = """async () => {
    const began = performance.now();
    document.querySelector('nav li button').click();
    while (document.querySelector('header .pill').textContent !== 'returned')
        await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""
FRAME = """async () => {
    let frames = 0;
    const began = performance.now();
    while (performance.now() - began < 2000) { await new Promise(requestAnimationFrame); frames++ }
    return 2000 / frames;
}"""
REPLAY = """async () => {
    const all = () => [...document.querySelectorAll('button')];
    const button = word => all().find(one => one.textContent === word);
    const began = performance.now();
    button('Replay').click();
    await new Promise(done => setTimeout(done, 100));
    while (!button('Replay')) await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""
NOW = "performance.timeOrigin + performance.now()"
WATCH = f"""() => {{
    window.gone = new Promise(done => new MutationObserver(() => {{
        if (document.querySelectorAll('.card').length < 2) done({NOW});
    }}).observe(document.body, {{childList: true, subtree: true}}));
}}"""
ANSWER = f"""() => {{
    const card = document.querySelector('.card');
    card.querySelector('input').value = 'mine';
    card.requestSubmit();
    return {NOW};
}}"""


def of_a_big_run(page: Page) -> dict[str, float]:
    """Return the figures of a run of 20,000 lines that has ended."""
    samples: dict[str, list[float]] = {}

    def take(name: str, figure: float) -> None:
        samples.setdefault(name, []).append(figure)

    with served(two_questions()) as site:
        keep_ended_run(site, big_run())
        for _ in range(TIMES):
            Visitor(page).open(site)
            page.wait_for_selector("nav li button")
            take("paint_ms", page.evaluate(PAINT))
            take("on_screen_ms", page.evaluate(ON_SCREEN))
            first, *warm = page.evaluate(FOLD)
            take("fold_first_ms", first)
            take("fold_warm_ms", min(warm))
            for name in TABS:
                milliseconds, elements = page.evaluate(OPEN_TAB, name)
                take(f"{name}_ms", milliseconds)
                take(f"{name}_elements", elements)
        session = page.context.new_cdp_session(page)
        session.send("HeapProfiler.collectGarbage")
        take("memory_mb", session.send("Runtime.getHeapUsage")["usedSize"] / MEGABYTE)
    return {name: min(found) for name, found in samples.items()}


def of_a_crowd(page: Page) -> dict[str, float]:
    """Return the figures of 30 agents at work, and of the replay of their run."""
    with served(crowd(pause=0.01, delay=0.3)) as site:
        visitor = Visitor(page)
        visitor.open(site)
        visitor.start("Survey.")
        frame = page.evaluate(FRAME)
        page.locator("header .pill", has_text="returned").wait_for(timeout=120_000)
        took = page.evaluate(REPLAY) / 1000
        seconds = site.get("/api/runs").json()[0]["seconds"]
    return {"frame_ms": frame, "replay_percent": 100 * abs(took / seconds - 1)}


def of_two_tabs(page: Page) -> dict[str, float]:
    """Return how long a question stays in a tab when it was answered in another one."""
    with served(two_questions()) as site:
        visitor = Visitor(page)
        visitor.open(site)
        visitor.start("Go.")
        visitor.see("2 questions for you")
        other = Visitor(page.context.new_page())
        other.open(site)
        other.see("2 questions for you")
        other.page.evaluate(WATCH)
        answered = page.evaluate(ANSWER)
        return {"gone_ms": other.page.evaluate("window.gone") - answered}


SCENARIOS: dict[str, Callable[[Page], dict[str, float]]] = {
    "P1": of_a_big_run,
    "P2": of_a_crowd,
    "P3": of_two_tabs,
}


@contextmanager
def chromium() -> Generator[Browser]:
    """Start a Chromium of this machine, or that of playwright.

    Raises:
        SystemExit: There is none.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None)
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=root)
        except Error as error:
            raise SystemExit(
                "P is measured in Chromium, which cannot be started: install it, for example with "
                f"'apt-get install chromium'.\n{str(error).splitlines()[0]}"
            ) from error
        yield browser
        browser.close()


def main() -> None:
    """Print the figures of the scenario that is named."""
    with chromium() as browser:
        for name in sys.argv[1:]:
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            print(json.dumps(SCENARIOS[name](page)))


if __name__ == "__main__":
    main()
