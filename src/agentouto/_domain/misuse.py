"""The root of every error, and the one for arguments that cannot work.

They live apart from the other errors because the words of the protocol raise them while those
errors carry words of the protocol.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AgentoutoError(Exception):
    """The root of everything this package raises."""

    def __reduce__(self) -> tuple[object, ...]:
        """Let errors be copied and sent to other processes, whatever their constructors take."""
        return _made_again, (type(self), self.args, self.__dict__)


class ConfigurationError(AgentoutoError, ValueError):
    """The arguments cannot work. Raised before anything starts."""


def _made_again(
    kind: type[AgentoutoError], args: tuple[object, ...], state: dict[str, object]
) -> AgentoutoError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``". Did you mean 'x'?"`` for the known word closest to ``word``, or nothing."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f". Did you mean {close[0]!r}?" if close else ""
