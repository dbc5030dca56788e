"""``run_stream``: a run, and its events, for plain code. It begins as those of ``api.py`` do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Unpack, overload

from agentouto._domain.hooks import Hooks, OnSummarize
from agentouto._domain.limits import Limits
from agentouto._domain.message import Attachment, Message
from agentouto._domain.participants import Provider
from agentouto._domain.peer import Participant
from agentouto._domain.result_type import Data_co
from agentouto._engine.host import DEFAULT_HOST
from agentouto._engine.plain_stream import PlainStream
from agentouto._engine.user import Approve, AskUser, OnMessage
from agentouto._journal.journal import JournalPlace
from agentouto._options import OtherRunOptions, RunOptions, declared
from agentouto.api import AnyTools, new_run


@overload
def run_stream(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *,
    output_type: type[Data_co],
    **options: Unpack[OtherRunOptions],
) -> PlainStream[Data_co]: ...
@overload
def run_stream(
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
) -> PlainStream: ...
@declared
def run_stream(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *_older: object,
    **options: Unpack[RunOptions],
) -> PlainStream:
    """Do what ``run`` does, with the same arguments, and yield events while it happens.

    ``for event in run_stream(...)`` in plain code; ``stream.result()`` has the result. Leaving the
    iteration early ends the run. At its end the iteration raises what the run raised. The run is in
    a background thread.
    """
    given = message, starting_agents, tools, providers, *_older
    return PlainStream(new_run("run_stream", given, options, reachable=True), DEFAULT_HOST)
