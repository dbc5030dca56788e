"""The figures of a run, and the kinds of work that its time is divided into.

``run_figures.py`` counts them; ``docs/figures.md`` says what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Doing(StrEnum):
    """What a call spends a part of its time on."""

    MODEL = "model"
    """It waits for the first word of its model."""
    WRITING = "writing"
    """Its model writes."""
    TOOL = "tool"
    """It uses a tool, and that waits neither for an approval nor for calls that it has made."""
    PERSON = "person"
    """A person is asked."""
    RATE_LIMIT = "rate limit"
    """Its next request to the model waits: the provider was busy, or the last try failed."""
    QUEUE = "queue"
    """Its next request to the model waits for a place under ``Limits(parallel=)``."""
    MAIL = "mail"
    """It waits for messages."""
    ENGINE = "engine"
    """Everything else: between two of these."""


class Repetition(msgspec.Struct, frozen=True):
    """Work that was asked for more than once.

    Attributes:
        kind: ``forward`` or ``tool``.
        name: The participant or the tool.
        text: The forward, or the arguments as JSON.
        times: How often it was done.
        seconds: What all but the first took together.
    """

    kind: str
    name: str
    text: str
    times: int
    seconds: float


class Straggler(msgspec.Struct, frozen=True):
    """A call that took at least twice as long as the calls made beside it.

    Attributes:
        call: Its id.
        agent: Its participant.
        seconds: How long it took.
        usual: The median time of the others.
        alone: How long its caller waited for nothing but this call.
    """

    call: str
    agent: str
    seconds: float
    usual: float
    alone: float


class PersonWait(msgspec.Struct, frozen=True):
    """The time until a person answered.

    Attributes:
        call: The id of the question.
        asked_by: Who asked.
        seconds: How long it took.
        decided: How much of that lies on the critical path.
    """

    call: str
    asked_by: str
    seconds: float
    decided: float


class Figures(msgspec.Struct, frozen=True):
    """What can be counted of a run.

    Attributes:
        seconds: The time to the answer; to the last line, if there is none yet.
        path: How much of that went into what, along the critical path.
        work: The time of all calls together that was no wait.
        speed_up: How many times longer the work would have taken one after the other.
        bound: The largest possible ``speed_up``: ``work`` by the part of the critical path that is
            no wait. More agents at once cannot make the run faster than that.
        messages: How many messages were sent.
        density: Messages for each reply of a model.
        repeated: Work that was asked for more than once, the most expensive first.
        stragglers: Calls that took far longer than those beside them.
        people: The waits for people.
    """

    seconds: float
    path: Mapping[Doing, float]
    work: float
    speed_up: float
    bound: float
    messages: int
    density: float
    repeated: tuple[Repetition, ...]
    stragglers: tuple[Straggler, ...]
    people: tuple[PersonWait, ...]
