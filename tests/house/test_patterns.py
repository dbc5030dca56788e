"""No regular expression of the package takes more than linear time on hostile text.

Every pattern of a module is used as the package uses it, on texts that are made from the pattern:
a beginning of a match, then parts of a match repeated, then an end that does not match. A text of
four times the length must take less than eight times as long.
"""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

import agentouto
from agentouto.providers._format.message_patterns import MessageTable

parser: Any = importlib.import_module("re._parser")
codes: Any = importlib.import_module("re._constants")

PACKAGE = Path(agentouto.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")

LENGTH = 400
"""Characters of an attack; a quadratic pattern needs about 1 ms for them, a linear one 0.02."""

HOPELESS = 0.05
"""Seconds after which a pattern is worse than quadratic, so that no longer text is tried."""

SUSPICIOUS = 0.0005
"""Seconds for the longest text from which on that for a shorter one is measured as well."""

TIMES = 4
MOST = 8.0
"""How much longer ``TIMES`` the text may take: between linear (4) and quadratic (16)."""

ROUNDS = 5
"""How often times are taken; the best count, because others are at work on the machine."""

MOST_ATTACKS = 600

INLINE = {"search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"}

REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}
EXAMPLES = {
    codes.CATEGORY_DIGIT: "1",
    codes.CATEGORY_NOT_DIGIT: "x",
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_SPACE: "x",
    codes.CATEGORY_WORD: "a",
    codes.CATEGORY_NOT_WORD: "-",
}

Use = Callable[[str], object]


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in FILES:
        dotted = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        yield dotted.removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8"))


def patterns() -> dict[str, tuple[re.Pattern[str], frozenset[str]]]:
    """Return every pattern by its name, with the methods that are called on it."""
    used: dict[str, set[str]] = {}
    held: dict[str, re.Pattern[str]] = {}
    for module, tree in modules():
        for name, value in vars(importlib.import_module(module)).items():
            held_in = value.expression if isinstance(value, MessageTable) else value
            if isinstance(held_in, re.Pattern) and isinstance(cast("Any", held_in).pattern, str):
                pattern = cast("re.Pattern[str]", held_in)
                if pattern not in held.values():
                    held[f"{module}.{name}"] = pattern
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                used.setdefault(owner_of(node.value), set()).add(node.attr)
    return {
        name: (pattern, methods(used.get(name.rpartition(".")[2], set())))
        for name, pattern in held.items()
    }


def owner_of(value: ast.Name | ast.Attribute) -> str:
    """Return the name of what has the attribute; of ``TABLE.expression``, that of the table."""
    if isinstance(value, ast.Name):
        return value.id
    within = value.value
    if value.attr == "expression" and isinstance(within, ast.Name | ast.Attribute):
        return owner_of(within)
    return value.attr


def methods(used: set[str]) -> frozenset[str]:
    return frozenset(used & INLINE) or frozenset({"search"})


def characters(tree: Any) -> Iterator[str]:
    """Yield an example of everything that stands for one character in ``tree``."""
    for code, about in tree:
        if code is codes.LITERAL:
            yield chr(about)
        elif code is codes.IN:
            yield from of_class(about)
        elif code in {codes.ANY, codes.NOT_LITERAL}:
            yield "x"
        elif code is codes.BRANCH:
            for branch in about[1]:
                yield from characters(branch)
        elif (below := inside(code, about)) is not None:
            yield from characters(below)


def of_class(about: Any) -> list[str]:
    found: list[str] = []
    for code, value in about:
        if code is codes.NEGATE:
            found.append("x")
        elif code is codes.LITERAL:
            found.append(chr(value))
        elif code is codes.RANGE:
            found.append(chr(value[0]))
        elif code is codes.CATEGORY:
            found.append(EXAMPLES[value])
    return found


def inside(code: Any, about: Any) -> Any:
    if code in REPEATS:
        return about[2]
    if code is codes.SUBPATTERN:
        return about[3]
    if code in {codes.ASSERT, codes.ASSERT_NOT}:
        return about[1]
    return about if code is codes.ATOMIC_GROUP else None


