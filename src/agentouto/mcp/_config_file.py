"""Reads the JSON files in which other programs keep their MCP servers.

Claude Desktop, Claude Code and Cursor write ``mcpServers``, VS Code writes ``servers``. Sources:
modelcontextprotocol.io, "Connect to local servers"; code.visualstudio.com, "MCP configuration";
docs.cursor.com, "Model Context Protocol".
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, cast

from agentouto._domain.configuration_error import ConfigurationError
from agentouto.mcp._settings import SERVER_NAME

KEYS = frozenset(
    {"type", "transport", "command", "args", "env", "cwd", "url", "headers", "disabled"}
)
"""What is read of a server. The rest is for other programs: a description, permissions."""

_VARIABLE = re.compile(r"\$\{([^{}$]*)\}")
"""``${env:NAME}`` of VS Code and Cursor, ``${NAME}`` and ``${NAME:-default}`` of Claude Code."""


def read_config(path: str | PathLike[str]) -> Mapping[str, dict[str, Any]]:
    """Return the settings of ``MCPServer`` for each server in the file, by its name.

    Raises:
        ConfigurationError: It cannot be read, or describes no servers.
    """
    file = Path(path)
    try:
        # "-sig": editors on Windows put a byte order mark first, which is no JSON.
        lines = file.read_text("utf-8-sig").splitlines()
        # VS Code allows comments. No text in JSON goes on in the next line.
        text = "\n".join("" if line.lstrip().startswith("//") else line for line in lines)
        content: object = json.loads(text)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{file} is no JSON: {error}") from error
    top = cast("dict[str, object]", content) if isinstance(content, dict) else {}
    servers = top.get("mcpServers", top.get("servers"))
    if not isinstance(servers, dict) or not servers:
        raise ConfigurationError(f'{file} has no servers. Write: {{"mcpServers": {{"name": ...}}}}')
    rows = cast("dict[str, object]", servers)
    settings = {name: _settings(file, name, row) for name, row in rows.items()}
    read: dict[str, dict[str, Any]] = {}
    for name, one in settings.items():
        if one is not None:
            own = name if SERVER_NAME.fullmatch(name) else _usable(name)
            if own in read:
                raise ConfigurationError(f"{file} has two servers called {own}")
            read[own] = one
    return read


def _usable(name: str) -> str:
    usable = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:32]
    return usable if SERVER_NAME.fullmatch(usable) else f"_{usable}"[:32]


def _settings(file: Path, name: str, row: object) -> dict[str, Any] | None:
    where = f"{file}, {name}"
    if not isinstance(row, dict):
        raise ConfigurationError(f"{where} is no object")
    fields = cast("dict[str, object]", row)
    if fields.get("disabled") is True:
        return None
    kind = fields.get("type", fields.get("transport"))
    if kind == "sse":
        raise ConfigurationError(
            f"{where}: the transport 'sse' was replaced by streamable HTTP in 2025 and is not "
            "supported; most servers have an address for both"
        )
    values = {key: _expanded(where, value, file) for key, value in fields.items() if key in KEYS}
    if "url" in values:
        return {"url": values["url"], "headers": values.get("headers")}
    if "command" not in values:
        raise ConfigurationError(f"{where} has neither command nor url")
    command = [values["command"], *(cast("list[object]", values.get("args") or []))]
    return {
        "command": [str(word) for word in command],
        "env": values.get("env"),
        "cwd": values.get("cwd"),
    }


def _expanded(where: str, value: object, file: Path) -> Any:
    """Return ``value`` with the variables in its texts replaced."""
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {
            key: each if isinstance(each := _expanded(where, inner, file), str) else str(each)
            for key, inner in items
        }
    if isinstance(value, list):
        return [_expanded(where, inner, file) for inner in cast("list[object]", value)]
    if not isinstance(value, str):
        return value

    def replaced(found: re.Match[str]) -> str:
        name, has_default, default = found[1].removeprefix("env:").partition(":-")
        if name.startswith("input:"):
            raise ConfigurationError(f"{where}: {found[0]} asks a person, which is not supported")
        if name in {"workspaceFolder", "workspaceRoot"}:
            folder = file.resolve().parent
            return str(folder.parent if folder.name in {".vscode", ".cursor"} else folder)
        if name == "userHome":
            return str(Path.home())
        if name not in os.environ and not has_default:
            raise ConfigurationError(f"{where}: the environment variable {name} is not set")
        return os.environ.get(name, default)

    return _VARIABLE.sub(replaced, value)
