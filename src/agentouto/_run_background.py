"""``run_background`` and ``run_background_sync``. They begin as the functions of ``api.py`` do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Unpack, overload

from agentouto._domain.hooks import Hooks, OnSummarize
from agentouto._domain.limits import Limits
from agentouto._domain.message import Attachment, Message
from agentouto._domain.participants import Provider
from agentouto._domain.peer import Participant
from agentouto._domain.result_type import Data_co
from agentouto._engine.host import DEFAULT_HOST, Handle
from agentouto._engine.user import Approve, AskUser, OnMessage
from agentouto._journal.journal import JournalPlace
from agentouto._options import OtherRunOptions, RunOptions, declared
from agentouto.api import AnyTools, new_run


@overload
def run_background(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *,
    output_type: type[Data_co],
    **options: Unpack[OtherRunOptions],
) -> Handle[Data_co]: ...
@overload
def run_background(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *,
    output_type: object = None,
    attachments: Sequence[Attachment] | None = None,
    history: Iterable[Message | Mapping[str, object]] | None = None,
    debug: bool = False,
    extra_instructions: str | None = None,
    extra_instructions_scope: Literal["entry", "all"] = "entry",
    run_agents: Sequence[Participant] | None = None,
    disabled_tools: Iterable[str] | None = None,
    enabled_tools: Iterable[str] | None = None,
    on_message: OnMessage | None = None,
    context: object = None,
    ask_user: AskUser | None = None,
    approve: Approve | None = None,
    on_summarize: OnSummarize | None = None,
    allow_background_agents: bool = True,
    background: Literal["wait", "cancel"] = "wait",
    limits: Limits | None = None,
    hooks: Hooks | None = None,
    journal: JournalPlace | None = None,
    run_id: str | None = None,
    changed: Literal["refuse", "accept"] = "refuse",
    name: str | None = None,
    entry: Participant | None = None,
    agents: Sequence[Participant] | None = None,
) -> Handle: ...
@declared
def run_background(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *_older: object,
    **options: Unpack[RunOptions],
) -> Handle:
    """Start a run and return at once. It takes the arguments of ``run``.

    In a running event loop the run lives there and ends with it; from plain code it lives in a
    background thread and ends with the interpreter.

    Returns:
        The task id, which is also a handle of the run. With several starting agents, the
        handle stands for all of them. As an address in ``send_message``, the id is that of the
        first one; the others have the id with ``_1``, ``_2`` and so on.
    """
    given = message, starting_agents, tools, providers, *_older
    return DEFAULT_HOST.start(
        new_run("run_background", given, options, background=True), portal=False
    )


@overload
def run_background_sync(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *,
    output_type: type[Data_co],
    **options: Unpack[OtherRunOptions],
) -> Handle[Data_co]: ...
@overload
def run_background_sync(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *,
    output_type: object = None,
    attachments: Sequence[Attachment] | None = None,
    history: Iterable[Message | Mapping[str, object]] | None = None,
    debug: bool = False,
    extra_instructions: str | None = None,
    extra_instructions_scope: Literal["entry", "all"] = "entry",
    run_agents: Sequence[Participant] | None = None,
    disabled_tools: Iterable[str] | None = None,
    enabled_tools: Iterable[str] | None = None,
    on_message: OnMessage | None = None,
    context: object = None,
    ask_user: AskUser | None = None,
    approve: Approve | None = None,
    on_summarize: OnSummarize | None = None,
    allow_background_agents: bool = True,
    background: Literal["wait", "cancel"] = "wait",
    limits: Limits | None = None,
    hooks: Hooks | None = None,
    journal: JournalPlace | None = None,
    run_id: str | None = None,
    changed: Literal["refuse", "accept"] = "refuse",
    name: str | None = None,
    entry: Participant | None = None,
    agents: Sequence[Participant] | None = None,
) -> Handle: ...
@declared
def run_background_sync(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *_older: object,
    **options: Unpack[RunOptions],
) -> Handle:
    """Do what ``run_background`` does, always in the background thread."""
    given = message, starting_agents, tools, providers, *_older
    return DEFAULT_HOST.start(
        new_run("run_background_sync", given, options, background=True), portal=True
    )
