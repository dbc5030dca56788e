"""Tools, and what they may hand back besides text."""

from agentouto._domain.message import ToolResult
from agentouto._engine.tool import Tool

__all__ = ["Tool", "ToolResult"]
