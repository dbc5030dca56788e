"""One forward that is being answered, and the mailbox of whoever answers it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum

from agentouto._domain.errors import RoutingError
from agentouto._domain.event import Stamp
from agentouto._domain.message import Message
from agentouto._domain.participants import Agent


class Status(StrEnum):
    """How a call is doing."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Mailbox:
    """Messages for a participant at work, read between two turns. Any thread may write.

    Each message comes with the address of its sender, if that can be written to.
    """

    __slots__ = ("_lock", "_open", "_unread")

    def __init__(self) -> None:
        self._unread: list[tuple[Message, str | None]] = []
        self._open = True
        self._lock = threading.Lock()

    def put(
        self, message: Message, sender_address: str | None, accepted: Callable[[], None]
    ) -> None:
        """Deliver ``message``; ``accepted`` is called first, so that nobody reads it before.

        Raises:
            RoutingError: The receiver has already returned.
        """
        with self._lock:
            if not self._open:
                raise RoutingError(
                    message.receiver, "has already returned and reads no more messages"
                )
            accepted()
            self._unread.append((message, sender_address))

    def drain(self) -> list[tuple[Message, str | None]]:
        """Take everything that has arrived."""
        with self._lock:
            letters, self._unread = self._unread, []
        return letters

    def close_if_empty(self) -> bool:
        """Refuse further mail, unless there is some; say whether it was closed."""
        with self._lock:
            self._open = bool(self._unread)
            return not self._open

    def close(self) -> None:
        """Refuse further mail."""
        with self._lock:
            self._open = False


class Call:
    """Who was asked, by whom, and how it stands.

    Attributes:
        agent: Who answers; ``None`` is the user.
        forward: The message that asks.
        parent: The call this one was made from; ``None`` for a starting agent's.
        caller_address: Where the caller can be written to, if anywhere.
        history: Messages that the agent knows from before.
        path: Names and places from the starting agent down to here.
        stamp: What events of this call bear.
        mailbox: What others write to the participant at work.
        messages: What it was sent and has sent, itself.
        status: How it stands.
        result: What it returned, once it has.
        data: The value it returned, where a type was asked for.
        error: Why it did not, once it could not.
        excuse: The same in words for other agents, without what a provider said.
    """

    __slots__ = (
        "agent",
        "background",
        "caller_address",
        "data",
        "error",
        "excuse",
        "forward",
        "history",
        "mailbox",
        "messages",
        "parent",
        "path",
        "result",
        "stamp",
        "status",
    )

    def __init__(
        self,
        agent: Agent | None,
        forward: Message,
        *,
        path: str,
        parent: Call | None = None,
        caller_address: str | None = None,
        history: tuple[Message, ...] = (),
        background: bool = False,
    ) -> None:
        self.agent: Agent | None = agent
        self.forward: Message = forward
        self.parent: Call | None = parent
        self.caller_address: str | None = caller_address
        self.history: tuple[Message, ...] = history
        self.background: bool = background
        self.path: str = path
        self.stamp: Stamp = Stamp(forward.receiver, forward.call_id, parent.id if parent else None)
        self.mailbox: Mailbox = Mailbox()
        self.messages: list[Message] = [forward]
        self.status: Status = Status.PENDING
        self.result: Message | None = None
        self.data: object = None
        self.error: str | None = None
        self.excuse: str | None = None

    @property
    def id(self) -> str:
        """The call's id, which is also the address of its mailbox."""
        return self.forward.call_id

    @property
    def name(self) -> str:
        """The name of the participant who answers."""
        return self.forward.receiver

    def report(self, *, clear: bool = False, to_agent: bool = False) -> str:
        """Return status, result, error and messages as text; ``clear`` forgets those messages."""
        messages = list(self.messages)
        if clear:
            del self.messages[: len(messages)]
        error = self.excuse if to_agent else self.error
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
