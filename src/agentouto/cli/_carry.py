"""Carrying out one run: shown while it happens, stopped by Ctrl+C, its answer handed over.

Which team is run, and what the events are used for besides, is not known here.
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

from agentouto import Agent, Message, Output, RunResult, RunStream, Team
from agentouto.cli._ask import Asker
from agentouto.cli._exit import Code, Trouble, code_of, told
from agentouto.cli._lines import sentence
from agentouto.cli._text import clean, counted
from agentouto.cli._view import Manner, NoView, View, write_json
from agentouto.exceptions import Cancelled, LimitReached

SHOW_CURSOR = b"\x1b[?25h\n"

Watch = Callable[[Mapping[str, object]], object]


class Stopped(Exception):
    """The run was stopped before its end: ``code`` says why, ``outputs`` is what there is of it."""

    def __init__(self, code: Code, why: str, outputs: Sequence[Output]) -> None:
        super().__init__(why)
        self.code = code
        self.outputs = outputs


def carry_out(
    team: Team,
    message: str,
    starting: Sequence[Agent] | None,
    manner: Manner,
    watch: Watch | None = None,
    *,
    asks: bool = True,
) -> RunResult:
    """Run ``team`` and return what it came to.

    Args:
        team: Who works.
        message: What they are asked.
        starting: Who of them is asked; ``None`` leaves it to the team.
        manner: How the run is shown.
        watch: Gets every line of the run.
        asks: Whether agents can ask the person, unless the team has an answer of its own.

    Raises:
        Stopped: By Ctrl+C, or because nobody could answer a question.
        AgentoutoError: The run failed.
    """
    out = sys.stdout
    with redirect_stdout(sys.stderr):  # what tools print is not the answer
        carrier = _Carrier(manner, manner.view(), out, watch)
        return asyncio.run(carrier.carry(team, message, starting, asks=asks))


def hand_over(result: RunResult, manner: Manner) -> Code:
    """Print the answer, unless the events were printed."""
    if not manner.jsonl:
        _print_outputs(result.output)
    return Code.RETURNED


def give_reason(error: BaseException, manner: Manner) -> Code:
    """Print what a person has to know of ``error``, and what was finished before it."""
    if isinstance(error, Stopped):
        if error.outputs and not manner.jsonl:
            several = len(error.outputs) > 1
            texts = [
                f"[{output.name}]{output.text}[/{output.name}]" if several else output.text
                for output in error.outputs
            ]
            _print_outputs("\n\n".join(texts))
        sys.stderr.write(f"{clean(str(error))}\n")
        return error.code
    sys.stderr.write(f"{told(error, verbose=manner.verbose)}\n")
    return code_of(error)


class _Carrier:
    def __init__(self, manner: Manner, view: View, out: TextIO, watch: Watch | None) -> None:
        self._manner = manner
        self._view = view
        self._out = out
        self._watch = watch
        self._returned = 0
        self._begun = 0
        self._interrupted = False

    async def carry(
        self, team: Team, message: str, starting: Sequence[Agent] | None, *, asks: bool
    ) -> RunResult:
        asker: Asker | None = None
        if asks and team.options.get("ask_user") is None:
            asker = Asker(self._manner.answers, self._terminal())
            stream = team.start(message, starting, ask_user=asker)
            asker.give_up = stream.cancel
        else:
            stream = team.start(message, starting)
        with self._interruptible(stream):
            try:
                async for line in stream.lines():
                    self._tell(line)
                return await stream.result()
            except Cancelled as error:
                self._view.stop()
                raise self._stopped(error, asker) from error
            except LimitReached as error:
                self._view.stop()
                told = f"{error}. {self._progress()}"
                raise Stopped(Code.LIMIT, told, error.partial.outputs) from error
            finally:
                self._view.stop()
                await stream.aclose()

    def _tell(self, line: Mapping[str, object]) -> None:
        self._begun += line["type"] == "forward"
        self._returned += line["type"] == "return" and line["agent"] != "user"
        self._view.feed(line)
        if self._watch is not None:
            self._watch(line)
        if self._manner.jsonl:
            write_json(line, self._out)
        elif line["type"] == "ask" and isinstance(self._view, NoView) and self._terminal() is None:
            sys.stderr.write(f"{sentence(line)}\n")

    def _terminal(self) -> View | None:
        return self._view if sys.stdin.isatty() and sys.stderr.isatty() else None

    def _stopped(self, error: Cancelled, asker: Asker | None) -> Stopped:
        outputs = error.partial.outputs
        if asker is not None and asker.unanswered is not None:
            return Stopped(Code.UNANSWERED, nobody_answers(asker.unanswered), outputs)
        if not self._interrupted:
            return Stopped(Code.FAILED, str(error), outputs)
        return Stopped(Code.INTERRUPTED, f"Stopped by Ctrl+C. {self._progress()}", outputs)

    def _progress(self) -> str:
        return f"{counted(self._returned, 'call')} of {self._begun} had returned."

    @contextmanager
    def _interruptible(self, stream: RunStream) -> Generator[None]:
        """Let the first Ctrl+C stop the run, and the second end everything at once."""
        loop = asyncio.get_running_loop()

        def interrupt(*_: object) -> None:
            if self._interrupted:
                if sys.stderr.isatty():
                    os.write(2, SHOW_CURSOR)
                os._exit(Code.INTERRUPTED)
            self._interrupted = True
            loop.call_soon_threadsafe(stream.cancel, "Ctrl+C")

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def nobody_answers(question: Message) -> str:
    """Return what is said when ``question`` had nobody to answer it."""
    example = shlex.quote(f"{question.sender}=yes")
    return (
        f"{question.sender} asked you a question and this run has no terminal.\n"
        f"Give the answer before the start: --answer {example}    "
        "or let the code answer: ask_user="
    )


def _print_outputs(text: str) -> None:
    if sys.stdout.isatty():  # a file or a pipe gets the text as it is
        text = clean(text)
    sys.stdout.write(text if text.endswith("\n") or not text else f"{text}\n")
    sys.stdout.flush()


def check_answers(team: Team, answers: Mapping[str, object]) -> None:
    """Raise ``Trouble`` if answers were given for somebody who takes no part."""
    names = [agent.name for agent in team.agents]
    for name in answers:
        if name not in names:
            there = ", ".join(names)
            raise Trouble(f"--answer {name}=...: no such agent. There are: {there}", Code.USAGE)
