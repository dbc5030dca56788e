"""The rules of the project that a test can check. The tables have all exceptions."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import agentouto

PACKAGE = Path(agentouto.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
REPOSITORY = Path(__file__).resolve().parents[2]

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 50

MAY_IMPORT_LATE = {
    "a2a/_remote.py": {"agentouto.a2a"},
    "a2a/_serving.py": {"agentouto.a2a"},
    "acp/_program.py": {"agentouto.acp"},
    "_domain/approval.py": {"json"},
    "_domain/configuration_error.py": {"difflib"},
    "_domain/message.py": {"mimetypes"},
    "_core/result.py": {
        "agentouto._core.copied_partial",
        "agentouto._core.pictures",
        "agentouto._core.run_figures",
        "agentouto._core.run_history",
    },
    "_core/tool_results.py": {"pydantic_core"},
    "_core/schema.py": {
        "agentouto._core.docstring",
        "pydantic",
        "pydantic_core",
        "typing_extensions",
    },
    "_core/simple_types.py": {"pydantic_core"},
    "_core/signature.py": {"annotationlib"},
    "_engine/event_loops.py": {"uvloop"},
    "_journal/journal.py": {
        "agentouto._journal.open_run",
        "agentouto._journal.places",
        "agentouto._journal.postgres_address",
        "agentouto._journal.saved_runs",
    },
    "_journal/places.py": {
        "agentouto._journal.postgres_site",
        "agentouto._journal.sqlite_file",
    },
    "_network/proxies.py": {"aiohttp", "urllib.request"},
    "auth/_browser.py": {"webbrowser"},
    "auth/_http.py": {"aiohttp"},
    "auth/_oauth.py": {"agentouto.auth"},
    "auth/_oauth_messages.py": {"oauthlib"},
    "auth/_sign_in.py": {"agentouto.auth"},
    "providers/__init__.py": {"agentouto.providers"},
    "providers/_format/errors.py": {"html"},
    "providers/_openai/openai_kind.py": {"agentouto.providers._openai"},
    "providers/_transport/downloads.py": {"aiohttp", "yarl"},
    "providers/_transport/connections.py": {"aiohttp"},
    "providers/_models/prices.py": {"genai_prices"},
    "providers/_transport/sessions.py": {"ctypes"},
    "mcp/_server.py": {"agentouto.mcp._connection"},
    "serve/_host.py": {"uvicorn"},
    "tools/_memory.py": {"agentouto.tools._memory_store"},
}
"""Modules that are expensive to import, or not always installed, and where they may be imported late."""

MAY_IMPORT_BY_NAME = {
    "_journal/postgres_database.py",
    "exports/_watch.py",
    "otel/_saved.py",
    "providers/_transport/wire_loading.py",
}
"""The first imports psycopg, an extra, the second IPython, which is there in a notebook only, the third
OpenTelemetry's SDK, which users choose; none has types elsewhere. A kind names its wire, which is imported when a provider
of the kind is first opened."""

MAY_IMPORT_LATE_ANYTHING = ("cli/",)
MAY_IMPORT_AIOHTTP = {
    "_network/proxies.py",
    "auth/_http.py",
    "providers/_transport/connections.py",
    "providers/_transport/downloads.py",
}
MAY_IMPORT_PYDANTIC = {"_core/schema.py", "_core/simple_types.py", "_core/tool_results.py"}
MAY_TOUCH_THE_NETWORK = {
    "a2a/_client.py",
    "_network/proxies.py",
    "auth/_http.py",
    "cli/_models.py",
    "mcp/_http.py",
    "providers/_transport/connections.py",
    "providers/_transport/downloads.py",
    "providers/_transport/tls.py",
    "serve/_host.py",
    "ui/_page_server.py",
}
"""The first reads which proxy the system names, and the types of failures. One sends requests to authorization
servers, one to models, which one encrypts, one to MCP servers, and one asks a server for the list of its models, for
`agentouto models --online`; one downloads files, from public addresses only and without a key; the
last two bind the addresses of `agentouto serve` and `agentouto ui`.
"""

MAY_LISTEN = {"auth/_callback_server.py", "ui/_page_server.py"}
"""One receives the redirect of a browser, on the loopback address only; one serves `agentouto ui`."""

MAY_START_TASKS = {
    "_blocking.py",
    "_engine/elsewhere.py",
    "_engine/handle_events.py",
    "_engine/here.py",
    "_engine/host.py",
    "_engine/loop.py",
    "_engine/run.py",
    "_engine/side_tasks.py",
    "_engine/tool_sources.py",
    "acp/_process.py",
    "auth/_browser_flow.py",
    "cli/_chat_session.py",
    "mcp/_server.py",
    "mcp/_session.py",
    "providers/_transport/downloads.py",
    "serve/_asgi.py",
    "serve/_mcp_http.py",
    "_workers/run_ends.py",
    "ui/_live_run.py",
    "workers/_worker.py",
}
"""Outside the engine, one waits for a browser and a person at the same time, one executes a run
while a person types, two own the sessions with MCP servers and hand uses over to them, one downloads
the files of one request at the same time, one answers a request while it watches whether the
client leaves, one owns the sessions of an MCP server of our own, and the last reads the lines of a
run of the page. Only owners of sessions outlive the call, the conversation, the request or the run
that started them: they end with ``close()``, with the server or with the interpreter."""

MAY_START_THREADS = {
    "_blocking.py",
    "_engine/portal.py",
    "_engine/threads.py",
    "_journal/disk_sync.py",
    "_workers/journal_calls.py",
    "_workers/run_ends.py",
    "_workers/submitted_run.py",
    "workers/_worker.py",
    "_journal/postgres_writer.py",
    "auth/_refresh_thread.py",
    "cli/_user_prompt.py",
}
"""One waits for the disk, one completes the use of a refresh token even if the event loop of its caller ends, and the last
waits for a terminal where an event loop cannot."""

MAY_FINALIZE = {"providers/_transport/sessions.py"}
"""Its finalizer calls ``call_soon_threadsafe``, which takes no lock, so that each event loop closes
the connections of a memory that was dropped."""

MAY_READ_THE_CLOCK = {
    "_domain/clock.py",
    "cli/_runs_words.py",
    "cli/_tree_view.py",
    "ui/_guard.py",
}
"""The clock itself, the times of saved runs as people write them, a display that moves while nothing
happens, and the token of a page."""

MAY_NAME_ANY = {"_core/annotation.py", "_domain/stream_event.py", "_domain/result_type.py"}
"""One reads annotations of users; the others have types of data that no checker can follow."""

MAY_IMPORT_THE_PACKAGE = ("a2a/", "acp/", "cli/", "peers/", "serve/", "tools/", "ui/")
"""They use the package as users do, so they import it from outside."""

OUTER_PACKAGES = [f"agentouto.{folder.rstrip('/')}" for folder in MAY_IMPORT_THE_PACKAGE]

MAY_IMPORT_PRIVATE_NAMES = {
    "a2a/_client.py": {"agentouto._domain.redaction"},
    "acp/_process.py": {"agentouto._domain.redaction"},
    "acp/_program.py": {"agentouto._domain.redaction"},
    "acp/_session.py": {"agentouto._domain.redaction"},
    "serve/_guard.py": {"agentouto._network.origins"},
    "serve/_model_reply.py": {"agentouto._domain.clock"},
    "serve/_openai.py": {"agentouto._domain.clock"},
    "serve/_saved_talks.py": {"agentouto._domain.clock"},
    "serve/_waiting.py": {"agentouto._domain.clock"},
    "tools/_web.py": {"agentouto.providers._transport.downloads"},
    "ui/_guard.py": {"agentouto._network.origins"},
}
"""What is secret is hidden by one rule, and pages of other sites are known by one. Fronts ask the clock for times and
random ids. The web tool applies to pages the rules for public addresses that apply to files of messages."""

PUBLIC_MODULES = {
    "agentouto",
    "agentouto.a2a",
    "agentouto.acp",
    "agentouto.auth",
    "agentouto.events",
    "agentouto.exceptions",
    "agentouto.exports",
    "agentouto.mcp",
    "agentouto.otel",
    "agentouto.peers",
    "agentouto.serve",
    "agentouto.serve.mcp",
    "agentouto.testing",
    "agentouto.tool",
    "agentouto.tools",
    "agentouto.ui",
    "agentouto.wires",
    "agentouto.workers",
}

STARTS_TASKS = {"TaskGroup", "create_task", "ensure_future", "run_coroutine_threadsafe"}
STARTS_THREADS = {
    "Thread",
    "ThreadPoolExecutor",
    "Timer",
    "run_in_executor",
    "start_new_thread",
    "to_thread",
}
CLOCKS = {"datetime", "random", "secrets", "time", "uuid"}
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


def violations(rule: Rule, but: Iterable[str] = ()) -> list[str]:
    """Return the violations of ``rule`` in all modules, as lines that say where."""
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
            docstring = len((ast.get_docstring(function) or "").splitlines())
            lines = (function.end_lineno or 0) - function.lineno + 1 - docstring
            if lines > MOST_LINES_OF_A_FUNCTION:
                yield f"{function.name} has {lines} lines"

    assert not violations(rule)


def test_a_module_begins_by_saying_what_it_is_for() -> None:
    silent = [name for name in MODULES if len(ast.get_docstring(tree(name)) or "") < 20]
    assert not silent


def test_nothing_is_imported_for_types_only() -> None:
    assert not [module for module in MODULES if "TYPE_CHECKING" in source(module)]


def test_imports_are_absolute() -> None:
    assert not violations(lambda module: (n for n in imported(tree(module)) if n.startswith(".")))


def test_nothing_is_imported_late_but_at_the_doors() -> None:
    def rule(module: str) -> Iterator[str]:
        doors = MAY_IMPORT_LATE.get(module, set())
        for function in functions(module):
            for name in imported(function):
                if not within(name, doors):
                    yield f"{function.name} imports {name}"

    late = [name for name in MODULES if name.startswith(MAY_IMPORT_LATE_ANYTHING)]
    assert not violations(rule, late)
    by_name = calls("import_module", "__import__")
    assert not violations(by_name, [*late, *MAY_IMPORT_BY_NAME])


def test_the_command_line_and_the_ready_tools_import_public_names_only() -> None:
    def rule(module: str) -> Iterator[str]:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
                yield from (f"imports {n}" for n in names if n.startswith("agentouto."))
            if not isinstance(node, ast.ImportFrom) or not within(node.module or "", ["agentouto"]):
                continue
            if within(source := node.module or "", OUTER_PACKAGES):
                continue
            if source in MAY_IMPORT_PRIVATE_NAMES.get(module, set()):
                continue
            offered = import_module(source).__all__ if source in PUBLIC_MODULES else ()
            yield from (f"imports {source}.{a.name}" for a in node.names if a.name not in offered)

    assert not violations(
        rule, [name for name in MODULES if not name.startswith(MAY_IMPORT_THE_PACKAGE)]
    )


def test_inside_the_package_names_come_from_where_they_are_made() -> None:
    def rule(module: str) -> Iterator[str]:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ImportFrom) and node.module == "agentouto":
                yield f"line {node.lineno} imports from agentouto"
            if isinstance(node, ast.Import) and "agentouto" in {a.name for a in node.names}:
                yield f"line {node.lineno} imports agentouto"

    assert not violations(
        rule, [name for name in MODULES if name.startswith(MAY_IMPORT_THE_PACKAGE)]
    )


def test_what_costs_much_to_import_has_one_door() -> None:
    assert not violations(imports("aiohttp"), MAY_IMPORT_AIOHTTP)
    assert not violations(imports("pydantic", "pydantic_core"), MAY_IMPORT_PYDANTIC)


def test_every_task_has_an_owner() -> None:
    assert not violations(calls("gather"))
    assert not violations(calls(*STARTS_TASKS), MAY_START_TASKS)


def test_every_thread_has_an_owner() -> None:
    assert not violations(calls(*STARTS_THREADS), MAY_START_THREADS)


def test_a_finalizer_only_hands_over() -> None:
    """The garbage collector may run while its thread holds any lock, so it must not wait for one."""

    def rule(module: str) -> Iterator[str]:
        for function in functions(module):
            if function.name == "__del__":
                inside = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
                if [ast.unparse(call.func) for call in inside] != ["defer_to"]:
                    yield f"line {function.lineno} does more in __del__ than defer_to(...)"
                if any(isinstance(node, ast.With) for node in ast.walk(function)):
                    yield f"line {function.lineno} enters something in __del__"

    assert not violations(rule)
    assert not violations(calls("finalize"), MAY_FINALIZE)


def test_nothing_is_yielded_inside_a_task_group() -> None:
    def rule(module: str) -> Iterator[str]:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.AsyncWith) and "TaskGroup" in ast.dump(node.items[0]):
                inside = (below for below in ast.walk(node) if isinstance(below, ast.Yield))
                yield from (f"line {below.lineno} yields" for below in inside)

    assert not violations(rule)


def test_times_and_random_numbers_come_from_the_clock() -> None:
    assert not violations(imports(*CLOCKS), MAY_READ_THE_CLOCK)
    assert not violations(calls("getrandom", "urandom"), MAY_READ_THE_CLOCK)


def test_the_network_is_touched_at_the_doors_only() -> None:
    assert not violations(imports(*NETWORK), MAY_TOUCH_THE_NETWORK)
    assert not violations(calls(*LISTENS), MAY_LISTEN)


def test_the_inner_layers_know_their_types() -> None:
    def rule(module: str) -> Iterator[str]:
        for node in ast.walk(tree(module)):
            name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
            if name == "Any":
                yield f"line {getattr(node, 'lineno', '?')} says Any"

    outside = [module for module in MODULES if not module.startswith(NO_ANY)]
    assert not violations(rule, [*outside, *MAY_NAME_ANY])


def test_an_error_is_never_just_passed_over() -> None:
    def rule(module: str) -> Iterator[str]:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ExceptHandler):
                if node.type is None:
                    yield f"line {node.lineno} catches everything"
                if len(node.body) == 1 and isinstance(node.body[0], ast.Pass):
                    yield f"line {node.lineno} passes; contextlib.suppress says what it means"

    assert not violations(rule)


def test_the_tables_name_what_is_there() -> None:
    named = {*MAY_IMPORT_LATE, *MAY_IMPORT_AIOHTTP, *MAY_IMPORT_PYDANTIC, *MAY_START_TASKS}
    named |= {
        *MAY_IMPORT_BY_NAME,
        *MAY_IMPORT_PRIVATE_NAMES,
        *MAY_FINALIZE,
        *MAY_LISTEN,
        *MAY_START_THREADS,
        *MAY_READ_THE_CLOCK,
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
