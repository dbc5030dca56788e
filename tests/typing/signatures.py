"""Generates what the functions that start runs repeat of ``Options``: keywords, and meanings.

The source has them because editors read nothing else: not every one of them follows ``Unpack``.
``python tests/typing/signatures.py`` writes them again after a change of ``Options``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import agentouto
from agentouto import Options, RunOptions

PACKAGE = Path(agentouto.__file__).parent
MODULES = [PACKAGE / name for name in ("api.py", "_run_background.py", "_run_stream.py", "team.py")]

KEYWORDS = re.compile(r"^( *)output_type: object = None,\n(?:\1\w.*\n)*", re.MULTILINE)
"""The keywords of the overload that names every option."""

MEANINGS = re.compile(r"^ {8}attachments: \w+ (?:.*\n)*?(?=\n)", re.MULTILINE)
"""The options in the section ``Args`` of ``run``."""

_ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
"""One entry of the sections ``Args``, ``Attributes`` and ``Options`` of a docstring."""


def entries(docstring: str | None) -> dict[str, str]:
    """Return the text of each entry of a docstring, without the breaks of its lines."""
    found = _ENTRY.findall(inspect.cleandoc(docstring or ""))
    return {name: " ".join(text.split()) for name, text in found}


def default(name: str, hint: str) -> str:
    """Return the default of an option: that of its type, or the one that its meaning ends with."""
    if hint.startswith("Literal["):
        return hint.removeprefix("Literal[").split(",")[0]
    stated = re.search(r"``(True|False)``\.$", entries(Options.__doc__).get(name, ""))
    return stated[1] if stated else "None"


def keywords(options: Any, indent: str) -> Iterator[str]:
    """Yield the lines of the keywords, with ``output_type`` first, as the other overload has it."""
    declared = options.__annotations__.items()
    hints = {name: each.__forward_arg__.replace("'", '"') for name, each in declared}
    for name in ("output_type", *(name for name in hints if name != "output_type")):
        yield f"{indent}{name}: {hints[name]} = {default(name, hints[name])},\n"


def meanings() -> Iterator[str]:
    """Yield the lines of the docstrings of both, as ``run`` has them."""
    for each in (Options, RunOptions):
        listed = inspect.cleandoc(each.__doc__ or "").partition("Attributes:\n")[2]
        yield from (f"    {line}\n" for line in listed.splitlines())


def generated(module: Path) -> str:
    """Return the text of a module with its keywords and meanings as they should be."""
    options = Options if module.name == "team.py" else RunOptions
    text = module.read_text(encoding="utf-8")
    text = KEYWORDS.sub(lambda found: "".join(keywords(options, found[1])), text)
    return MEANINGS.sub(lambda _: "".join(meanings()), text)


if __name__ == "__main__":
    for path in MODULES:
        path.write_text(generated(path), encoding="utf-8")
