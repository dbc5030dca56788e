"""Declares the commands and their options; each command loads its module when it runs.

``--help`` must be quick, so this module imports typer and nothing heavier.
"""
# ruff: noqa: PLC0415, FBT002 - late imports keep --help fast; typer reads flags from booleans

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

import agentouto
from agentouto.cli._arguments import (
    Command,
    Group,
    LimitsOption,
    McpOption,
    NoLimitsOption,
    TeamArgument,
    VerboseOption,
    all_commands,
    exit_with,
    help_rows,
    only_needed,
    parse_run_limits,
    with_run_options,
)
from agentouto.cli._runs_command import lint, runs
from agentouto.cli._serve_command import serve
from agentouto.cli._sign_in_command import login, logout, whoami
from agentouto.cli._terminal_text import fit_terminal
from agentouto.cli._ui_command import ui
from agentouto.cli._views import CommandOptions
from agentouto.cli._worker_command import worker

PROGRAM_SUMMARY = (
    "Agents as equal peers: any agent may call any agent, and the user is one of them."
)

EXIT_CODES = (
    "Exit codes: 0 returned, 1 failed, 2 wrong usage, 3 the team file or its configuration is "
    "wrong or a key is missing, 4 a provider refused, 5 a limit was reached, 6 an agent asked you "
    "and there was no answer, 130 stopped by Ctrl+C."
)

app = typer.Typer(
    name="agentouto",
    cls=Group,
    help=PROGRAM_SUMMARY,
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - a callback of typer
    if asked:
        typer.echo(f"agentouto {agentouto.__version__}")
        raise typer.Exit


@app.callback()
def agentouto_(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Show the help or the version, or run a command."""


@app.command(cls=Command)
@with_run_options
def run(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[TEAM] MESSAGE",
            help="TEAM as for `agentouto check` (loading it runs its Python), and your message. A "
            "message of - is read from standard input; piped input beside one is added to it.",
        ),
    ],
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="NAME", help="The agent that gets the message; may be repeated."
        ),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "-f", "--file", metavar="FILE", help="A file for the message; may be repeated."
        ),
    ] = None,
    mcp: McpOption = None,
    no_save: Annotated[bool, typer.Option("--no-save", help="Do not save the run.")] = False,
    *,
    options: CommandOptions,
) -> None:
    """Run a team once, and print its answer.

    The run is saved in ~/.agentouto/runs.db, or below AGENTOUTO_HOME, with all that is said in it:
    see `agentouto runs`. --no-save saves nothing.

    Exit codes: 0 returned, 1 failed, 2 wrong usage, 3 the team file or its configuration is wrong
    or a key is missing, 4 a provider refused, 5 a limit was reached, 6 an agent asked you and there
    was no answer, 130 stopped by Ctrl+C.
    """
    from agentouto.cli._run import RunRequest, run_team

    if no_save and (options.journal is not None or options.run_id):
        raise typer.BadParameter("--no-save excludes --journal and --run-id")
    request = RunRequest(words, to or (), file or (), mcp or (), saves=not no_save)
    exit_with(options, lambda: run_team(request, options))


@app.command(cls=Command)
def chat(
    team: TeamArgument = "",
    mcp: McpOption = None,
    limits: LimitsOption = "",
    no_limits: NoLimitsOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Talk with a team while it works.

    @NAME TEXT reaches an agent that works, /help shows the commands. It needs prompt_toolkit, the
    extra agentouto[cli].
    """
    from agentouto.cli._exit_codes import ExitError

    def start() -> int:
        try:
            from agentouto.cli._chat import run_chat
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "prompt_toolkit":
                raise
            raise ExitError(
                "chat needs prompt_toolkit. Install the extra agentouto[cli]."
            ) from error
        return run_chat(team, options, mcp or ())

    options = CommandOptions(limits=parse_run_limits(limits, no_limits), verbose=verbose)
    exit_with(options, start)


app.command(cls=Command)(serve)
app.command(cls=Command)(ui)
app.command(cls=Command)(worker)
app.command(cls=Command)(lint)
app.add_typer(runs, name="runs", cls=Group)


@app.command(cls=Command)
@with_run_options
def demo(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", exists=True, help="The folder, or the file, to review."),
    ] = Path(),
    model: Annotated[
        str,
        typer.Option(metavar="KIND:NAME", help="A real model, for example openai:gpt-5.2-mini."),
    ] = "",
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="A server with the API of KIND.")
    ] = "",
    report: Annotated[
        Path, typer.Option(metavar="FILE", dir_okay=False, help="The file for the report.")
    ] = Path("agentouto-report.md"),
    pause: Annotated[
        float | None,
        typer.Option(
            min=0.0, metavar="SECONDS", help="The pause between two words of a scripted model."
        ),
    ] = None,
    in_browser: Annotated[
        bool, typer.Option("--ui", help="Show it in a browser, as `agentouto ui` does.")
    ] = False,
    *,
    options: CommandOptions,
) -> None:
    """Let four peers review the text files under PATH.

    They write a report, by default agentouto-report.md.

    Without --model the models are scripted: no key and no network are used. The tools are real
    in both cases; they stay under PATH and change nothing. Only the report is written.

    Exit codes: those of `agentouto run`.
    """
    from agentouto.cli._demo import run_demo, serve_demo

    command = serve_demo if in_browser else run_demo
    exit_with(options, lambda: command(path, report, model, base_url, pause, options))


