"""The workshop, over both transports and in both revisions of the protocol."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentouto.mcp import MCPServer
from children import PIPE, child

WORKSHOP = Path(__file__).with_name("workshop.py")
STDIO = [sys.executable, str(WORKSHOP)]
"""The command of the workshop over standard input and output."""

TINY = [sys.executable, str(WORKSHOP.with_name("tiny.py"))]
"""The command of a server that starts at once. Its arguments are the tools that it has."""


@pytest.fixture(scope="session")
def workshop_url() -> Iterator[str]:
    pytest.importorskip("mcp")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    with child([*STDIO, "http"], stdout=PIPE, env=clean) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


@pytest.fixture(
    scope="module",
    params=["stdio-2025-11-25", "stdio-2026-07-28", "http-2025-11-25", "http-2026-07-28"],
)
def workshop(request: pytest.FixtureRequest, workshop_url: str) -> Iterator[MCPServer]:
    """The workshop, in every way in which it can be reached."""
    transport, _, protocol = str(request.param).partition("-")
    with MCPServer(
        "shop",
        command=STDIO if transport == "stdio" else None,
        url=workshop_url if transport == "http" else None,
        protocol=protocol,
    ) as server:
        yield server


@pytest.fixture
def tiny() -> Iterator[MCPServer]:
    """A server of its own that can die."""
    pytest.importorskip("mcp")
    with MCPServer("tiny", command=TINY) as server:
        yield server


@pytest.fixture
def unused_address() -> Iterator[str]:
    """An address on this machine that is bound and where nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
