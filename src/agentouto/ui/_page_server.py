"""Serves the page with uvicorn, until the process is told to stop."""

from __future__ import annotations

import socket

import uvicorn

from agentouto import ConfigurationError
from agentouto.ui._guard import Access
from agentouto.ui._page_runs import PageRuns
from agentouto.ui._routes import guarded_app
from agentouto.ui._setup import PageSetup

SHUTDOWN_SECONDS = 2
"""How long open connections are waited for at the end; their streams have been ended before."""


class PageServer:
    """A server that listens, from the moment it is made.

    Args:
        setup: What the page shows.
        host: The address to listen at.
        port: The port; 0 for any that is free.
        hosts: More names under which the server is reached, as ``Host`` says them.
        token: What the address of the page has; empty for a random one.

    Raises:
        ConfigurationError: The address cannot be listened at.
    """

    def __init__(
        self,
        setup: PageSetup,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        hosts: tuple[str, ...] = (),
        token: str = "",
    ) -> None:
        # Bound here and not by uvicorn: a port that is taken is an error before anything is shown,
        # and port 0 has become a number that the address can have.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise ConfigurationError(f"{host}:{port} cannot be listened at: {why}") from error
        self._host = host
        self.port: int = int(self._socket.getsockname()[1])
        self._access = Access(self.port, hosts, token=token) if token else Access(self.port, hosts)
        self.runs: PageRuns = PageRuns(setup)
        self._app = guarded_app(setup, self.runs, self._access)
        self._server: _Server | None = None

    @property
    def address(self) -> str:
        """The address for the person to open. It has the token."""
        # These two mean every address of the machine, and are none that a browser can open.
        name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104
        shown = f"[{name}]" if ":" in name and not name.startswith("[") else name
        return f"http://{shown}:{self.port}/?token={self._access.token}"

    async def serve(self) -> None:
        """Serve until ``stop``, SIGINT or SIGTERM; then end all streams and runs."""
        config = uvicorn.Config(
            self._app,
            log_config=None,  # the log of the process stays as its user has set it up
            access_log=False,  # its lines would have the token of the address
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        self._server = _Server(config, self.runs)
        with self._socket:
            await self._server.serve([self._socket])

    def stop(self) -> None:
        """Have ``serve`` return."""
        if self._server is not None:
            self._server.should_exit = True


class _Server(uvicorn.Server):
    """Ends the streams before it waits for connections to close: they would never do so."""

    def __init__(self, config: uvicorn.Config, runs: PageRuns) -> None:
        super().__init__(config)
        self._runs = runs

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams and runs, then the server."""
        await self._runs.close()
        await super().shutdown(sockets)
