"""The live tree: what it shows of a run, and how it behaves at a terminal."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from agentouto.cli._acting import acting_calls
from agentouto.cli._line_editor import LineEditor, Prompt
from agentouto.cli._line_view import format_event
from agentouto.cli._run_state import RunState
from agentouto.cli._terminal_text import escape_hidden
from agentouto.cli._tree_view import TreeView, prompt_lines, render_tree
from cli.terminal import Terminal, at_terminal, highest_frame, plain


def feed(state: RunState, type_: str, agent: str, call: str, **more: object) -> None:
    """Feed a line in the form of a run."""
    about = {"agent": agent, "call": call, "parent": None, "t": 1.0, "type": type_}
    defaults = {"sender": "user", "receiver": agent, "text": ""}
    state.feed({**about, **defaults, **more})


def wait(seconds: float) -> dict[str, object]:
    """Return the fields of a wait after a request that was refused."""
    return {"why": "retry", "seconds": seconds, "attempt": 2, "status": 429, "error": "429"}


def shown(state: RunState, now: float = 2.0, width: int = 80, height: int = 24) -> list[str]:
    """Return the picture; the columns of the call's age are set apart by one space only."""
    lines = [line.plain for line in render_tree(state, now, width, height)]
    return [re.sub(r" +( [0-9.]+s)$", r"\1", line) for line in lines]


def begun(message: str = "Go.") -> RunState:
    state = RunState()
    state.feed({"t": 0.0, "type": "run.start", "text": message})
    return state


def test_one_line_is_one_call_with_its_state_in_words() -> None:
    state = begun("Write.")
    feed(state, "forward", "researcher", "c1", text="Write.")
    for number, name in enumerate(["writer", "checker", "reviewer", "helper", "scout"], 2):
        feed(state, "forward", name, f"c{number}", parent="c1", text="Help.")
    feed(state, "ask", "user", "q", parent="c2", sender="writer", text="Who reads it?")
    feed(state, "model.wait", "checker", "c3", **wait(2.0), t=2.0)
    feed(state, "return", "reviewer", "c4", text="Listed.", t=1.5)
    feed(state, "tool.start", "helper", "c5", tool="count", arguments={})
    feed(state, "token", "scout", "c6", text="I look")
    feed(state, "token", "scout", "c6", text=" around.")
    assert shown(state, 3.4) == [
        "you Write.",
        "└── researcher waits for writer, checker, helper and 1 more 2.4s Write. 2.4s",
        "    ├── writer waits for you 2.4s Who reads it? 2.4s",
        "    ├── checker rate limit 0.6s then try 2: 429 2.4s",
        "    ├── reviewer returned Listed. 0.5s",
        "    ├── helper tool 1.4s count 2.4s",
        "    └── scout writing 1.4s I look around. 2.4s",
        "3.4s   5 running, 1 returned   Ctrl+C stops",
    ]


def test_a_run_that_goes_on_shows_how_long_its_calls_last_since_they_began() -> None:
    out, clock = io.StringIO(), 5.0
    console = Console(file=out, width=80, height=24, color_system=None)
    view = TreeView(console, lambda: clock)
    ids = {"call": "1", "parent": None, "sender": "user", "receiver": "lead"}
    view.feed({"type": "run.start", "t": 0.0, "text": "Go."})
    view.feed({"type": "forward", "t": 0.5, "agent": "lead", "text": "Go.", **ids})
    view.feed({"type": "run.resumed", "t": 70.0})
    clock += 2
    view.stop()
    assert [line.split()[-1] for line in out.getvalue().splitlines()[-2:]] == ["71.5s", "stops"]
    assert out.getvalue().splitlines()[-1].startswith("72.0s")


