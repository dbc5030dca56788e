"""Creates the virtual environments to measure in, beside this file, and updates them when needed.

``floors`` has the dependencies of the floors and of the server. ``ours`` has this checkout as users
get it: a wheel, installed by pip, which compiles it. ``then`` has ours at an earlier commit.
``layers`` has ours with what its extras need, ``layers_then`` the same at an earlier commit,
``transports`` ours with other HTTP clients, and ``page`` ours with what opens a browser. Their
versions are those in ``constraints.txt``, but for ``transports``, which has the newest. Git ignores
them; delete them to start over.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cores import SERVER

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
HOME = HERE / ".venvs"
FLOORS = (
    "openai[aiohttp]>=3.30,<4",
    "aiohttp>=3.11",
    "msgspec>=0.19",
    "orjson",
    "uvloop",
    "cryptography",
)
MORE = ("uvicorn>=0.30", "uvloop>=0.21")
"""What a team is served with, and what some scenarios are measured on: the extras."""
LAYERS = (*MORE, "mcp>=2.1,<3", "opentelemetry-sdk>=1.30", "starlette")
"""What is measured in ``layers.py`` needs these. Without them, the start of a process is quicker:
pydantic looks through all packages that are installed."""
PAGE = (*MORE, "starlette", "playwright")
LOCK = ROOT / "constraints.txt"
SHIPPED = ("pyproject.toml", "README.md", "LICENSE", "constraints.txt", "src")


def plain() -> dict[str, str]:
    """Return environment variables that are the same for every measured process."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**inherited, "PYTHONHASHSEED": "0", "OPENAI_API_KEY": "sk-bench"}


def python(name: str) -> str:
    return str(HOME / name / "bin" / "python")


def _shipped() -> str:
    """Return a text that changes when the wheel must be built again."""
    found = hashlib.sha256(sys.version.encode())
    for place in SHIPPED:
        path = ROOT / place
        for file in sorted(path.rglob("*.*")) if path.is_dir() else [path]:
            if file.is_dir() or file.suffix == ".pyc":
                continue
            found.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return found.hexdigest()


def _make(
    name: str, stamp: str, *wanted: str, tree: Path | None = None, locked: bool = True
) -> None:
    """Update an environment with the packages ``wanted`` or the wheel of ``tree``."""
    note = HOME / name / "stamp"
    if note.exists() and note.read_text("utf-8") == stamp:
        return
    print(f"making the environment {name!r} ...", file=sys.stderr, flush=True)
    note.unlink(missing_ok=True)
    if not Path(python(name)).exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME / name)], check=True)
    pip = [python(name), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    lock = ["--constraint", str(LOCK)] if locked else []
    steps = [[*pip, *lock, *wanted, *([str(tree)] if tree else [])]]
    if tree:  # the version may not have changed, but the files have
        steps.append([*pip, "--force-reinstall", "--no-deps", str(tree)])
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for step in steps:
        if subprocess.run(step, check=False, env=environment).returncode:
            raise SystemExit(f"the environment {name!r} cannot be made; the reason stands above")
    note.write_text(stamp, "utf-8")


def make_all() -> None:
    """Update ``floors`` and ``ours``."""
    _make("floors", f"{sys.version} {FLOORS} {LOCK.read_text('utf-8')}", *FLOORS)
    make_ours()


def make_ours() -> None:
    """Update ``ours``."""
    _make("ours", f"{MORE} {_shipped()}", *MORE, tree=ROOT)


def make_layers() -> None:
    """Update ``layers``."""
    _make("layers", f"{LAYERS} {_shipped()}", *LAYERS, tree=ROOT)


def make_transports(*packages: str) -> None:
    """Update ``transports``, where ``packages`` are of their newest releases."""
    _make("transports", f"{packages} {_shipped()}", *packages, tree=ROOT, locked=False)


def make_page() -> None:
    """Update ``page``, and look whether a browser can be started.

    Raises:
        SystemExit: There is none, which is said.
    """
    _make("page", f"{PAGE} {_shipped()}", *PAGE, tree=ROOT)
    look = [python("page"), str(HERE / "in_browser.py")]
    if subprocess.run(look, check=False, env=plain()).returncode:
        raise SystemExit(2)


def make_theirs(name: str, *packages: str) -> None:
    """Update an environment with a framework of others, whatever its own packages want."""
    _make(name, f"{sys.version} {packages}", *packages, locked=False)


def make_then(commit: str, *, layers: bool) -> None:
    """Update ``then`` with the wheel of ``commit``, and ``layers_then`` as well."""
    wanted = {"then": MORE, "layers_then": LAYERS} if layers else {"then": MORE}
    packed = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--format=tar", commit], capture_output=True, check=True
    )
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        for name, packages in wanted.items():
            stamp = f"{sys.version} {commit} {packages} {LOCK.read_text('utf-8')}"
            _make(name, stamp, *packages, tree=Path(folder))


@contextmanager
def serving() -> Generator[str]:
    """Run the fake server on its own core; yield its address."""
    command = [python("floors"), str(HERE / "server.py"), "--core", str(SERVER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=plain()) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def about(name: str) -> dict[str, str]:
    """Return the versions of Python and of the packages that matter in an environment."""
    ask = (
        "import importlib.metadata as m, platform; print('Python', platform.python_version());"
        "[print(d.name, d.version) for d in m.distributions()]"
    )
    command = [python(name), "-c", ask]
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=plain()).stdout
    return dict(line.split(" ", 1) for line in output.splitlines())
