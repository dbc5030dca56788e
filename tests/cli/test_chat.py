"""``agentouto chat``: what each line does, and the command at a terminal."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from agentouto import Agent, Limits, Provider, Team, Tool
from agentouto.cli._chat import ChatCompleter
from agentouto.cli._chat_session import HELP, ChatSession
from agentouto.cli._views import CommandOptions
from agentouto.testing import Request, Script, call, finish, say, tool
from cli.crews import TEAM
from cli.terminal import Terminal, agentouto, plain, surroundings


def return_what_the_writer_wrote(seen: Request) -> Any:
    return finish(seen.answers("writer")[0])


def count_what_was_heard(seen: Request) -> Any:
    return say(f"{len(seen.heard)} heard")


class Talk:
    """A session with the team of a script, whose agents are its first names."""

    def __init__(
        self, script: Script, *names: str, tools: Sequence[Callable[..., object]] = ()
    ) -> None:
        self.go = asyncio.Event()

        @Tool
        async def hold() -> str:
            """Hold until the test lets go."""
            await self.go.wait()
            return "went on"

        provider = Provider("scripted", kind="script", script=script)
        agents = [Agent(name, "", "m", provider) for name in names]
        team = Team(agents, [hold, *tools], starting_agents=agents[:1])
        self.out = io.StringIO()
        options = CommandOptions(limits=Limits(requests=50))
        self.session = ChatSession(team, options, self.out)

    async def until(self, text: str) -> None:
        """Wait until ``text`` was written."""
        async with asyncio.timeout(20):
            while text not in self.out.getvalue():
                await asyncio.sleep(0.01)

    async def until_status(self, text: str) -> None:
        """Wait until the status line has ``text``."""
        async with asyncio.timeout(20):
            while text not in self.session.status():
                await asyncio.sleep(0.01)


def completions(talk: Talk, typed: str) -> list[tuple[str, str]]:
    """Return the words that Tab offers, each with what the agent does."""
    completer = ChatCompleter(("idle", "host", "writer"), talk.session.open_state)
    found = completer.get_completions(Document(typed), CompleteEvent())
    return [(each.text, each.display_meta_text) for each in found]


def test_a_run_has_what_was_said_before_as_its_history() -> None:
    script = Script({"host": count_what_was_heard})

    async def play() -> str:
        talk = Talk(script, "host")
        for line in ("Hello.", "Again."):
            assert await talk.session.handle(line)
            await talk.session.run_ended()
        assert not await talk.session.handle("/quit")
        return talk.out.getvalue()

    said = asyncio.run(play())
    assert "1 heard" in said
    assert "2 heard" in said


def test_the_help_fits_a_terminal_of_80_columns() -> None:
    assert max(map(len, HELP.splitlines())) < 80


def test_a_message_to_a_running_agent_is_sent_and_its_receipt_shown() -> None:
    def writer(seen: Request) -> Any:
        return finish(" + ".join(seen.heard)) if seen.results("hold") else tool("hold")

    script = Script(
        {
            "host": [call("writer", "Write."), return_what_the_writer_wrote],
            "writer": writer,
        }
    )

    async def play() -> Talk:
        talk = Talk(script, "host", "writer")
        await talk.session.handle("Go.")
        await talk.until_status("writer tool")
        await talk.session.handle("@writer Shorter, please.")
        await talk.session.handle("@nobody Hello")
        await talk.session.handle("@writer")
        await talk.session.handle("/tools")
        await talk.session.handle("/agents")
        assert "holds up host" in talk.session.status()
        assert completions(talk, "@") == [
            ("@host", "waits for peers"),
            ("@writer", "tool"),
            ("@idle", ""),
        ]
        assert completions(talk, "/to") == [("/tools", "")]
        assert not completions(talk, "to")
        talk.go.set()
        await talk.session.run_ended()
        await talk.session.handle("@writer Too late.")
        return talk

    talk = asyncio.run(play())
    written = talk.out.getvalue()
    for text in (
        "Sent to writer; it is read before the next step.",
        "writer has read it.",
        "Shorter, please.",
        "There is no agent nobody. There are: host, writer.",
        "Write a message behind it: @writer TEXT",
        "#1 host: waits for peers (writer)",
        "#2 writer: tool",
        "\nhold  Hold until the test lets go.\n",
        "No run is going on. A message without @ begins one.",
    ):
        assert text in written, text
    assert talk.session.status() == "No run. Write a message; /help shows the commands."


def test_questions_are_answered_in_their_order_or_by_name() -> None:
    def asks(name: str) -> Callable[[Request], Any]:
        def replies(seen: Request) -> Any:
            answers = seen.answers("user")
            return finish(f"{name}: {answers[0]}") if answers else call("user", f"{name}?")

        return replies

    def host(seen: Request) -> Any:
        answers = [*seen.answers("a"), *seen.answers("b")]
        return finish(" / ".join(answers)) if answers else [call("a", "Go."), call("b", "Go.")]

    script = Script({"host": host, "a": asks("a"), "b": asks("b")})

    async def play() -> str:
        talk = Talk(script, "host", "a", "b")
        await talk.session.handle("Go.")
        await talk.until("(2 open questions)")
        await talk.session.handle("@b for b")
        await talk.session.handle("for a")
        await talk.session.run_ended()
        return talk.out.getvalue()

    written = asyncio.run(play())
    assert "a: for a" in written
    assert "b: for b" in written


def test_a_tool_is_approved_by_its_number_and_never_by_an_answer() -> None:
    used: list[str] = []

    @Tool(needs_approval=True)
    def delete(path: str) -> str:
        """Delete a file."""
        used.append(path)
        return "deleted"

    def host(seen: Request) -> Any:
        if not seen.results("delete"):
            return [tool("delete", path="a\u202e"), tool("delete", path="b"), call("user", "Why?")]
        return say(" / ".join(seen.results("delete")))

    async def play() -> str:
        talk = Talk(Script({"host": host}), "host", tools=[delete])
        await talk.session.handle("Go.")
        for text in ("/approve 1 or /refuse 1", "/approve 2 or /refuse 2", "host asks"):
            await talk.until(text)
        await talk.session.handle("yes")
        assert not used
        await talk.session.handle("/approve 3")
        await talk.session.handle("/approve")
        await talk.session.handle("/approve 1")
        await talk.session.handle("/refuse 2")
        await talk.session.run_ended()
        return talk.out.getvalue()

    written = asyncio.run(play())
    assert len(used) == 1
    assert 'path: "a\\u202e"' in written
    assert "May host use the tool delete? /approve 1 or /refuse 1" in written
    assert "There is no open approval '3'. There are: 1, 2." in written
    assert "Add its number. There are: 1, 2." in written
    assert "deleted / " in written or " / deleted" in written


def test_a_run_or_one_call_is_stopped_and_events_are_saved(tmp_path: Path) -> None:
    script = Script(
        {
            "host": [call("writer", "Write."), return_what_the_writer_wrote],
            "writer": [tool("hold"), finish("never")],
        }
    )
    file = tmp_path / "events.jsonl"

    async def play() -> str:
        talk = Talk(script, "host", "writer")
        for line in ("/stop", "/frob", "/save", "/help"):
            await talk.session.handle(line)
        await talk.session.handle("Go.")
        await talk.until_status("writer tool")
        await talk.session.handle("/stop #7")
        await talk.session.handle("/stop #2")
        await talk.session.run_ended()
        await talk.session.handle("Again.")
        await talk.session.handle("/stop")
        await talk.session.run_ended()
        for _ in range(2):
            await talk.session.handle(f"/save {file}")
        await talk.session.close()
        return talk.out.getvalue()

    written = asyncio.run(play())
    for text in (
        "No run is going on.",
        "There is no /frob. There are: /agents, ",
        "There is no open call #7.",
        "Stopped.",
        f"events to {file}",
        "is there already",
    ):
        assert text in written, text
    types = [json.loads(line)["type"] for line in file.read_text().splitlines()]
    assert types.count("run.start") == types.count("run.end") == 2


def test_a_run_that_fails_is_shown_and_the_conversation_goes_on() -> None:
    def host(seen: Request) -> Any:
        if seen.heard[-1] == "Break.":
            raise ValueError("broken")
        return say("fine")

    async def play() -> str:
        talk = Talk(Script({"host": host}), "host")
        for line in ("Break.", "Work."):
            await talk.session.handle(line)
            await talk.session.run_ended()
        return talk.out.getvalue()

    written = asyncio.run(play())
    assert "broken" in written
    assert written.endswith("fine\n")


def test_it_talks_at_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "team.py").write_text(TEAM)
    with Terminal("chat", "team.py", cwd=tmp_path, out_too=True) as terminal:
        terminal.wait_for("\x1b[6n")  # it asks where the cursor is, and draws its status line then
        terminal.type("\x1b[1;1R")
        terminal.wait_for("No run. Write a message")
        terminal.type("Go.\r")
        terminal.wait_for("Done.")
        terminal.type("/quit\r")
        done = terminal.end()
    assert done.code == 0
    assert "Traceback" not in plain(done.err)


def test_it_needs_a_terminal_and_prompt_toolkit(tmp_path: Path) -> None:
    (tmp_path / "team.py").write_text(TEAM)
    piped = agentouto("chat", "team.py", cwd=tmp_path)
    assert piped.code == 2
    assert piped.err == 'chat needs a terminal. For one message: agentouto run TEAM "MESSAGE"\n'
    without = (
        "import sys; sys.modules['prompt_toolkit'] = None; sys.argv[1:] = ['chat', 'team.py']; "
        "from agentouto.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", without],
        cwd=tmp_path,
        env=surroundings(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr == "chat needs prompt_toolkit. Install the extra agentouto[cli].\n"
