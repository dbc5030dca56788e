"""Reads bodies of responses that are no stream: errors, documents, what follows an answer.

All have a limit of bytes or of time: a server that is broken, or no server of models at all, must
not fill the memory or hold a run up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from agentouto._domain.redaction import hidden_in
from agentouto._network import proxy_refusal, shown
from agentouto.providers._format.errors import ErrorDetails, parse_error
from agentouto.providers._format.json import parse
from agentouto.providers._transport.connections import network_errors
from agentouto.providers._transport.content_codings import decoded
from agentouto.providers._transport.http_limits import HttpLimits, UnusableBody, megabytes
from agentouto.providers._transport.sessions import Response
from agentouto.providers._transport.silence import WatchedResponse

_BUSY = frozenset({401, 403, 407, 408, 425, 429})
"""Statuses that say nothing of what is asked for, but of who asks and when."""


async def read_trailing(response: WatchedResponse, latest: float) -> bytes:
    """Return what follows a complete answer: a break is an end, and so is timer."""
    with suppress(*network_errors(), UnusableBody):
        async with asyncio.timeout_at(latest):
            return await response.readany()
    return b""


async def read_document(begun: bytes, response: WatchedResponse, limits: HttpLimits) -> bytes:
    """Return a document in one piece that has ``begun``.

    Raises:
        UnusableBody: It is too large.
    """
    pieces, size, most = [begun], len(begun), limits.document_bytes
    while size <= most and (block := await response.readany()):
        pieces.append(block)
        size += len(block)
    if size > most:
        raise UnusableBody(f"the answer is a document of more than {megabytes(most)}")
    return b"".join(pieces)


async def drain(response: WatchedResponse, seconds: float) -> None:
    """Wait a moment for the end of the response: only then can the connection be kept."""
    with suppress(*network_errors(), UnusableBody):
        async with asyncio.timeout(seconds):
            while await response.readany():
                pass


async def read_json_body(response: Response, limits: HttpLimits) -> object:
    """Return the JSON that a server answers with, ``{}`` if it has none; ``None`` if it is busy."""
    body = bytearray()
    async with response:
        if response.status >= 500 or response.status in _BUSY:
            return None
        read = decoded(response.headers, response.content.readany, limits.portion)
        with suppress(UnusableBody):
            while len(body) < limits.list_bytes and (block := await read()):
                body += block
    try:
        return (parse(bytes(body)) or {}) if response.status == 200 else {}
    except ValueError:
        return {}


async def read_error(
    url: str, response: WatchedResponse, limits: HttpLimits, hidden: Iterable[str]
) -> ErrorDetails:
    """Return what an unsuccessful response complains about, as far as it comes."""
    # Not followed: the key would go where the server says, and the user has not.
    if 300 <= response.status < 400:
        there = shown(response.headers.get("location", "somewhere else"))
        return ErrorDetails(
            f"the server points to {there}; if that is right, make it the base_url",
            status=response.status,
        )
    # RFC 9110 §15.5.8: 407 is of a proxy, so the server has not seen the request.
    if response.status == 407 and (refusal := proxy_refusal(url, response.status)):
        return ErrorDetails(refusal, status=response.status)
    body = b""
    with suppress(*network_errors()):
        try:
            async with asyncio.timeout(limits.error):
                while len(body) < limits.error_bytes and (block := await response.readany()):
                    body += block
        except UnusableBody as error:
            body = body or str(error).encode()
    body = body[: limits.error_bytes]
    # Before it is parsed, so that no field of the details holds a secret.
    shown_body = hidden_in(body.decode("utf-8", "replace"), hidden)
    return parse_error(shown_body.encode(), response.status, response.headers)
