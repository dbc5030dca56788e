"""What a run leaves for later runs is in the memory of their host, and nothing is hidden elsewhere.

Every module is imported and each of its names is looked at. Whatever can change is an offence, the
rows of a table excepted: containers, locks, context variables, objects of a class that is not
frozen, functions that remember what they returned. The same holds for attributes of classes, for
defaults of parameters and for what functions enclose. ``global`` is an offence.
"""

# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import ast
import enum
import ipaddress
import logging
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path, PurePath
from textwrap import dedent
from typing import NamedTuple

import msgspec

import agentouto

PACKAGE = Path(agentouto.__file__).parent
MODULES = sorted(
    ".".join(("agentouto", *path.relative_to(PACKAGE).with_suffix("").parts))
    for path in PACKAGE.rglob("*.py")
    if path.name != "__main__.py"
)

MAY_CHANGE = {
    "_engine.host.DEFAULT_HOST": "owns the memory, and the runs that outlive their starter",
    "_engine.here._CURRENT": "a context variable: belongs to a task or thread, and ends with it",
    "_engine.nesting._CALL_SITE": "likewise",
    "_engine.nesting._FUNCTION": "likewise",
    "mcp._uses._CURRENT_USE": "likewise",
    "_engine.finalizers._LEFT_OVER": "what finalizers could not do: worked off by the next run, then empty",
    "_core.builtin_tools._HISTORY_PARAMETER": "JSON Schema, which msgspec encodes from dictionaries only",
    "_core.builtin_tools._FORWARD_PARAMETERS": "likewise",
    "_journal.postgres_writer.WRITERS": "connections of the runs at work in this process: each leaves with its last run",
    "_core.run_figures._arguments_text": "a method of a JSON encoder, which keeps nothing",
    "_journal.rows._FORMS": "decoders of rows, which keep nothing",
    "_journal.rows._FORMS_BY_KIND": "likewise",
    "cli._app.app": "the commands; Typer registers each where it is written",
    "cli._runs_command.runs": "the commands of one group, likewise",
    "tools._folder._temporary_numbers": "counts, so that files that are being written have different names",
    "tools._processes._command_numbers": "counts, so that every process has a mark of its own",
    "providers._models.catalog.plain": "a pure function of a name; at most 256 answers",
    "providers._models.catalog._family": "a pure function of a name; at most 256 answers",
    "providers._models.families.gpt_family": "a pure function of a name; at most 256 answers",
    "providers._models.families.claude_family": "a pure function of a name; at most 256 answers",
    "providers._models.families.gemini_family": "a pure function of a name; at most 256 answers",
    "providers._transport.connections._CONNECTION_USE": "a context variable: belongs to one request",
    "providers._transport.retry._HIDING_FRAMES": "a context manager that keeps nothing",
    "providers._transport.retry._UNLIMITED": "a context manager that does nothing",
}
"""What may change although it belongs to a module, and why that is no memory of runs."""

CONSTANTS = (
    str, bytes, int, float, complex, range, type(None), re.Pattern, enum.Enum, types.ModuleType,
    types.GenericAlias, types.UnionType, types.BuiltinFunctionType, types.WrapperDescriptorType,
    types.MethodDescriptorType, types.MemberDescriptorType, types.GetSetDescriptorType,
    ipaddress.IPv4Network, ipaddress.IPv6Network, PurePath,
    logging.Logger,  # belongs to logging, which everyone configures for all of a process
)  # fmt: skip

BY_PYTHON = {"_abc_impl", "_field_defaults"}
"""What Python itself keeps in classes, besides names with an underscore at either end."""

FIELD_OF_A_TUPLE: type = type(NamedTuple("Pair", [("one", int)]).one)  # type: ignore[attr-defined]
DESCRIPTORS = (property, classmethod, staticmethod, cached_property, FIELD_OF_A_TUPLE)


def can_change(value: object) -> bool:
    """Tell whether ``value`` may be otherwise later on. Fields of frozen objects are not searched."""
    if isinstance(value, tuple | frozenset):
        return any(map(can_change, value))
    if isinstance(value, types.MappingProxyType):
        return any(map(can_change, value.values()))
    if hasattr(value, "cache_clear"):
        return True
    if isinstance(value, types.FunctionType):
        return any(map(can_change, kept_by(value)))
    if isinstance(value, (*CONSTANTS, *DESCRIPTORS, type)) or type(value).__module__ == "typing":
        return False
    if isinstance(value, msgspec.Struct):
        return not value.__struct_config__.frozen
    if is_dataclass(value):
        return not type(value).__dataclass_params__.frozen  # type: ignore[attr-defined]
    return True


