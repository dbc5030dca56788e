"""Arguments as a model wrote them, and what it is told when they are wrong.

What a model meant is never guessed: text that is not complete JSON leads to an error it can react
to, not to a tool call with half of the arguments. This module does not know tools or schemas.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, cast

import msgspec

from agentouto._domain.errors import ToolError
from agentouto._domain.misuse import nearest

FENCE = re.compile(r"\s*```[\w-]*\s*(.*?)\s*```\s*", re.DOTALL)
MOST_SHOWN = 80
MOST_FAULTS = 5

_decode = msgspec.json.Decoder().decode


class BadArguments(ToolError):
    """The arguments of a tool call cannot be used; nothing was done."""


class Fault(NamedTuple):
    """One thing wrong with one argument.

    Attributes:
        path: Where it is: names and indexes, from the outside in. Steps that are not found in the
            arguments (the branches of a union) are passed over.
        value: What stands there.
        wish: What should.
        missing: Whether nothing stands there at all.
    """

    path: tuple[str | int, ...]
    value: object
    wish: str
    missing: bool = False


def parse_arguments(text: str | None, tool_name: str = "tool") -> dict[str, object]:
    """Return the arguments in ``text``: a JSON object, in a code fence or in a string if need be.

    Nothing at all means no arguments.

    Raises:
        BadArguments: It is something else. The text says what, and where.
    """
    if text is None or not text.strip():
        return {}
    try:
        value = _read(text)
        if isinstance(value, str):
            value = _read(value) if value.strip() else None
    except _Unreadable as error:
        raise BadArguments(tool_name, f"{error}; nothing was done. {_WANTED}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        what = f"The arguments are {_kind(value)} ({show(value)})"
        raise BadArguments(tool_name, f"{what}; nothing was done. {_WANTED}")
    return cast("dict[str, object]", value)


def read_json(text: str) -> object:
    """Return the value that ``text`` is as JSON, in a code fence if need be, or ``text`` itself."""
    try:
        return _read(text)
    except _Unreadable:
        return text


def explain(
    faults: Iterable[Fault], arguments: Mapping[str, object], known: Collection[str]
) -> str:
    """Return what a model is told of ``arguments`` that do not fit parameters called ``known``."""
    wishes: dict[str, list[Fault]] = {}
    for fault in faults:
        wishes.setdefault(_path(fault, arguments), []).append(fault)
    told = [
        f"There is no parameter `{name}`{nearest(name, known)}".rstrip("?.") + _ending(name, known)
        for name in arguments
        if name not in known
    ]
    told += [_sentence(path, at_one_place) for path, at_one_place in wishes.items()]
    more = len(told) - MOST_FAULTS
    rest = [f"And {more} more."] if more > 0 else []
    return " ".join(("The arguments are wrong; nothing was done.", *told[:MOST_FAULTS], *rest))


def show(value: object) -> str:
    """Return ``value`` as JSON, cut to a length that can be read."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


class _Unreadable(Exception):
    """Text that is not JSON. Says why."""


_WANTED = "Send one complete JSON object."
_KINDS: Mapping[type, str] = {
    list: "a list",
    str: "a text",
    bool: "a truth value",
    int: "a number",
    float: "a number",
}


def _read(text: str) -> object:
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        fenced = FENCE.fullmatch(text)
        if fenced is None:
            raise _Unreadable(_reason(text, error)) from error
    try:
        return _decode(fenced[1]) if fenced[1] else None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise _Unreadable(_reason(fenced[1], error)) from error


def _reason(text: str, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "The arguments are nested too deeply"
    if isinstance(error, UnicodeEncodeError):
        return f"The arguments hold half a character at position {error.start}"
    said = str(error)
    if "truncated" in said:
        return f"The arguments end too early, after {len(text):,} characters: …{text[-20:]!r}"
    reason, _, byte = said.removeprefix("JSON is malformed: ").rpartition(" (byte ")
    if not byte.removesuffix(")").isdecimal():
        return f"The arguments are not JSON: {said}"
    place = len(text.encode()[: int(byte[:-1])].decode(errors="ignore"))
    near = text[max(0, place - 10) : place + 20]
    return f"The arguments are not JSON: {reason} at position {place}, near {near!r}"


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "no object")


def _path(fault: Fault, arguments: Mapping[str, object]) -> str:
    at: object = arguments
    path = ""
    for place, step in enumerate(fault.path):
        last = place == len(fault.path) - 1
        if isinstance(at, Mapping) and (step in at or (last and fault.missing)):
            inner = cast("Mapping[object, object]", at)
            at = inner.get(step)
            path = f"{path}.{step}" if path else str(step)
        elif isinstance(at, list) and isinstance(step, int):
            items = cast("Sequence[object]", at)
            at = items[step] if step < len(items) else None
            path = f"{path}[{step}]"
    return path


def _sentence(path: str, faults: Sequence[Fault]) -> str:
    first = faults[0]
    if first.missing:
        return f"`{path}` is missing."
    wishes = dict.fromkeys(
        fault.wish.removeprefix("Input ").removeprefix("Value error, ") for fault in faults
    )
    return f"`{path}` is {show(first.value)}: {', or '.join(wishes)}."


def _ending(name: str, known: Collection[str]) -> str:
    if nearest(name, known):
        return "?"
    return f"; there are: {', '.join(known)}." if known else "; it takes none."
