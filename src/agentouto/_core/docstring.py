"""Splits a docstring into the description of a function and those of its parameters.

Google style, numpydoc and reST field lists are understood. A docstring does not name its style, so
the style is taken that finds the most of the function's parameters. This module does not know what
the descriptions are used for.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from docstring_parser import Docstring, DocstringStyle, ParseError, compose, parse
from docstring_parser.common import DocstringParam

DOCSTRING_STYLES = (DocstringStyle.GOOGLE, DocstringStyle.NUMPYDOC, DocstringStyle.REST)
"""Most frequent first: where two styles find equally many parameters, the first one is taken."""


class DocstringParts(NamedTuple):
    """The two parts of a docstring: what the function does, and what each parameter is."""

    description: str
    parameters: dict[str, str]


def read_docstring(doc: str, names: Collection[str]) -> DocstringParts:
    """Split ``doc``, looking for the parameters called ``names``.

    A docstring that describes none of them is returned whole, as the function's description.
    """
    best, described = None, dict[str, str]()
    for style in DOCSTRING_STYLES:
        try:
            parsed = parse(doc, style)
        except ParseError:
            continue
        found = _described(parsed, names)
        if len(found) > len(described):
            best, described = parsed, found
    if best is None:
        return DocstringParts(doc.strip(), described)
    best.meta = [item for item in best.meta if not isinstance(item, DocstringParam)]
    return DocstringParts(compose(best).strip(), described)


def _described(parsed: Docstring, names: Collection[str]) -> dict[str, str]:
    return {
        item.arg_name: " ".join(item.description.split())
        for item in parsed.params
        if item.arg_name in names and item.description
    }
