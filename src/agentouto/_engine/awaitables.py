"""What the methods of ``Here`` return: async code awaits it, plain code has it at once."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from agentouto._domain.message import Message


class Answer(Message):
    """A return, as ``Here.call`` gives it: async code awaits it, plain code has it at once."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Message]:
        """Return the message itself."""
        return self
        yield


class Confirmation(str):
    """The confirmation of ``Here.write``: async code awaits it, plain code has it at once."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, str]:
        """Return the text itself."""
        return self
        yield


class Approved:
    """The consent of ``Here.ask_approval``: async code awaits it, plain code has it at once."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Approved]:
        """Return the object itself."""
        return self
        yield


class Mails(list[Message]):
    """Messages that were read: async code awaits them, plain code has them at once."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, list[Message]]:
        """Return the list itself."""
        return self
        yield
