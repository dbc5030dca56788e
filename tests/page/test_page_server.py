"""What the server of the page answers, without a browser."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, cast

import pytest

from agentouto import Agent, Limits, Provider, Team
from agentouto.testing import Script, finish
from agentouto.ui import PageSetup
from agentouto.ui._live_run import LiveRun
from agentouto.ui._page_runs import PageRuns, TooMany
from page.served import Site, served
from page.teams import Gate, report_team, two_questions, words


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def site(gate: Gate) -> Iterator[Site]:
    with served(report_team(gate)) as site:
        yield site
        gate.open()


def address(line: dict[str, Any]) -> tuple[int, int]:
    return line["seq"], line.get("part", 0)


# --- a run ---


def test_a_run_is_answered_approved_and_ends_in_the_page(site: Site, gate: Gate) -> None:
    run = site.start("Report.")
    question = site.wait_for(run, "ask")
    assert (question["kind"], question["text"]) == ("question", "Who is the reader?")
    assert site.post(f"/api/runs/{run}/answer", call=question["call"], text="You").status == 202
    gate.open()
    approval = site.wait_for(run, "ask", 2)
    assert approval["arguments"] == {"title": "Solar\u202e 2026"}
    allowed = site.post(f"/api/runs/{run}/approve", call=approval["call"], yes=True)
    assert allowed.json() == {"approved": True}
    last = list(site.stream(run))[-1]
    assert (last["type"], last["status"]) == ("run.end", "completed")
    assert [each["status"] for each in site.get("/api/runs").json()] == ["completed"]


@pytest.mark.parametrize(
    ("suffix", "media_type", "begin"),
    [
        ("html", "text/html", "<!doctype html>"),
        ("svg", "image/svg+xml", "<svg"),
        ("mmd", "text/plain", "sequenceDiagram"),
        ("jsonl", "application/x-ndjson", '{"v":1'),
    ],
)
def test_a_run_can_be_saved_while_it_goes_on_and_after_it(
    site: Site, gate: Gate, suffix: str, media_type: str, begin: str
) -> None:
    run = site.start("Report.")
    site.wait_for(run, "ask")
    early = site.get(f"/api/runs/{run}/report.{suffix}")
    gate.open()
    assert early.status == 200
    assert early.headers["content-type"].startswith(media_type)
    assert early.headers["content-disposition"] == (
        f"attachment; filename*=UTF-8''run-{run}.{suffix}"
    )
    assert early.text.lower().startswith(begin.lower())
    assert "Who is the reader?" in early.text


def test_what_cannot_be_saved_is_told(site: Site) -> None:
    run = site.start("Report.")
    site.wait_for(run, "ask")
    unknown = site.get(f"/api/runs/{run}/report.pdf")
    assert (unknown.status, "report.svg" in unknown.text) == (404, True)
    assert site.get("/api/runs/none/report.html").status == 404


def test_words_arrive_while_they_are_written(gate: Gate) -> None:
    with served(words(gate, agents=3)) as site:
        run = site.start("Speak.")
        gate.open()
        said: dict[str, str] = {}
        returned = {}
        for line in site.stream(run):
            if line["type"] == "token":
                said[line["call"]] = said.get(line["call"], "") + line["text"]
            elif line["type"] == "return":
                returned[line["call"]] = line["text"]
        assert said == returned
        assert len(said) == 3


def test_a_message_is_delivered_with_a_receipt_and_read(site: Site, gate: Gate) -> None:
    run = site.start("Report.")
    site.wait_for(run, "tool.start")
    critic = next(
        line["call"]
        for line in site.lines(run)
        if line["type"] == "forward" and line["agent"] == "critic"
    )
    sent = site.post(f"/api/runs/{run}/send", call=critic, text="Be short.")
    assert (sent.status, sent.json()["status"]) == (202, "accepted")
    gate.open()
    read = site.wait_for(run, "message.read")
    assert (read["id"], read["call"]) == (sent.json()["id"], critic)


def test_a_call_and_a_run_are_stopped(site: Site) -> None:
    run = site.start("Report.")
    site.wait_for(run, "ask")
    calls = {line["agent"]: line["call"] for line in site.lines(run) if line["type"] == "forward"}
    assert site.post(f"/api/runs/{run}/stop", call=calls["writer"]).json() == {"stopped": True}
    assert site.wait_for(run, "error")["kind"] == "stopped"
    assert site.post(f"/api/runs/{run}/stop").json() == {"stopped": True}
    assert list(site.stream(run))[-1]["status"] == "cancelled"
    assert site.post(f"/api/runs/{run}/send", call=calls["lead"], text="?").status == 409


def test_a_run_goes_on_from_an_earlier_one() -> None:
    script = Script({"echo": lambda seen: finish(f"heard {len(seen.heard)}")})
    team = Team([Agent("echo", "", "m", Provider("s", kind="script", script=script))])
    with served(team) as site:
        first = site.start("One.")
        list(site.stream(first))
        second = site.start("Two.", history_of=first)
        start, *_, end = site.stream(second)
        assert (start["history"], end["output"]) == (2, "heard 2")
        assert site.post("/api/runs", text="?", history_of="gone").status == 422


def test_the_limits_of_the_page_apply_and_are_shown() -> None:
    script = Script({"one": finish("1")})
    team = Team([Agent("one", "", "m", Provider("s", kind="script", script=script))])
    with served(PageSetup(team, limits=Limits(requests=7))) as site:
        assert site.get("/api/team").json()["limits"] == "requests=7"
        assert next(site.stream(site.start("Go.")))["limits"] == {"requests": 7}


# --- questions ---


def test_two_questions_are_answered_in_either_order_and_once() -> None:
    with served(two_questions()) as site:
        run = site.start("Go.")
        site.wait_for(run, "ask", 2)
        asks = [line for line in site.lines(run) if line["type"] == "ask"]
        for ask in reversed(asks):
            answer = {"call": ask["call"], "text": f"for {ask['sender']}"}
            assert site.post(f"/api/runs/{run}/answer", **answer).status == 202
            again = site.post(f"/api/runs/{run}/answer", **answer)
            assert (again.status, "answered, or is gone" in again.text) == (409, True)
        ended = list(site.stream(run))[-1]
        assert sorted(each["text"] for each in ended["outputs"]) == [
            "one got for one",
            "two got for two",
        ]


def test_an_answer_approves_nothing(site: Site, gate: Gate) -> None:
    gate.open()
    run = site.start("Report.")
    question = site.wait_for(run, "ask")
    site.post(f"/api/runs/{run}/answer", call=question["call"], text="You")
    approval = site.wait_for(run, "ask", 2)
    assert site.post(f"/api/runs/{run}/answer", call=approval["call"], text="yes").status == 409
    refused = site.post(
        f"/api/runs/{run}/approve", call=approval["call"], yes=False, reason="Not yet."
    )
    assert refused.status == 202
    ended = site.wait_for(run, "tool.end", 3)
    assert (ended["tool"], ended["failed"], "Not yet." in ended["result"]) == (
        "publish",
        True,
        True,
    )


# --- lines: none missing, none twice ---


def test_a_stream_that_is_cut_at_every_20th_line_gives_every_line_once(gate: Gate) -> None:
    with served(words(gate, agents=4, count=30)) as site:
        run = site.start("Speak.")
        gate.open()
        got: list[dict[str, Any]] = []
        last, ended = "", False
        while not ended:
            ended = True
            for event in site.events(run, last):
                if event["event"] == "restart":
                    got.clear()
                elif event["event"] == "message":
                    got += json.loads(event["data"])
                    last = event["id"]
                    if len(got) % 200 > 20 and event["data"] and len(got) < 200:
                        ended = False
                        break
        addresses = [address(line) for line in got]
        assert all(one < other for one, other in pairwise(addresses))
        facts = [one for one in addresses if one[1] == 0]
        assert facts == [address(line) for line in site.lines(run) if not line.get("part")]
        assert (got[0]["type"], got[-1]["type"]) == ("run.start", "run.end")


def test_asking_from_any_line_on_gives_the_rest(site: Site) -> None:
    run = site.start("Report.")
    site.wait_for(run, "ask")
    lines = site.lines(run)
    for n in range(0, len(lines), 3):
        seq, part = address(lines[n])
        assert site.lines(run, f"{seq}.{part}")[: len(lines) - n - 1] == lines[n + 1 :]


def test_who_comes_back_after_the_end_in_the_middle_of_a_reply_begins_anew(gate: Gate) -> None:
    with served(words(gate)) as site:
        run = site.start("Speak.")
        gate.open()
        lines = list(site.stream(run))
        piece = next(line for line in lines if line["type"] == "token")
        events = list(site.events(run, f"{piece['seq']}.{piece['part']}"))
        assert [each["event"] for each in events] == ["restart", "message", "end"]
        whole = json.loads(events[1]["data"])
        assert "".join(line["text"] for line in whole if line["type"] == "token") == "".join(
            line["text"] for line in lines if line["type"] == "token"
        )


def test_streams_end_when_the_server_ends(gate: Gate) -> None:
    with ThreadPoolExecutor() as pool:
        with served(words(gate)) as site:
            run = site.start("Speak.")
            site.wait_for(run, "tool.start")
            following = pool.submit(lambda: [each["event"] for each in site.events(run)])
            site.wait_for(run, "model.end")
        assert following.result(10)[-1] == "gone"


# --- what the page is told ---


def test_the_team_is_described_without_keys_and_prompts() -> None:
    provider = Provider("openai", api_key="sk-SECRET-SECRET-SECRET")
    team = Team([Agent("writer", "Write SECRETLY.", "gpt", provider)])
    with served(team) as site:
        told = site.get("/api/team")
        assert "SECRET" not in told.text
        assert told.json()["agents"] == [
            {"name": "writer", "role": "", "model": "gpt", "provider": "openai"}
        ]
    with served(PageSetup(team, show_prompts=True)) as site:
        assert "Write SECRETLY." in site.get("/api/team").text


def test_a_missing_key_is_said_and_no_run_starts() -> None:
    with served(Team([Agent("writer", "", "gpt", "openai")])) as site:
        assert "OPENAI_API_KEY" in site.get("/api/team").json()["why_not"]
        refused = site.post("/api/runs", text="Go.")
        assert (refused.status, "OPENAI_API_KEY" in refused.text) == (422, True)


def test_without_a_team_the_page_is_there_and_says_why() -> None:
    with served(PageSetup(problem="team.py, line 3: NameError")) as site:
        assert site.get("/").status == 200
        assert site.get("/api/team").json()["problem"] == "team.py, line 3: NameError"
        assert site.post("/api/runs", text="Go.").status == 422


def test_only_so_many_runs_are_at_work(gate: Gate) -> None:
    with served(words(gate)) as site:
        for _ in range(8):
            site.start("Speak.")
        refused = site.post("/api/runs", text="One more.")
        assert (refused.status, "8 runs are at work" in refused.text) == (503, True)


async def test_only_so_many_streams_are_open(gate: Gate) -> None:
    setup = PageSetup(report_team(gate))
    assert setup.team is not None
    runs, run = PageRuns(setup), LiveRun(setup, setup.team, "Go.")
    streams = [cast("AsyncGenerator[bytes]", runs.stream(run, None)) for _ in range(65)]
    for stream in streams[:64]:
        await anext(stream)
    with pytest.raises(TooMany, match="64 streams are open: close some tabs"):
        await anext(streams[64])
    await streams[0].aclose()
    again = cast("AsyncGenerator[bytes]", runs.stream(run, None))
    await anext(again)
    for stream in (*streams[1:], again):
        await stream.aclose()


# --- bad input ---

BODIES: tuple[Any, ...] = (
    None, True, 0, -1, 1e999, "", "text", [], [1], {}, {"text": None}, {"text": 1}, {"text": ""},
    {"text": []}, {"call": None, "text": "x"}, {"call": {}, "text": "x"}, {"text": "x", "to": "lead"},
    {"text": "x", "to": [1]}, {"text": "x", "to": ["nobody"]}, {"text": "x", "more": 1},
    {"call": "", "text": ""}, {"call": "x", "yes": "true"}, {"call": "x", "yes": 1}, {"call": 5},
    {"call": "x" * 5_000, "text": "\x00\ud800"},
)  # fmt: skip


def test_200_bodies_are_refused_with_4xx_and_never_500(site: Site) -> None:
    run = site.start("Report.")
    site.wait_for(run, "ask")
    chance = random.Random(7)  # noqa: S311 - the same bytes each time
    paths = [
        "/api/runs",
        *(f"/api/runs/{run}/{verb}" for verb in ("send", "answer", "approve", "stop")),
    ]
    raw = [json.dumps(body).encode() for body in BODIES]
    raw += [b"", b"{", b"\xff\xfe", b"nul", b"[" * 5_000, b'{"text":"\\ud800"', b'{"a":' * 500]
    raw += [bytes(chance.randrange(256) for _ in range(chance.randrange(200))) for _ in range(20)]
    statuses: dict[int, int] = {}
    for body in raw:
        for path in paths:
            if path.endswith("stop") and body == b"{}":
                continue  # that is right: it stops the run
            status = site.request("POST", path, body).status
            statuses[status] = statuses.get(status, 0) + 1
    assert sum(statuses.values()) > 200
    assert all(400 <= status < 500 for status in statuses), statuses


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/runs/none/events", 404),
        ("/api/runs/../../etc/passwd", 404),
        ("/static/../_guard.py", 404),
        ("/static/..%2f_guard.py", 404),
        ("/static/%2e%2e/_guard.py", 404),
        ("/static/none.js", 404),
        ("/nothing", 404),
    ],
)
def test_what_is_not_there_is_404(site: Site, path: str, status: int) -> None:
    assert site.get(path).status == status


@pytest.mark.parametrize("given", ["x", "1.x", "-1", "1.-1", "²", "9" * 60, "1.2.3"])
def test_a_wrong_address_of_a_line_is_400(site: Site, given: str) -> None:
    run = site.start("Report.")
    assert (
        site.get(
            f"/api/runs/{run}/events", **{"Last-Event-ID": given.encode().decode("latin-1")}
        ).status
        == 400
    )


async def test_lines_that_come_while_others_are_sent_are_not_skipped(gate: Gate) -> None:
    setup = PageSetup(report_team(gate))
    assert setup.team is not None
    runs, run = PageRuns(setup), LiveRun(setup, setup.team, "Go.")
    messages = cast("AsyncGenerator[bytes]", runs.stream(run, None))
    await anext(messages)
    numbers: list[int] = []
    for added in (10, 5, 2):  # the next ones come before the reader asks for more
        for _ in range(added):
            run.lines.add({"seq": len(run.lines.texts), "type": "spent"})
        message = await anext(messages)
        numbers += [line["seq"] for line in json.loads(message.partition(b"data: ")[2])]
    await messages.aclose()
    assert numbers == list(range(17))
