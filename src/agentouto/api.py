"""The functions that start runs.

Each checks the arguments, creates the ``Run`` and gives it an owner: the caller, a stream, or the
host of background runs. The overloads are what users and their tools read. The first of each gives
the result the type of ``output_type``. The last names every option: that part is generated from
``Options`` and ``RunOptions``, and ``tests/typing/signatures.py`` compares it and writes it again.
Those of async functions return the ``CoroutineType`` that ``async def`` would say, because jedi
completes overloads of plain functions only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import CoroutineType, TracebackType
from typing import Any, Literal, TypeAlias, Unpack, cast, overload

from agentouto._blocking import run_blocking
from agentouto._core.result import RunResult
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.errors import JournalError
from agentouto._domain.hooks import Hooks, OnSummarize
from agentouto._domain.limits import Limits
from agentouto._domain.message import Attachment, Message
from agentouto._domain.participants import Provider
from agentouto._domain.peer import Participant
from agentouto._domain.result_type import Data_co
from agentouto._engine.event_loops import required_loop
from agentouto._engine.finalizers import end_block
from agentouto._engine.host import DEFAULT_HOST
from agentouto._engine.nesting import TOP_LEVEL, enclosing
from agentouto._engine.run import Run
from agentouto._engine.run_stream import RunStream
from agentouto._engine.save_and_exit import check_save_and_exit
from agentouto._engine.services import Durable
from agentouto._engine.tool import AnyTool
from agentouto._engine.tool_sources import ToolSource
from agentouto._engine.user import Approve, AskUser, OnMessage
from agentouto._journal.journal import JournalPlace, guard_journal, kept_in
from agentouto._options import OtherRunOptions, RunOptions, declared, make_plan

AnyTools: TypeAlias = Sequence[AnyTool | ToolSource | Callable[..., object]]


@overload
def run(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *,
    output_type: type[Data_co],
    **options: Unpack[OtherRunOptions],
) -> RunResult[Data_co]: ...
@overload
def run(
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
) -> RunResult: ...
@declared
def run(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *_older: object,
    **options: Unpack[RunOptions],
) -> RunResult:
    """Forward ``message`` to the starting agents and return what they return, from plain code.

    Inside a running event loop the run gets a loop and a thread of its own, and the caller's loop
    stands still until it is over: ``await async_run(...)`` is better there.

    The older order of arguments works too: entry agent, message, agents, tools, providers.

    Args:
        message: What the user asks for.
        starting_agents: Who is asked. All start at once.
        tools: Tools for everyone; plain functions are taken too.
        providers: How models are reached. An agent's provider may also be given with the agent, and
            ``"openai"`` and the like need not be given at all.
        attachments: Files that travel with the message. None.
        history: Messages of earlier runs that the starting agents read first, or dictionaries with
            their fields. None.
        debug: Whether ``event_log`` also has requests to models and their replies. ``False``.
        extra_instructions: More instructions for this run. None.
        extra_instructions_scope: Who gets them: ``"entry"``, the starting agents, or ``"all"``.
            ``"entry"``.
        run_agents: All agents of the run. The starting agents.
        disabled_tools: Names of built-in tools to leave out. None.
        enabled_tools: More built-in tools: ``"wait_for_messages"``, ``"list_running"``. None.
        on_message: Called with a message and a function that answers it, whenever an agent writes
            to the user; plain or async. None: agents cannot write to the user.
        context: An object for tools and peers, which read it as ``here().context``; no model sees
            it. None.
        ask_user: Called with a forward when an agent calls the user; returns the answer; plain or
            async. ``SAVE_AND_EXIT``: questions are kept in the journal, and the run ends with
            ``Waiting`` when it waits for nothing else. None: the user cannot be called.
        approve: Called with an ``Approval`` before a tool with ``needs_approval=True`` runs, which
            only ``True`` allows; plain or async. None: such tools are refused.
        on_summarize: Called with a ``Summary`` that is about to replace the older part of a
            transcript; returns another text, or None; plain or async. None.
        allow_background_agents: Whether agents may start calls without waiting. ``True``.
        output_type: The type that the starting agents return instead of text: any type that
            pydantic can check. ``RunResult.data`` is the value. None.
        background: What happens to such calls when all starting agents have returned: ``"wait"``
            for them, or ``"cancel"`` them. ``"wait"``.
        limits: How much the run may do. No limits.
        hooks: Functions that see, change or refuse messages, requests and tool calls. None.
        journal: The file or ``Journal`` that keeps the run beyond its process. None: none does.
        run_id: Its id there: the same call begins a run, goes on with it after a crash, and returns
            what it came to. None: an id is drawn.
        changed: Whether a kept run goes on with changed agents: ``"accept"``. ``"refuse"``.
        name: What the team is called, in event lines and traces. None.
        entry: One starting agent, instead of ``starting_agents``; an older word, used with
            ``agents``.
        agents: All agents of the run, instead of ``run_agents``; an older word, used with
            ``entry``.

    Raises:
        ConfigurationError: The arguments cannot work; nothing has been started.
        ProviderError: A starting agent's model failed.
        AuthError: A starting agent's model refused the credentials, or there were none.
        AgentError: A starting agent could not return.
    """
    given = message, starting_agents, tools, providers, *_older
    begun = new_run("run", given, options)
    return run_blocking(lambda: _executed(begun))


@overload
def async_run(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *,
    output_type: type[Data_co],
    **options: Unpack[OtherRunOptions],
) -> CoroutineType[Any, Any, RunResult[Data_co]]: ...
@overload
def async_run(
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
) -> CoroutineType[Any, Any, RunResult]: ...
@declared
async def async_run(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *_older: object,
    **options: Unpack[RunOptions],
) -> RunResult:
    """Do what ``run`` does, in async code: the same arguments and the same errors."""
    begun = new_run("async_run", (message, starting_agents, tools, providers, *_older), options)
    return await _executed(begun)


@overload
def async_run_stream(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *,
    output_type: type[Data_co],
    **options: Unpack[OtherRunOptions],
) -> RunStream[Data_co]: ...
@overload
def async_run_stream(
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
) -> RunStream: ...
@declared
def async_run_stream(
    message: str,
    starting_agents: Sequence[Participant] | None = None,
    tools: AnyTools | None = None,
    providers: Sequence[Provider] | None = None,
    *_older: object,
    **options: Unpack[RunOptions],
) -> RunStream:
    """Do what ``run`` does, with the same arguments, and yield events while it happens.

    Iterate over the stream for the events; ``await stream.result()`` gives the result. Leaving the
    iteration early ends the run; inside of ``async with`` it goes on until the block is left. At
    its end the iteration raises what the run raised.
    """
    given = message, starting_agents, tools, providers, *_older
    return RunStream(new_run("async_run_stream", given, options, reachable=True), DEFAULT_HOST)


def new_run(
    function: str,
    given: tuple[object, ...],
    options: RunOptions,
    *,
    background: bool = False,
    reachable: bool = False,
) -> Run:
    """Return a new run; the user can send messages to a ``reachable`` one."""
    guard_journal(cast("dict[str, object]", options))
    around = (
        TOP_LEVEL if background else enclosing()
    )  # the host owns what goes on in the background
    kept = kept_in(options.get("journal"), options.get("run_id"), options.get("changed"))
    if kept is not None and given[0] is None and kept[1] is not None:
        given = kept[0][kept[1]].message, *given[1:]
    plan = make_plan(function, given, options, DEFAULT_HOST.memory, around.limits)
    check_save_and_exit(plan, has_journal=kept is not None)
    random_id = SYSTEM_CLOCK.new_id()
    id_ = f"bg_{random_id[:12]}" if background else random_id
    durable: Durable | None = None
    if kept is not None:
        journal, run_id, accepts = kept
        id_ = run_id or id_
        DEFAULT_HOST.live.end_left(id_)
        durable = journal.open_run(id_, plan, accept_changes=accepts)
    reachable = background or reachable or plan.on_message is not None
    try:
        return Run(
            plan,
            id_,
            SYSTEM_CLOCK,
            background=background,
            reachable=reachable,
            enclosing=around,
            durable=durable,
        )
    except BaseException:
        if durable is not None:
            durable.close()
        raise


async def _executed(run: Run) -> RunResult:
    with _AwaitedRun(run):
        return await run.execute()


class _AwaitedRun:
    """A run that can be found while its caller waits for it.

    A class, and not functions in ``OnExit``, because thousands of runs may wait in it.
    """

    __slots__ = ("_loop", "_run")

    def __init__(self, run: Run) -> None:
        self._loop = required_loop()
        self._run = run

    def __enter__(self) -> None:
        DEFAULT_HOST.register(self._run, self._end_left)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end_block(self._unregister, self._loop, kind)

    def _unregister(self) -> None:
        DEFAULT_HOST.unregister(self._run)
        self._run.log.close()

    def _end_left(self) -> None:
        """End the run when its loop was closed: its journal has what was done, and lets it go."""
        run = self._run
        run.stop(for_good=False)
        try:
            with suppress(JournalError):  # who goes on with the run meets it again
                run.end(run.cancelled("its event loop was closed"))
        finally:
            self._unregister()
