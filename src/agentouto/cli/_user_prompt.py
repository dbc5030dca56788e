"""Answers agents' questions and approves tools: from options, or with a prompt at the terminal.

Questions are asked one at a time. Keys typed earlier are discarded: they cannot have been an answer
to a question that was not visible yet. The tree draws the prompt below itself and goes on; other
views pause. The event loop watches the terminal, and no thread reads it: such a thread cannot be
cancelled, and would keep the process alive after Ctrl+C.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from agentouto import Approval, Message
from agentouto.cli._line_editor import LineEditor, Prompt, single_keys
from agentouto.cli._terminal_text import break_at_words, escape_hidden, print_notice

if sys.platform == "win32":
    import msvcrt
else:
    import termios

MAX_LINE_BYTES = 65536
"""Bytes of one answer. A terminal in line mode delivers at most 4,096 on Linux (termios(3))."""

DRAW_SECONDS = 0.02
"""Seconds for the tree to draw the question before the prompt uses the terminal."""

NO_ANSWER = "(The user gives no answer.)"
"""The answer at the end of the terminal (Ctrl+D): the agent may go on without one."""


class PromptView(Protocol):
    """A view that writes to the same terminal."""

    @property
    def draws_prompts(self) -> bool:
        """Whether it can draw a prompt below its picture."""
        ...

    def start_prompt(self, prompt: Prompt) -> None:
        """Draw ``prompt`` until it ends."""
        ...

    def refresh(self) -> None:
        """Draw now: the prompt has changed."""
        ...

    def end_prompt(self, answer: str | None) -> None:
        """Stop drawing the prompt; ``None`` if there was no answer."""
        ...

    def pause(self) -> None:
        """Stop writing to the terminal."""
        ...

    def resume(self) -> None:
        """Write to the terminal again."""
        ...


YES = frozenset({"y", "yes"})
"""What approves a tool at the terminal. Everything else refuses, an empty line too."""

NO = frozenset({"n", "no"})
"""What refuses a tool and is meant so. Behind everything else it is said that it refuses."""


class UserPrompt:
    """The ``ask_user=`` and ``approve=`` of runs from the command line.

    Args:
        answers: Answers from ``--answer``, by the name of the asking agent. The last of several
            answers every further question.
        approved_tools: The names in ``--approve``. Answers in ``--answer`` approve nothing.
        terminal: The view to pause during a prompt; ``None`` if there is no terminal.

    Attributes:
        stop_run: Called to end the run if a question cannot be answered.
        unanswered_question: The first question that could not be answered.
    """

    def __init__(
        self,
        answers: Mapping[str, Sequence[str]],
        approved_tools: Container[str],
        terminal: PromptView | None,
    ) -> None:
        self._approved_tools = approved_tools
        self._refused_tools: set[str] = set()
        self.stop_run: Callable[[], None] = _do_nothing
        self.unanswered_question: Message | None = None
        self._answers = {name: list(texts) for name, texts in answers.items()}
        self._terminal = terminal
        self._prompt_lock = asyncio.Lock()
        self._open_questions = 0
        self._prompt: Prompt | None = None

    async def __call__(self, question: Message) -> str:
        """Return the answer to ``question``."""
        prepared = self._answers.get(question.sender)
        if prepared:
            return prepared.pop(0) if len(prepared) > 1 else prepared[0]
        terminal = self._terminal
        if terminal is None:
            self.unanswered_question = self.unanswered_question or question
            self.stop_run()
            await asyncio.Event().wait()  # the run is stopping and cancels this
            raise AssertionError("this event is never set")
        text = f"{escape_hidden(question.sender)} asks: {escape_hidden(question.content)}"
        return await self._ask_in_turn(terminal, Prompt(text))

    async def approve(self, approval: Approval) -> bool:
        """Return whether the person approves one use of a tool."""
        if approval.tool in self._approved_tools:
            return True
        if self._terminal is None:
            if approval.tool not in self._refused_tools:  # once for each
                self._refused_tools.add(approval.tool)
                print_notice(
                    f"{approval.agent} may not use {approval.tool}: there is no terminal to "
                    f"approve it at. To approve all uses: --approve {approval.tool}"
                )
            return False
        text = f"{escape_hidden(approval.text)} [y/N]"
        prompt = Prompt(text, empty_answer="no", note=_refusal_note)
        answer = await self._ask_in_turn(self._terminal, prompt)
        return answer.strip().lower() in YES

    async def _ask_in_turn(self, terminal: PromptView, prompt: Prompt) -> str:
        self._count_open(1)
        try:
            async with self._prompt_lock:
                await asyncio.sleep(DRAW_SECONDS)
                return await self._ask(terminal, prompt)
        finally:
            self._count_open(-1)

    def _count_open(self, change: int) -> None:
        self._open_questions += change
        if self._prompt is not None:
            self._prompt.open_questions = self._open_questions

    async def _ask(self, view: PromptView, prompt: Prompt) -> str:
        prompt.open_questions = self._open_questions
        self._prompt = prompt
        try:
            if view.draws_prompts:
                return await _answer_below(view, prompt)
            return await _answer_in_pause(view, prompt)
        finally:
            self._prompt = None


def _refusal_note(answer: str) -> str:
    """Return what is said if ``answer`` refuses a tool and may not have been meant so."""
    is_clear = answer.strip().lower() in YES | NO
    return "" if is_clear else "Refused: only y or yes approves."


def _do_nothing() -> None:
    """Do nothing, until the run has set ``stop_run``."""


def _discard_typed_keys() -> None:
    """Discard the keys that were typed before the question was visible."""
    if sys.platform == "win32":
        while msvcrt.kbhit():
            msvcrt.getwch()
    else:
        with suppress(termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


async def _answer_below(view: PromptView, prompt: Prompt) -> str:
    """Return what is typed while ``view`` draws the prompt below its picture."""
    answer: str | None = None
    try:
        with single_keys(sys.stdin.fileno()):
            _discard_typed_keys()
            view.start_prompt(prompt)
            editor = LineEditor(takes_empty=prompt.empty_answer is not None)
            while not editor.feed(await _read_keys()):
                prompt.typed = editor.text
                view.refresh()
            prompt.typed = ""
            typed = editor.text or prompt.empty_answer or NO_ANSWER
            answer = NO_ANSWER if editor.at_end else typed  # what is typed before Ctrl+D is no line
        return answer
    finally:
        view.end_prompt(answer)


async def _answer_in_pause(view: PromptView, prompt: Prompt) -> str:
    """Return a line that is typed while ``view`` writes nothing."""
    view.pause()
    try:
        _discard_typed_keys()
        width = shutil.get_terminal_size().columns - 1
        for line in prompt.heading().split("\n"):
            _write_prompt(f"{break_at_words(line, width)}\n")
        while True:
            _write_prompt("> ")
            typed = await read_line()
            if not typed:
                _write_prompt("\n")
            if answer := typed.strip() or (prompt.empty_answer if typed else NO_ANSWER):
                if note := prompt.note(answer):
                    _write_prompt(f"{note}\n")
                return answer
    finally:
        view.resume()


def _write_prompt(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


async def read_line() -> str:
    """Return a line from the terminal, or an empty string at its end. It can be cancelled."""
    if sys.platform == "win32":  # its event loop cannot watch a terminal
        return await asyncio.to_thread(sys.stdin.readline)
    try:
        return (await _read_keys()).decode(errors="replace")
    except asyncio.CancelledError:
        _write_prompt("\n")
        raise


async def _read_keys() -> bytes:
    """Return what the terminal delivers next; empty at its end."""
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()
    ready = asyncio.Event()
    loop.add_reader(terminal, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(terminal)
    return os.read(terminal, MAX_LINE_BYTES)
