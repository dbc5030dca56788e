"""Messages of earlier runs, as the agent that goes on from them reads them.

Everything from outside is checked here: a history may come out of a file, a model's tool call or a
web form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from agentouto._domain.content import Entry, Incoming, Reply, Text
from agentouto._domain.message import USER, Attachment, Message
from agentouto._domain.misuse import ConfigurationError

FIELDS = ("type", "sender", "receiver", "content", "call_id", "attachments")


def read(history: object) -> tuple[Message, ...]:
    """Return ``history`` as messages; dictionaries with the same keys are taken too.

    Raises:
        ConfigurationError: An item is neither, or lacks or misspells something.
    """
    if history is None:
        return ()
    if isinstance(history, str | Message | Mapping) or not isinstance(history, Iterable):
        raise ConfigurationError(
            "history= takes a list of messages, such as result.messages, not a "
            f"{type(cast('object', history)).__name__}"
        )
    items = cast("Iterable[object]", history)
    return tuple(_message(item, place) for place, item in enumerate(items))


def read_from_model(history: object) -> tuple[Message, ...]:
    """Return what of ``history`` can be read; a model's mistakes here are passed over."""
    if not isinstance(history, list):
        return ()
    messages: list[Message] = []
    for item in cast("list[object]", history):
        if isinstance(item, dict):
            fields = cast("dict[str, object]", item)
            type_ = "return" if fields.get("type") == "return" else "forward"
            words = [str(fields.get(key, "")) for key in ("sender", "receiver", "content")]
            messages.append(Message(type_, words[0], words[1], words[2]))
    return tuple(messages)


def entries(history: Iterable[Message], reader: str) -> Iterator[Entry]:
    """Yield ``history`` as transcript entries for the agent called ``reader``.

    What the reader itself returned is its own earlier reply; everything else was said to it.
    """
    for message in history:
        attachments = tuple(message.attachments or ())
        if message.type == "forward":
            ahead = "" if message.sender == USER else f"[Forwarded from {message.sender}]: "
            yield Incoming(ahead + message.content, attachments)
        elif message.sender != reader:
            yield Incoming(f"[Return from {message.sender}]: {message.content}", attachments)
        else:
            yield Reply((Text(message.content),))
            if attachments:
                yield Incoming("[Files you returned with this]", attachments)


def _message(item: object, place: int) -> Message:
    if isinstance(item, Message):
        _check_type(item.type, place)
        return item
    if not isinstance(item, Mapping):
        raise ConfigurationError(
            f"history[{place}] is a {type(item).__name__}; "
            "history takes Messages, or dictionaries with their fields"
        )
    fields = dict(cast("Mapping[str, object]", item))
    _check_type(fields.get("type"), place)
    if unknown := sorted(fields.keys() - set(FIELDS)):
        raise ConfigurationError(
            f"history[{place}] has unknown {', '.join(unknown)}; a message has {', '.join(FIELDS)}"
        )
    words: dict[str, str] = {}
    for key in FIELDS[1:5]:
        value = fields.get(key)
        if isinstance(value, str):
            words[key] = value
        elif key != "call_id" or value is not None:
            raise ConfigurationError(f"history[{place}] needs text for {key!r}, not {value!r}")
    type_ = "return" if fields["type"] == "return" else "forward"
    files = _attachments(fields.get("attachments"), place)
    return Message(type_, attachments=files, **words)


def _check_type(type_: object, place: int) -> None:
    if type_ not in ("forward", "return"):
        raise ConfigurationError(
            f"history[{place}] has type {type_!r}; there are 'forward' and 'return', and a message "
            f"has {', '.join(FIELDS)}"
        )


def _attachments(given: object, place: int) -> list[Attachment] | None:
    if given is None:
        return None
    if not isinstance(given, list | tuple):
        raise ConfigurationError(f"history[{place}]: attachments must be a list")
    found: list[Attachment] = []
    for item in cast("list[object]", given):
        if isinstance(item, Attachment):
            found.append(item)
            continue
        try:
            found.append(Attachment(**cast("dict[str, str]", item)))
        except TypeError as error:
            raise ConfigurationError(f"history[{place}]: an attachment has {error}") from None
    return found
