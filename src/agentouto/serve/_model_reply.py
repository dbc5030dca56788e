"""One reply of a team that stands in for a model: what both of OpenAI's APIs have in common.

A reply ends where its run ends or waits for the caller. Then, in this order: the question is
written, ``waits`` is set and what a later request needs is kept, without a pause between the two,
and the end of the reply is sent. The next request may be here right after that end, so nothing can
be kept later. If the run fails, or the client leaves, before ``waits`` is set, the front ends the
run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from agentouto import Attachment
from agentouto._domain.clock import SYSTEM_CLOCK, new_id
from agentouto.serve._asgi import (
    EventStream,
    HttpError,
    SendEvent,
    send_error,
    send_json,
    while_kept_alive,
)
from agentouto.serve._openai_content import OpenAIRequest, question_mark_text
from agentouto.serve._reply_fold import Piece, ReplyFold
from agentouto.serve._run_errors import error_of_run
from agentouto.serve._talk import Talk
from agentouto.serve._waiting import Question


class ModelReply(ABC):
    """One reply.

    Args:
        asked: The request.
        talk: Its run.
        fold: Makes the reply of the run's lines.
        keep: Keeps what a later request may go on with. That is done before the end of the reply is
            sent, because the next request may be here before that.

    Attributes:
        waits: Whether the run waits for its caller, and is kept.
        begun: Whether the first events were sent. A heartbeat may be before them.
    """

    def __init__(
        self, asked: OpenAIRequest, talk: Talk, fold: ReplyFold, keep: Callable[[], None]
    ) -> None:
        self.asked: OpenAIRequest = asked
        self.talk: Talk = talk
        self.fold: ReplyFold = fold
        self.created: int = int(SYSTEM_CLOCK.now())
        self.waits: bool = False
        self.begun: bool = False
        self._keep = keep

    async def send(self, send: SendEvent) -> None:
        """Send the reply, or the error that ends it."""
        if self.asked.streams:
            stream = EventStream(send)
            await while_kept_alive(stream, self._send_streamed(stream, send))
            return
        try:
            whole = await self.whole()
        except Exception as error:  # noqa: BLE001 - every error is answered
            await send_error(send, error_of_run(error))
            return
        await send_json(send, 200, whole)

    @abstractmethod
    async def whole(self) -> object:
        """Return the reply as one JSON value."""

    @abstractmethod
    async def stream(self, stream: EventStream) -> None:
        """Send the reply as events, but for the end of the stream."""

    @abstractmethod
    def first_events(self) -> bytes:
        """Return the events that every stream of this kind begins with."""

    @abstractmethod
    def error_event(self, error: HttpError) -> bytes:
        """Return the event that ends a stream with ``error``."""

    async def pieces(self) -> AsyncGenerator[Piece]:
        """Yield the pieces of the reply, as they come; a question to the user is the last one."""
        async with aclosing(self.talk.lines()) as lines:
            async for line in lines:
                for piece in self.fold.feed(line):
                    yield piece
        if (question := self.talk.question) is not None:
            for piece in self.fold.question(_question_text(question)):
                yield piece
        self.waits = self.talk.waits_for is not None
        self._keep()

    async def begin(self, stream: EventStream) -> None:
        """Send the first events, unless they were sent."""
        if not self.begun:
            self.begun = True
            await stream.write(self.first_events())

    async def _send_streamed(self, stream: EventStream, send: SendEvent) -> None:
        try:
            await self.stream(stream)
        except Exception as error:  # noqa: BLE001 - every error is answered
            answer = error_of_run(error)
            if not stream.begun:  # the error still gets a status of its own
                await send_error(send, answer)
                return
            await self.begin(stream)
            await stream.write(self.error_event(answer))
        await stream.end()


def random_id(prefix: str) -> str:
    """Return an id of 128 random bits, with ``prefix`` before it."""
    return prefix + new_id()


def _question_text(question: Question) -> str:
    """Return a question as the end of a reply, with the mark that brings its answer back."""
    message = question.message
    lines = [message.content, *(f"- {option}" for option in message.options)]
    files = [*map(_file_line, message.attachments or ())]
    return "\n".join([*lines, *files]) + question_mark_text(question.id)


def _file_line(file: Attachment) -> str:
    return f"(File: {file.url or file.name or 'unnamed'}, {file.mime_type})"
