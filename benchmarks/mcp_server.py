"""An MCP server with one tool that does nothing, over stdio."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer

server = MCPServer("bench")


@server.tool()
def work(i: int) -> str:  # noqa: ARG001
    """Do one unit of work."""
    return "ok"


if __name__ == "__main__":
    server.run("stdio")
