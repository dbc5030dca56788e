"""``agentouto ui``: what it says, what it refuses, and that its page is there until Ctrl+C."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from children import PIPE, child
from cli.terminal import COMMAND, Process, agentouto, surroundings

TEAM = """
from agentouto import Agent, Provider, Team
from agentouto.testing import Script, say

provider = Provider("scripted", kind="script", script=Script({"lead": say("Hello back.")}))
team = Team([Agent("lead", "", "m", provider)])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "team.py").write_text(TEAM)
    (tmp_path / "wrong.py").write_text("team = Taem()")
    (tmp_path / "text.txt").write_text("TODO: write more.")
    return tmp_path


class Opened:
    """A page of the command, with its cookie."""

    def __init__(self, address: str) -> None:
        self._place = urlsplit(address)
        self._cookie = ""
        self._cookie = self.ask("GET", f"/?{self._place.query}")[1].partition(";")[0]

    def ask(self, method: str, path: str, body: str = "") -> tuple[int, str, str]:
        """Return status, cookie and text."""
        assert self._place.hostname is not None
        connection = HTTPConnection(self._place.hostname, self._place.port, timeout=20)
        headers = {"Cookie": self._cookie, "Content-Type": "application/json"}
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        try:
            cookie = response.getheader("set-cookie") or ""
            return response.status, cookie, response.read().decode()
        finally:
            connection.close()


@contextmanager
def opened(
    cwd: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> Generator[tuple[Process, Opened]]:
    command = [*COMMAND, *arguments]
    with child(command, cwd=cwd, env=surroundings(env), stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.communicate(timeout=20)
        yield process, Opened(address)


def test_it_prints_the_address_of_a_page_that_is_there_until_ctrl_c(folder: Path) -> None:
    with opened(folder, "ui", "team.py") as (process, page):
        assert "agentouto" in page.ask("GET", "/")[2]
        team = json.loads(page.ask("GET", "/api/team")[2])
        assert (team["start"], team["limits"]) == (["lead"], "requests=200, seconds=1800")
        status, _, text = page.ask("POST", "/api/runs", '{"text": "Hello."}')
        assert (status, list(json.loads(text))) == (201, ["id"])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    limits, saved, *rest = err.splitlines()
    assert limits == "Limits: requests=200, seconds=1800 (--limits, --no-limits)"
    assert saved.startswith("Runs are saved in ")
    assert rest == ["Open this address in a browser; Ctrl+C stops.", "Stopped by Ctrl+C."]


def run_in(page: Opened) -> list[tuple[str, str]]:
    """Run the team in the page, and return text and status of the runs in its list."""
    status, _, text = page.ask("POST", "/api/runs", '{"text": "Hello."}')
    assert status == 201
    page.ask("GET", f"/api/runs/{json.loads(text)['id']}/events")  # it ends with the run
    return runs_of(page)


def runs_of(page: Opened) -> list[tuple[str, str]]:
    listed = json.loads(page.ask("GET", "/api/runs")[2])
    return [(each["text"], each["status"]) for each in listed]


def test_runs_are_saved_where_agentouto_run_saves_them(folder: Path) -> None:
    assert agentouto("run", "team.py", "In a terminal.", cwd=folder).code == 0
    with opened(folder, "ui", "team.py") as (_, page):
        assert runs_of(page) == [("In a terminal.", "completed")]
        run_in(page)
    listed = agentouto("runs", "list", cwd=folder).out
    assert "Hello." in listed
    assert "In a terminal." in listed


def test_nothing_is_saved_where_the_person_says_so(folder: Path) -> None:
    home = Path(os.environ["AGENTOUTO_HOME"])
    with opened(folder, "ui", "team.py", "--no-save") as (_, page):
        assert run_in(page) == [("Hello.", "completed")]
    assert not home.exists()
    both = agentouto("ui", "team.py", "--no-save", "--journal", "runs.db", cwd=folder)
    assert (both.code, "--no-save excludes --journal" in both.err) == (2, True)


def test_a_journal_of_its_own_that_cannot_be_written_is_warned_of_once(folder: Path) -> None:
    home = Path(os.environ["AGENTOUTO_HOME"])
    home.write_text("no folder")
    with opened(folder, "ui", "team.py") as (process, page):
        run_in(page)
        assert run_in(page) == [("Hello.", "completed"), ("Hello.", "completed")]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    warnings = [line for line in err.splitlines() if "not saved" in line]
    assert len(warnings) == 1, err
    assert warnings[0].startswith("Runs are not saved: ")
    assert "(--no-save saves none)" in warnings[0]
    assert "Traceback" not in err


def test_the_journal_of_the_team_is_shown(folder: Path) -> None:
    with_journal = TEAM.replace("provider)])", 'provider)], journal="team.db")')
    (folder / "kept.py").write_text(with_journal)
    assert agentouto("run", "kept.py", "In a terminal.", cwd=folder).code == 0
    with opened(folder, "ui", "kept.py") as (_, page):
        assert runs_of(page) == [("In a terminal.", "completed")]


def test_a_team_that_cannot_be_loaded_is_shown_in_the_page(folder: Path) -> None:
    with opened(folder, "ui", "wrong.py") as (_, page):
        assert "NameError" in json.loads(page.ask("GET", "/api/team")[2])["problem"]


def test_without_a_team_the_page_says_how_to_get_one(tmp_path: Path) -> None:
    with opened(tmp_path, "ui") as (_, page):
        team = json.loads(page.ask("GET", "/api/team")[2])
        assert (team["agents"], team["problem"]) == ([], "")


def test_a_token_of_ones_own_is_read_from_the_environment(folder: Path) -> None:
    env = {"AGENTOUTO_UI_TOKEN": "a-token-of-twenty-six-chars"}
    command = [*COMMAND, "ui", "team.py", "--port", "0"]
    with child(command, cwd=folder, env=surroundings(env), stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith("/?token=a-token-of-twenty-six-chars\n")


def test_the_demo_is_shown_in_the_page(folder: Path) -> None:
    with opened(folder, "demo", "--ui") as (_, page):
        team = json.loads(page.ask("GET", "/api/team")[2])
        assert team["start"] == ["surveyor"]
        assert team["message"].startswith("Review the text")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--host", "192.0.2.1"], 2, "set AGENTOUTO_UI_TOKEN"),
        (["--token", "short"], 3, "has 5 characters, and needs 20"),
        (["--host", "192.0.2.1", "--token", "x" * 20], 3, "cannot be listened at"),
        (["--port", "70000"], 2, "--port"),
        (["--limits", "monkeys=3"], 2, "there is no 'monkeys'"),
    ],
)
def test_what_cannot_be_served_is_refused_in_words(
    folder: Path, arguments: list[str], code: int, text: str
) -> None:
    ended = agentouto("ui", "team.py", *arguments, cwd=folder)
    assert (ended.code, ended.out) == (code, "")
    assert text in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", [["ui", "team.py"], ["demo", "--ui"]])
def test_without_starlette_the_extra_is_named(folder: Path, command: list[str]) -> None:
    program = (
        "import sys; sys.modules['starlette'] = None; from agentouto.cli._app import run_app;"
        f"sys.argv[1:] = {command!r}; sys.exit(run_app())"
    )
    with child(
        [sys.executable, "-c", program], cwd=folder, env=surroundings(), stderr=PIPE
    ) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "needs starlette and uvicorn. Install the extra agentouto[serve].\n" in err
