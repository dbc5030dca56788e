"""Defines a call, which is one forward that is being answered, and the mailbox of its participant.

How a mailbox is closed, and why in this order, is explained in ``mail.py``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum

from agentouto._domain.errors import RoutingError
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.limits import MAX_MAIL
from agentouto._domain.message import USER, Message
from agentouto._domain.peer import Participant, Peer
from agentouto._engine.delivery import Delivery
from agentouto._engine.log import CallLog, Log
from agentouto._engine.wait_graph import Wait


class Status(StrEnum):
    """State of a call."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Mailbox:
    """Deliveries for a running participant, which it reads between two turns.

    Any thread may write or close it. Only the loop of the run reads and waits.
    """

    __slots__ = ("_capacity", "_closed_because", "_lock", "_open", "_unread", "_waiting")

    def __init__(self, capacity: int = MAX_MAIL) -> None:
        self._unread: list[Delivery] | None = None  # most calls never get mail: no list for them
        self._capacity = capacity
        self._open = True
        self._closed_because = "has already returned and reads no more messages"
        self._waiting: asyncio.Future[bool] | None = None
        self._lock = threading.Lock()

    def put(self, delivery: Delivery, on_accepted: Callable[[], None]) -> None:
        """Add ``delivery``. ``on_accepted`` is called under the lock, so before it can be read.

        Raises:
            RoutingError: The receiver has already returned, or its mailbox is full.
        """
        name = delivery.message.receiver
        with self._lock:
            if not self._open:
                raise RoutingError(name, self._closed_because)
            if self._unread is None:
                self._unread = []
            if len(self._unread) >= self._capacity:
                raise RoutingError(
                    name, f"has {self._capacity} unread messages and takes no more now"
                )
            on_accepted()
            self._unread.append(delivery)
            self._wake(has_mail=True)

    def put_note(self, note: Delivery) -> None:
        """Add a note of the engine's, unless the mailbox is closed. It may exceed the capacity."""
        with self._lock:
            if self._open:
                self._unread = self._unread or []
                self._unread.append(note)
                self._wake(has_mail=True)

    def drain(self) -> list[Delivery]:
        """Take everything that has arrived."""
        # Without the lock: a message that arrives now is read in the next turn, and the check in
        # ``close_if_empty``, under the lock, makes sure that there is one.
        if self._unread is None:
            return []
        with self._lock:
            deliveries, self._unread = self._unread, None
        return deliveries or []

    def put_back(self, deliveries: list[Delivery]) -> None:
        """Put what was drained but not read in front of what has arrived since."""
        if deliveries:
            with self._lock:
                self._unread = [*deliveries, *(self._unread or ())]

    def has_mail(self) -> bool:
        """Whether there is something to read."""
        return bool(self._unread)

    async def wait_for_mail(self) -> bool:
        """Wait until there is something to read; ``False`` if ``stop_waiting`` was called."""
        with self._lock:
            if self._unread:
                return True
            waiting = self._waiting
            if waiting is None or waiting.done():
                waiting = self._waiting = asyncio.get_running_loop().create_future()
        # Two tool calls of one reply may wait at once, each with its own timeout. Without the
        # shield, the first timeout would cancel the future of both.
        return await asyncio.shield(waiting)

    def stop_waiting(self) -> None:
        """Let ``wait_for_mail`` return: no mail can come."""
        with self._lock:
            self._wake(has_mail=False)

    def close_if_empty(self) -> bool:
        """Close the mailbox if there is nothing to read; return whether it is closed."""
        with self._lock:
            self._open = bool(self._unread)
            return not self._open

    def refuse_all(self, reason: str) -> None:
        """Close the mailbox of a participant that never reads; senders get ``reason``."""
        self._closed_because = reason
        self.close()

    def close(self) -> list[Delivery]:
        """Close the mailbox and return what was not read."""
        with self._lock:
            self._open = False
            deliveries, self._unread = self._unread, None
        return deliveries or []

    def _wake(self, *, has_mail: bool) -> None:
        waiting = self._waiting
        if waiting is None:
            return

        def resolve() -> None:
            if not waiting.done():
                waiting.set_result(has_mail)

        with suppress(RuntimeError):  # the loop is closed, and its tasks with it
            waiting.get_loop().call_soon_threadsafe(resolve)