class ReflowingTerminal(io.StringIO):
    """A terminal that wraps the lines that it shows when it is made narrower."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = ["above"]
        self.row = 1

    def write(self, text: str) -> int:
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", text):
            if part == "\n":
                self.row += 1
            elif part == "\x1b[1A":
                self.row -= 1
            elif part == "\x1b[2K":
                self.rows[self.row] = ""
            elif part[0] not in "\x1b\r":
                self.rows[self.row] += part
            self.rows += [""] * (self.row + 1 - len(self.rows))
        return len(text)

    def narrow(self, width: int) -> None:
        wrapped = [
            [row[n : n + width] for n in range(0, len(row) or 1, width)] for row in self.rows
        ]
        self.row = sum(map(len, wrapped[: self.row + 1])) - 1
        self.rows = [piece for pieces in wrapped for piece in pieces]

    def text(self) -> str:
        return "\n".join(self.rows)


def test_a_terminal_that_is_made_narrower_shows_no_line_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("XTERM_VERSION", "STY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = ReflowingTerminal()
    console = Console(file=terminal, width=80, height=24, color_system=None, force_terminal=True)
    view = TreeView(console, lambda: 0.0)
    ids = {"parent": None, "sender": "user", "t": 0.0}
    view.feed({"type": "run.start", "t": 0.0, "text": "Go."})
    for call in "12":
        receiver = {"agent": f"agent{call}", "receiver": f"agent{call}"}
        view.feed({"type": "forward", "text": "Go.", "call": call, **ids, **receiver})
    for width in (80, 60, 59, 30, 70, 25):
        terminal.narrow(width)
        console.width = width
        view.refresh()
        seen = terminal.text()
        assert [seen.count(word) for word in ("above", "you", "agent1", "agent2")] == [1, 1, 1, 1]
    view.stop()


def test_calls_are_told_apart_by_id_not_by_name() -> None:
    state = begun()
    for call in ("c1", "c2", "c3"):
        feed(state, "forward", "writer", call, text="Go.")
    feed(state, "return", "writer", "c2", text="Done.", t=1.2)
    feed(state, "error", "writer", "c3", error="no model", t=1.3)
    assert shown(state)[1:4] == [
        "├── writer waits for its model 1.0s Go. 1.0s",
        "├── writer returned Done. 0.2s",
        "└── writer failed no model 0.3s",
    ]


def test_a_call_is_stopped_where_its_line_says_so_whatever_its_error_begins_with() -> None:
    state = begun()
    for call in ("c1", "c2"):
        feed(state, "forward", "writer", call, text="Go.")
    feed(state, "error", "writer", "c1", kind="failed", error="cancelled order 7", t=1.2)
    feed(state, "error", "writer", "c2", kind="stopped", error="cancelled: too slow", t=1.3)
    assert shown(state)[1:3] == [
        "├── writer failed cancelled order 7 0.2s",
        "└── writer stopped 0.3s",
    ]


def test_an_answer_and_a_next_try_end_the_waiting() -> None:
    state = begun()
    feed(state, "forward", "writer", "c1")
    feed(state, "ask", "user", "q", parent="c1", text="?")
    feed(state, "return", "user", "q", text="Yes.")
    assert "writer waits for its model" in shown(state)[1]
    feed(state, "model.wait", "writer", "c1", **wait(2.0))
    assert "writer rate limit" in shown(state)[1]
    feed(state, "token", "writer", "c1", text="Hi")
    assert "writer writing" in shown(state)[1]


@pytest.mark.parametrize(
    ("seconds", "shown_as"),
    [(0.4, "0.4 s"), (0.043, "0.04 s"), (2.0, "2 s"), (12.34, "12.3 s"), (60.0, "60 s")],
)
def test_a_wait_is_shown_as_long_as_it_is(seconds: float, shown_as: str) -> None:
    line = {"t": 1.0, "type": "model.wait", "agent": "writer", "call": "c1", **wait(seconds)}
    assert format_event(line) == f"   1.00s wait     writer  {shown_as}, then try 2: 429"


def test_states_count_from_their_own_begin_and_a_rate_limit_ends_by_itself() -> None:
    state = begun()
    feed(state, "forward", "writer", "c1", text="Go.", t=0.0)
    feed(state, "thinking", "writer", "c1", text="Hm.", t=1.0)
    assert shown(state, 1.5)[1] == "└── writer thinking 0.5s Hm. 1.5s"
    feed(state, "token", "writer", "c1", text="It is", t=2.0)
    feed(state, "token", "writer", "c1", text=" so.", t=3.0)
    assert shown(state, 4.0)[1] == "└── writer writing 2.0s It is so. 4.0s"
    feed(state, "model.wait", "writer", "c1", **wait(2.0), t=4.0)
    assert shown(state, 5.5)[1] == "└── writer rate limit 0.5s then try 2: 429 5.5s"
    assert shown(state, 7.0)[1] == "└── writer waits for its model 1.0s It is so. 7.0s"
    feed(state, "forward", "critic", "c2", parent="c1", text="?", t=8.0)
    assert shown(state, 8.5)[1] == "└── writer waits for critic 0.5s It is so. 8.5s"
    feed(state, "return", "critic", "c2", text="!", t=9.0)
    assert shown(state, 9.2)[1] == "└── writer waits for its model 0.2s It is so. 9.2s"


def test_more_calls_than_lines_show_who_acts_and_whom_they_hold_up() -> None:
    state = begun()
    feed(state, "forward", "lead", "c0")
    for number in range(12):
        feed(state, "forward", f"editor{number}", f"e{number}", parent="c0")
        feed(state, "forward", f"writer{number}", f"w{number}", parent=f"e{number}")
        if number > 2:
            feed(state, "model.wait", f"writer{number}", f"w{number}", **wait(5))
    feed(state, "forward", "scout", "s", parent="c0", background=True)
    feed(state, "ask", "user", "q", parent="w1", sender="writer1", text="May I?")
    assert shown(state, 2.0, height=24)[1:5] == [
        "26 open calls; these act now:",
        "writer1 waits for you 1.0s holds up editor1, lead 1.0s",
        "writer0 waits for its model 1.0s holds up editor0, lead 1.0s",
        "writer2 waits for its model 1.0s holds up editor2, lead 1.0s",
    ]
    assert shown(state, 2.0, height=12)[1:] == [
        "26 open calls; these act now:",
        "writer1 waits for you 1.0s holds up editor1, lead 1.0s",
        "waits for its model  3 calls, hold up 3 calls",
        "rate limit  9 calls, the next goes on in 4 s, hold up 10 calls",
        "2.0s   26 running   Ctrl+C stops",
    ]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), max_size=40))
def test_every_open_call_acts_or_is_held_up_by_one_that_acts(
    steps: list[tuple[int, int, bool]],
) -> None:
    state = begun()
    calls: list[str] = []
    for number, (at, kind, background) in enumerate(steps):
        call = f"c{number}"
        parent = calls[at % len(calls)] if calls else None
        if kind < 6 or not calls:
            feed(state, "forward", "a", call, parent=parent, background=background and kind < 2)
            calls.append(call)
        elif kind < 8 and parent is not None:
            feed(state, "return", "a", parent)
        elif parent is not None:
            feed(state, "ask", "user", call, parent=parent, text="?")
        acting = acting_calls(state, 2.0)
        seen = {id(call) for each in acting for call in (each.call, *each.holds_up)}
        assert all(id(each) in seen for each in state.calls if each.outcome is None)


def test_a_very_deep_chain_of_calls_is_drawn_too() -> None:
    state = begun()
    for depth in range(1, 1501):
        feed(state, "forward", "a", f"c{depth}", parent=f"c{depth - 1}", text="On.")
    lines = shown(state, height=40)
    assert len(lines) == 4
    assert lines[1] == "1,500 open calls; these act now:"
    assert lines[2] == "a waits for its model 1.0s holds up a x1499 1.0s"
    assert lines[-1].startswith("2.0s   1500 running")
    for depth in range(1500, 0, -1):
        feed(state, "return", "a", f"c{depth}", text="Up.")
    assert shown(state, height=40)[1] == "└── and 1500 returned"


def test_background_calls_keep_nobody_waiting_and_show_their_mail() -> None:
    state = begun()
    feed(state, "forward", "lead", "c1")
    feed(state, "forward", "scout", "s", parent="c1", background=True)
    feed(state, "message", "lead", "c1", sender="lead", receiver="scout", to="s", text="Faster!")
    assert shown(state, width=100)[1:3] == [
        "└── lead waits for its model 1.0s 1.0s",
        "    └── scout (background) waits for its model 1.0s message from lead: Faster! 1.0s",
    ]


def test_the_usage_is_shown_at_the_end_if_there_is_any() -> None:
    state = begun()
    feed(state, "forward", "writer", "c1")
    feed(state, "return", "writer", "c1")
    state.feed({"t": 2.0, "type": "run.end", "usage": {"input": 4000, "output": 60}})
    assert shown(state)[-1] == "2.0s   1 returned   4,000 in / 60 out"


@pytest.mark.parametrize("height", [3, 5, 8, 12, 24, 60])
@pytest.mark.parametrize("width", [12, 40, 200])
def test_no_picture_is_wider_or_higher_than_the_terminal(width: int, height: int) -> None:
    state = begun("안녕하세요 " * 20)
    feed(state, "forward", "연구원", "root", text="질문 " * 30)
    for number in range(30):
        feed(state, "forward", "작가", f"c{number}", parent="root", text="초안을 " * 20)
        feed(state, "forward", "peer", f"d{number}", parent=f"c{number}", text="words " * 30)
        if number % 3:
            feed(state, "return", "peer", f"d{number}", text="Done. " * 30)
            feed(state, "return", "작가", f"c{number}", text="끝 " * 30)
        lines = shown(state, width=width, height=height)
        assert len(lines) <= max(1, height - 2)
        assert all(cell_len(line) < width for line in lines)


def test_what_has_ended_is_folded_before_what_goes_on_is_cut() -> None:
    state = begun()
    feed(state, "forward", "lead", "root")
    for number in range(9):
        feed(state, "forward", f"peer{number}", f"c{number}", parent="root", text="Help.")
        if number < 7:
            outcome = {"text": "Done."} if number else {"error": "broken"}
            feed(state, "return" if number else "error", f"peer{number}", f"c{number}", **outcome)
    lines = shown(state, height=8)
    assert lines[2:5] == [
        "    ├── peer7 waits for its model 1.0s Help. 1.0s",
        "    ├── peer8 waits for its model 1.0s Help. 1.0s",
        "    └── and 6 returned, 1 failed",
    ]
    for number in range(9, 20):
        feed(state, "forward", f"peer{number}", f"c{number}", parent="root", text="Help.")
    assert shown(state, height=8)[1:3] == [
        "14 open calls; these act now:",
        "waits for its model  13 calls, hold up 1 call",
    ]


def test_model_text_is_shown_as_it_is_without_what_a_terminal_obeys() -> None:
    state = begun("\x1b[2J[bold]Go[/bold]")
    feed(state, "forward", "writer", "c1", text="x")
    feed(
        state,
        "token",
        "writer",
        "c1",
        text="[researcher]so\x1b[31m it\x07 is[/researcher] [/writer]",
    )
    assert shown(state)[:2] == [
        "you [bold]Go[/bold]",
        "└── writer writing 1.0s [researcher]so it is[/researcher] [/writer] 1.0s",
    ]


# ── at a terminal ─────────────────────────────────────────────────────────────────────────────

TEAM = """
from agentouto import Agent, Provider, Team
from agentouto.testing import Script, Turn, call, finish, say

