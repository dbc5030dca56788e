"""Functions for writing scripts, which take the place of models in tests.

Give a ``Script`` to ``Provider("scripted", kind="script", script=...)``. Each function returns one
part of a reply. ``providers/_script`` plays scripts.
"""

from __future__ import annotations

import msgspec

from agentouto._core.builtin_tools import CALL_AGENT, FINISH
from agentouto._domain.configuration_error import ConfigurationError
from agentouto.providers._script.replies import (
    Ask,
    Fail,
    Mishap,
    Request,
    Say,
    ScriptedReply,
    Think,
    Turn,
    failure,
)
from agentouto.providers._script.script import Script

__all__ = [
    "Request",
    "Script",
    "ScriptedReply",
    "Turn",
    "call",
    "fail",
    "finish",
    "raw",
    "say",
    "think",
    "tool",
]


def say(text: str) -> Say:
    """Return text of a reply. A reply of text alone is the agent's return."""
    return Say(text)


def think(text: str) -> Think:
    """Return thinking, which is streamed and never part of an answer."""
    return Think(text)


def tool(name: str, /, **arguments: object) -> Ask:
    """Return a tool call.

    Raises:
        ConfigurationError: An argument cannot be written as JSON.
    """
    try:
        return Ask(name, msgspec.json.encode(arguments).decode())
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"tool({name!r}, ...): {error}") from error


def raw(name: str, arguments: str) -> Ask:
    """Return a tool call with exactly this text as its arguments, valid JSON or not."""
    return Ask(name, arguments)


def call(agent_name: str, message: str, **more: object) -> Ask:
    """Return a call of another agent; ``more`` is ``history=`` or ``background=``."""
    # As a model calls a peer: through the same tool, with the same arguments.
    return tool(CALL_AGENT, agent_name=agent_name, message=message, **more)


def finish(message: str) -> Ask:
    """Return a call of ``finish``: the agent returns ``message``."""
    return tool(FINISH, message=message)


def fail(how: int | Mishap, *, retry_after: float | None = None, message: str = "") -> Fail:
    """Return a failure. The parts before it in the same reply are sent first.

    A failure does not use up the turn: the next request gets the next reply of the script.

    Args:
        how: An HTTP status (429 is a rate limit, 500 a server error, 401 a wrong key); ``"cut"``,
            the stream ends in the middle, of the arguments if a tool call is before it;
            ``"nonsense"``, an unreadable answer; ``"context"``, the request is too long;
            ``"quota"``, the account has no credit; ``"unreachable"``, no connection. Two are
            replies and use up the turn: ``"refused"``, and ``"out_of_tokens"``, cut at the token
            limit.
        retry_after: The seconds that the provider asks to wait, for 429.
        message: The text of the provider's error.

    Raises:
        ConfigurationError: There is no such failure.
    """
    return failure(how, retry_after, message)