def sample(tree: Any, times: int, choice: int) -> str:
    """Return a text that ``tree`` roughly matches: assertions are ignored."""
    text = ""
    for code, about in tree:
        if code is codes.LITERAL:
            text += chr(about)
        elif code is codes.IN:
            found = of_class(about)
            text += found[choice % len(found)]
        elif code in {codes.ANY, codes.NOT_LITERAL}:
            text += "x"
        elif code is codes.BRANCH:
            text += sample(about[1][choice % len(about[1])], times, choice)
        elif code in REPEATS:
            text += sample(about[2], times, choice) * max(about[0], min(about[1], times))
        elif code in {codes.SUBPATTERN, codes.ATOMIC_GROUP}:
            text += sample(inside(code, about), times, choice)
    return text


def attacks(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """Return pairs of a beginning and a text to repeat after it."""
    tree = parser.parse(pattern.pattern, pattern.flags)
    single = list(dict.fromkeys([*characters(tree)]))[:14]
    single = list(dict.fromkeys([*single, " ", "\n", "a", "0"]))
    whole = {sample(tree, times, choice) for times in (0, 1, 2) for choice in range(6)} - {""}
    begun = {text[:end] for text in whole for end in range(1, min(len(text), 24) + 1)}
    beginnings = ["", *sorted(begun, key=lambda text: (len(text), text))][:40]
    pairs = [one + other for one in single[:6] for other in single[:6] if one != other]
    repeated = list(dict.fromkeys([*single, *sorted(whole), *pairs, *beginnings[1:]]))
    return [("", pump) for pump in repeated] + [
        (beginning, pump) for pump in repeated[:40] for beginning in beginnings[1:]
    ][:MOST_ATTACKS]


def seconds(use: Use, text: str) -> float:
    began = time.thread_time()
    use(text)
    return time.thread_time() - began


def growth(use: Use, make: Callable[[int], str]) -> float:
    """Return the time for ``TIMES`` the text, relative to that for the text; 1 if it is short."""
    few = seconds(use, make(LENGTH))
    less = LENGTH // TIMES if few > HOPELESS else LENGTH
    few = many = float("inf")
    for _ in range(ROUNDS):
        many = min(many, seconds(use, make(TIMES * less)))
        if many < SUSPICIOUS:
            return 1.0
        few = min(few, seconds(use, make(less)))
        if many < MOST * few:
            break
    return many / max(few, 1e-9)


def faults(pattern: re.Pattern[str], methods: frozenset[str]) -> Iterator[str]:
    """Yield the attacks that take more than linear time."""
    for beginning, pump in attacks(pattern):
        for end in ("\0", "x"):

            def make(length: int, parts: tuple[str, str, str] = (beginning, pump, end)) -> str:
                return parts[0] + parts[1] * max(2, length // len(parts[1])) + parts[2]

            for method in methods:
                found = getattr(pattern, method)
                use: Use = (lambda text, sub=found: sub("", text)) if "sub" in method else found
                use = (lambda text, all_=found: list(all_(text))) if method == "finditer" else use
                if growth(use, make) >= MOST:
                    yield f"{method}: {beginning!r} + {pump!r} * n + {end!r}"
                    return


def inline() -> Iterator[tuple[str, tuple[re.Pattern[str], frozenset[str]]]]:
    """Yield patterns that are written where they are used, ``re.sub("a", ...)``, by module and line."""
    for module, tree in modules():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner, first = node.func.value, node.args[0] if node.args else None
            of_re = isinstance(owner, ast.Name) and owner.id == "re" and node.func.attr in INLINE
            if of_re and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found = re.compile(first.value, re.IGNORECASE)
                yield f"{module}:{node.lineno}", (found, frozenset({node.func.attr}))


KNOWN = {**patterns(), **dict(inline())}


def test_the_patterns_of_the_package_are_found() -> None:
    assert len(KNOWN) > 90


@pytest.mark.parametrize("name", KNOWN)
def test_a_pattern_takes_linear_time_on_hostile_text(name: str) -> None:
    assert not list(faults(*KNOWN[name])), KNOWN[name][0].pattern


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\s*```[\w-]*\s*(.*?)\s*```\s*", "fullmatch"),
        (r"<title[^>]*>(.*?)</title>", "search"),
        (r"\s+$", "sub"),
        (r"x*y?x*z", "match"),
    ],
)
def test_a_pattern_that_takes_longer_is_noticed(pattern: str, method: str) -> None:
    hostile = re.compile(pattern, re.DOTALL)
    assert list(faults(hostile, frozenset({method})))
