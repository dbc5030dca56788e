"""The files of the page, read once and served from memory.

Every address of a file has the hash of all files, so that a browser may keep it for ever and gets
another one with another version. A path is looked up in a dictionary and never opened.
"""

from __future__ import annotations

import hashlib
import re
from functools import partial
from pathlib import Path
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"

TYPES = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
    }
)

REFERENCE = re.compile(
    r"""(?P<open>["'](?:\./|static/))(?P<name>[\w-]+\.(?:js|css))(?P<close>["'])"""
)
"""How one of our files names another: ``'./fold.js'``, ``"static/app.css"``."""


class StaticFiles:
    """The files in ``FOLDER``."""

    def __init__(self) -> None:
        paths = sorted(path for path in FOLDER.iterdir() if path.suffix in TYPES)
        raw = {path.name: path.read_bytes() for path in paths}
        self.version = hashlib.sha256(b"\0".join(raw.values())).hexdigest()[:12]
        self._files = {
            name: REFERENCE.sub(partial(_versioned, self.version), text.decode()).encode()
            for name, text in raw.items()
        }

    def page(self) -> Response:
        """Return the page itself."""
        return Response(self._files["index.html"], media_type=TYPES[".html"])

    def file(self, request: Request) -> Response:
        """Answer a request for one file."""
        name = str(request.path_params["name"])
        content = self._files.get(name)
        if content is None:
            return Response("There is no such file.", 404, media_type="text/plain")
        response = Response(content, media_type=TYPES[Path(name).suffix])
        if request.query_params.get("v") == self.version:
            response.headers["cache-control"] = "private, max-age=31536000, immutable"
        return response


def _versioned(version: str, found: re.Match[str]) -> str:
    return f"{found['open']}{found['name']}?v={version}{found['close']}"
