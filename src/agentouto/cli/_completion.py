"""``agentouto completion``: prints a script with which a shell completes commands and options.

The script contains the names itself, so pressing Tab starts no Python and loads no team. It is
generated from the commands, and cannot differ from them. Other words are completed as file names.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from agentouto.cli._exit_codes import ExitCode, ExitError

SHELLS = ("bash", "zsh", "fish")
"""The shells whose completion is written here."""

BASH = """\
_agentouto() {{
    local words
    case "${{COMP_WORDS[1]}}" in
{cases}
        *) words="{commands}" ;;
    esac
    local current="${{COMP_WORDS[COMP_CWORD]}}"
    if [ "$COMP_CWORD" -eq 1 ] || [ "${{current#-}}" != "$current" ]; then
        [ "$COMP_CWORD" -eq 1 ] && words="{commands} --help --version"
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    fi
}}
complete -o default -F _agentouto agentouto
"""
"""``-o default`` completes file names where the function offers nothing (bash(1), "complete")."""

ZSH = """\
#compdef agentouto
_agentouto() {{
    if (( CURRENT == 2 )); then
        compadd -- {commands} --help --version
        return
    fi
    local -a options
    case "${{words[2]}}" in
{cases}
    esac
    if [[ "$PREFIX" == -* ]]; then
        compadd -- $options
    else
        _files
    fi
}}
compdef _agentouto agentouto
"""
"""``words`` and ``CURRENT`` are set by zsh (zshcompwid(1)); ``compdef`` needs ``compinit``."""


def print_completion(shell: str, options: Mapping[str, Sequence[str]]) -> ExitCode:
    """Print the script for ``shell``; ``options`` are the options of each command."""
    match shell:
        case "bash":
            script = _bash(options)
        case "zsh":
            script = _zsh(options)
        case "fish":
            script = _fish(options)
        case _:
            there = ", ".join(SHELLS)
            raise ExitError(f"There is no {shell!r}. There are: {there}", ExitCode.USAGE)
    sys.stdout.write(script)
    return ExitCode.RETURNED


def _bash(options: Mapping[str, Sequence[str]]) -> str:
    cases = [f'        {name}) words="{" ".join(each)}" ;;' for name, each in options.items()]
    return BASH.format(cases="\n".join(cases), commands=" ".join(options))


def _zsh(options: Mapping[str, Sequence[str]]) -> str:
    cases = [f"        {name}) options=({' '.join(each)}) ;;" for name, each in options.items()]
    return ZSH.format(cases="\n".join(cases), commands=" ".join(options))


def _fish(options: Mapping[str, Sequence[str]]) -> str:
    lines = [f"complete -c agentouto -n __fish_use_subcommand -f -a '{' '.join(options)}'"]
    for name, each in options.items():
        for option in each:
            kind = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            lines.append(f"complete -c agentouto -n '__fish_seen_subcommand_from {name}' {kind}")
    return "\n".join(lines) + "\n"
