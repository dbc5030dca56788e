"""Arguments of simple types are checked without pydantic's models, exactly as with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, Signature
from itertools import product
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import Field

from agentouto._core.schema import build_schema, pydantic_model, simplify_schema
from agentouto._core.signature import CallableInfo, read_signature
from agentouto._core.simple_types import Unfit, simple_form, simple_model
from agentouto._core.tool_arguments import BadArguments

SIMPLE = [
    str,
    int,
    float,
    bool,
    Literal["a"],
    Literal["a", "b"],
    list[str],
    list[int],
    list[list[bool]],
    list[Literal["a", "b"]],
    str | None,
    Optional[int],  # noqa: UP045 - the older form
    None | float,
    list[str] | None,
    list[int | None],
    Literal["a", "b"] | None,
    Annotated[str, "what to look for"],
    Annotated[int | None, "how many"],
]

NOT_SIMPLE = [
    dict[str, int],
    list,
    tuple[int, ...],
    str | int,
    Literal[1, 2],
    Literal["a", 1],
    Annotated[int, Field(ge=1)],
    list[Annotated[int, Field(ge=1)]],
    str | int | None,
    bytes,
    Any,
    object,
    None,
]

VALUES: list[object] = [
    "a", "b", "", "5", "5.0", "5.5", " 5 ", "1e3", "true", "no", "null", "NaN", "ä", "x" * 50, "a\ud800",
    0, 1, 5, -7, 10**30, 5.0, 5.5, float("inf"), float("nan"), True, False, None,
    [], ["a"], ["a", "z"], [1], ["1"], [1.5], [True], [None], [[True]], [["yes"]], [[2]], {}, {"a": 1},
    [1, "x", None, {}], "[1, 2]", '["a"]',
]  # fmt: skip

DEFAULTS = [Parameter.empty, None, "a", 5]


def taking(hint: object, default: object) -> CallableInfo:
    """Return a function with one parameter, as it is read."""

    def function(**_: object) -> None:
        """Do something."""

    parameter = Parameter("x", Parameter.KEYWORD_ONLY, annotation=hint, default=default)
    function.__signature__ = Signature([parameter])  # type: ignore[attr-defined]
    return read_signature(function, "tool", {})


@dataclass
class Outcome:
    """What a check came to, in a form that can be compared: values with their types."""

    shown: str


def outcome(check: Callable[[dict[str, object]], object], arguments: dict[str, object]) -> Outcome:
    try:
        return Outcome(repr(check(arguments)))
    except Unfit as unfit:
        return Outcome(repr(unfit.errors))


@pytest.mark.parametrize("default", DEFAULTS, ids=repr)
@pytest.mark.parametrize("hint", SIMPLE, ids=str)
def test_a_simple_type_is_described_and_checked_as_pydantic_does(
    hint: object, default: object
) -> None:
    callee = taking(hint, default)
    simple = simple_model(callee)
    assert simple is not None
    check, schema = simple
    expected_check, expected_schema = pydantic_model(callee, callee.parameters)
    assert repr(simplify_schema(schema, {})) == repr(simplify_schema(expected_schema, {}))
    some: list[dict[str, object]] = [{}, {"y": 1}, *({"x": value} for value in VALUES)]
    for arguments in some:
        assert outcome(check, arguments) == outcome(expected_check, arguments), arguments


def test_several_parameters_fail_as_they_do_in_pydantic() -> None:
    def function(name: str, count: int = 3, tags: list[str] | None = None) -> None: ...

    callee = read_signature(function, None, {})
    simple = simple_model(callee)
    assert simple is not None
    check, (expected_check, _) = simple[0], pydantic_model(callee, callee.parameters)
    values: list[object] = ["a", 1, None, ["x"], [1]]
    for name, count, tags in product(values, values, values):
        arguments = {"name": name, "count": count, "tags": tags}
        assert outcome(check, arguments) == outcome(expected_check, arguments), arguments


@pytest.mark.parametrize("hint", NOT_SIMPLE, ids=str)
def test_every_other_type_is_left_to_pydantic(hint: object) -> None:
    assert simple_form(hint) is None
    assert simple_model(taking(hint, Parameter.empty)) is None


def test_a_default_that_is_a_field_is_left_to_pydantic() -> None:
    model = build_schema(taking(int, Field(ge=1)))
    with pytest.raises(BadArguments):
        model.check({"x": 0})


@pytest.mark.parametrize(
    ("written", "loaded"), [("4", ["pydantic_core"]), (4, [])], ids=["as text", "as a number"]
)
def test_simple_tools_do_not_import_pydantic(written: object, loaded: list[str]) -> None:
    program = (
        f"written = {written!r}"
        """
import asyncio, sys
from agentouto import Agent, Provider, Tool, async_run
from agentouto.testing import Script, finish, tool

@Tool
async def work(i: int, how: str = "well") -> str:
    "Do one unit of work."
    return f"{how} {i + 1}"

script = Script({"a": [tool("work", i=written), lambda seen: finish(seen.results("work")[0])]})
agent = Agent("a", "", "any", Provider("s", kind="script", script=script))
assert asyncio.run(async_run("Go.", [agent], [work])).output == "well 5"
heavy = {"pydantic", "pydantic_core", "docstring_parser"}
print(*{name.split(".")[0] for name in sys.modules} & heavy)
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout.split() == loaded
