"""The root of all errors, the error for bad arguments, and the hint at a similar name.

These two errors are apart from those in ``errors.py``, because the types of the protocol raise them
while the others have attributes of those types: one module for all would be an import cycle.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from agentouto._domain.error_codes import ERROR_CODES
from agentouto._domain.visible_text import visible


class AgentoutoError(Exception):
    """The root of every exception of this package.

    ``str()`` shows control characters as escapes: servers and models write parts of the text.

    Attributes:
        code: One word for the kind of error. ``docs/errors.md`` has a section for each.
    """

    code: str = "agent-failed"
    _where: str = ""
    _fix: str = ""

    @property
    def what(self) -> str:
        """What happened: the text of the error."""
        return str(self)

    @property
    def where(self) -> str:
        """The agent, provider, tool or place in a file that it is about; ``""`` if none is."""
        return self._where

    @property
    def why(self) -> str:
        """The text of the cause; ``""`` if there is none."""
        cause = self.__cause__
        if cause is None:
            return ""
        return visible(f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__)

    @property
    def fix(self) -> str:
        """What to do about it."""
        return self._fix or ERROR_CODES[self.code][1]

    def to_dict(self) -> dict[str, str]:
        """Return ``code``, ``what``, ``where``, ``why`` and ``fix``, for logs and JSON."""
        return {name: getattr(self, name) for name in ("code", "what", "where", "why", "fix")}

    def coded(self, code: str, *, where: str = "", fix: str = "") -> Self:
        """Set ``code``, and ``where`` and ``fix`` if they are given; return the error."""
        self.code = code
        self._where = where or self._where
        self._fix = fix or self._fix
        return self

    def __str__(self) -> str:
        return visible(super().__str__())

    def __reduce__(self) -> tuple[object, ...]:
        """Let errors be copied and pickled: by default Python calls the constructor with ``args``.

        The constructors here take other arguments than the text that they put into ``args``.
        """
        return _rebuild, (type(self), self.args, self.__dict__)


class ConfigurationError(AgentoutoError, ValueError):
    """The arguments cannot work. Raised before anything starts."""

    code = "configuration"


class AgentoutoWarning(UserWarning):
    """Something works, but probably not as it is meant.

    Attributes:
        code: One word for the kind of warning. ``docs/errors.md`` has a section for each.
    """

    def __init__(self, text: str, code: str = "configuration") -> None:
        super().__init__(text)
        self.code = code


def _rebuild(
    kind: type[AgentoutoError], args: tuple[object, ...], state: dict[str, object]
) -> AgentoutoError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


def similar(word: str, known: Iterable[str], most: int, least: float = 0.6) -> list[str]:
    """Return the known words that ``word`` was probably meant to be, most similar first.

    Args:
        word: What was written.
        known: The words that there are.
        most: How many to return at most.
        least: How alike they must be, from 0 to 1, as ``difflib`` counts it.
    """
    import difflib  # noqa: PLC0415 - only errors need it

    return difflib.get_close_matches(str(word), list(known), most, least)


def closest(word: str, known: Iterable[str], least: float = 0.6) -> str | None:
    """Return the known word that is most ``similar`` to ``word``, or ``None``."""
    return next(iter(similar(word, known, 1, least)), None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``". Did you mean 'x'?"`` for the known word most similar to ``word``, or ``""``.

    0.6 is the cutoff that ``difflib`` has by default; it accepts one wrong letter in three.
    """
    close = closest(word, known)
    return "" if close is None else f". Did you mean {close!r}?"
