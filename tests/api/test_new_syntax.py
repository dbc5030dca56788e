"""Tools that are written in the syntax of Python 3.12: ``type`` statements and type parameters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, cast

import pytest

from agentouto import Agent, Provider, Tool, run
from agentouto.testing import Script, finish, tool

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 695 came with 3.12")

SOURCE = """
from typing import Annotated
from pydantic import BaseModel

type Words = list[str]
type Noted = Annotated[int, "how many"]
type Pair[T] = tuple[T, T]

class Box[T](BaseModel):
    item: T

def words(these: Words, count: Noted = 3) -> str:
    return f"{these} {count}"

def pair(both: Pair[int]) -> str:
    return f"{both}"

def box(it: Box[int]) -> str:
    return f"{it.item}"

def generic[T](one: T, more: list[T]) -> str:
    return f"{one} {more}"
"""


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("words", {"these": ["a"], "count": 2}, "['a'] 2"),
        ("pair", {"both": [1, 2]}, "(1, 2)"),
        ("box", {"it": {"item": 5}}, "5"),
        ("generic", {"one": "x", "more": ["y"]}, "x ['y']"),
    ],
)
def test_a_tool_may_use_the_new_syntax(
    name: str, arguments: dict[str, object], result: str
) -> None:
    functions: dict[str, Any] = {"__name__": __name__}
    exec(SOURCE, functions)  # noqa: S102 - older versions of Python cannot read it
    made = Tool(cast("Callable[..., str]", functions[name]))
    script = Script({"clerk": [tool(name, **arguments), finish("Done.")]})
    clerk = Agent("clerk", "You use tools.", "any", Provider("p", kind="script", script=script))
    run("Go.", [clerk], [made])
    assert script.requests[-1].results(name) == [result]


def test_a_note_behind_a_type_statement_reaches_the_model() -> None:
    functions: dict[str, Any] = {"__name__": __name__}
    exec(SOURCE, functions)  # noqa: S102 - see above
    assert "how many" in str(Tool(cast("Callable[..., str]", functions["words"])).parameters)
