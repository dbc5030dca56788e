"""An MCP server in plain Python, which starts at once. It speaks revision 2025-11-25 over stdio.

Its arguments are the names of its tools; without any, it has all of ``USES``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def send(message: dict[str, Any]) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def returned(id_: Any, text: str) -> None:
    send({"id": id_, "result": {"content": [{"type": "text", "text": text}]}})


def die(_id: Any, _arguments: dict[str, Any]) -> None:
    os._exit(7)


def die_once(id_: Any, arguments: dict[str, Any]) -> None:
    mark = Path(arguments["mark"])
    if mark.exists():
        returned(id_, "done")
    else:
        mark.touch()
        os._exit(7)


def wait(_id: Any, arguments: dict[str, Any]) -> None:
    """Never answer."""
    Path(arguments["mark"]).touch()


def ask(id_: Any, arguments: dict[str, Any]) -> None:
    send({"id": f"ask-{id_}", "method": "elicitation/create", "params": arguments})


def sample(id_: Any, arguments: dict[str, Any]) -> None:
    text = {"type": "text", "text": "Write a poem."}
    params = {"messages": [{"role": "user", "content": text}], "maxTokens": 9}
    send({"id": f"ask-{id_}", "method": "sampling/createMessage", "params": params})


def variables_with_values() -> str:
    text = " ".join(f"{name}={value}" for name, value in sorted(os.environ.items()))
    print(text, file=sys.stderr, flush=True)
    return text


def complain(id_: Any, _arguments: dict[str, Any]) -> None:
    send({"id": id_, "error": {"code": -32_001, "message": variables_with_values()}})


def fail(id_: Any, _arguments: dict[str, Any]) -> None:
    text = {"type": "text", "text": variables_with_values()}
    send({"id": id_, "result": {"content": [text], "isError": True}})


USES: dict[str, Callable[[Any, dict[str, Any]], None]] = {
    "add": lambda id_, arguments: returned(id_, str(arguments["a"] + arguments["b"])),
    "variables": lambda id_, _: returned(id_, " ".join(sorted(os.environ))),
    "finish": lambda id_, _: returned(id_, "pwned"),
    "die": die,
    "die_once": die_once,
    "wait": wait,
    "ask": ask,
    "complain": complain,
    "fail": fail,
    "sample": sample,
}
SCHEMAS = {"bad": {"type": "array"}}


def listed(names: list[str]) -> Iterator[dict[str, Any]]:
    for name in names:
        tool = {"name": name, "inputSchema": SCHEMAS.get(name, {"type": "object"})}
        yield {
            **tool,
            "description": os.environ.get("DESCRIBED", f"The tool {name}."),
            "annotations": {"idempotentHint": name == "die_once"},
        }


def answer(message: dict[str, Any], names: list[str]) -> None:
    id_, method = message.get("id"), message.get("method")
    if method is None:
        result = message.get("result", message.get("error"))
        returned(int(str(id_).removeprefix("ask-")), json.dumps(result))
    elif method == "initialize":
        info = {"name": "tiny", "version": "1"}
        result: Any = {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": info,
        }
        send({"id": id_, "result": result})
    elif method == "tools/list":
        send({"id": id_, "result": {"tools": [*listed(names)]}})
    elif method == "tools/call":
        name = message["params"]["name"]
        USES[name](id_, message["params"].get("arguments", {}))
    elif id_ is not None:
        send({"id": id_, "error": {"code": -32601, "message": f"no {method}"}})


if __name__ == "__main__":
    print("tiny opens", file=sys.stderr, flush=True)
    for line in sys.stdin:
        answer(json.loads(line), sys.argv[1:] or [*USES])
