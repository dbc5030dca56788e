"""One word for one thing: a name at module level stands in one module, and its text is plain.

A reader who searches for a name finds one definition. The exceptions are names that have the same
role in modules that stand side by side, such as the wires, where a reader expects the same word.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import agentouto

PACKAGE = Path(agentouto.__file__).parent

SAME_ROLE = {
    "H": "a type variable, as everywhere in Python",
    "P": "a type variable, as everywhere in Python",
    "STOPS": "a decoder's table of finish reasons",
    "T": "a type variable, as everywhere in Python",
    "_SENDABLE": "an encoder's list of the files that can be sent, for error texts",
    "_PlainChunk": "a decoder's struct for a chunk of the most frequent kind",
    "_call": "an encoder's function for a tool call",
    "_part": "an encoder's function for one part of a message",
    "_parts": "an encoder's function for the parts of a message",
    "_reply": "an encoder's function for a reply",
    "_result": "an encoder's function for the result of a tool",
    "_results": "an encoder's function for the results of the tools of one reply",
    "_text_part": "an encoder's function for text in a message of parts",
    "_tool_list": "a wire's encoder of a list of tools",
    "lint": "a public function, and the command of the same name",
    "log": "the logger of the package, which each module names for itself",
    "logger": "the logger of the package, where `log` is that of a run",
    "missing_key": "the function of `keys`, behind the one that the package exports",
    "needs_download": "an encoder's test for files that its API does not fetch",
    "price_of": "the function of `prices`, behind the one that the package exports",
    "run": "a public function, and the command of the same name",
    "write_entry": "an encoder's entry point",
}
"""Names that more than one module may define, each with the role that it has in all of them."""

MOST_OF_SAME_ROLE = 30
"""More exceptions than that are no exceptions: about one for every five modules."""

MOST_STILL_SHARED = 3
"""How many names still stand for different things in different modules. The number may only be
made smaller."""


def defined(tree: ast.Module) -> set[str]:
    """Return the names that a module defines at its top level, without dunders."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(each.id for each in node.targets if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("__")}


def shared_names() -> dict[str, list[str]]:
    """Return the names that more than one module defines, with the modules."""
    modules: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in defined(ast.parse(path.read_text(encoding="utf-8"))):
            modules[name].append(path.relative_to(PACKAGE).as_posix())
    return {name: places for name, places in modules.items() if len(places) > 1}


def test_a_name_stands_for_one_thing() -> None:
    shared = {name: places for name, places in shared_names().items() if name not in SAME_ROLE}
    assert len(shared) <= MOST_STILL_SHARED, shared


def test_the_exceptions_are_few() -> None:
    assert len(SAME_ROLE) <= MOST_OF_SAME_ROLE


def test_all_ways_to_define_a_name_are_seen() -> None:
    code = "A = B = 1\nC: int = 2\ndef d(): ...\nasync def e(): ...\nclass F: ...\n__all__ = []"
    assert defined(ast.parse(code)) == {"A", "B", "C", "d", "e", "F"}
