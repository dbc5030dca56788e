"""Delivers messages between the running participants of a run.

An agent is addressed by the id of its call; the user by ``user_`` and the id of the starting
agent's call that the message belongs to.

Theory of operation. Every message that was accepted ends as read or as returned to its sender.
``put`` runs in any thread; everything else runs in the loop of the run.

* ``Mailbox.put`` checks that the mailbox is open and appends under one lock; ``close`` and
  ``close_if_empty`` close it under the same lock. So a message is refused, or it is read, or it is
  among those that ``close`` hands over to be returned. With two steps, a message could be accepted
  between the check and the closing, and stay there unread.
* An agent that wants to return first passes the return hook and then calls ``close_if_empty``. The
  hook may take long, and mail that arrives meanwhile is read in one more turn. In the other order,
  an agent whose return is refused would go on working with a closed mailbox.
* ``put`` calls ``on_accepted`` under the lock that ``drain`` takes. So ``MessagePosted`` is in the
  log before ``MessageRead``, also where the sender is another thread. The log is written under the
  lock of the mailbox: the log must never call a mailbox.
* ``read`` removes a delivery from its batch only after the hook has let it pass. If the call is
  cancelled inside of the hook, the rest of the batch, that delivery included, goes back into the
  mailbox, and ``end_call`` returns it. Removed before the hook, it would be neither read nor
  returned. ``deliver`` may remove it first: if cancelled, ``_deliver_to_user`` returns it itself.
* ``end_call`` works in this order: the call leaves ``running``; its mailbox is closed and its
  mail returned; deadlocked waits are ended. Searched earlier, the call would count as one that can
  still write, and those that wait for it would wait until their timeouts. A sender that waits gets
  the note about its returned message first, which is mail, and so is not told that none can come.
* ``wait`` records what the call waits for and then looks for a deadlock, without an ``await``
  between. Of two calls that begin to wait for each other, the second one finds the cycle. It does
  not wait, and so frees the first one.
* ``begin`` stores ``wake`` and then looks for mail to the user. In the other order, a message from
  a thread could arrive between the two and wake no task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from agentouto._core.ids import call_id
from agentouto._domain.clock import new_id
from agentouto._domain.errors import Refuse, RoutingError
from agentouto._domain.event import (
    MailAwaited,
    MailWaitEnded,
    MessagePosted,
    MessageRead,
    MessageReturned,
)
from agentouto._domain.message import USER, Message
from agentouto._engine.call import Call, Mailbox, Status
from agentouto._engine.calls import USER_ADDRESS, Calls
from agentouto._engine.delivery import (
    Delivery,
    Letter,
    Receipt,
    add_id,
    checked_text,
    confirmation,
    note_about,
)
from agentouto._engine.earlier import EarlierMail
from agentouto._engine.finalizers import OnExit
from agentouto._engine.hook_runner import HookRunner
from agentouto._engine.log import Log
from agentouto._engine.running_calls import describe_deadlock, describe_running, waits_of
from agentouto._engine.senders import log_of_user, sender_of
from agentouto._engine.user import User
from agentouto._engine.wait_graph import Wait, find_cycle, find_deadlocked


class Mail:
    """The mail of one run, between the participants in ``calls``.

    Args:
        run_id: The id of the run.
        calls: The calls of the run.
        log: The log of the run.
        user: Reads what is sent to the user.
        hooks: See every message before its receiver does.
        user_writes: Whether the user can write at any time, so that an agent that waits for mail
            from any sender is not deadlocked.
        past: What was sent and waited for before, in a run with a journal.
    """

    def __init__(
        self,
        run_id: str,
        calls: Calls,
        log: Log,
        user: User,
        hooks: HookRunner,
        *,
        user_writes: bool,
        past: EarlierMail | None = None,
    ) -> None:
        self.calls: Calls = calls
        self.run_id: str = run_id
        self.outside: Callable[[str, str, str, Call], Awaitable[str]] | None = None
        self._log = log
        self._user = user
        self._hooks = hooks
        self._user_writes = user_writes
        self._past = past
        self._sent: dict[str, object] = {}
        self._waiters = 0
        self._to_user = Mailbox()
        self._wake: Callable[[], object] = bool  # does nothing: the run has not begun

    def begin(self, wake: Callable[[], object]) -> None:
        """Call ``wake``, from any thread, when there is something to ``deliver``."""
        self._wake = wake
        if self._to_user.has_mail():  # sent before the run began
            wake()

    @property
    def has_unread(self) -> bool:
        """Whether any mailbox has something to read."""
        return self._to_user.has_mail() or any(
            call.mailbox.has_mail() for call in self.calls.by_id.values()
        )

    def end(self, reason: str) -> None:
        """Close every mailbox, because the run has ended; what is unread is returned."""
        self.return_to_senders(self._to_user.close(), reason)
        for call in self.calls.by_id.values():
            self.return_to_senders(call.mailbox.close(), reason)
            if call.status in {Status.PENDING, Status.RUNNING}:
                call.status = Status.CANCELLED

    def end_call(self, call: Call, reason: str) -> None:
        """Close the mailbox of ``call``, which has ended; what is unread is returned."""
        self.calls.running.pop(call.id, None)
        self.return_to_senders(call.mailbox.close(), reason)
        if self._waiters:
            for id_ in find_deadlocked(waits_of(self.calls.running), user_writes=self._user_writes):
                self.calls.running[id_].mailbox.stop_waiting()

    # ── writing ───────────────────────────────────────────────────────────────────────────────

    async def post(self, address: str, content: str, *, sender: Call, place: str) -> str:
        """Send a message of the agent that runs ``sender``, and return the confirmation.

        A message to another agent is read later. A message to the user is handed to the user's
        callback before this returns.

        Args:
            address: The id of the receiver's call, or the address of the user.
            content: The text.
            sender: The call whose agent writes.
            place: Which tool call of ``sender`` this is.

        Raises:
            RoutingError: The receiver cannot be reached, or a hook refused the message.
        """
        id_ = call_id(sender.id, place)
        was_posted = self._past is not None and self._past.has_posted(id_)
        if self._call_of_user_at(address) is None:
            if self.outside is not None and address not in self.calls.by_id:
                return await self.outside(address, content, id_, sender)
            if was_posted:
                return confirmation(self.calls.find(address).name, address)
            return str(self._put(address, content, id_, sender))
        message = Message("forward", sender.name, USER, content, id_)
        if not was_posted:
            sender.messages.append(message)
            sender.log.record(MessagePosted, message, address)
        # Without the address of the sender: a refusal is raised here, so no note is sent.
        delivery = Delivery(message, address, None, Receipt("", id_))
        if (refusal := await self._deliver_to_user(delivery, sender)) is not None:
            raise RoutingError(USER, f"the message was refused: {refusal}")
        return confirmation(USER, address)

    def send(self, address: str, content: str, id_: str | None = None) -> Receipt:
        """Send a message of the user, from any thread; one with the same ``id_`` only once.

        Raises:
            RoutingError: There never was such a receiver, it has already returned, or its mailbox
                is full.
        """
        content = checked_text(content)
        starter = self._call_of_user_at(address)
        if id_ is not None and (again := self._sent_before(id_, address)) is not None:
            return again
        id_ = id_ or new_id()
        if starter is None:
            return self._settled(self._put(address, content, id_, None))
        message = Message("forward", USER, USER, content, id_)
        receipt = Receipt(confirmation(USER, address), id_)
        delivery = Delivery(message, address, starter.id, receipt)
        self._to_user.put(delivery, lambda: starter.log.record(MessagePosted, message, address))
        self._wake()
        return self._settled(receipt)

    def deliver_letter(self, address: str, letter: Letter) -> None:
        """Put a letter from another run into the mailbox at ``address``, once.

        Raises:
            RoutingError: There is no such participant, or it has already returned.
        """
        if self._sent_before(letter.id, address) is None:
            self._put(address, letter.text, letter.id, letter)

    def send_to_all(
        self, starters: Sequence[Call], content: str, id_: str | None = None
    ) -> Receipt:
        """Send a message of the user to each of ``starters`` that has not ended, from any thread.

        Raises:
            RoutingError: All of them have ended, or have full mailboxes.
        """
        content = checked_text(content)
        open_calls = [call for call in starters if call.status in {Status.PENDING, Status.RUNNING}]
        if len(open_calls) < 2:
            return self.send((open_calls or starters)[0].id, content, id_)
        if id_ is not None and (again := self._sent_before(id_, open_calls[0].id)) is not None:
            return again
        ids = [id_ or new_id(), *(new_id() for _ in open_calls[1:])]
        names = ", ".join(f"{call.name} (task_id: {call.id})" for call in open_calls)
        receipt = Receipt(f"Message sent to {names}", ids[0], receivers=len(ids))
        errors: list[RoutingError] = []
        for call, each in zip(open_calls, ids, strict=True):
            try:
                self._put(call.id, content, each, None, receipt)
            except RoutingError as error:
                errors.append(error)
                receipt.mark_returned(str(error))
        if len(errors) == len(ids):
            raise errors[0]
        return self._settled(receipt)

    def _sent_before(self, id_: str, address: str) -> Receipt | None:
        """Return a receipt if the message ``id_`` was sent before: its sender has given the id."""
        again = self._past is not None and self._past.has_posted(id_)
        if add_id(self._sent, id_) and not again:
            return None
        return Receipt(confirmation(self.calls.find(address).name, address), id_)

    def _settled(self, receipt: Receipt) -> Receipt:
        """Return ``receipt`` once its message is kept, if the run has a journal."""
        if self._past is not None:
            self._past.flush()
        return receipt

    def _put(
        self,
        address: str,
        content: str,
        id_: str,
        sender: Call | Letter | None,
        receipt: Receipt | None = None,
    ) -> Receipt:
        receiver = self.calls.find(address)
        name, sender_address, log = sender_of(sender, self._log, self.run_id)
        message = Message("forward", name, receiver.name, content, id_)
        receipt = receipt or Receipt(confirmation(receiver.name, address), id_)

        def on_accepted() -> None:
            receiver.messages.append(message)
            if isinstance(sender, Call) and sender is not receiver:
                sender.messages.append(message)
            log.record(MessagePosted, message, address)

        delivery = Delivery(message, address, sender_address, receipt)
        receiver.mailbox.put(delivery, on_accepted)
        return receipt

    # ── reading ───────────────────────────────────────────────────────────────────────────────

    async def read(self, call: Call) -> list[Delivery]:
        """Take what was sent to ``call``, as the hooks let it pass."""
        unread = call.mailbox.drain()
        if not unread:
            return unread
        if not self._hooks.sees_forwards:
            for delivery in unread:
                self._mark_read(delivery, call)
            return unread
        read: list[Delivery] = []
        with OnExit(lambda: call.mailbox.put_back(unread)):
            while unread:
                delivery = unread[0]
                passed = delivery if delivery.receipt is None else await self._pass_hooks(delivery)
                del unread[0]
                if passed is not None:
                    self._mark_read(passed, call)
                    read.append(passed)
        return read

    async def deliver(self) -> None:
        """Hand to the user what was sent to the user from outside of the run."""
        unread = self._to_user.drain()
        with OnExit(lambda: self._to_user.put_back(unread)):
            while unread:
                delivery = unread.pop(0)
                starter = self.calls.find(delivery.sender_address or "")
                await self._deliver_to_user(delivery, starter)

    async def close_to_user(self) -> None:
        """Deliver the rest, and accept no more."""
        while not self._to_user.close_if_empty():
            await self.deliver()

    async def _deliver_to_user(self, delivery: Delivery, call: Call) -> str | None:
        """Hand ``delivery`` to the user, whose answers go to ``call``; return a hook's refusal."""
        try:
            passed = await self._pass_hooks(delivery)
            if passed is None:
                return "" if delivery.receipt is None else delivery.receipt.reason
            await self._user.receive(passed.message, lambda text: self._answer(call, text))
        except asyncio.CancelledError:
            self.return_to_senders([delivery], "the run was cancelled")
            raise
        self._mark_read(passed, call)
        return None

    async def _pass_hooks(self, delivery: Delivery) -> Delivery | None:
        """Return ``delivery`` as the hooks change it, or ``None`` if one refuses it."""
        receiver = self.calls.by_id.get(delivery.address)
        try:
            message = await self._hooks.forward(delivery.message)
        except Refuse as refusal:
            if receiver is not None:
                receiver.replace_message(delivery.message, None)
            self.return_to_senders([delivery], refusal.reason)
            return None
        if receiver is not None and message is not delivery.message:
            receiver.replace_message(delivery.message, message)
        return Delivery(message, delivery.address, delivery.sender_address, delivery.receipt)

    def _mark_read(self, delivery: Delivery, reader: Call) -> None:
        receipt = delivery.receipt
        if receipt is not None:
            receipt.mark_read(reader.turn)
            reader.log.record(MessageRead, delivery.message, reader.turn)

    def return_to_senders(self, deliveries: list[Delivery], reason: str) -> None:
        """Mark ``deliveries`` as returned, and send a note to each sender that is an agent."""
        for delivery in deliveries:
            receipt, message = delivery.receipt, delivery.message
            if receipt is None:
                continue
            receipt.mark_returned(reason)
            receiver = self.calls.by_id.get(delivery.address)
            log = log_of_user(self._log, self.run_id) if receiver is None else receiver.log
            log.record(MessageReturned, message, reason, self._hooks.sees_forwards)
            sender = self.calls.by_id.get(delivery.sender_address or "")
            if sender is not None and message.sender != USER:
                sender.mailbox.put_note(note_about(delivery, reason))

    # ── waiting ───────────────────────────────────────────────────────────────────────────────

    async def wait(self, call: Call, seconds: float, sender: str) -> str | None:
        """Wait until there is mail for ``call``; return why there is none, or ``None``.

        Args:
            call: The call that waits.
            seconds: The timeout.
            sender: The id of the call whose mail is waited for; empty for any. Mail from others
                ends the wait as well.
        """
        if sender and sender not in self.calls.running:
            name = self.calls.find(sender).name
            return f"{name} is not at work any more and cannot write"
        call.wait = wait = Wait(mail=True, sender=sender)
        self._waiters += 1
        try:
            waits = waits_of(self.calls.running)
            deadlocked = find_deadlocked(waits, user_writes=self._user_writes)
            if call.id in deadlocked and not call.mailbox.has_mail():
                return describe_deadlock(find_cycle(waits, call.id, deadlocked), self.calls.running)
            began = self._log.now()
            left = None if self._past is None else self._past.seconds_to_wait(call, sender, seconds)
            if left is None:
                call.log.record(MailAwaited, sender, seconds)
            with OnExit(lambda: call.log.record(MailWaitEnded, sender, self._log.now() - began)):
                async with asyncio.timeout(seconds if left is None else left):
                    has_mail = await call.mailbox.wait_for_mail()
        except TimeoutError:
            return f"none arrived within {seconds:g} s"
        else:
            return None if has_mail else describe_deadlock([call.id], self.calls.running)
        finally:
            # Another tool call of the same reply may have begun to wait, and replaced it.
            call.wait = None if call.wait is wait else call.wait
            self._waiters -= 1

    def list_running(self, reader: Call) -> str:
        """Return a line about each running call, for the agent that runs ``reader``."""
        return describe_running(self.calls.running, reader)

    def _answer(self, call: Call, text: str) -> None:
        self._put(call.id, text, new_id(), None)

    def _call_of_user_at(self, address: str) -> Call | None:
        """Return the starting agent's call that a user's ``address`` belongs to, if it is one."""
        if not (self._user.reads and address.startswith(USER_ADDRESS)):
            return None
        return self.calls.by_id.get(address.removeprefix(USER_ADDRESS))
