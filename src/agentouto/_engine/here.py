"""``Here``: what code that stands in a run can do there.

A peer gets one with its forward, a tool finds its own with ``here()``. Everything it does is done
by the engine's own parts, so limits, cycles, cancellation, hooks and mail hold for it as for an
agent.

The run lives in one event loop; plain functions run in threads. A method that has to wait builds
its coroutine first. In the run's own loop the coroutine is returned, to be awaited; in a thread it
is handed to the loop, and the thread waits for what comes of it. ``close`` ends both: what is still
waited for is cancelled, and every later use raises ``RoutingError``, because the call in whose name
it would act has returned.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextvars import ContextVar
from contextvars import Token as EarlierValue
from typing import Any, Generic, cast

from typing_extensions import TypeVar

from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.content import Usage
from agentouto._domain.errors import RoutingError
from agentouto._domain.event import Spent
from agentouto._domain.event_pieces import Thinking, Token, ToolProgress
from agentouto._domain.message import Attachment, Message
from agentouto._engine.awaitables import Answer, Approved, Confirmation, Mails
from agentouto._engine.call import Call
from agentouto._engine.event_loops import current_loop
from agentouto._engine.services import RunServices
from agentouto._engine.toolbox import Forwards

C = TypeVar("C", default=Any)
T = TypeVar("T")


class Here(Generic[C]):
    """What code that stands in a run can do there: a peer's function, or a tool's.

    In an async function ``call``, ``ask_approval``, ``write``, ``mail`` and ``arrival`` are
    awaited; in a plain one, which runs in a thread, the same methods block and return their result.

    Every method raises ``RoutingError`` once the peer or tool has returned.
    """

    __slots__ = (
        "_call",
        "_forwards",
        "_loop",
        "_number",
        "_over",
        "_pending",
        "_place",
        "_services",
        "_words",
    )

    def __init__(
        self, call: Call, services: RunServices, forwards: Forwards, place: str = ""
    ) -> None:
        self._call = call
        self._services = services
        self._forwards = forwards
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._over = False
        self._pending: set[concurrent.futures.Future[Any]] | None = None
        self._words: list[str] | None = None

    def __repr__(self) -> str:
        return f"Here({self.name!r}, {self._call.id!r})"

    # ── where this is ─────────────────────────────────────────────────────────────────────────

    @property
    def name(self) -> str:
        """The name of the participant in whose call the code stands."""
        return self._call.name

    @property
    def call_id(self) -> str:
        """The id of the call, at which others can write to it."""
        return self._call.id

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._services.mail.run_id

    @property
    def caller_address(self) -> str | None:
        """Where the caller can be written to, or ``None``."""
        return self._call.caller_address

    @property
    def history(self) -> tuple[Message, ...]:
        """The earlier messages that the call was made with."""
        return self._call.history

    @property
    def peers(self) -> list[str]:
        """The names of all that can be called from here."""
        names = self._services.setup.participant_names
        return [name for name in names if name != self._call.name]

    @property
    def key(self) -> str:
        """An idempotency key: the same when a run that was interrupted does this again.

        Hand it to services that take one, so that nothing is done twice.
        """
        return f"{self._call.id}.{self._place}" if self._place else self._call.id

    @property
    def context(self) -> C:
        """The object given to the run as ``context=``, which no model sees; ``None`` without."""
        return cast("C", self._services.setup.context)

    # ── others ────────────────────────────────────────────────────────────────────────────────

    def call(
        self,
        name: str,
        message: str,
        *,
        attachments: Sequence[Attachment] = (),
        history: Iterable[Message] = (),
        options: Sequence[str] = (),
        asker: str = "",
    ) -> Answer:
        """Forward to a participant, ``"user"`` too, and return its return.

        Args:
            name: The participant.
            message: What it is asked.
            attachments: Files that go with it.
            history: Earlier messages that it should read first.
            options: Answers that a person may choose from.
            asker: Who asks, if this code only passes a question on. The message then comes from
                ``NAME.asker``, where ``NAME`` is the participant in whose call the code stands.

        Raises:
            AgentError: It could not return; ``LimitReached`` if the run may make no more calls.
            ToolError: There is no such participant.
            RoutingError: This code has already returned.
        """
        if not isinstance(cast("object", message), str):
            raise ConfigurationError(f"here().call: message is text, not {message!r:.60}")
        work = self._forwards.call(
            name,
            message,
            caller=self._call,
            place=self._next_place(),
            history=tuple(history),
            attachments=tuple(attachments),
            options=tuple(options),
            asker=asker,
        )
        return cast("Answer", self._wait_for(work))

    def spawn(self, name: str, message: str, *, history: Iterable[Message] = ()) -> str:
        """Forward without waiting, and return the task id; the run ends only when that call has.

        Raises:
            ToolError: There is no such participant, or no background calls in this run.
            RoutingError: This code has already returned.
        """
        place, earlier = self._next_place(), tuple(history)

        async def start() -> str:
            call = self._call
            return self._forwards.spawn(name, message, caller=call, place=place, history=earlier).id

        if current_loop() is not self._loop:
            return cast("str", self._wait_for(start()))
        self._check()
        call = self._call
        return self._forwards.spawn(name, message, caller=call, place=place, history=earlier).id

    def write(self, address: str, message: str) -> Confirmation:
        """Send mail to the call at ``address``, to be read while it works; return a confirmation.

        Raises:
            RoutingError: Its participant has returned, or takes no messages, or this code has
                already returned.
        """
        post = self._services.mail.post
        work = post(address, message, sender=self._call, place=self._next_place())
        return cast("Confirmation", self._wait_for(work))

    def ask_approval(self, tool: str, arguments: Mapping[str, object]) -> Approved:
        """Have the user approve one use of a tool, and return only if it is approved.

        The request goes to ``approve=`` of the run. In a peer the tool is shown as ``PEER.tool``,
        so that no peer can use the name of another's tool. Each use asks again.

        Args:
            tool: What is to be done.
            arguments: With what, exactly; values that JSON has no form for are shown by ``repr``.

        Raises:
            Refuse: It is not approved. ``reason`` says why.
            RoutingError: This code has already returned.
        """
        name = tool if self._place else f"{self._call.name}.{tool}"
        place = f"{self._next_place()}.approval"
        return cast("Approved", self._wait_for(self._approval(name, dict(arguments), place)))

    def mail(self) -> Mails:
        """Take the mail that has come for this call since the last look.

        What a tool takes, the agent that uses the tool does not read again.
        """
        return cast("Mails", self._wait_for(self._read()))

    def arrival(self) -> Mails:
        """Wait until there is mail for this call, and take it."""

        async def wait() -> list[Message]:
            while not (messages := await self._read()):
                await self._call.mailbox.wait_for_mail()
            return messages

        return cast("Mails", self._wait_for(wait()))

    # ── words and costs ───────────────────────────────────────────────────────────────────────

    def say(self, text: str) -> None:
        """Stream ``text`` as a part of a peer's answer; in a tool it is ``progress(text)``.

        A peer that returns ``None`` has answered with all that it said.
        """
        if self._place:
            self.progress(text)
            return
        self._check()
        if self._words is None:
            self._words = []
        self._words.append(text)
        self._call.log.push(Token, text)

    def think(self, text: str) -> None:
        """Stream ``text`` as thinking, which is no part of the answer."""
        self._check()
        self._call.log.push(Thinking, text)

    def progress(
        self, text: str = "", done: float | None = None, total: float | None = None
    ) -> None:
        """Tell those who watch how far the work is; no model sees it.

        Args:
            text: What is being done.
            done: How much is done.
            total: How much there is to do, in the same unit.
        """
        self._check()
        self._call.log.push(ToolProgress, self._place, text, done, total)

    def spent(
        self,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost: float | None = None,
    ) -> None:
        """Count what the work has used against the limits and in ``RunResult.usage``.

        Args:
            input_tokens: Tokens that a model has read.
            output_tokens: Tokens that a model has written.
            cost: US dollars.

        Raises:
            ConfigurationError: A number is negative.
        """
        self._check()
        for amount in (input_tokens, output_tokens, cost):
            if amount is not None and not amount >= 0:
                raise ConfigurationError(f"here().spent: {amount!r} is no amount: it is below 0")
        usage = Usage(input_tokens, output_tokens)
        self._call.log.record(Spent, usage, cost, "reported")
        if (budget := self._services.budget) is not None:
            budget.add(usage.total_tokens or 0, cost or 0.0)

    # ── the engine's side ─────────────────────────────────────────────────────────────────────

    @property
    def streamed_text(self) -> str | None:
        """All that a peer has said, or ``None`` if it has said nothing."""
        return None if self._words is None else "".join(self._words)

    def enter(self) -> EarlierValue[Here[Any]]:
        """Let ``here()`` find this object in the current context; ``leave`` takes the result."""
        return _CURRENT.set(self)

    def leave(self, entered: EarlierValue[Here[Any]]) -> None:
        """Close this object, and let ``here()`` find what it found before."""
        self.close()
        _CURRENT.reset(entered)

    def close(self) -> None:
        """Refuse every further use, and stop what threads still wait for."""
        self._over = True
        for future in tuple(self._pending or ()):
            future.cancel()

    def _check(self) -> None:
        if self._over:
            raise RoutingError(self._call.name, "has already returned, so its here() is over")

    def _next_place(self) -> str:
        place = f"{self._place}.here{self._number}" if self._place else f"here{self._number}"
        self._number += 1
        return place

    async def _approval(self, tool: str, arguments: dict[str, object], place: str) -> Approved:
        await self._services.approvals.request(self._call, tool, arguments, place)
        return Approved()

    async def _read(self) -> list[Message]:
        return [delivery.message for delivery in await self._services.mail.read(self._call)]

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T | Coroutine[Any, Any, T]:
        """Return ``work`` to be awaited in the run's loop; in a thread, wait for it."""
        try:
            self._check()
        except RoutingError:
            work.close()
            raise
        running = current_loop()
        if running is self._loop:
            return work
        if self._pending is None:
            self._pending = set()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        if self._over:  # it was closed in between
            future.cancel()
        if running is not None:  # a loop of the function's own
            return cast("Coroutine[Any, Any, T]", asyncio.wrap_future(future))
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            self._check()
            raise


_CURRENT: ContextVar[Here[Any]] = ContextVar("agentouto_here_of_code")


def here() -> Here[Any]:
    """Return what the running peer or tool can do in its run.

    Works in the function itself and in all that it calls, also in tasks and ``asyncio.to_thread``,
    which copy context variables; a thread that was started by hand has none.

    Raises:
        LookupError: The code does not run in a peer or a tool of a run.
    """
    current = _CURRENT.get(None)
    if current is None:
        raise LookupError(
            "here() works in a tool or a peer while a run uses it; this code runs outside of one"
        )
    return current
