"""Which forms a provider can be asked to promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from agentouto._core.schema import build_result_schema
from agentouto._core.strict_schema import strict_schema


class Leaf(BaseModel):
    kind: Literal["a", "b"]
    size: int | None


class Tree(BaseModel):
    name: str = Field(description="What it is called")
    leaves: list[Leaf]


class Optional(BaseModel):
    name: str = "x"


class Bounded(BaseModel):
    size: int = Field(ge=0)


@dataclass
class Empty:
    pass


def promised(wanted: object) -> object:
    return strict_schema(build_result_schema(wanted, "finish", "d").spec.parameters)


def test_a_form_that_says_everything_can_be_promised() -> None:
    schema = promised(Tree)
    assert isinstance(schema, dict)
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["result"]
    assert all(one["additionalProperties"] is False for one in schema["$defs"].values())
    assert "What it is called" in str(schema)


@pytest.mark.parametrize("wanted", [int, str, bool, list[str], int | None, Leaf, Literal["x"]])
def test_simple_types_can_be_promised(wanted: object) -> None:
    assert promised(wanted) is not None


@pytest.mark.parametrize(
    "wanted",
    [
        dict[str, int],
        Optional,
        Bounded,
        Empty,
        list,
        dict,
        tuple[int, str],
        list[Bounded],
        Bounded | None,
    ],
)
def test_what_cannot_be_promised_is_left_to_the_check(wanted: object) -> None:
    assert promised(wanted) is None
