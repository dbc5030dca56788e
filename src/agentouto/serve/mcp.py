"""Serves a team as an MCP server, for every program that uses MCP servers. Needs the extra ``mcp``.

::

    server = mcp_server(team)
    server.run_stdio()                       # a program that others start, or
    app.mount("/mcp", server.http_front())   # an ASGI application

``agentouto serve TEAM --mcp`` does the first, ``--mcp-http`` the second.
"""

from __future__ import annotations

from agentouto.serve._mcp_http import McpFront
from agentouto.serve._mcp_server import McpServer, mcp_server

__all__ = ["McpFront", "McpServer", "mcp_server"]
