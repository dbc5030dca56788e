"""Has calls answered in other processes: a call elsewhere is a participant like any other.

Theory of operation. A call of an agent with ``worker=`` becomes a run of its own, whose id is that
of the call. The caller makes the first two events of that run; a worker goes on with it as with any
run that was interrupted. So a call that is made again, after a crash of the caller, finds the run
that there is.

* ``Placement`` is all that this needs of what carries it out: who takes a call, how its run has
  gone, and a way to write to it. The end of the run is in its events, as of every run.
* Letters to the call are passed on as they come. One is marked as read only when it was accepted
  there. Those of an earlier process are passed on once more: each has an id, and arrives once.
* Letters from the call to calls outside of its run leave through ``Mail.outside``.
* What the call may use is what is left of each limit, as limits of its own. What it has used is
  added when it has returned.
* If the call is cancelled, its run is ended. If the process of the caller ends, it is not.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias, cast

import msgspec

from agentouto._core.ids import call_id, id_of_use
from agentouto._core.result import cost_of, usage_of
from agentouto._core.saved_errors import restored_error
from agentouto._core.signature import is_async
from agentouto._domain.configuration_error import AgentoutoError
from agentouto._domain.content import Usage
from agentouto._domain.errors import AgentError, RoutingError, ToolError
from agentouto._domain.event import (
    CallFailed,
    CallReturned,
    Event,
    MessagePosted,
    MessageRead,
    RunEnded,
    Spent,
)
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.functions import OnRestart
from agentouto._domain.kept_event import CallOpened
from agentouto._domain.limits import Limits
from agentouto._domain.message import USER, Message, ToolResult
from agentouto._domain.peer import Participant, Peer, kind_of_worker
from agentouto._engine.call import Call
from agentouto._engine.delivery import Letter, confirmation
from agentouto._engine.plan import Plan, first_event
from agentouto._engine.restore import returned_data
from agentouto._engine.services import RunServices
from agentouto._engine.tool import AnyTool

SPENT_LIMITS = ("calls", "requests", "tokens", "cost", "seconds")
"""The limits that a call elsewhere spends from."""

_NOTHING: Mapping[str, float] = MappingProxyType({})


class CallElsewhere(msgspec.Struct, frozen=True):
    """A call that is answered elsewhere, as a run of its own.

    Attributes:
        id: The id of the run and of its first call.
        worker: The kind of worker that takes it.
        plan: The arguments of the run.
        events: The first events of the run; it is gone on with from there.
    """

    id: str
    worker: str
    plan: Plan
    events: tuple[Event, ...]


class EndOfCall(msgspec.Struct, frozen=True):
    """Says that a call elsewhere is cancelled."""

    reason: str


Post: TypeAlias = Letter | EndOfCall
"""What is sent to a run elsewhere."""


class Placement(Protocol):
    """Carries out calls in other processes: all that the engine knows of workers and machines."""

    def takes(self, worker: str) -> bool:
        """Whether calls for workers of this kind are answered elsewhere, and not here."""
        ...

    async def answer(self, call: CallElsewhere, on_begun: Callable[[], object]) -> Sequence[Event]:
        """Have a call answered, begun or gone on with; return the events of its run, once ended.

        ``on_begun`` is called once the call can be written to.

        Raises:
            AgentError: No worker has taken it.
        """
        ...

    async def post(self, address: str, post: Post) -> str:
        """Send something to the call at ``address``, of whichever run; return its name.

        Raises:
            RoutingError: There is no such call, or it has ended.
        """
        ...


class Elsewhere:
    """The calls of one run that are answered elsewhere.

    Args:
        placement: Carries them out.
        services: The parts of the run.
        plan: The arguments of the run.
        run_id: The id of the run.
        earlier: The events of earlier processes.
    """

    def __init__(
        self,
        placement: Placement,
        services: RunServices,
        plan: Plan,
        run_id: str,
        earlier: Sequence[Event],
    ) -> None:
        self._placement = placement
        self._services = services
        self._plan = plan
        self._run_id = run_id
        self._earlier = earlier
        self._posted: set[str] = {
            one.message.call_id for one in earlier if isinstance(one, MessagePosted)
        }
        mail = services.mail
        mail.outside = self._post

    def takes(self, worker: str | None) -> bool:
        """Whether calls for workers of this kind are answered elsewhere."""
        return worker is not None and self._placement.takes(worker)

    async def answer(self, call: Call) -> ToolResult:
        """Have ``call`` answered.

        Raises:
            AgentoutoError: Its participant has failed, or no worker has taken the call.
        """
        forward, id_ = call.forward, call.id
        if id_ == self._run_id:  # a starting agent's call has the id of its run
            id_ = call_id(id_, "elsewhere")
            forward = replace(forward, call_id=id_)
        work = self._as_run(call, call.participant, forward, self._plan)
        begun = asyncio.Event()  # before that there is no mailbox
        letters = self._pass_letters_on(call, id_, begun)
        writer = asyncio.create_task(letters, name=f"letters to {id_}")
        try:
            events = await self._carried_out(work, call, begun.set)
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
        self._report(call, events)
        returned = _returned_by(events, call.name, id_)
        data = returned_data(call, returned.content, self._services)
        return ToolResult(returned.content, returned.attachments, data=data)

    async def use(
        self, call: Call, tool: AnyTool, arguments: Mapping[str, object], place: str
    ) -> ToolResult:
        """Use a tool elsewhere, at ``place`` in ``call``.

        Raises:
            ToolError: It has failed, or no worker has taken it.
        """
        id_ = id_of_use(call.id, place)
        peer = tool_as_peer(tool)
        forward = Message("forward", call.name, tool.name, json.dumps(arguments), id_)
        plan = plan_of_tool(self._plan, tool, peer)
        try:
            work = self._as_run(call, peer, forward, plan, tool.worker)
            events = await self._carried_out(work, call, bool)
            self._report(call, events)
            returned = _returned_by(events, tool.name, id_)
        except AgentError as error:
            if error.agent_name != tool.name:
                raise
            raise ToolError(tool.name, error.message) from error
        return ToolResult(returned.content, returned.attachments)

    async def _carried_out(
        self, work: CallElsewhere, call: Call, on_begun: Callable[[], object]
    ) -> Sequence[Event]:
        durable = self._services.durable
        if durable is not None:
            await durable.settle()  # that the call exists, before anyone answers it
        try:
            return await self._placement.answer(work, on_begun)
        except asyncio.CancelledError:
            if durable is not None and not durable.is_frozen():
                with suppress(RoutingError):  # it has ended
                    reason = call.cancel_reason or "its caller has ended"
                    await self._placement.post(work.id, EndOfCall(reason))
            raise

    def _as_run(
        self,
        call: Call,
        participant: Participant,
        forward: Message,
        plan: Plan,
        worker: str | None = None,
    ) -> CallElsewhere:
        services, id_ = self._services, forward.call_id
        worker = worker or kind_of_worker(participant) or ""
        is_tool = forward.receiver != call.name
        history = () if is_tool else call.history
        caller = call.id if is_tool else call.caller_address or ""
        own = msgspec.structs.replace(
            plan,
            message=forward.content,
            starting=(participant,),
            attachments=tuple(forward.attachments or ()),
            history=history,
            limits=limits_left(call, services, depth=call.depth + is_tool),
        )
        now = call.log.now()
        started = msgspec.structs.replace(
            first_event(own, Stamp(USER, id_, None), now),
            caller_run=self._run_id,
            caller=caller,
            worker=worker,
        )
        opened = CallOpened(Stamp(participant.name, id_, None), now, forward, "", history)
        return CallElsewhere(id_, worker, own, (started, opened))

    def _report(self, call: Call, events: Sequence[Event]) -> None:
        """Count what a run elsewhere has used."""
        usage, cost = usage_of(events), cost_of(events).dollars
        if usage.total_tokens is not None or cost:
            read, written, cached = usage.input_tokens, usage.output_tokens, usage.cached_tokens
            plain = Usage(read, written, cached, usage.reasoning_tokens, usage.complete)
            call.log.record(Spent, plain, cost, "reported")
        if (budget := self._services.budget) is not None:
            spent = next((one.spent for one in events if isinstance(one, RunEnded)), _NOTHING)
            calls = max(0, spent.get("calls", 1) - 1)  # that of the run itself is counted already
            budget.add(usage.total_tokens or 0, cost or 0.0, calls, spent.get("requests", 0))

    async def _pass_letters_on(self, call: Call, id_: str, begun: asyncio.Event) -> None:
        await begun.wait()
        earlier = self._earlier
        of_call = (one for one in earlier if one.stamp.call_id == call.id)
        read = {one.message.call_id for one in of_call if isinstance(one, MessageRead)}
        for event in earlier:
            if isinstance(event, MessagePosted) and event.message.call_id in read:
                message, sender = event.message, event.stamp.call_id
                letter = Letter(message.call_id, message.sender, sender, message.content)
                with suppress(RoutingError):  # it has ended, and its events say what it has read
                    await self._placement.post(id_, letter)
        while True:
            await call.mailbox.wait_for_mail()
            await self._pass_on(call, id_)

    async def _pass_on(self, call: Call, id_: str) -> None:
        unread, mail = call.mailbox.drain(), self._services.mail
        try:
            while unread:
                delivery = unread[0]
                sender = delivery.sender_address or ""
                message = delivery.message
                letter = Letter(message.call_id, message.sender, sender, message.content)
                try:
                    await self._placement.post(id_, letter)
                except RoutingError as error:
                    mail.return_to_senders([delivery], error.message)
                else:
                    if delivery.receipt is not None:
                        delivery.receipt.mark_read(0)
                        call.log.record(MessageRead, message, 0)
                del unread[0]
        finally:
            call.mailbox.put_back(unread)

    async def _post(self, address: str, content: str, id_: str, sender: Call) -> str:
        """Send a letter of ``sender`` to a call outside of the run; return the confirmation."""
        name = await self._placement.post(address, Letter(id_, sender.name, sender.id, content))
        message = Message("forward", sender.name, name, content, id_)
        if id_ not in self._posted:
            sender.messages.append(message)
            sender.log.record(MessagePosted, message, address)
        return confirmation(name, address)


def _returned_by(events: Sequence[Event], name: str, call_id: str) -> Message:
    """Return the return of the call that a run elsewhere was made for, or raise its error."""
    failed: AgentoutoError | None = None
    for event in reversed(events):
        if event.stamp.call_id == call_id and isinstance(event, CallReturned):
            return event.message
        if isinstance(event, RunEnded) and event.status == "cancelled":
            raise AgentError(name, "was cancelled", call_id=call_id)
        if isinstance(event, CallFailed) and event.stamp.call_id == call_id:
            raise restored_error(event.saved)
        if isinstance(event, RunEnded) and failed is None:
            failed = restored_error(event.saved)
    raise failed or AgentError(name, "has not ended", call_id=call_id)


def limits_left(call: Call, services: RunServices, *, depth: int) -> Limits:
    """Return what is left of each limit for a call elsewhere, which is ``depth`` calls deep here.

    Raises:
        LimitReached: Nothing is left of one.
    """
    limits, budget = services.setup.limits, services.budget
    if budget is None:
        return limits
    left: dict[str, float | None] = {}
    for name in SPENT_LIMITS:
        every = [
            (allowed - one.used(name), allowed)
            for one in budget.chain
            if (allowed := cast("float | None", getattr(one.limits, name))) is not None
        ]
        if not every:
            continue
        rest, allowed = min(every)
        rest += name == "calls"  # the run counts its own first call, which is counted here already
        if rest <= 0:
            raise budget.used_up(name, allowed, call.stamp)
        left[name] = rest
    if limits.depth is not None:
        left["depth"] = max(1, limits.depth - depth + 1)
    whole = {"calls", "requests", "tokens", "depth"}
    values = {name: int(rest) if name in whole else rest for name, rest in left.items() if rest}
    return replace(limits, **cast("dict[str, Any]", values))


def plan_of_tool(plan: Plan, tool: AnyTool, peer: Peer) -> Plan:
    """Return the plan of a run in which ``peer`` stands for ``tool``: a name has one meaning."""
    return msgspec.structs.replace(
        plan,
        participants={**plan.participants, peer.name: peer},
        tools={name: one for name, one in plan.tools.items() if name != tool.name},
    )


def tool_as_peer(tool: AnyTool) -> Peer:
    """Return a peer that uses ``tool`` with the arguments that it is sent as JSON."""

    def checked(message: Message) -> Mapping[str, object]:
        return tool.check(cast("dict[str, object]", json.loads(message.content))).values

    def use(message: Message) -> object:
        return tool.function(**checked(message))

    async def use_in_loop(message: Message) -> object:
        value = tool.function(**checked(message))
        return await value if inspect.isawaitable(value) else value

    def look(message: Message) -> object:
        policy = tool.on_restart
        return policy(**checked(message)) if callable(policy) else None

    on_restart: OnRestart = look if callable(tool.on_restart) else tool.on_restart
    in_loop = tool.in_loop or is_async(tool.function)
    return Peer(
        tool.name,
        tool.description,
        use_in_loop if in_loop else use,
        tool.timeout,
        on_restart=on_restart,
    )
