"""Reads requests and writes responses over ASGI, for all fronts.

The fronts are plain ASGI applications, so that any server runs them and any framework mounts them.
A client that leaves ends the work for it: ``while_connected`` watches the connection meanwhile.

The form of events: https://asgi.readthedocs.io/en/latest/specs/www.html. Streams are server-sent
events (HTML, 9.2: html.spec.whatwg.org), in which a line that begins with a colon is a comment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from typing import Any, TypeAlias, cast

import msgspec

AsgiScope: TypeAlias = MutableMapping[str, Any]
ReceiveEvent: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
SendEvent: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[AsgiScope, ReceiveEvent, SendEvent], Awaitable[None]]

MOST_BODY_BYTES = 20 * 1024 * 1024
"""What vendors take in one request as well: some photographs, or a scanned document."""

MOST_DRAINED_BYTES = 5 * MOST_BODY_BYTES
"""A body that is too large is read and dropped up to here. Most clients read the answer only after
they have sent everything; of a larger body they see that the connection breaks."""

HEARTBEAT_SECONDS = 15.0
"""After this silence a stream gets a comment. Proxies close silent connections after 30 to 60."""

NO_RETRY = ("x-should-retry", "false")
"""A header that the openai clients obey. They repeat what answers 429 or 5xx, and a run that was
begun and paid for must not be repeated by a library."""


class HttpError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: The HTTP status.
        code: One word for the kind of error.
        message: What happened, for the person who reads it.
        param: The field of the request that is wrong, if it is one.
        headers: More headers of the response.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.headers = headers

    def to_dict(self) -> dict[str, object]:
        """Return the error in the form of OpenAI's API, which other clients understand too."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": self.message,
                "type": kind,
                "param": self.param,
                "code": self.code,
            }
        }


class HttpRequest:
    """A request, as far as the fronts need it.

    Attributes:
        method: ``GET``, ``POST``, …
        path: The path below the place where the application is mounted.
        headers: The headers, by name in lower case; of several with one name the last.
        scope: The request as the server has it.
        receive: Returns the next event of the request.
    """

    def __init__(self, scope: AsgiScope, receive: ReceiveEvent) -> None:
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        # Frameworks differ in whether ``path`` still has the place where they mount an application.
        self.path: str = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        self.headers: Mapping[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in cast("list[tuple[bytes, bytes]]", scope["headers"])
        }

    @property
    def base_url(self) -> str:
        """The address of the application, as the client has called it."""
        host = self.headers.get("host", "localhost")
        return f"{self.scope.get('scheme', 'http')}://{host}{self.scope.get('root_path', '')}"

    async def json(self) -> dict[str, object]:
        """Return the body, which must be a JSON object.

        Raises:
            HttpError: It is too large, of another type, or no JSON object.
        """
        # A form of a web page can send text, but no JSON without the browser asking us first (Fetch
        # Standard, "CORS-safelisted request-header").
        type_ = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if type_ != "application/json":
            raise HttpError(
                415,
                "unsupported_media_type",
                f"The body must be JSON, with Content-Type: application/json, not {type_!r:.60}.",
            )
        body = await self._body()
        try:
            found: object = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HttpError(400, "invalid_json", f"The body is no JSON: {error}.") from error
        if not isinstance(found, dict):
            raise HttpError(400, "invalid_json", "The body must be a JSON object: {...}.")
        return cast("dict[str, object]", found)

    async def _body(self) -> bytes:
        too_large = HttpError(
            413,
            "request_too_large",
            f"The body is larger than {MOST_BODY_BYTES // (1024 * 1024)} MB. Send smaller files, "
            "or their addresses.",
        )
        body = bytearray()
        received = 0
        while True:
            event = await self.receive()
            if event["type"] == "http.disconnect":
                raise ClientLeft
            piece: bytes = event.get("body", b"")
            received += len(piece)
            if received <= MOST_BODY_BYTES:
                body += piece
            elif received > MOST_DRAINED_BYTES:
                raise too_large
            if not event.get("more_body", False):
                break
        if received > MOST_BODY_BYTES:
            raise too_large
        return bytes(body)

    async def left(self) -> None:
        """Wait until the client has left."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


class ClientLeft(Exception):
    """The client closed the connection before it had an answer."""


async def while_connected(request: HttpRequest, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work``, and cancel it if the client leaves. ``work`` handles its own errors."""
    # A task group does not take the cancellation of one of its tasks for an error, so whichever of
    # the two ends first ends the other, and nothing is raised.
    async with asyncio.TaskGroup() as group:
        working = group.create_task(work)

        async def watch() -> None:
            await request.left()
            working.cancel()

        watching = group.create_task(watch())
        working.add_done_callback(lambda _: watching.cancel())


async def send_json(
    send: SendEvent, status: int, value: object, headers: tuple[tuple[str, str], ...] = ()
) -> None:
    """Answer with ``value`` as JSON."""
    body = msgspec.json.encode(value)
    given = (
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
        *headers,
    )
    await send({"type": "http.response.start", "status": status, "headers": _encoded(given)})
    await send({"type": "http.response.body", "body": body})


async def send_error(send: SendEvent, error: HttpError) -> None:
    """Answer with ``error``."""
    await send_json(send, error.status, error.to_dict(), error.headers)


class EventStream:
    """A response of server-sent events, which begins with the first event.

    Until then an error can still be answered with its own status.

    Attributes:
        begun: Whether anything was sent.
    """

    def __init__(self, send: SendEvent) -> None:
        self._send = send
        self._last = asyncio.get_running_loop().time()
        self.begun: bool = False

    async def write(self, event: bytes) -> None:
        """Send ``event``, a whole one with its empty line."""
        self._last = asyncio.get_running_loop().time()
        if not self.begun:
            self.begun = True
            headers = (
                ("content-type", "text/event-stream; charset=utf-8"),
                ("cache-control", "no-store"),
                ("x-accel-buffering", "no"),  # nginx would collect the events
            )
            start = {"type": "http.response.start", "status": 200, "headers": _encoded(headers)}
            await self._send(start)
        await self._send({"type": "http.response.body", "body": event, "more_body": True})

    async def end(self) -> None:
        """End the response."""
        await self._send({"type": "http.response.body", "body": b""})

    async def keep_alive(self) -> None:
        """Send a comment after every silence, until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            silent = loop.time() - self._last
            if silent >= HEARTBEAT_SECONDS:
                await self.write(b": still at work\n\n")
                silent = 0.0
            await asyncio.sleep(HEARTBEAT_SECONDS - silent)


async def while_kept_alive(stream: EventStream, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work``, and keep ``stream`` alive meanwhile. ``work`` handles its own errors."""
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(stream.keep_alive())
        working = group.create_task(work)
        working.add_done_callback(lambda _: keeping.cancel())


async def answer_lifespan(
    receive: ReceiveEvent, send: SendEvent, stop: Callable[[], Awaitable[None]]
) -> None:
    """Take part in the start and the end of a server; ``stop`` is awaited at its end."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif event["type"] == "lifespan.shutdown":
            await stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _encoded(headers: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
