"""One forward that is being answered, and the mailbox of whoever answers it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum

from agentouto._domain.errors import RoutingError
from agentouto._domain.event import Stamp
from agentouto._domain.limits import MOST_MAIL
from agentouto._domain.message import Message
from agentouto._domain.participants import Agent
from agentouto._engine.letter import Letter
from agentouto._engine.waits import Wait


class Status(StrEnum):
    """How a call is doing."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Mailbox:
    """Letters for a participant at work, read between two turns. Any thread may write."""

    __slots__ = ("_lock", "_most", "_open", "_unread", "_waiting")

    def __init__(self, most: int = MOST_MAIL) -> None:
        self._unread: list[Letter] | None = None  # mostly there is no mail
        self._most = most
        self._open = True
        self._waiting: asyncio.Future[bool] | None = None
        self._lock = threading.Lock()

    def put(self, letter: Letter, accepted: Callable[[], None]) -> None:
        """Deliver ``letter``; ``accepted`` is called first, so that nobody reads it before.

        Raises:
            RoutingError: The receiver has already returned, or has too much to read.
        """
        name = letter.message.receiver
        with self._lock:
            if not self._open:
                raise RoutingError(name, "has already returned and reads no more messages")
            if self._unread is None:
                self._unread = []
            if len(self._unread) >= self._most:
                raise RoutingError(name, f"has {self._most} unread messages and takes no more now")
            accepted()
            self._unread.append(letter)
            self._wake(something=True)

    def note(self, letter: Letter) -> None:
        """Deliver a word of the engine's, if there is anybody left to read it."""
        with self._lock:
            if self._open:
                self._unread = self._unread or []
                self._unread.append(letter)
                self._wake(something=True)

    def drain(self) -> list[Letter]:
        """Take everything that has arrived."""
        if self._unread is None:
            return []
        with self._lock:
            letters, self._unread = self._unread, None
        return letters or []

    def put_back(self, letters: list[Letter]) -> None:
        """Take back what was drained and not read after all."""
        if letters:
            with self._lock:
                self._unread = [*letters, *(self._unread or ())]

    def waits(self) -> bool:
        """Whether there is something to read."""
        return bool(self._unread)

    async def arrival(self) -> bool:
        """Wait until there is something to read, or somebody says that there will be nothing."""
        with self._lock:
            if self._unread:
                return True
            waiting = self._waiting
            if waiting is None or waiting.done():
                waiting = self._waiting = asyncio.get_running_loop().create_future()
        return await asyncio.shield(waiting)  # several may wait for it, each for its own time

    def give_up(self) -> None:
        """Tell whoever waits that nothing will come."""
        with self._lock:
            self._wake(something=False)

    def close_if_empty(self) -> bool:
        """Refuse further mail, unless there is some; say whether it was closed."""
        with self._lock:
            self._open = bool(self._unread)
            return not self._open

    def close(self) -> list[Letter]:
        """Refuse further mail; return what nobody has read."""
        with self._lock:
            self._open = False
            letters, self._unread = self._unread, None
        return letters or []

    def _wake(self, *, something: bool) -> None:
        waiting = self._waiting
        if waiting is None:
            return

        def tell() -> None:
            if not waiting.done():
                waiting.set_result(something)

        with suppress(RuntimeError):  # its loop is closed, so nobody waits
            waiting.get_loop().call_soon_threadsafe(tell)


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
        depth: How many calls it is inside of, itself included.
        task: Who works on it, while somebody does.
        stopped: Why it was cancelled by itself, once it was.
        wait: What mail it waits for, while it does.
        turn: Which reply it waits for or acts on, counted from 0.
        cut_results: Results of tools that were too long, whole, by the places of their tool calls.
        most_read: About how many tokens of one of them can be read at once.
    """

    __slots__ = (
        "agent",
        "background",
        "caller_address",
        "cut_results",
        "data",
        "depth",
        "error",
        "excuse",
        "forward",
        "history",
        "mailbox",
        "messages",
        "most_read",
        "parent",
        "path",
        "result",
        "stamp",
        "status",
        "stopped",
        "task",
        "turn",
        "wait",
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
        most_mail: int = MOST_MAIL,
    ) -> None:
        self.agent: Agent | None = agent
        self.forward: Message = forward
        self.parent: Call | None = parent
        self.caller_address: str | None = caller_address
        self.history: tuple[Message, ...] = history
        self.background: bool = background
        self.path: str = path
        self.stamp: Stamp = Stamp(forward.receiver, forward.call_id, parent.id if parent else None)
        self.mailbox: Mailbox = Mailbox(most_mail)
        self.messages: list[Message] = [forward]
        self.status: Status = Status.PENDING
        self.result: Message | None = None
        self.data: object = None
        self.error: str | None = None
        self.excuse: str | None = None
        self.depth: int = 1 if parent is None else parent.depth + 1
        self.task: asyncio.Task[object] | None = None
        self.stopped: str | None = None
        self.wait: Wait | None = None
        self.turn: int = 0
        self.cut_results: dict[str, str] = {}
        self.most_read: int = 0

    @property
    def id(self) -> str:
        """The call's id, which is also the address of its mailbox."""
        return self.forward.call_id

    @property
    def name(self) -> str:
        """The name of the participant who answers."""
        return self.forward.receiver

    def cancel(self, reason: str) -> bool:
        """Stop work on this call only, from any thread; say whether there was any."""
        if self.stopped is not None or self.status not in {Status.PENDING, Status.RUNNING}:
            return False
        self.stopped: str | None = reason
        task = self.task
        if task is None:  # whoever begins with it looks whether it is still wanted
            return self.status is Status.PENDING

        def stop() -> None:
            if self.task is task:  # else it has ended, and its task does something else by now
                task.cancel()

        try:
            task.get_loop().call_soon_threadsafe(stop)
        except RuntimeError:  # its loop is closed: it has ended for good
            return False
        return True

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
