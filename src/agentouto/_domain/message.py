"""The two kinds of message, forward and return, and the files that go with them.

A *forward* asks a participant for something and a *return* answers it; both have the id of the
*call* they belong to. Mail to a participant at work is a forward, too, with an id of its own and
without a return. This module does not know how a message is delivered.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Literal, Self

from agentouto._domain.approval import Approval
from agentouto._domain.clock import new_id
from agentouto._domain.configuration_error import ConfigurationError

USER = "user"
"""The name of the participant without a model."""

_ADDRESS = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:", re.IGNORECASE)
"""A scheme (RFC 3986 §3.1) of at least two letters, so that ``C:\\photo.png`` has none."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a message or a tool's result.

    Attributes:
        mime_type: The type of the file, such as ``image/png`` or ``application/pdf``.
        data: The file itself in base64, or
        url: where it can be fetched. Exactly one of the two is given.
        name: The file's name, where it has one.

    Raises:
        ConfigurationError: Both or neither of ``data`` and ``url`` were given, or ``url`` is the
            path of a file.
    """

    mime_type: str
    data: str | None = field(default=None, repr=False)
    url: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        """Check that exactly one of ``data`` and ``url`` is given."""
        if (self.data is None) == (self.url is None):
            given = "neither was" if self.data is None else "both were"
            raise ConfigurationError(
                f"Attachment({self.mime_type!r}) needs exactly one of data= (base64) and url=; "
                f"{given} given"
            )
        if isinstance(self.url, str) and self.url and not _ADDRESS.match(self.url):
            raise ConfigurationError(
                f"Attachment({self.mime_type!r}): url={self.url!r:.60} is no address that others "
                "can fetch; a file of this machine is Attachment.from_file(path)"
            )
        held: object = self.url if self.data is None else self.data
        if not isinstance(held, str) or not held:
            what = "url=" if self.data is None else "data="
            raise ConfigurationError(
                f"Attachment({self.mime_type!r}): {what} is text that is not empty"
                f"{'' if self.data is None else ', the file in base64'}, "
                f"not {type(held).__name__} {repr(held)[:20]}"
            )

    @classmethod
    def from_file(
        cls, path: str | PathLike[str], *, mime_type: str | None = None, name: str | None = None
    ) -> Self:
        """Read a file of this machine.

        Args:
            path: The file.
            mime_type: Its type. Left out, the ending of its name tells.
            name: What it is called. Left out, the name of the file.

        Raises:
            ConfigurationError: The ending does not tell the type.
            OSError: The file cannot be read.
        """
        file = Path(path)
        guessed = mime_type or _type_of_name(file.name)
        if guessed is None:
            raise ConfigurationError(
                f"Attachment.from_file({str(path)!r}): the name does not tell the type of the "
                "file; give mime_type="
            )
        data = base64.b64encode(file.read_bytes()).decode("ascii")
        return cls(guessed, data=data, name=name or file.name)


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
        approval: The use of a tool that this message asks the user to approve, or answers; ``None``
            for every other message. An answer to a question never approves anything.
        options: Answers that its receiver may choose from, where the sender offers some.
    """

    type: Literal["forward", "return"]
    sender: str
    receiver: str
    content: str
    call_id: str = field(default_factory=new_id)
    attachments: list[Attachment] | None = None
    approval: Approval | None = field(default=None, kw_only=True)
    options: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        """Keep attachments as a list of our own."""
        if self.attachments is not None:
            own_attachments(self, self.attachments)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returns when it has files for the model besides text.

    Attributes:
        content: The text.
        attachments: Files the model should see, or ``None``. Any sequence is taken.
        data: The value that the text stands for, where an agent returns data of a type.
    """

    content: str
    attachments: list[Attachment] | None = None
    data: object = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        """Keep attachments as a list of our own."""
        if self.attachments is not None:
            own_attachments(self, self.attachments)


def own_attachments(holder: Message | ToolResult, given: Sequence[Attachment]) -> None:
    """Give ``holder`` the attachments as a list that the caller does not hold; ``None`` for none.

    The caller could still change its own list while a run reads it.
    """
    object.__setattr__(holder, "attachments", list(given) or None)


def _type_of_name(name: str) -> str | None:
    import mimetypes  # noqa: PLC0415 - most programs have no files

    return mimetypes.guess_type(name)[0]
