"""The conversation behind ``agentouto chat``: what each line does that a person types.

A session has one run at a time. A line without ``@`` or ``/`` answers the oldest open question, or
goes to the starting agents of the run, or begins a run. The history of a run is what the person and
the team have written to each other before. The terminal is in ``_chat``; this module knows none.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from agentouto import (
    Approval,
    Message,
    Options,
    Peer,
    RoutingError,
    RunStream,
    Team,
    cancel,
)
from agentouto.cli._acting import acting_calls
from agentouto.cli._exit_codes import error_text
from agentouto.cli._line_view import LineView
from agentouto.cli._load_team import own_tools, source_names
from agentouto.cli._run_state import CallState, RunState, State
from agentouto.cli._terminal_text import (
    clean,
    count_names,
    escape_hidden,
    fit_terminal,
    join_words,
    plural,
    shorten_at_word,
)
from agentouto.cli._views import CommandOptions
from agentouto.exceptions import Cancelled

COMMANDS = ("/agents", "/tools", "/approve", "/refuse", "/stop", "/save", "/help", "/quit")

HELP = """\
TEXT          begins a run, answers the oldest question, or goes to the
              starting agents of a run
@NAME TEXT    answers the question of NAME, or goes to its newest open call
/agents       the agents, and their open calls
/tools        the tools of the team
/approve N    lets an agent use a tool once; /refuse N does not
/stop [#N]    stops the run, or the open call N of /agents
/save FILE    writes the events of all runs as JSON lines
/quit         ends; so does Ctrl+D. Ctrl+C stops the run\
"""

ACTING_SHOWN = 3
"""Calls that act now and are named in the status line; the rest is counted."""


class ChatSession:
    """One conversation with a team.

    Args:
        team: The team.
        options: The limits of each run, and how errors are shown.
        out: Where everything is written.
    """

    def __init__(self, team: Team, options: CommandOptions, out: TextIO) -> None:
        self._team = team
        self._options = options
        self._out = out
        self._view = LineView(out)
        self._state = RunState()
        self._stream: RunStream | None = None
        self._task: asyncio.Task[None] | None = None
        self._began = 0.0
        self._history: list[Message] = []
        self._lines: list[Mapping[str, object]] = []
        self._questions: list[tuple[Message, asyncio.Future[str]]] = []
        self._approvals: dict[str, asyncio.Future[bool]] = {}
        self._approvals_asked = 0
        self._check_receipts: list[Callable[[], bool]] = []

    @property
    def runs(self) -> bool:
        """Whether a run is going on."""
        return self._stream is not None

    async def handle(self, line: str) -> bool:
        """Do what ``line`` says, and return whether the conversation goes on."""
        line = line.strip()
        command, _, rest = line.partition(" ")
        if command in {"/quit", "/exit"}:
            return False
        if line.startswith("/"):
            self._command(command, rest.strip())
        elif line.startswith("@"):
            self._send_to(command[1:], rest.strip())
        elif line and self._questions:
            self._answer(0, line)
        elif line and self._stream is not None:
            self._post(self._stream, line, None, "the starting agents")
        elif line:
            self._begin(line)
        return True

    def stop(self) -> None:
        """Stop the run, if one is going on."""
        if self._stream is not None:
            self._stream.cancel("the user stopped it")

    async def close(self) -> None:
        """Stop the run and wait until it has ended."""
        self.stop()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def run_ended(self) -> None:
        """Wait until no run is going on."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def status(self) -> str:
        """Return who acts now."""
        if self._stream is None:
            return "No run. Write a message; /help shows the commands."
        now = asyncio.get_running_loop().time() - self._began
        acting = acting_calls(self._state, now)
        texts = [
            f"{call.name} {call.state(now)} {max(0.0, now - call.since(now)):.0f}s"
            + (f", holds up {join_words(count_names(up.name for up in ups), 2)}" if ups else "")
            for call, ups in ((each.call, each.holds_up) for each in acting[:ACTING_SHOWN])
        ]
        if len(acting) > ACTING_SHOWN:
            texts.append(f"and {len(acting) - ACTING_SHOWN} more")
        return " | ".join(texts) or "The run begins."

    def open_state(self, name: str) -> str:
        """Return what the newest open call of agent ``name`` does; empty if it has none."""
        calls = self._open_calls(name)
        return str(calls[-1][1].state(self._state.now)) if calls else ""

    def _begin(self, message: str) -> None:
        own: Options = {"history": self._history}
        if self._team.options.get("ask_user") is None:
            own["ask_user"] = self._ask
        if self._team.options.get("approve") is None:
            own["approve"] = self._approve
        if self._team.options.get("on_message") is None:
            own["on_message"] = self._show_message
        if self._options.limits is not None and self._team.options.get("limits") is None:
            own["limits"] = self._options.limits
        self._state = RunState()
        self._began = asyncio.get_running_loop().time()
        self._stream = self._team.start(message, **own)
        self._task = asyncio.get_running_loop().create_task(self._execute(self._stream))

    async def _execute(self, stream: RunStream) -> None:
        try:
            async for line in stream.lines():
                self._take(line)
            result = await stream.result()
        except Cancelled:
            self._write("Stopped.")
        except Exception as error:  # noqa: BLE001 - it is shown, and the conversation goes on
            self._write(error_text(error, verbose=self._options.verbose))
        else:
            self._write(clean(result.output))
            self._history += [
                each for each in result.messages if "user" in {each.sender, each.receiver}
            ]
        finally:
            self._stream = None
            self._questions.clear()
            self._view.stop()
            self._write_receipts()

    def _take(self, line: Mapping[str, object]) -> None:
        self._lines.append(line)
        self._state.feed(line)
        asked_or_answered = line["type"] == "ask" or line.get("receiver") == "user"
        if not asked_or_answered:  # those are written whole
            self._view.feed(line)
        self._write_receipts()

    async def _ask(self, question: Message) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asked = (question, answer)
        self._questions.append(asked)
        number = f" ({plural(len(self._questions), 'open question')})"
        more = number if len(self._questions) > 1 else ""
        name = escape_hidden(question.sender)
        self._write(f"{name} asks{more}: {escape_hidden(question.content)}")
        try:
            return await answer
        finally:
            if asked in self._questions:
                self._questions.remove(asked)

    async def _approve(self, approval: Approval) -> bool:
        """Return whether the person approves one use of a tool.

        A number tells approvals apart, so that no line that answers a question approves a tool.
        """
        self._approvals_asked += 1
        number = str(self._approvals_asked)
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._approvals[number] = answer
        self._write(f"{escape_hidden(approval.text)} /approve {number} or /refuse {number}")
        try:
            return await answer
        finally:
            self._approvals.pop(number, None)

    def _decide(self, number: str, *, approved: bool) -> None:
        answer = self._approvals.pop(number, None)
        if answer is None:
            open_ones = join_words([*self._approvals]) or "none"
            problem = f"There is no open approval {number!r}" if number else "Add its number"
            self._write(f"{problem}. There are: {open_ones}.")
        elif not answer.done():
            answer.set_result(approved)

    def _show_message(self, message: Message, reply: Callable[[str], None]) -> None:
        del reply  # the person answers with @NAME
        self._write(f"{escape_hidden(message.sender)} writes: {escape_hidden(message.content)}")

    def _answer(self, index: int, text: str) -> None:
        _, answer = self._questions.pop(index)
        if not answer.done():
            answer.set_result(text)
        if self._questions:
            self._write(f"Next: {escape_hidden(self._questions[0][0].sender)} asks.")

    def _send_to(self, name: str, text: str) -> None:
        asking = [number for number, (each, _) in enumerate(self._questions) if each.sender == name]
        names = [agent.name for agent in self._team.agents]
        if name not in names:
            self._write(f"There is no agent {name}. There are: {', '.join(names)}.")
        elif not text:
            self._write(f"Write a message behind it: @{name} TEXT")
        elif asking:
            self._answer(asking[0], text)
        elif self._stream is None:
            self._write("No run is going on. A message without @ begins one.")
        elif not (calls := self._open_calls(name)):
            self._write(f"{name} has no open call. /agents shows the open ones.")
        else:
            self._post(self._stream, text, calls[-1][0], name)

    def _post(self, stream: RunStream, text: str, address: str | None, name: str) -> None:
        try:
            receipt = stream.send(text, address)
        except RoutingError as error:
            self._write(clean(str(error)))
            return
        self._write(f"Sent to {name}; it is read before the next step.")

        def is_decided() -> bool:
            if receipt.status == "accepted":
                return False
            fate = (
                "has read it" if receipt.status == "read" else f"did not read it: {receipt.reason}"
            )
            self._write(f"{name} {fate}.")
            return True

        self._check_receipts.append(is_decided)

    def _write_receipts(self) -> None:
        self._check_receipts = [each for each in self._check_receipts if not each()]

    def _command(self, command: str, rest: str) -> None:
        match command:
            case "/help":
                self._write(HELP)
            case "/agents":
                self._write_agents()
            case "/tools":
                self._write_tools()
            case "/approve" | "/refuse":
                self._decide(rest, approved=command == "/approve")
            case "/stop" if self._stream is None:
                self._write("No run is going on.")
            case "/stop" if rest:
                self._stop_call(rest)
            case "/stop":
                self.stop()
            case "/save":
                self._save(rest)
            case _:
                self._write(f"There is no {command}. There are: {', '.join(COMMANDS)}.")

    def _write_agents(self) -> None:
        for agent in self._team.agents:
            model = "" if isinstance(agent, Peer) else f"{agent.model} at {agent.provider_name}"
            self._write(f"{agent.name}  {model or agent.role}")
        now = self._state.now
        for number, (_, call) in enumerate(self._open_calls(), 1):
            peers = count_names(each.name for each in call.awaited_peers())
            waits = f" ({join_words(peers, 3)})" if call.state(now) is State.PEERS else ""
            self._write(f"#{number} {call.name}: {call.state(now)}{waits}")

    def _write_tools(self) -> None:
        tools, sources = own_tools(self._team), source_names(self._team)
        for tool in tools:
            approval = "  (needs approval)" if tool.needs_approval else ""
            self._write(f"{tool.name}{approval}  {shorten_at_word(tool.description, 100)}".rstrip())
        for name in sources:
            self._write(f"{clean(name)}  its tools are read when a run starts")
        if not (tools or sources):
            self._write("The team has no tools.")

    def _stop_call(self, number: str) -> None:
        calls = self._open_calls()
        digits = number.removeprefix("#")
        if not digits.isdecimal() or not 1 <= int(digits) <= len(calls):
            self._write(f"There is no open call {number}. /agents shows the open ones.")
            return
        cancel(calls[int(digits) - 1][0], "the user stopped it")

    def _save(self, name: str) -> None:
        if not name:
            self._write("Name a file: /save FILE")
            return
        text = "".join(f"{json.dumps(line, default=str)}\n" for line in self._lines)
        try:
            with Path(name).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            self._write(f"{name} is there already. Name another file.")
        except OSError as error:
            self._write(f"{name} cannot be written: {error.strerror}.")
        else:
            self._write(f"Wrote {plural(len(self._lines), 'event')} to {name}.")

    def _open_calls(self, name: str = "") -> list[tuple[str, CallState]]:
        """Return the open calls with their ids, of agent ``name`` or of all agents."""
        if self._stream is None:
            return []
        return [
            (id_, call)
            for id_, call in self._state.calls_by_id.items()
            if call.outcome is None and name in {"", call.name}
        ]

    def _write(self, text: str) -> None:
        self._out.write(f"{fit_terminal(text, self._out)}\n")
        self._out.flush()