tags = "[researcher]sun[/researcher] [/writer] "
script = Script({
    "researcher": [[call("writer", f"{tags}{n}") for n in range(12)], finish("[writer]ok[/writer]")],
    "writer": [say(tags * 4)],
}, stream=True, pause=0.003)
asking = Script({
    "researcher": [[call("writer", "Ask."), call("writer", "Ask.")], finish("Done.")],
    "writer": [call("user", "Who \\x1b[31mreads [bold]it[/bold]?"),
               lambda seen: say("For " + seen.answers("user")[0])],
})
def crew(script):
    provider = Provider("scripted", kind="script", script=script)
    agents = [Agent(name, "", "m", provider) for name in ("researcher", "writer")]
    return Team(agents, starting_agents=agents[:1])
team, asks = crew(script), crew(asking)
def descend(seen):
    left = int(seen.heard[0])
    down = left and not seen.answers("researcher")
    return call("researcher", str(left - 1)) if down else finish("up")

deep = crew(Script({"researcher": descend}))
short = crew(Script({"researcher": [call("writer", "?"), finish("ok")], "writer": [say("ok")]}))
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "team.py").write_text(TEAM, "utf-8")
    return tmp_path


def test_the_tree_fits_the_terminal_and_keeps_tags(here: Path) -> None:
    done = at_terminal("run", "team.py", "Go", "--no-save", cwd=here, rows=12, columns=70)
    assert (done.code, done.out) == (0, "[writer]ok[/writer]\n")
    assert 3 < highest_frame(done.err) <= 10
    lines = plain(done.err).splitlines()
    assert max(cell_len(line) for line in lines) < 70
    assert any("[researcher]sun[/researcher] [/writer]" in line for line in lines)
    assert re.search(r"and \d+ returned", plain(done.err))
    assert done.err.count("\x1b[?25l") == done.err.count("\x1b[?25h")


