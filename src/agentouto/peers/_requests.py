"""What the adapters share: recognizing a framework, the prompt, questions and permissions.

All that goes to the user is asked through ``here()``, in the name of the peer whose call it is. So
it is a call of the run like any other: it is in the log, counts for the limits, and is answered
where the user of the run is, whichever framework has asked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, cast

from agentouto import ConfigurationError, Message, Refuse, here


def framework_of(thing: object, package: str, method: str, wanted: str) -> Any:
    """Return the module ``package``, of which a class of ``thing`` is, without importing it.

    Args:
        thing: What the user passed as an agent.
        package: The name of the framework's package.
        method: A method that the agent must have.
        wanted: What errors say is needed.

    Raises:
        ConfigurationError: ``thing`` is no such agent.
    """
    # Along the base classes, because a user's own subclass is defined in the user's module.
    classes = () if isinstance(thing, type) else type(thing).__mro__
    if not any(cls.__module__.partition(".")[0] == package for cls in classes):
        shown = repr(thing) if isinstance(thing, str | int | type | None) else type(thing).__name__
        raise ConfigurationError(f"peers: {shown:.80} is not {wanted}")
    module = sys.modules[package]  # it is there, since an object of it is
    if not callable(getattr(thing, method, None)):
        name = type(thing).__name__
        raise ConfigurationError(f"peers: this {name} has no {method}(), so it is not {wanted}")
    return module


def prompt_text(message: Message) -> str:
    """Return the text of ``message``, after the earlier messages that came with the call."""
    earlier = [f"[{one.sender} to {one.receiver}]: {one.content}" for one in here().history]
    if not earlier:
        return message.content
    return "\n\n".join(("Earlier messages:", *earlier, "Your task now:", message.content))


async def answer_of_user(question: object) -> str:
    """Ask the user under the peer's name, and return the answer."""
    return (await here().call("user", as_text(question))).content


async def refusal(tool: object, arguments: object) -> str | None:
    """Have the user approve one use of a tool.

    Returns:
        Why it is refused; ``None`` if it is approved.
    """
    shown = read_arguments(arguments)
    try:
        await here().ask_approval(str(tool), shown)
    except Refuse as refuse:
        return refuse.reason
    return None


def read_arguments(arguments: object) -> dict[str, object]:
    """Return the arguments of a tool by name, whichever form a framework has them in."""
    if isinstance(arguments, str):
        arguments = read_json(arguments)
    if arguments is None or isinstance(arguments, Mapping):
        return dict(as_fields(cast("object", arguments)))
    return {"arguments": arguments}


def as_fields(value: object) -> Mapping[str, Any]:
    """Return ``value`` if it is a mapping, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def as_text(value: object) -> str:
    """Return text as it is, all else as JSON, and what JSON has no form for as its ``repr``."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)


def read_json(text: str) -> object:
    """Return the value of JSON text, and any other text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def tool_question(tool: object, arguments: object) -> str:
    """Return the question for a tool that the user stands in for: its name and its arguments."""
    shown = read_arguments(arguments)
    values = [*shown.values()]
    only_text = len(values) == 1 and isinstance(values[0], str)
    return f"{tool}: {values[0] if only_text else as_text(shown)}"
