"""Starts an MCP server as a child process; what it writes to standard error goes to the log."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import Any

from mcp.client.stdio import StdioServerParameters, stdio_client

from agentouto._domain.redaction import hidden_in
from agentouto.mcp._settings import Settings

log = logging.getLogger("agentouto.mcp")

LAST_LINES = 5
"""Lines of standard error that the error of a server shows which could not be started."""

MAX_LINE = 2_000
"""Characters of a line in the log: a server may write a whole document as one line."""


class ErrorLines(asyncio.Protocol):
    """Passes the lines of a server's standard error on to the log, and keeps the last ones.

    Args:
        server: The name of the server.
        secrets: What is hidden in the lines.
    """

    def __init__(self, server: str, secrets: Collection[str]) -> None:
        self._server = server
        self._secrets = secrets
        self._rest = b""
        self.last: deque[str] = deque(maxlen=LAST_LINES)

    def data_received(self, data: bytes) -> None:
        """Take a part of the output."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._pass_on(line)
        if len(self._rest) > MAX_LINE:
            self._pass_on(self._rest)
            self._rest = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on what the server wrote last."""
        del exc
        self._pass_on(self._rest)
        self._rest = b""

    def _pass_on(self, line: bytes) -> None:
        text = hidden_in(line.decode("utf-8", "replace").rstrip(), self._secrets)[:MAX_LINE]
        if text:
            self.last.append(text)
            log.info("%s: %s", self._server, text)


def parameters(settings: Settings) -> StdioServerParameters:
    """Return how the server is started.

    It gets ``env=``, ``LANG``, and what the SDK regards as safe: HOME, LOGNAME, PATH, SHELL, TERM
    and USER. No other variable of this process reaches it, so none of its keys do.
    """
    command, *arguments = settings.command
    env = {name: os.environ[name] for name in ("LANG",) if name in os.environ}
    return StdioServerParameters(
        command=command,
        args=arguments,
        env={**env, **{name: str(value) for name, value in settings.env.items()}},
        cwd=settings.cwd,
    )


@asynccontextmanager
async def stdio_streams(settings: Settings, lines: ErrorLines) -> AsyncGenerator[tuple[Any, Any]]:
    """Start the server, and yield its streams; at the end, stop it."""
    if sys.platform == "win32":  # its event loop cannot read from such a pipe
        with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: ASYNC230, PTH123
            async with stdio_client(parameters(settings), errlog=nowhere) as streams:
                yield streams
        return
    # The SDK hands ``errlog`` to the child, which needs a file that the system knows: a pipe.
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: lines, os.fdopen(reading, "rb", 0))
    try:
        with os.fdopen(writing, "w", encoding="utf-8") as errlog:
            opened = stdio_client(parameters(settings), errlog=errlog)
            streams = await opened.__aenter__()  # so that the pipe is closed in between
        try:
            yield streams
        finally:
            await opened.__aexit__(None, None, None)
    finally:
        transport.close()
