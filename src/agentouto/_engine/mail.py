"""Messages to participants at work: who is there, and how they are reached.

An agent is reached by the id of its call, the user by a word and the id of the starting agent's
call they belong to. What was accepted is read; whoever writes too late is told. Nothing here knows
what a message is about or who waits for an answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import cast

from agentouto._core.identity import call_id
from agentouto._domain.errors import RoutingError
from agentouto._domain.event import MessagePosted, Stamp
from agentouto._domain.message import USER, Message
from agentouto._domain.misuse import ConfigurationError
from agentouto._domain.world import World
from agentouto._engine.call import Call, Mailbox, Status
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
        self._to_user = Mailbox()
        self._wake: Callable[[], object] = bool

    def begin(self, wake: Callable[[], object]) -> None:
        """Call ``wake``, from any thread, when there is something to ``deliver``."""
        self._wake = wake
        wake()

    def end(self) -> None:
        """Close every mailbox: nobody reads any more."""
        self._to_user.close()
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

    def report(self, task_id: str, *, clear: bool, to_agent: bool = False) -> str:
        """Return how a call is doing; ``clear`` forgets the messages it lists."""
        return self.find(task_id).report(clear=clear, to_agent=to_agent)

    async def post(self, address: str, content: str, *, by: Call, place: str) -> str:
        """Write to whoever is at work at ``address``; to the user, wait until it was read."""
        id_ = call_id(by.id, place)
        if self._call_of_user_at(address) is None:
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
        if not isinstance(cast("object", content), str):
            raise ConfigurationError(f"a message is text, not {content!r}")
        starter = self._call_of_user_at(address)
        if starter is None:
            return self._put(address, content, self._next_id(), None)
        message = Message("forward", USER, USER, content, self._next_id())
        posted = MessagePosted(starter.stamp, self._world.now(), message, address)
        self._to_user.put(message, starter.id, lambda: self._log.append(posted))
        self._wake()
        return f"Message sent to {USER} (task_id: {address})"

    async def deliver(self) -> None:
        """Hand to the user what was written to them from outside."""
        for message, address in self._to_user.drain():
            call = self.find(address or "")
            await self._person.receive(message, lambda text, call=call: self._answer(call, text))

    async def close_to_user(self) -> None:
        """Deliver the rest, and accept no more."""
        while not self._to_user.close_if_empty():
            await self.deliver()

    def _put(self, address: str, content: str, id_: str, by: Call | None) -> str:
        call = self.find(address)
        message = Message("forward", by.name if by else USER, call.name, content, id_)
        stamp = by.stamp if by else Stamp(USER, self._run_id, None)

        def accepted() -> None:
            call.messages.append(message)
            if by is not None and by is not call:
                by.messages.append(message)
            self._log.append(MessagePosted(stamp, self._world.now(), message, address))

        call.mailbox.put(message, by.id if by else None, accepted)
        return f"Message sent to {call.name} (task_id: {address})"

    def _answer(self, call: Call, text: str) -> None:
        self._put(call.id, text, self._next_id(), None)

    def _next_id(self) -> str:
        return call_id(self._run_id, f"letter.{next(self._numbers)}")

    def _call_of_user_at(self, address: str) -> Call | None:
        if not (self._person.reads and address.startswith(USER_ADDRESS)):
            return None
        return self.calls.get(address.removeprefix(USER_ADDRESS))
