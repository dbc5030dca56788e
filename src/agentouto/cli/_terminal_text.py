"""Makes text safe for a terminal: removes control codes and keys; formats words and numbers.

Text of models and tools may contain terminal control codes (ECMA-48, xterm's "Control Sequences"),
which can rewrite earlier lines or the clipboard. Error texts of servers may contain an API key.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable
from typing import TextIO
from unicodedata import combining, east_asian_width

ESCAPE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # an operating system command, a title or a link
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]"  # colours, cursor movements
)
"""Escape sequences (ECMA-48, 5.4; xterm's "Operating System Commands").

They are removed as a whole: without its ESC, the rest of a sequence would remain as text.
"""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""C0 and C1 controls but for tab and line feed (ECMA-48), and bidi controls (Unicode UAX #9)."""

HIDDEN_CHARACTER = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that change how text looks without being seen: controls, bidi controls, zero-width
characters, tags. With them a command can look like another one (Unicode Technical Report #36).
"""

LONE = re.compile(r"[\ud800-\udfff]")
"""Lone surrogates: JSON can contain them, UTF-8 cannot, so printing them raises."""

FILLER = "\ufdd0"
"""Stands for the second column of a wide character. It is none itself (Unicode, section 23.7)."""

KEY_LIKE = re.compile(r"\b(?:sk|pk|gsk|xai|hf|AIza)[-_A-Za-z0-9]{12,}")
"""Keys by their prefixes: OpenAI and Anthropic ``sk-``, Groq ``gsk_``, xAI ``xai-``, Hugging Face
``hf_``, Google ``AIza``.
"""

KEY_VARIABLE = re.compile(r"(?:KEY|TOKEN|SECRET)$")
"""Names of environment variables whose values are secret."""

SHORTEST_REDACTED = 8
"""Shorter values are not replaced: ``TOKEN=on`` would garble every text with "on" in it."""


def clean(text: str) -> str:
    """Return ``text`` without terminal control codes; line ends and tabs stay."""
    text = text.replace("\r\n", "\n")
    return LONE.sub("\N{REPLACEMENT CHARACTER}", CONTROL.sub("", ESCAPE.sub("", text)))


def escape_hidden(text: str) -> str:
    """Return ``text`` with every hidden character written out as in a Python string."""
    text = text.replace("\r\n", "\n")
    return HIDDEN_CHARACTER.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str, most: int = 400) -> str:
    """Return the beginning of ``text`` in one line, without control codes."""
    return " ".join(clean(text[: most * 2]).split())[:most]


def shorten_at_word(text: str, most: int) -> str:
    """Return ``text`` in one line; a longer one ends after a word, with an ellipsis."""
    line = one_line(text, most + 1)
    if len(line) <= most:
        return line
    words = line[: most - 1].rpartition(" ")[0] or line[: most - 2]
    return f"{words.rstrip()} \N{HORIZONTAL ELLIPSIS}"


def columns_of(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes (Unicode UAX #11 and #44)."""
    if text.isascii():
        return len(text)
    wide = sum(east_asian_width(each) in "WF" for each in text)
    return len(text) + wide - sum(combining(each) > 0 for each in text)


def cut_columns(text: str, width: int) -> str:
    """Return ``text`` in ``width`` columns of a terminal, with an ellipsis if it is wider."""
    if columns_of(text) <= width:
        return text
    while text and columns_of(text) >= width:
        text = text[:-1]
    return f"{text}\N{HORIZONTAL ELLIPSIS}"


def redact(text: str) -> str:
    """Return ``text`` with keys replaced: values of key variables, and what looks like a key."""
    for name, value in os.environ.items():
        if KEY_VARIABLE.search(name) and len(value) >= SHORTEST_REDACTED:
            text = text.replace(value, f"({name})")
    return KEY_LIKE.sub(lambda found: f"{found[0][:3]}...", text)


def count_names(names: Iterable[str]) -> list[str]:
    """Return each of ``names`` once, with its number behind it if there are several: ``a x3``."""
    return [f"{name} x{number}" if number > 1 else name for name, number in Counter(names).items()]


def join_words(words: list[str], most: int = 8) -> str:
    """Return ``words`` separated by commas; beyond ``most`` only their number."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def format_seconds(wait: float) -> str:
    """Return a duration in seconds: two digits after the point below a second, else one."""
    return f"{round(wait, 2 if wait < 1 else 1):g} s"


def plural(number: int, one: str, many: str = "") -> str:
    """Return ``number`` with its noun in the singular or the plural."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def fit_terminal(text: str, out: TextIO, indent: str = "") -> str:
    """Return ``text`` with its lines broken at words, if ``out`` is a terminal.

    A terminal breaks lines inside of words. Words that are too wide stay whole, because an address
    with a line end in it cannot be copied. ``indent`` stands before the parts of a broken line,
    but the first.
    """
    try:
        width = os.get_terminal_size(out.fileno()).columns
    except (OSError, ValueError):  # a file, or no file at all
        return text
    return "\n".join(break_at_words(line, width - 1, indent) for line in text.split("\n"))


def break_at_words(line: str, width: int, indent: str = "") -> str:
    """Return ``line`` with line ends between words, so that no part is wider than ``width``."""
    if columns_of(line) <= width:
        return line
    spread = line
    if not line.isascii():  # textwrap counts characters, and some take two columns
        spread = "".join(each + FILLER if east_asian_width(each) in "WF" else each for each in line)
    return textwrap.fill(
        spread,
        max(len(indent) + 1, width),
        subsequent_indent=indent,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    ).replace(FILLER, "")


def print_notice(text: str) -> None:
    """Write ``text`` to standard error at once, without control codes."""
    sys.stderr.write(f"{fit_terminal(clean(text), sys.stderr)}\n")
    sys.stderr.flush()
