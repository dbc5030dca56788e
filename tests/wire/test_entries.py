"""What all formats do alike when they write a transcript down."""

from __future__ import annotations

import re

import pytest

from agentouto._domain.memory import Memory
from agentouto._domain.ports import ToolSpec
from agentouto.providers._format.entries import valid_id
from agentouto.providers._format.json import arguments_object, arguments_text, unwrap_object
from agentouto.providers._format.tool_lists import ToolLists
from wire.words import LOOK


@pytest.mark.parametrize("id_", ["call_0", "toolu_01-A", "x" * 64])
def test_an_id_that_is_taken_everywhere_stays_as_it_is(id_: str) -> None:
    assert valid_id(id_) == id_


def test_other_ids_become_such_that_are_taken_everywhere_and_stay_distinct() -> None:
    odd = ["", "fc|1:a", "fc|1.a", "ä", "x" * 65, "x" * 66, "half \ud83d of a pair", "call_0\n"]
    made = [valid_id(id_) for id_ in odd]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id_) for id_ in made)
    assert len(set(made)) == len(odd)
    assert [valid_id(id_) for id_ in odd] == made


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('{"a": 1.0}', {"a": 1.0}),
        ("", {}),
        (" \n", {}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ('"{}"', {}),
        ('{"a": "b', {"_invalid_json": '{"a": "b'}),
        ("[1]", {"_invalid_json": "[1]"}),
        ("null", {"_invalid_json": "null"}),
    ],
)
def test_arguments_become_an_object_whatever_was_written(
    written: str, meant: dict[str, object]
) -> None:
    assert arguments_object(written) == meant
    assert arguments_object(arguments_text(written)) == meant


def test_arguments_that_are_an_object_stay_as_they_were_written() -> None:
    written = '{ "b" : 1.0,\n"a":12345678901234567890123 }'
    assert arguments_text(written) == written
    assert unwrap_object(written) == written


def test_only_an_object_is_taken_out_of_its_quotation_marks() -> None:
    assert unwrap_object('"{\\"a\\": 1.0}"') == '{"a": 1.0}'
    assert unwrap_object('"[1]"') == '"[1]"'
    assert unwrap_object('"{\\"a') == '"{\\"a'


def test_a_list_of_tools_is_written_once_and_another_like_it_the_same() -> None:
    written: list[tuple[ToolSpec, ...]] = []

    def write(tools: tuple[ToolSpec, ...]) -> bytes:
        written.append(tools)
        return b"[]"

    lists, tools = ToolLists(write, Memory()), (LOOK,)
    assert lists.written(tools) is lists.written(tools)
    assert len(written) == 1
    others = [(LOOK, LOOK, *(LOOK for _ in range(number))) for number in range(200)]
    assert {lists.written(other) for other in others} == {b"[]"}
    assert lists.written(tools) == b"[]"


def test_all_who_write_in_a_format_and_share_a_memory_write_a_list_once() -> None:
    written: list[tuple[ToolSpec, ...]] = []

    def write(tools: tuple[ToolSpec, ...]) -> bytes:
        written.append(tools)
        return b"[]"

    memory, tools = Memory(), (LOOK,)
    for _ in range(3):
        ToolLists(write, memory).written(tools)
    assert len(written) == 1
    lists = ToolLists(write, memory)
    memory.forget()
    lists.written(tools)
    ToolLists(write, Memory()).written(tools)
    assert len(written) == 3
