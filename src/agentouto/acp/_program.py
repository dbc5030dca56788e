"""Makes a peer of a program that speaks the Agent Client Protocol."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, cast, get_args

from agentouto import ConfigurationError, Message, Peer
from agentouto._domain.redaction import secrets_in, secrets_in_address, secrets_in_variables

Permissions: TypeAlias = Literal["ask", "allow", "deny"]
"""What becomes of a program's requests for permission: the user decides, all are granted, none."""

INHERITED = (
    "APPDATA",
    "HOME",
    "HOMEDRIVE",
    "HOMEPATH",
    "LANG",
    "LOCALAPPDATA",
    "LOGNAME",
    "PATH",
    "PATHEXT",
    "SHELL",
    "SYSTEMROOT",
    "TEMP",
    "TERM",
    "TMPDIR",
    "USER",
    "USERPROFILE",
)
"""Variables that a program gets from this process: what it needs to start, and no keys."""


class Program(NamedTuple):
    """A program and how it is started."""

    name: str
    command: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    auth: str | None
    permissions: Permissions
    mcp: Mapping[str, Mapping[str, object]]

    def secrets(self) -> tuple[str, ...]:
        """Return what is hidden in errors and logs: the program may repeat what it was given."""
        given = {name: value for name, value in self.env.items() if name not in INHERITED}
        hidden = secrets_in_variables(given)
        for server in self.mcp.values():
            env, headers = (_texts_in(server.get(each)) for each in ("env", "headers"))
            hidden += secrets_in_variables(env) + secrets_in(headers)
            hidden += secrets_in_address(str(server.get("url", "")))
        return hidden


def _texts_in(fields: object) -> dict[str, str]:
    items = cast("Mapping[object, object]", fields).items() if isinstance(fields, Mapping) else ()
    return {str(name): value for name, value in items if isinstance(value, str)}


class ProgramAnswer:
    """The function of a peer that a program answers for.

    Attributes:
        command: The program and its arguments.
    """

    __slots__ = ("_program", "command")

    def __init__(self, started: Program) -> None:
        self._program = started
        self.command: tuple[str, ...] = started.command

    async def __call__(self, message: Message) -> object:
        """Start the program and return its answer to ``message``."""
        # A process for each call: calls run at the same time, and none sees what another says.
        from agentouto.acp._session import answer_with  # noqa: PLC0415 - imports the SDK

        return await answer_with(self._program, message)


def program(
    name: str,
    role: str,
    *command: str,
    cwd: str | os.PathLike[str] = ".",
    env: Mapping[str, str] | None = None,
    auth: str | None = None,
    permissions: Permissions = "ask",
    mcp: Mapping[str, Mapping[str, object]] | None = None,
    timeout: float | None = None,
) -> Peer:
    """Return a peer that a program answers for, over the Agent Client Protocol on its pipes.

    Each call starts the program, gives it the forward, and ends it and all that it has started.
    What it writes is streamed, its thoughts are thinking, and what it does is progress. The
    program reads and writes files and runs commands by itself: it is offered no methods for that.

    Args:
        name: The name of the peer.
        role: What the others read about it.
        *command: The program and its arguments.
        cwd: The folder it works in.
        env: Variables for it, such as its key. Of this process it gets only such as ``PATH`` and
            ``HOME``.
        auth: The id of the way to sign in that it is told to use, if it asks for one.
        permissions: ``"ask"`` has the user approve each request, as the tool ``NAME.KIND``, such as
            ``coder.edit``; ``"allow"`` grants each one, ``"deny"`` none. Only the option that
            allows something once is ever taken.
        mcp: MCP servers that the program is told to use, by name, as in ``mcpServers`` of a
            configuration file: ``{"command": ..., "args": [...], "env": {...}}``, or ``{"url":
            ..., "headers": {...}}``.
        timeout: Seconds within which each call must return.

    Raises:
        ConfigurationError: An argument cannot work, or the extra is not installed.
    """
    where = f"acp.program({name!r}): "
    if not command or not all(isinstance(cast("object", each), str) and each for each in command):
        raise ConfigurationError(f"{where}the command is {command!r:.80}, not a program's name")
    if permissions not in get_args(Permissions):
        raise ConfigurationError(
            f"{where}permissions={permissions!r:.40} must be one of ask, allow, deny"
        )
    # The protocol wants an absolute path ("Session Setup"). It is made here, once: the process may
    # change its folder before the first call.
    folder = Path(cwd).absolute()
    if not folder.is_dir():
        raise ConfigurationError(f"{where}cwd={str(cwd)!r} is not a folder")
    servers = dict(mcp or {})
    for key, server in servers.items():
        fields = cast("object", server)
        if not isinstance(fields, Mapping) or ("command" in fields) == ("url" in fields):
            raise ConfigurationError(f"{where}mcp[{key!r}] needs exactly one of command and url")
    if importlib.util.find_spec("acp") is None:
        raise ConfigurationError(
            f'{where}this takes the extra "acp", which is not installed: pip install ".[acp]"'
        ).coded("extra-missing", fix='pip install ".[acp]"')
    # Read when the peer is made. The program's own variables come last, and so win.
    inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
    started = Program(
        name, command, str(folder), {**inherited, **(env or {})}, auth, permissions, servers
    )

    return Peer(name, role, ProgramAnswer(started), timeout)
