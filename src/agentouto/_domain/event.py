"""The events of a run: frozen records, each with its call and its time.

``_core/rendering.py`` turns them into what users read. This module does not know who reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from agentouto._domain.content import Outcome, Part, Reply, ToolCall, Usage
from agentouto._domain.event_pieces import (
    Drafted,
    ReplySoFar,
    Stamp,
    Thinking,
    Token,
    ToolProgress,
)
from agentouto._domain.kept_event import KeptEvent, SavedError
from agentouto._domain.limits import Limits
from agentouto._domain.message import Attachment, Message
from agentouto._domain.output import Output

WaitReason: TypeAlias = Literal["parallel", "gate", "retry"]
"""Why a request to a model waits."""

FailureKind: TypeAlias = Literal["failed", "refused", "limit"]
"""Why a call has failed: ``refused`` by a hook, the model or its provider; a ``limit`` is reached;
anything else."""

NoteKind: TypeAlias = Literal["nudge", "form", "refused", "limit"]
"""What the engine tells an agent: its reply was empty, or is not what has to be returned; a hook
has refused its return; a limit is nearly reached."""


class RunStarted(msgspec.Struct, frozen=True, gc=False):
    """The first event of a run: what it was asked to do, and by whom it is done.

    ``stamp`` is the user's; its call id is the id of the run. ``agents`` are the name, model,
    provider and role of each, ``peers`` names and roles, each with whether it is a person: the
    objects would keep the user's functions and keys alive as long as a result is kept. ``tools``
    are the names of the user's tools, each with whether it needs approval; ``history`` is a number
    of messages; ``team`` is what the team is called, if anything.

    ``worker`` is the kind of worker that the run was submitted to. Of a call that is answered as a
    run of its own, ``caller_run`` is the id of the run that made it, and ``caller`` is where the
    caller reads mail, if anywhere.
    """

    stamp: Stamp
    at: float
    message: str
    starting: tuple[str, ...]
    agents: tuple[tuple[str, str, str, str | None], ...]
    peers: tuple[tuple[str, str, bool], ...]
    tools: tuple[tuple[str, bool], ...]
    limits: Limits
    history: int
    attachments: tuple[Attachment, ...]
    team: str = ""
    caller_run: str = ""
    caller: str = ""
    worker: str = ""


class RunEnded(msgspec.Struct, frozen=True, gc=False):
    """The last event of a run. ``spent`` is what was used of each of its limits.

    ``error`` is what ``AgentoutoError.to_dict`` says of the error that the run raises; it is empty
    if the run is completed.
    """

    stamp: Stamp
    at: float
    status: Literal["completed", "failed", "cancelled"]
    outputs: tuple[Output, ...]
    output: str = ""
    error: Mapping[str, str] = {}
    spent: Mapping[str, float] = {}
    saved: SavedError = SavedError()


class CallStarted(msgspec.Struct, frozen=True, gc=False):
    """A participant has received a forward and starts to work on it.

    ``withheld`` is whether a hook has kept the forward from it, or was cancelled over it: then the
    call ends without having been answered. ``tool_call`` is the place of the tool call that it came
    from, empty for a starting agent's. ``person`` is whether a person answers.
    """

    stamp: Stamp
    at: float
    message: Message
    background: bool = False
    withheld: bool = False
    tool_call: str = ""
    person: bool = False


class ModelAsked(msgspec.Struct, frozen=True, gc=False):
    """The agent's transcript is sent to its model: ``attempt`` says for which time, from 1 on."""

    stamp: Stamp
    at: float
    model: str
    turn: int = 0
    attempt: int = 1


class ModelWaited(msgspec.Struct, frozen=True, gc=False):
    """The next request waits ``seconds``; ``attempt`` is the number of that try.

    ``why`` is ``parallel`` (all places are taken; ``seconds`` and ``most`` are ``None``), ``gate``
    (another request of the same key was told to wait) or ``retry`` (the last try failed). ``most``
    is the number of tries there will be at most.
    """

    stamp: Stamp
    at: float
    why: WaitReason
    attempt: int
    seconds: float | None = None
    error: str = ""
    status: int | None = None
    most: int | None = None


class ModelSwitched(msgspec.Struct, frozen=True, gc=False):
    """A stand-in is asked from now on, because the model before it is unavailable."""

    stamp: Stamp
    at: float
    model: str
    previous: str
    error: str
    turn: int = 0


class Replied(msgspec.Struct, frozen=True, gc=False):
    """The model has finished the reply of a turn.

    ``first`` is the time from the request to the first piece in seconds, ``cost`` in US dollars;
    both are ``None`` where that is unknown. ``model`` is empty where a hook wrote the reply.
    ``finish_is_text`` is whether what ``finish`` returns is text, which people read as they read
    the text of the reply.
    """

    stamp: Stamp
    at: float
    reply: Reply
    turn: int = 0
    first: float | None = None
    cost: float | None = None
    model: str = ""
    finish_is_text: bool = False


