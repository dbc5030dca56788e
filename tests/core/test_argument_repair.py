"""Arguments that have one possible meaning are mended; nothing is dropped without a word."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, NewType, TypedDict

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from agentouto._core.schema import build_schema
from agentouto._core.signature import read_signature
from agentouto._core.tool_arguments import BadArguments


class Edit(BaseModel):
    """One replacement."""

    old: str
    new: str = "-"


class Loose(BaseModel):
    """Drops what it does not know, on purpose."""

    model_config = ConfigDict(extra="ignore")
    old: str


class First(BaseModel):
    """The first arm of a union."""

    mode: Literal["first"]


class Second(BaseModel):
    """The second arm of a union."""

    mode: Literal["second"]
    offset: int


@dataclass
class Point:
    """A dataclass."""

    x: int


class Named(TypedDict, total=False):
    """A typed dictionary."""

    x: int


def checked(function: Callable[..., object], arguments: dict[str, object]) -> dict[str, object]:
    return build_schema(read_signature(function, None, {})).check(arguments).values


def refused(function: Callable[..., object], arguments: dict[str, object]) -> str:
    with pytest.raises(BadArguments) as caught:
        checked(function, arguments)
    return caught.value.message


def edit(edits: list[Edit], counts: dict[str, int] | None = None) -> None: ...
def words(text: str | list[str]) -> None: ...
def short(text: Annotated[str, Field(max_length=3)] | list[str]) -> None: ...
def scrape(url: str, depth: int = 2, tags: tuple[str, ...] = ()) -> None: ...
def arms(q: Annotated[First | Second, Field(discriminator="mode")]) -> None: ...
def loose(e: Loose) -> None: ...
def point(p: Point) -> None: ...
def named(p: Named) -> None: ...


def test_arrays_and_objects_that_come_as_text_are_taken_at_any_depth() -> None:
    inner = json.dumps({"old": "a", "new": "b"})
    for edits in (json.dumps([{"old": "a", "new": "b"}]), [inner], json.dumps([inner])):
        taken = checked(edit, {"edits": edits, "counts": '{"a": 1}'})
        assert taken == {"edits": [Edit(old="a", new="b")], "counts": {"a": 1}}


def test_text_stays_text_where_text_is_allowed() -> None:
    assert checked(words, {"text": '["a"]'}) == {"text": '["a"]'}
    assert "`text`" in refused(short, {"text": '["a"]'})


def test_text_that_is_no_array_is_refused_as_it_was_written() -> None:
    assert '`edits` is "3": should be a valid list' in refused(edit, {"edits": "3"}).replace(
        '\\"', '"'
    )


def test_null_for_what_has_a_default_takes_the_default() -> None:
    assert checked(scrape, {"url": "u", "depth": None, "tags": None}) == {"url": "u"}
    assert checked(edit, {"edits": [{"old": "a", "new": None}]})["edits"] == [Edit(old="a")]


def test_null_for_what_is_required_is_refused_by_name() -> None:
    assert refused(scrape, {"url": None}).endswith("`url` is null: must not be null.")


@pytest.mark.parametrize(
    ("function", "arguments", "told"),
    [
        (edit, {"edits": [{"old": "a", "neww": "b"}]}, "field `edits[0].neww`. Did you mean 'new'"),
        (arms, {"q": {"mode": "first", "offset": 9}}, "no field `q.offset`; there are: mode."),
        (point, {"p": {"x": 1, "y": 2}}, "no field `p.y`"),
        (named, {"p": {"x": 1, "y": 2}}, "no field `p.y`; there are: x."),
    ],
)
def test_a_field_that_a_nested_type_lacks_is_told_and_not_dropped(
    function: Callable[..., object], arguments: dict[str, object], told: str
) -> None:
    assert told in refused(function, arguments)


def test_a_type_that_drops_fields_on_purpose_may() -> None:
    assert checked(loose, {"e": {"old": "a", "more": 1}}) == {"e": Loose(old="a")}


class TwoNames(BaseModel):
    """Takes its field under either name."""

    old: str = Field(validation_alias=AliasChoices("old", "before"))


def test_where_any_field_may_be_read_none_is_called_unknown() -> None:
    def rename(e: TwoNames) -> None: ...

    assert checked(rename, {"e": {"before": "a", "more": 1}}) == {"e": TwoNames(before="a")}


def test_a_wrapper_with_parameters_of_its_own_is_described_by_them() -> None:
    def multiples(n: int, config: dict[str, int]) -> int:
        return n * config["by"]

    @functools.wraps(multiples)
    def inner(n: int) -> int:
        return multiples(n, {"by": 3})

    @functools.wraps(inner)
    def outer(*args: object, **kwargs: object) -> object:
        return inner(*args, **kwargs)  # type: ignore[arg-type]

    for function in (inner, outer):
        spec = build_schema(read_signature(function, None, {})).spec
        assert list(spec.parameters["properties"]) == ["n"]  # type: ignore[call-overload]


Count = NewType("Count", Annotated[int, "how many"])  # type: ignore[valid-newtype]


def test_a_note_behind_a_name_reaches_the_model() -> None:
    def count(n: Count) -> None: ...

    parameters = build_schema(read_signature(count, None, {})).spec.parameters
    assert "how many" in str(parameters)
