"""Each example runs by the commands of its README, with a script in place of the models."""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentouto import Journal, Provider
from children import PIPE, child
from examples.from_readme import EXAMPLES, arguments, commands, done, without_keys


def printed(command: str, folder: Path) -> str:
    ended = done(command, folder)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_philosophers_eat_as_peers_and_starve_in_lock_step(tmp_path: Path) -> None:
    [command] = commands("philosophers")
    lock_step, peers, refusal = printed(command, tmp_path).splitlines()
    assert lock_step.startswith("in lock-step: 0 of 5 fed; 40 circles of waits")
    assert peers == "as peers: 5 of 5 fed; circles of waits, and who was told of them: 1"
    assert "the wait would never end, since" in refusal


def test_the_figures_of_a_debate_say_that_one_agent_would_have_done(tmp_path: Path) -> None:
    [command] = commands("debate")
    text = printed(command, tmp_path)
    assert "messages for each reply of a model: 1.14" in text
    assert "tokens: 2733, and 225 alone" in text
    assert "One agent would have done: the task was handed along and not divided" in text


def test_research_cites_its_sources_and_asks_a_person(tmp_path: Path) -> None:
    [command] = commands("research")
    text = printed(command, tmp_path)
    assert "researcher asks: What is the draught of the Aurora" in text
    assert "You said: 6.5 metres, and yes" in text
    assert '[3] newspaper.md: "It is to be built next year, if the money is found."' in text


@pytest.fixture
def research(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(sys, "path", [str(EXAMPLES / "research"), *sys.path])
    yield importlib.import_module("research")
    for name in ("research", "script"):
        sys.modules.pop(name, None)


def test_a_quote_that_is_not_in_its_source_is_refused_and_mended(
    research: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("6.5 metres\n"))
    scripted = Provider("scripted", kind="script", script=research.SCRIPT)
    report = research.research(research.QUESTION, scripted)
    told = [
        one.content for seen in research.SCRIPT.requests for one in seen.outcomes if one.is_error
    ]
    assert any("is not in harbour-office.md: quote it word for word" in text for text in told)
    assert report.claims[0].source == "harbour-office.md"
    with pytest.raises(ValueError, match=r"there is no source 'rumours.md'"):
        research.Claim(statement="x", source="rumours.md", quote="x")


def test_nobody_at_the_terminal_ends_no_research(
    research: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    scripted = Provider("scripted", kind="script", script=research.SCRIPT)
    assert "Nobody is here" in research.research(research.QUESTION, scripted).answer


def test_a_nightly_report_waits_for_approval_and_is_published_once(tmp_path: Path) -> None:
    night, morning = commands("nightly")
    text = printed(night, tmp_path)
    assert "12 orders of 33.67 euros on average" in text
    assert "This waits for you" in text
    assert not (tmp_path / "reports").exists()

    assert printed(morning, tmp_path) == "published as reports/2026-03-02.md\n"
    report = (tmp_path / "reports" / "2026-03-02.md").read_text(encoding="utf-8")
    assert report in text
    (tmp_path / "reports" / "2026-03-02.md").write_text("changed by hand", encoding="utf-8")
    assert printed(night, tmp_path) == "published as reports/2026-03-02.md\n"
    assert (tmp_path / "reports" / "2026-03-02.md").read_text(encoding="utf-8") == "changed by hand"

    types = [line["type"] for line in Journal(tmp_path / "nightly.db")["report-2026-03-02"].lines()]
    assert types.count("model.start") == 7


def test_a_support_desk_pays_back_what_the_customer_confirms(tmp_path: Path) -> None:
    serve, ask = commands("support_desk")
    said = ["Where is A-18?", "My kettle A-17 is broken", "yes", "My kettle A-17 is broken", "x"]
    with child(
        [*arguments(serve), "--port", "0"], stderr=PIPE, cwd=tmp_path, env=without_keys()
    ) as server:
        assert server.stderr is not None
        address = next(line.split()[2] for line in server.stderr if "OpenAI's API:" in line)
        customer = subprocess.run(
            [*arguments(ask), address],
            input="\n".join(said),
            env=without_keys(),
            capture_output=True,
            text=True,
            check=True,
            timeout=50,
        )
    where, broken, paid, again, unknown = customer.stdout.split("> ")[1:6]
    assert where == "Two cups: leaves our house tomorrow, paid 14.50 euros.\n"
    assert broken.startswith("Shall we pay 39.00 euros back for a kettle?\n")
    assert paid == "39.00 euros are on their way.\n"
    assert again == "Nothing was paid: at most 0 cents can be, for A-17.\n"
    assert unknown == "There is no order unknown: numbers look like A-17.\n"


@pytest.mark.parametrize("example", ["philosophers", "debate", "research", "nightly"])
def test_without_a_key_a_program_says_so_in_one_line(example: str, tmp_path: Path) -> None:
    command = commands(example)[0].replace("--scripted", "")
    ended = done(command, tmp_path)
    assert ended.returncode == 1
    assert "OPENAI_API_KEY" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_without_a_key_no_desk_is_served(tmp_path: Path) -> None:
    command = commands("support_desk")[0].replace(":scripted", "")
    ended = done(command, tmp_path)
    assert ended.returncode == 3
    assert "Set OPENAI_API_KEY" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_customer_without_a_desk_is_told_how_to_open_one(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:1/v1"
    ended = done(f"echo hello | {commands('support_desk')[1]} {nowhere}", tmp_path)
    assert ended.returncode == 1
    serve = commands("support_desk")[0].replace(":scripted", "")
    assert ended.stderr == f"customer.py finds no desk: {serve}\n"
