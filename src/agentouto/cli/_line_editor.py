"""Edits one line that a person types while the terminal shows other things above it.

The terminal does not echo and delivers each key at once, so that the tree can move while a question
is open: an echo of the terminal would appear wherever the cursor is. Ctrl+C still sends SIGINT.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

if sys.platform != "win32":
    import termios
    import tty

KEY_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O])")
"""What arrow and function keys send (xterm's "Control Sequences"). They have no function here."""

BACKSPACE = frozenset("\x7f\b")
ERASE_LINE, ERASE_WORD, END_OF_INPUT = "\x15", "\x17", "\x04"
"""Ctrl+U, Ctrl+W and Ctrl+D, as a terminal in line mode takes them (termios(3))."""


@dataclass
class Prompt:
    """A question to the person, and what is typed as its answer.

    Attributes:
        question: The question, without hidden characters.
        typed: What is typed so far.
        open_questions: How many questions are open, this one included.
        empty_answer: What an empty line answers; ``None`` if it is no answer.
        note: Returns what is said about an answer behind it, if anything.
    """

    question: str
    typed: str = ""
    open_questions: int = 1
    empty_answer: str | None = None
    note: Callable[[str], str] = lambda answer: ""  # noqa: ARG005 - most answers are as they are

    def heading(self) -> str:
        """Return the question, with its number if others wait."""
        if self.open_questions < 2:
            return self.question
        return f"(1 of {self.open_questions}) {self.question}"


class UndrawnPrompt:
    """The part of a view that has no picture: the prompt is written while the view pauses."""

    draws_prompts = False

    def start_prompt(self, prompt: Prompt) -> None:
        """Do nothing: there is no picture."""

    def refresh(self) -> None:
        """Do nothing: there is no picture."""

    def end_prompt(self, answer: str | None) -> None:
        """Do nothing: there is no picture."""


@dataclass
class LineEditor:
    """The line that a person types.

    Attributes:
        text: What is typed so far.
        at_end: Whether the person ended the input (Ctrl+D).
        takes_empty: Whether an empty line is an answer.
    """

    text: str = ""
    at_end: bool = False
    takes_empty: bool = False
    _pending: str = ""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )

    def feed(self, data: bytes) -> bool:
        """Take what the terminal sent, and return whether the line is complete and not empty.

        No data means that there will be no more: the terminal is gone.
        """
        if not data:
            self.at_end = True
            return True
        keys = KEY_SEQUENCE.sub("", self._pending + self._decoder.decode(data))
        keys, escape, rest = keys.partition("\x1b")  # an incomplete sequence: more of it follows
        self._pending = escape + rest
        for key in keys:
            if key in "\r\n":
                self.text = self.text.strip()
                if self.text or self.takes_empty:
                    return True
                continue  # an empty line is no answer
            if key == END_OF_INPUT and not self.text:
                self.at_end = True
                return True
            self._edit(key)
        return False

    def _edit(self, key: str) -> None:
        if key in BACKSPACE:
            self.text = self.text[:-1]
        elif key == ERASE_LINE:
            self.text = ""
        elif key == ERASE_WORD:
            words = self.text.rstrip()
            self.text = words[: words.rfind(" ") + 1]
        elif key.isprintable():
            self.text += key


@contextmanager
def single_keys(terminal: int) -> Generator[None]:
    """Let the terminal deliver each key at once, without echo."""
    if sys.platform == "win32":  # there is no such mode; callers do not get here
        yield
        return
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def restore_echo(terminal: int) -> None:
    """Let the terminal echo again, where ``single_keys`` cannot end: before the process exits."""
    if sys.platform == "win32" or not os.isatty(terminal):
        return
    modes = termios.tcgetattr(terminal)
    modes[3] |= termios.ECHO | termios.ICANON
    termios.tcsetattr(terminal, termios.TCSANOW, modes)
