"""Executes one run: shows it, stops it at Ctrl+C, and prints its answer.

The run is read as lines (``RunStream.lines``). Each line goes to the view, to a listener, and with
``--jsonl`` to standard output, in this order.

Standard output carries nothing but the answer or the JSON lines. While a run executes,
``sys.stdout`` is standard error, because tools print too; ``_RunExecutor`` keeps the real one.

The first Ctrl+C cancels the run and waits for it, so that calls can clean up and the finished
outputs can be printed. The second one exits in the signal handler itself: a tool that swallows its
cancellation would block every other way out.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

from agentouto import (
    SAVE_AND_EXIT,
    Agent,
    Attachment,
    Journal,
    JournalError,
    Message,
    Options,
    Peer,
    RunResult,
    RunStream,
    Team,
    Waiting,
)
from agentouto.cli._exit_codes import (
    ExitCode,
    ExitError,
    RunStopped,
    code_of,
    describe_error,
    error_text,
)
from agentouto.cli._line_editor import restore_echo
from agentouto.cli._line_view import format_event
from agentouto.cli._runs_go_on import SavedPlace, later_text, waiting_text
from agentouto.cli._runs_words import short_id
from agentouto.cli._terminal_text import clean, fit_terminal, plural, print_notice
from agentouto.cli._user_prompt import UserPrompt
from agentouto.cli._views import CommandOptions, SilentView, View, write_json
from agentouto.exceptions import Cancelled, LimitReached

SHOW_CURSOR = b"\x1b[?25h\n"
"""Turns the cursor on (DECTCEM, xterm's "Control Sequences"): the live tree had turned it off."""

EventListener = Callable[[Mapping[str, object]], object]
"""Called with every line of a run, for commands that need more than its result."""


def execute_run(
    team: Team,
    message: str,
    starting: Sequence[Agent | Peer] | None,
    options: CommandOptions,
    listener: EventListener | None = None,
    *,
    asks: bool = True,
    attachments: Sequence[Attachment] = (),
    notices: Sequence[str] = (),
) -> RunResult:
    """Run ``team`` and return its result.

    Args:
        team: The team.
        message: The message to the starting agents.
        starting: The starting agents; ``None`` for those of the team.
        options: How the run is shown.
        listener: Called with every line of the run.
        asks: Whether agents can ask the person, if the team has no ``ask_user`` of its own.
        attachments: The files that travel with the message.
        notices: What is said when the run begins, and not if it cannot.

    Raises:
        RunStopped: Ctrl+C, a limit, or a question without an answer stopped the run.
        AgentoutoError: The run failed.
    """
    out = sys.stdout
    own: Options = {}
    with redirect_stdout(sys.stderr):  # a tool may print
        executor = _RunExecutor(options, options.make_view(), out, listener, notices)
        if attachments:
            own["attachments"] = attachments
        return asyncio.run(executor.execute(team, message, starting, own, asks=asks))


def print_answer(result: RunResult, options: CommandOptions) -> ExitCode:
    """Print the answer, unless JSON was printed."""
    if not (options.jsonl or options.as_json):
        _print_outputs(result.output)
    return ExitCode.RETURNED


def report_error(error: BaseException, options: CommandOptions) -> ExitCode:
    """Print the message of ``error``, and the outputs that were finished before it."""
    prints_json = options.jsonl or options.as_json
    as_json = prints_json and not sys.stderr.isatty()
    if isinstance(error, RunStopped):
        if error.outputs and not prints_json:
            several = len(error.outputs) > 1
            texts = [
                f"[{output.name}]{output.text}[/{output.name}]" if several else output.text
                for output in error.outputs
            ]
            _print_outputs("\n\n".join(texts))
        text = clean(str(error))
    else:
        text = error_text(error, verbose=options.verbose)
    if not options.verbose:
        text = fit_terminal(text, sys.stderr)
    if as_json and (described := describe_error(error)):
        write_json({"error": described}, sys.stderr)
    else:
        sys.stderr.write(f"{text}\n")
    return code_of(error)


class _RunExecutor:
    def __init__(
        self,
        options: CommandOptions,
        view: View,
        out: TextIO,
        listener: EventListener | None,
        notices: Sequence[str],
    ) -> None:
        self._options = options
        self._view = view
        self._out = out
        self._listener = listener
        self._notices = notices
        self._calls_returned = 0
        self._calls_started = 0
        self._interrupted = False
        self._journal: Journal | None = None
        self._end: Mapping[str, object] | None = None

    async def execute(
        self,
        team: Team,
        message: str,
        starting: Sequence[Agent | Peer] | None,
        own: Options,
        *,
        asks: bool,
    ) -> RunResult:
        prompt = UserPrompt(self._options.answers, self._options.approved_tools, self._terminal())
        if asks and team.options.get("ask_user") is None:
            own["ask_user"] = prompt
        keeps_approvals = _user_is_away(team) and not self._options.approved_tools
        if team.options.get("approve") is None and not keeps_approvals:
            own["approve"] = prompt.approve
        stream = self._start(team, message, starting, own)
        kept_in = own.get("journal") or team.options.get("journal")
        if kept_in is not None:
            self._journal = kept_in if isinstance(kept_in, Journal) else Journal(kept_in)
        prompt.stop_run = lambda: stream.cancel(for_good=False)
        with self._interruptible(stream):
            try:
                async for line in stream.lines():
                    self._handle_event(line)
                return await stream.result()
            except Cancelled as error:
                self._view.stop()
                raise self._stop_error(error, prompt, stream.id) from error
            except Waiting as error:
                self._view.stop()
                raise self._waiting_error(error) from error
            except LimitReached as error:
                self._view.stop()
                message = f"{error}. {self._progress_text()}"
                if self._sets_limits(team):
                    change = f"--limits {error.limit}=NUMBER, or --no-limits"
                    message += f"\nThe command set it: {change}"
                raise RunStopped(ExitCode.LIMIT, message, error.partial.outputs) from error
            finally:
                self._view.stop()
                if self._options.as_json and self._end is not None:
                    write_json(self._end, self._out)
                await stream.aclose()

    def _start(
        self,
        team: Team,
        message: str,
        starting: Sequence[Agent | Peer] | None,
        own: Options,
    ) -> RunStream:
        """Start the run with ``own`` and with what the command line says."""
        if self._sets_limits(team):
            own["limits"] = self._options.limits
        if self._options.journal is not None:
            own["journal"] = self._options.journal
        if self._options.run_id:
            own["run_id"] = self._options.run_id
        if self._options.accepts_changes:
            own["changed"] = "accept"
        try:
            return team.start(message, starting, **own)
        except JournalError as error:  # a later one ends a run that has done something
            raise ExitError(str(error), ExitCode.TEAM, error.code) from error

    def _sets_limits(self, team: Team) -> bool:
        return self._options.limits is not None and team.options.get("limits") is None

    def _handle_event(self, line: Mapping[str, object]) -> None:
        if line["type"] == "run.start":
            for sentence in self._notices:
                print_notice(sentence)
        self._calls_started += line["type"] in ("forward", "ask") and line["receiver"] != "user"
        self._calls_returned += line["type"] == "return" and line["agent"] != "user"
        self._view.feed(line)
        if self._listener is not None:
            self._listener(line)
        if line["type"] == "run.end":
            self._end = line
        if self._options.jsonl:
            write_json(line, self._out)
        elif (
            line["type"] == "ask"
            and isinstance(self._view, SilentView)
            and self._terminal() is None
        ):
            sys.stderr.write(f"{format_event(line)}\n")

    def _terminal(self) -> View | None:
        return self._view if sys.stdin.isatty() and sys.stderr.isatty() else None

    def _stop_error(self, error: Cancelled, prompt: UserPrompt, run_id: str) -> RunStopped:
        outputs = error.partial.outputs
        named = {"SHORT": short_id(run_id), "ID": run_id}
        words = self._options.resume_command.split(" ")
        command = " ".join(named.get(word, word) for word in words)
        kept = f"\nIt is kept: {command} goes on with it."
        if prompt.unanswered_question is not None:
            place = self._saved_place(run_id)
            later = "" if place is None else later_text(place)
            text = unanswered_text(prompt.unanswered_question)
            return RunStopped(ExitCode.UNANSWERED, f"{text}{later}", outputs)
        if not self._interrupted:
            return RunStopped(ExitCode.FAILED, str(error), outputs)
        text = f"Stopped by Ctrl+C. {self._progress_text()}{'' if self._journal is None else kept}"
        return RunStopped(ExitCode.INTERRUPTED, text, outputs)

    def _waiting_error(self, error: Waiting) -> RunStopped:
        place = self._saved_place(error.run_id)
        text = "" if place is None else waiting_text(place, error.questions, error.approvals)
        return RunStopped(ExitCode.UNANSWERED, text or str(error), error.partial.outputs)

    def _saved_place(self, run_id: str) -> SavedPlace | None:
        """Return where the run is saved, if it is."""
        journal = self._journal
        if journal is None:
            return None
        team = journal.team or self._options.team
        is_noted = bool(journal.team) or self._options.noted_team
        return SavedPlace(run_id, journal, team, noted_team=is_noted)

    def _progress_text(self) -> str:
        return f"{plural(self._calls_returned, 'call')} of {self._calls_started} had returned."

    @contextmanager
    def _interruptible(self, stream: RunStream) -> Generator[None]:
        """Let the first Ctrl+C cancel the run, and the second exit at once."""
        loop = asyncio.get_running_loop()

        def interrupt(*_: object) -> None:
            if self._interrupted:
                if sys.stderr.isatty():
                    os.write(2, SHOW_CURSOR)
                    restore_echo(0)
                os._exit(ExitCode.INTERRUPTED)
            self._interrupted = True
            loop.call_soon_threadsafe(lambda: stream.cancel("Ctrl+C", for_good=False))

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _user_is_away(team: Team) -> bool:
    """Return whether questions to the user are kept. Then approvals are kept too."""
    users = [one.answer for one in team.agents if isinstance(one, Peer) and one.name == "user"]
    return SAVE_AND_EXIT in (team.options.get("ask_user"), *users)


def unanswered_text(question: Message) -> str:
    """Return the message for a question that no person can answer."""
    example = shlex.quote(f"{question.sender}=yes")
    return (
        f"{question.sender} asked you a question and this run has no terminal.\n"
        f"Give the answer before the start: --answer {example}    "
        "or let the code answer: ask_user="
    )


def _print_outputs(text: str) -> None:
    if sys.stdout.isatty():  # files and pipes get the text unchanged
        text = clean(text)
    sys.stdout.write(text if text.endswith("\n") or not text else f"{text}\n")
    sys.stdout.flush()


def check_names(team: Team, options: CommandOptions) -> None:
    """Raise ``ExitError`` if ``--answer`` or ``--approve`` names what the team does not have."""
    listed: list[object] = list(team.tools)
    functions = [tool for tool in listed if callable(tool)]
    tools = [str(getattr(tool, "name", getattr(tool, "__name__", tool))) for tool in functions]
    # A source says what it has when the run begins; tools of a peer's own are called PEER.tool.
    sources = len(functions) < len(listed)
    peers = tuple(f"{one.name}." for one in team.agents if isinstance(one, Peer))
    for name in options.approved_tools:
        if name not in tools and not sources and not name.startswith(peers):
            there = ", ".join(tools) or "none"
            raise ExitError(f"--approve {name}: no such tool. There are: {there}", ExitCode.USAGE)
    names = [agent.name for agent in team.agents]
    for name in options.answers:
        if name not in names:
            there = ", ".join(names)
            raise ExitError(
                f"--answer {name}=...: no such agent. There are: {there}", ExitCode.USAGE
            )
