"""Writes a run as a Mermaid sequence diagram.

The arrows: ``->>`` is a forward, ``-)`` one in the background, ``-->>`` a return, ``--)`` a message
to a participant at work, ``--x`` a call that has failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType

from agentouto._core.pictures.folding import SequenceRow, fold
from agentouto._core.pictures.picture_text import label_of, short_line
from agentouto._core.recorded_run import RecordedRun
from agentouto._domain.message import USER

MOST_SIGNS = 60
"""How long a text may be: what fits between two participants without moving them far apart."""

_SPECIAL = re.compile(r"[#;%<>&]")
"""What ends a statement, begins a comment, a directive or an entity, or is read as HTML."""

_ARROWS = MappingProxyType(
    {"forward": "->>", "ask": "->>", "return": "-->>", "message": "--)", "error": "--x"}
)


def draw_mermaid(run: RecordedRun) -> str:
    """Return ``run`` as a Mermaid sequence diagram, with the time of each message."""
    return "\n".join(_statements(run)) + "\n"


def _statements(run: RecordedRun) -> Iterator[str]:
    rows = fold(run)
    shown = {name for row in rows for name in (row.message.sender, row.message.receiver)}
    ids = {name: f"p{place}" for place, name in enumerate(run.participants) if name in shown}
    yield "sequenceDiagram"
    for name, id_ in ids.items():
        kind = "actor" if name == USER else "participant"
        yield f"    {kind} {id_} as {_escape_mermaid(short_line(name, MOST_SIGNS)) or id_}"
    for row in rows:
        yield f"    {_arrow(row, ids)}: {_escape_mermaid(_text(row))}"
    if run.unfinished and ids:
        yield f"    Note over {next(iter(ids.values()))}: {_escape_mermaid(run.unfinished)}"


def _arrow(row: SequenceRow, ids: dict[str, str]) -> str:
    message = row.message
    arrow = _ARROWS[message.kind]
    if message.kind == "forward" and message.background:
        arrow = "-)"
    return f"{ids[message.sender]}{arrow}{ids[message.receiver]}"


def _text(row: SequenceRow) -> str:
    folded = f" (+{row.folded} messages)" if row.folded else ""
    return f"{row.message.at:.2f} s {short_line(label_of(row.message), MOST_SIGNS)}{folded}"


def _escape_mermaid(text: str) -> str:
    """Return ``text`` with Mermaid's entity codes for characters that have a meaning."""
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", text)
