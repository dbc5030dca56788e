"""Checks that a model's reply is complete: no refusal, and not cut at the token limit.

A reply that was cut in its text is an error, never a result: half an answer looks like a whole one.
A reply that was cut within its last tool call is kept, and that call gets an error as its outcome:
guessing the rest of its arguments would run a tool with arguments that the model did not write.
"""

from __future__ import annotations

import msgspec

from agentouto._domain.content import Reply, Stop, ToolCall
from agentouto._domain.errors import AgentError, Partial, Refused
from agentouto._domain.participants import Agent

MAX_REFUSAL_TEXT = 200
"""How many characters of a refusal an error quotes. Refusals are a sentence or two."""


def check_complete(reply: Reply, agent: Agent, call_id: str) -> Reply:
    """Return ``reply`` if its text is complete; its last tool call may still be cut.

    Raises:
        AgentError: The reply is a refusal, or was cut before its first tool call.
            ``partial.text`` holds the text that arrived.
    """
    if reply.stop is Stop.REFUSED:
        refused = Refused(
            agent.provider_name, reply.text[:MAX_REFUSAL_TEXT] or "the model would not answer"
        )
        error = AgentError(agent.name, f"refused: {refused}", call_id=call_id).coded("refused")
        error.__cause__ = refused
    elif reply.stop is Stop.OUT_OF_TOKENS and not reply.tool_calls:
        error = AgentError(
            agent.name,
            f"stopped at {token_cap(agent)}, the answer is not complete",
            call_id=call_id,
        ).coded("output-cut")
    else:
        return reply
    error.partial = Partial(text=reply.text)
    raise error


def token_cap(agent: Agent) -> str:
    """Return the name of the limit that ends the replies of ``agent``."""
    tokens = agent.max_output_tokens
    return f"max_output_tokens={tokens}" if tokens else "its token limit"


def cut_tool_call(reply: Reply) -> ToolCall | None:
    """Return the tool call in the middle of which ``reply`` reached the token limit, if any.

    Only the last part of a reply can be cut. Arguments that are a complete object are not cut:
    Gemini sends each call in one piece, also beside ``MAX_TOKENS``. Empty arguments are cut: a call
    without arguments has ``{}``.
    """
    if reply.stop is not Stop.OUT_OF_TOKENS or not reply.parts:
        return None
    last = reply.parts[-1]
    if not isinstance(last, ToolCall):
        return None
    try:
        msgspec.json.decode(last.arguments, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return last
    return None


def cut_twice(reply: Reply, cut: ToolCall, agent: Agent, call_id: str) -> AgentError:
    """Return the error for a model that was asked to write less, and was cut once more."""
    why = (
        f"stopped at {token_cap(agent)} in the middle of a tool call ({cut.name}) "
        "for the second time"
    )
    error = AgentError(agent.name, why, call_id=call_id).coded("output-cut")
    error.partial = Partial(text="\n".join(filter(None, (reply.text, cut.arguments))))
    return error
