"""Defines a message on its way to a running participant, and the receipt that its sender holds."""

from __future__ import annotations

from enum import StrEnum
from typing import Self, cast

import msgspec

from agentouto._core.prompt import UNREAD_MAIL
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.message import USER, Message

NOTE_MARK = "!"
"""Ends the id of the engine's note about a message that was not read; the rest is that one's id."""


class DeliveryStatus(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    READ = "read"
    RETURNED = "returned"


class Receipt(str):  # noqa: SLOT000 - it has attributes, which slots of a str cannot hold
    """The confirmation that a message was accepted. Its attributes follow what becomes of it.

    It is a ``str`` because ``send_message`` has always returned the text of the confirmation.

    A message to several starting agents has one receipt. It stays ``"accepted"`` until each of them
    has read or returned the message, and is ``"read"`` then if any of them has read it.

    Attributes:
        status: ``"accepted"``; ``"read"`` once its receiver has taken it from the mailbox;
            ``"returned"`` if its receiver ended before that, or if a hook refused it.
        turn: The turn in which it was read (first), counted from 0.
        reason: Why it was returned.
        message_id: The id of the message; of the first one, if there are several receivers.
    """

    status: DeliveryStatus
    turn: int | None
    reason: str
    message_id: str
    _undecided: int

    def __new__(cls, text: str, message_id: str = "", receivers: int = 1) -> Self:
        """Make the receipt of a message that was accepted just now."""
        receipt = super().__new__(cls, text)
        receipt.status = DeliveryStatus.ACCEPTED
        receipt.turn = None
        receipt.reason = ""
        receipt.message_id = message_id
        receipt._undecided = receivers
        return receipt

    def mark_read(self, turn: int) -> None:
        """Note that a receiver has read the message."""
        self.turn = turn if self.turn is None else self.turn
        self._decide()

    def mark_returned(self, reason: str) -> None:
        """Note that a receiver will not read the message."""
        self.reason = f"{self.reason}; {reason}" if self.reason else reason
        self._decide()

    def _decide(self) -> None:
        # The status last: who sees it, in another thread, may read the other attributes.
        self._undecided -= 1
        if self._undecided <= 0:
            read = self.turn is not None
            self.status = DeliveryStatus.READ if read else DeliveryStatus.RETURNED

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Pickle and copy as the plain text: the attributes belong to a run of this process."""
        return str, (str(self),)


def add_id(ids: dict[str, object], id_: str) -> bool:
    """Add the id that a sender has given its message, from any thread; return whether it is new.

    A message is sent once for each id. ``setdefault`` is atomic.
    """
    mark = object()
    return ids.setdefault(id_, mark) is mark


class Delivery(msgspec.Struct, frozen=True):
    """A message on its way.

    Attributes:
        message: The message.
        address: Where it was sent.
        sender_address: Where its sender reads mail, if anywhere.
        receipt: The sender's receipt; ``None`` for a note of the engine's, which has no sender.
    """

    message: Message
    address: str
    sender_address: str | None = None
    receipt: Receipt | None = None


def note_about(returned: Delivery, reason: str) -> Delivery:
    """Return the note to the sender of a delivery that was not read."""
    message = returned.message
    text = UNREAD_MAIL.format(
        name=message.receiver, address=returned.address, why=reason, text=message.content
    )
    id_ = f"{message.call_id}{NOTE_MARK}"
    note = Message("forward", USER, message.sender, text, id_)
    return Delivery(note, returned.sender_address or "")


class Letter(msgspec.Struct, frozen=True):
    """A message between participants in different runs, as it travels.

    Attributes:
        id: Its id: it arrives once, however often it is sent.
        sender: The name of the participant that writes.
        sender_address: Where that participant reads mail.
        text: What it writes.
    """

    id: str
    sender: str
    sender_address: str
    text: str


def confirmation(name: str, address: str) -> str:
    """Return what a sender is told whose message was accepted."""
    return f"Message sent to {name} (task_id: {address})"


def checked_text(content: str) -> str:
    """Return the content of a message, if it is text."""
    if not isinstance(cast("object", content), str):
        raise ConfigurationError(f"a message is text, not {content!r}")
    return str(content)  # a subclass of str could not be encoded
