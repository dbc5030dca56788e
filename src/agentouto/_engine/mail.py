"""Messages to participants at work: who is there, and how they are reached.

An agent is reached by the id of its call, the user by a word and the id of the starting agent's
call they belong to. What was accepted is read; whoever writes too late is told. Nothing here knows
what a message is about or who waits for an answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine

from agentouto._core.identity import call_id
from agentouto._domain.errors import RoutingError
from agentouto._domain.event import MessagePosted, Stamp
from agentouto._domain.message import USER, Message
from agentouto._domain.world import World
from agentouto._engine.call import Call, Status
from agentouto._engine.log import Log
from agentouto._engine.person import Person

USER_ADDRESS = "user_"
"""Where the user is reached by a starting agent: this, and the id of that agent's call."""


def nobody_at(address: str) -> RoutingError:
    """Return the error for a letter or a question to somebody who was never there."""
    return RoutingError("unknown", f"No background agent found with task_id: {address}")


class Mail:
    """The mail of one run.

    Attributes:
        calls: Everyone who is, or was, at work, by address.
    """

    def __init__(self, run_id: str, log: Log, world: World, person: Person) -> None:
        self.calls: dict[str, Call] = {}
        self._run_id = run_id
        self._log = log
        self._world = world
        self._person = person
        self._numbers = itertools.count()
        self._start: Callable[[Coroutine[object, object, None]], object] | None = None

    def begin(self, start: Callable[[Coroutine[object, object, None]], object]) -> None:
        """Open for the time of the run; ``start`` begins a task of the run, from any thread."""
        self._start = start

    def end(self) -> None:
        """Close every mailbox: nobody reads any more."""
        self._start = None
        for call in self.calls.values():
            call.mailbox.close()
            if call.status is Status.PENDING:
                call.status = Status.CANCELLED

    def find(self, address: str) -> Call:
        """Return the call at ``address``.

        Raises:
            RoutingError: There never was one.
        """
        call = self.calls.get(address)
        if call is None:
            raise nobody_at(address)
        return call

    def report(self, task_id: str, *, clear: bool) -> str:
        """Return how a call is doing; ``clear`` forgets the messages it lists."""
        call = self.find(task_id)
        text = call.report()
        if clear:
            call.messages.clear()
        return text

    async def post(self, address: str, content: str, *, by: Call, place: str) -> str:
        """Write to whoever is at work at ``address``; to the user, wait until it was read."""
        id_ = call_id(by.id, place)
        if self._starter_of_user_at(address) is None:
            return self._put(address, content, id_, by)
        message = Message("forward", by.name, USER, content, id_)
        by.messages.append(message)
        self._log.append(MessagePosted(by.stamp, self._world.now(), message, address))
        await self._person.receive(message, lambda text: self._answer(by, text))
        return f"Message sent to {USER} (task_id: {address})"

    def send(self, address: str, content: str) -> str:
        """Write, as the user, to whoever is at work at ``address``. Works from any thread.

        Raises:
            RoutingError: Nobody was ever there, or has already returned.
        """
        starter, start = self._starter_of_user_at(address), self._start
        if starter is None:
            return self._put(address, content, self._next_id(), None)
        if start is None:
            raise RoutingError(USER, "reads no more messages: the run has ended")
        message = Message("forward", USER, USER, content, self._next_id())
        self._log.append(MessagePosted(starter.stamp, self._world.now(), message, address))
        start(self._person.receive(message, lambda text: self._answer(starter, text)))
        return f"Message sent to {USER} (task_id: {address})"

    def _put(self, address: str, content: str, id_: str, by: Call | None) -> str:
        call = self.find(address)
        message = Message("forward", by.name if by else USER, call.name, content, id_)
        call.mailbox.put(message, by.id if by else None)
        call.messages.append(message)
        if by is not None and by is not call:
            by.messages.append(message)
        stamp = by.stamp if by else Stamp(USER, self._run_id, None)
        self._log.append(MessagePosted(stamp, self._world.now(), message, address))
        return f"Message sent to {call.name} (task_id: {address})"

    def _answer(self, call: Call, text: str) -> None:
        self._put(call.id, text, self._next_id(), None)

    def _next_id(self) -> str:
        return call_id(self._run_id, f"letter.{next(self._numbers)}")

    def _starter_of_user_at(self, address: str) -> Call | None:
        if not (self._person.reads and address.startswith(USER_ADDRESS)):
            return None
        return self.calls.get(address.removeprefix(USER_ADDRESS))
