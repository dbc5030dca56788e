"""The command as people and scripts meet it: in a process of its own, at a terminal or not."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

from children import PIPE, child

COMMAND = (sys.executable, "-m", "agentouto")
PATIENCE = 20.0
ERASED = re.compile(r"(?:\x1b\[1A\x1b\[2K)+")
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


Process: TypeAlias = subprocess.Popen[str]


@dataclass(frozen=True)
class Ended:
    """What a finished command has left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The output, read as one JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def surroundings(given: Mapping[str, str] | None = None) -> dict[str, str]:
    foreign = {"NO_COLOR", "COLUMNS", "LINES"}
    env = {key: value for key, value in os.environ.items() if key not in foreign}
    return env | {"TERM": "xterm-256color", "PYTHONUTF8": "1"} | dict(given or {})


def agentouto(
    *arguments: str | Path,
    cwd: Path,
    given: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Ended:
    """Run the command without a terminal; ``given`` is piped in."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=surroundings(env),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def at_once(cases: Iterable[Sequence[str]], cwd: Path) -> list[Ended]:
    """Run the command several times side by side."""
    with ThreadPoolExecutor(4) as pool:
        started = [pool.submit(agentouto, *arguments, cwd=cwd) for arguments in cases]
        return [each.result() for each in started]


@contextmanager
def begun(
    here: Path,
    *arguments: str,
    stdin: int = subprocess.DEVNULL,
    command: Sequence[str] = ("run",),
) -> Generator[Process]:
    """Start ``agentouto run`` without a terminal, and end it if it has not ended."""
    with child(
        [*COMMAND, *command, *arguments],
        cwd=here,
        env=surroundings(),
        stdin=stdin,
        stdout=PIPE,
        stderr=PIPE,
    ) as process:
        yield process


def read_until(process: Process, told: str) -> None:
    """Read standard error up to a line with ``told`` in it."""
    assert process.stderr is not None
    while told not in process.stderr.readline():
        assert process.poll() is None


class Terminal:
    """The command at a terminal of a fixed size; its standard output goes to a file."""

    def __init__(
        self,
        *arguments: str | Path,
        cwd: Path,
        rows: int = 24,
        columns: int = 100,
        env: Mapping[str, str] | None = None,
        out_too: bool = False,
    ) -> None:
        self._ours, theirs = pty.openpty()
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        self._out = cwd / "standard-output"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [*COMMAND, *map(str, arguments)],
                cwd=cwd,
                env=surroundings(env),
                stdin=theirs,
                stdout=theirs if out_too else out,
                stderr=theirs,
                start_new_session=True,
            )
        os.close(theirs)
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def wait_for(self, text: str, times: int = 1) -> None:
        """Read until the terminal has shown ``text`` so many times."""
        self._read(lambda: self.seen.count(text) >= times)

    def wait_for_after(self, mark: str, text: str | re.Pattern[str]) -> None:
        """Read until the terminal has shown ``text`` after ``mark``, both without colours."""
        wanted = re.compile(re.escape(text)) if isinstance(text, str) else text
        self._read(lambda: wanted.search(plain(self.seen).partition(mark)[2]))

    def type(self, text: str) -> None:
        """Type ``text``."""
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl+C."""
        os.kill(self.process.pid, signal.SIGINT)

    def end(self) -> Ended:
        """Read to the end and return what the command left behind; ``err`` is the terminal."""
        self._read(lambda: False)
        code = self.process.wait(PATIENCE)
        return Ended(code, self._out.read_text("utf-8"), self.seen)

    def _read(self, enough: Any) -> None:
        latest = time.monotonic() + PATIENCE
        while not enough():
            ready, _, _ = select.select([self._ours], [], [], latest - time.monotonic())
            if not ready:
                raise AssertionError(f"the terminal shows only:\n{self.seen}")
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # Linux: the other end of the terminal is closed
                return
            if not data:
                return
            self.seen += data.decode(errors="replace")


def at_terminal(*arguments: str | Path, cwd: Path, **more: Any) -> Ended:
    """Run the command at a terminal to its end."""
    with Terminal(*arguments, cwd=cwd, **more) as terminal:
        return terminal.end()


def highest_frame(seen: str) -> int:
    """Return how many lines the highest picture had that was drawn over."""
    return max((match[0].count("\x1b[1A") + 1 for match in ERASED.finditer(seen)), default=0)


def plain(seen: str) -> str:
    """Return what a terminal has shown, without what moved the cursor and set colours."""
    return SEQUENCE.sub("", seen).replace("\r", "")
