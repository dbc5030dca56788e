"""How a command ends: the exit code, and the few lines that say why. Prints nothing."""

from __future__ import annotations

import traceback
from enum import IntEnum

from agentouto import AgentoutoError, AuthError, ConfigurationError, LimitReached, ProviderError
from agentouto.cli._text import clean, without_keys


class Code(IntEnum):
    """What a script that called the command can tell from its exit."""

    RETURNED = 0
    FAILED = 1
    USAGE = 2
    TEAM = 3
    PROVIDER = 4
    LIMIT = 5
    UNANSWERED = 6
    INTERRUPTED = 130


class Trouble(Exception):
    """The command ends here: ``str()`` is what the person is told."""

    def __init__(self, told: str, code: Code = Code.TEAM) -> None:
        super().__init__(told)
        self.code = code


def code_of(error: BaseException) -> Code:
    """Return the exit code for a run, or the start of one, that raised ``error``."""
    match error:
        case Trouble():
            return error.code
        case ConfigurationError():
            return Code.TEAM
        case LimitReached():
            return Code.LIMIT
        case ProviderError() | AuthError():
            return Code.PROVIDER
        case KeyboardInterrupt():
            return Code.INTERRUPTED
        case _:
            return Code.FAILED


def told(error: BaseException, *, verbose: bool) -> str:
    """Return what a person is told of ``error``, without keys and terminal commands."""
    if verbose:
        text = "".join(traceback.format_exception(error)).rstrip()
    elif isinstance(error, KeyboardInterrupt):
        text = "Stopped by Ctrl+C."
    elif isinstance(error, AgentoutoError | Trouble):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}".rstrip(": ")
    return without_keys(clean(text))
