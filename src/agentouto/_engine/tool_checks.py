"""Checks the name and the options of a tool, and reads what its function returns."""

from __future__ import annotations

import inspect
import re

from agentouto._core.signature import CallableInfo
from agentouto._core.tool_results import as_result
from agentouto._domain.functions import check_on_restart, check_worker_kind

TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""The names that all four model APIs take: OpenAI and Anthropic allow 64 of these characters, and
Gemini wants a letter or an underscore first."""


def check_tool(
    callee: CallableInfo,
    timeout: float | None,
    in_loop: object,
    needs_approval: object,
    on_restart: object,
    worker: object,
) -> None:
    """Raise ``ConfigurationError`` if a tool cannot have this name, or one of these options."""
    if not TOOL_NAME.fullmatch(callee.name):
        raise callee.error(
            "models cannot use this name: one has up to 64 letters of a to z, digits, _ and -, "
            "and no digit first; give it one with Tool(..., name=...)"
        )
    for name, value in (("in_loop", in_loop), ("needs_approval", needs_approval)):
        if not isinstance(value, bool):
            raise callee.error(f"{name}= takes True or False, not {value!r:.60}")
    if timeout is not None and not timeout > 0:
        raise callee.error(f"timeout={timeout!r} must be more than 0 seconds, or None")
    check_on_restart(f"Tool {callee.name!r}", on_restart)
    if worker is not None:
        check_worker_kind(f"Tool {callee.name!r}: worker=", worker)


def result_or_awaitable(value: object, tool_name: str) -> object:
    """Return ``value`` as a result; an awaitable as it is.

    It is called in the thread of the function, since turning data into text may take long.
    """
    return value if inspect.isawaitable(value) else as_result(value, tool_name)
