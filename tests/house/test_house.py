"""The rules of the house that a machine can check. The tables are the exceptions, all of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import agentouto

PACKAGE = Path(agentouto.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
REPOSITORY = Path(__file__).resolve().parents[2]

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 50

MAY_IMPORT_LATE = {
    "_core/schema.py": {
        "pydantic",
        "pydantic_core",
        "typing_extensions",
        "agentouto._core.docstring",
    },
    "providers/_http.py": {"aiohttp"},
}
"""Doors through which something that costs much to import comes when it is first needed."""

MAY_IMPORT_LATE_ANYTHING = ("cli/",)
MAY_IMPORT_AIOHTTP = {"providers/_http.py"}
MAY_IMPORT_PYDANTIC = {"_core/schema.py"}

MAY_START_TASKS = {
    "_tasks.py",
    "_engine/host.py",
    "_engine/loop.py",
    "_engine/run.py",
}
MAY_START_THREADS = {"_tasks.py", "_engine/host.py", "_engine/threads.py"}
MAY_SEE_THE_WORLD = {"_domain/world.py"}
MAY_TOUCH_THE_NETWORK = {"providers/_http.py"}

STARTS_TASKS = {
    "TaskGroup",
    "create_task",
    "ensure_future",
    "gather",
    "run_coroutine_threadsafe",
}
STARTS_THREADS = {"ThreadPoolExecutor", "Timer", "run_in_executor", "start_new_thread", "to_thread"}
WORLD = {"datetime", "random", "secrets", "time", "uuid"}
NETWORK = {
    "aiohttp",
    "http.client",
    "http.server",
    "httpx",
    "httpx2",
    "requests",
    "select",
    "selectors",
    "socket",
    "socketserver",
    "ssl",
    "urllib.request",
    "urllib3",
    "websockets",
}
NO_ANY = ("_core/", "_domain/")

each_module = pytest.mark.parametrize("module", MODULES)


@cache
def source(module: str) -> str:
    return (PACKAGE / module).read_text(encoding="utf-8")


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(source(module), module)


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the full names of the modules imported somewhere below ``node``."""
    for below in ast.walk(node):
        if isinstance(below, ast.Import):
            yield from (alias.name for alias in below.names)
        elif isinstance(below, ast.ImportFrom):
            assert below.level == 0, f"line {below.lineno}: imports are absolute"
            yield below.module or ""
            yield from (f"{below.module}.{alias.name}" for alias in below.names)


def called(module: str) -> Iterator[tuple[str, int]]:
    """Yield the last part of the name of everything called, and the line."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call):
            name = node.func
            if isinstance(name, ast.Attribute):
                yield name.attr, node.lineno
            elif isinstance(name, ast.Name):
                yield name.id, node.lineno


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@each_module
def test_a_module_fits_in_a_head(module: str) -> None:
    assert len(source(module).splitlines()) <= MOST_LINES


@each_module
def test_a_function_fits_on_a_screen(module: str) -> None:
    for function in functions(module):
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= MOST_LINES_OF_A_FUNCTION, f"{function.name} has {lines} lines"


@each_module
def test_a_module_begins_by_saying_what_it_is_for(module: str) -> None:
    assert len(ast.get_docstring(tree(module)) or "") > 20


@each_module
def test_nothing_is_imported_for_types_only(module: str) -> None:
    assert "TYPE_CHECKING" not in source(module)


@each_module
def test_nothing_is_imported_late_but_at_the_doors(module: str) -> None:
    if module.startswith(MAY_IMPORT_LATE_ANYTHING):
        return
    doors = MAY_IMPORT_LATE.get(module, set())
    for function in functions(module):
        for name in imported(function):
            assert within(name, doors), f"{function.name} imports {name}"
    for name, line in called(module):
        assert name not in {"import_module", "__import__"}, f"line {line}"


@each_module
def test_what_costs_much_to_import_has_one_door(module: str) -> None:
    for name in imported(tree(module)):
        if module not in MAY_IMPORT_AIOHTTP:
            assert not within(name, {"aiohttp"})
        if module not in MAY_IMPORT_PYDANTIC:
            assert not within(name, {"pydantic", "pydantic_core"})


@each_module
def test_every_task_has_an_owner(module: str) -> None:
    for name, line in called(module):
        assert name != "gather", f"line {line}: a task group owns what it starts, gather does not"
        if module not in MAY_START_TASKS:
            assert name not in STARTS_TASKS, f"line {line} starts a task"


@each_module
def test_every_thread_has_an_owner(module: str) -> None:
    for name, line in called(module):
        assert name not in STARTS_THREADS, f"line {line}"
        if module not in MAY_START_THREADS:
            assert name != "Thread", f"line {line} starts a thread"


@each_module
def test_nothing_is_yielded_inside_a_task_group(module: str) -> None:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.AsyncWith) and "TaskGroup" in ast.dump(node.items[0]):
            assert not [below for below in ast.walk(node) if isinstance(below, ast.Yield)]


@each_module
def test_time_and_chance_come_from_the_world(module: str) -> None:
    if module in MAY_SEE_THE_WORLD:
        return
    for name in imported(tree(module)):
        assert not within(name, WORLD)
    for name, line in called(module):
        assert name not in {"getrandom", "urandom"}, f"line {line}"


@each_module
def test_the_network_is_touched_in_one_module(module: str) -> None:
    if module in MAY_TOUCH_THE_NETWORK:
        return
    for name in imported(tree(module)):
        assert not within(name, NETWORK)


@each_module
def test_the_inner_layers_know_their_types(module: str) -> None:
    if not module.startswith(NO_ANY):
        return
    for node in ast.walk(tree(module)):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        assert name != "Any", f"line {getattr(node, 'lineno', '?')}"
    assert "typing.Any" not in set(imported(tree(module)))


@each_module
def test_errors_are_swallowed_nowhere(module: str) -> None:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: a bare except"
            only = node.body[0] if len(node.body) == 1 else None
            assert not isinstance(only, ast.Pass), (
                f"line {node.lineno}: contextlib.suppress says it"
            )


def test_the_doors_are_there() -> None:
    """A table that names a module which is gone has to be tidied up."""
    named = {*MAY_IMPORT_LATE, *MAY_IMPORT_AIOHTTP, *MAY_IMPORT_PYDANTIC, *MAY_START_TASKS}
    named |= {*MAY_START_THREADS, *MAY_SEE_THE_WORLD, *MAY_TOUCH_THE_NETWORK}
    assert named <= set(MODULES)


def test_imports_point_down_only() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_what_is_not_public_begins_with_an_underscore() -> None:
    """A module somebody may import says what it offers; the others are ours."""
    for module in MODULES:
        parts = Path(module).with_suffix("").parts
        if any(part.startswith("_") and part != "__init__" for part in parts):
            continue
        if parts[0] in {"cli", "providers", "__main__"}:
            continue
        assigned = {
            target.id
            for node in tree(module).body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        defined = [node for node in tree(module).body if isinstance(node, ast.ClassDef)]
        assert "__all__" in assigned or defined or module == "api.py", module
