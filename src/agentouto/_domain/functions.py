"""Checks functions of the user before a run calls them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Literal, TypeAlias

from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.kept_event import RestartPolicy


def check_function(where: str, function: object, *forms: tuple[str, ...]) -> None:
    """Raise ``ConfigurationError`` unless ``function`` can be called in one of these ``forms``.

    What has no signature that can be read, as some functions written in C, is taken.
    """
    if not callable(function):
        raise ConfigurationError(f"{where} takes a function, not {function!r:.60}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    if not any(_can_be_called(signature, form) for form in forms):
        name = getattr(function, "__name__", type(function).__name__)
        wanted = " or ".join(f"({', '.join(form)})" for form in forms)
        raise ConfigurationError(
            f"{where} takes a function of {wanted}, and {name}{signature} cannot be called so"
        )


def _can_be_called(signature: inspect.Signature, arguments: tuple[str, ...]) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


OnRestart: TypeAlias = Literal["report", "run", "ask"] | Callable[..., object]
"""``"report"``: the agent is told that it may have happened. ``"run"``: it is used again.
``"ask"``: ``approve=`` decides whether it is used again. A function with the same parameters looks
whether it has happened: it returns the result, or ``None`` to use it again."""

_WORDS = ("report", "run", "ask")


def check_on_restart(where: str, value: object) -> None:
    """Raise ``ConfigurationError`` unless ``value`` is one of ``OnRestart``."""
    if value not in _WORDS and not callable(value):
        raise ConfigurationError(
            f"{where}: on_restart={value!r:.60} is not 'report', 'run', 'ask' or a function that "
            "looks whether it has happened"
        )


def policy_name(value: OnRestart) -> RestartPolicy:
    """Return what an event calls it."""
    return "check" if callable(value) else value


WORKER_KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a kind of worker may be called: text that is the same in queues, units and command lines."""


def check_worker_kind(where: str, value: object) -> str:
    """Return ``value`` if a kind of worker can be called so.

    Raises:
        ConfigurationError: It cannot.
    """
    if not isinstance(value, str) or not WORKER_KIND.fullmatch(value):
        raise ConfigurationError(
            f"{where}{value!r:.80} is no kind of worker: that is 1 to 64 letters of a to z, "
            "digits, '.', '_' and '-', and begins with a letter or a digit"
        )
    return value
