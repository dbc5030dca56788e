"""The addresses of the page, and what each of them answers.

Bodies are checked by msgspec against the structs below: what does not fit is 400 or 422 with the
reason in words, and never 500.

Other statuses say what a person can do about them: 404, there is no such run; 409, it is there, and
what was asked cannot be done any more, or not from here; 503, there are as many as there may be.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import Annotated, TypeVar
from urllib.parse import quote

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from agentouto import ConfigurationError, JournalError, RoutingError, Team
from agentouto.exports import RunSource, to_html, to_jsonl, to_mermaid, to_svg
from agentouto.ui._guard import MAX_BODY, Access, PageGuard
from agentouto.ui._live_run import Address, LiveRun
from agentouto.ui._page_runs import PageRuns, TooMany, has_only_a_piece
from agentouto.ui._saved_runs import OtherRun
from agentouto.ui._setup import PageSetup
from agentouto.ui._static_files import StaticFiles

Body = TypeVar("Body")

NO_RUN = "There is no such run."
WHOLE_NOW = "Replies are whole lines by now, and you may have a piece of one: read from the start."
NO_REPORT = "There is no such form. There are: report.html, report.svg, report.mmd, report.jsonl."

REPORTS: Mapping[str, tuple[Callable[[RunSource], str], str]] = MappingProxyType(
    {
        "html": (to_html, "text/html"),
        "svg": (to_svg, "image/svg+xml"),
        "mmd": (to_mermaid, "text/plain"),
        "jsonl": (to_jsonl, "application/x-ndjson"),
    }
)
"""The files that a run can be saved as: what makes them, and their media type."""

NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]


class StartBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /api/runs``."""

    text: NonEmpty
    to: list[str] = []
    history_of: str = ""
    resume: str = ""


class SendBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /api/runs/ID/send`` and ``/answer``."""

    call: NonEmpty
    text: NonEmpty


class ApproveBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /api/runs/ID/approve``."""

    call: NonEmpty
    yes: bool
    reason: str = ""


class StopBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /api/runs/ID/stop``."""

    call: str = ""


class PageRoutes:
    """Answers the requests of the page."""

    def __init__(self, setup: PageSetup, runs: PageRuns) -> None:
        self._setup = setup
        self._runs = runs
        self._static = StaticFiles()

    def routes(self) -> list[Route]:
        """Return all addresses."""
        run = "/api/runs/{run_id:str}"
        return [
            Route("/", self._page),
            Route("/healthz", self._health),
            Route("/static/{name:str}", self._file),
            Route("/api/team", self._team),
            Route("/api/runs", self._list),
            Route("/api/runs", self._start, methods=["POST"]),
            Route(f"{run}/events", self._events),
            Route(f"{run}/report.{{suffix:str}}", self._report),
            Route(f"{run}/send", self._send, methods=["POST"]),
            Route(f"{run}/answer", self._answer, methods=["POST"]),
            Route(f"{run}/approve", self._approve, methods=["POST"]),
            Route(f"{run}/stop", self._stop, methods=["POST"]),
        ]

    async def _page(self, _: Request) -> Response:
        return self._static.page()

    async def _health(self, _: Request) -> Response:
        return PlainTextResponse("ok")

    async def _file(self, request: Request) -> Response:
        return self._static.file(request)

    async def _team(self, _: Request) -> Response:
        return JSONResponse(self._setup.described())

    async def _list(self, request: Request) -> Response:
        before = request.query_params.get("before", "")
        if before and await self._runs.saved.find(before) is None:
            raise HTTPException(404, NO_RUN)
        return JSONResponse(await self._runs.summaries(before))

    async def _start(self, request: Request) -> Response:
        body = await _read_body(request, StartBody)
        try:
            run = await self._runs.start(body.text, body.to, body.history_of, body.resume)
        except (ConfigurationError, JournalError) as error:
            raise HTTPException(422, str(error)) from error
        return JSONResponse({"id": run.id}, 201)

    async def _events(self, request: Request) -> Response:
        run_id = str(request.path_params["run_id"])
        # The header first: a browser that connects again sends it, with the address that the stream
        # began with (HTML, 9.2.4: html.spec.whatwg.org), whose ``after`` is old by then.
        given = request.headers.get("last-event-id") or request.query_params.get("after")
        after = None if given is None else _address(given)
        if "application/x-ndjson" in request.headers.get("accept", ""):
            lines = await self._runs.lines_of(run_id)
            if lines is None:
                raise HTTPException(404, NO_RUN)
            if lines.whole and has_only_a_piece(after):
                raise HTTPException(409, WHOLE_NOW)
            start = 0 if after is None else lines.after(after)
            return Response(
                b"".join(b"%b\n" % text for text in lines.texts[start:]),
                media_type="application/x-ndjson",
            )
        run = self._runs.find(run_id) or await self._runs.saved.find(run_id)
        if run is None:
            raise HTTPException(404, NO_RUN)
        stream = self._runs.stream(run, after)
        first = await anext(stream)  # what can be refused is refused here
        return StreamingResponse(
            _with_first(first, stream),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},  # nginx would hold the stream back
        )

    async def _report(self, request: Request) -> Response:
        run_id, suffix = (str(request.path_params[name]) for name in ("run_id", "suffix"))
        lines = await self._runs.lines_of(run_id)
        if lines is None or suffix not in REPORTS:
            raise HTTPException(404, NO_RUN if lines is None else NO_REPORT)
        if not lines.texts:
            raise HTTPException(409, "This run has no line yet: save it when it has begun.")
        export, media_type = REPORTS[suffix]
        told = await run_in_threadpool(_exported, export, list(lines.texts))
        # Opened in place, it would be a page of this server's, with what models have written.
        name = f"attachment; filename*=UTF-8''run-{quote(run_id, safe='')}.{suffix}"
        return Response(told, media_type=media_type, headers={"content-disposition": name})

    async def _send(self, request: Request) -> Response:
        body = await _read_body(request, SendBody)
        return await self._done(request, lambda run: run.send(body.call, body.text))

    async def _answer(self, request: Request) -> Response:
        body = await _read_body(request, SendBody)
        return await self._done(request, lambda run: run.answer(body.call, body.text))

    async def _approve(self, request: Request) -> Response:
        body = await _read_body(request, ApproveBody)
        return await self._done(
            request, lambda run: run.approve(body.call, body.reason, yes=body.yes)
        )

    async def _stop(self, request: Request) -> Response:
        body = await _read_body(request, StopBody)
        return await self._done(request, lambda run: run.stop(body.call))

    async def _done(
        self, request: Request, action: Callable[[LiveRun | OtherRun], dict[str, object]]
    ) -> Response:
        """Do what the person asks for in a run, of this process or of another one."""
        run_id = str(request.path_params["run_id"])
        run = self._runs.find(run_id)
        if run is not None:
            return JSONResponse(action(run), 202)
        saved = await self._runs.saved.find(run_id)
        if saved is None:
            raise HTTPException(404, NO_RUN)
        done = await run_in_threadpool(action, OtherRun(saved))
        await self._runs.go_on(saved)
        return JSONResponse(done, 202)


def page_app(team: Team | PageSetup) -> ASGIApp:
    """Return the page of ``team`` as an ASGI app, to be mounted in an app of yours.

    Your app decides who may open it: ``Host`` and token are not checked. Mount it with a path that
    ends in a slash, so that the page finds its files.
    """
    setup = PageSetup(team) if isinstance(team, Team) else team
    return guarded_app(setup, PageRuns(setup), None)


def guarded_app(setup: PageSetup, runs: PageRuns, access: Access | None) -> ASGIApp:
    """Return the page as an ASGI app, with the checks of ``access``."""
    app = Starlette(
        routes=PageRoutes(setup, runs).routes(),
        exception_handlers={
            RoutingError: _conflict,
            ConfigurationError: _conflict,
            JournalError: _conflict,
            TooMany: _too_many,
        },
    )
    return PageGuard(app, access)


def _exported(export: Callable[[RunSource], str], texts: list[bytes]) -> str:
    return export([msgspec.json.decode(text, type=dict[str, object]) for text in texts])


async def _with_first(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for message in rest:
        yield message


async def _read_body(request: Request, form: type[Body]) -> Body:
    """Return the body of a request in its form.

    Raises:
        HTTPException: It is too long, no JSON, or has another form.
    """
    body = b""
    # Counted here as well: a body in chunks has no length that could be looked at before.
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"A request has at most {MAX_BODY} bytes.")
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.ValidationError as error:
        raise HTTPException(422, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(400, f"This is no JSON: {error}") from error


def _address(text: str) -> Address:
    """Return the address of a line that ``SEQ`` or ``SEQ.PART`` names."""
    seq, _, part = text.partition(".")
    part = part or "0"
    # ``isdecimal`` takes the digits of every script, and long numbers take long to read.
    if not (text.isascii() and seq.isdecimal() and part.isdecimal() and len(text) < 40):
        raise HTTPException(400, f"{text[:80]!r} is no address of a line, such as 12 or 12.3.")
    return int(seq), int(part)


async def _conflict(_: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 409)


async def _too_many(_: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 503)
