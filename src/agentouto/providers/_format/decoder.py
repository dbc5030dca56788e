"""The base of all decoders: reading events, errors among them, and the end of an answer.

A decoder is a ``DecoderBase`` that interprets the events of its format. Each format has a fast path
for ordinary pieces of text, a struct that forbids unknown fields; every other event is parsed here.

An answer counts as complete only if the server says so, with a reason or an end event: a connection
that closes early looks like a clean end of the body (RFC 9112 §6.3 without a length), and none of
the vendors' own packages notice that. An error inside a stream ends it, but deltas before the error
are delivered first, in the order in which the server sent them.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeAlias

from agentouto._domain.content import Stop, Usage
from agentouto._domain.delta import Delta
from agentouto._domain.errors import AuthError, ProtocolViolation, ProviderError
from agentouto.providers._format.errors import ErrorDetails, parse_error, short
from agentouto.providers._format.json import Json, as_object, as_str, parse

MakeError: TypeAlias = Callable[[ErrorDetails], ProviderError | AuthError]
"""Turns the details of an error into the error that the wire raises for them."""

DONE = b"[DONE]"
"""The last event of a stream of Chat Completions (OpenAI's API reference, ``stream``). It is no
JSON. Gateways also send it at the end of other formats."""

_ABORT_REASONS = frozenset(
    {
        "abort",  # vLLM and SGLang, when the engine gives a request up
        "aborted",
        "cancel",
        "canceled",
        "cancelled",  # the Responses API
        "disconnected",
        "error",  # OpenRouter, vLLM
        "failed",  # the Responses API
        "insufficient_system_resource",  # DeepSeek
        "interrupted",
        "timed_out",
        "timeout",
    }
)
"""Finish reasons that mean that the server gave up, so that the text before is no answer. Those
without a comment are spellings of the same that gateways use."""

_HIGH_SURROGATE = re.compile(rb'(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2})"')
_LOW_SURROGATE = re.compile(rb'"(\\u[dD][c-fC-F][0-9a-fA-F]{2})')
"""Escaped halves of a character beyond U+FFFF, at the end and the beginning of a JSON string.

RFC 8259 §7 writes such a character as two escapes. Gateways written in JavaScript cut text between
UTF-16 units, so one event may end with the first half and a later one begin with the second.
"""

_GOOD_REASONS = frozenset(
    {"", "completed", "end_turn", "length", "stop", "STOP", "tool_calls", "tool_use"}
)
"""Reasons of ordinary replies, which need no search. An empty one is none."""

_REASON = re.compile(r"[a-z_]+")
"""The first word of a reason: servers append a number or a text, as in ``error: out of memory``."""

_REASON_FIELDS = ("type", "reason", "finish_reason", "code", "status")
_MESSAGE_FIELDS = ("message", "detail", "error")
"""Where a reason that is an object has its name and its text, the more specific first."""

_MAX_MISFITS = 8
"""After so many events that do not fit the struct of the fast path, all take the slow one: each
miss is parsed twice. The first chunks of a good stream are misses, so one is not enough."""


def reported_usage(
    read: int | None, written: int | None, cached: int | None, reasoning: int | None
) -> Usage | None:
    """Return the tokens that a server has counted, or ``None`` if it has counted none."""
    if read is None and written is None:
        return None
    complete = read is not None and written is not None
    return Usage(read, written, cached, reasoning, complete=complete)


def stop_reason(reason: object) -> str:
    """Return a finish reason as text; SGLang sends ``{"type": "abort", "message": …}``."""
    if isinstance(reason, str):
        return reason
    if reason is None:
        return ""
    fields = as_object(reason)
    return next((text for name in _REASON_FIELDS if (text := as_str(fields.get(name)))), "")


def abort_details(finish_reason: object) -> ErrorDetails | None:
    """Return the error that a finish reason stands for in any format, or ``None``.

    ``network_error`` (Zhipu) and all other reasons that end in ``_error`` are errors.
    """
    reason = finish_reason if isinstance(finish_reason, str) else stop_reason(finish_reason)
    if reason in _GOOD_REASONS:
        return None
    word = _REASON.match(reason.strip().lower().replace("-", "_").replace(" ", "_"))
    if word is None or not (word[0] in _ABORT_REASONS or word[0].endswith("_error")):
        return None
    fields = as_object(finish_reason)
    why = next((text for name in _MESSAGE_FIELDS if (text := as_str(fields.get(name)))), "")
    return ErrorDetails(
        f"the server broke off the reply ({short(reason)})" + (f": {short(why)}" if why else "")
    )


class DecoderBase(ABC):
    """Reads one answer. It does no I/O: the transport feeds it."""

    __slots__ = (
        "_error",
        "_fast",
        "_half",
        "_make_error",
        "_misfits",
        "_origin",
        "_over",
        "_provider_name",
        "_stop",
        "_unknown",
    )

    _expected: ClassVar[str]
    """The end of the error text for an unreadable answer: "the answer is ..."."""

    def __init__(self, provider_name: str, origin: str, make_error: MakeError) -> None:
        self._provider_name = provider_name
        self._origin = origin
        self._make_error = make_error
        self._stop: Stop | None = None
        self._error: ProviderError | AuthError | None = None
        self._over = False
        self._fast = True
        self._half = b""
        self._unknown: Json = {}
        self._misfits = 0

    @property
    def over(self) -> bool:
        """Whether the server has marked the end of the answer."""
        return self._over

    @property
    def complete(self) -> bool:
        """Whether the answer is complete, even if the connection breaks now."""
        return self._error is None and self._stop is not None

    @abstractmethod
    def _event(self, event: Json, deltas: list[Delta]) -> None:
        """Read one event, in which every field may be missing or of another type."""

    def _done(self) -> None:
        """Handle ``[DONE]``."""
        self._over = True

    def _count_misfit(self) -> None:
        """Count an event that did not fit the fast path."""
        self._misfits += 1
        self._fast = self._misfits < _MAX_MISFITS

    def _read(self, event: bytes, deltas: list[Delta]) -> None:
        """Read an event the slow way. An error ends the answer, after the deltas before it."""
        try:
            self._take(event, deltas)
        except (ProviderError, AuthError) as error:
            self._error = error
            self._over, self._fast = True, False

    def _take(self, event: bytes, deltas: list[Delta]) -> None:
        if event == DONE:
            self._done()
            return
        try:
            value = parse(self._with_surrogates_joined(event) if b"\\u" in event else event)
        except ValueError:
            if b"\n" not in event or event.lstrip().startswith(b"<"):
                raise self._unreadable(event) from None
            for line in event.split(b"\n"):  # a server left out the blank lines between events
                if not self._over:
                    self._take(line, deltas)
            return
        if isinstance(value, dict):
            # Not cast, which is a call for every event.
            self._event(value, deltas)  # pyright: ignore[reportUnknownArgumentType] - of JSON

    def _with_surrogates_joined(self, event: bytes) -> bytes:
        """Return ``event`` with a cut character joined: its first half is kept for this event."""
        if self._half and (low := _LOW_SURROGATE.search(event)) is not None:
            event = event[: low.start(1)] + self._half + event[low.start(1) :]
            self._half = b""
        if (high := _HIGH_SURROGATE.search(event)) is not None:
            self._half = high[2]
            event = event[: high.start(2)] + event[high.end(2) :]
        return event

    def _no_shape(self, event: Json) -> None:
        """Keep an event that has no shape of this format, because it may be an error.

        It is reported if the answer does not end properly. Proxies add events of their own to good
        answers, so it is no error by itself.
        """
        self._unknown = event or self._unknown

    def _ended(self) -> Stop:
        """Return why the model stopped; raise the error if it failed or never stopped."""
        if self._error is not None:
            raise self._error
        if self._stop is None and self._unknown:
            raise self._make_error(parse_error(self._unknown))
        if self._stop is None:
            raise ProtocolViolation(self._provider_name, "the reply was cut short by the server")
        return self._stop

    def _unreadable(self, body: bytes) -> ProtocolViolation:
        text = parse_error(body).message if body.strip() else "nothing at all"
        error = ProtocolViolation(
            self._provider_name, f"the answer is {self._expected}: {short(text)}"
        )
        error.retryable = not body.lstrip().startswith(b"<")
        return error
