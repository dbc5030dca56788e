"""Messages to participants at work: who is there, and how they are reached.

An agent is reached by the id of its call, the user by a word and the id of the starting agent's
call they belong to. What was accepted is read or comes back, and whoever writes too late is told.
Nothing here knows what a message is about.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import cast

from agentouto._core.identity import call_id
from agentouto._core.prompt import UNREAD
from agentouto._domain.errors import Refuse, RoutingError
from agentouto._domain.event import MessagePosted, MessageRead, MessageReturned, Stamp
from agentouto._domain.message import USER, Message
from agentouto._domain.misuse import ConfigurationError
from agentouto._domain.world import World
from agentouto._engine.call import Call, Mailbox, Status
from agentouto._engine.hooks import Watch
from agentouto._engine.letter import Fate, Letter, Receipt
from agentouto._engine.log import Log
from agentouto._engine.person import Person
from agentouto._engine.waits import Wait, circle, stuck

USER_ADDRESS = "user_"
"""Where the user is reached by a starting agent: this, and the id of that agent's call."""

MOST_LISTED = 200
"""How many of those at work an agent is told of at once: it has to read them all."""


def nobody_at(address: str) -> RoutingError:
    """Return the error for a letter or a question to somebody who was never there."""
    return RoutingError("unknown", f"No background agent found with task_id: {address}")


