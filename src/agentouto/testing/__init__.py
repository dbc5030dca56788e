"""Words for writing scripts: what a model would say, without a model.

Give a ``Script`` to ``Provider("scripted", kind="script", script=...)``. Nothing here plays a
script, and nothing here knows how a run works.
"""

from __future__ import annotations

import msgspec

from agentouto._core.prompt import CALL_AGENT, FINISH
from agentouto._core.script import Script
from agentouto._domain.misuse import ConfigurationError
from agentouto._domain.script import Ask, Fail, Mishap, Request, Say, Think, Turn, failure

__all__ = [
    "Request",
    "Script",
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
    """Return words meant to be read; a reply of nothing else is the agent's return."""
    return Say(text)


def think(text: str) -> Think:
    """Return thinking aloud, which is shown to those who watch and kept out of answers."""
    return Think(text)


def tool(name: str, /, **arguments: object) -> Ask:
    """Return the use of a tool.

    Raises:
        ConfigurationError: An argument cannot be written as JSON.
    """
    try:
        return Ask(name, msgspec.json.encode(arguments).decode())
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"tool({name!r}, ...): {error}") from error


def raw(name: str, arguments: str) -> Ask:
    """Return the use of a tool with exactly this text for arguments, sound JSON or not."""
    return Ask(name, arguments)


def call(agent_name: str, message: str, **more: object) -> Ask:
    """Return a forward to another agent; ``more`` is ``history=`` or ``background=``."""
    return tool(CALL_AGENT, agent_name=agent_name, message=message, **more)


def finish(message: str) -> Ask:
    """Return the use of ``finish``: the agent returns ``message``."""
    return tool(FINISH, message=message)


def fail(how: int | Mishap, *, retry_after: float | None = None, message: str = "") -> Fail:
    """Return a failure. What stands before it in the same reply is said first.

    A failure does not use up the turn: whoever asks again hears the next reply of the script.

    Args:
        how: An HTTP status (429 slows down, 500 is broken, 401 knows no key); ``"cut"``, the stream
            ends in the middle, of the arguments if a tool call stands before it; ``"nonsense"``,
            something unreadable; ``"context"``, the request is too long; ``"quota"``, no credit is
            left; ``"unreachable"``, nobody answers. Two are replies, and use up the turn:
            ``"refused"``, and ``"out_of_tokens"``, which is cut at its token limit.
        retry_after: How many seconds the provider asks to wait, for 429.
        message: What the provider says about it.

    Raises:
        ConfigurationError: There is no such failure.
    """
    return failure(how, retry_after, message)
