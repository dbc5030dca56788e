"""What a docstring says of a function and of each of its parameters.

The styles of Google, NumPy and reST are understood; which one it is shows by the parameters it
names. This module does not know what the words are used for.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from docstring_parser import Docstring, DocstringStyle, ParseError, compose, parse
from docstring_parser.common import DocstringParam

STYLES = (DocstringStyle.GOOGLE, DocstringStyle.NUMPYDOC, DocstringStyle.REST)


class Words(NamedTuple):
    """A docstring, taken apart: what the function does, and what each parameter is."""

    description: str
    parameters: dict[str, str]


def read_docstring(doc: str, names: Collection[str]) -> Words:
    """Take ``doc`` apart, looking for the parameters called ``names``.

    A docstring that describes none of them is left as it stands.
    """
    best, told = None, dict[str, str]()
    for style in STYLES:
        try:
            parsed = parse(doc, style)
        except ParseError:
            continue
        found = _described(parsed, names)
        if len(found) > len(told):
            best, told = parsed, found
    if best is None:
        return Words(doc.strip(), told)
    best.meta = [item for item in best.meta if not isinstance(item, DocstringParam)]
    return Words(compose(best).strip(), told)


def _described(parsed: Docstring, names: Collection[str]) -> dict[str, str]:
    return {
        item.arg_name: " ".join(item.description.split())
        for item in parsed.params
        if item.arg_name in names and item.description
    }
