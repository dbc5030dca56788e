"""The two messages, and what may travel with them.

A *forward* asks a participant for something; a *return* answers it, and both carry the id of the
*call* they belong to. Participants at work may also write to each other: that is a forward too,
with an id of its own and no return. This module does not know how a message is delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from agentouto._domain.misuse import ConfigurationError
from agentouto._domain.world import fresh_id

USER = "user"
"""The name of the participant without a model."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a message or a tool's result.

    Attributes:
        mime_type: The type of the file, such as ``image/png`` or ``application/pdf``.
        data: The file itself in base64, or
        url: where it can be fetched. Exactly one of the two is given.
        name: The file's name, where it has one.

    Raises:
        ConfigurationError: Both or neither of ``data`` and ``url`` were given.
    """

    mime_type: str
    data: str | None = field(default=None, repr=False)
    url: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        """Refuse an attachment that holds nothing, or two things."""
        if (self.data is None) == (self.url is None):
            given = "neither was" if self.data is None else "both were"
            raise ConfigurationError(
                f"Attachment({self.mime_type!r}) needs exactly one of data= (base64) and url=; "
                f"{given} given"
            )
        held: object = self.url if self.data is None else self.data
        if not isinstance(held, str) or not held:
            what = "url=" if self.data is None else "data="
            raise ConfigurationError(
                f"Attachment({self.mime_type!r}): {what} is text that is not empty"
                f"{'' if self.data is None else ', the file in base64'}, "
                f"not {type(held).__name__} {repr(held)[:20]}"
            )


@dataclass(frozen=True, slots=True)
class Message:
    """A forward or a return.

    Attributes:
        type: ``"forward"`` or ``"return"``.
        sender: The name of the participant who wrote it.
        receiver: The name of the participant it is for.
        content: What it says.
        call_id: The call it belongs to; a forward and its return share it.
        attachments: The files that travel with it, or ``None``. Any sequence is taken.
    """

    type: Literal["forward", "return"]
    sender: str
    receiver: str
    content: str
    call_id: str = field(default_factory=fresh_id)
    attachments: list[Attachment] | None = None

    def __post_init__(self) -> None:
        """Keep attachments as a list of our own."""
        keep_list(self)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool hands back when text alone will not do.

    Attributes:
        content: The text.
        attachments: Files the model should see, or ``None``. Any sequence is taken.
    """

    content: str
    attachments: list[Attachment] | None = None

    def __post_init__(self) -> None:
        """Keep attachments as a list of our own."""
        keep_list(self)


def keep_list(holder: Message | ToolResult) -> None:
    """Replace whatever sequence of attachments was given by a list, an empty one by ``None``."""
    given: Sequence[Attachment] | None = holder.attachments
    if given is not None:
        object.__setattr__(holder, "attachments", list(given) or None)
