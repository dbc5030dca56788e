"""The texts that agents read besides their instructions: system prompt, notes, warnings.

Texts for agents stand here, in ``builtin_tools.py`` (descriptions of built-in tools) and nowhere
else. A system prompt does not change during a call. What differs between two calls of one agent
(the caller's name and task id) comes last, because providers cache a prompt by its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from types import MappingProxyType

from agentouto._core.builtin_tools import CALL_AGENT, FINISH, READ_RESULT, SEND_MESSAGE, guidance
from agentouto._domain.content import Incoming
from agentouto._domain.message import USER, Message
from agentouto._domain.participants import Agent
from agentouto._domain.peer import Participant
from agentouto._domain.visible_text import visible_line

NUDGE = Incoming(
    "[SYSTEM] Your last reply was empty, so your caller has received nothing. "
    f'Call {FINISH}(message="...") with your result, or go on working.'
)

UNUSABLE_REPLY = "[SYSTEM] Your last reply is not what has to be returned: {why} Call finish."
"""Sent to an agent whose plain text cannot be its return, because data of a type is wanted."""

NO_PLAIN_TEXT = "plain text is not returned here."
"""The reason in ``UNUSABLE_REPLY`` where a ``finish`` of the user's decides what is returned."""

RETURN_REFUSED = "[SYSTEM] Your return was refused: {reason} Go on, or return something else."
"""Sent to an agent whose return a hook has refused."""

INTERRUPTED = (
    "The program ended while {name} was at work. Whether it has done what it was asked is unknown: "
    "it may have happened, as a whole or in part. Find out before you ask for it again."
)
"""Told to an agent whose tool or peer was at work when the process of a kept run ended."""

ASKED_OTHERWISE = (
    "The program ended while this was at work, and now it asks {name} something else than it had "
    "asked before. Whether the rest was done is unknown: find out before you use it again."
)
"""Raised in a function that does something else at its second try."""

UNREAD_MAIL = (
    "[SYSTEM] Your message to {name} (task_id: {address}) was not read: {why}. It said: {text}"
)
"""Sent to the sender of a message whose receiver ended before it read the message."""

SUMMARY_REQUEST = (
    "Below is the earlier part of your own work on a request. It will be taken away and your "
    "summary put in its place, so write down all that you need to go on: the goals, what was "
    "decided and why, facts with their exact names and numbers, results of tools that still "
    "matter, what is open, and the next steps. Do not do any of the work now. Plain text, at most "
    "{words} words."
    "\n\n{text}"
)
"""Sent to an agent's own model when its transcript has become too long."""

SUMMARY = "[Previous conversation summary]\n{text}\n[End of summary]"
"""Takes the place of the entries that were summarized. The end is marked, because a model would
otherwise read the message after it as a part of the summary."""

OMITTED = "[… {count} characters are left out here, because they do not fit …]"
OMITTED_READABLE = (
    "[… {count} characters are left out here, because they do not fit; "
    f'{READ_RESULT}(id="{{id}}", from={{start}}, to={{end}}) reads them, a part at a time …]'
)
"""Stand in the middle of a tool result that was cut: beginning and end of a text say most about the
rest. The second form is for agents that have the tool it names."""

TOO_MANY_TOOL_CALLS = "not done: at most {limit} tool calls of one reply are carried out."
"""Sent to an agent for each tool call beyond ``Limits(tool_calls=)``."""

CUT_OFF = (
    "nothing was done: your reply reached {cap} in the middle of this tool call, so the end of it "
    "is missing. Do it in smaller pieces: several tool calls, each in a reply of its own and well "
    "below the limit."
)
"""Sent to an agent whose reply was cut off by the limit on output tokens."""

SECOND_FINISH = "Not returned: another finish of the same reply came first."
"""The outcome of every ``finish`` of a reply but the first: a call has one return."""

EMPTY_ROSTER = "(no other agents)"
"""Stands in place of the list of peers: an empty paragraph would look as if it were cut off."""

USER_ROLE = "The person you work for. Answers questions, and may take a while."
"""How the user is introduced to agents. The last words say that a question costs time."""


