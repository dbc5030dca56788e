"""Reads the messages of earlier runs, and turns them into transcript entries for an agent.

A history may come from a file, a web form or a model's tool call, so all of it is checked here. A
mistake of the user raises ``ConfigurationError``; a mistake of a model is skipped, because the
model that made it is not waiting for an answer about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal, cast

from agentouto._core.prompt import quote_model_history
from agentouto._domain.clock import new_id
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.content import Entry, Incoming, Reply, Text
from agentouto._domain.message import USER, Attachment, Message

MESSAGE_FIELDS = ("type", "sender", "receiver", "content", "call_id", "attachments")
"""The fields of ``Message``, in its order; those at 1 to 4 are text."""


def read_history(history: object) -> tuple[Message, ...]:
    """Return ``history`` as messages; dictionaries with the same keys are taken too.

    Raises:
        ConfigurationError: An item is neither, or lacks or misspells something.
    """
    if history is None:
        return ()
    kind = type(history).__name__
    if isinstance(history, str | Message | Mapping) or not isinstance(history, Iterable):
        raise ConfigurationError(
            f"history= takes a list of messages, such as result.messages, not a {kind}"
        )
    items = cast("Iterable[object]", history)
    return tuple(_read_message(item, place) for place, item in enumerate(items))


def read_model_history(history: object) -> tuple[Message, ...]:
    """Return the messages in ``history`` that can be read; items that cannot be are skipped."""
    if not isinstance(history, list):
        return ()
    messages: list[Message] = []
    for item in cast("list[object]", history):
        if isinstance(item, dict):
            fields = cast("dict[str, object]", item)
            type_: Literal["forward", "return"] = (
                "return" if fields.get("type") == "return" else "forward"
            )
            texts = [str(fields.get(key, "")) for key in ("sender", "receiver", "content")]
            messages.append(Message(type_, texts[0], texts[1], texts[2]))
    return tuple(messages)


def history_entries(history: Iterable[Message], reader: str, author: str = USER) -> Iterator[Entry]:
    """Yield ``history`` as transcript entries for the agent called ``reader``.

    A return of the reader becomes a reply of its model; every other message was sent to it. Where
    ``author`` is an agent, its model has written the history: nothing in it speaks for the user or
    for the reader, so each message is text of the author's, and marked as such.
    """
    if author != USER:
        yield from (Incoming(quote_model_history(author, message)) for message in history)
        return
    for message in history:
        attachments = tuple(message.attachments or ())
        if message.type == "forward":
            prefix = "" if message.sender == USER else f"[Forwarded from {message.sender}]: "
            yield Incoming(prefix + message.content, attachments)
        elif message.sender != reader:
            yield Incoming(f"[Return from {message.sender}]: {message.content}", attachments)
        else:
            yield Reply((Text(message.content),))
            if attachments:
                yield Incoming("[Files you returned with this]", attachments)


def _read_message(item: object, place: int) -> Message:
    if isinstance(item, Message):
        _check_type(item.type, place)
        for key in MESSAGE_FIELDS[1:5]:
            _check_text(key, getattr(item, key), place)
        files = _read_attachments(item.attachments, place)
        return item if files == item.attachments else replace(item, attachments=files)
    if not isinstance(item, Mapping):
        raise ConfigurationError(
            f"history[{place}] is a {type(item).__name__}; "
            "history takes Messages, or dictionaries with their fields"
        )
    fields = dict(cast("Mapping[str, object]", item))
    if "role" in fields and "type" not in fields:
        raise ConfigurationError(
            f"history[{place}] is a message of a model's API, with a role; history= takes the "
            f"messages of an earlier run, such as result.messages, with {', '.join(MESSAGE_FIELDS)}"
        )
    _check_type(fields.get("type"), place)
    fields.pop("approval", None)  # of an earlier run, as ``dataclasses.asdict`` writes it
    options = _read_options(fields.pop("options", ()), place)
    if unknown := sorted(fields.keys() - set(MESSAGE_FIELDS)):
        raise ConfigurationError(
            f"history[{place}] has unknown {', '.join(unknown)}; "
            f"a message has {', '.join(MESSAGE_FIELDS)}"
        )
    sender, receiver, content = (
        _check_text(key, fields.get(key), place) for key in MESSAGE_FIELDS[1:4]
    )
    id_ = fields.get("call_id")
    call_id = new_id() if id_ is None else _check_text("call_id", id_, place)
    type_: Literal["forward", "return"] = "return" if fields["type"] == "return" else "forward"
    files = _read_attachments(fields.get("attachments"), place)
    return Message(type_, sender, receiver, content, call_id, files, options=options)


def _check_type(type_: object, place: int) -> None:
    if type_ not in ("forward", "return"):
        raise ConfigurationError(
            f"history[{place}] has type {type_!r}; there are 'forward' and 'return', and a message "
            f"has {', '.join(MESSAGE_FIELDS)}"
        )


def _check_text(key: str, value: object, place: int) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"history[{place}] needs text for {key!r}, not {value!r:.60}")
    return value


def _read_options(value: object, place: int) -> tuple[str, ...]:
    options = tuple(cast("list[object]", value)) if isinstance(value, list | tuple) else (None,)
    return tuple(_check_text("options", option, place) for option in options)


def _read_attachments(value: object, place: int) -> list[Attachment] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"history[{place}]: attachments must be a list")
    attachments: list[Attachment] = []
    for item in cast("list[object]", value):
        if isinstance(item, Attachment):
            attachments.append(item)
            continue
        try:
            attachments.append(Attachment(**cast("dict[str, str]", item)))
        except TypeError as error:
            raise ConfigurationError(f"history[{place}]: an attachment has {error}") from None
    return attachments
