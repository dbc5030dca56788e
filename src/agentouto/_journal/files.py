r"""Takes large files out of rows, so that a journal has each of them once.

A file is sent from agent to agent as base64 and is then in many events. In a row, its text is
replaced by a mark with its hash. The mark begins with ``\u0040``, which the encoder of rows writes
for no character: so nothing else in a row can be taken for one. Inside of a text of a row, quotes
are escaped: so what follows ``"data":`` is always a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b

LARGE_FILE_BYTES = 4096
"""Files whose base64 is shorter stay in their rows. It is the size of a page of SQLite."""

MARK_START = b"\\u0040"
"""How a mark begins. Few rows have one, and looking for it costs less than a pattern."""

_LARGE_FILE = re.compile(rb'(?<="data":")[^"\\]{%d,}+(?=")' % LARGE_FILE_BYTES)
_FILE_MARK = re.compile(rb'(?<="data":")\\u0040([0-9a-f]{32})(?=")')


def take_out_files(body: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the body of a row with marks instead of large files, and these by their hashes."""
    files: dict[bytes, bytes] = {}
    if len(body) <= LARGE_FILE_BYTES:
        return body, files

    def mark(found: re.Match[bytes]) -> bytes:
        key = blake2b(found[0], digest_size=16).digest()
        files[key] = found[0]
        return MARK_START + key.hex().encode()

    return _LARGE_FILE.sub(mark, body), files


def marked_files(body: bytes) -> list[bytes]:
    """Return the hashes of the files that the body of a row has marks for."""
    if MARK_START not in body:
        return []
    return [bytes.fromhex(key.decode()) for key in _FILE_MARK.findall(body)]


def put_in_files(body: bytes, files: Mapping[bytes, bytes]) -> bytes:
    """Return the body of a row with ``files`` instead of marks.

    Raises:
        LookupError: One of them is missing.
    """
    if MARK_START not in body:
        return body
    return _FILE_MARK.sub(lambda found: files[bytes.fromhex(found[1].decode())], body)
