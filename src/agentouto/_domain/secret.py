"""Texts that hide themselves: keys, tokens, and the headers and addresses that contain them.

Values are printed in places that are easy to forget: log lines, failed assertions, tracebacks that
show the local variables of their frames (rich, ``pytest -l``, Sentry).
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Mapping
from functools import wraps
from typing import SupportsIndex, TypeVar

from agentouto._domain.configuration_error import ConfigurationError

T = TypeVar("T")


class Secret(str):
    """A text whose ``repr`` is ``'***'``. Everywhere else it is the text that it holds.

    A slice of it is secret, too: rich shortens a long text before it calls ``repr``.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice, /) -> Secret:
        return Secret(super().__getitem__(key))


def address(url: str) -> str:
    """Return ``url``, as a ``Secret`` if it has a query or a user: both may hold a password."""
    return Secret(url) if "?" in url or "@" in url else url


def secret_values(texts: Mapping[str, str]) -> dict[str, str]:
    """Return ``texts``, headers or a query, with every value as a ``Secret``."""
    return {name: Secret(value) for name, value in texts.items()}


class HiddenFrames:
    """Removes the frames of libraries from exceptions that leave its ``with`` block.

    HTTP libraries and parsers have headers, addresses and bytes in their local variables, and a
    ``Secret`` does not survive there (``yarl`` copies an address into a type of its own).
    Exceptions other than ``failures``, network errors and cancellation are faults of the program
    and keep their frames. So does the cause of a failure: it may come from an ``auth=`` object,
    whose author has to find the fault.
    """

    __slots__ = ("_failures",)

    def __init__(self, *failures: type[BaseException]) -> None:
        self._failures = failures

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, (OSError, CancelledError, GeneratorExit)):
            hide_frames(error)
        elif isinstance(error, self._failures):
            error.__traceback__ = None
            if error.__suppress_context__:
                error.__context__ = error.__cause__  # hidden by ``from``, but reachable
            elif error.__context__ is not None:
                hide_frames(error.__context__)


def hide_frames(error: BaseException) -> None:
    """Remove all frames from ``error``, its causes and its contexts."""
    pending: list[BaseException | None] = [error]
    seen = list[BaseException]()
    while pending:
        one = pending.pop()
        if one is not None and one not in seen:
            seen.append(one)
            one.__traceback__ = None
            pending += (one.__cause__, one.__context__)


def hides_arguments(cls: type[T]) -> type[T]:
    """Hide the arguments of ``cls`` from tracebacks of a call that is refused.

    The generated ``__init__`` of a dataclass has all fields as local variables, unprotected.
    """
    init = cls.__init__

    @wraps(init)
    def hiding(self: T, *args: object, **kwargs: object) -> None:
        try:
            init(self, *args, **kwargs)
        except (ConfigurationError, TypeError) as error:
            del args, kwargs
            raise error.with_traceback(None)  # noqa: B904 - the same error

    type.__setattr__(cls, "__init__", hiding)
    return cls
