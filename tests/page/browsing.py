"""A person at the page: opens it, writes, clicks, and complains about what goes wrong unseen."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request

from page.served import Site

SIZES = {"narrow": 420, "middle": 900, "wide": 1440}
LOOKS = [f"{size} {theme}" for theme in ("dark", "light") for size in SIZES]
"""Width and theme, as in ``narrow dark``."""


OVERLAPPING = """() => {
    const texts = [...document.querySelectorAll('svg text')].filter(
        one => one.textContent.trim() && !one.hasAttribute('transform'));
    const boxes = texts.map(one => one.getBoundingClientRect()), found = [];
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, j) => {
        const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (x > 1 && y > 2) found.push(`${texts[i].textContent} / ${texts[i + j + 1].textContent} ${y}`);
    }));
    return found;
}"""


HIDE = """() => {
    Object.defineProperty(document, 'hidden', {value: true});
    document.dispatchEvent(new Event('visibilitychange'));
}"""
"""Does what a browser does when another tab comes to the front."""
HIDE_AND_SHOW = "document.dispatchEvent(new Event('visibilitychange'))"
"""Does what a browser does when a tab comes to the front again: it connects once more."""


class Visitor:
    """A page in the browser, and what it has complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._request)

    def open(self, site: Site) -> None:
        self.page.goto(site.address)
        self.page.wait_for_selector("main")

    def start(self, text: str) -> None:
        self.page.fill("#message", text)
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_selector("header .pill:not(.none)")

    def answer(self, text: str, nth: int = 0) -> None:
        card = self.page.locator(".card").nth(nth)
        card.locator("input").fill(text)
        card.get_by_role("button", name="Answer").click()

    def see(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def lines(self) -> int:
        """Return how many lines the page has of its run."""
        return int(self.page.get_attribute("[aria-label='Moment of the run']", "max") or 0)

    def tab_to(self, selector: str, *, backwards: bool = False) -> None:
        """Press the tab key until what ``selector`` names has the focus."""
        for _ in range(80):
            if self.page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            self.page.keyboard.press("Shift+Tab" if backwards else "Tab")
        raise AssertionError(f"the tab key does not reach {selector}")

    def overlapping(self) -> list[str]:
        """Return texts in pictures that lie on each other; slanted ones are not compared."""
        return list(self.page.evaluate(OVERLAPPING))

    def lines_of_chips(self) -> int:
        """Return in how many lines the page says whom everyone waits for."""
        tops = "[...new Set([...document.querySelectorAll('.chip')].map(one => one.offsetTop))]"
        return len(self.page.evaluate(tops))

    def look(self, how: str) -> None:
        """Look through a window of another width and theme."""
        size, theme = how.split()
        self.page.set_viewport_size({"width": SIZES[size], "height": 900})
        self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        self.page.wait_for_timeout(60)  # until it is drawn again

    def tab(self, name: str) -> None:
        self.page.click(f"#tab-{name}")

    def sees_status(self, word: str) -> None:
        self.page.locator("header .pill", has_text=word).first.wait_for()

    def _console(self, message: ConsoleMessage) -> None:
        # What the server refuses is shown by the browser too; the page says it in words.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.hostname != "127.0.0.1":
            self.complaints.append(f"a request to {request.url}")


class Axe:
    """The script of axe-core: finds what keeps people out who see or move in other ways."""

    def __init__(self, script: str) -> None:
        self._script = script

    def findings(self, page: Page) -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(self._script)
        found: Any = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
            for each in found["violations"]
            for node in each["nodes"][:3]
        ]
