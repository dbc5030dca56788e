"""Turns what a function returned into a text and files for a model.

Files are found wherever they are: alone, in a list, beside a text, in a dictionary or an object.
In data, a note takes the place of a file. Tables and arrays (pandas, polars, NumPy, PyTorch) arrive
whole: their ``str()`` leaves out most rows silently. They are recognized by their methods, so that
none of these packages is imported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Protocol, cast

import msgspec

from agentouto._domain.errors import ToolError
from agentouto._domain.message import Attachment, ToolResult

MAX_CELLS = 200_000
"""The largest table or array that is written out: some megabytes of text, more than any model can
read. A larger one is an error that says what to return instead."""


def as_result(value: object, tool_name: str) -> ToolResult:
    """Return what a function returned as a text and files.

    Raises:
        ToolError: The value is bytes that are not text, or a table that is too large.
    """
    if type(value) is str:  # the most frequent result: it has no files
        return ToolResult(_encodable(value))
    files: list[Attachment] = []
    content: object = value
    if isinstance(value, ToolResult):
        content = value.content
        files += value.attachments or ()
    try:
        content = _without_files(content, files)
    except RecursionError:  # a list in itself; ``to_text`` shows it by ``str()``
        files.clear()
    if isinstance(value, ToolResult) and content is value.content and isinstance(content, str):
        text = encodable_text(content, tool_name)
        return value if text is content else ToolResult(text, files)
    return ToolResult(encodable_text(content, tool_name), files)


def encodable_text(value: object, tool_name: str) -> str:
    """Return ``value`` as text that can be encoded: ``None`` as ``""``, data as JSON."""
    if isinstance(value, bytes | bytearray):
        return _decode_bytes(value, tool_name)
    if value is None:
        return ""
    plain = isinstance(value, str) and not isinstance(value, Enum)
    try:
        text = str(value) if plain else to_text(value)
    except _TooLarge as error:
        raise ToolError(tool_name, f"{tool_name} returned {error}") from error
    return _encodable(text)


def _encodable(text: str) -> str:
    """Return ``text`` with its half characters, which file names may have, as escapes."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text


def to_text(value: object) -> str:
    """Return ``value`` as JSON text, or without its quotes where it is a JSON string.

    A value that JSON cannot express is passed through ``str()``.
    """
    from pydantic_core import PydanticSerializationError, to_json  # noqa: PLC0415

    too_large: list[_TooLarge] = []

    def fallback(inner: object) -> object:
        try:
            return _to_builtins(inner)
        except _TooLarge as error:
            too_large.append(error)  # pydantic turns what a fallback raises into its own error
            raise

    try:
        text = to_json(value, fallback=fallback, bytes_mode="base64")
    except (PydanticSerializationError, ValueError, RecursionError):
        if too_large:
            raise too_large[0] from None
        return str(value)
    return msgspec.json.decode(text, type=str) if text.startswith(b'"') else text.decode()


class _TooLarge(ValueError):
    """A table or an array has more than ``MAX_CELLS`` cells."""


def _to_builtins(value: object) -> object:
    """Return a value that JSON has no form for as one that it has."""
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and not isinstance(value, type):
        try:
            return _array_to_builtins(value, cast("tuple[int, ...]", shape))
        except (AttributeError, TypeError, NotImplementedError):
            return str(value)
    return str(value)


def _array_to_builtins(value: object, shape: tuple[int, ...]) -> object:
    """Return a table, a column, an array or a scalar of NumPy's kind as lists and numbers."""
    cells = 1
    for size in shape:
        cells *= int(size)
    if cells > MAX_CELLS:
        sizes = " x ".join(f"{size:,}" for size in shape)
        name = type(value).__name__
        raise _TooLarge(
            f"a {name} of {sizes} cells, more than a model can read; it should return a part of "
            "it, such as value.head(100), a summary of it, or a file: "
            "ToolResult(text, attachments=[Attachment('text/csv', data=base64)])"
        )
    if hasattr(value, "columns"):
        return _table_to_builtins(value)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in ("m", "M") and hasattr(value, "astype"):  # nanoseconds would become bare numbers
        return cast("_ArrayLike", value).astype(str).tolist()
    to_list = getattr(value, "tolist", None) or getattr(value, "to_list", None)
    if to_list is None:
        return str(value)
    items: object = cast("Callable[[], object]", to_list)()
    index = getattr(value, "index", None)
    if index is None or callable(index) or _is_numbered(index):
        return items
    return {"index": _list_of(index), "data": items}


