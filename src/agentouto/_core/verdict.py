"""Whether a reply can be acted upon."""

from __future__ import annotations

import msgspec

from agentouto._domain.content import Reply, Stop, ToolCall
from agentouto._domain.errors import AgentError, Partial, Refused
from agentouto._domain.participants import Agent

SHOWN = 200


def whole(reply: Reply, agent: Agent, call_id: str) -> Reply:
    """Return ``reply`` if it can be acted upon; a tool call that was cut off is marked as such.

    Raises:
        AgentError: It is a refusal, or was cut off before it asked for anything. ``partial.text``
            is what there is of it.
    """
    if reply.stop is Stop.REFUSED:
        refused = Refused(agent.provider_name, reply.text[:SHOWN] or "the model would not answer")
        error = AgentError(agent.name, f"refused: {refused}", call_id=call_id)
        error.__cause__ = refused
    elif reply.stop is Stop.OUT_OF_TOKENS and not reply.tool_calls:
        most = agent.max_output_tokens
        limit = f"max_output_tokens={most}" if most else "its token limit"
        error = AgentError(
            agent.name, f"stopped at {limit}, the answer is not complete", call_id=call_id
        )
    else:
        return _without_guesses(reply)
    error.partial = Partial(text=reply.text)
    raise error


def _without_guesses(reply: Reply) -> Reply:
    """Return ``reply`` with text that is no JSON where arguments were cut off before they began.

    No arguments at all would be taken for arguments that are not needed.
    """
    last = reply.parts[-1] if reply.parts else None
    if reply.stop is not Stop.OUT_OF_TOKENS or not isinstance(last, ToolCall):
        return reply
    if last.arguments.strip():
        return reply
    cut = msgspec.structs.replace(last, arguments="{")
    return msgspec.structs.replace(reply, parts=(*reply.parts[:-1], cut))
