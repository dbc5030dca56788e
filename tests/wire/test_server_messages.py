"""Every pattern on a server's text names the server and comes with an example that it matches."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import agentouto
from agentouto.providers._format.message_patterns import (
    MessagePattern,
    MessageTable,
    message_table,
)

parser: Any = importlib.import_module("re._parser")
codes: Any = importlib.import_module("re._constants")

PROVIDERS = Path(agentouto.__file__).parent / "providers"
ROOMS = ("_openai", "_anthropic", "_google", "_format")
FILES = sorted(
    path for room in ROOMS for path in (PROVIDERS / room).glob("*.py") if path.stem != "__init__"
)
REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}

SYNTAX = {
    "_anthropic/quirks.py": 2,  # identifiers and lower-case words of a text
    "_anthropic/wire.py": 1,  # addresses
    "_format/call_pieces.py": 2,  # JSON
    "_format/decoder.py": 3,  # the first word of a reason, escapes of JSON
    "_format/entries.py": 1,  # ids and names
    "_format/errors.py": 9,  # numbers of seconds, a status, keys, HTML
    "_format/lookups.py": 1,  # addresses
    "_format/message_patterns.py": 2,  # the expressions of the tables
    "_format/quirks.py": 2,  # places in lists, names of fields
    "_format/server_messages.py": 1,  # spans of time
    "_format/wire.py": 2,  # hosts and headers
    "_google/encoder.py": 3,  # addresses and names
    "_google/wire.py": 3,  # addresses and names
    "_openai/chat_encoder.py": 1,  # ids
    "_openai/responses_encoder.py": 1,  # MIME types
    "_openai/responses_wire.py": 1,  # words
}
"""How many expressions of each module are about syntax and not about the texts of servers."""


def tables() -> Iterator[tuple[str, MessageTable]]:
    for path in FILES:
        module = importlib.import_module(f"agentouto.providers.{path.parent.name}.{path.stem}")
        for name, value in vars(module).items():
            if isinstance(value, MessageTable):
                yield name, value


TABLES = dict(tables())
ROWS = {
    f"{name} {row.pattern}": (row, table) for name, table in TABLES.items() for row in table.rows
}


def repeats(parsed: Any, *, inside: bool = False) -> Iterator[str]:
    for op, argument in parsed:
        nested: list[Any] = []
        if op in REPEATS:
            most = argument[1]
            if inside and most is codes.MAXREPEAT:
                yield str(argument)
            nested, within = [argument[2]], inside or most > 1
        else:
            within = inside
            if op is codes.SUBPATTERN:
                nested = [argument[3]]
            elif op is codes.BRANCH:
                nested = list(argument[1])
            elif op in {codes.ASSERT, codes.ASSERT_NOT}:
                nested = [argument[1]]
        for each in nested:
            yield from repeats(each, inside=within)


def test_the_tables_are_found() -> None:
    assert len(TABLES) > 40
    assert len(ROWS) > 120


def test_no_table_stands_outside_of_the_modules_for_servers_messages() -> None:
    outside = [
        path
        for path in PROVIDERS.rglob("*.py")
        if "message_table(" in path.read_text(encoding="utf-8")
        and path.name not in {"server_messages.py", "message_patterns.py"}
    ]
    assert not outside


@pytest.mark.parametrize(("row", "table"), ROWS.values(), ids=list(ROWS))
def test_a_pattern_names_its_server_and_matches_its_example(
    row: MessagePattern, table: MessageTable
) -> None:
    assert row.server.strip()
    assert row.example.strip()
    flags = re.RegexFlag(table.expression.flags)
    assert message_table(row, flags=flags).matches(row.example)
    assert table.matches(row.example)


@pytest.mark.parametrize(("row", "_table"), ROWS.values(), ids=list(ROWS))
def test_no_pattern_repeats_an_endless_repetition(
    row: MessagePattern, _table: MessageTable
) -> None:
    assert not list(repeats(parser.parse(row.pattern)))


def test_a_repetition_within_a_repetition_would_be_found() -> None:
    assert list(repeats(parser.parse(r"(a+)+b")))
    assert list(repeats(parser.parse(r"(?:x(?:ab|c*))*")))
    assert not list(repeats(parser.parse(r"(?:a+b)?c")))


def test_every_other_expression_is_about_syntax() -> None:
    found: dict[str, int] = {}
    for path in FILES:
        calls = [
            node
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and hasattr(re, node.func.attr)
            and node.func.attr != "escape"
        ]
        if calls:
            found[f"{path.parent.name}/{path.name}"] = len(calls)
    assert found == SYNTAX
