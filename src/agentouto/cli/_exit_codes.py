"""Exit codes, and the exit code and message for every error."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from enum import IntEnum
from typing import TypeGuard

from agentouto import (
    AgentError,
    AgentoutoError,
    AuthError,
    ConfigurationError,
    LimitReached,
    Output,
    ProviderError,
    Waiting,
)
from agentouto.cli._terminal_text import clean, redact
from agentouto.exceptions import BrokenScript

CODES_WITH_ADVICE = frozenset(
    {
        "context-full",
        "login",
        "model-unknown",
        "output-cut",
        "provider-unavailable",
        "quota",
        "rate-limit",
    }
)
"""Errors whose text is that of a server or says what a model did. What helps is a second line."""


class ExitCode(IntEnum):
    """Exit codes of every command.

    1 and 2 are the usual ones of Unix commands and of click; 130 is 128 + SIGINT, as shells report
    it. The others are ours.
    """

    RETURNED = 0
    FAILED = 1
    USAGE = 2
    TEAM = 3
    PROVIDER = 4
    LIMIT = 5
    UNANSWERED = 6
    INTERRUPTED = 130


class ExitError(Exception):
    """Ends the command with ``code``; ``str()`` is the message to the person.

    ``error_code`` is its code in ``docs/errors.md``.
    """

    def __init__(
        self, message: str, code: ExitCode = ExitCode.TEAM, error_code: str = "configuration"
    ) -> None:
        super().__init__(message)
        self.code = code
        self.error_code = error_code


class RunStopped(Exception):
    """The run was stopped: ``code`` says why, ``outputs`` are the outputs finished by then."""

    def __init__(self, code: ExitCode, why: str, outputs: Sequence[Output]) -> None:
        super().__init__(why)
        self.code = code
        self.outputs = outputs


def code_of(error: BaseException) -> ExitCode:
    """Return the exit code for a command that raised ``error``."""
    match error:
        case ExitError() | RunStopped():
            return error.code
        case ConfigurationError():
            return ExitCode.TEAM
        case LimitReached():
            return ExitCode.LIMIT
        case Waiting():
            return ExitCode.UNANSWERED
        case BrokenScript():
            return ExitCode.FAILED
        case ProviderError() | AuthError():
            return ExitCode.PROVIDER
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case _:
            return ExitCode.FAILED


def describe_error(error: BaseException) -> dict[str, str]:
    """Return what ``AgentoutoError.to_dict`` has of ``error``, without keys; else nothing."""
    match error:
        case AgentoutoError():
            fields = error.to_dict()
        case RunStopped(code=ExitCode.UNANSWERED, __cause__=Waiting() as cause):
            fields = cause.to_dict()
        case RunStopped(code=ExitCode.UNANSWERED):
            fields = {"code": "user-unavailable", "what": str(error)}
        case RunStopped(__cause__=AgentoutoError() as cause):
            fields = cause.to_dict()
        case ExitError():
            fields = {"code": error.error_code, "what": str(error)}
        case _:
            return {}
    return {name: redact(clean(text)) for name, text in fields.items()}


def _can_be_helped(error: BaseException) -> TypeGuard[AgentoutoError]:
    """Return whether the advice for the code of ``error`` fits: a sign-in says itself what does."""
    if isinstance(error, AuthError):
        return bool(error.agent_name)
    return isinstance(error, ProviderError | AgentError) and error.code in CODES_WITH_ADVICE


def error_text(error: BaseException, *, verbose: bool) -> str:
    """Return the message for ``error``, without keys and terminal control codes."""
    if verbose:
        text = "".join(traceback.format_exception(error)).rstrip()
    elif isinstance(error, KeyboardInterrupt):
        text = "Stopped by Ctrl+C."
    elif _can_be_helped(error):
        text = str(error) if error.fix in str(error) else f"{error}\n{error.fix}"
    elif isinstance(error, AgentoutoError | ExitError):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}".rstrip(": ")
    return redact(clean(text))
