"""Tables, arrays and forms of the kinds that no test environment installs, by their shape."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agentouto._core.strict_schema import strict_schema
from agentouto._core.tool_results import as_result
from agentouto.wires import ToolSpec


class Shaped:
    """Something with the attributes it is given, and a ``shape``."""

    def __init__(self, shape: tuple[int, ...], **attributes: Any) -> None:
        self.shape = shape
        vars(self).update(attributes)

    def __str__(self) -> str:
        return "shown"


class Kind:
    def __init__(self, kind: str) -> None:
        self.kind = kind


class Counted:
    """An index that only counts the rows, as pandas has it."""

    start, step = 0, 1


class Labels:
    def tolist(self) -> list[str]:
        return ["a", "b"]


def text(value: object) -> str:
    return as_result(value, "look").content


def fails(error: type[Exception]) -> Any:
    def tolist() -> object:
        raise error

    return tolist


def test_a_table_with_rows_is_written_with_its_columns() -> None:
    table = Shaped((2, 1), columns=["n"], rows=lambda: [(1,), (2,)])
    assert text(table) == '{"columns":["n"],"data":[[1],[2]]}'


def test_the_index_of_a_table_is_written_where_it_has_labels() -> None:
    def split(index: object) -> Shaped:
        return Shaped(
            (1, 1),
            columns=["n"],
            index=index,
            to_dict=lambda orient: {"index": ["a"], "columns": ["n"], "data": [[1]]},
        )

    assert text(split(Labels())) == '{"index":["a"],"columns":["n"],"data":[[1]]}'
    assert text(split(Counted())) == '{"columns":["n"],"data":[[1]]}'


def test_a_column_is_a_list_or_has_its_labels_beside_it() -> None:
    assert text(Shaped((2,), tolist=lambda: [1, 2], index=Counted())) == "[1,2]"
    assert text(Shaped((2,), to_list=lambda: [1, 2], index=Labels())) == (
        '{"index":["a","b"],"data":[1,2]}'
    )


def test_times_are_written_as_text_and_no_bare_numbers() -> None:
    plain = Shaped((1,), tolist=lambda: ["2026-01-02"])
    times = Shaped((1,), dtype=Kind("M"), astype=lambda kind: plain, tolist=lambda: [7])
    assert text(times) == '["2026-01-02"]'


@pytest.mark.parametrize("error", [AttributeError, TypeError, NotImplementedError])
def test_an_array_that_cannot_be_listed_is_shown(error: type[Exception]) -> None:
    assert text(Shaped((1,), tolist=fails(error))) == "shown"
    assert text(Shaped((1,))) == "shown"


def test_a_struct_is_written_as_its_fields() -> None:
    class Point(msgspec.Struct):
        x: int

    assert text({"at": Point(1)}) == '{"at":{"x":1}}'


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "object", "properties": {}, "required": []},
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "required": ["a"],
            "additionalProperties": {"type": "string"},
        },
        {
            "type": "object",
            "properties": {"a": {"type": "string", "pattern": "x"}},
            "required": ["a"],
        },
        {"type": "array", "items": {"type": "string", "pattern": "x"}},
        {"type": "array"},
        {"anyOf": [{"type": "string"}], "default": "x"},
        {"anyOf": [{"type": "string", "pattern": "x"}]},
    ],
)
def test_a_form_that_a_provider_cannot_promise_is_not_promised(inner: dict[str, object]) -> None:
    schema = {"type": "object", "properties": {"result": inner}, "required": ["result"]}
    assert strict_schema(ToolSpec("finish", "", schema).parameters) is None
