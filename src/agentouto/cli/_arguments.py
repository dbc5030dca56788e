"""Options that commands share, and how a command ends.

``with_run_options`` gives a command the options of a run; they are the parameters of
``_run_options``. ``exit_with`` executes a command and exits with its code.
"""
# ruff: noqa: FBT002 - typer reads flags from booleans

from __future__ import annotations

import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import wraps
from importlib import import_module
from inspect import Signature, getdoc, signature
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import CommandInfo, TyperInfo

from agentouto import ConfigurationError, Journal, Limits
from agentouto.cli._journal_choice import warn_of_password
from agentouto.cli._limits import DEFAULT_LIMITS, describe_limits, parse_limits
from agentouto.cli._views import CommandOptions, Progress

PYTHON_TYPE = re.compile(r" <[^<>]*>$")
"""What typer adds to an argument: ``<str>``, ``<list[str]>``."""


class Command(TyperCommand):
    """A command whose usage line shows arguments in the same form as its help."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line as they were written.

        Some versions of typer put braces around them, and dots behind an argument of several words.
        ``ctx`` is of a class that typer does not export.
        """
        pieces = super().collect_usage_pieces(ctx)
        return [piece.removesuffix("...").strip("{}") for piece in pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options of the help page."""
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            if rows := help_rows(self, ctx, kind):
                with formatter.section(title):
                    formatter.write_dl(rows)

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option ``--help``, which needs no pydantic."""
        return _quick(super().get_help_option(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of the command line; texts need no pydantic."""
        for parameter in self.params:
            _take_text_as_it_is(parameter)
        return super().parse_args(ctx, args)


class Group(TyperGroup):
    """Commands below one name."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option ``--help``, which needs no pydantic."""
        return _quick(super().get_help_option(ctx))


def _quick(flag: Any) -> Any:
    """Return ``flag`` with a value of its type where it is not given.

    Typer imports pydantic to convert the value of any other type, and so for each command.
    """
    if flag is not None:
        flag.default = False
    return flag


class _Text:
    """What typer calls with the value of a parameter; a text needs no conversion."""

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:  # noqa: ARG002 - as typer calls it
        """Return ``value``, or no values for a parameter that takes several and got none."""
        takes_several = param.multiple or param.nargs == -1
        return () if value is None and takes_several else value


TEXTS = (str, list[str], str | None, list[str] | None)
"""The types of parameters that are taken as they are written."""


def _take_text_as_it_is(parameter: Any) -> None:
    """Let ``parameter`` skip typer's conversion if it is a text.

    Typer converts every value with pydantic, and importing that takes longer than most commands.
    Versions of typer that ask for no ``get_runtime_param`` are not changed.
    """
    descriptor = getattr(parameter, "type_descriptor", None)
    if descriptor is not None and descriptor.annotation in TEXTS:
        parameter.get_runtime_param = _Text


def help_rows(command: Any, ctx: Any, kind: str = "") -> list[tuple[str, str]]:
    """Return each parameter of ``command`` with its help, or only those of one ``kind``.

    Some versions of typer add the Python type to the name of an argument.
    """
    rows: list[tuple[str, str]] = []
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None and kind in {"", parameter.param_type_name}:
            rows.append((PYTHON_TYPE.sub("", record[0]), record[1]))
    return rows


TeamArgument = Annotated[
    str,
    typer.Argument(
        metavar="TEAM",
        help="team.py, team.py:name, package.module:name or agentouto.toml; the name is `team` if "
        "left out. Without TEAM: agentouto.toml or team.py of this folder, after asking you once. "
        "Loading it runs its Python.",
    ),
]

VerboseOption = Annotated[
    bool, typer.Option("-v", "--verbose", help="Show errors with a traceback.")
]

LimitsOption = Annotated[
    str,
    typer.Option(
        "--limits",
        metavar="NAME=NUMBER,...",
        help="Limits of the run, as in Limits(); those of the team come first.  "
        f"[default: {describe_limits(DEFAULT_LIMITS)}]",
    ),
]
NoLimitsOption = Annotated[
    bool, typer.Option("--no-limits", help="No limits but those of the team.")
]

JournalOption = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        callback=warn_of_password,
        help="Keep the run in FILE, or at a postgresql:// address, so that it survives this "
        "process.",
    ),
]
RunIdOption = Annotated[
    str,
    typer.Option(
        metavar="ID", help="The id of the run in the journal: begins it, or goes on with it."
    ),
]

McpOption = Annotated[
    list[str] | None,
    typer.Option(
        "--mcp",
        metavar="FILE",
        help="Use the MCP servers in FILE too: a JSON file with mcpServers, as other programs have "
        "it. It starts their programs; may be repeated.",
    ),
]


def only_needed(app: typer.Typer, words: Sequence[str]) -> typer.Typer:
    """Return ``app`` with what ``words``, the command line, need of its commands.

    Typer makes every command that it is given, with all parameters; that takes longer than showing
    the help of one. So there is the command alone that is named. In a list of all commands, they
    have no parameters.
    """
    if not words or words[0] == "--help":
        return _with(
            app,
            [_without_parameters(each) for each in app.registered_commands],
            app.registered_groups,
            words,
        )
    for group in app.registered_groups:
        if group.name == words[0]:
            return _with(app, [], [group], words[1:])
    for command in app.registered_commands:
        if (command.name or getattr(command.callback, "__name__", "")) == words[0]:
            return _with(app, [command], [], ())
    return app


def _with(
    app: typer.Typer, commands: list[CommandInfo], groups: list[TyperInfo], words: Sequence[str]
) -> typer.Typer:
    """Return ``app`` with these commands, and with these groups, which get ``words``."""
    narrow = copy(app)
    narrow.registered_commands, narrow.registered_groups = commands, []
    for group in map(copy, groups):
        if group.typer_instance is not None:
            group.typer_instance = only_needed(group.typer_instance, words)
        narrow.registered_groups.append(group)
    return narrow


def _without_parameters(command: CommandInfo) -> CommandInfo:
    """Return ``command`` without parameters."""
    listed, callback = copy(command), command.callback
    listed.name = command.name or getattr(callback, "__name__", None)
    listed.help, listed.callback = command.help or getdoc(callback), _listed_command
    return listed


def _listed_command() -> None:
    """Stand for a command that is only listed."""


def all_commands(app: typer.Typer) -> Iterator[tuple[str, Any]]:
    """Yield each command with its name; one of a group has the name of that before its own."""
    for name, command in typer.main.get_group(app).commands.items():
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            yield from ((f"{name} {each}", below) for each, below in inner.items())


def exit_with(options: CommandOptions, command: Callable[[], int]) -> None:
    """Exit with the code that ``command`` returns, or that belongs to the error it raises."""
    from agentouto.cli._execute import report_error  # noqa: PLC0415 - slow to import

    while_loading = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = command()
    except BrokenPipeError:  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except (typer.Exit, typer.BadParameter):
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - one line instead of a traceback
        if isinstance(error, KeyboardInterrupt):  # it may have come as something was about to begin
            warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
        code = int(report_error(error, options))
    finally:
        signal.signal(signal.SIGINT, while_loading)
    raise typer.Exit(code)


def require_page() -> None:
    """Raise ``ExitError`` if the packages of the page are not installed."""
    from agentouto.cli._exit_codes import ExitError  # noqa: PLC0415 - slow to import

    try:
        for package in ("starlette", "uvicorn"):
            import_module(package)
    except ModuleNotFoundError as error:
        raise ExitError(
            "The page needs starlette and uvicorn. Install the extra agentouto[serve]."
        ) from error


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command`` the options of a run, after its own, and pass them to it as ``options``.

    One that it has itself is not passed.

    Typer reads the parameters of a command from its signature, so the signature is replaced.
    """
    own = signature(command, eval_str=True).parameters
    every = signature(_run_options, eval_str=True).parameters
    shared = {name: each for name, each in every.items() if name not in own}
    parameters = [*(each for name, each in own.items() if name != "options"), *shared.values()]
    names = tuple(shared)

    @wraps(command)
    def with_options(**arguments: Any) -> None:
        options = _run_options(**{name: arguments.pop(name) for name in names})
        command(**arguments, options=options)

    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    with_options.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return with_options


def _run_options(
    answer: Annotated[
        list[str] | None,
        typer.Option("--answer", metavar="NAME=TEXT", help="Answer the questions of agent NAME."),
    ] = None,
    approve: Annotated[
        list[str] | None,
        typer.Option("--approve", metavar="TOOL", help="Approve every use of TOOL."),
    ] = None,
    limits: LimitsOption = "",
    no_limits: NoLimitsOption = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print the events as JSON lines instead of the answer.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object at the end instead of the answer."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only the answer and errors.")
    ] = False,
    progress: Annotated[
        str,
        typer.Option(
            metavar="|".join(Progress),
            help="How the run is shown on stderr; auto: a tree if that is a terminal.",
        ),
    ] = Progress.AUTO.value,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours; NO_COLOR does the same.")
    ] = False,
    journal: JournalOption = "",
    run_id: RunIdOption = "",
    verbose: VerboseOption = False,
) -> CommandOptions:
    """Return the options of a run; the parameters are what a person may write."""
    if jsonl and as_json:
        raise typer.BadParameter("--json and --jsonl exclude each other")
    return CommandOptions(
        answers=_parse_answers(answer or ()),
        approved_tools=tuple(approve or ()),
        limits=parse_run_limits(limits, no_limits),
        jsonl=jsonl,
        as_json=as_json,
        quiet=quiet,
        progress=parse_progress(progress),
        color=not no_color,
        verbose=verbose,
        journal=Journal(journal) if journal else None,
        run_id=run_id,
    )


def _parse_answers(given: Iterable[str]) -> dict[str, list[str]]:
    answers: dict[str, list[str]] = {}
    for name_and_text in given:
        name, equals, text = name_and_text.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"--answer takes NAME=TEXT, not {name_and_text!r}")
        answers.setdefault(name, []).append(text)
    return answers


def parse_progress(given: str) -> Progress:
    """Return how a run is shown, as ``--progress`` says.

    Raises:
        BadParameter: There is no such way.
    """
    if given not in {*Progress}:
        *others, last = Progress
        raise typer.BadParameter(f"--progress takes {', '.join(others)} or {last}, not {given!r}")
    return Progress(given)


def parse_run_limits(text: str, no_limits: bool) -> Limits | None:  # noqa: FBT001 - an option
    """Return the limits for a run that ``--limits`` and ``--no-limits`` ask for."""
    if text and no_limits:
        raise typer.BadParameter("--limits and --no-limits exclude each other")
    try:
        return None if no_limits else parse_limits(text)
    except ConfigurationError as error:
        raise typer.BadParameter(f"--limits: {error}") from error
