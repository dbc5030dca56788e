"""The person at the terminal as a participant: answers given beforehand, a prompt, or nobody.

What a run does about an answer, and how the tree is drawn around a prompt, is not known here.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from agentouto import Message
from agentouto.cli._text import clean

if sys.platform == "win32":
    import msvcrt
else:
    import termios

LONGEST = 65536
BREATH = 0.02
"""Seconds in which the tree can show the question, before the prompt takes the terminal."""

NO_ANSWER = "(The user gives no answer.)"


class Terminal(Protocol):
    """Whoever else writes to the terminal."""

    def hold(self) -> None:
        """Leave the terminal alone."""
        ...

    def go_on(self) -> None:
        """Take it back."""
        ...


class Asker:
    """What ``ask_user=`` of a run from the command line is.

    Args:
        answers: Answers given beforehand, by the name of the agent that asks. The last of several
            answers every further question.
        terminal: Who else writes to the terminal; ``None`` if there is no terminal.

    Attributes:
        give_up: Called when nobody can answer; it is to end the run.
        unanswered: The question nobody could answer.
    """

    def __init__(
        self,
        answers: Mapping[str, Sequence[str]],
        terminal: Terminal | None,
    ) -> None:
        self.give_up: Callable[[], None] = _go_on
        self.unanswered: Message | None = None
        self._answers = {name: list(texts) for name, texts in answers.items()}
        self._terminal = terminal
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, question: Message) -> str:
        """Return the answer to ``question``."""
        prepared = self._answers.get(question.sender)
        if prepared:
            return prepared.pop(0) if len(prepared) > 1 else prepared[0]
        terminal = self._terminal
        if terminal is None:
            self.unanswered = self.unanswered or question
            self.give_up()
            await asyncio.Event().wait()  # until the run, which is being stopped, cancels this
            raise AssertionError("nobody sets this event")
        async with self._one_at_a_time:
            await asyncio.sleep(BREATH)
            terminal.hold()
            try:
                _forget_keys()
                return await _asked(question)
            finally:
                terminal.go_on()


def _go_on() -> None:
    """Leave it to whoever waits."""


def _forget_keys() -> None:
    """Throw away what was typed before: it cannot have been meant for a question not yet seen."""
    if sys.platform == "win32":
        while msvcrt.kbhit():
            msvcrt.getwch()
    else:
        with suppress(termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


async def _asked(question: Message) -> str:
    width = shutil.get_terminal_size().columns - 1
    for line in f"{clean(question.sender)} asks: {clean(question.content)}".splitlines():
        _write(f"{textwrap.fill(line, width)}\n")
    while True:
        _write("> ")
        said = await read_line()
        if not said:
            _write("\n")
            return NO_ANSWER
        if answer := said.strip():
            return answer


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


async def read_line() -> str:
    """Return a line of the terminal, or nothing at its end; can be cancelled while it waits."""
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()
    ready = asyncio.Event()
    try:
        loop.add_reader(terminal, ready.set)
    except NotImplementedError:  # Windows
        return await asyncio.to_thread(sys.stdin.readline)
    try:
        await ready.wait()
    except asyncio.CancelledError:
        _write("\n")
        raise
    finally:
        loop.remove_reader(terminal)
    return os.read(terminal, LONGEST).decode(errors="replace")
