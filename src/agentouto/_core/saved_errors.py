"""Keeps an error as data, and makes it again: its class, its text and its plain values."""

from __future__ import annotations

from agentouto._domain import errors
from agentouto._domain.configuration_error import AgentoutoError
from agentouto._domain.kept_event import SavedError


def save_error(error: BaseException) -> SavedError:
    """Return what is kept of ``error``. Its cause and its traceback are not."""
    plain = {
        name: value
        for name, value in vars(error).items()
        if value is None or isinstance(value, str | int | float)
    }
    text = str(error.args[0]) if error.args else str(error)
    return SavedError(type(error).__name__, text, plain)


def restored_error(saved: SavedError) -> AgentoutoError:
    """Return the error that was kept: of its class, if that is one of this package."""
    kind = getattr(errors, saved.kind, None) if saved.kind in errors.__all__ else None
    if isinstance(kind, type) and issubclass(kind, AgentoutoError):
        error = kind.__new__(kind, saved.text)
        vars(error).update(saved.details)
        return error
    return AgentoutoError(f"{saved.kind}: {saved.text}")