def test_colours_are_an_extra(here: Path) -> None:
    ways: list[tuple[list[str], dict[str, str]]] = [
        ([], {}),
        (["--no-color"], {}),
        ([], {"NO_COLOR": "1"}),
    ]
    with ThreadPoolExecutor(3) as pool:
        coloured, *bare = pool.map(partial(short_run, here), ways)
    assert re.search(r"\x1b\[[0-9;]*m", coloured)
    for seen in bare:
        assert not re.search(r"\x1b\[[0-9;]*m", seen)
        assert "researcher returned" in seen


def short_run(here: Path, way: tuple[list[str], dict[str, str]]) -> str:
    arguments, env = way
    return at_terminal("run", "team.py:short", "Go", *arguments, cwd=here, env=env).err


def test_a_dumb_terminal_gets_lines(here: Path) -> None:
    done = at_terminal("run", "team.py:short", "Go", cwd=here, env={"TERM": "dumb"})
    assert "\x1b" not in done.err
    assert "forward  user -> researcher  Go" in done.err


def test_questions_are_asked_one_at_a_time_and_the_tree_goes_on(here: Path) -> None:
    with Terminal("run", "team.py:asks", "Go", cwd=here) as terminal:
        terminal.wait_for("(1 of 2) writer asks: Who \\x1b[31mreads [bold]it[/bold]?")
        terminal.wait_for_after("> _", re.compile(r"writer waits for you [1-9]\d*\.\d"))
        terminal.type("\n")  # an empty line is no answer
        terminal.type("childrem\x7fn\x1b[D")
        terminal.wait_for("> children_")
        terminal.type("\n")
        terminal.wait_for_after("> children\n", "> _")
        terminal.type("experts\n")
        done = terminal.end()
        assert (done.code, done.out) == (0, "Done.\n")
        left = plain(done.err).split("> children\n", 1)[1]
        assert "(1 of 2)" not in left
        assert "For children" in left
        assert "For experts" in left


