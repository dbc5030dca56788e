"""A function's signature becomes a JSON Schema, and what does not fit it is refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import inspect
import pathlib
import sys
import uuid
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NotRequired, Optional, Required, TypedDict, Union

import msgspec
import pytest
from pydantic import BaseModel, Field

from agentouto._core.schema import build_schema, describe_tool
from agentouto._core.signature import read_signature
from agentouto._core.tool_arguments import BadArguments
from agentouto._core.tool_results import to_text
from agentouto._domain.configuration_error import ConfigurationError


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Only(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Leaf(TypedDict, total=False):
    name: Required[str]
    size: int


class Tree(TypedDict):
    """A tree."""

    leaves: list[Leaf]
    colour: NotRequired[Annotated[Colour, "of it"]]


class Person(BaseModel):
    """Somebody."""

    title: str
    friends: list[Person] = []


Parameters = dict[str, Any]


def properties(function: Callable[..., object]) -> Parameters:
    parameters = describe_tool(function).parameters["properties"]
    assert isinstance(parameters, dict)
    return parameters


def check(function: Callable[..., object], **arguments: object) -> dict[str, object]:
    return build_schema(read_signature(function, None, {})).check(arguments).values


def test_the_example_of_the_documents_comes_out_as_it_stands_there() -> None:
    def search_web(
        query: Annotated[str, "Search keywords or question"],
        max_results: Annotated[int, "Maximum number of results to return"] = 10,
        language: Literal["ko", "en", "ja"] = "ko",
    ) -> str:
        """Search the web for information."""

    spec = describe_tool(search_web)
    assert (spec.name, spec.description) == ("search_web", "Search the web for information.")
    assert msgspec.json.encode(spec.parameters) == msgspec.json.encode(
        {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "Search keywords or question"},
                "max_results": {
                    "type": "integer",
                    "description": "Maximum number of results to return",
                    "default": 10,
                },
                "language": {"type": "string", "enum": ["ko", "en", "ja"], "default": "ko"},
            },
            "required": ["query"],
        }
    )


NULL = {"type": "null"}
INTEGER = {"type": "integer"}
STRING = {"type": "string"}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (str, STRING),
        (int, INTEGER),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, NULL),
        (Any, {}),
        (list, {"type": "array", "items": {}}),
        (dict, {"type": "object", "additionalProperties": True}),
        (list[int], {"type": "array", "items": INTEGER}),
        (dict[str, int], {"type": "object", "additionalProperties": INTEGER}),
        (set[int], {"type": "array", "items": INTEGER, "uniqueItems": True}),
        (
            tuple[int, str],
            {"type": "array", "minItems": 2, "maxItems": 2, "prefixItems": [INTEGER, STRING]},
        ),
        (Literal["a"], {"type": "string", "enum": ["a"]}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Colour, {"type": "string", "enum": ["red", "blue"]}),
        (Only, {"type": "integer", "enum": [1]}),
        (list[Colour], {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}}),
        (Optional[int], {"anyOf": [INTEGER, NULL]}),  # noqa: UP045
        (Union[int, str], {"anyOf": [INTEGER, STRING]}),  # noqa: UP007
        (int | str | None, {"anyOf": [INTEGER, STRING, NULL]}),
        (dt.date, {"type": "string", "format": "date"}),
        (dt.datetime, {"type": "string", "format": "date-time"}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (pathlib.Path, {"type": "string", "format": "path"}),
        (decimal.Decimal, {"anyOf": [{"type": "number"}, STRING]}),
        (Annotated[int, Field(ge=1, le=5)], {"type": "integer", "minimum": 1, "maximum": 5}),
        (Annotated[int, Field(description="n", title="N")], {**INTEGER, "description": "n"}),
        (Annotated[int, Field(description="n"), "m"], {**INTEGER, "description": "m"}),
        (Annotated[str, Field(pattern="^a+$")], {**STRING, "pattern": "^a+$"}),
        (
            Optional[Annotated[int, "how many"]],  # noqa: UP045
            {"anyOf": [INTEGER, NULL], "description": "how many"},
        ),
        (
            Annotated[Colour, "the colour"],
            {**STRING, "enum": ["red", "blue"], "description": "the colour"},
        ),
    ],
)
def test_a_type_has_the_schema_one_expects(annotation: object, schema: Parameters) -> None:
    def function(value): ...  # noqa: ANN001, ANN202

    function.__annotations__["value"] = annotation
    assert describe_tool(function).parameters == {
        "type": "object",
        "properties": {"value": schema},
        "required": ["value"],
    }


def test_nested_types_are_defined_once_and_without_titles() -> None:
    def function(a: Point, b: list[Point], tree: Tree, person: Person) -> None: ...

    spec = describe_tool(function)
    assert spec.parameters["properties"] == {
        "a": {"$ref": "#/$defs/Point"},
        "b": {"type": "array", "items": {"$ref": "#/$defs/Point"}},
        "tree": {"$ref": "#/$defs/Tree"},
        "person": {"$ref": "#/$defs/Person"},
    }
    assert spec.parameters["$defs"] == {
        "Leaf": {
            "type": "object",
            "properties": {"name": STRING, "size": INTEGER},
            "required": ["name"],
        },
        "Person": {
            "type": "object",
            "description": "Somebody.",
            "properties": {
                "title": STRING,
                "friends": {"type": "array", "items": {"$ref": "#/$defs/Person"}, "default": []},
            },
            "required": ["title"],
        },
        "Point": {
            "type": "object",
            "properties": {"x": INTEGER, "y": {**INTEGER, "default": 0}},
            "required": ["x"],
        },
        "Tree": {
            "type": "object",
            "description": "A tree.",
            "properties": {
                "leaves": {"type": "array", "items": {"$ref": "#/$defs/Leaf"}},
                "colour": {"type": "string", "enum": ["red", "blue"]},
            },
            "required": ["leaves"],
        },
    }


class Knot(TypedDict):
    inner: list[Knot]


def test_typed_dicts_are_found_inside_of_other_types() -> None:
    def function(
        a: Leaf | None, b: Annotated[dict[str, Leaf], "by name"], c: list[int]
    ) -> None: ...

    leaf = {"$ref": "#/$defs/Leaf"}
    assert properties(function) == {
        "a": {"anyOf": [leaf, NULL]},
        "b": {"type": "object", "additionalProperties": leaf, "description": "by name"},
        "c": {"type": "array", "items": INTEGER},
    }


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there it has a schema")
def test_a_typed_dict_that_contains_itself_is_refused_where_it_has_no_schema() -> None:
    def function(knot: Knot) -> None: ...

    with pytest.raises(ConfigurationError, match="parameter `knot: Knot`: its type cannot"):
        describe_tool(function)


@pytest.mark.parametrize(
    ("annotation", "default", "schema"),
    [
        (Colour, Colour.BLUE, {**STRING, "enum": ["red", "blue"], "default": "blue"}),
        (int, None, {"anyOf": [INTEGER, NULL], "default": None}),
        (Any, None, {"default": None}),
        (int | None, None, {"anyOf": [INTEGER, NULL], "default": None}),
        (Literal["a", None], None, {"enum": ["a", None], "default": None}),  # noqa: PYI061
        (
            Annotated[int | None, "n"],
            None,
            {"anyOf": [INTEGER, NULL], "description": "n", "default": None},
        ),
        (
            dt.date,
            dt.date(2026, 1, 2),
            {**STRING, "format": "date", "default": "2026-01-02"},
        ),
        (
            set[str],
            {"b", "a", "c"},
            {"type": "array", "items": STRING, "uniqueItems": True, "default": ["a", "b", "c"]},
        ),
        (Point, Point(1), {"$ref": "#/$defs/Point", "default": {"x": 1, "y": 0}}),
        (int, Field(3, ge=1), {**INTEGER, "minimum": 1, "default": 3}),
    ],
)
def test_a_default_is_told_as_json(annotation: object, default: object, schema: Parameters) -> None:
    def function(value=default): ...  # noqa: ANN001, ANN202

    function.__annotations__["value"] = annotation
    assert properties(function) == {"value": schema}
    assert "required" not in describe_tool(function).parameters


def test_without_annotations_the_default_tells_the_type() -> None:
    def function(a, b=False, c=1.5, d=None): ...  # noqa: ANN001, ANN202

    assert properties(function) == {
        "a": STRING,
        "b": {"type": "boolean", "default": False},
        "c": {"type": "number", "default": 1.5},
        "d": {"anyOf": [STRING, NULL], "default": None},
    }


GOOGLE = """Look for pages.

    Everywhere at once.

    Args:
        query (str): What to
            look for.
        most: How many: at most.

    Returns:
        list: The pages.
    """
NUMPY = """Look for pages.

    Everywhere at once.

    Parameters
    ----------
    query : str
        What to
        look for.
    most : int
        How many: at most.
    """
REST = """Look for pages.

    Everywhere at once.

    :param query: What to
        look for.
    :param most: How many: at most.
    """


@pytest.mark.parametrize("doc", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_parameters_are_described_by_the_docstring(doc: str) -> None:
    def function(query: str, most: Annotated[int, "Said here."] = 3, other: int = 0) -> None: ...

    function.__doc__ = doc
    spec = describe_tool(function)
    assert spec.description.startswith("Look for pages.\n\nEverywhere at once.")
    assert "query" not in spec.description
    described = properties(function)
    assert described["query"]["description"] == "What to look for."
    assert described["most"]["description"] == "Said here."
    assert "description" not in described["other"]


def test_what_a_docstring_says_of_the_result_stays() -> None:
    def function(query: str) -> None: ...

    function.__doc__ = GOOGLE
    assert describe_tool(function).description.endswith("Returns:\n    list: The pages.")


@pytest.mark.parametrize(
    "doc", ["Ratio: a over b.\n\nNote:\n    careful", "Args:\n  nobody: is here", "A\n-\n:x", ""]
)
def test_a_docstring_that_describes_no_parameter_stays_whole(doc: str) -> None:
    def function(query: str) -> None: ...

    function.__doc__ = doc
    assert describe_tool(function).description == inspect.cleandoc(doc)


def test_name_and_description_can_be_given() -> None:
    def function(query: str) -> None: ...

    function.__doc__ = GOOGLE
    spec = describe_tool(function, "look", "Looks.")
    assert (spec.name, spec.description) == ("look", "Looks.")


def test_a_description_is_the_same_every_time() -> None:
    def function(a: Tree, b: Colour = Colour.RED, *, c: set[str] = frozenset("xyz")) -> None: ...

    first = msgspec.json.encode(describe_tool(function))
    assert all(msgspec.json.encode(describe_tool(function)) == first for _ in range(3))


def test_arguments_come_out_with_their_types() -> None:
    def function(
        n: int,
        colour: Colour,
        point: Point,
        tree: Tree,
        person: Person,
        day: dt.date,
        money: decimal.Decimal,
        where: pathlib.Path,
        pair: tuple[int, str],
        many: set[int],
        model_config: str,
        maybe: int | None = None,
    ) -> None: ...

    assert check(
        function,
        n="5",
        colour="red",
        point={"x": "1"},
        tree={"leaves": [{"name": "a"}], "colour": "blue"},
        person={"title": "Dr", "friends": [{"title": "Mr"}]},
        day="2026-01-02",
        money="1.50",
        where="here/it",
        pair=[1, "x"],
        many=[1, 1],
        model_config="c",
    ) == {
        "n": 5,
        "colour": Colour.RED,
        "point": Point(1),
        "tree": {"leaves": [{"name": "a"}], "colour": Colour.BLUE},
        "person": Person(title="Dr", friends=[Person(title="Mr")]),
        "day": dt.date(2026, 1, 2),
        "money": decimal.Decimal("1.50"),
        "where": pathlib.Path("here/it"),
        "pair": (1, "x"),
        "many": {1},
        "model_config": "c",
    }


def test_defaults_stay_the_functions_own_but_for_those_of_field() -> None:
    def function(a: list[int] = [], b: int = Field(3), c: int = Field(ge=1)) -> None: ...  # noqa: B006

    assert check(function, c=2) == {"b": 3, "c": 2}
    assert check(function, c=2, a=[1]) == {"a": [1], "b": 3, "c": 2}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"n": "many"}, '`n` is "many": should be a valid integer'),
        ({"n": 0}, "`n` is 0: should be greater than or equal to 1"),
        ({}, "`n` is missing."),
        ({"n": 1, "color": "red"}, "There is no parameter `color`. Did you mean 'colour'?"),
        ({"n": 1, "colour": "green"}, "`colour` is \"green\": should be 'red' or 'blue'"),
        ({"n": 1, "points": [{"x": 1}, {"y": 2}]}, "`points[1].x` is missing."),
        (
            {"n": 1, "when": "soon"},
            '`when` is "soon": should be a valid integer, unable to parse string as an integer, or should be a valid date',
        ),
        ({"n": 1, "points": "x" * 500}, "…: should be a valid list"),
    ],
)
def test_a_wrong_argument_is_explained(arguments: dict[str, object], told: str) -> None:
    def function(
        n: Annotated[int, Field(ge=1)],
        colour: Colour = Colour.RED,
        points: list[Point] = [],  # noqa: B006
        when: int | dt.date = 0,
    ) -> None: ...

    with pytest.raises(BadArguments) as caught:
        check(function, **arguments)
    assert told in caught.value.message
    assert caught.value.tool_name == "function"
    assert len(caught.value.message) < 300


def outer(n: int, m: int = 2) -> None:
    """Do it."""


@functools.wraps(outer)
def wrapped(*args: object, **kwargs: object) -> None:
    """Said in vain."""


class Thing:
    """A thing."""

    def __call__(self, n: int, m: int = 2) -> None:
        """Do it."""

    def method(self, n: int, m: int = 2) -> None:
        """Do it."""

    @staticmethod
    def static(n: int, m: int = 2) -> None:
        """Do it."""

    @classmethod
    def of_class(cls, n: int, m: int = 2) -> None:
        """Do it."""


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (outer, "outer"),
        (wrapped, "outer"),
        (Thing(), "Thing"),
        (Thing().method, "method"),
        (Thing.static, "static"),
        (Thing.__dict__["static"], "static"),
        (Thing.of_class, "of_class"),
        (functools.partial(Thing().method), "method"),
        (functools.partial(Thing()), "Thing"),
    ],
)
def test_anything_that_can_be_called_is_described(
    function: Callable[..., object], name: str
) -> None:
    spec = describe_tool(function)
    assert (spec.name, spec.description) == (name, "Do it.")
    assert properties(function) == {"n": INTEGER, "m": {**INTEGER, "default": 2}}


def test_what_a_partial_has_bound_is_not_asked_for() -> None:
    assert properties(functools.partial(outer, m=3)) == {"n": INTEGER}
    assert properties(functools.partial(outer, 3)) == {"m": {**INTEGER, "default": 2}}


def test_extra_arguments_of_a_signature_are_left_out() -> None:
    def function(a: int, *rest: int, **more: int) -> None: ...

    assert properties(function) == {"a": INTEGER}


def test_an_object_without_words_at_its_call_is_described_by_its_class() -> None:
    class Quiet:
        """A quiet thing."""

        def __call__(self, n: int) -> None: ...

    assert describe_tool(Quiet()).description == "A quiet thing."


def unknown_type(x: Nowhere) -> None: ...  # noqa: F821
def no_schema(x: int, f: dict[str, Mapping[str, Thing]]) -> None: ...
def calls(f: Callable[[int], int]) -> None: ...
def odd_default(f: int = object()) -> None: ...
def endless(f: float = float("inf")) -> None: ...
def method(self, f: int) -> None: ...  # noqa: ANN001
def hidden(*args: object, **kwargs: object) -> None: ...
def positional(x: int, /) -> None: ...
def aliased(x: int = Field(3, alias="y")) -> None: ...
def yields() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (unknown_type, "Tool `unknown_type`, parameter `x: Nowhere`: its type cannot be read"),
        (
            no_schema,
            "Tool `no_schema`, parameter `f: dict[str, Mapping[str, Thing]]`: its type cannot",
        ),
        (calls, "Tool `calls`, parameter `f: Callable[[int], int]`: its type cannot be"),
        (odd_default, "Tool `odd_default`, parameter `f: int`: its default <object object"),
        (endless, "Tool `endless`, parameter `f: float`: its default inf cannot be written"),
        (method, "Tool `method`, parameter `self`: it is a method"),
        (hidden, "Tool `hidden`, parameter `*args: object`: a model cannot know"),
        (positional, "Tool `positional`, parameter `x: int`: models pass arguments by name"),
        (aliased, "Tool `aliased`, parameter `x: int`: it has an alias"),
        (yields, "Tool `yields`: it yields"),
        (len, "Tool `len`, parameter `obj`: models pass arguments by name"),
        (max, "Tool `max`: Python cannot read its parameters"),
        (Person, "is a class; pass a function"),
        (Thing.__dict__["of_class"], "is not callable"),
        (3, "3 is not callable"),
    ],
)
def test_a_function_no_model_could_call_is_refused_with_the_reason(
    function: Callable[..., object], told: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        describe_tool(function)
    text = str(caught.value)
    assert told in text
    if inspect.isfunction(function):
        assert text.endswith(f" (test_schema.py:{function.__code__.co_firstlineno})")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"é": [1, None, True, 1.5]}, '{"é":[1,null,true,1.5]}'),
        ([], "[]"),
        (3, "3"),
        (False, "false"),
        (2**80, str(2**80)),
        (Point(1), '{"x":1,"y":0}'),
        (Person(title="Dr"), '{"title":"Dr","friends":[]}'),
        (Colour.RED, "red"),
        (Only.ONE, "1"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (decimal.Decimal("1.50"), "1.50"),
        (pathlib.Path("here/it"), "here/it"),
        ((1, 2), "[1,2]"),
        ({3}, "[3]"),
        ({"when": dt.date(2026, 1, 2)}, '{"when":"2026-01-02"}'),
        ({"b": b"\xff"}, '{"b":"_w=="}'),
        (
            describe_tool(outer, "o", "d"),
            '{"name":"o","description":"d","parameters":{"type":"object","properties":{"n":{"type":"integer"},"m":{"type":"integer","default":2}},"required":["n"]}}',
        ),
        pytest.param(Thing.static, str(Thing.static), id="a function"),
    ],
)
def test_data_is_rendered_as_json_and_the_rest_as_text(value: object, text: str) -> None:
    assert to_text(value) == text


def test_what_contains_itself_is_rendered_as_text() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert to_text(loop) == "[[...]]"