def shared_prompt(
    agent: Agent,
    peers: str,
    *,
    tools: Container[str],
    extra: str | None = None,
    plain_text: bool = True,
) -> str:
    """Return the part of the system prompt that is the same in every call of ``agent``.

    Args:
        agent: The agent that reads it.
        peers: One line for each other agent, as ``introductions`` returns them.
        tools: Names of the agent's tools; a paragraph about a tool it lacks is left out.
        extra: The user's additional instructions, if this agent gets them.
        plain_text: Whether a reply of text alone is the agent's return.
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
    parts += guidance(tools)
    plain = ", or simply answer in plain text" if plain_text else ""
    reach = f" Other agents hear of you only through {CALL_AGENT}." if CALL_AGENT in tools else ""
    parts.append(f"When your work is done, call {FINISH} with your result{plain}.{reach}")
    return "\n\n".join(parts)


def system_prompt(
    shared_part: str, *, caller: str, address: str | None, tools: Container[str]
) -> str:
    """Return the whole system prompt of one call.

    Args:
        shared_part: What ``shared_prompt`` returned for the agent.
        caller: The name of the participant that called it.
        address: The task id at which the caller reads mail, or ``None``.
        tools: Names of the agent's tools.
    """
    text = (
        f"{shared_part}\n\nINVOKED BY: {caller}\n"
        "Do what this caller asks for; your return goes to this caller only."
    )
    if address is None or SEND_MESSAGE not in tools:
        return text
    return (
        f"{text}\nThe caller's task_id is '{address}'. To tell of progress before you return, "
        f"use {SEND_MESSAGE} with this task_id."
    )


def introductions(participants: Iterable[Participant]) -> dict[str, str]:
    """Return the line that introduces each of ``participants`` to the others, by name."""
    return {one.name: f"- {one.name}: {_introduction_text(one)}" for one in participants}


def _introduction_text(participant: Participant) -> str:
    if isinstance(participant, Agent) and participant.role is None:
        return participant.instructions
    return participant.role or ""


def incoming_mail(message: Message, sender_address: str | None) -> Incoming:
    """Return mail as the transcript entry that its receiver reads."""
    attachments = tuple(message.attachments or ())
    if message.sender == USER:
        return Incoming(message.content, attachments)
    where = f" (task_id: {sender_address})" if sender_address else ""
    text = without_marks(message.content)
    return Incoming(f"[Message from {message.sender}{where}]: {text}", attachments)


def incoming_forward(message: Message) -> Incoming:
    """Return a forward as the transcript entry that its receiver works on."""
    by_user = message.sender == USER
    text = message.content if by_user else without_marks(message.content)
    return Incoming(text, tuple(message.attachments or ()))


def quote_model_history(author: str, message: Message) -> str:
    """Return the entry for a message in a history that ``author``, a model, has written."""
    sender, receiver = visible_line(message.sender), visible_line(message.receiver)
    head = f"{message.type} from {sender} to {receiver}".replace("[", "(").replace("]", ")")
    return f"[History written by {author}: {head}]: {without_marks(message.content)}"


def without_marks(text: str) -> str:
    """Return ``text`` with a backslash before whatever looks like a mark of the engine."""
    return _ENGINE_MARKS.sub(r"\\\g<0>", text) if "[" in text else text


_ENGINE_MARKS = re.compile(
    r"\[(?=[\s\u200b-\u200f\u2060\ufeff]{0,8}(?:system\W|message from\W|forwarded from\W"
    r"|return from\W|history written by\W|files you returned\W|previous conversation summary\W"
    r"|end of summary\W))",
    re.IGNORECASE,
)
"""Marks that only the engine writes, such as ``[SYSTEM]`` and ``[Message from a]``. In the text of
an agent they are escaped: a model that reads a forged one would take it for the user's or the
engine's word. They are found anywhere in a line, since a model does not care where one stands, and
with spaces or characters without width after the bracket."""


def tag_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that matches the bracket of each ``[name]`` and ``[/name]`` tag."""
    participants = "|".join(re.escape(name) for name in {*names, USER})
    return re.compile(rf"\[(?=/?(?:{participants})\])")


def tagged(name: str, text: str, tags: re.Pattern[str]) -> str:
    """Return ``text`` between tags with ``name``, for a reader of several participants' texts.

    A tag inside ``text`` gets a backslash, so that a participant cannot forge the text of another.
    """
    if "[" in text:
        text = tags.sub(r"\\[", text)
    return f"[{name}]{text}[/{name}]"


_LIMIT_WARNINGS: Mapping[str, str] = MappingProxyType(
    {
        "turns": "You have used {spent} of the {allowed} turns you have for this call.",
        "calls": "{spent} of the {allowed} calls that this run may make are made.",
        "requests": "{spent} of the {allowed} requests to models that this run may make are made.",
        "tokens": "{spent} of the {allowed} tokens that this run may use are used.",
        "cost": "{spent} of the {allowed} US dollars that this run may cost are spent.",
        "seconds": "{spent} of the {allowed} seconds that this run may take are over.",
    }
)


def _format_number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def limit_warning(limit: str, spent: float, allowed: float) -> str:
    """Return the warning for an agent that a limit is nearly reached."""
    warning = _LIMIT_WARNINGS[limit].format(
        spent=_format_number(spent), allowed=_format_number(allowed)
    )
    return f"[SYSTEM] {warning} Then it is stopped: come to an end and return what you have."
