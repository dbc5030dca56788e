"""An MCP server with a tool for each thing that a server can do. Run with ``stdio`` or ``http``."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import Counter
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp.server.mcpserver.utilities.types import Image
from pydantic import BaseModel

server = MCPServer("workshop")
seen: Counter[str] = Counter()
PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82"
)


class Name(BaseModel):
    name: str


class Booking(BaseModel):
    seats: int
    meal: str = "soup"


def ask_name() -> Elicit[Name]:
    return Elicit("Who are you?", Name)


def ask_booking() -> Elicit[Booking]:
    return Elicit("How many seats?", Booking)


@server.tool()
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool()
def fail(why: str) -> str:
    """Fail."""
    raise ToolError(why)


@server.tool()
def process() -> str:
    """Return the id of the process."""
    return str(os.getpid())


@server.tool(structured_output=False)
def picture() -> list[Any]:
    """Return a picture."""
    return ["a dot", Image(data=PIXEL, format="png")]


@server.tool()
async def count(to: int, ctx: Context) -> str:
    """Count, and say so."""
    for number in range(1, to + 1):
        await ctx.report_progress(number, to, f"at {number}")
    return "counted"


@server.tool()
def greet(name: Annotated[Name, Resolve(ask_name)]) -> str:
    """Ask who is there."""
    return f"Hello, {name.name}."


@server.tool()
def book(booking: Annotated[Booking, Resolve(ask_booking)]) -> str:
    """Book a table."""
    return f"{booking.seats} seats, {booking.meal}"


@server.tool()
async def wait(label: str) -> str:
    """Wait until it is cancelled."""
    seen[f"{label} began"] += 1
    try:
        await asyncio.Event().wait()
    except BaseException:
        seen[f"{label} was cancelled"] += 1
        raise
    return ""


@server.tool()
def noted() -> str:
    """Return what has happened so far."""
    return ", ".join(sorted(seen))


@server.tool()
async def learn(name: str, ctx: Context) -> str:
    """Learn another tool."""
    server.add_tool(lambda: "new", name=name, description="New.")
    await ctx.notify_tools_changed()
    await ctx.session.send_tool_list_changed()
    return "learned"


@server.tool()
def forget() -> str:
    """Forget all HTTP sessions."""
    server.session_manager._server_instances.clear()
    return "forgotten"


def serve() -> None:
    import uvicorn  # noqa: PLC0415 - the others need not wait for it

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # a client that comes before the server runs waits for it
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    config = uvicorn.Config(server.streamable_http_app(), log_level="error")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["http"] else server.run("stdio")
