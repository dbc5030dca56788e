"""A team as an MCP server: a tool for the team and one for each participant, and one for answers.

A call of a tool is a run. What happens in it is progress. How a question to the user reaches the
client depends on what both sides speak, in this order:

* The client declares elicitation, and the revision is 2026-07-28: the call ends with
  ``input_required``. The client asks its user and calls again. Which run waits is in the request
  state, which the SDK seals: no client can make one up, or use that of another tool.
* The client declares elicitation, in an older revision: the server asks during the call.
* Otherwise, the question is the result of the call, and the tool ``answer`` takes the answer.

In the first and the third case the run waits between two calls; see ``_talk.py``.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection, Iterable
from contextlib import aclosing
from typing import Any, TypeAlias

import mcp_types as types
from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.stdio import stdio_server
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

import agentouto
from agentouto import Attachment, ConfigurationError, RunResult, Team
from agentouto.serve._asgi import HttpRequest
from agentouto.serve._guard import owner_of
from agentouto.serve._mcp_http import McpFront
from agentouto.serve._mcp_progress import ProgressNotes
from agentouto.serve._run_errors import error_of_run
from agentouto.serve._talk import Talk
from agentouto.serve._talks import Talks, TooManyRuns
from agentouto.serve._teams import StartingParticipants, choices
from agentouto.serve._waiting import Question

log = logging.getLogger("agentouto.serve")

Context: TypeAlias = ServerRequestContext[Any, Any]
Result: TypeAlias = types.CallToolResult | types.InputRequiredResult

ANSWER_TOOL = "answer"
"""The tool that takes answers. Names of the others begin with ``ask_``, so none is the same."""

ANSWER_FIELD = "answer"
"""The field of the form, and the key of the request, with the answer to a question."""

MAX_TOOL_NAME = 64
"""Characters of a tool's name that clients pass on to all models."""

UNANSWERED = "The user does not answer. Decide yourself, and say what you assumed."
"""What the agent reads whose question was declined, dismissed, or shown to no one: the run goes on,
because the client waits for a result."""


