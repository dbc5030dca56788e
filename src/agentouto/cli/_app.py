"""The commands and their options. What they do is written elsewhere, and loaded when asked for.

Nothing here knows how a run is carried out or what the demo's team does.
"""
# ruff: noqa: PLC0415, FBT002 - late imports keep --help fast; flags are what typer takes

from __future__ import annotations

import select
import stat
import sys
from collections.abc import Callable
from os import fstat
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

import agentouto
from agentouto.cli._view import Manner, Progress

app = typer.Typer(
    name="agentouto",
    help="Agents as equal peers: any agent may call any agent, and the user is one of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

PATIENCE = 1.0
"""Seconds until a person is told that the command waits for standard input."""


class Command(TyperCommand):
    """A command whose usage names what it takes as the rest of the help does."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the usage, without the braces that some versions of typer put in.

        ``ctx`` is of a class that typer keeps to itself.
        """
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


Answers = Annotated[
    list[str] | None,
    typer.Option("--answer", metavar="NAME=TEXT", help="Answer what agent NAME asks you."),
]
Jsonl = Annotated[
    bool, typer.Option("--jsonl", help="Print the events as JSON lines instead of the answer.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show only the answer and errors.")]
Shown = Annotated[
    str,
    typer.Option(
        metavar="|".join(Progress),
        help="How the run is shown on stderr; auto: a tree if that is a terminal.",
    ),
]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours; NO_COLOR does the same.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show errors with a traceback.")]


def _say_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it
    if asked:
        typer.echo(f"agentouto {agentouto.__version__}")
        raise typer.Exit


@app.callback()
def agentouto_(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Agents as equal peers: any agent may call any agent, and the user is one of them."""


@app.command(cls=Command)
def run(
    team: Annotated[
        str,
        typer.Argument(
            metavar="TEAM",
            help="team.py, team.py:name or package.module:name; the name is `team` if left out. "
            "Loading it runs its Python.",
        ),
    ],
    message: Annotated[
        str,
        typer.Argument(
            metavar="MESSAGE",
            help="What you ask for; - reads it from standard input. "
            "What is piped in beside a message is added to it.",
        ),
    ],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="NAME", help="Who gets the message; may be repeated."),
    ] = None,
    answer: Answers = None,
    jsonl: Jsonl = False,
    quiet: Quiet = False,
    progress: Shown = Progress.AUTO.value,
    no_color: NoColor = False,
    verbose: Verbose = False,
) -> None:
    """Run a team once, and print its answer.

    Exit codes: 0 returned, 1 failed, 2 wrong usage, 3 the team file or its configuration is wrong
    or a key is missing, 4 a provider refused, 6 an agent asked you and nobody could answer, 130
    stopped by Ctrl+C.
    """
    from agentouto.cli._run import run_team

    manner = _manner(answer, jsonl, quiet, progress, no_color, verbose)
    _ended(manner, lambda: run_team(team, _whole(message), to or [], manner))


@app.command(cls=Command)
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
        str, typer.Option(metavar="URL", help="A server that speaks as KIND does.")
    ] = "",
    report: Annotated[
        Path, typer.Option(metavar="FILE", dir_okay=False, help="Where the report is written.")
    ] = Path("agentouto-report.md"),
    pause: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="SECONDS", help="Between two words of a scripted model."),
    ] = None,
    answer: Answers = None,
    jsonl: Jsonl = False,
    quiet: Quiet = False,
    progress: Shown = Progress.AUTO.value,
    no_color: NoColor = False,
    verbose: Verbose = False,
) -> None:
    """Let a team of four peers review the text files under PATH and write a report.

    Without --model the models are scripted: no key and no network are used. The tools are real
    either way, stay under PATH and change nothing; only the report is written.
    """
    from agentouto.cli._demo import run_demo

    manner = _manner(answer, jsonl, quiet, progress, no_color, verbose)
    _ended(manner, lambda: run_demo(path, report, model, base_url, pause, manner))


Who = Annotated[
    str,
    typer.Argument(
        metavar="PROVIDER",
        help="openai, claude, google, or the https:// address of a server of your own.",
    ),
]


@app.command(cls=Command)
def login(
    provider: Who,
    client_id: Annotated[
        str,
        typer.Option(metavar="ID", help="What PROVIDER calls your program; as last time, if any."),
    ] = "",
    client_secret: Annotated[
        str,
        typer.Option(
            metavar="SECRET",
            envvar="AGENTOUTO_CLIENT_SECRET",
            help="What PROVIDER knows it by, if it has one; better put into the environment.",
        ),
    ] = "",
    device: Annotated[
        bool, typer.Option("--device", help="Sign in on another device, with a code.")
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Open none; show the address, and take a paste.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Sign in at PROVIDER; programs then use it through auth=.

    The tokens are kept in ~/.agentouto/tokens, or below AGENTOUTO_HOME, for your eyes only.
    """
    from agentouto.cli._sign_in import How
    from agentouto.cli._sign_in import login as begin

    how = How(client_id, client_secret, device, browser=not no_browser, may_warn=True)
    _ended(Manner(answers={}, verbose=verbose), lambda: begin(provider, how))


@app.command(cls=Command)
def logout(provider: Who, verbose: Verbose = False) -> None:
    """Sign out of PROVIDER: forget the tokens here, and hand them back where that is possible."""
    from agentouto.cli._sign_in import logout as end

    _ended(Manner(answers={}, verbose=verbose), lambda: end(provider))


@app.command(cls=Command)
def whoami(provider: Who, verbose: Verbose = False) -> None:
    """Say who is signed in at PROVIDER. Exit code 1: nobody."""
    from agentouto.cli._sign_in import whoami as tell

    _ended(Manner(answers={}, verbose=verbose), lambda: tell(provider))


def _ended(manner: Manner, command: Callable[[], int]) -> None:
    """Exit with what ``command`` returns, or as the error says that it raises."""
    import os

    from agentouto.cli._carry import give_reason

    try:
        code = command()
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except (typer.Exit, typer.BadParameter):
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - said in a line, not a screen
        code = int(give_reason(error, manner))
    raise typer.Exit(code)


def _manner(
    answers: list[str] | None,
    jsonl: bool,  # noqa: FBT001
    quiet: bool,  # noqa: FBT001
    progress: str,
    no_color: bool,  # noqa: FBT001
    verbose: bool,  # noqa: FBT001
) -> Manner:
    by_name: dict[str, list[str]] = {}
    for given in answers or ():
        name, equals, text = given.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"--answer takes NAME=TEXT, not {given!r}")
        by_name.setdefault(name, []).append(text)
    if progress not in {*Progress}:
        *others, last = Progress
        raise typer.BadParameter(
            f"--progress takes {', '.join(others)} or {last}, not {progress!r}"
        )
    return Manner(
        answers=by_name,
        jsonl=jsonl,
        quiet=quiet,
        progress=Progress(progress),
        color=not no_color,
        verbose=verbose,
    )


def _whole(message: str) -> str:
    """Return the message, with what is piped in."""
    if message == "-":
        message = _read_all()
        if not message.strip():
            raise typer.BadParameter("MESSAGE is -, and nothing came in on standard input")
        return message
    kind = fstat(sys.stdin.fileno()).st_mode if sys.stdin else 0
    if not (stat.S_ISFIFO(kind) or stat.S_ISREG(kind)):
        return message
    _have_patience(kind)
    piped = _read_all()
    return f"{message}\n\n{piped}" if piped.strip() else message


def _have_patience(kind: int) -> None:
    if stat.S_ISFIFO(kind) and sys.platform != "win32":
        ready, _, _ = select.select([sys.stdin], [], [], PATIENCE)
        if not ready:
            sys.stderr.write("Reading standard input; start with </dev/null if there is none.\n")


def _read_all() -> str:
    return sys.stdin.buffer.read().decode(errors="replace").rstrip("\n")
