"""Takes what other processes have sent to a run with a journal, while the run is at work.

Theory of operation. A process that writes to a run adds an item to the inbox in its journal, and
the process that works on the run takes it from there. An item is never lost, since it leaves the
inbox only in a commit that says what has become of it:

* A message leaves when it is recorded as sent. From then on it is mail as any other: it is read, or
  returned. If its receiver has ended, the item is refused, and its sender gets an error.
* An answer, or the decision on an approval, stays until the return that it has led to is kept. A
  process that ends before that leaves it to the next one, which finds it when it asks again.
* The cancellation of one call stays until the end of that call is kept.
* What is left when the run ends is refused in the commit that ends the run.

An item may be taken twice, by two processes: a message has an id, and one with the same id is sent
once; a question is answered once, by whatever removes it from ``_questions``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal, Protocol, TypeAlias, assert_never

import msgspec

from agentouto._domain.errors import JournalError, RoutingError
from agentouto._engine.call import Call, Status
from agentouto._engine.delivery import Letter
from agentouto._engine.save_and_exit import is_away
from agentouto._engine.services import RunServices

INBOX_SECONDS = 0.2
"""How often the inbox is looked at: quick for a person, and a look takes some microseconds."""

_CALL_ENDED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


ItemKind: TypeAlias = Literal["message", "letter", "answer", "approval", "cancel", "cancel_call"]
"""What another process sends to a run."""


class InboxItem(msgspec.Struct, frozen=True):
    """What another process has sent to a run.

    Attributes:
        no: Its number in the journal.
        kind: What it is.
        id: The id of the message, of the question that is answered, of the approval, or of the call
            that is cancelled; empty where the run is.
        address: Where a message is sent; ``None`` for the starting agents.
        text: The message, the answer, the reason of a refusal or cancellation, or a letter as JSON.
        yes: Whether the use of a tool is approved.
    """

    no: int
    kind: ItemKind
    id: str
    address: str | None
    text: str
    yes: bool = False


class InboxKeeper(Protocol):
    """The inbox of a run, where it is kept."""

    def new_items(self) -> Sequence[InboxItem]:
        """Return what has come since the last look; at first, all that is there."""
        ...

    def hold(self, item: InboxItem) -> None:
        """Note that an item was taken, and stays until its effect is kept."""
        ...

    def settle_item(self, item: InboxItem, refusal: str | None = None) -> None:
        """Remove an item with the next commit, or note why it is refused."""
        ...


class OpenQuestion:
    """A question to a person that another process may answer.

    Attributes:
        answer: The answer from the inbox, if there is one.
        is_kept: Whether no one in this process can answer it.
    """

    def __init__(self, on_answer: Callable[[], object], *, is_kept: bool) -> None:
        self.is_kept: bool = is_kept
        self.answer: str | None = None
        self._on_answer = on_answer

    def take(self, answer: str) -> None:
        """Take the answer, and end what waits for another one."""
        self.answer = answer
        self._on_answer()


class Inbox:
    """The inbox of one run, in the process that works on it. It belongs to the loop of the run.

    Args:
        keeper: Where the inbox is kept.
        cancel: Ends the run for good; gets the reason.
        on_asked: Called when a question or a request for approval begins to wait.
    """

    def __init__(
        self,
        keeper: InboxKeeper,
        cancel: Callable[[str], object],
        on_asked: Callable[[], object],
    ) -> None:
        self._keeper = keeper
        self._cancel = cancel
        self._on_asked = on_asked
        self._services: RunServices | None = None
        self._starters: Sequence[Call] = ()
        self._held: dict[str, InboxItem] = {}
        self._questions: dict[str, OpenQuestion] = {}
        self._decided: set[str] = set()
        self._cancelling: dict[str, InboxItem] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, services: RunServices, starters: Sequence[Call]) -> None:
        """Take what is there, and look for more from now on."""
        self._services, self._starters = services, starters
        self._look_again()

    def close(self) -> None:
        """Look no more."""
        self._services = None
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> None:
        """Take what has come since the last look.

        Raises:
            JournalError: The journal cannot be read or written.
        """
        services = self._services
        if services is None:
            return
        for item in self._keeper.new_items():
            self._take(item, services)

    def _look_again(self) -> None:
        with suppress(JournalError):  # the run ends with it as soon as it writes
            self.look()
        if self._services is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(INBOX_SECONDS, self._look_again)

    def _take(self, item: InboxItem, services: RunServices) -> None:
        match item.kind:
            case "message" | "letter":
                self._deliver(item, services)
            case "cancel":
                self._keeper.settle_item(item)
                self._cancel(item.text)
            case "cancel_call":
                self._cancel_call(item, services)
            case "answer":
                self._answer(item, services)
            case "approval":
                self._decide(item, services)
            case _:
                assert_never(item.kind)

    def _deliver(self, item: InboxItem, services: RunServices) -> None:
        mail = services.mail
        try:
            if item.kind == "letter":
                letter = msgspec.json.decode(item.text, type=Letter)
                mail.deliver_letter(item.address or "", letter)
            elif item.address is None:
                mail.send_to_all(self._starters, item.text, item.id)
            else:
                mail.send(item.address, item.text, item.id)
        except RoutingError as error:
            self._keeper.settle_item(item, error.message)
        else:
            self._keeper.settle_item(item)

    def _cancel_call(self, item: InboxItem, services: RunServices) -> None:
        call = services.calls.by_id.get(item.id)
        if call is None or call.status in _CALL_ENDED:
            self._keeper.settle_item(item, f"the call {item.id!r} has already ended")
            return
        self._cancelling[item.id] = item
        self._keeper.hold(item)
        call.cancel(item.text)

    # ── questions and approvals ───────────────────────────────────────────────────────────────

    def kept_questions(self) -> set[str]:
        """Return the open questions that no one in this process can answer."""
        return {id_ for id_, question in self._questions.items() if question.is_kept}

    def ask(self, call: Call, on_answer: Callable[[], object]) -> OpenQuestion:
        """Begin to wait for an answer from the inbox; ``on_answer`` is called when one comes.

        If it has come already, the question has it, and ``on_answer`` is not called.
        """
        question = OpenQuestion(on_answer, is_kept=is_away(call.participant))
        held = self._held.get(call.id)
        if held is None:
            self._questions[call.id] = question
            self._on_asked()
        else:
            question.answer = held.text
            self._keeper.hold(held)
        return question

    def stop_asking(self, call: Call) -> None:
        """Wait for no answer any more."""
        self._questions.pop(call.id, None)

    def requested(self, approval_id: str) -> None:
        """Decide on a request for approval, if the decision has come already."""
        held = self._held.get(approval_id)
        if held is not None and self._services is not None:
            self._decide(held, self._services)
        else:
            self._on_asked()

    def _answer(self, item: InboxItem, services: RunServices) -> None:
        call = services.calls.by_id.get(item.id)
        if call is not None and call.status in _CALL_ENDED:
            self._keeper.settle_item(item, f"the question {item.id!r} is not open any more")
            return
        self._held[item.id] = item
        question = self._questions.pop(item.id, None)
        if question is not None:
            self._keeper.hold(item)
            question.take(item.text)

    def _decide(self, item: InboxItem, services: RunServices) -> None:
        if item.id in self._decided:
            self._keeper.settle_item(item, f"the approval {item.id!r} is not open any more")
            return
        self._held[item.id] = item
        # It may not be requested yet: the run has only begun to go on.
        with suppress(RoutingError):
            services.approvals.decide(item.id, yes=item.yes, reason=item.text)
            self._keeper.hold(item)

    def ended(self, call_id: str, *, returned: bool) -> None:
        """Note that a call, or a request for approval, has ended, which was recorded just now."""
        if self._services is None or call_id not in self._services.calls.by_id:
            self._decided.add(call_id)
        cancelling = self._cancelling.pop(call_id, None)
        if cancelling is not None:
            self._keeper.settle_item(cancelling)
        item = self._held.pop(call_id, None)
        if item is not None:
            refusal = None if returned else f"{call_id!r} was cancelled before it was answered"
            self._keeper.settle_item(item, refusal)
