"""Measures the page in Chromium, and prints a row for each figure with its bar.

::

    python benchmarks/in_browser.py

It needs this package and the packages of the group ``test``, and a Chromium. Each figure is the
best of five: what is measured is the page, not what else the machine does. Exits with 1 if a figure
is over its bar.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from page.big_run import big_run
from page.browsing import Visitor
from page.served import Site, keep_ended_run, served
from page.teams import crowd, two_questions

TIMES = 5
TABS = ("map", "sequence", "time", "events")

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
FRAMES = """async () => {
    let frames = 0;
    const began = performance.now();
    while (performance.now() - began < 2000) { await new Promise(requestAnimationFrame); frames++ }
    return frames / 2;
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


class Figure(NamedTuple):
    """A figure, and the most or the least it may be."""

    name: str
    value: float
    bar: float
    least: bool = False

    @property
    def ok(self) -> bool:
        return self.value >= self.bar if self.least else self.value <= self.bar


def of_a_big_run(page: Page, site: Site) -> Iterator[Figure]:
    """Yield the figures of a run of 20,000 lines that has ended."""
    samples: dict[str, list[float]] = {}
    for _ in range(TIMES):
        Visitor(page).open(site)
        page.wait_for_selector("nav li button")
        samples.setdefault("first paint of the page, ms", []).append(page.evaluate(PAINT))
        samples.setdefault("20,000 lines on screen after a click, ms", []).append(
            page.evaluate(ON_SCREEN)
        )
        first, *warm = page.evaluate(FOLD)
        samples.setdefault("20,000 lines folded, first time, ms", []).append(first)
        samples.setdefault("20,000 lines folded, warm, ms", []).append(min(warm))
        for name in TABS:
            milliseconds, nodes = page.evaluate(OPEN_TAB, name)
            samples.setdefault(f"{name} drawn, ms", []).append(milliseconds)
            samples.setdefault(f"{name}, elements", []).append(nodes)
    bars = {"first paint of the page, ms": 600, "20,000 lines on screen after a click, ms": 1_000}
    bars |= {"20,000 lines folded, first time, ms": 100, "20,000 lines folded, warm, ms": 30}
    bars |= {f"{name} drawn, ms": 50 for name in TABS}
    bars |= {f"{name}, elements": 3_000 for name in TABS}
    yield from (Figure(name, min(found), bars[name]) for name, found in samples.items())


def of_a_crowd(page: Page) -> Iterator[Figure]:
    """Yield the figures of 30 agents at work, and of the replay of their run."""
    with served(crowd(pause=0.01, delay=0.3)) as site:
        visitor = Visitor(page)
        visitor.open(site)
        visitor.start("Survey.")
        yield Figure("frames a second while 30 agents work", page.evaluate(FRAMES), 10, least=True)
        page.locator("header .pill", has_text="returned").wait_for(timeout=120_000)
        run = site.get("/api/runs").json()[0]
        took = page.evaluate(REPLAY) / 1000
        yield Figure(
            "replay, percent off the time of the run", 100 * abs(took / run["seconds"] - 1), 2
        )


def main() -> int:
    """Print the table."""
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=root)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        with served(two_questions()) as site:
            keep_ended_run(site, big_run())
            figures = list(of_a_big_run(page, site))
        figures += of_a_crowd(page)
        browser.close()
    print(f"{time.strftime('%Y-%m-%d')}  {os.cpu_count()} cores")
    for figure in figures:
        sign = ">=" if figure.least else "<="
        verdict = "" if figure.ok else "  OVER"
        print(f"{figure.name:<46} {figure.value:10.1f}  {sign} {figure.bar:g}{verdict}")
    return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
