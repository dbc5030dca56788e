"""``Tool``, and ``ToolResult`` for results with files: an import path of the older package."""

from agentouto._domain.message import ToolResult
from agentouto._engine.tool import Tool

__all__ = ["Tool", "ToolResult"]
