"""Keeps the conversations of the Responses API, so that a request can name the one before it.

They are kept in memory, and the oldest go when there are too many: a client that needs its
conversations longer sends them itself, as it does with Chat Completions.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agentouto import Message

MOST_RESPONSES = 1000
"""Responses that are kept. Of a conversation each turn is one, and has all that came before."""

MOST_RESPONSE_BYTES = 256 * 1024 * 1024
"""Bytes of their texts and files, together."""


class StoredResponse(msgspec.Struct, frozen=True):
    """A response: the conversation up to its end, and the question that it ended with, if any."""

    history: tuple[Message, ...]
    question_id: str | None
    size: int


class ResponseStore:
    """The responses of one front, by owner and id."""

    def __init__(
        self, *, most: int = MOST_RESPONSES, most_bytes: int = MOST_RESPONSE_BYTES
    ) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._responses: dict[tuple[str, str], StoredResponse] = {}

    def put(
        self, owner: str, id_: str, history: Sequence[Message], question_id: str | None
    ) -> None:
        """Keep a response."""
        size = sum(map(_size, history))
        self._responses[owner, id_] = StoredResponse(tuple(history), question_id, size)
        self._bytes += size
        while len(self._responses) > self._most or self._bytes > self._most_bytes:
            oldest = next(iter(self._responses))
            self._bytes -= self._responses.pop(oldest).size

    def get(self, owner: str, id_: str) -> StoredResponse | None:
        """Return a response of ``owner``, or ``None``."""
        return self._responses.get((owner, id_))


def _size(message: Message) -> int:
    files = message.attachments or ()
    return len(message.content) + sum(len(file.data or file.url or "") for file in files)
