"""``agentouto doctor``: what it says about this computer."""

from __future__ import annotations

import json
import socket
import threading
import tomllib
from pathlib import Path

import pytest

import agentouto as package
from agentouto.cli._local_servers import Candidate, find_servers, ollama_url, probe_servers
from cli.servers import serving
from cli.terminal import agentouto

OLLAMA = json.dumps({"models": [{"name": "llama3.1:8b"}, {"name": "qw\x1b[31men3"}]}).encode()
OPENAI = json.dumps({"object": "list", "data": [{"id": "tiny.gguf", "owned_by": "llamacpp"}]})
PROJECT = Path(__file__).parents[2] / "pyproject.toml"
NOWHERE = {"OLLAMA_HOST": "127.0.0.1:1", "LLAMA_ARG_PORT": "1"}


def test_doctor_names_versions_and_keys_but_shows_no_key(tmp_path: Path) -> None:
    key = "sk-1234567890abcdefx9Qa"
    env = NOWHERE | {"OPENAI_API_KEY": key, "AGENTOUTO_WORK_API_KEY": "short"}
    done = agentouto("doctor", cwd=tmp_path, env=env | {"AGENTOUTO_HOME": str(tmp_path / "home")})
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"agentouto  {package.__version__}"
    assert "OPENAI_API_KEY is set (...x9Qa)" in done.out
    assert "ANTHROPIC_API_KEY is not set" in done.out
    assert "AGENTOUTO_WORK_API_KEY is set\n" in done.out
    assert key not in done.out
    assert f"files      {tmp_path / 'home'} (not made yet)" in done.out


def test_doctor_says_of_every_extra_whether_it_is_installed(tmp_path: Path) -> None:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    report = agentouto("doctor", cwd=tmp_path, env=NOWHERE).out
    for extra in set(project["optional-dependencies"]) - {"dev"}:
        assert f" {extra}: " in report, extra


def test_doctor_finds_a_running_server(tmp_path: Path) -> None:
    with serving(200, b"", {"/api/tags": OLLAMA}) as (url, _):
        host = url.removesuffix("/v1").removeprefix("http://")
        env = NOWHERE | {"OLLAMA_HOST": host}
        done = agentouto("doctor", cwd=tmp_path, env=env)
    assert f"servers    Ollama at {url}: llama3.1:8b, qwen3" in done.out
    assert f'Provider("local", kind="openai", base_url="{url}")' in done.out


def test_doctor_works_without_a_home(tmp_path: Path) -> None:
    done = agentouto("doctor", cwd=tmp_path, env=NOWHERE | {"HOME": str(tmp_path / "gone")})
    assert done.code == 0
    assert "(not made yet)" in done.out


@pytest.mark.parametrize(
    ("home", "problem"),
    [("file", "is a file"), ("file/home", "cannot be read: Not a directory")],
)
def test_doctor_says_what_is_wrong_with_the_home(tmp_path: Path, home: str, problem: str) -> None:
    (tmp_path / "file").write_text("no folder")
    env = NOWHERE | {"AGENTOUTO_HOME": str(tmp_path / home)}
    done = agentouto("doctor", cwd=tmp_path, env=env)
    assert done.code == 0
    assert f"{tmp_path / home} ({problem})" in done.out


@pytest.mark.parametrize("name", ["llama.cpp", "LM Studio"])
def test_servers_with_the_list_of_openai_are_found(name: str) -> None:
    with serving(200, b"", {"/v1/models": OPENAI.encode()}) as (url, _):
        found = find_servers([Candidate(name, url.removesuffix("/v1"), "/v1/models")])
    assert [(server.name, server.url, server.models) for server in found] == [
        (name, url, ["tiny.gguf"])
    ]


@pytest.mark.parametrize("page", [b"<html>", b"[1]", b'{"data": 3}', b'{"error": "no"}', b""])
def test_another_server_at_the_address_is_not_taken_for_one(page: bytes) -> None:
    with serving(200, b"", {"/v1/models": page}) as (url, _):
        address = url.removesuffix("/v1")
        assert not find_servers([Candidate("llama.cpp", address, "/v1/models")])
        assert not find_servers([Candidate("Ollama", address, "/not/there")])


def test_a_server_that_never_answers_is_left_after_a_second() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert not find_servers([Candidate("llama.cpp", url, "/v1/models")])


def test_a_server_that_never_stops_is_left_at_the_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as endless:

        def pour() -> None:
            connection, _ = endless.accept()
            with connection:
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n[")
                try:
                    for _ in range(200):
                        connection.sendall(b"1," * 32_768)
                except OSError:
                    return
                raise AssertionError("the client has read everything")

        thread = threading.Thread(target=pour)
        thread.start()
        url = f"http://127.0.0.1:{endless.getsockname()[1]}"
        assert not find_servers([Candidate("llama.cpp", url, "/v1/models")])
        thread.join(10)
        assert not thread.is_alive()


LLAMA_CPP = {"models": [{"name": "", "model": "tiny.gguf"}], "object": "list", "data": []}


def answering(connection: socket.socket, answer: bytes) -> None:
    """Send ``answer``, and keep the connection until the client closes it."""
    with connection:
        connection.sendall(answer)
        while connection.recv(65536):
            pass


@pytest.mark.parametrize(
    ("body", "models"),
    [
        (json.dumps(LLAMA_CPP).encode(), ["tiny.gguf"]),
        (b'{"models": [], "data": [{"id": "a"}]}', ["a"]),
        (b"[" * 100_000, None),
    ],
    ids=["llama.cpp", "both", "deep"],
)
def test_a_server_that_keeps_the_connection_is_read_to_its_length(
    body: bytes, models: list[str] | None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            answering(connection, head + body)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        [(candidate, found)] = probe_servers([Candidate("llama.cpp", url, "/v1/models")])
        thread.join(10)
        assert not thread.is_alive()
    assert candidate.url == url
    assert (None if found is None else found.models) == models


def test_doctor_says_that_something_else_is_at_the_address(tmp_path: Path) -> None:
    with serving(200, b"", {"/api/tags": b"<html>"}) as (url, _):
        address = url.removesuffix("/v1")
        env = NOWHERE | {"OLLAMA_HOST": address.removeprefix("http://")}
        done = agentouto("doctor", cwd=tmp_path, env=env)
    assert f"something listens at {address}, but does not answer as Ollama\n" in done.out
    assert "servers    none at " in done.out


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),  # noqa: S104 - what Ollama is told, not us
        ("0.0.0.0:9", "http://127.0.0.1:9"),
        ("box", "http://box:11434"),
        ("box:9/", "http://box:9"),
        ("http://box", "http://box:80"),
        ("https://box", "https://box:443"),
        ("[::1]:9", "http://[::1]:9"),
        ("box:many", "http://box:11434"),
    ],
)
def test_the_address_of_ollama_is_read_as_ollama_reads_it(host: str, url: str) -> None:
    assert ollama_url(host) == url
