"""Searches the texts of many files for a plain text, line by line, within bounds."""

from __future__ import annotations

from agentouto.tools._folder import printable

MOST_LINES_FOUND = 200
"""Up to 20,000 tokens; a search that finds more needs a longer text."""

MOST_BYTES_SEARCHED = 200_000_000
"""Bytes that one search reads: about a second from a fast disk."""

CONTEXT_CHARACTERS = 200
"""Characters shown on each side of a match, because one line can be the whole file."""


class TextSearch:
    """Searches texts for a plain text.

    ``str.find`` takes linear time for every text and every needle (the two-way algorithm, since
    Python 3.10); a regular expression that a model wrote may take exponential time.
    """

    def __init__(self, text: str, *, ignore_case: bool) -> None:
        self._text = _lower_in_place(text) if ignore_case else text
        self._ignore_case = ignore_case
        self.bytes_left = MOST_BYTES_SEARCHED
        self.found: list[str] = []
        self.notes: list[str] = []
        self.is_full = False

    def search(self, path: str, text: str) -> None:
        """Add every line of ``text`` that contains the text."""
        looked = _lower_in_place(text) if self._ignore_case else text
        line, counted, place = 1, 0, looked.find(self._text)
        while place >= 0:
            if len(self.found) == MOST_LINES_FOUND:
                self.notes.append(
                    f"there is more; only the first {MOST_LINES_FOUND} lines are shown"
                )
                self.is_full = True
                return
            line += text.count("\n", counted, place)
            counted = place
            begin = max(text.rfind("\n", 0, place) + 1, place - CONTEXT_CHARACTERS)
            end = text.find("\n", place + len(self._text) - 1)
            end = len(text) if end < 0 else end
            shown_end = min(end, place + len(self._text) + CONTEXT_CHARACTERS)
            words = text[begin:shown_end].strip().replace("\n", "\\n")
            self.found.append(f"{printable(path)}:{line}: {words}")
            place = looked.find(self._text, max(end, place + 1))
        if self.bytes_left <= 0:
            self.notes.append(f"only the first {MOST_BYTES_SEARCHED:,} bytes were searched")
            self.is_full = True


def _lower_in_place(text: str) -> str:
    """Return ``text`` in lower case with every character at its place.

    A few characters have a longer lower case (``İ`` has two characters); they stay as they are.
    """
    small = text.lower()
    if len(small) == len(text):
        return small
    return "".join(one if len(one.lower()) != 1 else one.lower() for one in text)
