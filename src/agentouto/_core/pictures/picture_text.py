"""Texts in pictures: one line, as long as there is room, with nothing that XML cannot hold."""

from __future__ import annotations

import re
from html import escape
from types import MappingProxyType

from agentouto._core.recorded_run import RecordedRun, RunMessage
from agentouto._domain.visible_text import visible, visible_line

_NOT_IN_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""XML 1.0 §2.2: characters that no document may have, not even as a reference. The controls among
them are escapes by then."""

_WHAT = MappingProxyType(
    {
        "forward": "forward",
        "ask": "question",
        "return": "return",
        "message": "message",
        "error": "failed",
    }
)


def short_line(text: str, most: int) -> str:
    """Return ``text`` on one line, with controls made visible, cut to ``most`` characters."""
    line = _NOT_IN_XML.sub("\ufffd", visible_line(" ".join(text[: most * 8].split())))
    return line if len(line) <= most else f"{line[: max(0, most - 1)]}…"


def label_of(message: RunMessage) -> str:
    """Return the text of a message; what it is, if it has none."""
    if message.kind == "error":
        return f"failed: {message.text}" if message.text else "failed"
    return message.text if message.text.strip() else _WHAT[message.kind]


def xml_text(text: str) -> str:
    """Return ``text`` for an element or an attribute of XML or HTML, with controls made visible."""
    return escape(_NOT_IN_XML.sub("\ufffd", visible(text)))


def seconds_text(seconds: float) -> str:
    """Return a time as people read it: ``0.42 s``, ``12.3 s``, ``2 min 5 s``."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def picture_label(run: RecordedRun, what: str) -> str:
    """Return a sentence for readers who do not see a picture of ``run``; ``what`` names it."""
    names = run.participants
    among = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return (
        f"{what}: {plural_of(len(run.messages), 'message')} in "
        f"{plural_of(len(run.history.calls), 'call')} between {short_line(among, 300)}, "
        f"{seconds_text(run.history.now)}."
    )


def plural_of(number: int, noun: str) -> str:
    """Return ``number`` with ``noun``, in the plural where it is not one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
