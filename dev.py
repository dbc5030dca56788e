#!/usr/bin/env python3
"""Set up and do one thing, on a machine that has only Python and pip.

::

    python3 dev.py demo [ARGS...]           the demo: four peers review the files of a folder
    python3 dev.py test [PYTEST ARGS...]    the checks and the tests, on the wheel as users get it
    python3 dev.py edges [PYTEST ARGS...]   the tests with programs and frameworks of others
    python3 dev.py docs [FOLDER]            the site, which works from a folder: by default site/
    python3 dev.py kill [KILLS]             kills runs with a journal, and looks what was lost
    python3 dev.py real-model [ARGS...]     a real model on a real server, and what it said
    python3 dev.py nox [NOX ARGS...]        any session of noxfile.py; --list shows them

The demo has a virtual environment of its own beside this file, ``.venv``. Everything else is done
by nox, which is installed into ``.nox/tools`` and keeps its environments beside it. All are brought
up to date when something has changed; to start over, delete ``.venv`` and ``.nox``. This file uses
the standard library only and knows nothing of the package but its name.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent
OLDEST = (3, 11)
WINDOWS = os.name == "nt"
BIN = "Scripts" if WINDOWS else "bin"

UNUSABLE = 3
"""Exit code when the machine is not fit for what was asked."""

SHIPPED = ("pyproject.toml", "README.md", "LICENSE", "src")
"""What a change of calls for installing the package again."""

LOCK = "constraints.txt"
NOX = ROOT / ".nox"
RESULTS = NOX / "results"
"""Where the sessions leave the counts of their tests."""

if sys.version_info < OLDEST:  # so this file keeps to what an old Python can read
    sys.stderr.write(
        "dev.py needs Python {}.{} or newer; this is Python {}.{} ({}).\n"
        "Use another one, for example: python{}.{} dev.py {}\n".format(
            *OLDEST, *sys.version_info[:2], sys.executable, *OLDEST, " ".join(sys.argv[1:])
        )
    )
    sys.exit(UNUSABLE)


class Stopped(Exception):
    """Nothing more can be done. The text says why, and what helps."""

    def __init__(self, text: str, code: int = UNUSABLE) -> None:
        super().__init__(text)
        self.code = code


def say(text: str) -> None:
    """Tell the person at the terminal something, off the standard output."""
    print(text, file=sys.stderr, flush=True)


# ── environments ──────────────────────────────────────────────────────────────────────────────────


class Environment:
    """A virtual environment, and notes in it about what has been installed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.python = path / BIN / ("python.exe" if WINDOWS else "python")

    def script(self, name: str) -> Path:
        """Return the path of a command installed there."""
        return self.path / BIN / (f"{name}.exe" if WINDOWS else name)

    def stamp(self, name: str) -> str:
        """Return what was noted under ``name``, if the environment still works."""
        return self._note(name) if self.works() else ""

    def mark(self, name: str, stamp: str) -> None:
        """Note ``stamp`` under ``name``."""
        (self.path / f"{name}.stamp").write_text(stamp, encoding="utf-8")

    def works(self) -> bool:
        """Tell whether its Python runs and is new enough.

        One that was made here must also be where it was made, by the version in use now.
        """
        ask = "import sys; print(*sys.version_info[:2], sys.prefix)"
        try:
            done = subprocess.run([str(self.python), "-c", ask], capture_output=True, check=False)
        except OSError:
            return False
        major, minor, prefix = [*done.stdout.decode().strip().split(" ", 2), "0", "0", ""][:3]
        if self._note("made"):
            here = "{} {} {}".format(*sys.version_info[:2], self.path)
            return here == self._note("made") == f"{major} {minor} {prefix}"
        return (int(major), int(minor)) >= OLDEST and Path(prefix) == self.path

    def make(self) -> None:
        """Make the environment, unless there is one that works.

        Raises:
            Stopped: It cannot be made, or there is something else in its place.
        """
        if self.works():
            return
        if self.path.exists() and not self._note("made"):
            raise Stopped(f"{self.path} does not work and was not made here. Remove it first.")
        say(f"Making   {self.path.name} with Python {sys.version.split()[0]} ...")
        # The pip of the Python in use can install into it, and not every Python can bring its own.
        bare = ["--without-pip"] if has_pip(sys.executable) else []
        command = [sys.executable, "-m", "venv", "--clear", *bare, str(self.path)]
        if subprocess.run(command, check=False).returncode or not self.works():
            raise Stopped(f"{sys.executable} cannot make a virtual environment in {self.path}.")
        self.mark("made", "{} {} {}".format(*sys.version_info[:2], self.path))

    def _note(self, name: str) -> str:
        note = self.path / f"{name}.stamp"
        return note.read_text(encoding="utf-8") if note.is_file() else ""

    def pip(self, *arguments: str, why: str) -> None:
        """Run pip for this environment.

        Raises:
            Stopped: It failed.
        """
        say(f"{arguments[0].capitalize():<8} {why} ...")
        python = str(self.python)
        pip = [sys.executable, "-m", "pip", "--python", python]
        if not has_pip(sys.executable):
            pip = [python, "-m", "pip"]
        quiet = ["-qq", "--disable-pip-version-check", "--no-input"]
        done = subprocess.run([*pip, arguments[0], *quiet, *arguments[1:]], cwd=ROOT, check=False)
        if done.returncode:
            raise Stopped(f"pip {arguments[0]} of {why} failed; the reason stands above.")