class Mail:
    """The mail of one run.

    Attributes:
        calls: Everyone who is, or was, at work, by address.
        at_work: Those who are.
    """

    def __init__(
        self,
        run_id: str,
        log: Log,
        world: World,
        person: Person,
        watch: Watch,
        *,
        user_writes: bool,
    ) -> None:
        self.calls: dict[str, Call] = {}
        self.at_work: dict[str, Call] = {}
        self._run_id = run_id
        self._log = log
        self._world = world
        self._person = person
        self._watch = watch
        self._user_writes = user_writes
        self._waiters = 0
        self._numbers = itertools.count()
        self._to_user = Mailbox()
        self._wake: Callable[[], object] = bool

    def begin(self, wake: Callable[[], object]) -> None:
        """Call ``wake``, from any thread, when there is something to ``deliver``."""
        self._wake = wake
        if self._to_user.waits():  # it was written before there was anybody to wake
            wake()

    def end(self, why: str) -> None:
        """Close every mailbox: nobody reads any more."""
        self._give_back(self._to_user.close(), why)
        for call in self.calls.values():
            self._give_back(call.mailbox.close(), why)
            if call.status is Status.PENDING:
                call.status = Status.CANCELLED

    def leave(self, call: Call, why: str) -> None:
        """Note that nobody works on ``call`` any more; what it has not read goes back."""
        self.at_work.pop(call.id, None)
        self._give_back(call.mailbox.close(), why)
        if self._waiters:
            held = stuck(self._waits(), user_writes=self._user_writes)
            for id_ in held:
                self.at_work[id_].mailbox.give_up()

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

    # ── writing ───────────────────────────────────────────────────────────────────────────────

    async def post(self, address: str, content: str, *, by: Call, place: str) -> str:
        """Write to whoever is at work at ``address``; to the user, wait until it was read."""
        id_ = call_id(by.id, place)
        if self._call_of_user_at(address) is None:
            return str(self._put(address, content, id_, by))
        message = Message("forward", by.name, USER, content, id_)
        by.messages.append(message)
        self._log.append(MessagePosted(by.stamp, self._world.now(), message, address))
        letter = Letter(message, address, None, Receipt("", id_))  # what is wrong is told at once
        if (refusal := await self._hand_over(letter, by)) is not None:
            raise RoutingError(USER, f"the message was refused: {refusal}")
        return f"Message sent to {USER} (task_id: {address})"

    def send(self, address: str, content: str) -> Receipt:
        """Write, as the user, to whoever is at work at ``address``. Works from any thread.

        Raises:
            RoutingError: Nobody was ever there, or has already returned, or takes no more.
        """
        if not isinstance(cast("object", content), str):
            raise ConfigurationError(f"a message is text, not {content!r}")
        content = str(content)  # a kind of text of somebody's own could not be sent
        starter = self._call_of_user_at(address)
        if starter is None:
            return self._put(address, content, self._next_id(), None)
        message = Message("forward", USER, USER, content, self._next_id())
        posted = MessagePosted(starter.stamp, self._world.now(), message, address)
        receipt = Receipt(f"Message sent to {USER} (task_id: {address})", message.call_id)
        letter = Letter(message, address, starter.id, receipt)
        self._to_user.put(letter, lambda: self._log.append(posted))
        self._wake()
        return receipt

    def _put(self, address: str, content: str, id_: str, by: Call | None) -> Receipt:
        call = self.find(address)
        message = Message("forward", by.name if by else USER, call.name, content, id_)
        stamp = by.stamp if by else Stamp(USER, self._run_id, None)
        receipt = Receipt(f"Message sent to {call.name} (task_id: {address})", id_)

        def accepted() -> None:
            call.messages.append(message)
            if by is not None and by is not call:
                by.messages.append(message)
            self._log.append(MessagePosted(stamp, self._world.now(), message, address))

        call.mailbox.put(Letter(message, address, by.id if by else None, receipt), accepted)
        return receipt

    # ── reading ───────────────────────────────────────────────────────────────────────────────

    async def read(self, call: Call) -> list[Letter]:
        """Take what was written to ``call``, as the hooks let it through."""
        letters = call.mailbox.drain()
        if not letters:
            return letters
        if not self._watch.sees_forwards:
            for letter in letters:
                self._note_read(letter, call.stamp, call.turn)
            return letters
        read: list[Letter] = []
        try:
            while letters:
                letter = letters[0]
                if letter.receipt is not None:
                    letter = await self._watched(letter)
                del letters[0]
                if letter is not None:
                    self._note_read(letter, call.stamp, call.turn)
                    read.append(letter)
        finally:
            call.mailbox.put_back(letters)
        return read

    async def deliver(self) -> None:
        """Hand to the user what was written to them from outside."""
        letters = self._to_user.drain()
        try:
            while letters:
                letter = letters.pop(0)
                await self._hand_over(letter, self.find(letter.sender_address or ""))
        finally:
            self._to_user.put_back(letters)

    async def close_to_user(self) -> None:
        """Deliver the rest, and accept no more."""
        while not self._to_user.close_if_empty():
            await self.deliver()

    async def _hand_over(self, letter: Letter, by: Call) -> str | None:
        """Put ``letter`` before the user, whose answers go to ``by``; return why not, if so."""
        try:
            passed = await self._watched(letter)
            if passed is None:
                return "" if letter.receipt is None else letter.receipt.reason
            await self._person.receive(passed.message, lambda text: self._answer(by, text))
        except asyncio.CancelledError:
            self._give_back([letter], "the run was cancelled")
            raise
        self._note_read(passed, by.stamp, by.turn)
        return None

    async def _watched(self, letter: Letter) -> Letter | None:
        """Return ``letter`` as its reader is to have it, if it is to have it."""
        try:
            message = await self._watch.forward(letter.message)
        except Refuse as refusal:
            self._give_back([letter], refusal.reason)
            return None
        return Letter(message, letter.address, letter.sender_address, letter.receipt)

    def _note_read(self, letter: Letter, reader: Stamp, turn: int) -> None:
        receipt = letter.receipt
        if receipt is not None:
            receipt.turn, receipt.status = turn, Fate.READ
            self._log.append(MessageRead(reader, self._world.now(), letter.message, turn))

    def _give_back(self, letters: list[Letter], why: str) -> None:
        """Tell the senders of ``letters`` that nobody will read them."""
        for letter in letters:
            receipt, message = letter.receipt, letter.message
            if receipt is None:
                continue
            receipt.reason, receipt.status = why, Fate.RETURNED
            reader = self.calls.get(letter.address)
            stamp = reader.stamp if reader else Stamp(USER, self._run_id, None)
            self._log.append(MessageReturned(stamp, self._world.now(), message, why))
            sender = self.calls.get(letter.sender_address or "")
            if sender is not None and message.sender != USER:
                told = UNREAD.format(
                    name=message.receiver, address=letter.address, why=why, text=message.content
                )
                sender.mailbox.note(
                    Letter(Message("forward", USER, sender.name, told, message.call_id), sender.id)
                )

    # ── waiting ───────────────────────────────────────────────────────────────────────────────

    async def wait(self, by: Call, seconds: float, sender: str) -> str | None:
        """Wait until there is mail for ``by``; return why there is none, if there is none.

        Args:
            by: Who waits.
            seconds: How long at most.
            sender: The call whose mail is waited for; empty for anybody's. Other mail ends the wait
                as well.
        """
        if sender and sender not in self.at_work:
            self.find(sender)
            return f"{self.calls[sender].name} is not at work any more and cannot write"
        by.wait = wait = Wait(mail=True, sender=sender)
        self._waiters += 1
        try:
            waits = self._waits()
            held = stuck(waits, user_writes=self._user_writes)
            if by.id in held and not by.mailbox.waits():
                return self._why_never(circle(waits, by.id, held))
            async with asyncio.timeout(seconds):
                return None if await by.mailbox.arrival() else self._why_never([by.id])
        except TimeoutError:
            return f"nothing has come within {seconds:g} s"
        finally:
            by.wait = None if by.wait is wait else by.wait  # it may wait twice at once
            self._waiters -= 1

    def who_is_at_work(self, by: Call) -> str:
        """Return everyone at work, a line each, for ``by`` to read."""
        waits = self._waits()
        lines: list[str] = []
        for id_, call in itertools.islice(self.at_work.items(), MOST_LISTED):
            wait = waits[id_]
            callees = [self.at_work[callee].name for callee in wait.callees]
            doing = f"waits for {', '.join(callees)}" if callees else "at work"
            doing = "waits for messages" if wait.mail else doing
            who = f"{call.name} (task_id: {id_})"
            lines.append(f"{who}: that is you" if call is by else f"{who}: {doing}")
        if more := len(self.at_work) - len(lines):
            lines.append(f"(and {more} more)")
        return "\n".join(lines)

    def _waits(self) -> dict[str, Wait]:
        callees: dict[str, list[str]] = {}
        for call in self.at_work.values():
            if call.parent is not None and not call.background:
                callees.setdefault(call.parent.id, []).append(call.id)
        return {
            id_: call.wait or Wait(tuple(callees.get(id_, ())))
            for id_, call in self.at_work.items()
        }

    def _why_never(self, path: list[str]) -> str:
        if len(path) > 2 and path[0] == path[-1]:
            names = [self.at_work[id_].name for id_ in path]
            pairs = (f"{one} waits for {other}" for one, other in itertools.pairwise(names))
            return f"Nobody can write any more: {', '.join(pairs)}"
        return "Nobody is left who could write"

    def _answer(self, call: Call, text: str) -> None:
        self._put(call.id, text, self._next_id(), None)

    def _next_id(self) -> str:
        return call_id(self._run_id, f"letter.{next(self._numbers)}")

    def _call_of_user_at(self, address: str) -> Call | None:
        if not (self._person.reads and address.startswith(USER_ADDRESS)):
            return None
        return self.calls.get(address.removeprefix(USER_ADDRESS))
