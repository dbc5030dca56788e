"""Who speaks when in a request of each format, and what every vendor has against bad manners.

The published types say what a message may look like. These are the rules between messages: a model
does not speak twice in a row nor last, each of its calls is answered once, at once and in order, and
what is mail comes after the answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
ANY_ID = re.compile(r".+", re.DOTALL)
"""Some servers that speak Chat have ids like functions.look:0 and want them back as they are."""


class Group(NamedTuple):
    """What one side said until it was the other's turn.

    ``calls`` and ``results`` are ids; ``items`` is everything, as it was sent.
    """

    model: bool
    items: list[Any]
    calls: list[str]
    results: list[str]
    wrong: list[str]


def complaints(groups: list[Group], id_form: re.Pattern[str] = ID) -> list[str]:
    found = [word for group in groups for word in group.wrong]
    waiting: list[str] = []
    for place, group in enumerate(groups):
        if group.results != waiting:
            found.append(f"turn {place} answers {group.results}, not {waiting}")
        waiting = group.calls
        if len(set(waiting)) != len(waiting):
            found.append(f"turn {place} uses an id twice: {waiting}")
    made = [id_ for group in groups for id_ in group.calls if not id_.startswith("nameless ")]
    if len(set(made)) != len(made):
        found.append(f"an id comes back: {made}")
    found += [f"an id {id_!r}" for id_ in made if not id_form.fullmatch(id_)]
    if waiting or (groups and groups[-1].model):
        found.append("the model has spoken last")
    return found


def _grouped(items: Iterable[Any], is_model: Any, read: Any) -> list[Group]:
    groups: list[Group] = []
    for item in items:
        model = is_model(item)
        if not groups or groups[-1].model != model:
            groups.append(Group(model, [], [], [], []))
        group = groups[-1]
        calls, results, words = read(item)
        if results and any(_speaks(said, read) for said in group.items):
            group.wrong.append(f"results after words: {item!r:.200}")
        group.items.append(item)
        group.calls.extend(calls)
        group.results.extend(results)
        group.wrong.extend(words)
    return groups


def _speaks(item: Any, read: Any) -> bool:
    return not read(item)[1]


def of_chat(body: dict[str, Any]) -> list[Group]:
    def read(message: Any) -> tuple[list[str], list[str], list[str]]:
        calls = [call["id"] for call in message.get("tool_calls", [])]
        results = [message["tool_call_id"]] if message["role"] == "tool" else []
        empty = not (message.get("content") or calls or message["role"] == "user")
        return calls, results, [f"empty: {message!r}"] if empty else []

    said = [message for message in body["messages"] if message["role"] != "system"]
    groups = _grouped(said, lambda message: message["role"] == "assistant", read)
    first = [message["role"] for message in body["messages"]]
    if "system" in first[1:]:
        groups[0].wrong.append(f"roles {first}")
    return groups


def of_responses(body: dict[str, Any]) -> list[Group]:
    def is_model(item: Any) -> bool:
        return item.get("role") != "user" and item.get("type") != "function_call_output"

    def read(item: Any) -> tuple[list[str], list[str], list[str]]:
        calls = [item["call_id"]] if item.get("type") == "function_call" else []
        results = [item["call_id"]] if item.get("type") == "function_call_output" else []
        return calls, results, []

    groups = _grouped(body["input"], is_model, read)
    for group in groups:
        if group.model and group.items[-1].get("type") == "reasoning":
            group.wrong.append("thinking without what it led to")
    return groups


def of_claude(body: dict[str, Any]) -> list[Group]:
    def read(message: Any) -> tuple[list[str], list[str], list[str]]:
        blocks = message["content"]
        kinds = [block["type"] for block in blocks]
        wrong = [f"blank: {b!r}" for b in blocks if b["type"] == "text" and not b["text"].strip()]
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if not blocks or kinds[: len(results)] != ["tool_result"] * len(results):
            wrong.append(f"order {kinds}")
        if message["role"] == "assistant" and "thinking" in kinds[-1]:
            wrong.append("ends with thinking")
        return calls, results, wrong

    messages = body["messages"]
    groups = _grouped(messages, lambda message: message["role"] == "assistant", read)
    if [message["role"] for message in messages][:1] != ["user"] or len(groups) != len(messages):
        groups[0].wrong.append(f"roles {[message['role'] for message in messages]}")
    return groups


def of_gemini(body: dict[str, Any]) -> list[Group]:
    """Calls without an id are told apart by their place; the judge compares the names."""

    def read(content: Any) -> tuple[list[str], list[str], list[str]]:
        made = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        given = [
            part["functionResponse"] for part in content["parts"] if "functionResponse" in part
        ]
        calls, results = (
            [one.get("id") or f"nameless {place}" for place, one in enumerate(side)]
            for side in (made, given)
        )
        return calls, results, []

    return _grouped(body["contents"], lambda content: content["role"] == "model", read)
