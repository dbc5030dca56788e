"""Google's published types as judges of our requests, and the rules their server has beside them."""

from __future__ import annotations

import json
import re
from typing import Any

from google.genai import types
from pydantic import TypeAdapter, ValidationError

PLACES: dict[str, Any] = {
    "contents": list[types.Content],
    "systemInstruction": types.Content,
    "tools": list[types.Tool],
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
    "safetySettings": list[types.SafetySetting],
    "cachedContent": str,
}
JUDGES = {key: TypeAdapter[Any](type_) for key, type_ in PLACES.items()}
DATA = {
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
}
FREE = {"args", "response", "parametersJsonSchema", "labels"}
"""Objects whose keys are not the API's."""


def complaints(body: dict[str, Any], *, recent: bool = True) -> list[str]:
    """Return what is wrong with ``body``; ``recent`` models want their calls signed."""
    found = [f"unknown {key}" for key in body.keys() - PLACES.keys()]
    for key in body.keys() & PLACES.keys():
        try:
            JUDGES[key].validate_json(json.dumps(body[key]), strict=True)
        except ValidationError as error:
            found += [f"{key}: {e['loc']} {e['msg']}" for e in error.errors()]
        except UserWarning as warning:  # a value that an enumeration does not have
            found.append(f"{key}: {warning}")
    found += [f"{name} is not in camel case" for name in sorted(_odd_names(body))]
    return found + _about_turns(body.get("contents", []), recent=recent)


def _odd_names(value: object) -> set[str]:
    if isinstance(value, list):
        return {name for item in value for name in _odd_names(item)}
    if not isinstance(value, dict):
        return set()
    odd = {name for name in value if not re.fullmatch(r"[a-z][a-zA-Z]*", name)}
    return odd.union(*(_odd_names(item) for name, item in value.items() if name not in FREE), set())


def _about_turns(contents: list[Any], *, recent: bool) -> list[str]:
    found: list[str] = []
    roles = [content.get("role") for content in contents]
    found += [f"role {role!r}" for role in roles if role not in {"user", "model"}]
    if roles[:1] != ["user"]:
        found.append("the user does not begin")
    open_calls: list[Any] = []
    for place, content in enumerate(contents):
        parts = content.get("parts") or []
        if not parts:
            found.append(f"content {place} has no parts")
        found += [f"content {place}: {part!r}" for part in parts if len(part.keys() & DATA) != 1]
        if place and roles[place] == roles[place - 1] == "model":
            found.append(f"content {place}: the model speaks twice")
        found += _about_calls(place, content, open_calls, recent=recent)
        open_calls = [part["functionCall"] for part in parts if "functionCall" in part]
    return found + (["calls without results"] if open_calls else [])


def _about_calls(place: int, content: Any, open_calls: list[Any], *, recent: bool) -> list[str]:
    found: list[str] = []
    parts = content.get("parts") or []
    results = [part["functionResponse"] for part in parts if "functionResponse" in part]
    if results and len(results) != len(parts):
        found.append(f"content {place} has more in it than results")
    asked, given = (
        [(made.get("id"), made.get("name")) for made in side] for side in (open_calls, results)
    )
    if asked != given:
        found.append(f"content {place} answers {given}, not {asked}")
    found += [
        f"content {place}: {made['response']!r}"
        for made in results
        if made["response"].keys() not in ({"output"}, {"error"})
    ]
    calls = [part for part in parts if "functionCall" in part]
    if calls and content["role"] != "model":
        found.append(f"content {place}: a user calls functions")
    if calls and recent and not calls[0].get("thoughtSignature"):
        found.append(f"content {place}: the first call has no signature")
    for part in calls:
        made = part["functionCall"]
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}", made["name"]):
            found.append(f"content {place}: a function called {made['name']!r}")
        if "id" in made and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", made["id"]):
            found.append(f"content {place}: an id {made['id']!r}")
    return found
