"""``Peer``: a participant that a function answers for, instead of a model.

An agent and a peer are participants alike: each takes a forward and gives a return. This module
does not know how a forward reaches a peer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Never, TypeAlias, cast

from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.functions import OnRestart, check_function, check_on_restart
from agentouto._domain.message import Message
from agentouto._domain.participants import Agent, check_name

AnswerFunction: TypeAlias = Callable[[Message], object] | Callable[[Message, Never], object]
"""A function that answers for a peer. The second parameter is a ``Here``, which this layer does not
know: ``Never`` stands for it, because a parameter of any type takes it."""

ANSWER_FORMS = ("message",), ("message", "here")
"""How a peer's function is called."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A participant without a model: a person, another framework's agent, another program.

    ::

        async def ask_library(message: Message) -> str:
            return await catalogue.search(message.content)

        library = Peer("library", "Knows every book of the house.", ask_library)
        result = run("Which books ...?", [writer], run_agents=[writer, library])

    Peers are called, written to, limited, cancelled and shown to hooks as agents are.

    Attributes:
        name: The name that others call it by: printable text without ``[ ] < >`` and line ends.
        role: What the others read about it.
        answer: Called with the forward, and with a ``Here`` if it takes a second argument: a plain
            function (it runs in a thread), an async one, or a generator of either kind, whose
            pieces are streamed. What it returns becomes text as a tool's result does, and a
            ``ToolResult`` carries files. ``None`` stands for all that was said with ``here.say``.
            What it raises is told to the caller.
        timeout: Seconds within which each call must return; ``None`` for as long as it takes.
        on_restart: What becomes of a call that was being answered when the process of a run with
            ``journal=`` ended: as in ``Tool``. ``None``: a person is asked again; of others the
            caller is told.
        person: Whether a person answers. Calls of a person are shown as questions, plain functions
            of persons run one at a time, and the wait does not count as seconds of the run.

    Raises:
        ConfigurationError: A value cannot work; the text names it and what can.
    """

    name: str
    role: str
    answer: AnswerFunction = field(repr=False)
    timeout: float | None = None
    person: bool = field(default=False, kw_only=True)
    on_restart: OnRestart | None = field(default=None, kw_only=True)
    takes_here: bool = field(init=False, repr=False, compare=False)
    """Whether ``answer`` is called with a ``Here`` as well, so that it can read mail."""

    def __post_init__(self) -> None:
        """Check every value, and look at the signature of ``answer``."""
        check_name(self.name, "A peer")
        if not isinstance(cast("object", self.role), str):
            raise ConfigurationError(f"Peer {self.name!r}: role={self.role!r:.40} is not text")
        timeout = cast("object", self.timeout)
        if timeout is not None and not (
            isinstance(timeout, int | float) and not isinstance(timeout, bool) and timeout > 0
        ):
            raise ConfigurationError(
                f"Peer {self.name!r}: timeout={timeout!r:.40} must be more than 0 seconds, or None"
            )
        if not isinstance(cast("object", self.person), bool):
            raise ConfigurationError(f"Peer {self.name!r}: person={self.person!r:.40} is no bool")
        if self.on_restart is not None:
            check_on_restart(f"Peer {self.name!r}", self.on_restart)
        check_function(f"Peer({self.name!r}, answer=)", self.answer, *ANSWER_FORMS)
        object.__setattr__(self, "takes_here", _takes_here(self.answer))


Participant: TypeAlias = Agent | Peer
"""Anyone who can take a forward and give a return."""


def kind_of_worker(participant: Participant) -> str | None:
    """Return the kind of worker that answers for a participant; ``None`` for that of its caller."""
    return participant.worker if isinstance(participant, Agent) else None


def _takes_here(answer: AnswerFunction) -> bool:
    """Whether ``answer`` has a second parameter that is called ``here`` or has no default."""
    try:
        parameters = inspect.signature(answer).parameters.values()
    except (TypeError, ValueError):  # some functions written in C do not say what they take
        return False
    positional = [one for one in parameters if one.kind in _POSITIONAL]
    second = positional[1] if len(positional) > 1 else None
    return second is not None and (second.name == "here" or second.default is second.empty)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
