"""The table of built-in tools: the description of each for models, and when an agent has it.

Everything else about built-in tools is derived from this table: the sets of names, the checks of
names, the paragraphs of the system prompt. What a tool does is in ``_engine/builtins.py``, under
the same name. A new tool is a row here and a function there.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from enum import Enum, auto

import msgspec

from agentouto._domain.ports import ToolSpec

CALL_AGENT = "call_agent"
SPAWN = "spawn_background_agent"
SEND_MESSAGE = "send_message"
GET_MESSAGES = "get_messages"
FINISH = "finish"
READ_RESULT = "read_result"
FIND_TOOLS = "find_tools"
USE_TOOL = "use_tool"
WAIT_FOR_MESSAGES = "wait_for_messages"
LIST_RUNNING = "list_running"

LONGEST_WAIT = 60
"""How many seconds an agent waits for mail, unless it says otherwise: long enough that a waiting
agent asks its model once a minute at most, short enough that it looks after its own work."""


class Offered(Enum):
    """When an agent has a built-in tool."""

    USUALLY = auto()
    """Always, unless ``disabled_tools=`` names it."""
    ON_REQUEST = auto()
    """Only if ``enabled_tools=`` names it."""
    AUTOMATICALLY = auto()
    """When the engine finds that the agent needs it, unless ``disabled_tools=`` names it."""


class Guidance(msgspec.Struct, frozen=True):
    """A sentence of the system prompt about a tool, and the heading of its paragraph.

    A paragraph is left out if the agent does not have the first tool that the paragraph is about.
    """

    paragraph: str
    sentence: str


class BuiltinTool(msgspec.Struct, frozen=True):
    """A row of the table.

    Attributes:
        spec: The description of the tool for models.
        offered: When an agent has it.
        guidance: What the system prompt says about it, if anything.
        quick: Whether it never waits and runs none of the user's code, so that it needs no task of
            its own.
        foreground: The description in a run without background calls, if that is different.
        only_background: Whether the tool is missing in a run without background calls.
    """

    spec: ToolSpec
    offered: Offered = Offered.USUALLY
    guidance: Guidance | None = None
    quick: bool = False
    foreground: ToolSpec | None = None
    only_background: bool = False

    @property
    def name(self) -> str:
        """The name that models use."""
        return self.spec.name

    def spec_in(self, *, background: bool) -> ToolSpec | None:
        """Return the description for a run with or without background calls."""
        if background:
            return self.spec
        return None if self.only_background else self.foreground or self.spec


def _spec(
    name: str, description: str, properties: Mapping[str, object], required: str = ""
) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": required.split()}
    return ToolSpec(name, description, schema)


def _text_parameter(description: str) -> dict[str, object]:
    return {"type": "string", "description": description}


def _flag_parameter(description: str) -> dict[str, object]:
    return {"type": "boolean", "description": description, "default": False}


_HISTORY_PARAMETER: dict[str, object] = {
    "type": "array",
    "description": "Earlier messages the agent should know of, oldest first.",
    "items": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["forward", "return"]},
            "sender": {"type": "string"},
            "receiver": {"type": "string"},
            "content": {"type": "string"},
        },
        "required": ["type", "sender", "receiver", "content"],
    },
}
_FORWARD_PARAMETERS: dict[str, object] = {
    "agent_name": _text_parameter("The agent's name, as listed."),
    "message": _text_parameter("All it needs to know to do the work."),
    "history": _HISTORY_PARAMETER,
}
_CALL_DESCRIPTION = (
    "Forward a message to another agent and wait for what it returns. "
    "The result is tagged with the agent's name."
)
_BACKGROUND = "BACKGROUND EXECUTION"

TABLE = (
    BuiltinTool(
        _spec(
            CALL_AGENT,
            _CALL_DESCRIPTION,
            {
                **_FORWARD_PARAMETERS,
                "background": _flag_parameter(
                    "Start it and go on at once, instead of waiting for its return."
                ),
            },
            "agent_name message",
        ),
        foreground=_spec(CALL_AGENT, _CALL_DESCRIPTION, _FORWARD_PARAMETERS, "agent_name message"),
        guidance=Guidance(
            "COLLABORATION GUIDELINES",
            "Everyone here is your equal, and everyone may use every tool. Ask an agent that knows "
            f"more than you with {CALL_AGENT}; it sees only what you write, so say all it needs. "
            "The same agent can be asked several things at once. Do what you can do well yourself.",
        ),
    ),
    BuiltinTool(
        _spec(
            SPAWN,
            "Start an agent in the background. Returns its task_id at once.",
            _FORWARD_PARAMETERS,
            "agent_name message",
        ),
        only_background=True,
        guidance=Guidance(
            _BACKGROUND,
            f"{SPAWN} starts an agent and gives you its task_id at once, while you go on.",
        ),
    ),
    BuiltinTool(
        _spec(
            SEND_MESSAGE,
            "Send a message to a participant that is at work. The receiver reads it before its "
            "next step. This tool returns no reply: an answer comes as a message of its own.",
            {
                "task_id": _text_parameter("The task_id of the receiver."),
                "message": _text_parameter("The text of the message."),
            },
            "task_id message",
        ),
        guidance=Guidance(_BACKGROUND, f"{SEND_MESSAGE} reaches it while it works."),
    ),
    BuiltinTool(
        _spec(
            GET_MESSAGES,
            "Get the status, result and messages of an agent that was started.",
            {
                "task_id": _text_parameter("The task_id to look at."),
                "clear": _flag_parameter("Forget the listed messages afterwards."),
            },
            "task_id",
        ),
        quick=True,
        guidance=Guidance(_BACKGROUND, f"{GET_MESSAGES} returns its status, result and messages."),
    ),
    BuiltinTool(
        _spec(
            FINISH,
            "Return your result to the caller. This ends your work on the call.",
            {"message": _text_parameter("Your result.")},
            "message",
        ),
        quick=True,
    ),
    BuiltinTool(
        _spec(
            READ_RESULT,
            "Read more of a tool's result that was too long to be shown whole.",
            {
                "id": _text_parameter("The id, as it stands where characters are left out."),
                "from": {"type": "integer", "description": "The first character, counted from 0."},
                "to": {"type": "integer", "description": "The character after the last one."},
            },
            "id",
        ),
        Offered.AUTOMATICALLY,  # where the context window is known, so that results may be cut
        quick=True,
    ),
    BuiltinTool(
        _spec(
            FIND_TOOLS,
            "Find tools that are not listed here. There are many; this shows the names, the "
            f"descriptions and the parameters of those that fit best. {USE_TOOL} uses one.",
            {"words": _text_parameter("Words for what the tool should do.")},
            "words",
        ),
        Offered.AUTOMATICALLY,  # where sources have more tools than a model is shown
        quick=True,
    ),
    BuiltinTool(
        _spec(
            USE_TOOL,
            f"Use a tool that {FIND_TOOLS} has found.",
            {
                "name": _text_parameter("The name of the tool."),
                "arguments": {"type": "object", "description": "Its arguments, by name."},
            },
            "name arguments",
        ),
        Offered.AUTOMATICALLY,
    ),
    BuiltinTool(
        _spec(
            WAIT_FOR_MESSAGES,
            "Wait until a message for you arrives, instead of checking again and again.",
            {
                "timeout": {
                    "type": "number",
                    "description": "How many seconds to wait at most.",
                    "default": LONGEST_WAIT,
                },
                "task_id": _text_parameter("The task_id of one sender, to wait for that one only."),
            },
        ),
        Offered.ON_REQUEST,
    ),
    BuiltinTool(
        _spec(LIST_RUNNING, "List the participants at work in this run, with task_ids.", {}),
        Offered.ON_REQUEST,
        quick=True,
    ),
)
"""Every built-in tool, in the order in which models see them."""


def _names_offered(*offered: Offered) -> frozenset[str]:
    return frozenset(row.name for row in TABLE if row.offered in offered)


BUILTIN_TOOL_NAMES = _names_offered(Offered.USUALLY)
"""The tools that every agent has without being given them."""

OPTIONAL_TOOL_NAMES = _names_offered(Offered.ON_REQUEST)
"""Built-in tools that an agent has only where ``enabled_tools=`` names them."""

DISABLED_BY_NAME = _names_offered(Offered.USUALLY, Offered.AUTOMATICALLY)
"""The names that ``disabled_tools=`` takes."""

RESERVED_NAMES = _names_offered(*Offered)
"""The names that no agent may have."""


def guidance(tools: Container[str]) -> Iterator[str]:
    """Yield the paragraphs of the system prompt for an agent that has ``tools``."""
    paragraphs: dict[str, list[str]] = {}
    for row in TABLE:
        if row.guidance is None:
            continue
        paragraph, sentence = row.guidance.paragraph, row.guidance.sentence
        first = paragraph not in paragraphs
        sentences = paragraphs.setdefault(paragraph, [])
        if row.spec.name in tools and (first or sentences):
            sentences.append(sentence)
    for paragraph, sentences in paragraphs.items():
        if sentences:
            yield f"{paragraph}:\n{' '.join(sentences)}"
