"""Turns the events of a run into rows of a journal, and rows into events.

A row is the number of its call, the kind of the event, and a JSON array of its fields. Calls are
numbered in the order in which they first appear; the first row of a call also says what its call
is. Nothing is said twice: a tool call is its place in the reply that has it, a message that was
sent is its id, and a large file is its hash.

The kinds and the order of their fields are persisted, and a test pins them: within a version of the
file, fields are only added, at the end and with a default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple, cast, get_args

import msgspec
from msgspec.structs import astuple

from agentouto._core.line_writer import PIECES
from agentouto._domain.content import Outcome, Place, ToolCall
from agentouto._domain.event import (
    CallStarted,
    Event,
    MessagePosted,
    MessageRead,
    MessageReturned,
    Replied,
    ToolFinished,
    ToolStarted,
)
from agentouto._domain.event_pieces import Stamp
from agentouto._domain.kept_event import CallOpened
from agentouto._domain.message import Attachment, Message
from agentouto._journal.files import LARGE_FILE_BYTES, MARK_START, put_in_files, take_out_files

ROW_KINDS: Mapping[str, type[Event]] = MappingProxyType(
    {kind.__name__: kind for kind in get_args(Event) if kind not in PIECES}
)
"""The events that are kept, by the names that rows have."""

_SHORTENED = (
    ToolStarted,
    ToolFinished,
    CallOpened,
    MessagePosted,
    CallStarted,
    MessageRead,
    MessageReturned,
)
"""Events whose rows leave out what earlier rows have said."""

_SENT = (CallOpened, MessagePosted)
_SAID = (Replied, *_SENT)
"""Events with what later rows leave out: tool calls and messages."""

NO_FILES: Mapping[bytes, bytes] = MappingProxyType({})


class EventRow(NamedTuple):
    """A row of a journal, and the large files that it has marks for, by their hashes."""

    call: int
    kind: str
    body: bytes
    files: Mapping[bytes, bytes] = NO_FILES


class UnreadableRow(ValueError):
    """A row is none of a journal of this version."""


class OutcomeRow(msgspec.Struct, frozen=True, array_like=True):
    """The outcome of a tool call. Its value is made again; what was raised is not kept."""

    place: Place
    content: str
    attachments: tuple[Attachment, ...] = ()
    is_error: bool = False
    returns: bool = False


class _FirstRow(msgspec.Struct, frozen=True, array_like=True):
    """The first row of a call: its stamp, and the fields of the event."""

    agent_name: str
    call_id: str
    parent_call_id: str | None
    fields: msgspec.Raw


def _row_type(kind: type[Event]) -> type[msgspec.Struct]:
    """Return the struct that the fields of ``kind`` are decoded into, the stamp left out."""
    special: dict[type[Event], object] = {  # the first field, in another form
        ToolStarted: Place,
        ToolFinished: OutcomeRow,
        CallStarted: Message | None,
        MessageRead: Message | str,
        MessageReturned: Message | str,
    }
    fields: list[Any] = []
    for place, field in enumerate(msgspec.structs.fields(kind)[1:]):
        type_ = special.get(kind, field.type) if place == 1 else field.type
        if field.required:
            fields.append((field.name, type_))
        else:
            default = field.default
            if default is msgspec.NODEFAULT:
                default = msgspec.field(default_factory=field.default_factory)
            fields.append((field.name, type_, default))
    return msgspec.defstruct(f"{kind.__name__}EventRow", fields, array_like=True, frozen=True)


class _Form(NamedTuple):
    """How rows of one kind are written and read. A default of ``""`` is also that of what is empty.

    The first ``required`` fields have no default. ``values`` returns the fields of an event.
    Rows that are ``shortened`` leave out what earlier rows have said; what is ``said`` in others is
    left out of later ones.
    """

    kind: type[Event]
    name: str
    values: Callable[[object], tuple[object, ...]]
    required: int
    defaults: tuple[object, ...]
    decode: Callable[[bytes], msgspec.Struct]
    shortened: bool
    said: bool


def _has_value(field: msgspec.structs.FieldInfo) -> bool:
    return field.default is not msgspec.NODEFAULT


def _form(kind: type[Event]) -> _Form:
    fields = msgspec.structs.fields(kind)[1:]
    required = sum(field.required for field in fields)  # struct fields: those come first
    defaults = tuple(field.default if _has_value(field) else "" for field in fields)
    decode = msgspec.json.Decoder(_row_type(kind)).decode
    values = _getter([field.name for field in fields])
    said, shortened = kind in _SAID, kind in _SHORTENED
    return _Form(kind, kind.__name__, values, required, defaults, decode, shortened, said)


def _getter(names: Sequence[str]) -> Callable[[object], tuple[object, ...]]:
    """Return a function that returns the attributes ``names`` of an object, as a tuple."""
    get = attrgetter(*names)  # of one name, it returns the value itself
    return get if len(names) > 1 else lambda of: (get(of),)


_FORMS: Mapping[str, _Form] = MappingProxyType(
    {name: _form(kind) for name, kind in ROW_KINDS.items()}
)

_FORMS_BY_KIND: Mapping[type, _Form] = MappingProxyType(
    {form.kind: form for form in _FORMS.values()}
)

_encode = msgspec.json.Encoder().encode
_decode_first = msgspec.json.Decoder(_FirstRow).decode


class RowWriter:
    """Turns the events of one run into rows. It has to get all of them, from the first on."""

    def __init__(self) -> None:
        self._calls: dict[Stamp, int] = {}
        self._messages: dict[str, Message] = {}

    def follow(self, events: Iterable[Event]) -> None:
        """Take the next events, whose rows are written already."""
        seen: set[int] = set()
        for event in events:
            if id(event.stamp) not in seen:  # the events of a call share one object
                seen.add(id(event.stamp))
                self._calls.setdefault(event.stamp, len(self._calls))
            if isinstance(event, _SENT):
                self._messages[event.message.call_id] = event.message

    def row(self, event: Event) -> EventRow:
        """Return the row of the next event.

        Raises:
            TypeError: Something in it cannot be written as JSON.
        """
        form = _FORMS_BY_KIND[type(event)]
        values = [*form.values(event)]
        if form.shortened:
            self._shorten(event, values)
        count = len(values)
        while count > form.required:
            value, default = values[count - 1], form.defaults[count - 1]
            if value != default and (value or default != ""):
                break
            count -= 1
        del values[count:]
        stamp = event.stamp
        number = self._calls.get(stamp)
        if number is not None:
            body = _encode(values)
        else:
            number = self._calls[stamp] = len(self._calls)
            body = _encode((stamp.agent_name, stamp.call_id, stamp.parent_call_id, values))
        if len(body) <= LARGE_FILE_BYTES:
            return EventRow(number, form.name, body)
        return EventRow(number, form.name, *take_out_files(body))

    def _shorten(self, event: Event, values: list[object]) -> None:
        """Leave out of ``values`` what earlier rows have said."""
        match event:
            case ToolStarted():
                values[1] = event.tool_call.place
            case ToolFinished(outcome=outcome):
                values[1] = OutcomeRow(
                    outcome.tool_call.place,
                    outcome.content,
                    outcome.attachments,
                    outcome.is_error,
                    outcome.returns,
                )
            case CallOpened() | MessagePosted():
                self._messages[event.message.call_id] = event.message
            case CallStarted() if self._is_sent(event.message):
                values[1] = None
            case MessageRead() | MessageReturned() if self._is_sent(event.message):
                values[1] = event.message.call_id
            case _:
                pass

    def _is_sent(self, message: Message) -> bool:
        return self._messages.get(message.call_id) == message


class RowReader:
    """Turns the rows of one run into events. It has to get all of them, from the first on."""

    def __init__(self) -> None:
        self._stamps: list[Stamp] = []
        self._messages: dict[str, Message] = {}
        self._tool_calls: dict[tuple[str, Place], ToolCall] = {}

    def event(self, row: EventRow) -> Event:
        """Return the event of the next row; see ``read``."""
        return self.read(*row)

    def read(
        self, call: int, kind: str, body: bytes, files: Mapping[bytes, bytes] = NO_FILES
    ) -> Event:
        """Return the event of the next row.

        Raises:
            UnreadableRow: It is none of this version, or does not follow from the rows before it.
        """
        try:
            form = _FORMS[kind]
        except KeyError:
            raise UnreadableRow(f"there is no kind of event {kind!r:.60}") from None
        stamps = self._stamps
        try:
            if MARK_START in body:
                body = put_in_files(body, files)
            if call == len(stamps):
                first = _decode_first(body)
                stamps.append(Stamp(first.agent_name, first.call_id, first.parent_call_id))
                body = bytes(first.fields)
            stamp = stamps[call]
            values = astuple(form.decode(body))
            if form.shortened:
                values = self._lengthened(form.kind, stamp, values)
        except (msgspec.DecodeError, LookupError, ValueError) as error:
            raise UnreadableRow(f"a row of the kind {kind!r} cannot be read: {error}") from error
        event = cast("Callable[..., Event]", form.kind)(stamp, *values)
        if form.said:
            self._remember(event)
        return event

    def _lengthened(
        self, kind: type[Event], stamp: Stamp, values: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """Return ``values`` with what earlier rows have said in its place, the second."""
        at, said, *others = values
        if kind is ToolStarted:
            said = self._tool_calls[stamp.call_id, said]
        elif kind is ToolFinished:
            tool_call = self._tool_calls[stamp.call_id, said.place]
            said = Outcome(tool_call, said.content, said.attachments, said.is_error, said.returns)
        elif kind is CallStarted and said is None:
            said = self._messages[stamp.call_id]
        elif isinstance(said, str) and kind in (MessageRead, MessageReturned):
            said = self._messages[said]
        return at, said, *others

    def _remember(self, event: Event) -> None:
        if isinstance(event, Replied):
            for tool_call in event.reply.tool_calls:
                self._tool_calls[event.stamp.call_id, tool_call.place] = tool_call
        elif isinstance(event, CallOpened | MessagePosted):
            self._messages[event.message.call_id] = event.message
