"""Runs fronts on a server of our own: an address, a guard, and uvicorn.

The address is bound before anything is said about it, so that a port that is taken is an error of
one line, and port 0 is known by its real number.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Collection, Mapping
from contextlib import suppress

from agentouto import ConfigurationError
from agentouto.serve._asgi import (
    AsgiScope,
    HttpError,
    ReceiveEvent,
    SendEvent,
    answer_lifespan,
    send_error,
)
from agentouto.serve._front import Front
from agentouto.serve._guard import LOCAL_NAMES, Guard

SERVE_KEY_VARIABLE = "AGENTOUTO_SERVE_KEY"
"""The environment variable with the key that clients must send."""

DEFAULT_PORT = 8421
"""A port that no well-known program uses."""

LISTEN_BACKLOG = 2048
"""Connections that wait to be accepted, as many as uvicorn allows by default."""

GRACEFUL_SECONDS = 2
"""How long open connections may go on after Ctrl+C. A run would not end in that time anyway."""


class Fronts:
    """Several fronts as one application.

    Args:
        fronts: Each front by the beginning of its paths, such as ``/v1``.
    """

    def __init__(self, fronts: Mapping[str, Front]) -> None:
        self._fronts = dict(fronts)

    async def __call__(self, scope: AsgiScope, receive: ReceiveEvent, send: SendEvent) -> None:
        """Pass a request on to the front that its path names."""
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send, self._aclose)
        elif scope["type"] == "http":
            path: str = scope["path"]
            for prefix, front in self._fronts.items():
                if path == prefix or path.startswith(f"{prefix}/"):
                    await front(scope, receive, send)
                    return
            there = ", ".join(self._fronts)
            error = HttpError(404, "not_found", f"There is no {path:.100}. There are: {there}.")
            await send_error(send, error)

    async def _aclose(self) -> None:
        for front in self._fronts.values():
            await front.aclose()


class Server:
    """A server for fronts, bound to its address and not yet running.

    Args:
        fronts: Each front by the beginning of its paths.
        host: The address to listen at. Others than those of this computer need a key.
        port: The port; 0 for any that is free.
        key: The key that clients must send; ``None`` for none.
        allowed_hosts: Names that the Host header may have besides those of this computer.

    Raises:
        ConfigurationError: The address needs a key, or cannot be listened at.
        ModuleNotFoundError: uvicorn is not installed.
    """

    def __init__(
        self,
        fronts: Mapping[str, Front],
        *,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        key: str | None = None,
        allowed_hosts: Collection[str] = (),
    ) -> None:
        import uvicorn  # noqa: PLC0415 - an extra

        if key is None and not is_loopback(host):
            raise ConfigurationError(
                f"{host} can be reached from other computers, and a run costs money: set "
                f"{SERVE_KEY_VARIABLE} to a key that clients must send, or listen at 127.0.0.1"
            )
        self._socket = _bound_socket(host, port)
        guard = Guard(Fronts(fronts), hosts={*allowed_hosts, host}, key=key)
        config = uvicorn.Config(
            guard,
            log_level="warning",
            access_log=False,
            ws="none",  # no front speaks WebSocket
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
        )
        self._server = uvicorn.Server(config)

    @property
    def address(self) -> str:
        """The address for clients on this computer, such as ``http://127.0.0.1:8421``."""
        host, port = self._socket.getsockname()[:2]
        if ipaddress.ip_address(host).is_unspecified:
            host = "127.0.0.1"
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        """Serve until the process is interrupted."""
        self._server.run(sockets=[self._socket])

    async def serve(self) -> None:
        """Serve until ``stop`` is called, in the running event loop."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Let ``serve`` end."""
        self._server.should_exit = True


def read_key() -> str | None:
    """Return the key in ``AGENTOUTO_SERVE_KEY``, or ``None``.

    Raises:
        ConfigurationError: The variable is set and blank: it would look like a lock and be none.
    """
    key = os.environ.get(SERVE_KEY_VARIABLE)
    if key is not None and not key.strip():
        raise ConfigurationError(
            f"{SERVE_KEY_VARIABLE} is set, and empty: unset it, or give it a key"
        )
    return key


def is_loopback(host: str) -> bool:
    """Return whether only this computer can reach ``host``."""
    if host in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bound_socket(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, type_, protocol, _, address = found[0]
        bound = socket.socket(family, type_, protocol)
        # Without it, the port of a server that has just ended is taken for a minute (TIME_WAIT).
        with suppress(OSError):  # not every system has it
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
            bound.listen(LISTEN_BACKLOG)  # clients that come before the server runs wait for it
        except OSError:
            bound.close()
            raise
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"{host}:{port} cannot be listened at: {reason}. Choose another with --port, or 0 for "
            "any that is free"
        ) from error
    return bound