class McpServer:
    """A team as an MCP server.

    Args:
        team: The team.
        name: The name of the team; its tool is ``ask_NAME``.
        only: The names that are offered: of the team and its participants.

    Attributes:
        tools: The names of its tools.
        talks: The runs at work, and those that wait for an answer.
    """

    def __init__(self, team: Team, name: str, only: Collection[str] | None) -> None:
        self._team = team
        self._choices: dict[str, StartingParticipants | None] = {}
        listed: list[types.Tool] = []
        for each, starting in choices(team, name, only).items():
            tool = f"ask_{re.sub('[^A-Za-z0-9_-]', '_', each)}"[:MAX_TOOL_NAME]
            if tool in self._choices:
                raise ConfigurationError(
                    f"two participants have names that become the tool {tool}: rename one, or "
                    "leave one out with only="
                )
            self._choices[tool] = starting
            listed.append(_ask_tool(tool, _tool_description(team, each, starting)))
        listed.append(_answer_tool())
        self.tools: list[str] = [tool.name for tool in listed]
        self.talks: Talks = Talks()
        self._listed = types.ListToolsResult(tools=listed)
        self.server: Server[Any] = Server(
            name,
            version=agentouto.__version__,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )
        # Ephemeral: the key lives as long as this process, and so do the runs that wait.
        seal = RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=name)
        self.server.middleware.append(seal)

    def run_stdio(self) -> None:
        """Serve one client over standard input and output, until it leaves."""
        asyncio.run(self.serve_stdio())

    async def serve_stdio(self) -> None:
        """Serve one client over standard input and output, until it leaves."""
        try:
            async with stdio_server() as (reading, writing):
                options = self.server.create_initialization_options()
                await self.server.run(reading, writing, options)
        finally:
            await self.talks.aclose()

    def http_front(self, *, origins: Collection[str] = ()) -> McpFront:
        """Return the server as an ASGI application, which speaks streamable HTTP.

        It checks no key and no host name: mount it behind what your application checks, or run it
        with ``agentouto serve TEAM --mcp-http``.

        Args:
            origins: Origins of web pages that may send requests, besides the own one.
        """
        return McpFront(self.server, self.talks, self._team, origins)

    async def _list_tools(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        del context, params  # there is one page, the same for everyone
        return self._listed

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> Result:
        """Begin a run, or go on with one that waits, until it ends or asks."""
        owner = _owner(context)
        try:
            talk = self._talk(params, owner)
        except (TooManyRuns, ConfigurationError) as error:
            return _failed(str(error))
        if talk is None:
            return _failed(
                "No run waits for this answer: it was answered, its time is over, or there never "
                "was such a question."
            )
        kept, notes = False, ProgressNotes()
        try:
            while True:
                await _follow(context, talk, notes)
                question = talk.question
                if question is None:
                    return _finished(await talk.result())
                if _can_be_asked(context):
                    question.answer(await _asked(context, question))
                    continue
                # Kept before the question leaves: its answer may be here right after that.
                self.talks.keep(talk, owner)
                kept = True
                return _open_question(context, question)
        except Exception as error:  # noqa: BLE001 - every error is answered
            return _failed(error_of_run(error).message)
        finally:
            if not kept:
                await self.talks.end(talk)

    def _talk(self, params: types.CallToolRequestParams, owner: str) -> Talk | None:
        """Return the run that this call begins, or goes on with; ``None`` if none waits."""
        arguments = params.arguments or {}
        if params.request_state is not None:
            return self._answered(params.request_state, _answer_of(params), owner)
        if params.name == ANSWER_TOOL:
            question_id, text = arguments.get("question_id"), arguments.get("answer")
            if not isinstance(question_id, str) or not isinstance(text, str):
                raise ConfigurationError("answer takes question_id and answer, both texts")
            return self._answered(question_id, text, owner)
        if params.name not in self._choices:
            there = ", ".join(self.tools)
            raise ConfigurationError(f"There is no tool {params.name!r:.100}. There are: {there}.")
        message = arguments.get("message")
        if not isinstance(message, str) or not message.strip():
            raise ConfigurationError(f"{params.name} takes message, a text that is not empty")
        return self.talks.begin(self._team, message, self._choices[params.name])

    def _answered(self, question_id: str, text: str, owner: str) -> Talk | None:
        talk = self.talks.take(question_id, owner)
        if talk is not None and talk.question is not None:
            talk.question.answer(text)
        return talk


async def _follow(context: Context, talk: Talk, notes: ProgressNotes) -> None:
    """Read a run up to its next question or its end, and tell the client of it as progress."""
    async with aclosing(talk.lines()) as lines:
        async for line in lines:
            if note := notes.of(line):
                await context.session.report_progress(note.number, None, note.text)


def _ask_tool(name: str, description: str) -> types.Tool:
    message = {"type": "string", "description": "The request, with all that is needed for it."}
    schema = {"type": "object", "properties": {"message": message}, "required": ["message"]}
    return types.Tool(name=name, description=description, input_schema=schema)


def _answer_tool() -> types.Tool:
    fields = {
        "question_id": {"type": "string", "description": "The id that came with the question."},
        "answer": {"type": "string", "description": "The answer of the user, in their words."},
    }
    return types.Tool(
        name=ANSWER_TOOL,
        description="Pass on the user's answer to a question that an ask_ tool has returned.",
        input_schema={"type": "object", "properties": fields, "required": [*fields]},
    )


def _tool_description(team: Team, name: str, starting: StartingParticipants | None) -> str:
    """Return what models are told of a tool. Instructions are the team's own, so none are in it."""
    if starting is None:
        named = [each.name for each in team.agents if each.name != "user"]
        return f"Ask the team {name}: {', '.join(named)}. They work on it together."
    [participant] = starting
    role = (participant.role or "").strip()
    return f"Ask {name}. {role}".strip()


def _owner(context: Context) -> str:
    """Return whose request it is: over HTTP, a hash of the key that it brings."""
    request = context.request
    return "" if request is None else owner_of(HttpRequest(request.scope, request.receive))


def _can_be_asked(context: Context) -> bool:
    """Whether the client can be asked during the call."""
    modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    # In the newest revision a server asks by ``input_required`` only.
    return not modern and _elicits(context) and context.session.can_send_request


def _elicits(context: Context) -> bool:
    capabilities = context.session.client_capabilities
    return capabilities is not None and capabilities.elicitation is not None


async def _asked(context: Context, question: Question) -> str:
    """Return what the client's user answers during the call."""
    form = _answer_form(question)
    try:
        answered = await context.session.elicit_form(
            form.message, form.requested_schema, related_request_id=context.request_id
        )
    except MCPError as error:
        log.info("the client did not put a question to its user: %s", error)
        return UNANSWERED
    return _text_of(answered)


def _answer_of(params: types.CallToolRequestParams) -> str:
    """Return what the client's user answers between two calls."""
    answered = (params.input_responses or {}).get(ANSWER_FIELD)
    return _text_of(answered) if isinstance(answered, types.ElicitResult) else UNANSWERED


def _text_of(answered: types.ElicitResult) -> str:
    text = (answered.content or {}).get(ANSWER_FIELD)
    return str(text) if answered.action == "accept" and text is not None else UNANSWERED


def _answer_form(question: Question) -> types.ElicitRequestFormParams:
    message = question.message
    field: dict[str, Any] = {"type": "string", "title": "Answer"}
    if message.options:
        field["enum"] = [*message.options]
    return types.ElicitRequestFormParams(
        message=f"{message.sender} asks: {message.content}",
        requested_schema={
            "type": "object",
            "properties": {ANSWER_FIELD: field},
            "required": [ANSWER_FIELD],
        },
    )


def _open_question(context: Context, question: Question) -> Result:
    """Return the result of a call whose run waits for an answer."""
    if context.protocol_version in MODERN_PROTOCOL_VERSIONS and _elicits(context):
        return types.InputRequiredResult(
            input_requests={ANSWER_FIELD: types.ElicitRequest(params=_answer_form(question))},
            request_state=question.id,
        )
    message = question.message
    options = f"\nOptions: {', '.join(message.options)}" if message.options else ""
    return _said(
        f"{message.sender} asks the user: {message.content}{options}\n\n"
        f"Ask the user, then call {ANSWER_TOOL} with question_id={question.id!r} and the answer."
    )


def _finished(result: RunResult) -> types.CallToolResult:
    files = [file for output in result.outputs for file in output.attachments or ()]
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=result.output)]
    return types.CallToolResult(content=[*content, *map(_file_block, files)])