@app.command(cls=Command)
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder; it must be empty or not exist.")
    ] = Path(),
    verbose: VerboseOption = False,
) -> None:
    """Write a new project: a team, and tests that need no key.

    It passes its own tests, type check and lint, and has AGENTS.md for coding agents. A folder that
    is not empty is refused.
    """
    from agentouto.cli._init import init_project

    exit_with(CommandOptions(verbose=verbose), lambda: init_project(folder))


@app.command(cls=Command)
def check(
    team: TeamArgument = "",
    online: Annotated[
        bool, typer.Option("--online", help="Send one short request to each model.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Check the agents, tools and keys of a team without running it.

    Exit codes: 0 it can run, 3 the team or its configuration is wrong or a key is missing, 4 a
    model does not answer (--online).
    """
    from agentouto.cli._inspect import check_team

    exit_with(CommandOptions(verbose=verbose), lambda: check_team(team, online=online))


@app.command("show", cls=Command)
def show_(
    team: TeamArgument = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with the full schema of each tool.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the agents, models and tools of a team."""
    from agentouto.cli._inspect import show_team

    exit_with(CommandOptions(verbose=verbose), lambda: show_team(team, as_json=as_json))


@app.command(cls=Command)
def schema() -> None:
    """Print the JSON schema of agentouto.toml, for editors."""
    from agentouto.cli._inspect import print_schema

    exit_with(CommandOptions(), print_schema)


@app.command(cls=Command)
def doctor(verbose: VerboseOption = False) -> None:
    """Show versions, keys, folders and local model servers. Of keys only the end is shown."""
    from agentouto.cli._doctor import run_doctor

    exit_with(CommandOptions(verbose=verbose), run_doctor)


@app.command(cls=Command)
def models(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="openai, openai_responses, anthropic, google.")
    ] = "",
    online: Annotated[
        bool, typer.Option("--online", help="Ask the server instead of our table.")
    ] = False,
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="With --online: a server with the API of KIND.")
    ] = "",
    verbose: VerboseOption = False,
) -> None:
    """List models with their context windows and prices."""
    from agentouto.cli._models import print_models

    options = CommandOptions(verbose=verbose)
    exit_with(options, lambda: print_models(kind, online=online, base_url=base_url))


@app.command(cls=Command)
def completion(
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="Your shell.")],
) -> None:
    """Print a completion script for your shell.

    bash: source <(agentouto completion bash)   zsh: the same, after compinit
    fish: agentouto completion fish | source
    """
    from agentouto.cli._completion import print_completion

    exit_with(CommandOptions(), lambda: print_completion(shell, all_commands(app)))


@app.command(cls=Command)
def man() -> None:
    """Print the manual page.

    agentouto man | man -l -   shows it.
    """
    from agentouto.cli._man import CommandHelp, print_man_page

    pages = [
        CommandHelp(
            name,
            " ".join(command.collect_usage_pieces(typer.Context(command))),
            command.help or "",
            help_rows(command, typer.Context(command)),
        )
        for name, command in all_commands(app)
    ]
    exit_with(
        CommandOptions(),
        lambda: print_man_page(agentouto.__version__, PROGRAM_SUMMARY, EXIT_CODES, pages),
    )


app.command(cls=Command)(login)
app.command(cls=Command)(logout)
app.command(cls=Command)(whoami)


PARSE_NOTE = re.compile(r", unable to parse string as an? \w+")
"""What pydantic adds where "Input should be a valid number" has said it (pydantic 2)."""

MEANT_OPTION = re.compile(r"No such command '(help|version)'")
"""The message of typer for what other programs have as commands, and this one as options."""

USAGE_ERROR = cast("type[Exception]", typer.BadParameter.__mro__[1])
"""``UsageError`` of click, which typer does not export: its newer versions bring a click of their
own.
"""


def run_app() -> int:
    """Run the command that the command line names, and return the exit code.

    Wrong usage is reported in one line; typer's own report has four.
    """
    try:
        needed = only_needed(app, sys.argv[1:])
        return int(needed(prog_name="agentouto", standalone_mode=False) or 0)
    except USAGE_ERROR as error:
        typer.echo(_usage_text(error), err=True)
        return 2
    except typer.Abort:
        return 130


def _usage_text(error: Any) -> str:
    """Return the message, and which help to read; the help itself if there were no arguments."""
    text = str(error.format_message()).strip().removeprefix("Invalid value: ")
    text = PARSE_NOTE.sub("", text)
    if wanted := MEANT_OPTION.match(text):
        text += f" Did you mean '--{wanted[1]}'?"
    if text.startswith("Usage:"):
        return text
    command = "agentouto" if error.ctx is None else error.ctx.command_path
    end = "" if text.endswith((".", "?")) else "."
    return fit_terminal(f"{text}{end} See: {command} --help", sys.stderr)
