"""Every word that agents are given besides their instructions. There is no other place for them.

A system prompt stays the same for the whole of a call, and what differs between calls of one agent
(who called, and where the caller can be written to) comes last, so that providers can reuse what
they have read before.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping

from agentouto._domain.content import Incoming
from agentouto._domain.message import USER, Message
from agentouto._domain.participants import Agent

CALL_AGENT = "call_agent"
SPAWN = "spawn_background_agent"
SEND_MESSAGE = "send_message"
GET_MESSAGES = "get_messages"
FINISH = "finish"
READ_RESULT = "read_result"
WAIT_FOR_MESSAGES = "wait_for_messages"
LIST_RUNNING = "list_running"

BUILTIN_TOOL_NAMES = frozenset({CALL_AGENT, SPAWN, SEND_MESSAGE, GET_MESSAGES, FINISH})
"""The tools every agent has without anyone writing them."""

OPTIONAL_TOOL_NAMES = frozenset({WAIT_FOR_MESSAGES, LIST_RUNNING})
"""More built-in tools, for whoever asks for them."""

NUDGE = Incoming(
    "[SYSTEM] Your last reply was empty, so your caller has received nothing. "
    f'Call {FINISH}(message="...") with your result, or go on working.'
)

WRONG_FORM = "[SYSTEM] Your last reply is not what has to be returned: {why} Call finish."
"""Told to an agent whose plain text does not have the form that is asked for."""

NOT_PLAIN = "plain text reaches nobody here."

NOT_RETURNED = "[SYSTEM] Your return was refused: {reason} Go on, or return something else."
"""Told to an agent whose return a hook has refused."""

UNREAD = "[SYSTEM] Your message to {name} (task_id: {address}) was not read: {why}. It said: {text}"
"""Told to whoever wrote to somebody who has ended before reading it."""

SUMMARIZE = (
    "Below is the earlier part of your own work on a request. It will be taken away and your "
    "summary put in its place, so write down all that you need to go on: the goals, what was "
    "decided and why, facts with their exact names and numbers, results of tools that still "
    "matter, what is open, and the next steps. Do not do any of the work now. Plain text, at most "
    "{words} words."
    "\n\n{text}"
)
"""Put to an agent's own model when its transcript has become too long."""

SUMMARY = "[Previous conversation summary]\n{text}\n[End of summary]"

LEFT_OUT = "[… {count} characters are left out here, because they do not fit …]"
LEFT_OUT_READABLE = (
    "[… {count} characters are left out here, because they do not fit; "
    f'{READ_RESULT}(id="{{id}}", from={{start}}, to={{end}}) reads them, a part at a time …]'
)

APPROVE = "May {agent} use the tool {tool}? Answer yes or no.\n{arguments}"
"""Put to the user before a tool is used that needs approval."""

YES = frozenset({"yes", "y", "true", "ok", "okay", "approve", "approved", "예", "네"})

TOO_MANY_TOOL_CALLS = "not done: at most {most} tool calls of one reply are acted on."

SECOND_FINISH = "Not returned: another finish of the same reply came first."
EMPTY_ROSTER = "(nobody else takes part)"

USER_ROLE = "The person you work for. Answers questions, and may take a while."


