"""``agentouto man``: prints the manual page, in the language of man(7).

It is made from the commands themselves, like the completion scripts, and cannot differ from them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentouto.cli._exit_codes import ExitCode

MACRO_START = re.compile(r"^([.'])", re.MULTILINE)
"""A line that begins with one of these is a macro (groff(7), "Control characters")."""

FILES = (
    ("agentouto.toml, team.py", "the team of a folder, if no TEAM is named"),
    (".env", "variables for the team file beside it"),
    (
        "~/.agentouto",
        "saved runs, tokens of sign-ins, accepted teams; AGENTOUTO_HOME names another folder",
    ),
)

ENVIRONMENT = (
    ("OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, GOOGLE_API_KEY", "keys of the vendors"),
    ("AGENTOUTO_NAME_API_KEY", "the key of the provider NAME, before those of its vendor"),
    ("AGENTOUTO_HOME", "the folder in place of ~/.agentouto"),
    ("AGENTOUTO_JOURNAL", "the file that runs are saved in, in place of runs.db in that folder"),
    ("NO_COLOR", "no colours"),
)


@dataclass(frozen=True, slots=True)
class CommandHelp:
    """What the manual page says about one command.

    Attributes:
        name: The command.
        usage: Its arguments, as in ``[OPTIONS] TEAM``.
        text: Its description, in paragraphs.
        options: Each argument or option with its meaning.
    """

    name: str
    usage: str
    text: str
    options: Sequence[tuple[str, str]]


def print_man_page(
    version: str, summary: str, exit_codes: str, commands: Sequence[CommandHelp]
) -> ExitCode:
    """Print the page."""
    parts = [
        f'.TH AGENTOUTO 1 "" "agentouto {version}"',
        f".SH NAME\nagentouto \\- {_escape_roff(summary)}",
        ".SH SYNOPSIS\n.B agentouto\nCOMMAND [OPTIONS] [ARGUMENTS]",
        ".SH COMMANDS",
        *map(_command, commands),
        f".SH EXIT STATUS\n{_escape_roff(exit_codes)}",
        f".SH ENVIRONMENT\n{_terms(ENVIRONMENT)}",
        f".SH FILES\n{_terms(FILES)}",
    ]
    sys.stdout.write("\n".join(parts) + "\n")
    return ExitCode.RETURNED


def _command(command: CommandHelp) -> str:
    paragraphs = [" ".join(each.split()) for each in command.text.split("\n\n")]
    text = "\n.PP\n".join(_escape_roff(each) for each in paragraphs)
    head = f".SS agentouto {_escape_roff(f'{command.name} {command.usage}')}"
    return "\n".join(filter(None, [head, text, _terms(command.options)]))


def _terms(terms: Iterable[tuple[str, str]]) -> str:
    return "\n".join(
        f".TP\n.B {_escape_roff(term)}\n{_escape_roff(meaning)}" for term, meaning in terms
    )


def _escape_roff(text: str) -> str:
    """Return ``text`` so that it is shown as it is (groff(7), "Escape sequences")."""
    return MACRO_START.sub(r"\\&\1", text.replace("\\", "\\e").replace("-", "\\-"))
