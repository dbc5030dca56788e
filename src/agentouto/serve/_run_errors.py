"""Turns the error that ended a run into the answer for a client.

The text of an error may quote a provider, a tool or a model, and a client may be anybody. So only
the kind of the error leaves, in words of our own; the whole error goes to the log of the server.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from agentouto import (
    AgentError,
    AgentoutoError,
    AuthError,
    ConfigurationError,
    LimitReached,
    ProviderError,
)
from agentouto.exceptions import Cancelled, RateLimited
from agentouto.serve._asgi import NO_RETRY, HttpError
from agentouto.serve._talks import MissingOutputs, TooManyRuns
from agentouto.serve._waiting import ToolOutput

log = logging.getLogger("agentouto.serve")


def error_of_run(error: Exception) -> HttpError:
    """Return the answer for a client whose run has failed with ``error``, and log the error."""
    # Errors of our own are told in one line; of any other, only its traceback says where it was.
    code = error.code if isinstance(error, AgentoutoError) else "internal_error"
    expected = isinstance(error, AgentoutoError)
    log.error("a run has failed: %s", error, exc_info=None if expected else error)
    status, message = _status_and_text(error)
    return HttpError(status, code.replace("-", "_"), message, headers=(NO_RETRY,))


def error_of_start(error: ConfigurationError | MissingOutputs | TooManyRuns) -> HttpError:
    """Return the answer for a client whose request has started no run."""
    if isinstance(error, MissingOutputs):
        return HttpError(400, "missing_tool_output", str(error))
    if isinstance(error, TooManyRuns):
        return HttpError(429, "too_many_runs", f"{error}.", headers=(("retry-after", "2"),))
    return error_of_run(error)


def unknown_outputs(outputs: Iterable[ToolOutput]) -> HttpError:
    """Return the answer for results of tools that no run waits for."""
    ids = ", ".join(output.id for output in outputs)
    return HttpError(
        400,
        "unknown_tool_call",
        f"No run waits for the result of {ids:.200}: it has ended, or was given up. Send a message "
        "of the user to begin another.",
    )


def _status_and_text(error: Exception) -> tuple[int, str]:
    match error:
        case LimitReached():
            return 429, f"The run has reached its limit: {error.limit}={error.allowed:g}."
        # Not 429, which would tell the client that it is the one who asks too often.
        case RateLimited():
            return 502, "The provider of a model allows no more requests for now."
        case AuthError():
            return 502, "The provider of a model has refused the server's credentials."
        case ProviderError():
            return 502, f"The provider of a model has failed ({error.code})."
        case AgentError():
            return 502, f"The agent {error.agent_name!r} could not return ({error.code})."
        case Cancelled():
            return 503, "The run was stopped."
        case _:
            return 500, "The server has failed. Its log says why."