class _ArrayLike(Protocol):
    """The methods that are used here of arrays (NumPy, PyTorch) and tables (pandas, polars)."""

    def astype(self, kind: type) -> _ArrayLike:
        """Return the array with its items as ``kind``."""
        ...

    def tolist(self) -> object:
        """Return the items as lists."""
        ...

    def to_dict(self, *, orient: str) -> dict[str, object]:
        """Return a table of pandas as lists."""
        ...

    def rows(self) -> object:
        """Return the rows of a table of polars."""
        ...


def _table_to_builtins(value: object) -> object:
    """Return a table as its columns and rows; pandas' index only where it says something."""
    table = cast("_ArrayLike", value)
    if hasattr(value, "rows"):
        return {"columns": _list_of(getattr(value, "columns", ())), "data": table.rows()}
    split = table.to_dict(orient="split")
    if _is_numbered(getattr(value, "index", None)):
        split.pop("index", None)
    return split


def _is_numbered(index: object) -> bool:
    """Whether a pandas index only counts the rows from 0."""
    start, step = getattr(index, "start", None), getattr(index, "step", None)
    return start == 0 and step == 1


def _list_of(values: object) -> list[object]:
    to_list = getattr(values, "tolist", None)
    if to_list is not None:
        return cast("list[object]", cast("Callable[[], object]", to_list)())
    return list(cast("Iterable[object]", values))


def _without_files(value: object, files: list[Attachment]) -> object:
    """Return ``value`` without its files, which are added to ``files``; the same if it has none."""
    if isinstance(value, Attachment):
        files.append(value)
        return ""
    if isinstance(value, list | tuple | set | frozenset):
        joined = _text_beside_files(list(cast("Iterable[object]", value)), files)
        if joined is not None:
            return joined
    return _with_file_notes(value, files)  # pyright: ignore[reportUnknownArgumentType] - of a list


def _text_beside_files(items: list[object], files: list[Attachment]) -> str | None:
    """Return the texts of ``items`` if these are texts and files only, and some are files."""
    found = [each for each in items if isinstance(each, Attachment)]
    texts = [each for each in items if isinstance(each, str)]
    if not found or len(found) + len(texts) < len(items):
        return None
    files += found
    return "\n".join(texts)


def _with_file_notes(value: object, files: list[Attachment]) -> object:
    """Return ``value`` with a note in the place of each file, which is added to ``files``."""
    if isinstance(value, str | int | float | bytes | None):
        return value
    if isinstance(value, Attachment):
        files.append(value)
        return f"(file {len(files)}: {value.name or value.mime_type})"
    if isinstance(value, ToolResult):
        files += value.attachments or ()
        return value.content
    if isinstance(value, list | tuple | set | frozenset):
        items = list(cast("Iterable[object]", value))
        inner = [_with_file_notes(each, files) for each in items]
        same = all(a is b for a, b in zip(inner, items, strict=True))
        return cast("object", value) if same else inner
    fields = _named_fields(value)
    if fields is None:
        return value
    changed = {name: _with_file_notes(each, files) for name, each in fields.items()}
    same = all(changed[name] is each for name, each in fields.items())
    return value if same else changed


def _named_fields(value: object) -> Mapping[object, object] | None:
    """Return the fields of a dictionary, a dataclass or a pydantic model."""
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if hasattr(type(value), "__pydantic_fields__"):
        return cast("Mapping[object, object]", vars(value))
    return None


def _decode_bytes(value: bytes | bytearray, tool_name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        what = (
            f"{tool_name} returned {len(value):,} bytes that are no text; it should return "
            "ToolResult(text, attachments=[Attachment(mime_type, data=base64)])"
        )
        raise ToolError(tool_name, what) from error
