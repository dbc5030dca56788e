"""``agentouto run``: loads a team, checks names and keys, executes one run.

Everything that can be wrong is checked before the first request, so that a missing key of the last
agent does not cost the work of the others.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from agentouto import (
    Agent,
    Attachment,
    ConfigurationError,
    Journal,
    Peer,
    Provider,
    ProviderError,
    Team,
)
from agentouto.cli._execute import check_names, execute_run, print_answer
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._journal_choice import named_journal, own_journal
from agentouto.cli._limits import limits_notice
from agentouto.cli._load_team import load_team, model_agents
from agentouto.cli._mcp_servers import start_notices, with_servers
from agentouto.cli._stdin import with_piped_input
from agentouto.cli._terminal_text import print_notice
from agentouto.cli._trusted_teams import find_team_file
from agentouto.cli._views import CommandOptions


def team_and_message(words: Sequence[str]) -> tuple[str, str]:
    """Return TEAM and MESSAGE; TEAM is empty if it was left out.

    Raises:
        BadParameter: The words are no message, or a message that was not quoted.
    """
    match words:
        case [team, message]:
            return team, message
        case [word] if not _names_a_team(word):
            return "", word
        case [_]:
            raise typer.BadParameter("Missing argument 'MESSAGE'")
        case _:
            raise typer.BadParameter(
                f"TEAM and MESSAGE are two words, not {len(words)}. Put the message into quotes."
            )


def _names_a_team(word: str) -> bool:
    return word.partition(":")[0].endswith((".py", ".toml")) or word == "-"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a person wants from one run.

    Attributes:
        words: TEAM, which may be left out, and MESSAGE.
        to: The names of the agents that get the message; empty for those of the team.
        files: The files that travel with it.
        mcp_files: Files that name MCP servers.
        saves: Whether it is saved in the command line's own journal, if no other is named.
    """

    words: Sequence[str]
    to: Sequence[str] = ()
    files: Sequence[str] = ()
    mcp_files: Sequence[str] = ()
    saves: bool = False


def run_team(request: RunRequest, options: CommandOptions) -> ExitCode:
    """Run the team that ``request`` names and print its answer."""
    spec, message = team_and_message(request.words)
    message = with_piped_input(message)
    attachments = [_read_attachment(path) for path in request.files]
    spec = spec or find_team_file("run")
    team = load_for_run(spec, options, request.mcp_files)
    starting = [_find_participant(team, name) for name in request.to] or None
    check_names(team, options)
    check_keys(team)
    print_programs(team, options)
    notices = limits_notices(team, options)
    options = _with_journal(team, spec, options, notices.append, saves=request.saves)
    return run_and_print(team, message, starting, replace(options, team=spec), attachments, notices)


def load_for_run(spec: str, options: CommandOptions, mcp_files: Sequence[str]) -> Team:
    """Return the team that ``spec`` names, with the servers in ``mcp_files``."""
    with redirect_stdout(sys.stderr):
        team = load_team(spec, print_notice if shows_notices(options) else lambda _: None)
        return with_servers(team, mcp_files)


def run_and_print(
    team: Team,
    message: str,
    starting: Sequence[Agent | Peer] | None,
    options: CommandOptions,
    attachments: Sequence[Attachment] = (),
    notices: Sequence[str] = (),
) -> ExitCode:
    """Run ``team`` and print its answer; say ``notices`` when the run begins."""
    try:
        result = execute_run(
            team, message, starting, options, attachments=attachments, notices=notices
        )
        return print_answer(result, options)
    except ProviderError as error:
        if _is_script_failure(error, team):
            raise ExitError(str(error), ExitCode.FAILED) from error
        raise


def _read_attachment(path: str) -> Attachment:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ExitError(f"--file {path}: {error.strerror}.", ExitCode.USAGE) from error
    if not data:
        raise ExitError(f"--file {path}: the file is empty.", ExitCode.USAGE)
    try:
        return Attachment.from_file(path)
    except ConfigurationError as error:  # its name does not tell the type
        try:
            data.decode()
        except UnicodeDecodeError:
            problem = "its name does not tell what it is. Give it an ending, such as .png"
            raise ExitError(f"--file {path}: {problem}", ExitCode.USAGE) from error
        return Attachment.from_file(path, mime_type="text/plain")


def _with_journal(
    team: Team,
    spec: str,
    options: CommandOptions,
    notify: Callable[[str], object],
    *,
    saves: bool,
) -> CommandOptions:
    """Return ``options`` with the journal of the run, if it is kept and the team has none."""
    if options.journal is not None:
        options.journal.team = spec
        return options
    named = named_journal("")
    if named and saves:
        return replace(options, journal=Journal(named, team=spec))
    if not saves or team.options.get("journal") is not None:
        return options
    said: list[str] = []
    journal = own_journal(spec, said.append, may_be_lost=not options.run_id)
    for sentence in said if shows_notices(options) else ():
        notify(sentence)
    if journal is None:
        return options
    return replace(options, journal=journal, resume_command="agentouto runs resume SHORT")


def shows_notices(options: CommandOptions) -> bool:
    """Return whether notices are shown: not with only the answer or only events on a terminal."""
    return not options.quiet and not (options.jsonl and sys.stdout.isatty())


def print_limits(team: Team, options: CommandOptions) -> None:
    """Say which limits apply to the run, and which programs it starts."""
    for sentence in limits_notices(team, options):
        print_notice(sentence)
    print_programs(team, options)


def limits_notices(team: Team, options: CommandOptions) -> list[str]:
    """Return what is said about the limits of a run, if anything is said."""
    return [limits_notice(team, options.limits)] if shows_notices(options) else []


def print_programs(team: Team, options: CommandOptions) -> None:
    """Say which programs a run starts, before it does."""
    if shows_notices(options):
        for sentence in start_notices(team):
            print_notice(sentence)


def _is_script_failure(error: ProviderError, team: Team) -> bool:
    """Return whether ``error`` is a fault of a test script, and not a failure that it plays."""
    given = (*team.providers, *(agent.provider for agent in model_agents(team)))
    scripts = {
        each.name for each in given if isinstance(each, Provider) and each.script is not None
    }
    return type(error) is ProviderError and error.status is None and error.provider_name in scripts


def check_keys(team: Team, *, has_file: bool = True) -> None:
    """Raise ``ExitError`` if a provider of ``team`` needs a key and has none.

    The team of the demo is in no file of the person, so there is no ``.env`` beside it.

    Raises:
        ConfigurationError: An agent names an unknown provider.
        ExitError: A key is missing.
    """
    missing = team.missing_keys()
    without: dict[tuple[str, str], list[str]] = {}
    for agent in model_agents(team):
        if variable := missing.get(agent.name):
            without.setdefault((agent.provider_name, variable), []).append(f"`{agent.name}`")
    for (provider_name, variable), agents in without.items():
        raise ExitError(
            f"{', '.join(agents)} cannot start: provider `{provider_name}` has no key. "
            f"Set {variable}{', or put it into .env beside the team file' if has_file else ''}. "
            f'No key at hand? `agentouto demo`, or Provider(kind="script").',
            error_code="key-missing",
        )


def _find_participant(team: Team, name: str) -> Agent | Peer:
    for agent in team.agents:
        if agent.name == name:
            return agent
    names = [agent.name for agent in team.agents]
    nearest = difflib.get_close_matches(name, names, 1)
    hint = f" Did you mean {nearest[0]}?" if nearest else ""
    raise ExitError(
        f"--to {name}: no such agent. There are: {', '.join(names)}.{hint}", ExitCode.USAGE
    )