class Broken(msgspec.Struct, frozen=True, gc=False):
    """A request has failed, and its reply broke off after ``parts``, if it had begun."""

    stamp: Stamp
    at: float
    parts: tuple[Part, ...]
    turn: int = 0


class ToolStarted(msgspec.Struct, frozen=True, gc=False):
    """A tool call starts."""

    stamp: Stamp
    at: float
    tool_call: ToolCall
    builtin: bool


class ToolFinished(msgspec.Struct, frozen=True, gc=False):
    """A tool call has ended, with a result or an error."""

    stamp: Stamp
    at: float
    outcome: Outcome
    builtin: bool


class MessagePosted(msgspec.Struct, frozen=True, gc=False):
    """Mail was sent to a participant at work. ``stamp`` is the sender's, if it has a call."""

    stamp: Stamp
    at: float
    message: Message
    address: str


class CallReturned(msgspec.Struct, frozen=True, gc=False):
    """A participant has answered its forward."""

    stamp: Stamp
    at: float
    message: Message
    background: bool = False


class CallFailed(msgspec.Struct, frozen=True, gc=False):
    """A participant could not answer its forward. ``code`` is that of the error.

    Other agents are told ``for_agents``.
    """

    stamp: Stamp
    at: float
    error: str
    kind: FailureKind = "failed"
    code: str = "agent-failed"
    for_agents: str = ""
    saved: SavedError = SavedError()


class CallCancelled(msgspec.Struct, frozen=True, gc=False):
    """A call was cancelled before it could return."""

    stamp: Stamp
    at: float
    reason: str = ""


class MessageRead(msgspec.Struct, frozen=True, gc=False):
    """Mail was given to its receiver, whose ``stamp`` it is, in the given turn."""

    stamp: Stamp
    at: float
    message: Message
    turn: int


class MessageReturned(msgspec.Struct, frozen=True, gc=False):
    """Mail was not read: its receiver, whose ``stamp`` it is, has ended, or a hook refused it.

    ``withheld`` is whether there is a hook that has not let it pass.
    """

    stamp: Stamp
    at: float
    message: Message
    reason: str
    withheld: bool = False


class Repeated(msgspec.Struct, frozen=True, gc=False):
    """An agent got the message of one of its own calls again, from a descendant of that call."""

    stamp: Stamp
    at: float
    message: Message
    times: int


class Summarized(msgspec.Struct, frozen=True, gc=False):
    """The older part of a transcript was replaced by a summary."""

    stamp: Stamp
    at: float
    summary: str
    tokens_before: int
    tokens_after: int


class SummaryFailed(msgspec.Struct, frozen=True, gc=False):
    """The older part of a transcript should have been replaced by a summary, but there is none."""

    stamp: Stamp
    at: float
    error: str


class Spent(msgspec.Struct, frozen=True, gc=False):
    """What was used besides the turns of agents: by a summary, a peer or a tool.

    ``cost`` is in US dollars, ``None`` where that is unknown. ``model`` is empty for what a peer or
    a tool has reported. ``text`` is the summary as the model wrote it in ``turn``.
    """

    stamp: Stamp
    at: float
    usage: Usage
    cost: float | None = None
    purpose: Literal["summary", "reported"] = "summary"
    model: str = ""
    turn: int = 0
    text: str = ""


class MailAwaited(msgspec.Struct, frozen=True, gc=False):
    """An agent waits at most ``seconds`` for messages: of the call ``sender``, or of any."""

    stamp: Stamp
    at: float
    sender: str
    seconds: float


class MailWaitEnded(msgspec.Struct, frozen=True, gc=False):
    """An agent no longer waits for messages, after ``seconds``."""

    stamp: Stamp
    at: float
    sender: str
    seconds: float


class LimitNeared(msgspec.Struct, frozen=True, gc=False):
    """An agent is warned of a limit, or the limit is ``reached``: ``by`` wanted more than it."""

    stamp: Stamp
    at: float
    limit: str
    spent: float
    allowed: float
    reached: bool
    by: str = ""


class Noted(msgspec.Struct, frozen=True, gc=False):
    """The engine has told an agent something: see ``NoteKind``."""

    stamp: Stamp
    at: float
    kind: NoteKind
    text: str


class SourceMissing(msgspec.Struct, frozen=True, gc=False):
    """The run goes on without the tools of a source. ``stamp`` is the user's."""

    stamp: Stamp
    at: float
    source: str
    error: str


Event: TypeAlias = (
    RunStarted
    | CallStarted
    | ModelAsked
    | Token
    | Thinking
    | Drafted
    | ReplySoFar
    | ModelWaited
    | ModelSwitched
    | Replied
    | Broken
    | ToolStarted
    | ToolFinished
    | MessagePosted
    | CallReturned
    | CallFailed
    | CallCancelled
    | MessageRead
    | MessageReturned
    | MailAwaited
    | MailWaitEnded
    | LimitNeared
    | Noted
    | Repeated
    | Summarized
    | SummaryFailed
    | Spent
    | ToolProgress
    | SourceMissing
    | RunEnded
    | KeptEvent
)
