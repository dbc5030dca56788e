"""What a model wrote as arguments is read exactly, or not at all."""

from __future__ import annotations

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentouto._core.tool_arguments import (
    BadArguments,
    Mismatch,
    explain_mismatches,
    parse_arguments,
    quote_json,
)
from agentouto._domain.errors import ToolError

OBJECTS = st.dictionaries(
    st.text(st.characters(codec="utf-8")),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
        ),
        max_leaves=5,
    ),
    max_size=4,
)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('{"a": 1}', {"a": 1}),
        ('  {"a": "é"}\n', {"a": "é"}),
        (None, {}),
        ("", {}),
        (" \n", {}),
        ("null", {}),
        ('""', {}),
        ('"null"', {}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('```\n{"a": "```"}\n```\n', {"a": "```"}),
        ("```json\n```", {}),
        ('"{\\"a\\": [1]}"', {"a": [1]}),
        ('{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
    ],
)
def test_an_object_is_read_however_it_is_wrapped(
    text: str | None, arguments: dict[str, object]
) -> None:
    assert parse_arguments(text) == arguments


@given(OBJECTS)
def test_what_was_written_is_what_is_read(arguments: dict[str, object]) -> None:
    text = json.dumps(arguments, ensure_ascii=False)
    assert parse_arguments(text) == arguments
    assert parse_arguments(json.dumps(text)) == arguments
    assert parse_arguments(f"```json\n{text}\n```") == arguments


@given(OBJECTS, st.data())
def test_text_that_was_cut_is_never_read(arguments: dict[str, object], data: st.DataObject) -> None:
    text = json.dumps({"command": "rm", **arguments})
    cut = text[: data.draw(st.integers(1, len(text) - 1))]
    with pytest.raises(BadArguments):
        parse_arguments(cut)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"path": "f", "content": "rm -rf / && e', "end too early, after 39 characters"),
        ('{"a": 1} and more', "trailing characters at position"),
        ('{"a": 1}{"b": 2}', """near '{"a": 1}{"b": 2}'"""),
        ('{"é": 1,}', "trailing comma in object at position 8"),
        ("{'a': 1}", "object keys must be strings at position 1"),
        ('{"a": NaN}', "at position 6"),
        ("Infinity", "at position 0"),
        ("[1, 2]", "are a list ([1,2])"),
        ("true", "are a truth value"),
        ("3", "are a number"),
        ('"\\"twice\\""', 'are a text ("twice")'),
        ("```json\n{\n```", "end too early"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": "\ud800"}', "half a character at position 7"),
    ],
)
def test_anything_else_is_refused_with_the_place(text: str, told: str) -> None:
    with pytest.raises(BadArguments) as caught:
        parse_arguments(text, "search")
    assert told in caught.value.message
    assert "nothing was done. Send one complete JSON object." in caught.value.message
    assert len(caught.value.message) < 300
    assert isinstance(caught.value, ToolError)
    assert caught.value.tool_name == "search"


@given(st.text())
def test_no_text_leads_to_any_other_error(text: str) -> None:
    with contextlib.suppress(BadArguments):
        assert isinstance(parse_arguments(text), dict)


def test_a_wrong_argument_is_named_with_its_value_and_what_is_allowed() -> None:
    arguments = {"max_results": "many", "quary": "x"}
    faults = [
        Mismatch(("max_results",), "many", "Input should be a valid integer"),
        Mismatch(("query",), arguments, "Field required", missing=True),
    ]
    assert explain_mismatches(faults, arguments, ["query", "max_results"]) == (
        "The arguments are wrong; nothing was done. "
        "There is no parameter `quary`. Did you mean 'query'? "
        '`max_results` is "many": should be a valid integer. '
        "`query` is missing."
    )


@pytest.mark.parametrize(
    ("path", "missing", "told"),
    [
        (("filters", "from"), False, "`filters.from`"),
        (("items", 1, "x"), False, "`items[1].x`"),
        (("items", 1, "y"), True, "`items[1].y` is missing."),
        (("items", "list[int]", 1), False, "`items[1]`"),
        (("filters", "from", "[key]"), False, "`filters.from`"),
        (("items", 7), False, "`items[7]`"),
    ],
)
def test_places_are_told_as_one_would_write_them(
    path: tuple[str | int, ...], missing: bool, told: str
) -> None:
    arguments: dict[str, object] = {"filters": {"from": 1}, "items": [{}, {"x": 2}]}
    assert told in explain_mismatches([Mismatch(path, 1, "no", missing)], arguments, arguments)


def test_the_branches_of_a_union_are_told_as_one_wish() -> None:
    faults = [
        Mismatch(("when", "int"), "soon", "Input should be a valid integer"),
        Mismatch(("when", "date"), "soon", "Input should be a valid date"),
        Mismatch(("when", "date"), "soon", "Input should be a valid date"),
    ]
    told = explain_mismatches(faults, {"when": "soon"}, ["when"])
    assert told.endswith('`when` is "soon": should be a valid integer, or should be a valid date.')


def test_only_a_few_of_many_faults_are_told() -> None:
    arguments: dict[str, object] = {"items": ["x"] * 50}
    faults = [Mismatch(("items", place), "x", "Input should be a number") for place in range(50)]
    told = explain_mismatches(faults, arguments, ["items"])
    assert told.endswith('`items[4]` is "x": should be a number. And 45 more.')


@pytest.mark.parametrize(
    ("known", "ending"),
    [((), "it takes none."), (("alpha", "beta"), "there are: alpha, beta.")],
)
def test_an_unknown_argument_without_neighbours_is_told_all_there_are(
    known: tuple[str, ...], ending: str
) -> None:
    assert explain_mismatches([], {"zzz": 1}, known).endswith(
        f"There is no parameter `zzz`; {ending}"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x", '"x"'),
        ({"a": "é"}, '{"a":"é"}'),
        (object, "<class 'object'>"),
        (msgspec, repr(msgspec)),
    ],
)
def test_values_are_shown_as_json_where_that_is_possible(value: object, shown: str) -> None:
    assert quote_json(value) == (shown if len(shown) <= 80 else f"{shown[:80]}…")


def test_long_values_are_cut() -> None:
    assert quote_json("x" * 1000) == '"' + "x" * 79 + "…"
