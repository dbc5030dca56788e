"""No test reaches into our modules and puts something else there: it would test another program.

What a test needs to be otherwise is handed in: hosts, limits, clocks and the memory are arguments.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

SETS = {"setattr", "delattr", "setitem", "delitem"}
"""Methods of pytest's ``monkeypatch``; the first two are functions of Python's as well."""

MOCKS = {"object", "dict", "multiple"}
"""What stands behind ``mock.patch.``."""


def ours(tree: ast.Module) -> set[str]:
    """Return the names under which a module knows something of ``agentouto``."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "agentouto":
                    names.add(alias.asname or "agentouto")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "agentouto":
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def is_ours(node: ast.expr | None, names: set[str]) -> bool:
    """Tell whether ``node`` is one of ``names``, something inside of it, or a path to it as text."""
    if isinstance(node, ast.Constant):
        return str(node.value).split(".")[0] == "agentouto"
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name) and node.id in names


def patches(tree: ast.Module) -> Iterator[int]:
    """Yield the line of every patch of something of ours."""
    names = ours(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if is_patching(node.func) and is_ours(target(node), names):
                yield node.lineno
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
            given = (
                [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else node.targets
            )
            for each in given:
                if isinstance(each, ast.Attribute | ast.Subscript) and is_ours(each, names):
                    yield node.lineno


def is_patching(function: ast.expr) -> bool:
    match function:
        case ast.Name(id=name):
            return name in {"setattr", "delattr", "patch"}
        case ast.Attribute(value=ast.Name(id="patch") | ast.Attribute(attr="patch"), attr=name):
            return name in MOCKS | SETS
        case ast.Attribute(attr=name):
            return name in SETS | {"patch"}
        case _:
            return False


def target(call: ast.Call) -> ast.expr | None:
    """Return what is patched: the first argument, or the one that is called ``target``."""
    named = {each.arg: each.value for each in call.keywords}
    return call.args[0] if call.args else named.get("target")


def found() -> list[str]:
    """Return the file and line of every patch."""
    return [
        f"{file.relative_to(TESTS).as_posix()}:{line}"
        for file in sorted(TESTS.rglob("*.py"))
        for line in patches(ast.parse(file.read_text("utf-8")))
    ]


def test_no_test_patches_our_modules() -> None:
    assert not found(), "hand in what the test needs instead"


def test_every_way_to_patch_is_seen() -> None:
    ways = """
import agentouto, agentouto._engine.host as there
from agentouto.providers import _http
from unittest import mock
from unittest.mock import patch
monkeypatch.setattr(_http, "SECONDS", 1)
monkeypatch.setattr("agentouto.providers._transport.http_backend.SECONDS", 1)
monkeypatch.setattr(target=_http, name="SECONDS", value=1)
monkeypatch.setattr(_http.HttpBackend, "stream", None)
monkeypatch.setitem(there.HOST.runs, "a", 1)
monkeypatch.delattr(agentouto, "run")
setattr(_http, "SECONDS", 1)
mock.patch("agentouto.api.run")
mock.patch.object(_http, "SECONDS", 1)
patch("agentouto.api.run")
patch.object(_http, "SECONDS", 1)
patch.setattr(_http, "SECONDS", 1)
_http.SECONDS = 1
there.HOST.runs["a"] += 1
del _http.SECONDS
"""
    others = """
import os
from agentouto import Agent
monkeypatch.setattr(os, "fsync", None)
monkeypatch.setattr("os.open", None)
monkeypatch.setitem(sys.modules, "uvloop", None)
monkeypatch.setenv("agentouto", "1")
agent = Agent("a", "", "m", "p")
replaced["Agent"] = agent
"""
    seen = [*patches(ast.parse(ways))]
    assert sorted(seen) == list(range(6, 21))
    assert not [*patches(ast.parse(others))]
