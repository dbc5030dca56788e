"""The arguments of a run, checked and complete, before anything is started."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from agentouto._domain.event import RunStarted
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.hooks import Hooks, OnSummarize
from agentouto._domain.limits import Limits, Price
from agentouto._domain.memory import Memory
from agentouto._domain.message import Attachment, Message
from agentouto._domain.participants import Agent
from agentouto._domain.peer import Participant, Peer
from agentouto._domain.ports import Backend
from agentouto._engine.tool import AnyTool
from agentouto._engine.tool_sources import ToolSource
from agentouto._engine.user import Approve, OnMessage


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run needs to begin. ``memory`` has what earlier runs have left for it."""

    message: str
    starting: tuple[Participant, ...]
    participants: Mapping[str, Participant]
    backends: Mapping[str, Backend]
    tools: Mapping[str, AnyTool]
    sources: tuple[ToolSource, ...] = ()
    context: object = None
    disabled: frozenset[str] = frozenset()
    enabled: frozenset[str] = frozenset()
    attachments: tuple[Attachment, ...] = ()
    history: tuple[Message, ...] = ()
    extra_instructions: str | None = None
    extra_for_all: bool = False
    on_message: OnMessage | None = None
    approve: Approve | None = None
    on_summarize: OnSummarize | None = None
    limits: Limits = Limits()
    prices: Mapping[str, Price] = {}
    hooks: Hooks = Hooks()
    background_allowed: bool = True
    cancel_background: bool = False
    debug: bool = False
    output_type: object = None
    memory: Memory = msgspec.field(default_factory=Memory)
    name: str = ""
    worker: str = ""


def first_event(plan: Plan, stamp: Stamp, at: float) -> RunStarted:
    """Return the first event of a run; ``stamp`` is that of all its own events."""
    everyone = plan.participants.values()
    return RunStarted(
        stamp,
        at,
        plan.message,
        tuple(agent.name for agent in plan.starting),
        tuple(
            (one.name, one.model, one.provider_name, one.role)
            for one in everyone
            if isinstance(one, Agent)
        ),
        tuple((one.name, one.role, one.person) for one in everyone if isinstance(one, Peer)),
        tuple((name, tool.needs_approval) for name, tool in plan.tools.items()),
        plan.limits,
        len(plan.history),
        plan.attachments,
        plan.name,
        worker=plan.worker,
    )
