"""``StreamEvent``, and what each type of it has in ``data``.

A checker that has seen ``event.type == "token"`` knows the type of ``event.data``. At run time
there is one class, and ``data`` is a dictionary, which ``rendering.py`` fills. Annotations are not
texts here, because ``TypedDict`` compiles each text.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NotRequired, TypeAlias, TypedDict, cast

if sys.version_info >= (3, 13):  # PEP 696: type variables with a default
    from typing import TypeVar
else:
    from typing_extensions import TypeVar

StreamEventType: TypeAlias = Literal[
    "token",
    "thinking",
    "tool_call",
    "tool_result",
    "agent_call",
    "agent_return",
    "message",
    "user_message",
    "message_read",
    "message_returned",
    "repeated",
    "summarized",
    "summary_failed",
    "retry",
    "tool_progress",
    "source_missing",
    "run_resumed",
    "turn_restarted",
    "tool_interrupted",
    "finish",
    "error",
]

Type_co = TypeVar("Type_co", bound=str, covariant=True, default=StreamEventType)
Fields_co = TypeVar(
    "Fields_co", bound=Mapping[str, object], covariant=True, default=Mapping[str, Any]
)


@dataclass(frozen=True, slots=True)
class StreamEvent(Generic[Type_co, Fields_co]):
    """One event of a run, as ``async_run_stream`` and ``get_stream_events`` yield it.

    Attributes:
        type: ``token``, ``thinking``, ``tool_call``, ``tool_result``, ``agent_call``,
            ``agent_return``, ``message``, ``user_message``, ``message_read``,
            ``message_returned``, ``repeated``, ``summarized``, ``summary_failed``, ``retry``,
            ``tool_progress``, ``source_missing``, ``run_resumed``, ``turn_restarted``,
            ``tool_interrupted``, ``finish`` or ``error``.
        agent_name: The agent at work.
        call_id: The call it is working on.
        parent_call_id: The call that call was made from; ``None`` for a starting agent's.
        data: The details, by name. ``event["data"]`` reads the same attribute as ``event.data``.
    """

    type: Type_co
    agent_name: str
    call_id: str
    parent_call_id: str | None
    data: Fields_co = field(default_factory=cast("Callable[[], Fields_co]", dict))

    def __getitem__(self, name: str) -> Any:
        """Return an attribute by its name."""
        if name not in self.__slots__:
            raise KeyError(name)
        return getattr(self, name)


class FileFields(TypedDict):
    """A file that was returned; ``data`` is base64."""

    mime_type: str
    data: str | None
    url: str | None
    name: str | None


class TokenFields(TypedDict):
    """A piece of the text of a reply, under two names.

    ``tool`` is ``finish`` if it is a piece of the text that the agent returns with that tool.
    """

    token: str
    text: str
    tool: NotRequired[str]


class ThinkingFields(TypedDict):
    """A piece of the thinking of a reply."""

    thinking: str


class ToolCallFields(TypedDict):
    """A tool that is used; ``tool_call`` tells the tool calls of one call apart.

    ``raw_arguments`` is what the model wrote, where it is no JSON.
    """

    tool_name: str
    tool_call: str
    arguments: dict[str, Any]
    raw_arguments: NotRequired[str]


class ToolResultFields(TypedDict):
    """What a tool returned, an error included."""

    tool_name: str
    tool_call: str
    result: str
    attachments: list[FileFields] | None


AgentCallFields = TypedDict(
    "AgentCallFields",
    {"from": str, "message": str, "tool_call": str, "approval": NotRequired[dict[str, Any]]},
)
"""A forward that an agent gets from another, by a tool call of that one.

``approval`` has ``id``, ``tool`` and ``arguments`` where the user is asked to approve a tool.
"""


class AgentReturnFields(TypedDict):
    """A return, as the caller sees it."""

    result: str


class FinishFields(TypedDict):
    """A return."""

    output: str
    attachments: list[FileFields] | None


class MailFields(TypedDict):
    """A message to a participant at work."""

    message: str
    sender: str
    id: str


class SentFields(MailFields):
    """A message to an agent at work, and where it goes."""

    receiver: str
    task_id: str


class ReadFields(MailFields):
    """A message that was read in ``turn``."""

    turn: int


class ReturnedFields(MailFields):
    """A message that will not be read."""

    reason: str


class RepeatedFields(TypedDict):
    """A question that an agent gets again."""

    message: str
    times: int


class SummarizedFields(TypedDict):
    """The summary of older turns, and about how many tokens there were before and after."""

    summary: str
    tokens_before: int
    tokens_after: int


class SummaryFailedFields(TypedDict):
    """Why older turns could not be summarized."""

    error: str


class RetryFields(TypedDict):
    """A request that is made again after ``wait`` seconds."""

    attempt: int
    wait: float
    error: str


class ProgressFields(TypedDict):
    """How far a tool or a peer is; ``tool_call`` is where the tool is used, ``None`` in a peer."""

    tool_call: str | None
    text: str
    done: float | None
    total: float | None


class SourceMissingFields(TypedDict):
    """A source of tools that could not be read, and why."""

    source: str
    error: str


class ResumedFields(TypedDict):
    """A run that goes on in another process, with so many replies that it has already."""

    turns: int


class RestartedFields(TypedDict):
    """A turn whose reply is asked for again: what was told of it before is void."""

    turn: int


class InterruptedFields(TypedDict):
    """A tool that was at work when the process ended; ``tool_call`` is empty for a peer."""

    tool_call: str
    tool: str
    policy: str


class ErrorFields(TypedDict):
    """Why a call could not return."""

    error: str


AnyStreamEvent: TypeAlias = """(
    StreamEvent[Literal["token"], TokenFields]
    | StreamEvent[Literal["thinking"], ThinkingFields]
    | StreamEvent[Literal["tool_call"], ToolCallFields]
    | StreamEvent[Literal["tool_result"], ToolResultFields]
    | StreamEvent[Literal["agent_call"], AgentCallFields]
    | StreamEvent[Literal["agent_return"], AgentReturnFields]
    | StreamEvent[Literal["message"], SentFields]
    | StreamEvent[Literal["user_message"], MailFields]
    | StreamEvent[Literal["message_read"], ReadFields]
    | StreamEvent[Literal["message_returned"], ReturnedFields]
    | StreamEvent[Literal["repeated"], RepeatedFields]
    | StreamEvent[Literal["summarized"], SummarizedFields]
    | StreamEvent[Literal["summary_failed"], SummaryFailedFields]
    | StreamEvent[Literal["retry"], RetryFields]
    | StreamEvent[Literal["tool_progress"], ProgressFields]
    | StreamEvent[Literal["source_missing"], SourceMissingFields]
    | StreamEvent[Literal["run_resumed"], ResumedFields]
    | StreamEvent[Literal["turn_restarted"], RestartedFields]
    | StreamEvent[Literal["tool_interrupted"], InterruptedFields]
    | StreamEvent[Literal["finish"], FinishFields]
    | StreamEvent[Literal["error"], ErrorFields]
)"""  # a text, because it takes 9 ms to make these types, and only type checkers need them
"""An event of any type: comparing its ``type`` tells a checker which."""
