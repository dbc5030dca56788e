"""A page that is served in a thread, and a client for it that is no browser."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from agentouto import Team
from agentouto.ui import PageServer, PageSetup
from agentouto.ui._live_run import Lines, LiveRun
from page.teams import two_questions


class Answer(NamedTuple):
    """What the server has answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    """A page that is served, and requests to it with its cookie."""

    def __init__(self, server: PageServer) -> None:
        self.server = server
        self.port = server.port
        self.address = server.address
        self.token = urlsplit(server.address).query.removeprefix("token=")
        signed = self.request("GET", f"/?token={self.token}", cookie="")
        assert signed.status == 303
        self.cookie = signed.headers["set-cookie"].partition(";")[0]

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        cookie: str | None = None,
    ) -> Answer:
        sent = {"Cookie": self.cookie if cookie is None else cookie, **(headers or {})}
        if method == "POST":
            sent = {"Content-Type": "application/json", **sent}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, **body: object) -> Answer:
        return self.request("POST", path, json.dumps(body))

    def start(self, text: str, **more: object) -> str:
        made = self.post("/api/runs", text=text, **more)
        assert made.status == 201, made.text
        return str(made.json()["id"])

    def lines(self, run: str, after: str = "") -> list[dict[str, Any]]:
        """Return the lines that there are now."""
        query = f"?after={after}" if after else ""
        answer = self.get(f"/api/runs/{run}/events{query}", Accept="application/x-ndjson")
        assert answer.status == 200, answer.text
        return [json.loads(line) for line in answer.body.splitlines()]

    def wait_for(self, run: str, type_: str, count: int = 1) -> dict[str, Any]:
        """Return the line of a type that has come as the ``count``-th."""
        seen = 0
        for line in self.stream(run):
            seen += line["type"] == type_
            if seen == count:
                return line
        raise AssertionError(f"the run ended without {count} lines of {type_}")

    def stream(self, run: str, after: str = "") -> Iterator[dict[str, Any]]:
        """Yield the lines of a run as they come."""
        for event in self.events(run, after):
            if event["event"] == "message":
                yield from json.loads(event["data"])

    def events(self, run: str, after: str = "") -> Iterator[dict[str, str]]:
        """Yield server-sent events until the stream ends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Cookie": self.cookie} | ({"Last-Event-ID": after} if after else {})
        connection.request("GET", f"/api/runs/{run}/events", headers=headers)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        event: dict[str, str] = {}
        try:
            for raw in response:
                line = raw.decode().rstrip("\n")
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    event[name] = value
                elif not line and "data" in event:
                    yield {"event": "message", "id": ""} | event
                    event = {}
        finally:
            connection.close()


def keep_ended_run(site: Site, lines: Sequence[dict[str, Any]]) -> None:
    """Let the page have a run of these lines, as if it had started it."""
    setup = PageSetup(two_questions())
    assert setup.team is not None
    run = LiveRun(setup, setup.team, "Go.")
    run.id, run.status, run.is_running, run.lines = "big", "completed", False, Lines(whole=True)
    for line in lines:
        run.lines.add(line)
    site.server.runs._runs[run.id] = run


@contextmanager
def served(setup: PageSetup | Team, **options: Any) -> Iterator[Site]:
    """Serve a page until the end of the block."""
    server = PageServer(setup if isinstance(setup, PageSetup) else PageSetup(setup), **options)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        yield Site(server)
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()