def kept_by(function: types.FunctionType) -> Iterator[object]:
    """Yield what a function keeps from one call to the next: defaults, attributes, what it encloses."""
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from (each for name, each in vars(function).items() if not name.startswith("__"))
    for cell in function.__closure__ or ():
        try:
            if cell.cell_contents is not function:
                yield cell.cell_contents
        except ValueError:  # it is empty
            pass


def hidden_in(module: types.ModuleType, source: str) -> Iterator[str]:
    """Yield the names in ``module`` whose values can change, and those that it declares global."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from (f"global {name}" for name in node.names)
    for name in bound(tree):
        value = vars(module).get(name)
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield from (f"{name}.{each}" for each, held in own(value) if can_change(held))
        elif can_change(value):
            yield name


def bound(tree: ast.Module) -> set[str]:
    """Return the names that a module binds itself, other than by importing them."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
    return {name for name in names if not name.startswith("__")}


def own(class_: type) -> Iterator[tuple[str, object]]:
    """Yield what the body of a class binds."""
    for name, value in vars(class_).items():
        if not (name.startswith("_") and name.endswith("_")) and name not in BY_PYTHON:
            yield name, value


def found() -> set[str]:
    names: set[str] = set()
    for name in MODULES:
        module = import_module(name)
        assert module.__file__ is not None
        source = Path(module.__file__).read_text(encoding="utf-8")
        names |= {f"{name}.{each}".removeprefix("agentouto.") for each in hidden_in(module, source)}
    return names


def test_nothing_in_a_module_can_change_but_what_the_table_names() -> None:
    hidden = found()
    assert hidden - MAY_CHANGE.keys() == set(), "keep it in a part of Memory, or freeze it"
    assert MAY_CHANGE.keys() - hidden == set(), "that is not there any more: take the row out"


def test_every_cache_in_the_table_is_bounded() -> None:
    for name, why in MAY_CHANGE.items():
        module, _, function = name.rpartition(".")
        cache = getattr(import_module(f"agentouto.{module}"), function)
        if hasattr(cache, "cache_parameters"):
            assert f"at most {cache.cache_parameters()['maxsize']} answers" in why


def test_every_way_to_hide_something_is_seen() -> None:
    source = """
    import threading
    from collections import deque
    from contextvars import ContextVar
    from dataclasses import dataclass
    from functools import cache, lru_cache
    from types import MappingProxyType
    from weakref import WeakKeyDictionary
    import msgspec

    A = {}
    B = [1]
    C = {1}
    D = deque()
    E = WeakKeyDictionary()
    F = threading.Lock()
    G = ContextVar("g")
    H = ({},)
    I = MappingProxyType({"a": []})
    if True:
        J: dict = dict()

    @cache
    def k(): ...
    l = lru_cache(maxsize=1)(len)
    def m(seen=[]): ...
    def n(*, seen={}): ...
    def around():
        seen = {}
        def inner(): return seen
        return inner
    o = around()
    def p(): ...
    p.seen = []
    class Q:
        seen = {}
    class R:
        @cache
        def r(self): ...
    @dataclass
    class S_: x: int
    S = S_(1)
    class T_(msgspec.Struct): x: int
    T = T_(1)
    class U_: ...
    U = U_()
    def v():
        global counter
        counter = 1
    for W in ([],): ...
    (X, y) = ({}, 1)
    Z = object()
    """
    constants = """
    import re, typing, logging
    from dataclasses import dataclass
    from enum import Enum
    from types import MappingProxyType
    import msgspec

    a = 1
    b = ("x", frozenset({1}), b"", None, 1.5)
    c = MappingProxyType({"a": (1, 2)})
    d = re.compile("x")
    e = typing.TypeVar("e")
    f = typing.Union[int, str]
    g: typing.TypeAlias = "dict[str, int]"
    h = dict[str, int]
    class I(Enum): x = 1
    @dataclass(frozen=True)
    class J: x: tuple = ()
    j = J()
    class K(msgspec.Struct, frozen=True): x: list = []
    k = K()
    def l(x=1, *, y=(1,)): return []
    m = lambda: {}
    class N:
        __slots__ = ("a",)
        x: typing.ClassVar[tuple] = ()
        @property
        def y(self): return {}
    o = logging.getLogger("agentouto")
    """
    seen = {each.split(".")[0] for each in hidden_in_text(source)}
    assert seen == {*"ABCDEFGHIJklmnopQRSTUWXZ", "global counter"}
    assert not [*hidden_in_text(constants)]


def hidden_in_text(text: str) -> Iterator[str]:
    """Yield what ``hidden_in`` finds in a module that is written here."""
    module = types.ModuleType("hiding")
    sys.modules["hiding"] = module  # dataclasses look up where a class is defined
    try:
        exec(dedent(text), vars(module))  # noqa: S102 - it stands above
        yield from hidden_in(module, dedent(text))
    finally:
        del sys.modules["hiding"]
