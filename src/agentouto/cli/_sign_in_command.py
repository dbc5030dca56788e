"""Declares ``agentouto login``, ``logout`` and ``whoami``; ``_sign_in.py`` does the work."""
# ruff: noqa: PLC0415, FBT002 - late imports keep --help fast; typer reads flags from booleans

from __future__ import annotations

from typing import Annotated

import typer

from agentouto.cli._arguments import VerboseOption, exit_with
from agentouto.cli._views import CommandOptions

ProviderArgument = Annotated[
    str,
    typer.Argument(
        metavar="PROVIDER",
        help="openai, claude, google, or the https:// address of another server.",
    ),
]


def login(
    provider: ProviderArgument,
    client_id: Annotated[
        str,
        typer.Option(
            metavar="ID", help="The id of your program at PROVIDER; by default the last one."
        ),
    ] = "",
    client_secret: Annotated[
        str,
        typer.Option(
            metavar="SECRET",
            envvar="AGENTOUTO_CLIENT_SECRET",
            help="The secret of your program at PROVIDER; safer in the environment.",
        ),
    ] = "",
    device: Annotated[
        bool, typer.Option("--device", help="Sign in on another device, with a code.")
    ] = False,
    no_browser: Annotated[
        bool,
        typer.Option("--no-browser", help="Show the address instead, and read a pasted answer."),
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Sign in at PROVIDER; programs then use it through auth=.

    The tokens are stored in ~/.agentouto/tokens, or below AGENTOUTO_HOME, readable by you only.
    """
    from agentouto.cli._sign_in import SignInOptions, sign_in_at

    how = SignInOptions(client_id, client_secret, device, browser=not no_browser, may_warn=True)
    exit_with(CommandOptions(verbose=verbose), lambda: sign_in_at(provider, how))


def logout(provider: ProviderArgument, verbose: VerboseOption = False) -> None:
    """Sign out of PROVIDER.

    The tokens are deleted here, and revoked where PROVIDER can.
    """
    from agentouto.cli._sign_in import sign_out

    exit_with(CommandOptions(verbose=verbose), lambda: sign_out(provider))


def whoami(provider: ProviderArgument, verbose: VerboseOption = False) -> None:
    """Show who is signed in at PROVIDER. Exit code 1: not signed in."""
    from agentouto.cli._sign_in import show_identity

    exit_with(CommandOptions(verbose=verbose), lambda: show_identity(provider))
