"""What all fronts have in common: they are ASGI applications that hold runs.

A subclass answers requests (``_answer``); here are the start and the end of the server, errors, and
the checks that hold wherever a front is mounted.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection, MutableMapping
from typing import Any

from agentouto import Team
from agentouto.serve._asgi import (
    AsgiScope,
    ClientLeft,
    HttpError,
    HttpRequest,
    ReceiveEvent,
    SendEvent,
    answer_lifespan,
    send_error,
)
from agentouto.serve._guard import check_origin
from agentouto.serve._talks import Talks

log = logging.getLogger("agentouto.serve")


class Front(ABC):
    """An ASGI application that lets clients talk to a team.

    Args:
        team: The team.
        origins: Origins of web pages that may send requests, besides the own one.
    """

    def __init__(self, team: Team, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)
        self._talks = Talks()
        if team.options.get("limits") is None:
            log.warning("the team has no Limits: a request may cost any amount")

    async def __call__(self, scope: AsgiScope, receive: ReceiveEvent, send: SendEvent) -> None:
        """Answer one request, or take part in the start and the end of the server."""
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send, self.aclose)
        elif scope["type"] == "http":
            request = HttpRequest(scope, receive)
            origin = request.headers.get("origin", "")
            if origin in self._origins:
                send = _with_origin(send, origin)
            try:
                check_origin(request, self._origins)
                # A browser asks before it sends JSON or a key for a page (Fetch Standard, "CORS-
                # preflight request"), and the question itself brings no key.
                if request.method == "OPTIONS" and origin in self._origins:
                    await _send_empty(send)
                    return
                await self._talks.sweep()  # a timer that gave up a run could not wait for its end
                await self._answer(request, send)
            except HttpError as error:
                await send_error(send, error)
            except ClientLeft:
                return

    async def aclose(self) -> None:
        """Stop all runs."""
        await self._talks.aclose()

    @abstractmethod
    async def _answer(self, request: HttpRequest, send: SendEvent) -> None:
        """Answer ``request``.

        Raises:
            HttpError: It is answered with this error.
            ClientLeft: It needs no answer.
        """


def _with_origin(send: SendEvent, origin: str) -> SendEvent:
    """Return ``send``, with the headers that let a page of ``origin`` read the response (CORS)."""
    headers = [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-allow-headers", b"authorization, content-type, x-api-key"),
        # Otherwise a cache may hand this answer to a page of another origin (RFC 9110 §12.5.5).
        (b"vary", b"origin"),
    ]

    async def send_with_origin(event: MutableMapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            event = {**event, "headers": [*event["headers"], *headers]}
        await send(event)

    return send_with_origin


async def _send_empty(send: SendEvent) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})
