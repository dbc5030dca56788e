"""The rules of the house that a machine can check. The tables are the exceptions, all of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import agentouto

PACKAGE = Path(agentouto.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
REPOSITORY = Path(__file__).resolve().parents[2]

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 50

MAY_IMPORT_LATE = {
    "_core/schema.py": {
        "agentouto._core.docstring",
        "pydantic",
        "pydantic_core",
        "typing_extensions",
    },
    "_core/signature.py": {"annotationlib"},
    "_engine/own.py": {"uvloop"},
    "_network.py": {"urllib.request"},
    "auth/_browser.py": {"webbrowser"},
    "auth/_http.py": {"aiohttp"},
    "auth/_oauth.py": {"agentouto.auth"},
    "auth/_protocol.py": {"oauthlib"},
    "auth/_sign_in.py": {"agentouto.auth"},
    "providers/__init__.py": {"agentouto.providers"},
    "providers/_fetch.py": {"aiohttp", "yarl"},
    "providers/_http.py": {"aiohttp"},
    "providers/_prices.py": {"genai_prices"},
}
"""Doors through which what costs much, or is not always there, comes when it is first needed."""

MAY_IMPORT_LATE_ANYTHING = ("cli/",)
MAY_IMPORT_AIOHTTP = {"auth/_http.py", "providers/_http.py", "providers/_fetch.py"}
MAY_IMPORT_PYDANTIC = {"_core/schema.py"}
MAY_TOUCH_THE_NETWORK = {
    "_network.py",
    "auth/_http.py",
    "providers/_http.py",
    "providers/_fetch.py",
}
"""The first only reads which proxy the environment names. One door is to authorization servers, one
to models; the last fetches files, from public places only and without a key."""

MAY_LISTEN = {"auth/_loopback.py"}
"""A page on this machine, for this machine, that a browser is sent back to."""

MAY_START_TASKS = {
    "_tasks.py",
    "_engine/host.py",
    "_engine/loop.py",
    "_engine/run.py",
    "auth/_flow.py",
    "auth/_lock.py",
    "providers/_fetch.py",
}
"""Of those outside the engine, one lets a browser be opened and a person be asked while it waits for
either, one sees a refresh token that is being spent through to the end, and the last fetches the
files of one request side by side. None of it outlives what it is for."""

MAY_START_THREADS = {"_tasks.py", "_engine/host.py", "_engine/threads.py", "cli/_ask.py"}
"""The last only where a terminal cannot be waited for in any other way."""

MAY_SEE_THE_WORLD = {"_domain/world.py", "cli/_tree.py"}
"""The world itself, and a display that moves while nothing happens."""

MAY_NAME_ANY = {"_core/annotation.py"}
"""It reads what others have annotated."""

STARTS_TASKS = {"TaskGroup", "create_task", "ensure_future", "run_coroutine_threadsafe"}
STARTS_THREADS = {
    "Thread",
    "ThreadPoolExecutor",
    "Timer",
    "run_in_executor",
    "start_new_thread",
    "to_thread",
}
WORLD = {"datetime", "random", "secrets", "time", "uuid"}
NETWORK = {
    "aiohttp",
    "http.client",
    "http.server",
    "httpx",
    "httpx2",
    "requests",
    "socket",
    "socketserver",
    "ssl",
    "urllib.request",
    "urllib3",
    "websockets",
}
LISTENS = {"create_server", "create_unix_server", "start_server", "start_unix_server"}
NO_ANY = ("_core/", "_domain/")

Rule = Callable[[str], Iterable[str]]


def offences(rule: Rule, but: Iterable[str] = ()) -> list[str]:
    """Return what each module does against ``rule``, as lines that say where."""
    exempt = frozenset(but)
    return [f"{name}: {what}" for name in MODULES if name not in exempt for what in rule(name)]


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
    """Yield the full names of everything imported somewhere below ``node``."""
    for below in ast.walk(node):
        if isinstance(below, ast.Import):
            yield from (alias.name for alias in below.names)
        elif isinstance(below, ast.ImportFrom):
            yield "." * below.level + (below.module or "")
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


def calls(*names: str) -> Rule:
    return lambda module: (f"line {line} calls {n}" for n, line in called(module) if n in names)


def imports(*packages: str) -> Rule:
    return lambda module: (
        f"imports {name}" for name in imported(tree(module)) if within(name, packages)
    )


def within(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_a_module_fits_in_a_head() -> None:
    lengths = {module: len(source(module).splitlines()) for module in MODULES}
    assert not {module: length for module, length in lengths.items() if length > MOST_LINES}


def test_a_function_fits_on_a_screen() -> None:
    def rule(module: str) -> Iterator[str]:
        for function in functions(module):
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > MOST_LINES_OF_A_FUNCTION:
                yield f"{function.name} has {lines} lines"

    assert not offences(rule)


def test_a_module_begins_by_saying_what_it_is_for() -> None:
    silent = [name for name in MODULES if len(ast.get_docstring(tree(name)) or "") < 20]
    assert not silent


def test_nothing_is_imported_for_types_only() -> None:
    assert not [module for module in MODULES if "TYPE_CHECKING" in source(module)]


def test_imports_are_absolute() -> None:
    assert not offences(lambda module: (n for n in imported(tree(module)) if n.startswith(".")))


def test_nothing_is_imported_late_but_at_the_doors() -> None:
    def rule(module: str) -> Iterator[str]:
        doors = MAY_IMPORT_LATE.get(module, set())
        for function in functions(module):
            for name in imported(function):
                if not within(name, doors):
                    yield f"{function.name} imports {name}"
        yield from calls("import_module", "__import__")(module)

    assert not offences(
        rule, [name for name in MODULES if name.startswith(MAY_IMPORT_LATE_ANYTHING)]
    )


def test_what_costs_much_to_import_has_one_door() -> None:
    assert not offences(imports("aiohttp"), MAY_IMPORT_AIOHTTP)
    assert not offences(imports("pydantic", "pydantic_core"), MAY_IMPORT_PYDANTIC)


def test_every_task_has_an_owner() -> None:
    assert not offences(calls("gather"))
    assert not offences(calls(*STARTS_TASKS), MAY_START_TASKS)


def test_every_thread_has_an_owner() -> None:
    assert not offences(calls(*STARTS_THREADS), MAY_START_THREADS)


def test_nothing_is_yielded_inside_a_task_group() -> None:
    def rule(module: str) -> Iterator[str]:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.AsyncWith) and "TaskGroup" in ast.dump(node.items[0]):
                inside = (below for below in ast.walk(node) if isinstance(below, ast.Yield))
                yield from (f"line {below.lineno} yields" for below in inside)

    assert not offences(rule)


def test_time_and_chance_come_from_the_world() -> None:
    assert not offences(imports(*WORLD), MAY_SEE_THE_WORLD)
    assert not offences(calls("getrandom", "urandom"), MAY_SEE_THE_WORLD)


def test_the_network_is_touched_at_the_doors_only() -> None:
    assert not offences(imports(*NETWORK), MAY_TOUCH_THE_NETWORK)
    assert not offences(calls(*LISTENS), MAY_LISTEN)


def test_the_inner_layers_know_their_types() -> None:
    def rule(module: str) -> Iterator[str]:
        for node in ast.walk(tree(module)):
            name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
            if name == "Any":
                yield f"line {getattr(node, 'lineno', '?')} says Any"

    outside = [module for module in MODULES if not module.startswith(NO_ANY)]
    assert not offences(rule, [*outside, *MAY_NAME_ANY])


def test_an_error_is_never_just_passed_over() -> None:
    def rule(module: str) -> Iterator[str]:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ExceptHandler):
                if node.type is None:
                    yield f"line {node.lineno} catches everything"
                if len(node.body) == 1 and isinstance(node.body[0], ast.Pass):
                    yield f"line {node.lineno} passes; contextlib.suppress says what it means"

    assert not offences(rule)


def test_the_tables_name_what_is_there() -> None:
    named = {*MAY_IMPORT_LATE, *MAY_IMPORT_AIOHTTP, *MAY_IMPORT_PYDANTIC, *MAY_START_TASKS}
    named |= {
        *MAY_LISTEN,
        *MAY_START_THREADS,
        *MAY_SEE_THE_WORLD,
        *MAY_TOUCH_THE_NETWORK,
        *MAY_NAME_ANY,
    }
    assert not named - set(MODULES)


def test_imports_point_down_only() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
