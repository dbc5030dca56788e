"""Who signs people in, and a browser that signs in as people do.

The server is ``oidc-provider``, set up in ``oidc/server.mjs``. The browser is a script: it follows
where it is sent, fills in the forms it is shown, and ends where a person would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, ClientSession, CookieJar
from yarl import URL

from outside.simulators import Told, on_node

SERVER = Path(__file__).parent / "oidc" / "server.mjs"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def oidc() -> AbstractContextManager[str]:
    return on_node(SERVER.read_text(encoding="utf-8"), "oidc", "oidc-provider")


class Issuer(Told):
    """An ``oidc-provider``."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "/rig")

    def seen(self, grant: str) -> list[dict[str, Any]]:
        """Return what the token endpoint answered to those who asked with ``grant``."""
        return [asked for asked in self.ask("seen") if asked["grant"] == grant]


@dataclass(frozen=True)
class Page:
    """What a browser ended at. ``url`` alone is where it did not go."""

    url: str
    status: int = 0
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Browser:
    """Signs in, in a fresh session each time.

    Args:
        denies: Press "cancel" as soon as there is one.
        stays: Never leave the server; the page that comes back is where it was sent to instead.
        changes: What becomes of every address before it is visited.
    """

    def __init__(
        self,
        *,
        denies: bool = False,
        stays: bool = False,
        changes: Callable[[str], str] = str,
    ) -> None:
        self.denies = denies
        self.stays = stays
        self.changes = changes
        self._visits: list[asyncio.Task[Page]] = []

    def open(self, url: str, code: str = "") -> None:
        """Visit ``url``, and let whoever asked for that go on."""
        self._visits.append(asyncio.get_running_loop().create_task(self.visit(url, code)))

    async def page(self) -> Page:
        """Return where the only address that was opened led to."""
        (visit,) = self._visits
        return await visit

    async def visit(self, url: str, code: str = "") -> Page:
        """Go to ``url`` and do what is asked there; ``code`` is what a device shows."""
        typed = {"login": "ada", "password": "any", "user_code": code}
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
            page = await self._go(session, url)
            while (shown := _Form.on(page)) is not None:
                if self.denies and shown.cancel:
                    return await self._go(session, *shown.cancelled(page.url))
                page = await self._go(session, *shown.filled_in(page.url, typed))
            return page

    async def _go(
        self, session: ClientSession, url: str, fields: dict[str, str] | None = None
    ) -> Page:
        home = URL(url).origin()
        while True:
            url = self.changes(url)
            if self.stays and URL(url).origin() != home:
                return Page(url)
            method = "GET" if fields is None else "POST"
            asked = URL(url, encoded=True)
            async with session.request(method, asked, data=fields, allow_redirects=False) as answer:
                if answer.status not in {302, 303}:
                    return await _page(url, answer)
                url, fields = str(asked.join(URL(answer.headers["Location"], encoded=True))), None


async def _page(url: str, answer: ClientResponse) -> Page:
    return Page(url, answer.status, await answer.text(), dict(answer.headers))


class _Form(HTMLParser):
    """The form of a page, and how the page is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.cancel = ""

    @classmethod
    def on(cls, page: Page) -> _Form | None:
        form = cls()
        form.feed(page.text)
        return None if form.action is None else form

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = said["action"]
        elif tag == "input":
            self.fields[said["name"]] = said.get("value", "")
        elif said.get("name") == "abort" or said.get("href", "").endswith("/abort"):
            self.cancel = said.get("href", "abort")

    def filled_in(self, url: str, typed: dict[str, str]) -> tuple[str, dict[str, str]]:
        fields = {name: value or typed[name] for name, value in self.fields.items()}
        return str(URL(url).join(URL(self.action or ""))), fields

    def cancelled(self, url: str) -> tuple[str, dict[str, str] | None]:
        """Return where a link, or the button beside the form, leads."""
        if self.cancel != "abort":
            return str(URL(url).join(URL(self.cancel))), None
        return str(URL(url).join(URL(self.action or ""))), {**self.fields, "abort": "yes"}
