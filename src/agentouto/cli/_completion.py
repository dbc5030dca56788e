"""``agentouto completion``: prints a script with which a shell completes commands and options.

The script contains the names itself, so pressing Tab starts no Python and loads no team. It is
generated from the commands, and cannot differ from them. A metavar such as ``auto|off`` says which
values there are; other words are completed as file names.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentouto.cli._exit_codes import ExitCode, ExitError

SHELLS = ("bash", "zsh", "fish")
"""The shells whose completion is written here."""

BASH = """\
_agentouto() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" command="${{COMP_WORDS[1]}}" options="" others=""
    case "$command" in
        {groups}) [ "$COMP_CWORD" -gt 2 ] && command="$command ${{COMP_WORDS[2]}}" ;;
    esac
    [ "$COMP_CWORD" -eq 1 ] && command=""
    case "$command" in
{cases}
    esac
    case "$command ${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}
    esac
    [ "${{current#-}}" != "$current" ] && others="$options"
    COMPREPLY=($(compgen -W "$others" -- "$current"))
}}
complete -o default -F _agentouto agentouto
"""
"""``-o default`` completes file names where the function offers nothing (bash(1), "complete")."""

ZSH = """\
#compdef agentouto
_agentouto() {{
    local command="${{words[2]}}"
    local -a options others
    case "$command" in
        {groups}) (( CURRENT > 3 )) && command="$command ${{words[3]}}" ;;
    esac
    (( CURRENT == 2 )) && command=""
    case "$command" in
{cases}
    esac
    case "$command ${{words[CURRENT-1]}}" in
{values}
    esac
    if [[ "$PREFIX" == -* ]]; then
        compadd -- $options
    elif (( $#others )); then
        compadd -- $others
    else
        _files
    fi
}}
compdef _agentouto agentouto
"""
"""``words`` and ``CURRENT`` are set by zsh (zshcompwid(1)); ``compdef`` needs ``compinit``."""


@dataclass(frozen=True, slots=True)
class Words:
    """What is offered behind a command.

    Attributes:
        options: Its options.
        others: What can stand in place of its argument: the commands of a group, or values.
        values: The values of its options that have a choice.
    """

    options: list[str] = field(default_factory=list[str])
    others: list[str] = field(default_factory=list[str])
    values: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


def print_completion(shell: str, commands: Iterable[tuple[str, Any]]) -> ExitCode:
    """Print the script for ``shell``; ``commands`` are all commands with their names."""
    words = words_by_command(commands)
    match shell:
        case "bash":
            script = _script(BASH, '"{}"', words)
        case "zsh":
            script = _script(ZSH, "({})", words)
        case "fish":
            script = _fish(words)
        case _:
            there = ", ".join(SHELLS)
            raise ExitError(f"There is no {shell!r}. There are: {there}", ExitCode.USAGE)
    sys.stdout.write(script)
    return ExitCode.RETURNED


def words_by_command(commands: Iterable[tuple[str, Any]]) -> dict[str, Words]:
    """Return the words of each command and group; those of the program under an empty name."""
    words = {"": Words(["--help", "--version"])}
    for name, command in commands:
        group, _, own = name.rpartition(" ")
        if group and group not in words:
            words[""].others.append(group)
            words[group] = Words(["--help"])
        words[group].others.append(own)
        words[name] = Words()
        for parameter in command.params:
            choices = str(parameter.metavar or "").split("|")
            options = [str(each) for each in parameter.opts if each.startswith("-")]
            words[name].options.extend(options)
            if len(choices) > 1 and options:
                words[name].values.update(dict.fromkeys(options, choices))
            elif len(choices) > 1:
                words[name].others.extend(choices)
        words[name].options.append("--help")
    return words


def _groups(words: Mapping[str, Words]) -> list[str]:
    return list(dict.fromkeys(name.partition(" ")[0] for name in words if " " in name))


def _script(template: str, array: str, words: Mapping[str, Words]) -> str:
    """Return a script of bash or zsh, which differ in how they write an array."""

    def case(name: str, options: list[str], others: list[str]) -> str:
        told = array.format(" ".join(options)), array.format(" ".join(others))
        return f'        "{name}") options={told[0]} others={told[1]} ;;'

    return template.format(
        groups="|".join(_groups(words)),
        cases="\n".join(case(name, each.options, each.others) for name, each in words.items()),
        values="\n".join(
            case(f"{name} {option}", [], choices)
            for name, each in words.items()
            for option, choices in each.values.items()
        ),
    )


def _fish(words: Mapping[str, Words]) -> str:
    lines: list[str] = []
    for name, each in words.items():
        condition = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in name.split())
        if not name:
            condition = "__fish_use_subcommand"
        elif name in _groups(words):
            condition += f"; and not __fish_seen_subcommand_from {' '.join(each.others)}"
        start = f"complete -c agentouto -n '{condition}'"
        if each.others:
            lines.append(f"{start} -f -a '{' '.join(each.others)}'")
        for option in each.options:
            kind = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            choices = each.values.get(option)
            lines.append(f"{start} {kind}" + (f" -x -a '{' '.join(choices)}'" if choices else ""))
    return "\n".join(lines) + "\n"
