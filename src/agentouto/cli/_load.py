"""Finding the team that a command is to run. Loading a file runs its Python; nothing is run twice.

What the team is for, and whether its models can be reached, is not known here.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from agentouto import AgentoutoError, Team
from agentouto.cli._exit import Trouble
from agentouto.cli._text import in_one_line

T = TypeVar("T")

DEFAULT = "team"


def load_team(spec: str) -> Team:
    """Return the team that ``team.py``, ``team.py:name`` or ``package.module:name`` names.

    Raises:
        Trouble: There is no such file or team, or its Python fails.
    """
    place, name = _parted(spec)
    if place.endswith(".py"):
        module = _from_file(Path(place))
    else:
        if Path(place).exists() or "/" in place:
            raise Trouble(f"{place} is no Python file. Name one, for example {place}/team.py")
        module = _from_package(place)
    return _team_in(module, place, name)


def _parted(spec: str) -> tuple[str, str]:
    place, colon, name = spec.rpartition(":")
    if colon and name.isidentifier():
        return place, name
    return spec, DEFAULT


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise Trouble(f"There is no file {path}.")
    path = path.resolve()
    _make_importable(path.parent)
    name = path.stem if path.stem not in sys.modules else f"agentouto_team_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Trouble(f"{path.name} cannot be loaded.")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    loader = spec.loader
    _guarded(lambda: loader.exec_module(module), path.name, path)
    return module


def _from_package(name: str) -> ModuleType:
    _make_importable(Path.cwd())
    parents = {name.rsplit(".", n)[0] for n in range(name.count(".") + 1)}
    try:
        return _guarded(lambda: importlib.import_module(name), name)
    except Trouble as trouble:
        error = trouble.__cause__
        if isinstance(error, ModuleNotFoundError) and error.name in parents:
            file = Path(f"{name}.py")
            hint = f" Did you mean {file}?" if file.is_file() else ""
            raise Trouble(f"There is no module {name} here.{hint}") from error
        raise


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _guarded(load: Callable[[], T], name: str, path: Path | None = None) -> T:
    try:
        return load()
    except (Exception, SystemExit) as error:
        why = str(error) if isinstance(error, AgentoutoError) else _with_kind(error)
        raise Trouble(f"{name}{_line_of(error, path)}: {in_one_line(why)}") from error


def _with_kind(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _line_of(error: BaseException, path: Path | None) -> str:
    if isinstance(error, SyntaxError) and error.lineno is not None:
        where = Path(error.filename or "").name
        inside = "" if path is None or where == path.name else f" (in {where})"
        return f", line {error.lineno}{inside}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if path is not None and frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _team_in(module: ModuleType, place: str, name: str) -> Team:
    found: object = getattr(module, name, None)
    if isinstance(found, Team):
        return found
    file = Path(place).name
    if found is not None:
        raise Trouble(f"{file}: `{name}` is no Team, but {type(found).__name__}.")
    teams = [key for key, value in vars(module).items() if isinstance(value, Team)]
    if not teams:
        raise Trouble(f"{file} has no `{name}`. Write: {name} = Team(agents=[...])")
    nearest = difflib.get_close_matches(name, teams, 1, cutoff=0.0)[0]
    listed = ", ".join(f"`{team}`" for team in teams)
    raise Trouble(
        f"{file} has no `{name}`. It has: {listed}. Use `agentouto run {place}:{nearest}`."
    )
