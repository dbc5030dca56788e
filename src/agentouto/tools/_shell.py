"""``shell``: a tool that runs commands in a folder, with the user's approval.

A command may do whatever the user may: the folder is its working directory, not a sandbox.
`_processes` starts and ends its processes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from agentouto import ConfigurationError, Tool, ToolError
from agentouto.tools._processes import CommandProcess

MOST_OUTPUT_BYTES = 131_072
"""Bytes of output to keep at the beginning, and as many at the end: 65,000 tokens together."""

MOST_COMMAND_SECONDS = 1_000_000
"""Eleven days. Timers of event loops have a maximum: uvloop raises for infinity."""

MOST_COMMAND_CHARACTERS = 100_000
"""Characters of a command. Linux limits one argument to 131,072 bytes (execve(2))."""

INHERITED_VARIABLES = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ"),
    *("LANG", "LANGUAGE", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_NUMERIC"),
    "LC_TIME",
)
"""Environment variables that commands inherit: paths and language. Variables with keys have no
common name, so all others are left out, instead of guessing which ones are keys."""


def shell(
    root: str | os.PathLike[str],
    *,
    seconds: float = 120.0,
    approval: bool = True,
    environment: Mapping[str, str] | None = None,
) -> list[Tool[..., object]]:
    """Return a tool that runs commands with ``/bin/sh``: ``run_command``.

    Args:
        root: The working directory of commands. It does not confine them.
        seconds: The time limit of a command.
        approval: Whether the user is asked before each command.
        environment: Variables for commands, in addition to ``PATH``, ``HOME``, ``LANG`` and others.

    Raises:
        ConfigurationError: There is no such folder, or this system has no ``/bin/sh``.
    """
    if os.name != "posix":
        raise ConfigurationError("shell needs /bin/sh and process groups, which only POSIX has")
    if not os.path.isdir(root):  # noqa: PTH112 - anything that is a path
        raise ConfigurationError(f"shell: there is no folder {os.fspath(root)!r}")
    if not 0 < seconds <= MOST_COMMAND_SECONDS:
        raise ConfigurationError(
            f"shell: seconds={seconds!r} must be more than 0 and at most {MOST_COMMAND_SECONDS:,}"
        )
    given = dict(environment or {})
    for name, value in given.items():
        if not name or "=" in name or "\0" in f"{name}{value}":
            raise ConfigurationError(f"shell: environment has {name!r}, which no variable can be")
    passed = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    tool_set = _ShellTool(os.path.realpath(root), seconds, {"TERM": "dumb", **passed, **given})
    return [Tool(tool_set.run_command, needs_approval=approval)]


class _ShellTool:
    def __init__(self, folder: str, seconds: float, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._seconds = seconds
        self._environment = environment

    async def run_command(self, command: str) -> str:
        """Run a command with /bin/sh and return its exit code and its output.

        It begins in the working folder and cannot ask anything: there is no terminal and no input.
        Everything that it starts ends with it, also in the background.

        Args:
            command: The command, as typed in a shell.
        """
        if "\0" in command or not command.strip() or len(command) > MOST_COMMAND_CHARACTERS:
            what = f"a command has 1 to {MOST_COMMAND_CHARACTERS:,} characters, and no NUL"
            raise ToolError("run_command", what)
        running = CommandProcess(
            ("/bin/sh", "-c", command), self._folder, self._environment, MOST_OUTPUT_BYTES
        )
        try:
            code = await running.run(self._seconds)
        except (OSError, UnicodeEncodeError) as error:
            raise ToolError("run_command", f"it could not be started: {error}") from error
        printed = running.output.text()
        if code is None:
            late = f"it did not finish within {self._seconds:g} s and was ended. It printed:"
            raise ToolError("run_command", f"{late}\n{printed or '(nothing)'}")
        return f"{_describe_exit(code)}\n{printed}"


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"