class Call:
    """A forward, the participant that answers it, and how far it has got.

    Attributes:
        participant: The agent or peer that answers.
        forward: The message to answer; a hook may replace its text and files.
        id: The call's id, which is also the address of its mailbox.
        name: The name of the participant that answers.
        parent: The call this one was made from; ``None`` for a starting agent's.
        caller_address: Where the caller reads mail, if anywhere.
        history: Earlier messages that the agent's transcript begins with.
        background: Whether it was started without waiting for its return.
        tool_call: The place of the caller's tool call that it came from, if it came from one.
        times: How often an agent was asked this by its own descendants.
        path: Names and places from the starting agent down to this call.
        stamp: The stamp of this call's events.
        log: Where its events are recorded.
        mailbox: Messages to the participant while it runs.
        messages: What the participant was sent and has sent, for ``report``.
        status: Its state.
        result: The return, once there is one.
        data: The returned value, where ``output_type`` asks for a type.
        error: Why it failed, once it has.
        error_for_agents: The same for other agents, without the text of the provider's error.
        depth: How many calls it is inside of, itself included.
        task: The task that runs it, while it runs.
        cancel_reason: Why this call alone was cancelled; ``None`` if it was not.
        wait: What mail it waits for, while it does.
        turn: The number of the reply that it waits for or acts on, from 0.
        cut_results: Tool results that were shortened, in full, by the places of their tool calls.
        most_read: About how many tokens of such a result can be read at once.
    """

    __slots__ = (
        "background",
        "caller_address",
        "cancel_reason",
        "cut_results",
        "data",
        "depth",
        "error",
        "error_for_agents",
        "forward",
        "history",
        "id",
        "log",
        "mailbox",
        "messages",
        "most_read",
        "name",
        "parent",
        "participant",
        "path",
        "result",
        "stamp",
        "status",
        "task",
        "times",
        "tool_call",
        "turn",
        "wait",
    )

    def __init__(
        self,
        participant: Participant,
        forward: Message,
        log: Log,
        *,
        path: str,
        parent: Call | None = None,
        caller_address: str | None = None,
        history: tuple[Message, ...] = (),
        background: bool = False,
        tool_call: str = "",
        mail_capacity: int = MAX_MAIL,
    ) -> None:
        self.participant: Participant = participant
        self.forward: Message = forward
        self.id: str = forward.call_id
        self.name: str = forward.receiver
        self.parent: Call | None = parent
        self.caller_address: str | None = caller_address
        self.history: tuple[Message, ...] = history
        self.background: bool = background
        self.tool_call: str = tool_call
        self.times: int = 1
        self.path: str = path
        self.stamp: Stamp = Stamp(forward.receiver, forward.call_id, parent.id if parent else None)
        self.log: CallLog = log.for_call(self.stamp)
        self.mailbox: Mailbox = Mailbox(mail_capacity)
        if isinstance(participant, Peer) and not participant.takes_here:
            self.mailbox.refuse_all("takes no messages")
        self.messages: list[Message] = [forward]
        self.status: Status = Status.PENDING
        self.result: Message | None = None
        self.data: object = None
        self.error: str | None = None
        self.error_for_agents: str | None = None
        self.depth: int = 1 if parent is None else parent.depth + 1
        self.task: asyncio.Task[object] | None = None
        self.cancel_reason: str | None = None
        self.wait: Wait | None = None
        self.turn: int = 0
        self.cut_results: dict[str, str] = {}
        self.most_read: int = 0

    @property
    def is_starting(self) -> bool:
        """Whether a starting agent answers it: the user, and no agent elsewhere, has made it."""
        return self.parent is None and self.forward.sender == USER

    def cancel(self, reason: str) -> bool:
        """Cancel this call only, from any thread; return whether it had not ended."""
        if self.cancel_reason is not None or self.status not in {Status.PENDING, Status.RUNNING}:
            return False
        self.cancel_reason = reason
        task = self.task
        if task is None:  # it has not begun: CallRunner looks at cancel_reason when it does
            return self.status is Status.PENDING

        def stop() -> None:
            if self.task is task:  # else the call has ended, and the task may run on without it
                task.cancel()

        try:
            task.get_loop().call_soon_threadsafe(stop)
        except RuntimeError:  # the loop is closed, so the call has ended
            return False
        return True

    def replace_message(self, message: Message, replacement: Message | None) -> None:
        """Replace ``message`` in ``messages``, or remove it, unless a report has cleared it."""
        for index, each in enumerate(self.messages):
            if each is message:
                self.messages[index : index + 1] = [] if replacement is None else [replacement]
                return

    def report(self, *, clear: bool = False, to_agent: bool = False) -> str:
        """Return status, result, error and messages as text.

        Args:
            clear: Whether to forget the messages that the text lists.
            to_agent: Whether an agent reads it, which gets ``error_for_agents``.
        """
        messages = list(self.messages)
        if clear:
            del self.messages[: len(messages)]
        error = self.error_for_agents if to_agent else self.error
        lines = [f"Task ID: {self.id}", f"Agent: {self.name}", f"Status: {self.status}"]
        if self.result is not None:
            lines.append(f"Result: {self.result.content}")
        if error is not None:
            lines.append(f"Error: {error}")
        if messages:
            lines.append(f"Messages ({len(messages)}):")
        lines += [
            f"  [{message.type}] {message.sender} -> {message.receiver}: {message.content[:100]}"
            for message in messages
        ]
        return "\n".join(lines)
