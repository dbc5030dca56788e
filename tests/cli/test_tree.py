"""The live tree: what it shows of a run, and how it behaves at a terminal."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.cells import cell_len

from agentouto.cli._board import Board
from agentouto.cli._lines import sentence
from agentouto.cli._tree import picture
from cli.terminal import Terminal, at_terminal, highest_frame, plain


def told(board: Board, type_: str, agent: str, call: str, **more: object) -> None:
    """Feed a line as runs write it."""
    about = {"agent": agent, "call": call, "parent": None, "t": 1.0, "type": type_}
    said = {"sender": "user", "receiver": agent, "text": ""}
    board.feed({**about, **said, **more})


def shown(board: Board, now: float = 2.0, width: int = 80, height: int = 24) -> list[str]:
    return [line.plain for line in picture(board, now, width, height)]


def begun(message: str = "Go.") -> Board:
    board = Board()
    board.feed({"t": 0.0, "type": "run.start", "text": message})
    return board


def test_one_line_is_one_call_with_its_state_in_words() -> None:
    board = begun("Write.")
    told(board, "forward", "researcher", "c1", text="Write.")
    for number, name in enumerate(["writer", "checker", "reviewer", "helper", "scout"], 2):
        told(board, "forward", name, f"c{number}", parent="c1", text="Help.")
    told(board, "ask", "user", "q", parent="c2", sender="writer", text="Who reads it?")
    told(board, "retry", "checker", "c3", wait=2.0, attempt=2, error="429")
    told(board, "return", "reviewer", "c4", text="Listed.", t=1.5)
    told(board, "tool.start", "helper", "c5", tool="count", arguments={})
    told(board, "token", "scout", "c6", text="I look")
    told(board, "token", "scout", "c6", text=" around.")
    assert shown(board, 3.4) == [
        "you Write.",
        "└── researcher waits for peers 2.4s Write.",
        "    ├── writer waits for you 2.4s Who reads it?",
        "    ├── checker rate limit 2.4s wait 2 s, then try 2: 429",
        "    ├── reviewer returned 0.5s Listed.",
        "    ├── helper tool 2.4s count",
        "    └── scout writing 2.4s I look around.",
        "3.4s   5 running, 1 returned   Ctrl+C stops",
    ]


def test_calls_are_told_apart_by_id_not_by_name() -> None:
    board = begun()
    for call in ("c1", "c2", "c3"):
        told(board, "forward", "writer", call, text="Go.")
    told(board, "return", "writer", "c2", text="Done.", t=1.2)
    told(board, "error", "writer", "c3", error="no model", t=1.3)
    assert shown(board)[1:4] == [
        "├── writer writing 1.0s Go.",
        "├── writer returned 0.2s Done.",
        "└── writer failed 0.3s no model",
    ]


def test_an_answer_and_a_next_try_end_the_waiting() -> None:
    board = begun()
    told(board, "forward", "writer", "c1")
    told(board, "ask", "user", "q", parent="c1", text="?")
    told(board, "return", "user", "q", text="Yes.")
    assert "writer writing" in shown(board)[1]
    told(board, "retry", "writer", "c1", wait=1.0, attempt=2, error="429")
    assert "writer rate limit" in shown(board)[1]
    told(board, "token", "writer", "c1", text="Hi")
    assert "writer writing" in shown(board)[1]


@pytest.mark.parametrize(
    ("wait", "told_as"),
    [(0.4, "0.4 s"), (0.043, "0.04 s"), (2.0, "2 s"), (12.34, "12.3 s"), (60.0, "60 s")],
)
def test_a_wait_is_told_as_long_as_it_is(wait: float, told_as: str) -> None:
    board = begun()
    told(board, "forward", "writer", "c1")
    line = {"t": 1.0, "type": "retry", "agent": "writer", "call": "c1"}
    line |= {"wait": wait, "attempt": 2, "error": "429"}
    board.feed(line)
    assert f" wait {told_as}, then try 2: 429" in shown(board)[1]
    assert sentence(line) == f"   1.00s retry    writer  wait {told_as}, then try 2: 429"


def test_a_very_deep_chain_of_calls_is_drawn_too() -> None:
    board = begun()
    for depth in range(1, 1501):
        told(board, "forward", "a", f"c{depth}", parent=f"c{depth - 1}", text="On.")
    lines = shown(board, height=40)
    assert len(lines) == 38
    assert lines[1:3] == ["└── a waits for peers 1.0s On.", "    └── a waits for peers 1.0s On."]
    assert lines[11] == " " * 36 + "(11 deep) └── a waits for peers 1.0s On."
    assert lines[-2] == "└── and 1465 more"
    assert lines[-1].startswith("2.0s   1500 running")
    for depth in range(1500, 0, -1):
        told(board, "return", "a", f"c{depth}", text="Up.")
    assert shown(board, height=40)[1] == "└── and 1500 returned"


def test_background_calls_keep_nobody_waiting_and_show_their_mail() -> None:
    board = begun()
    told(board, "forward", "lead", "c1")
    told(board, "forward", "scout", "s", parent="c1", background=True)
    told(board, "message", "lead", "c1", sender="lead", receiver="scout", to="s", text="Faster!")
    assert shown(board)[1:3] == [
        "└── lead writing 1.0s ",
        "    └── scout (background) writing 1.0s message from lead: Faster!",
    ]


def test_the_usage_is_shown_at_the_end_if_there_is_any() -> None:
    board = begun()
    told(board, "forward", "writer", "c1")
    told(board, "return", "writer", "c1")
    board.feed({"t": 2.0, "type": "run.end", "usage": {"input": 4000, "output": 60}})
    assert shown(board)[-1] == "2.0s   1 returned   4,000 in / 60 out"


@pytest.mark.parametrize("height", [3, 5, 8, 12, 24, 60])
@pytest.mark.parametrize("width", [12, 40, 200])
def test_no_picture_is_wider_or_higher_than_the_terminal(width: int, height: int) -> None:
    board = begun("안녕하세요 " * 20)
    told(board, "forward", "연구원", "root", text="질문 " * 30)
    for number in range(30):
        told(board, "forward", "작가", f"c{number}", parent="root", text="초안을 " * 20)
        told(board, "forward", "peer", f"d{number}", parent=f"c{number}", text="words " * 30)
        if number % 3:
            told(board, "return", "peer", f"d{number}", text="Done. " * 30)
            told(board, "return", "작가", f"c{number}", text="끝 " * 30)
        lines = shown(board, width=width, height=height)
        assert len(lines) <= max(1, height - 2)
        assert all(cell_len(line) < width for line in lines)


def test_what_has_ended_is_folded_before_what_goes_on_is_cut() -> None:
    board = begun()
    told(board, "forward", "lead", "root")
    for number in range(9):
        told(board, "forward", f"peer{number}", f"c{number}", parent="root", text="Help.")
        if number < 7:
            outcome = {"text": "Done."} if number else {"error": "broken"}
            told(board, "return" if number else "error", f"peer{number}", f"c{number}", **outcome)
    lines = shown(board, height=8)
    assert lines[2:5] == [
        "    ├── peer7 writing 1.0s Help.",
        "    ├── peer8 writing 1.0s Help.",
        "    └── and 6 returned, 1 failed",
    ]
    for number in range(9, 20):
        told(board, "forward", f"peer{number}", f"c{number}", parent="root", text="Help.")
    assert shown(board, height=8)[4] == "└── and 11 more"


def test_model_text_is_shown_as_it_is_without_what_a_terminal_obeys() -> None:
    board = begun("\x1b[2J[bold]Go[/bold]")
    told(board, "forward", "writer", "c1", text="x")
    told(
        board,
        "token",
        "writer",
        "c1",
        text="[researcher]so\x1b[31m it\x07 is[/researcher] [/writer]",
    )
    assert shown(board)[:2] == [
        "you [bold]Go[/bold]",
        "└── writer writing 1.0s [researcher]so it is[/researcher] [/writer]",
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
    done = at_terminal("run", "team.py", "Go", cwd=here, rows=12, columns=70)
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
        coloured, *bare = pool.map(lambda way: short_run(here, *way), ways)
    assert re.search(r"\x1b\[[0-9;]*m", coloured)
    for seen in bare:
        assert not re.search(r"\x1b\[[0-9;]*m", seen)
        assert "researcher returned" in seen


def short_run(here: Path, arguments: list[str], env: dict[str, str]) -> str:
    return at_terminal("run", "team.py:short", "Go", *arguments, cwd=here, env=env).err


def test_a_dumb_terminal_gets_lines(here: Path) -> None:
    done = at_terminal("run", "team.py:short", "Go", cwd=here, env={"TERM": "dumb"})
    assert "\x1b" not in done.err
    assert "forward  user -> researcher  Go" in done.err


def test_questions_are_asked_one_at_a_time_and_answered(here: Path) -> None:
    with Terminal("run", "team.py:asks", "Go", cwd=here) as terminal:
        terminal.wait_for("> ")
        before = plain(terminal.seen)
        assert "writer waits for you" in before
        assert before.count("writer asks: Who reads [bold]it[/bold]?") == 1
        terminal.type("\n")  # an empty line is no answer
        terminal.type("children\n")
        terminal.wait_for("writer asks:", 2)
        terminal.type("experts\n")
        done = terminal.end()
        assert (done.code, done.out) == (0, "Done.\n")
        assert plain(done.err).count("writer asks:") == 2
        assert "For children" in plain(done.err)
        assert "For experts" in plain(done.err)


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
    done = at_terminal("run", "team.py:deep", "1500", cwd=here)
    assert (done.code, done.out) == (0, "up\n")
    assert "Error" not in done.err
    assert "and 1501 returned" in plain(done.err)


def test_the_end_of_the_terminal_is_no_answer(here: Path) -> None:
    with Terminal("run", "team.py:asks", "Go", "--answer", "researcher=x", cwd=here) as terminal:
        terminal.wait_for("> ")
        terminal.type("\x04")
        terminal.wait_for("writer asks:", 2)
        terminal.wait_for("> ", 2)
        terminal.type("\x04")
        assert "The user gives no answer." in plain(terminal.end().err)


def test_ctrl_c_at_a_question_stops_the_run(here: Path) -> None:
    with Terminal("run", "team.py:asks", "Go", cwd=here) as terminal:
        terminal.wait_for("> ")
        terminal.interrupt()
        done = terminal.end()
        assert done.code == 130
        assert plain(done.err).splitlines()[-1] == "Stopped by Ctrl+C. 0 calls of 3 had returned."
        assert done.err.count("\x1b[?25l") == done.err.count("\x1b[?25h")


def test_the_tree_and_the_events_do_not_share_a_terminal(here: Path) -> None:
    done = at_terminal("run", "team.py:short", "Go", "--jsonl", cwd=here, out_too=True)
    assert "\x1b" not in done.err
    assert all(line.startswith('{"v":1,') for line in done.err.splitlines())