def test_a_question_longer_than_half_of_the_terminal_is_written_whole_above_the_tree() -> None:
    question = "\n".join(f"line {number}" for number in range(30))
    lines = prompt_lines(Prompt(question, "typed" * 30, 3), 40, 12)
    assert [line.plain for line in lines[:2]] == ["(1 of 3) line 0", "line 1"]
    assert lines[-3].plain == "(the whole question stands above)"
    assert lines[-2].plain == "line 29"
    assert lines[-1].plain.endswith("typedtyped_")
    assert len(lines) == 6
    assert all(line.cell_len < 40 for line in lines)
    wide = prompt_lines(Prompt("안녕하세요" * 20, "안녕" * 30), 20, 40)
    assert all(line.cell_len < 20 for line in wide)
    assert "".join(line.plain for line in wide[:-1]) == "안녕하세요" * 20


@pytest.mark.parametrize("words", [20, 200])
def test_what_stays_of_a_question_is_broken_between_words(words: int) -> None:
    out = io.StringIO()
    view = TreeView(Console(file=out, width=40, height=24, color_system=None))
    question = " ".join(f"word-{number}" for number in range(words))
    view.start_prompt(Prompt(question))
    view.end_prompt("an answer " * 9)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) < 40
    assert " ".join(lines).split() == [*question.split(), ">", *["an", "answer"] * 9]