def has_pip(python: str) -> bool:
    """Tell whether ``python`` has a pip."""
    found = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False)
    return found.returncode == 0


def fingerprint(*names: str) -> str:
    """Return a digest of the files and folders ``names``."""
    digest = hashlib.sha256()
    for name in names:
        path = ROOT / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file.relative_to(ROOT)).encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


# ── the demo ──────────────────────────────────────────────────────────────────────────────────────


def demo(arguments: list[str]) -> int:
    """Hand everything over to ``agentouto demo``: terminal, arguments, exit code."""
    home = Environment(ROOT / ".venv")
    stamp = fingerprint(*SHIPPED)
    if home.stamp("installed") != stamp:
        home.make()
        home.pip("install", str(ROOT), why="the package")
        home.mark("installed", stamp)
    command = [str(home.script("agentouto")), "demo", *arguments]
    if not WINDOWS:
        os.execv(command[0], command)  # from here on, this process is the demo
    return subprocess.call(command)


# ── everything else ───────────────────────────────────────────────────────────────────────────────


def test(arguments: list[str]) -> int:
    """Check the source, then test the wheel; stop at the first failure."""
    more = ["--", *arguments] if arguments else []
    return nox(["--stop-on-first-error", "--sessions", "lint", "types", "test", *more])


def edges(arguments: list[str]) -> int:
    """Test the wheel with MCP servers, other SDKs and other agents."""
    return nox(["--sessions", "edges", *(["--", *arguments] if arguments else [])])


def docs(arguments: list[str]) -> int:
    """Build the site, and check its links."""
    return nox(["--sessions", "docs", *(["--", *arguments] if arguments else [])])


def kill(arguments: list[str]) -> int:
    """Kill runs with a journal again and again, 100 times by default, and count what was lost."""
    home = Environment(ROOT / ".venv")
    stamp = fingerprint(*SHIPPED)
    if home.stamp("installed") != stamp:
        home.make()
        home.pip("install", str(ROOT), why="the package")
        home.mark("installed", stamp)
    loop = ROOT / "tests" / "durable" / "kill_loop.py"
    return subprocess.call([str(home.python), str(loop), *(arguments or ["100"])])


def real_model(arguments: list[str]) -> int:
    """Test the wheel with a small model on llama.cpp, and show what it said."""
    return nox(["--sessions", "real-model", *(["--", *arguments] if arguments else [])])


def nox(arguments: list[str]) -> int:
    """Run nox with ``arguments``, and close with what its tests came to."""
    home = Environment(NOX / "tools")
    stamp = fingerprint(LOCK)
    if home.stamp("installed") != stamp:
        NOX.mkdir(exist_ok=True)
        home.make()
        home.pip("install", "--constraint", str(ROOT / LOCK), "nox[uv]", why="nox and uv")
        home.mark("installed", stamp)
    shutil.rmtree(RESULTS, ignore_errors=True)
    command = [str(home.python), "-m", "nox", "--noxfile", str(ROOT / "noxfile.py"), *arguments]
    with subprocess.Popen(command) as process:
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:
                continue  # nox has heard it too, and ends what it has started
    sums = counted(RESULTS)
    if sums:
        print(sums, flush=True)
    return code


def counted(folder: Path) -> str:
    """Return the sums of all reports of pytest in ``folder`` as a line; nothing without any."""
    sums = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    files = sorted(folder.glob("*.xml"))
    for file in files:
        for suite in ET.parse(file).iter("testsuite"):  # noqa: S314 - pytest wrote it
            for name in sums:
                sums[name] += int(suite.get(name, "0"))
    failed = sums["failures"] + sums["errors"]
    passed = sums["tests"] - failed - sums["skipped"]
    return f"{passed} passed, {failed} failed, {sums['skipped']} skipped" if files else ""


# ── the command line ──────────────────────────────────────────────────────────────────────────────


def main(arguments: list[str]) -> int:
    """Do what the command line asks for and return the exit code."""
    commands = {
        "demo": demo,
        "test": test,
        "edges": edges,
        "docs": docs,
        "real-model": real_model,
        "kill": kill,
        "nox": nox,
    }
    asked_for_help = bool(arguments) and arguments[0] in ("-h", "--help", "help")
    if arguments and not asked_for_help and arguments[0] not in commands:
        say("dev.py: there is no {!r}. There are: {}.".format(arguments[0], ", ".join(commands)))
        return 2
    if not arguments or asked_for_help:
        print((__doc__ or "").strip(), file=sys.stdout if asked_for_help else sys.stderr)
        return 0 if asked_for_help else 2
    try:
        return commands[arguments[0]](arguments[1:])
    except Stopped as stopped:
        say(str(stopped))
        return stopped.code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
