"""Every option is seen where users look for it: in the signature, in ``help`` and in completions."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, get_overloads

import pytest
from tests.typing.signatures import MODULES, entries, generated

import agentouto
from agentouto import Options, RunOptions, Team

jedi: Any = import_module("jedi")  # it has no types

FUNCTIONS = [
    "async_run",
    "async_run_stream",
    "run",
    "run_background",
    "run_background_sync",
    "run_stream",
]
METHODS = ["__init__", "async_run", "run", "run_background", "start"]
EVERYWHERE = [getattr(agentouto, name) for name in FUNCTIONS]
OF_TEAMS = [getattr(Team, name) for name in METHODS]
SOURCE = Path(agentouto.__file__).parents[1]

PLAIN: Any = vars(pydoc)["plaintext"]

MEANINGS = entries(Options.__doc__) | entries(RunOptions.__doc__)


@pytest.mark.parametrize("function", [*EVERYWHERE, *OF_TEAMS], ids=lambda each: each.__qualname__)
def test_a_signature_has_every_option_with_its_type(function: Callable[..., Any]) -> None:
    options = RunOptions if function in EVERYWHERE else Options
    shown = inspect.signature(function).parameters
    named = {
        name: str(each.annotation)
        for name, each in shown.items()
        if each.kind is inspect.Parameter.KEYWORD_ONLY and name != "starting_agents"
    }
    assert named == {name: hint.__forward_arg__ for name, hint in options.__annotations__.items()}
    assert not any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in shown.values())
    assert shown.keys() == inspect.signature(get_overloads(function)[-1]).parameters.keys()


@pytest.mark.parametrize("module", MODULES, ids=lambda each: each.name)
def test_options_are_repeated_as_they_are_declared(module: Path) -> None:
    written = module.read_text(encoding="utf-8")
    assert written == generated(module), "run: python tests/typing/signatures.py"
    assert " background: " in written


def test_every_option_has_a_meaning() -> None:
    assert MEANINGS.keys() == set(RunOptions.__annotations__)


@pytest.mark.parametrize("function", [*EVERYWHERE, *OF_TEAMS], ids=lambda each: each.__qualname__)
def test_help_shows_every_option_and_no_older_arguments(function: Callable[..., Any]) -> None:
    options = RunOptions if function in EVERYWHERE else Options
    text = pydoc.render_doc(function, renderer=PLAIN)
    for name in options.__annotations__:
        assert f" {name}: {MEANINGS[name]}" in " ".join(text.split())
    assert "older: " not in text


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        *[(f"agentouto.{name}", RunOptions) for name in FUNCTIONS],
        *[(f"agentouto.Team([]).{name}", Options) for name in METHODS if name != "__init__"],
        ("agentouto.Team", Options),
    ],
)
def test_an_editor_completes_every_option(call: str, wanted: Any) -> None:
    project = jedi.Project(SOURCE, added_sys_path=[str(SOURCE)])
    script = jedi.Script(f"import agentouto\n{call}(", project=project)
    completed = {each.name.removesuffix("=") for each in script.complete()}
    assert set(wanted.__annotations__) <= completed


def test_a_notebook_completes_every_option_and_shows_its_meaning() -> None:
    interpreter = jedi.Interpreter("run(", [vars(agentouto)])
    completed = {each.name.removesuffix("=") for each in interpreter.complete()}
    assert set(RunOptions.__annotations__) <= completed
    (run,) = jedi.Interpreter("run", [vars(agentouto)]).help(1, 2)
    assert MEANINGS["limits"] in run.docstring()