def test_a_line_is_edited_with_the_usual_keys() -> None:
    editor = LineEditor()
    assert not editor.feed("안녕".encode()[:4])
    assert not editor.feed("안녕".encode()[4:] + b"\x1b[A\x1bOP\x1b")
    assert not editor.feed(b"[1;5D two three")
    assert editor.text == "안녕 two three"
    assert not editor.feed(b"\x17\x04\t\x01")  # Ctrl+D ends an empty line only
    assert editor.text == "안녕 two "
    assert not editor.feed(b"\x15yes\b\x7f")
    assert editor.feed(b" \rno")
    assert (editor.text, editor.at_end) == ("y", False)
    assert not LineEditor().feed(b"\n  \n")
    assert LineEditor().feed(b"\n \ny\n")
    for data in (b"\x04", b""):
        ended = LineEditor()
        assert ended.feed(data)
        assert ended.at_end


@pytest.mark.parametrize(
    ("text", "shown_as"),
    [
        ("rm \u202e", "rm \\u202e"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("\x9b2J\r\x07", "\\x9b2J\\r\\x07"),
        ("one\u2028two\U000e0041", "one\\u2028two\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("one\ttab\r\ntwo lines 안녕 é", "one\ttab\ntwo lines 안녕 é"),
    ],
)
def test_hidden_characters_are_written_out(text: str, shown_as: str) -> None:
    assert escape_hidden(text) == shown_as


LATE = """
import asyncio
from pathlib import Path
from agentouto import Agent, Provider, Team, Tool
from agentouto.testing import Script, call, say, tool

@Tool
async def hold() -> str:
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    return "go"

script = Script({"writer": [tool("hold"), call("user", "Who reads it?"),
                            lambda seen: say("For " + seen.answers("user")[0])]})
team = Team([Agent("writer", "", "m", Provider("s", kind="script", script=script))], [hold])
"""


def test_keys_typed_before_a_question_do_not_answer_it(here: Path) -> None:
    (here / "late.py").write_text(LATE)
    with Terminal("run", "late.py", "Go", cwd=here) as terminal:
        terminal.wait_for("hold")
        terminal.type("typed too early\nand half a ")
        terminal.wait_for("half a")  # the terminal has it
        (here / "go").touch()
        terminal.wait_for("> ")
        terminal.type("children\n")
        assert terminal.end().out == "For children\n"


def test_a_very_deep_chain_of_calls_does_not_break_the_tree(here: Path) -> None:
    done = at_terminal("run", "team.py:deep", "1500", "--no-limits", cwd=here)
    assert (done.code, done.out) == (0, "up\n")
    assert "Error" not in done.err
    assert "and 1501 returned" in plain(done.err)


def test_the_end_of_the_terminal_is_no_answer(here: Path) -> None:
    with Terminal("run", "team.py:asks", "Go", "--answer", "researcher=x", cwd=here) as terminal:
        terminal.wait_for("> _")
        terminal.type("\x04")
        terminal.wait_for_after("> (The user gives no answer.)", "> _")
        terminal.type("\x04")
        assert "The user gives no answer." in plain(terminal.end().err)


def test_ctrl_c_at_a_question_stops_the_run(here: Path) -> None:
    with Terminal("run", "team.py:asks", "Go", cwd=here) as terminal:
        terminal.wait_for("> ")
        terminal.interrupt()
        done = terminal.end()
        assert done.code == 130
        stopped, kept = plain(done.err).splitlines()[-2:]
        assert stopped == "Stopped by Ctrl+C. 0 calls of 3 had returned."
        assert re.fullmatch(
            r"It is kept: agentouto runs resume [0-9a-f]{8} goes on with it\.", kept
        )
        assert done.err.count("\x1b[?25l") == done.err.count("\x1b[?25h")


def test_the_tree_and_the_events_do_not_share_a_terminal(here: Path) -> None:
    done = at_terminal("run", "team.py:short", "Go", "--jsonl", cwd=here, out_too=True)
    assert "\x1b" not in done.err
    assert all(line.startswith('{"v":1,') for line in done.err.splitlines())
