"""``agentouto models``: from our table, and from a server."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.terminal import agentouto

LISTS = {
    "/v1/models": {"data": [{"id": "b-model"}, {"id": "a-\x1b[31mmodel"}, {"no": 1}, 7]},
    "/v1/models?limit=1000": {"data": [{"id": "claude-x"}]},
    "/v1beta/models?pageSize=1000": {"models": [{"name": "models/gemini-x"}]},
    "http://models.example/v1/models": {"data": [{"id": "far"}]},
    "/odd/models": {"error": "no list here"},
}


@contextmanager
def listing() -> Generator[tuple[str, list[dict[str, str]]]]:
    """Serve ``LISTS``; ``/away`` leads elsewhere. Yield the address and the headers that came."""
    headers: list[dict[str, str]] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers.append({name.lower(): value for name, value in self.headers.items()})
            away = self.path.startswith("/away")
            page = LISTS.get(self.path)
            self.send_response(302 if away else 404 if page is None else 200)
            if away:
                self.send_header("Location", "/v1/models")
            self.end_headers()
            self.wfile.write(json.dumps(page).encode())

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", headers
        finally:
            server.shutdown()
            thread.join()


def test_known_models_are_listed_with_window_and_price(tmp_path: Path) -> None:
    done = agentouto("models", cwd=tmp_path)
    assert done.code == 0
    heads = [line for line in done.out.splitlines() if not line.startswith("  ")]
    assert heads[:-1] == ["openai, openai_responses", "anthropic", "google"]
    lines = [line.split() for line in done.out.splitlines()]
    assert len(lines) == len({*map(tuple, lines)})
    assert ["gpt-4o", "128,000", "tokens", "2.5", "in,", "10", "out"] in lines
    assert "claude-opus-4-5" in done.out
    only = agentouto("models", "google", cwd=tmp_path).out
    assert "gemini-" in only
    assert "gpt-" not in only


def test_a_server_is_asked_for_its_models(tmp_path: Path) -> None:
    cases = {"openai": "/v1", "openai_responses": "/v1", "anthropic": "", "google": ""}
    with listing() as (url, _):
        outs = [
            agentouto("models", kind, "--online", "--base-url", url + path, cwd=tmp_path).out
            for kind, path in cases.items()
        ]
    assert outs == ["a-model\nb-model\n", "a-model\nb-model\n", "claude-x\n", "gemini-x\n"]


def test_the_key_of_a_vendor_goes_to_no_other_server_and_one_of_ours_does(tmp_path: Path) -> None:
    arguments = ("models", "openai", "--online", "--base-url")
    env = {"OPENAI_API_KEY": "sk-of-the-vendor"}
    with listing() as (url, headers):
        agentouto(*arguments, f"{url}/v1", cwd=tmp_path, env=env)
        env |= {"AGENTOUTO_OPENAI_API_KEY": "for-this-one"}
        agentouto(*arguments, f"{url}/v1", cwd=tmp_path, env=env)
    assert [each.get("authorization") for each in headers] == [None, "Bearer for-this-one"]


def test_the_proxy_is_the_one_that_runs_use(tmp_path: Path) -> None:
    arguments = ("models", "openai", "--online", "--base-url", "http://models.example/v1")
    with listing() as (url, _):  # urllib does not read ALL_PROXY
        done = agentouto(*arguments, cwd=tmp_path, env={"ALL_PROXY": url})
    assert (done.code, done.out) == (0, "far\n")
    done = agentouto(*arguments, cwd=tmp_path, env={"ALL_PROXY": "socks5://127.0.0.1:9"})
    assert done.code == 3
    assert "socks5:// proxies are not supported" in done.err


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/away", "HTTP 302"),
        ("/nowhere", "HTTP 404"),
        ("/odd", "does not answer with a list of models"),
    ],
)
def test_a_server_without_a_list_exits_4(tmp_path: Path, path: str, told: str) -> None:
    with listing() as (url, headers):
        arguments = ("models", "openai", "--online", "--base-url", url + path)
        done = agentouto(*arguments, cwd=tmp_path)
    assert (done.code, done.out) == (4, "")
    assert told in done.err
    assert len(headers) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["opnai"], 2, "Did you mean openai?"),
        (["--online"], 2, "--online needs the KIND"),
        (["openai", "--base-url", "http://x"], 2, "--base-url goes with --online"),
        (["openai", "--online", "--base-url", "file:///etc/passwd"], 2, "takes an http address"),
        (["openai", "--online"], 3, "Set OPENAI_API_KEY"),
        (["openai", "--online", "--base-url", "http://127.0.0.1:1/v1"], 4, "127.0.0.1:1"),
    ],
)
def test_wrong_usage_is_one_line(
    tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    done = agentouto("models", *arguments, cwd=tmp_path)
    assert (done.code, done.out, len(done.err.splitlines())) == (code, "", 1)
    assert told in done.err
