"""What a function returned, as a model reads it: files as files, tables whole."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from agentouto._core.tool_results import MAX_CELLS, as_result
from agentouto._domain.errors import ToolError
from agentouto._domain.message import Attachment, ToolResult

ONE = Attachment("image/png", data="QUFBQQ==", name="one.png")
TWO = Attachment("image/png", data="QkJCQg==")


@dataclass
class Report:
    """A text with a chart."""

    title: str
    chart: Attachment


@pytest.mark.parametrize(
    ("value", "text", "files"),
    [
        (ONE, "", [ONE]),
        ([ONE, TWO], "", [ONE, TWO]),
        (("Two views.", ONE, TWO), "Two views.", [ONE, TWO]),
        ({"front": ONE, "n": 2}, '{"front":"(file 1: one.png)","n":2}', [ONE]),
        ([{"page": 1, "view": TWO}], '[{"page":1,"view":"(file 1: image/png)"}]', [TWO]),
        (Report("Tides", ONE), '{"title":"Tides","chart":"(file 1: one.png)"}', [ONE]),
        ([ToolResult("a", [ONE]), ToolResult("b", [TWO])], '["a","b"]', [ONE, TWO]),
        (["a", "b"], '["a","b"]', None),
        ([], "[]", None),
    ],
)
def test_files_are_files_wherever_they_are(
    value: object, text: str, files: list[Attachment] | None
) -> None:
    assert as_result(value, "t") == ToolResult(text, files)


def test_a_list_in_itself_is_told_without_end() -> None:
    endless: list[object] = [ONE]
    endless.append(endless)
    assert "..." in as_result([1, endless], "t").content


class Index:
    """Counts rows, as pandas' ``RangeIndex`` does."""

    def __init__(self, start: int, labels: list[str]) -> None:
        self.start, self.step, self.labels = start, 1, labels

    def tolist(self) -> list[str]:
        return self.labels


class Frame:
    """Has what a table of pandas has, and like it a ``str()`` that leaves most of it out."""

    columns = ("name", "n")

    def __init__(self, rows: int, index: object) -> None:
        self.shape, self.index = (rows, 2), index

    def __str__(self) -> str:
        return "name ... n"

    def to_dict(self, *, orient: str) -> dict[str, object]:
        assert orient == "split"
        data = [[f"row {row}", row] for row in range(self.shape[0])]
        return {"index": ["x"], "columns": list(self.columns), "data": data}


class Array:
    """Has what an array or a number of NumPy has."""

    def __init__(self, shape: tuple[int, ...], value: object) -> None:
        self.shape, self.value = shape, value

    def tolist(self) -> object:
        return self.value


def test_a_table_arrives_whole_with_an_index_that_says_something() -> None:
    whole = as_result({"rows": Frame(500, Index(0, []))}, "t").content
    assert '["row 250",250]' in whole
    assert '"index"' not in whole
    assert '"index":["x"]' in as_result(Frame(1, Index(7, ["x"])), "t").content


def test_arrays_are_lists_and_their_numbers_are_numbers() -> None:
    assert as_result(Array((3,), [1, 2, 3]), "t").content == "[1,2,3]"
    assert as_result({"n": Array((), 3), "ok": Array((), True)}, "t").content == '{"n":3,"ok":true}'


def test_a_table_that_is_too_large_is_an_error_that_says_what_to_return() -> None:
    with pytest.raises(ToolError, match=r"t returned a Frame of 200,001 x 2 cells.*\.head\(100\)"):
        as_result([Frame(MAX_CELLS + 1, Index(0, []))], "t")
