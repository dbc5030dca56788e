"""A run as lines of a log: what gets a line, and what would only fill the log."""

from __future__ import annotations

import asyncio
import io

import pytest

from agentouto.cli._line_view import LineView


def event(
    type_: str, t: float, agent: str = "writer", call: str = "c1", **more: object
) -> dict[str, object]:
    return {"type": type_, "t": t, "agent": agent, "call": call, **more}


def wait(t: float, seconds: float, error: str, call: str = "c1") -> dict[str, object]:
    about: dict[str, object] = {
        "why": "gate",
        "seconds": seconds,
        "attempt": 2,
        "status": None,
        "error": error,
    }
    return event("model.wait", t, call=call) | about


def test_calls_that_meet_one_rate_limit_get_one_line() -> None:
    out = io.StringIO()
    view = LineView(out)
    for number in range(12):
        text = f"[openai] rate limit, {12 - number} s left"
        call = f"c{number}"
        view.feed(wait(1.0 + number / 10, 2.0, text, call=call))
    view.feed(wait(1.5, 2.0, "[google] overloaded"))
    view.feed(wait(3.5, 4.0, "[openai] rate limit, 4 s left"))
    assert out.getvalue().splitlines() == [
        "   1.00s wait     writer  2 s, then try 2: [openai] rate limit, 12 s left",
        "   1.50s wait     writer  2 s, then try 2: [google] overloaded",
        "   3.50s wait     writer  4 s, then try 2: [openai] rate limit, 4 s left",
    ]


def test_a_tool_gets_lines_only_if_it_runs_long() -> None:
    async def play(out: io.StringIO) -> None:
        view = LineView(out, long_tool=0.05)
        view.feed(event("tool.start", 1.0, tool="look", arguments={}))
        view.feed(event("tool.end", 1.01, tool="look", result=""))
        view.feed(event("tool.start", 1.0, tool="finish", arguments={}))
        view.feed(event("tool.start", 2.0, tool="build", arguments={}))
        while not out.getvalue():
            await asyncio.sleep(0.01)
        view.feed(event("tool.end", 9.5, tool="build", result="no", failed=True))
        view.feed(event("tool.start", 10.0, tool="never ends", arguments={}))
        view.stop()
        await asyncio.sleep(0.1)

    out = io.StringIO()
    asyncio.run(play(out))
    assert out.getvalue().splitlines() == [
        "   2.05s tool     writer  build still runs",
        "   9.50s tool     writer  build failed after 7.5 s",
    ]


def test_a_tool_does_not_run_while_it_waits_for_approval() -> None:
    about = {"kind": "approval", "tool": "wipe", "parent": "w", "sender": "writer"}
    asked = {**about, "receiver": "user", "text": "May writer use the tool wipe?"}
    answer = {"parent": "w", "sender": "user", "receiver": "writer", "text": "Approved"}

    async def play(out: io.StringIO) -> None:
        view = LineView(out, long_tool=0.05)
        view.feed(event("tool.start", 1.0, "writer", "w", tool="wipe", arguments={}))
        view.feed(event("ask", 1.0, "user", "ap", **asked))
        await asyncio.sleep(0.1)
        view.feed(event("return", 9.0, "user", "ap", **answer))
        while "still" not in out.getvalue():
            await asyncio.sleep(0.01)
        view.feed(event("tool.end", 9.5, "writer", "w", tool="wipe", result=""))
        view.stop()

    out = io.StringIO()
    asyncio.run(play(out))
    assert out.getvalue().splitlines() == [
        "   1.00s ask      writer -> user  May writer use the tool wipe?",
        "   9.00s return   user -> writer  Approved",
        "   9.05s tool     writer  wipe still runs",
        "   9.50s tool     writer  wipe ended after 0.5 s",
    ]


def starter(name: str, call: str) -> dict[str, object]:
    about = {"sender": "user", "receiver": name, "text": "Go", "parent": None}
    return event("forward", 0.0, name, call) | about


def failure(name: str, call: str, parent: str | None = None) -> dict[str, object]:
    about = {"parent": parent, "error": f"{name} is broken", "kind": "failed"}
    return event("error", 1.0, name, call) | about


def end(what: str) -> dict[str, object]:
    return {"type": "run.end", "t": 2.0, "status": "failed", "error": {"what": what}}


START: dict[str, object] = {"type": "run.start", "t": 0.0}
FAILED_LINE = "   1.00s error    a  a is broken"


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        ([starter("a", "c1"), failure("a", "c1"), end("a is broken")], 0),
        ([starter("a", "c1"), failure("a", "c1"), end("another reason")], 1),
        ([starter("a", "c1"), failure("a", "c1")], 1),  # the command ends without a run.end
        ([starter("a", "c1"), starter("b", "c2"), failure("a", "c1"), end("a is broken")], 1),
        ([starter("b", "c1"), failure("a", "c2", "c1"), end("a is broken")], 1),
        (
            [starter("b", "c1"), starter("b", "c2"), START, starter("a", "c3"), failure("a", "c3")],
            1,
        ),
    ],
)
def test_the_error_that_the_command_reports_at_the_end_has_no_line(
    lines: list[dict[str, object]], shown: int
) -> None:
    out = io.StringIO()
    view = LineView(out)
    for line in [START, *lines]:
        view.feed(line)
    view.stop()
    assert out.getvalue().splitlines().count(FAILED_LINE) == shown


def test_an_error_stands_before_what_follows_it() -> None:
    out = io.StringIO()
    view = LineView(out)
    message = {"sender": "b", "receiver": "a", "text": "late"}
    for line in (START, starter("a", "c1"), failure("a", "c1"), event("message", 1.5) | message):
        view.feed(line)
    assert out.getvalue().splitlines()[1:] == [FAILED_LINE, "   1.50s message  b -> a  late"]


def test_an_approval_stands_before_its_arguments() -> None:
    out = io.StringIO()
    asked = {"sender": "a", "receiver": "user", "kind": "approval", "parent": "p", "tool": "wipe"}
    text = 'path: "/tmp"\nmode: "all"\nMay a use the tool wipe?'
    LineView(out).feed(event("ask", 1.0) | asked | {"text": text})
    words = 'May a use the tool wipe? path: "/tmp" mode: "all"'
    assert out.getvalue() == f"   1.00s ask      a -> user  {words}\n"
