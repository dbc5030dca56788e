"""Virtual environments to measure in, made beside this file and brought up to date when needed.

``floors`` has what the floors and the server are made of, ``ours`` this checkout as users get it:
a wheel, installed by pip, which compiles it. Both are ignored by git; delete them to begin anew.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cores import SERVER

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
HOME = HERE / ".venvs"
FLOORS = ("openai[aiohttp]>=3.30,<4", "aiohttp>=3.11", "msgspec>=0.19", "orjson", "uvloop")
SHIPPED = ("pyproject.toml", "README.md", "LICENSE", "src")


def plain() -> dict[str, str]:
    """Return the environment variables that make no difference to what is measured."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONHASHSEED": "0", "OPENAI_API_KEY": "sk-bench"}


def python(name: str) -> str:
    return str(HOME / name / "bin" / "python")


def _shipped() -> str:
    """Return what changes when the wheel has to be built again."""
    found = hashlib.sha256(sys.version.encode())
    for place in SHIPPED:
        path = ROOT / place
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            found.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return found.hexdigest()


def _make(name: str, stamp: str, *wanted: str) -> None:
    note = HOME / name / "stamp"
    if note.exists() and note.read_text("utf-8") == stamp:
        return
    print(f"making the environment {name!r} ...", file=sys.stderr, flush=True)
    if not Path(python(name)).exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME / name)], check=True)
    pip = [python(name), "-m", "pip", "install", "--quiet"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([*pip, *wanted], check=True, env=environment)
    if str(ROOT) in wanted:  # the version may not have changed, but the files have
        again = ["--force-reinstall", "--no-deps", str(ROOT)]
        subprocess.run([*pip, *again], check=True, env=environment)
    note.write_text(stamp, "utf-8")


def make_all() -> None:
    """Bring both environments up to date."""
    _make("floors", f"{sys.version} {FLOORS}", *FLOORS)
    _make("ours", _shipped(), str(ROOT))


@contextmanager
def serving() -> Iterator[str]:
    """Run the fake server on its own core; yield its address."""
    command = [python("floors"), str(HERE / "server.py"), "--core", str(SERVER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=plain()) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def about(name: str) -> dict[str, str]:
    """Return the versions of what matters in an environment."""
    ask = (
        "import importlib.metadata as m, platform; print('Python', platform.python_version());"
        "[print(d.name, d.version) for d in m.distributions()]"
    )
    command = [python(name), "-c", ask]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=plain()).stdout
    return dict(line.split(" ", 1) for line in told.splitlines())
