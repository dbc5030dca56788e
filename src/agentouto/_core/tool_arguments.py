"""Parses the arguments of a tool call, and writes the error that a model reads if they are wrong.

What a model meant is never guessed: text that is not complete JSON becomes an error that the model
can react to, never a tool call with half of the arguments. This module does not know tools or
schemas.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import cast

import msgspec

from agentouto._domain.configuration_error import closest
from agentouto._domain.errors import ToolError

LANGUAGE = re.compile(r"[\w-]*")
"""The first word of a fence's info string, such as ``json``."""

FENCE = "```"
"""The fence of code blocks (CommonMark 0.31, section 4.5). Models put JSON in one out of habit."""

MAX_VALUE_SHOWN = 80
"""How many characters of a wrong value an error quotes: the model has the whole in its transcript.
"""

MAX_MISMATCHES = 5
"""How many mistakes an error lists. More would push the first ones out of sight."""

_decode_any_json = msgspec.json.Decoder().decode
_decode_arguments = msgspec.json.Decoder(dict[str, object]).decode
"""Made once: every tool call needs a decoder."""


class BadArguments(ToolError):
    """The arguments of a tool call cannot be used; nothing was done."""


class Mismatch(msgspec.Struct, frozen=True):
    """One value in the arguments that does not fit the parameters.

    Attributes:
        path: Its place: names and indexes, from the outside in. Steps that are not found in the
            arguments (pydantic names the branches of a union) are skipped.
        value: The value.
        expected: What the value should be, as the end of a sentence.
        missing: Whether there is no value.
        allowed: The fields that there are, where the last name of the path is none of them.
    """

    path: tuple[str | int, ...]
    value: object
    expected: str
    missing: bool = False
    allowed: tuple[str, ...] | None = None


def parse_arguments(text: str | None, tool_name: str = "tool") -> dict[str, object]:
    """Return the arguments in ``text``: a JSON object, possibly in a code fence or a JSON string.

    An empty text means no arguments.

    Raises:
        BadArguments: The text is something else. The error says what, and where.
    """
    if text is None:
        return {}
    try:
        return _decode_arguments(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return _parse_other_arguments(text, tool_name)


def json_or_text(text: str) -> object:
    """Return the value of ``text`` as JSON, possibly in a code fence; else ``text`` itself."""
    try:
        return _decode_json(text)
    except _NotJson:
        return text


def _parse_other_arguments(text: str, tool_name: str) -> dict[str, object]:
    """Return the arguments in ``text``, which is not the JSON of an object alone."""
    if not text.strip():
        return {}
    try:
        value = _decode_json(text)
        if isinstance(value, str):
            value = _decode_json(value) if value.strip() else None
    except _NotJson as error:
        raise BadArguments(tool_name, f"{error}; nothing was done. {_SEND_OBJECT}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        what = f"The arguments are {_json_type_name(value)} ({quote_json(value)})"
        raise BadArguments(tool_name, f"{what}; nothing was done. {_SEND_OBJECT}")
    return cast("dict[str, object]", value)


def explain_mismatches(
    mismatches: Iterable[Mismatch], arguments: Mapping[str, object], known: Collection[str]
) -> str:
    """Return the error text for ``arguments`` that do not fit the parameters called ``known``."""
    by_path: dict[str, list[Mismatch]] = {}
    for mismatch in mismatches:
        by_path.setdefault(_path_in_arguments(mismatch, arguments), []).append(mismatch)
    sentences = [
        _explain_unknown_name(name, name, known) for name in arguments if name not in known
    ]
    sentences += [_explain_mismatch(path, at_one_place) for path, at_one_place in by_path.items()]
    more = len(sentences) - MAX_MISMATCHES
    rest = [f"And {more} more."] if more > 0 else []
    return " ".join(
        ("The arguments are wrong; nothing was done.", *sentences[:MAX_MISMATCHES], *rest)
    )


def quote_json(value: object) -> str:
    """Return ``value`` as JSON, cut to ``MAX_VALUE_SHOWN``."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        text = repr(value)
    return text if len(text) <= MAX_VALUE_SHOWN else f"{text[:MAX_VALUE_SHOWN]}…"


class _NotJson(Exception):
    """The text is not JSON; the message says why."""


_SEND_OBJECT = "Send one complete JSON object."
_TYPE_NAMES: Mapping[type, str] = MappingProxyType(
    {
        list: "a list",
        str: "a text",
        bool: "a truth value",
        int: "a number",
        float: "a number",
    }
)


def _decode_json(text: str) -> object:
    try:
        return _decode_any_json(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        fenced = _fenced(text)
        if fenced is None:
            raise _NotJson(_why_not_json(text, error)) from error
    try:
        return _decode_any_json(fenced) if fenced else None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise _NotJson(_why_not_json(fenced, error)) from error


def _fenced(text: str) -> str | None:
    """Return the content of the code fence that ``text`` is; ``None`` if it is not one.

    Plain string methods: a regular expression for the whole took cubic time on blank lines.
    """
    text = text.strip()
    opened = text.removeprefix(FENCE)
    inner = opened.removesuffix(FENCE)
    if len(opened) == len(text) or len(inner) == len(opened):
        return None
    language = LANGUAGE.match(inner)
    return inner[language.end() if language else 0 :].strip()


def _why_not_json(text: str, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "The arguments are nested too deeply"
    if isinstance(error, UnicodeEncodeError):
        return f"The arguments hold half a character at position {error.start}"
    message = str(error)
    if "truncated" in message:
        return f"The arguments end too early, after {len(text):,} characters: …{text[-20:]!r}"
    reason, _, byte = message.removeprefix("JSON is malformed: ").rpartition(" (byte ")
    if not byte.removesuffix(")").isdecimal():
        return f"The arguments are not JSON: {message}"
    place = len(text.encode()[: int(byte[:-1])].decode(errors="ignore"))
    near = text[max(0, place - 10) : place + 20]
    return f"The arguments are not JSON: {reason} at position {place}, near {near!r}"


def _json_type_name(value: object) -> str:
    return _TYPE_NAMES.get(type(value), "no object")


def _path_in_arguments(mismatch: Mismatch, arguments: Mapping[str, object]) -> str:
    at: object = arguments
    path = ""
    for place, step in enumerate(mismatch.path):
        last = place == len(mismatch.path) - 1
        if isinstance(at, Mapping) and (step in at or (last and mismatch.missing)):
            inner = cast("Mapping[object, object]", at)
            at = inner.get(step)
            path = f"{path}.{step}" if path else str(step)
        elif isinstance(at, list) and isinstance(step, int):
            items = cast("Sequence[object]", at)
            at = items[step] if step < len(items) else None
            path = f"{path}[{step}]"
    return path


def _explain_mismatch(path: str, mismatches: Sequence[Mismatch]) -> str:
    first = mismatches[0]
    if first.allowed is not None:
        return _explain_unknown_name(path, str(first.path[-1]), first.allowed, "field")
    if first.missing:
        return f"`{path}` is missing."
    expected = dict.fromkeys(
        one.expected.removeprefix("Input ").removeprefix("Value error, ") for one in mismatches
    )
    return f"`{path}` is {quote_json(first.value)}: {', or '.join(expected)}."


def _explain_unknown_name(
    path: str, name: str, known: Collection[str], kind: str = "parameter"
) -> str:
    what = f"There is no {kind} `{path}`"
    if (close := closest(name, known)) is not None:
        return f"{what}. Did you mean {close!r}?"
    return f"{what}; there are: {', '.join(known)}." if known else f"{what}; it takes none."
