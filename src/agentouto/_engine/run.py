"""Everything that lives exactly as long as one run: its tasks, its log, its calls.

A ``Run`` is the ``Offices`` of every call in it: it opens calls, sees them through and says
what came of them. It does not know how an agent works on a call; ``loop.py`` does.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import Enum

from agentouto._core.identity import call_id, starter_id, task_id
from agentouto._core.prompt import (
    BUILTIN_TOOL_NAMES,
    CALL_AGENT,
    READ_RESULT,
    standing,
    tags_of,
)
from agentouto._core.result import RunResult, joined, messages_of, usage_of
from agentouto._core.tokens import of_tools
from agentouto._domain.errors import (
    AgentError,
    AuthError,
    Cancelled,
    ConfigurationError,
    Output,
    Partial,
    ProviderError,
    RoutingError,
    ToolError,
)
from agentouto._domain.event import (
    Repeated,
)
from agentouto._domain.limits import Limits
from agentouto._domain.message import USER, Message
from agentouto._domain.participants import Agent
from agentouto._domain.ports import Backend
from agentouto._domain.world import World
from agentouto._engine.builtins import READING, toolbox
from agentouto._engine.call import Call, Status
from agentouto._engine.hooks import Watch
from agentouto._engine.limits import Pot
from agentouto._engine.log import Log
from agentouto._engine.mail import USER_ADDRESS, Mail
from agentouto._engine.offices import AnyTool, Builtin, Toolbox
from agentouto._engine.person import Person
from agentouto._engine.plan import Plan
from agentouto._engine.threads import Threads
from agentouto._engine.work import excuse, work


class Aside(Enum):
    """What goes on beside the starting agents."""

    CALL = "a call in the background"
    DELIVERY = "the delivery of messages to the user"
    SEARCH = "the search for how much a model can read"


class Run:
    """One run. Its calls can be found and written to at once; it begins with ``execute``."""

    def __init__(
        self,
        plan: Plan,
        run_id: str,
        world: World,
        *,
        background: bool = False,
        reachable: bool = False,
    ) -> None:
        self.id = run_id
        self.plan = plan
        self.world = world
        self.started_at: float = world.now()
        self.log: Log = Log()
        self.threads: Threads = Threads()
        self.person: Person = Person(plan.on_message, plan.ask_user, self.threads)
        self.watch: Watch = Watch(plan.hooks, plan.on_summarize, self.threads)
        self.limits: Limits = plan.limits
        self.pot: Pot | None = (
            Pot(plan.limits, plan.prices, world.now) if plan.limits.pooled else None
        )
        self._plain: Toolbox = toolbox(plan.toolbox())
        self._tools: Mapping[str, AnyTool | Builtin] = self._plain.tools
        self._toolboxes: dict[tuple[str, bool, bool], Toolbox] = {}
        self._weights: dict[int, int] = {}
        self.background_allowed: bool = plan.background_allowed
        self._can_read_results = not ({READ_RESULT} & {*plan.tools, *plan.disabled})
        for agent in (*plan.starting, *plan.agents.values()):  # a type nobody can give shows here
            self.toolbox(agent, starting=agent is plan.starting[0])
        self._introductions = plan.introductions()
        self.tags: re.Pattern[str] = tags_of(self._introductions)
        self._prompts: dict[tuple[str, bool], str] = {}
        self._failure: Exception | None = None
        self._aside: dict[asyncio.Task[None], Aside] = {}
        self._group: asyncio.TaskGroup | None = None
        self.mail: Mail = Mail(
            run_id, self.log, world, self.person, self.watch, user_writes=reachable
        )
        self.starters: list[Call] = [
            self._start(agent, starter_id(run_id, place, background=background), place)
            for place, agent in enumerate(plan.starting)
        ]

    async def execute(self) -> RunResult:
        """Forward the message to every starting agent at once and return what they return.

        Raises:
            AgentoutoError: A starting agent could not return. The others have, or have failed
                later; ``partial`` is all that was done.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                if self.person.reads:
                    self.mail.begin(lambda: loop.call_soon_threadsafe(self._deliver))
                tasks = [
                    group.create_task(self._begin(call), name=call.name) for call in self.starters
                ]
                if self.pot is not None:
                    self.pot.begin(lambda: self._end_early(tasks))
                if self.plan.cancel_background:
                    await asyncio.wait(tasks)
                    self._cancel_aside(Aside.CALL)
            if self.person.reads and (self.pot is None or self.pot.reached is None):
                async with asyncio.TaskGroup() as group:
                    self._put_aside(group.create_task(self.mail.close_to_user()), Aside.DELIVERY)
        finally:
            self.close()
        failure = self._failure if self.pot is None else self.pot.reached or self._failure
        if failure is not None:
            if isinstance(failure, AgentError | ProviderError | AuthError | Cancelled):
                failure.partial = self.partial(failure.partial.text)
            raise failure
        if any(call.status is Status.CANCELLED for call in self.starters):
            raise self.cancelled("a starting agent cancelled itself")
        return self.result()

    def result(self) -> RunResult:
        """Return what the run has come to."""
        facts = self.log.events
        outputs = self._outputs()
        return RunResult(
            joined(outputs, self.tags),
            messages_of(facts),
            outputs,
            usage_of(facts),
            facts=facts,
            debug=self.plan.debug,
        )

    def partial(self, text: str = "") -> Partial:
        """Return what has been done so far."""
        facts = self.log.events
        return Partial(self._outputs(), messages_of(facts), usage_of(facts), text)

    def cancelled(self, reason: str) -> Cancelled:
        """Return the error for whoever waits for the result of this run after it was cancelled."""
        error = Cancelled(f"the run was cancelled{f': {reason}' if reason else ''}")
        error.partial = self.partial()
        return error

    def _outputs(self) -> list[Output]:
        return [
            Output(
                call.name,
                call.id,
                call.result.content,
                list(call.result.attachments or ()),
                call.data,
            )
            for call in self.starters
            if call.result is not None
        ]

    def _deliver(self) -> None:
        if self._group is None:
            return
        delivery = self.mail.deliver()
        try:
            self._put_aside(self._group.create_task(delivery), Aside.DELIVERY)
        except RuntimeError:  # the group has just ended: the rest is delivered after it
            delivery.close()

    def _put_aside(self, task: asyncio.Task[None], kind: Aside) -> None:
        self._aside[task] = kind
        task.add_done_callback(self._aside.pop)

    def _cancel_aside(self, *kinds: Aside) -> None:
        for task, kind in self._aside.items():
            if kind in kinds:
                task.cancel()

    def _end_early(self, starters: Iterable[asyncio.Task[None]]) -> None:
        """Stop everything that is still at work."""
        for task in starters:
            task.cancel()
        self._cancel_aside(*Aside)

    def close(self) -> None:
        """Let nobody write to it any more."""
        self._group = None
        self.threads.close()
        if self.pot is not None:
            self.pot.close()
        self.mail.end("the run has ended")

    # ── what a run knows ──────────────────────────────────────────────────────────────────────

    def backend(self, agent: Agent) -> Backend:
        """Return what reaches the agent's model."""
        backend = self.plan.backends.get(agent.provider_name)
        if backend is None:  # a hook has put another provider in
            raise ConfigurationError(
                f"there is no provider {agent.provider_name!r} in this run; there are: "
                f"{', '.join(self.plan.backends)}"
            )
        return backend

    def find_window(self, agent: Agent) -> None:
        """Ask, while the run goes on, how much the agent's model can read."""
        search = self._tasks.create_task(self.backend(agent).find_window(agent))
        self._put_aside(search, Aside.SEARCH)

    def weight(self, box: Toolbox) -> int:
        """Return about how many tokens the tools of ``box`` take."""
        known = self._weights.get(id(box))  # toolboxes live as long as the run
        if known is None:
            known = self._weights[id(box)] = of_tools(box.specs)
        return known

    def standing_prompt(self, agent: Agent, *, starting: bool) -> str:
        """Return the part of the system prompt that all such calls of ``agent`` share."""
        key = agent.name, starting
        prompt = self._prompts.get(key)
        if prompt is None:
            others = (line for name, line in self._introductions.items() if name != agent.name)
            prompt = self._prompts[key] = standing(
                agent,
                "\n".join(others),
                tools=self._tools,
                extra=self.plan.extra_instructions if starting or self.plan.extra_for_all else None,
                plain_text=self.toolbox(agent, starting=starting).plain_text_returns,
            )
        return prompt

    def toolbox(self, agent: Agent, *, starting: bool) -> Toolbox:
        """Return the tools of such a call of ``agent``."""
        output_type = agent.output_type
        if output_type is None and starting:
            output_type = self.plan.output_type
        reads = self._can_read_results and self.backend(agent).window(agent) is not None
        if output_type is None and not reads:
            return self._plain
        key = ("", False, True) if output_type is None else (agent.name, starting, reads)
        box = self._toolboxes.get(key)
        if box is None:
            tools = {**self._tools, READ_RESULT: READING} if reads else self._tools
            box = self._toolboxes[key] = toolbox(tools, output_type)
        return box

    def why_no_tool(self, name: str) -> str:
        """Return what to tell an agent that asked for a tool which is not there."""
        if name in self.plan.disabled:
            return f"Tool '{name}' is disabled in this run."
        if name in self._introductions:
            return f"'{name}' is an agent, not a tool: {CALL_AGENT}(agent_name='{name}', ...)."
        own = ", ".join(tool for tool in self._tools if tool not in BUILTIN_TOOL_NAMES)
        return f"Unknown tool: '{name}'. Available tools: {own or '(none)'}"

    # ── forwards and returns ──────────────────────────────────────────────────────────────────

    async def call(
        self, name: str, content: str, *, by: Call, place: str, history: tuple[Message, ...]
    ) -> Message:
        """Forward to a participant and wait for its return."""
        call = self._open(name, content, call_id(by.id, place), by, place, history)
        try:
            return await self._work(call)
        except (ProviderError, AuthError) as error:
            raise AgentError(name, excuse(error), call_id=call.id) from error

    def spawn(
        self, name: str, content: str, *, by: Call, place: str, history: tuple[Message, ...]
    ) -> Call:
        """Forward without waiting; the run ends only when the new call has."""
        id_ = task_id(by.id, place)
        call = self._open(name, content, id_, by, place, history, background=True)
        self._put_aside(self._tasks.create_task(self._attend(call), name=id_), Aside.CALL)
        return call

    @property
    def _tasks(self) -> asyncio.TaskGroup:
        if self._group is None:
            raise RoutingError("unknown", "the run has ended")
        return self._group

    def _start(self, agent: Agent, id_: str, place: int) -> Call:
        plan = self.plan
        forward = Message("forward", USER, agent.name, plan.message, id_, list(plan.attachments))
        call = self.mail.calls[id_] = Call(
            agent,
            forward,
            path=f"{place}:{agent.name}",
            caller_address=f"{USER_ADDRESS}{id_}" if plan.on_message else None,
            history=plan.history,
            most_mail=plan.limits.mail,
        )
        return call

    def _open(
        self,
        name: str,
        content: str,
        id_: str,
        by: Call,
        place: str,
        history: tuple[Message, ...],
        *,
        background: bool = False,
    ) -> Call:
        agent = self.plan.agents.get(name)
        if agent is None and not (name == USER and self.person.answers):
            raise ToolError(CALL_AGENT, self._why_nobody(name))
        call = Call(
            agent,
            Message("forward", by.name, name, content, id_),
            path=f"{by.path}/{place}:{name}",
            parent=by,
            caller_address=by.id,
            history=history,
            background=background,
            most_mail=self.limits.mail,
        )
        times = _times_asked(call)
        if times > 1:
            self.log.append(Repeated(call.stamp, self.world.now(), call.forward, times))
        if self.pot is not None:
            depth = by.depth if agent is None else call.depth  # the user calls nobody
            self.pot.open_call(call.stamp, depth, times)
        self.mail.calls[id_] = call
        if agent is None:
            call.mailbox.close()  # the user answers the call and reads nothing besides
        return call

    def _why_nobody(self, name: str) -> str:
        if name == USER:
            return "Nobody can answer as 'user' in this run. Decide, and say what you assumed."
        if name in self._tools:
            return f"'{name}' is a tool, not an agent. Use it directly."
        return f"Unknown agent: '{name}'. Available agents: {', '.join(self._introductions)}"

    async def _begin(self, call: Call) -> None:
        try:
            if self.pot is not None:
                self.pot.open_call(call.stamp, call.depth, 1)
            await self._work(call)
        except Exception as error:  # noqa: BLE001 - raised to the user once the others are done
            self._failure = self._failure or error

    async def _attend(self, call: Call) -> None:
        with suppress(Exception):  # it is in the log, and nobody waits for it
            await self._work(call)

    async def _work(self, call: Call) -> Message:
        try:
            return await work(call, self)
        finally:
            if self._aside and not self.mail.at_work:
                self._cancel_aside(Aside.SEARCH)


def _times_asked(call: Call) -> int:
    """Return how often the same was asked of the same agent, from the starting agent down."""
    name, content, times = call.name, call.forward.content, 1
    above = call.parent
    while above is not None:
        times += above.name == name and above.forward.content == content
        above = above.parent
    return times
