"""Turns what a tool of an MCP server returns into a ``ToolResult``."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import mcp_types as types

from agentouto._domain.errors import ToolError
from agentouto._domain.message import Attachment, ToolResult


def tool_result(tool: str, result: types.CallToolResult) -> ToolResult:
    """Return ``result``: texts joined, images, audio and files as attachments.

    Structured content is used only where there is no text, because servers repeat it as text.

    Raises:
        ToolError: The server says that the use has failed.
    """
    texts: list[str] = []
    files: list[Attachment] = []
    for part in result.content:
        for piece in _pieces(part):
            if isinstance(piece, Attachment):
                files.append(piece)
            elif piece:
                texts.append(piece)
    if not texts and result.structured_content is not None:
        texts = [json.dumps(result.structured_content, ensure_ascii=False)]
    text = "\n".join(texts)
    # MCP, "Tools", "Error Handling": errors that a model can act on come as a result.
    if result.is_error:
        raise ToolError(tool, text or f"{tool} failed, and its server does not say why")
    return ToolResult(text, files or None)


def _pieces(part: types.ContentBlock) -> Iterator[str | Attachment]:
    match part:
        case types.TextContent():
            yield part.text
        case types.ImageContent() | types.AudioContent():
            yield Attachment(part.mime_type, data=part.data)
        case types.ResourceLink():
            address = str(part.uri)
            if part.mime_type and address.startswith(("http://", "https://")):
                yield Attachment(part.mime_type, url=address, name=part.name)
            else:
                described = f": {part.description}" if part.description else ""
                yield f"[{part.name}]({address}){described}"
        case types.EmbeddedResource():
            yield _embedded(part.resource)


def _embedded(
    resource: types.TextResourceContents | types.BlobResourceContents,
) -> str | Attachment:
    if isinstance(resource, types.TextResourceContents):
        return f"{resource.uri}:\n{resource.text}"
    kind = resource.mime_type or "application/octet-stream"
    if _is_text(kind):  # models read no attachments of such types
        return f"{resource.uri}:\n{_decoded(resource.blob)}"
    name = str(resource.uri).rstrip("/").rpartition("/")[2] or str(resource.uri)
    return Attachment(kind, data=resource.blob, name=name)


def _is_text(mime_type: str) -> bool:
    return mime_type.startswith("text/") or mime_type == "application/json"


def _decoded(blob: str) -> str:
    return base64.b64decode(blob).decode("utf-8", "replace")
