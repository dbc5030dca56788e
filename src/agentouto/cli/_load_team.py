"""Loads the team that ``team.py:name``, ``package.module:name`` or ``agentouto.toml`` names.

Before that, the variables of the ``.env`` beside the file are set; for a module, of the one in the
current folder. Loading executes the Python of the file once. Every error in it becomes one line
with the file and the line number, because a traceback through our import machinery hides the
author's own line.
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
from typing import TypeGuard, TypeVar, cast

from agentouto import Agent, AgentoutoError, Team
from agentouto.cli._env_file import read_env_file
from agentouto.cli._exit_codes import ExitError
from agentouto.cli._team_toml import read_team
from agentouto.cli._terminal_text import one_line, print_notice
from agentouto.tool import Tool

T = TypeVar("T")

DEFAULT_NAME = "team"
"""The variable that is looked up if TEAM names none."""


def load_team(spec: str, notify: Callable[[str], object] = print_notice) -> Team:
    """Return the team that ``spec`` names. If it has no name, it gets that of its place.

    Args:
        spec: A file or a module, with the name of the team or without.
        notify: Called with a sentence if variables were read from ``.env``.

    Raises:
        ExitError: The file or the team does not exist, or the Python of the file fails.
    """
    place, name = _split_spec(spec)
    from_file = place.endswith((".py", ".toml"))
    if sentence := read_env_file(Path(place).parent if from_file else Path()):
        notify(sentence)
    team = _load(place, name, from_file=from_file)
    team.options.setdefault("name", Path(spec).name if from_file else spec)
    return team


def _load(place: str, name: str, *, from_file: bool) -> Team:
    if place.endswith(".toml"):
        return read_team(Path(place), _load_tool)
    if from_file:
        module = _from_file(Path(place))
    else:
        if Path(place).exists() or "/" in place:
            raise ExitError(f"{place} is no Python file. Name one, for example {place}/team.py")
        module = _from_package(place, Path.cwd())
    return _find_team(module, place, name)


def _split_spec(spec: str) -> tuple[str, str]:
    place, colon, name = spec.rpartition(":")
    if colon and name.isidentifier():
        return place, name
    return spec, DEFAULT_NAME


def _from_file(path: Path) -> ModuleType:
    if path.is_dir():
        raise ExitError(f"{path} is a folder. Name a file in it.")
    if not path.is_file():
        raise ExitError(f"There is no file {path}.")
    path = path.resolve()
    _make_importable(path.parent)
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    name = path.stem if path.stem not in sys.modules else f"agentouto_team_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ExitError(f"{path.name} cannot be loaded.")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    loader = spec.loader
    _load_or_explain(lambda: loader.exec_module(module), path.name, path)
    return module


def _from_package(name: str, folder: Path) -> ModuleType:
    _make_importable(folder)
    parents = {name.rsplit(".", n)[0] for n in range(name.count(".") + 1)}
    try:
        return _load_or_explain(lambda: importlib.import_module(name), name)
    except ExitError as failure:
        error = failure.__cause__
        if isinstance(error, ModuleNotFoundError) and error.name in parents:
            file = Path(f"{name}.py")
            hint = f" Did you mean {file}?" if file.is_file() else ""
            raise ExitError(f"There is no module {name} here.{hint}") from error
        raise


def _load_tool(spec: str, folder: Path) -> Callable[..., object]:
    """Return the tool that ``file.py:name`` or ``package.module:name`` names, from ``folder``."""
    place, _, name = spec.rpartition(":")
    if not place:
        raise ExitError(f"tools.use: {spec!r} is neither file.py:name nor package.module:name.")
    from_file = place.endswith(".py")
    if from_file and not (folder / place).is_file():
        raise ExitError(f"tools.use: there is no file {folder / place}.")
    module = _from_file(folder / place) if from_file else _from_package(place, folder.resolve())
    found: object = getattr(module, name, None)
    if not callable(found):
        names = [key for key, value in vars(module).items() if callable(value)]
        close = difflib.get_close_matches(name, names, 1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ExitError(f"tools.use: {place} has no function {name!r}.{hint}")
    return found


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _load_or_explain(load: Callable[[], T], name: str, path: Path | None = None) -> T:
    try:
        return load()
    except (Exception, SystemExit) as error:
        why = str(error) if isinstance(error, AgentoutoError) else _describe_error(error)
        raise ExitError(f"{name}{_error_location(error, path)}: {one_line(why)}") from error


def _describe_error(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _error_location(error: BaseException, path: Path | None) -> str:
    if isinstance(error, SyntaxError) and error.lineno is not None:
        where = Path(error.filename or "").name
        inside = "" if path is None or where == path.name else f" (in {where})"
        return f", line {error.lineno}{inside}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if path is not None and frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _is_team(found: object) -> TypeGuard[Team]:
    return isinstance(found, Team)


def _find_team(module: ModuleType, place: str, name: str) -> Team:
    found: object = getattr(module, name, None)
    if _is_team(found):
        return found
    file = Path(place).name
    if found is not None:
        raise ExitError(f"{file}: `{name}` is no Team, but {type(found).__name__}.")
    teams = [key for key, value in vars(module).items() if isinstance(value, Team)]
    if not teams:
        raise ExitError(f"{file} has no `{name}`. Write: {name} = Team(agents=[...])")
    nearest = difflib.get_close_matches(name, teams, 1, cutoff=0.0)[0]
    listed = ", ".join(f"`{team}`" for team in teams)
    raise ExitError(
        f"{file} has no `{name}`. It has: {listed}. Use `agentouto run {place}:{nearest}`."
    )


def model_agents(team: Team) -> list[Agent]:
    """Return the participants of ``team`` that have a model."""
    return [each for each in team.agents if isinstance(each, Agent)]


def own_tools(team: Team) -> list[Tool[..., object]]:
    """Return the tools of ``team``, without those of its sources, which are not read here."""
    functions = [each for each in team.tools if each not in team.sources]
    return [
        cast("Tool[..., object]", each) if isinstance(each, Tool) else Tool(each)
        for each in cast("list[Callable[..., object]]", functions)
    ]


def source_names(team: Team) -> list[str]:
    """Return the names of the sources of tools of ``team``."""
    return [str(getattr(each, "name", "") or type(each).__name__) for each in team.sources]
