"""Makes the calls, the mail and the budget of a run from what it has done in earlier processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from agentouto._core.ids import starter_id
from agentouto._core.result import usage_of
from agentouto._core.tool_arguments import BadArguments, json_or_text
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.errors import LimitReached
from agentouto._domain.event import (
    CallCancelled,
    CallFailed,
    CallReturned,
    Event,
    LimitNeared,
    MessagePosted,
    MessageRead,
    MessageReturned,
    ModelAsked,
    Replied,
    Spent,
)
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.kept_event import CallOpened, ResultsCleared, RunResumed, TurnRestarted
from agentouto._domain.message import USER, Message
from agentouto._domain.participants import Agent
from agentouto._engine.builtins import checked_result
from agentouto._engine.call import Call, Status
from agentouto._engine.calls import USER_ADDRESS
from agentouto._engine.delivery import NOTE_MARK, Delivery, Receipt, note_about
from agentouto._engine.log import Log
from agentouto._engine.past import Past, PastCall
from agentouto._engine.plan import Plan
from agentouto._engine.services import RunServices

_MESSAGE_EVENTS = (MessagePosted, MessageRead, MessageReturned, CallReturned, ResultsCleared)


class RestoredRun(msgspec.Struct, frozen=True):
    """The calls of a run that goes on.

    Attributes:
        starters: Those of the starting agents, in their order.
        background: Those in the background that have not ended.
        claimable: All that were made by other calls, which may make them again.
    """

    starters: list[Call]
    background: list[Call]
    claimable: dict[str, Call]


def restore_run(
    past: Past,
    run_id: str,
    services: RunServices,
    plan: Plan,
    log: Log,
    open_starter: Callable[[int, str], Call],
) -> RestoredRun:
    """Return the calls of a run; of a new one, those of the starting agents.

    A process may have ended between the opening of the first and of the last starting agent: those
    that are missing are opened now.
    """
    calls: dict[str, Call] = {}
    starters: list[Call] = []
    for id_, call in past.calls.items():
        if (opened := call.opened) is not None:
            number = len(starters) if opened.stamp.parent_call_id is None else -1
            made = _restored_call(past, call, opened, services, plan, log, calls, number)
            calls[id_] = made
            if number >= 0:
                starters.append(made)
    services.calls.by_id.update(calls)
    _restore_messages(past, calls)
    if past.events and past.ended is None:
        _record_resumption(past, run_id, calls, log)
        _restore_budget(past, services)
        _restore_mail(past, services, calls)
    base = starters[0].id if starters else run_id
    starters += [
        open_starter(index, starter_id(base, index, background=True))
        for index in range(len(starters), len(plan.starting))
    ]
    made_by_calls = {id_: call for id_, call in calls.items() if call.parent is not None}
    background = [call for call in calls.values() if call.background and _is_open(call)]
    return RestoredRun(starters, background, made_by_calls)


def _is_open(call: Call) -> bool:
    return call.status is Status.PENDING


def _restored_call(
    past_run: Past,
    past: PastCall,
    opened: CallOpened,
    services: RunServices,
    plan: Plan,
    log: Log,
    calls: dict[str, Call],
    number: int,
) -> Call:
    name = opened.message.receiver
    participant = plan.participants.get(name)
    if participant is None:
        raise ConfigurationError(
            f"the run had a participant {name!r}, which is not among those it goes on with: "
            f"{', '.join(plan.participants)}"
        )
    parent = calls.get(opened.stamp.parent_call_id or "")
    user_address = f"{USER_ADDRESS}{opened.stamp.call_id}" if plan.on_message else None
    outside = past_run.started.caller if past_run.started is not None else ""
    call = Call(
        participant,
        opened.message if past.started is None else past.started.message,
        log,
        path=f"{number}:{name}" if parent is None else f"{parent.path}/{opened.place}:{name}",
        parent=parent,
        caller_address=outside or user_address if parent is None else parent.id,
        history=opened.history,
        background=opened.background,
        tool_call=opened.place,
        mail_capacity=plan.limits.mail,
    )
    call.times = 1 if parent is None else services.nest.count_repeats(call)
    _restore_end(call, past, services)
    return call


def _restore_end(call: Call, past: PastCall, services: RunServices) -> None:
    match past.end:
        case CallReturned(message=message):
            call.status, call.result = Status.COMPLETED, message
            call.data = returned_data(call, message.content, services)
        case CallFailed(error=error, for_agents=for_agents):
            call.status, call.error, call.error_for_agents = Status.FAILED, error, for_agents
        case CallCancelled(reason=reason):
            call.status, call.cancel_reason = Status.CANCELLED, reason
        case None:
            if past.started is not None:  # else mail that waits could be thought to be deadlocked
                services.calls.running[call.id] = call
            return
    call.mailbox.close()


def returned_data(call: Call, content: str, services: RunServices) -> object:
    """Return the value that a starting agent returned, made again from its text."""
    if not call.is_starting:
        return None
    who = call.participant
    form = (
        services.setup.toolbox(who, starting=True).result_model
        if isinstance(who, Agent)
        else services.setup.result_model
    )
    if form is None:
        return None
    for value in (json_or_text(content), content):
        try:
            return checked_result(form, {"result": value}).data
        except BadArguments:
            continue
    return None


def _restore_messages(past: Past, calls: dict[str, Call]) -> None:
    """Give each call the messages that its report lists."""
    for event in past.events:
        if not isinstance(event, _MESSAGE_EVENTS):
            continue
        call = calls.get(event.stamp.call_id)
        match event:
            case MessagePosted(message=message, address=address):
                receiver = calls.get(address)
                if receiver is not None:
                    receiver.messages.append(message)
                if call is not None and call is not receiver:
                    call.messages.append(message)
            case MessageRead(message=message) if call is not None:
                _replace(call, message, message)
            case MessageReturned(message=message, withheld=True) if call is not None:
                _replace(call, message, None)
            case CallReturned(message=message) if call is not None:
                call.messages.append(message)
            case ResultsCleared(address=address, place=place):
                clearing = past.calls.get(event.stamp.call_id)
                if clearing is not None and place in clearing.outcomes and address in calls:
                    calls[address].messages.clear()
            case _:
                pass


def _replace(call: Call, message: Message, replacement: Message | None) -> None:
    found = next((one for one in call.messages if one.call_id == message.call_id), None)
    if found is not None:
        call.replace_message(found, replacement)


def _record_resumption(past: Past, run_id: str, calls: dict[str, Call], log: Log) -> None:
    log.append(RunResumed(Stamp(USER, run_id, None), log.now(), past.turns))
    for id_, call in calls.items():
        if past.calls[id_].is_asked and _is_open(call):
            call.log.record(TurnRestarted, past.calls[id_].turn)


def _restore_budget(past: Past, services: RunServices) -> None:
    budget = services.budget
    if budget is None:
        return
    started = [call for call in past.calls.values() if call.opened is not None]
    counted = sum(
        1
        for call in started
        if call.started is not None
        or (call.opened is not None and call.opened.stamp.parent_call_id is not None)
    )
    usage = usage_of(past.events)
    costs = (event.cost for event in past.events if isinstance(event, Replied | Spent))
    spent = {
        "calls": counted,
        "requests": sum(isinstance(event, ModelAsked) for event in past.events),
        "tokens": usage.total_tokens or 0,
        "cost": sum(cost for cost in costs if cost is not None),
        "seconds": past.seconds,
    }
    budget.restore(spent, _reached(past.events))


def _reached(events: Iterable[Event]) -> LimitReached | None:
    """Return the limit of the whole run that was reached."""
    for event in events:
        if isinstance(event, LimitNeared) and event.reached and event.limit != "turns":
            who, call = event.by or event.stamp.agent_name, event.stamp.call_id
            return LimitReached(who, event.limit, event.allowed, call_id=call)
    return None


def _restore_mail(past: Past, services: RunServices, calls: dict[str, Call]) -> None:
    """Put into the mailboxes what was sent and not read, and return what never will be."""
    unread: list[Delivery] = []
    for event in past.events:
        if isinstance(event, MessagePosted):
            receiver = calls.get(event.address)
            delivery = _delivery(event, calls)
            id_ = event.message.call_id
            if receiver is None or id_ in past.returned:
                continue
            if _is_open(receiver):
                if id_ not in past.calls[receiver.id].read:
                    receiver.mailbox.put(delivery, _is_recorded)
            elif id_ not in past.read:
                unread.append(delivery)
        elif isinstance(event, MessageReturned):
            posted = past.posted.get(event.message.call_id)
            if posted is not None and not posted.address.startswith(USER_ADDRESS):
                _put_note(_delivery(posted, calls), event.reason, past, calls)
    services.mail.return_to_senders(unread, "its reader has ended")


def _delivery(posted: MessagePosted, calls: dict[str, Call]) -> Delivery:
    message, writer = posted.message, posted.stamp.call_id
    sender = writer if writer in calls or message.sender != USER else None
    return Delivery(message, posted.address, sender, Receipt("", message.call_id))


def _put_note(returned: Delivery, reason: str, past: Past, calls: dict[str, Call]) -> None:
    sender = calls.get(returned.sender_address or "")
    if sender is None or returned.message.sender == USER or not _is_open(sender):
        return
    if f"{returned.message.call_id}{NOTE_MARK}" not in past.calls[sender.id].read:
        sender.mailbox.put_note(note_about(returned, reason))


def _is_recorded() -> None:
    """Do nothing: the message is on record."""
