# pyright: reportMissingImports=false, basic
"""Signatures and docstrings for the site: an extension of griffe in mkdocs.yml, and a reader.

Only the environment of ``python3 dev.py docs`` has griffe.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import griffe

SOURCE = Path(__file__).resolve().parents[1] / "src"


class PreparedDocstrings(griffe.Extension):
    """Shows what editors show of a signature, and examples without the mark of reST."""

    def on_function(self, *, func: griffe.Function, **kwargs: object) -> None:
        """Give a function with ``**options`` the parameters of the overload that names them."""
        del kwargs
        keywords = griffe.ParameterKind.var_keyword
        if func.overloads and any(each.kind is keywords for each in func.parameters):
            func.parameters = func.overloads[-1].parameters

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Take the mark of reST away."""
        del kwargs
        if obj.docstring:
            obj.docstring.value = without_colons(obj.docstring.value)


def without_colons(text: str) -> str:
    """Return ``text`` with ``:`` for the ``::`` that introduce an indented example."""
    text = re.sub(r"(?m)^( *)::\n(?=\n +)", "", text)
    return re.sub(r"(?m)::$(?=\n\n +)", ":", text)


@cache
def package() -> griffe.Module:
    """Return the package as griffe reads it."""
    extensions = griffe.load_extensions(__file__)
    found = griffe.load("agentouto", search_paths=[SOURCE], extensions=extensions)
    if not isinstance(found, griffe.Module):
        raise TypeError(found)
    return found


def description(name: str) -> str:
    """Return the signature and the docstring of a public name as Markdown."""
    obj = package()[name.removeprefix("agentouto.")]
    if isinstance(obj, griffe.Alias):
        obj = obj.final_target
    parts = [f"## {name}"]
    function = obj.all_members.get("__init__") if isinstance(obj, griffe.Class) else obj
    if isinstance(function, griffe.Function):
        said = function.signature(name=name.rpartition(".")[2])
        parts.append(f"```python\n{said}\n```")
    if obj.docstring:
        parts.append(obj.docstring.value)
    methods = obj.functions.values() if isinstance(obj, griffe.Class) else ()
    told = [one for one in methods if one.is_public and one.docstring]
    parts += [f"`{one.signature()}`: {one.docstring.value}" for one in told if one.docstring]
    return "\n\n".join(parts)
