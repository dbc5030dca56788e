"""MCP servers as sources of tools. Needs the extra ``mcp``: ``pip install "agentouto[mcp]"``.

::

    from agentouto.mcp import MCPServer

    git = MCPServer("git", command=["uvx", "mcp-server-git"])
    run("What changed?", [agent], [git])

A server is started, or connected to, when the first run reads its tools, and closed by ``close()``
or when the interpreter exits. Importing this module imports no part of the MCP SDK.
"""

from agentouto.mcp._server import MCPServer

__all__ = ["MCPServer"]