def _file_block(file: Attachment) -> types.ContentBlock:
    kind, _, _ = file.mime_type.partition("/")
    name = file.name or "file"
    if file.data is None:
        address = file.url or ""
        return types.ResourceLink(
            type="resource_link", name=name, uri=address, mime_type=file.mime_type
        )
    if kind == "image":
        return types.ImageContent(type="image", data=file.data, mime_type=file.mime_type)
    if kind == "audio":
        return types.AudioContent(type="audio", data=file.data, mime_type=file.mime_type)
    blob = types.BlobResourceContents(
        uri=f"attachment:{name}", blob=file.data, mime_type=file.mime_type
    )
    return types.EmbeddedResource(type="resource", resource=blob)


def _said(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


def _failed(why: str) -> types.CallToolResult:
    text = types.TextContent(type="text", text=why)
    return types.CallToolResult(content=[text], is_error=True)


def mcp_server(team: Team, *, name: str = "team", only: Iterable[str] | None = None) -> McpServer:
    """Return ``team`` as an MCP server.

    Its tools are ``ask_NAME`` for the team and each participant, and ``answer``. Tools of the team
    that need approval are refused, unless the team has an ``approve=`` of its own.

    Args:
        team: The team.
        name: The name of the team; its starting agents get the message.
        only: The names that are offered; by default the team and each of its participants.

    Raises:
        ConfigurationError: A participant has the name of the team, or ``only`` names none.
    """
    return McpServer(team, name, None if only is None else tuple(only))
