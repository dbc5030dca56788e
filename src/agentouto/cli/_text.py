"""Strangers' text, made fit for a terminal.

What models and tools say may hold terminal commands, and what errors say may hold a key. Neither
gets through here. This module does not know where a text is shown.
"""

from __future__ import annotations

import os
import re

ESCAPE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # an operating system command, a title or a link
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]"  # colours, cursor movements
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
LONE = re.compile(r"[\ud800-\udfff]")
KEY = re.compile(r"\b(?:sk|pk|gsk|xai|hf|AIza)[-_A-Za-z0-9]{12,}")
KEY_VARIABLE = re.compile(r"(?:KEY|TOKEN|SECRET)$")
SHORTEST_KEY = 8


def clean(text: str) -> str:
    """Return ``text`` without what a terminal would obey; line ends and tabs stay."""
    text = text.replace("\r\n", "\n")
    return LONE.sub("\N{REPLACEMENT CHARACTER}", CONTROL.sub("", ESCAPE.sub("", text)))


def in_one_line(text: str, most: int = 400) -> str:
    """Return the beginning of ``text``, clean and in one line."""
    return " ".join(clean(text[: most * 2]).split())[:most]


def without_keys(text: str) -> str:
    """Return ``text`` with everything that is or looks like a key made unreadable."""
    for name, value in os.environ.items():
        if KEY_VARIABLE.search(name) and len(value) >= SHORTEST_KEY:
            text = text.replace(value, f"({name})")
    return KEY.sub(lambda found: f"{found[0][:3]}...", text)


def listed(words: list[str], most: int = 8) -> str:
    """Return ``words`` as people list things, at most so many of them."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def seconds(wait: float) -> str:
    """Return how long a wait is, as exactly as its length asks for."""
    return f"{round(wait, 2 if wait < 1 else 1):g} s"


def counted(number: int, one: str, many: str = "") -> str:
    """Return ``number`` and the noun that goes with it."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