def standing(
    agent: Agent,
    peers: str,
    *,
    tools: Container[str],
    extra: str | None = None,
    plain_text: bool = True,
) -> str:
    """Return the part of the system prompt that is the same in every call of ``agent``.

    Args:
        agent: Who is spoken to.
        peers: The list of the others, as ``roster`` writes it.
        tools: Names of the tools there are; what is missing is not talked about.
        extra: The user's additional instructions, if this agent is to have them.
        plain_text: Whether text without a tool call returns it.
    """
    parts = [f'You are "{agent.name}". {agent.instructions}'.rstrip()]
    if extra:
        parts.append(f"ADDITIONAL INSTRUCTIONS:\n{extra}")
    parts.append(f"Available agents:\n{peers or EMPTY_ROSTER}")
    parts.append(
        "PARALLEL EXECUTION:\n"
        "All tool calls of one reply run at the same time. Put work that does not depend on each "
        "other into one reply."
    )
    if CALL_AGENT in tools:
        parts.append(
            "COLLABORATION GUIDELINES:\n"
            "Everyone here is your equal, and everyone may use every tool. Ask whoever knows more "
            f"than you with {CALL_AGENT}; the agent sees only what you write, so say all it needs. "
            "The same agent can be asked several things at once. Do what you can do well yourself."
        )
    if SPAWN in tools:
        watch = f" {GET_MESSAGES} tells how it is doing." if GET_MESSAGES in tools else ""
        write = f" {SEND_MESSAGE} reaches it while it works." if SEND_MESSAGE in tools else ""
        parts.append(
            f"BACKGROUND EXECUTION:\n{SPAWN} starts an agent and gives you its task_id at once, "
            f"while you go on.{write}{watch}"
        )
    plain = ", or simply answer in plain text" if plain_text else ""
    reach = f" Other agents hear of you only through {CALL_AGENT}." if CALL_AGENT in tools else ""
    parts.append(f"When your work is done, call {FINISH} with your result{plain}.{reach}")
    return "\n\n".join(parts)


def system_prompt(
    standing_part: str, *, caller: str, address: str | None, tools: Container[str]
) -> str:
    """Return the whole system prompt of one call.

    Args:
        standing_part: What ``standing`` returned for the agent.
        caller: Who forwarded to it.
        address: Where the caller can be written to, if anywhere.
        tools: Names of the tools there are.
    """
    text = (
        f"{standing_part}\n\nINVOKED BY: {caller}\n"
        "Do what this caller asks for; your return goes to nobody else."
    )
    if address is None or SEND_MESSAGE not in tools:
        return text
    return (
        f"{text}\nThe caller's task_id is '{address}'. To tell of progress before you return, "
        f"use {SEND_MESSAGE} with this task_id."
    )


def roster(peers: Iterable[Agent]) -> dict[str, str]:
    """Return the line by which each of ``peers`` is introduced to the others, by name."""
    return {
        peer.name: f"- {peer.name}: {peer.instructions if peer.role is None else peer.role}"
        for peer in peers
    }


def letter(message: Message, sender_address: str | None) -> Incoming:
    """Return ``message`` as its reader, at work, gets to see it."""
    attachments = tuple(message.attachments or ())
    if message.sender == USER:
        return Incoming(message.content, attachments)
    where = f" (task_id: {sender_address})" if sender_address else ""
    said = _FORGED.sub(r"\\[", message.content)
    return Incoming(f"[Message from {message.sender}{where}]: {said}", attachments)


_FORGED = re.compile(r"^\[(?=SYSTEM\]|Message from |Forwarded from |Return from )", re.MULTILINE)
"""What only the engine writes at the beginning of a line."""


def tags_of(names: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds where ``text`` looks like a tag of one of ``names``."""
    known = "|".join(re.escape(name) for name in {*names, USER})
    return re.compile(rf"\[(?=/?(?:{known})\])")


def tagged(name: str, text: str, tags: re.Pattern[str]) -> str:
    """Attribute ``text`` to ``name`` for a reader who hears several participants at once.

    What looks like one of ``tags`` inside ``text`` is made harmless by a backslash, so nobody can
    speak in somebody else's name.
    """
    if "[" in text:
        text = tags.sub(r"\\[", text)
    return f"[{name}]{text}[/{name}]"


_SPENT: Mapping[str, str] = {
    "turns": "You have used {spent} of the {allowed} turns you have for this call.",
    "calls": "{spent} of the {allowed} calls that this run may make are made.",
    "requests": "{spent} of the {allowed} requests to models that this run may make are made.",
    "tokens": "{spent} of the {allowed} tokens that this run may use are used.",
    "cost": "{spent} of the {allowed} US dollars that this run may cost are spent.",
    "seconds": "{spent} of the {allowed} seconds that this run may take are over.",
}


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def nearly_spent(limit: str, spent: float, allowed: float) -> str:
    """Return what an agent is told when a limit is nearly reached."""
    told = _SPENT[limit].format(spent=_number(spent), allowed=_number(allowed))
    return f"[SYSTEM] {told} Then it is stopped: come to an end and return what you have."
