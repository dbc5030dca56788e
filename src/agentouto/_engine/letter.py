"""A message to somebody at work, and the receipt that tells what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

import msgspec

from agentouto._domain.message import Message


class Fate(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    READ = "read"
    RETURNED = "returned"


class Receipt(str):  # noqa: SLOT000 - it has attributes, which slots of a str cannot hold
    """The confirmation that a message was accepted, which also tells what became of it.

    Attributes:
        status: ``"accepted"``; ``"read"`` once its reader has it before it; ``"returned"`` if its
            reader ended before that, or would not have it.
        turn: The turn in which it was read, counted from 0.
        reason: Why it was returned.
        message_id: The id of the message.
    """

    status: Fate
    turn: int | None
    reason: str
    message_id: str

    def __new__(cls, text: str, message_id: str = "") -> Self:
        """Make the receipt of a message that was accepted just now."""
        receipt = super().__new__(cls, text)
        receipt.status = Fate.ACCEPTED
        receipt.turn = None
        receipt.reason = ""
        receipt.message_id = message_id
        return receipt

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Let data that holds a receipt be copied and saved: what is left is the confirmation."""
        return str, (str(self),)


class Letter(msgspec.Struct, frozen=True):
    """A message on its way.

    Attributes:
        message: What it says.
        address: Where it was sent.
        sender_address: Where its sender can be written to, if anywhere.
        receipt: What becomes of it; a note of the engine's has none, and nobody waits for it.
    """

    message: Message
    address: str
    sender_address: str | None = None
    receipt: Receipt | None = None
