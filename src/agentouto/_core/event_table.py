"""The form of event lines, version 1: every type of line with its fields.

``docs/events.md`` is made from this table, and a test compares it with the lines of a recorded run.
Within a version, types and fields are only added. Readers skip what they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

LINE_VERSION = 1
"""``v`` of every line. It grows when a reader of an older version could misread a line."""

PIECE_TYPES = frozenset({"token", "thinking", "draft", "text", "tool.progress"})
"""Types of lines that are no facts: they have the ``seq`` of the fact before them."""


class LineField(msgspec.Struct, frozen=True):
    """A field of a line.

    Attributes:
        kind: Its JSON type: ``text``, ``number``, ``integer``, ``flag``, ``list``, ``object`` or
            ``any``.
        meaning: What it says.
        nullable: Whether it is ``null`` where nothing is known.
        optional: Whether it is left out where it does not apply.
    """

    kind: str
    meaning: str
    nullable: bool = False
    optional: bool = False


class LineType(msgspec.Struct, frozen=True):
    """A type of line: when it is written, and its fields besides the common ones."""

    meaning: str
    fields: Mapping[str, LineField]


def _always(kind: str, meaning: str) -> LineField:
    return LineField(kind, meaning)


def _or_null(kind: str, meaning: str) -> LineField:
    return LineField(kind, meaning, nullable=True)


def _if_any(kind: str, meaning: str) -> LineField:
    return LineField(kind, meaning, optional=True)


def _type(meaning: str, fields: Mapping[str, LineField]) -> LineType:
    return LineType(meaning, _frozen(fields))


def _frozen(fields: Mapping[str, LineField]) -> Mapping[str, LineField]:
    return MappingProxyType(dict(fields))


_PIECE = _always("text", "the next piece")
_TOOL_CALL = _always("text", "which tool call of the call it is: turn and index, as in `0.1`")
_MESSAGE_ID = _always("text", "the id of the message")
_FILES = _if_any("list", "its files: `name`, `type` and `size` in bytes; never the data")
_MESSAGE = _frozen(
    {
        "sender": _always("text", "who wrote the message"),
        "receiver": _always("text", "who it is for"),
        "text": _always("text", "the whole text"),
    }
)
_ASKED = _frozen(
    {
        "background": _always("flag", "whether the caller goes on without waiting"),
        "tool_call": _if_any("text", "the tool call of the caller that it came from, as in `0.1`"),
        "options": _if_any("list", "answers to choose from"),
        "files": _FILES,
    }
)
_SIZES = _frozen(
    {
        "tokens_before": _always("integer", "about how many tokens the transcript had"),
        "tokens_after": _always("integer", "about how many it has now"),
    }
)
_USED = _frozen(
    {
        "input": _or_null("integer", "tokens read, cached ones included"),
        "output": _or_null("integer", "tokens written, reasoning included"),
        "cached": _or_null("integer", "how many of the input tokens came from a cache"),
        "reasoning": _or_null("integer", "how many of the output tokens were reasoning"),
        "cost": _or_null("number", "US dollars, where the price is known"),
    }
)

COMMON: Mapping[str, LineField] = MappingProxyType(
    {
        "v": _always("integer", "the version of this form"),
        "run": _always("text", "the id of the run"),
        "seq": _always("integer", "the number of the fact; it rises, and has gaps"),
        "part": _if_any("integer", "which further line after the fact of this number, from 1 on"),
        "t": _always("number", "seconds since the run began; may step back by some milliseconds"),
        "type": _always("text", "one of the types below"),
        "agent": _if_any("text", "the participant whose call it is; not in `run.*`"),
        "call": _if_any("text", "the id of its call; not in `run.*`"),
        "parent": LineField(
            "text", "the call that call was made from; not in `run.*`", nullable=True, optional=True
        ),
    }
)
"""The fields of all types."""

LINE_TYPES: Mapping[str, LineType] = MappingProxyType(
    {
        "run.start": _type(
            "The run begins.",
            {
                "text": _always("text", "the user's message"),
                "to": _always("list", "the names of the starting agents"),
                "at": _always("number", "when it began, in seconds since 1970"),
                "team": _if_any(
                    "text",
                    "what the team is called, `name=` of `Team` or `run`; on the command line, the "
                    "file or module that it was loaded from",
                ),
                "agents": _always("list", "all agents: `name`, `model`, `provider`, `role`"),
                "peers": _if_any("list", "all peers: `name`, `role`, `person`"),
                "tools": _always("list", "all tools of the user's: `name`, `approval`"),
                "limits": _always("object", "the limits of the run, by name"),
                "history": _always("integer", "how many messages of earlier runs it goes on from"),
                "files": _FILES,
                "version": _always("text", "the version of this package"),
            },
        ),
        "forward": _type("A participant begins to work on a forward.", {**_MESSAGE, **_ASKED}),
        "ask": _type(
            "The user is asked, and the caller waits for the answer.",
            {
                **_MESSAGE,
                **_ASKED,
                "kind": _always(
                    "text",
                    "`question`, or `approval` of a tool call: then `call` is the id that "
                    "`approve()` takes",
                ),
                "tool": _if_any("text", "the tool that needs approval"),
                "arguments": _if_any("object", "its arguments"),
            },
        ),
        "model.start": _type(
            "A request to the model leaves now: at each try, after every wait.",
            {
                "turn": _always("integer", "which reply of the call, from 0 on"),
                "model": _always("text", "the model that is asked"),
                "attempt": _always("integer", "which try it is, from 1 on"),
            },
        ),
        "model.wait": _type(
            "The next request to the model waits.",
            {
                "why": _always(
                    "text",
                    "`parallel`: for a place under `Limits(parallel=)`; `gate`: another request of "
                    "the same key was told to wait; `retry`: the last try failed",
                ),
                "seconds": _or_null("number", "how long; `null` where that is open"),
                "attempt": _always("integer", "the number of the coming try"),
                "most": _or_null(
                    "integer", "how many tries there are at most; `null` for `parallel`"
                ),
                "status": _or_null("integer", "the HTTP status of the failed try"),
                "error": _always("text", "why, or empty"),
            },
        ),
        "model.switch": _type(
            "A stand-in of `Agent(fallback=)` is asked from now on.",
            {
                "model": _always("text", "the model that is asked from now on"),
                "from": _always("text", "the model that was asked before"),
                "error": _always("text", "why that one is unavailable"),
            },
        ),
        "token": _type("A piece of text of a reply.", {"text": _PIECE}),
        "thinking": _type("A piece of thinking of a reply.", {"text": _PIECE}),
        "draft": _type(
            "A piece of the arguments of a tool call, while the model writes them.",
            {
                "slot": _always("integer", "which tool call of the reply"),
                "tool": _always("text", "the name of the tool"),
                "text": _always("text", "the next piece of JSON text"),
            },
        ),
        "text": _type(
            "What has been written of a reply so far, for a reader that comes in its middle: it "
            "stands for all pieces up to here. No fact: see `token`.",
            {
                "text": _always("text", "its text"),
                "thinking": _if_any("text", "its thinking"),
                "drafts": _if_any("list", "its tool calls: `slot`, `tool`, `text`, as in `draft`"),
            },
        ),
        "model.end": _type(
            "A reply has ended.",
            {
                "turn": _always("integer", "which reply of the call, from 0 on"),
                "stop": _always(
                    "text", "`complete`, `out_of_tokens`, `refused`, `paused`, or `broken`"
                ),
                **_USED,
                "first": _or_null("number", "seconds from `model.start` to the first word"),
            },
        ),
        "spent": _type(
            "Tokens were used for a request that was no turn.",
            {
                **_USED,
                "for": _always("text", "`summary`, or `reported` by a peer or a tool"),
            },
        ),
        "tool.start": _type(
            "A tool call begins.",
            {
                "tool_call": _TOOL_CALL,
                "tool": _always("text", "the name of the tool"),
                "arguments": _always("object", "the arguments; empty if they are no JSON"),
                "raw_arguments": _if_any("text", "the arguments as they were written, if no JSON"),
                "builtin": _always("flag", "whether it is a tool of this package"),
            },
        ),
        "tool.end": _type(
            "A tool call has ended.",
            {
                "tool_call": _TOOL_CALL,
                "tool": _always("text", "the name of the tool"),
                "result": _always("text", "what the agent is told"),
                "failed": _always("flag", "whether it is an error"),
                "files": _FILES,
            },
        ),
        "tool.progress": _type(
            "How far a tool or a peer is. No fact: see `token`.",
            {
                "tool_call": _or_null("text", "which tool call it is; `null` in a peer's call"),
                "text": _always("text", "what it says"),
                "done": _or_null("number", "how much is done"),
                "total": _or_null("number", "of how much"),
            },
        ),
        "source.missing": _type(
            "The run goes on without the tools of a source.",
            {
                "source": _always("text", "the name of the source"),
                "error": _always("text", "why"),
            },
        ),
        "message": _type(
            "A message was sent to a participant at work.",
            {"id": _MESSAGE_ID, **_MESSAGE, "to": _always("text", "the address it was sent to")},
        ),
        "message.read": _type(
            "A message was read; `call` is the reader's.",
            {
                "id": _MESSAGE_ID,
                **_MESSAGE,
                "turn": _always("integer", "the turn in which it was read, from 0 on"),
            },
        ),
        "message.returned": _type(
            "A message was not read and went back; `call` is the reader's.",
            {"id": _MESSAGE_ID, **_MESSAGE, "reason": _always("text", "why")},
        ),
        "wait": _type(
            "A call begins to wait for messages.",
            {
                "for": _always("text", "the call whose message it waits for; empty for any"),
                "seconds": _always("number", "how long at most"),
            },
        ),
        "wait.end": _type(
            "A call no longer waits for messages.",
            {
                "for": _always("text", "as in `wait`"),
                "seconds": _always("number", "how long it has waited"),
            },
        ),
        "limit": _type(
            "A limit is nearly reached, and the agent is warned; or it is reached.",
            {
                "limit": _always("text", "its name in `Limits`"),
                "spent": _always("number", "how much is used"),
                "allowed": _always("number", "how much is allowed"),
                "reached": _always("flag", "whether it is reached"),
            },
        ),
        "note": _type(
            "The engine has told the agent something.",
            {
                "kind": _always(
                    "text",
                    "`nudge`: its reply was empty; `form`: its reply is not what has to be "
                    "returned; `refused`: a hook refused its return; `limit`: a warning",
                ),
                "text": _always("text", "what it was told"),
            },
        ),
        "summarized": _type(
            "The older part of a transcript was replaced by a summary.",
            {"text": _always("text", "the summary"), **_SIZES},
        ),
        "summary.failed": _type(
            "A transcript is too long, and its older part could not be summarized.",
            {"error": _always("text", "why; the agent goes on without it")},
        ),
        "repeated": _type(
            "An agent was asked the same again by a descendant of its own call.",
            {
                "text": _always("text", "the message"),
                "times": _always("integer", "how often it was asked this by now"),
            },
        ),
        "return": _type(
            "A participant has answered its forward.",
            {
                **_MESSAGE,
                "background": _always("flag", "whether its caller has gone on without waiting"),
                "files": _FILES,
                "usage": _always("object", "`input`, `output` and `cost` of this call alone"),
            },
        ),
        "error": _type(
            "A participant could not answer its forward.",
            {
                "error": _always("text", "why"),
                "kind": _always(
                    "text",
                    "`failed`; `stopped`: it was cancelled; `refused`: a hook, the model or its "
                    "provider refused; `limit`: a limit was reached",
                ),
                "code": _always("text", "one of the codes in `errors.md`"),
            },
        ),
        "run.resumed": _type(
            "A run with a journal goes on in another process. Lines before it are those of earlier "
            "processes.",
            {
                "at": _always("number", "when, in seconds since the epoch"),
                "turns": _always("integer", "how many replies the run has already"),
            },
        ),
        "turn.restarted": _type(
            "The reply of a turn is asked for again, because the process ended before it was "
            "complete. Pieces that were told of it are void.",
            {"turn": _always("integer", "the number of the turn")},
        ),
        "tool.interrupted": _type(
            "A tool or a peer was at work when the process ended.",
            {
                "tool_call": _always("text", "the tool call, as in `0.1`; empty for a peer"),
                "tool": _always("text", "the name of the tool or peer"),
                "policy": _always(
                    "text",
                    "`report`: the agent is told; `run`: it is used again; `ask`: the user is "
                    "asked; `check`: a function looks whether it had happened",
                ),
            },
        ),
        "run.end": _type(
            "The run has ended.",
            {
                "status": _always("text", "`completed`, `failed` or `cancelled`"),
                "output": _if_any("text", "what the starting agents returned, if it is completed"),
                "outputs": _always("list", "what each has returned: `agent`, `call`, `text`"),
                "usage": _always("object", "`input` and `output`: the tokens of the whole run"),
                "cost": _or_null("number", "US dollars, where all prices are known"),
                "limits": _always("object", "what was used of each limit of the run, by name"),
                "error": _if_any(
                    "object",
                    "why it is not completed: `code` (see `errors.md`), `what`, `where`, `why`, "
                    "`fix`",
                ),
            },
        ),
    }
)
"""Every type of line, in the order in which a run writes them first."""
