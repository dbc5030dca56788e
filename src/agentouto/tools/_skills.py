"""``skills``: a tool that reads instructions (agentskills.io) from folders when they are needed.

A skill is a folder with a ``SKILL.md`` whose front matter has a name and a description. Nothing in
it is executed: a script is text like any other file.
"""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from agentouto import ConfigurationError, Tool, ToolError
from agentouto.tools._folder import (
    ConfinedFolder,
    Unreachable,
    Walk,
    printable,
    read_bytes,
    tool_errors,
)
from agentouto.tools._front_matter import BadFrontMatter, read_front_matter
from agentouto.tools._text import decode_bytes

SKILL_FILE = "SKILL.md"
"""The name that the format gives the file (agentskills.io/specification)."""

MOST_SKILLS = 200
"""At 100 tokens each, their descriptions take 20,000 tokens of every request."""

MOST_SKILL_BYTES = 262_144
"""Bytes of one file: about 65,000 tokens."""

MOST_NAME_CHARACTERS = 64
MOST_DESCRIPTION_CHARACTERS = 1_024
"""Both as in the specification of the format (agentskills.io/specification)."""

MOST_FILES_NAMED = 100
"""Files of a skill whose names are added to its instructions: about 1,000 tokens."""

_SKILL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class _Skill(NamedTuple):
    name: str
    description: str
    folder: str


def skills(folder: str | os.PathLike[str]) -> list[Tool[..., object]]:
    """Return a tool that reads the skills in a folder: ``read_skill``.

    Each folder in it that has a ``SKILL.md`` is a skill. Names and descriptions are read now and
    become the description of the parameter ``name``; the text is read when an agent asks for it. A
    skill that cannot be read causes a warning and is marked in the description; the others work.

    Args:
        folder: The folder with a folder for each skill.

    Raises:
        ConfigurationError: The folder does not exist, or has no skill that can be read.
    """
    inside = ConfinedFolder(folder, "skills")
    found, faults = _find_skills(inside)
    for fault in faults:
        warnings.warn(f"skills: {fault}", UserWarning, stacklevel=2)
    if not found:
        own = (Path(inside.path) / SKILL_FILE).exists()
        hint = "; it is a skill itself, so name the folder that it is in" if own else ""
        why = "; ".join(faults) or f"no folder in it has a {SKILL_FILE}{hint}"
        raise ConfigurationError(f"skills: {inside.path} has no skill: {why}")
    listed = _describe_skills(found, faults)

    def read_skill(
        name: Annotated[str, listed],
        file: Annotated[
            str, "A file that the skill names; left out, its instructions"
        ] = SKILL_FILE,
    ) -> str:
        skill = found.get(name)
        if skill is None:
            there = ", ".join(found)
            raise ToolError("read_skill", f"there is no skill {name!r}; there are: {there}")
        with tool_errors("read_skill", file):
            return _read_skill_file(inside, skill, file)

    return [
        Tool(
            read_skill,
            # Not the list: some servers take 1,024 characters here (OpenAI until 2025: "Invalid
            # 'tools[0].function.description': string too long"), and any number for a parameter.
            description=(
                "Read a skill: instructions for a kind of work, written by those who know it. "
                "Read the one that fits, if one does, before you begin such work."
            ),
        )
    ]


def _find_skills(inside: ConfinedFolder) -> tuple[dict[str, _Skill], list[str]]:
    found: dict[str, _Skill] = {}
    faults: list[str] = []
    entries, _ = inside.entries(".")
    for entry in entries:
        if not stat.S_ISDIR(entry.status.st_mode):
            continue
        path = f"{entry.path}/{SKILL_FILE}"
        try:
            skill = _parse_skill(entry.path, _read_text(inside, path))
            if skill.name in found:
                raise Unreachable(f"its name {skill.name!r} is that of {found[skill.name].folder}")
            if len(found) == MOST_SKILLS:
                raise Unreachable(f"it is one too many: at most {MOST_SKILLS}")
            found[skill.name] = skill
        # One skill that is broken must not keep the others from being found.
        except FileNotFoundError:
            continue  # some other folder
        except (Unreachable, BadFrontMatter, OSError) as error:
            faults.append(f"{printable(path)}: {error}")
    return found, faults


def _parse_skill(folder: str, text: str) -> _Skill:
    values = read_front_matter(text, ("name", "description")).values
    name = values.get("name", "")
    description = " ".join(values.get("description", "").split())
    if len(name) > MOST_NAME_CHARACTERS or not _SKILL_NAME.fullmatch(name):
        raise Unreachable(
            f"name is {name[:80]!r}; it has to be 1 to {MOST_NAME_CHARACTERS} letters, digits, "
            "., _ and -"
        )
    if not 0 < len(description) <= MOST_DESCRIPTION_CHARACTERS or not description.isprintable():
        raise Unreachable(
            f"description has {len(description):,} characters; it has to be text of 1 to "
            f"{MOST_DESCRIPTION_CHARACTERS:,}"
        )
    return _Skill(name, description, folder)


def _read_text(inside: ConfinedFolder, path: str) -> str:
    with inside.open_file(path) as descriptor:
        content, whole = read_bytes(descriptor, MOST_SKILL_BYTES)
    if not whole:
        raise Unreachable(f"{printable(path)} has more than {MOST_SKILL_BYTES:,} bytes")
    text = decode_bytes(content, "utf-8")
    if text is None or text.guessed:
        raise Unreachable(f"{printable(path)} is not text in UTF-8")
    return text.text


def _describe_skills(found: Mapping[str, _Skill], faults: Sequence[str]) -> str:
    lines = (f"- {skill.name}: {skill.description}" for skill in found.values())
    broken = (f"(cannot be read: {fault})" for fault in faults[:MOST_SKILLS])
    return "\n".join(["The name of the skill. There are:", *lines, *broken])


def _read_skill_file(inside: ConfinedFolder, skill: _Skill, file: str) -> str:
    text = _read_text(inside, f"{skill.folder}/{file}")
    if file != SKILL_FILE:
        return text
    try:
        body = read_front_matter(text, ()).body.strip()
    except BadFrontMatter as error:
        raise Unreachable(f"{skill.folder}/{SKILL_FILE}: {error}") from error
    return _with_files(inside, skill, body)


def _with_files(inside: ConfinedFolder, skill: _Skill, body: str) -> str:
    """Return the instructions, followed by the names of the other files of the skill."""
    walk = Walk(1_000, frozenset())
    files = [
        printable(entry.path.removeprefix(f"{skill.folder}/"))
        for entry in inside.walk(skill.folder, walk)
        if stat.S_ISREG(entry.status.st_mode)
    ]
    others = [name for name in files if name != SKILL_FILE]
    if not others:
        return body
    more = ", and more" if len(others) > MOST_FILES_NAMED or not walk.remaining else ""
    return f"{body}\n\n[Files of this skill: {', '.join(others[:MOST_FILES_NAMED])}{more}]"
