"""Makes characters visible that would control a terminal or reorder a line.

A model, a tool or a server may write such characters into anything that is printed later: a name in
a trace, a line of the event log, the text of an error. ECMA-48 calls them C0 and C1 controls;
Unicode's bidirectional controls (UAX #9) show a text in another order than it is read in.
"""

from __future__ import annotations

import re

_BIDI = "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_CONTROLS = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}]")
_LINE_CONTROLS = re.compile(f"[\x00-\x1f\x7f-\x9f{_BIDI}]")


def visible(text: str) -> str:
    r"""Return ``text`` with control characters as escapes, such as ``\x1b``; lines stay lines."""
    return text if text.isprintable() else _CONTROLS.sub(_escape, text)


def visible_line(text: str) -> str:
    r"""Return ``text`` as one line: line ends and tabs are escapes, too."""
    return text if text.isprintable() else _LINE_CONTROLS.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
