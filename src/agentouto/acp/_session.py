"""Has a program answer one forward: a session of the Agent Client Protocol, with one prompt.

The protocol: https://agentclientprotocol.com/protocol/overview, version 1.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, cast

from acp import PROTOCOL_VERSION, RequestError, RequestPermissionResponse
from acp.client.connection import ClientSideConnection
from acp.helpers import (
    audio_block,
    embedded_blob_resource,
    image_block,
    resource_block,
    resource_link_block,
    text_block,
)
from acp.schema import (
    AcpMcpServer,
    AllowedOutcome,
    DeniedOutcome,
    EnvVariable,
    HttpHeader,
    HttpMcpServer,
    Implementation,
    InitializeResponse,
    McpServerStdio,
    PermissionOption,
    PromptResponse,
    SseMcpServer,
    ToolCallUpdate,
)

import agentouto
from agentouto import AgentError, Attachment, Here, Message, ToolResult, here
from agentouto._domain.redaction import hide
from agentouto.acp._process import RunningProgram, running
from agentouto.acp._program import Program
from agentouto.peers._requests import as_fields, prompt_text, refusal

START_SECONDS = 60.0
"""How long a program may take for its first answer: Gemini CLI takes 5 s on a busy machine."""

SIGN_IN_NEEDED = -32000
"""The code of the error of a program that wants to be signed in to."""

INCOMPLETE: Mapping[str, str] = MappingProxyType(
    {
        "refusal": "refused to answer",
        "max_tokens": "was stopped by its limit of tokens",
        "max_turn_requests": "was stopped by its limit of requests in a turn",
        "cancelled": "was cancelled from within",
    }
)
"""Reasons for which a program stops before its answer is complete."""


async def answer_with(program: Program, message: Message) -> ToolResult:
    """Start ``program``, give it ``message``, and return its answer.

    Raises:
        AgentError: It cannot be started, has ended, or has not answered.
    """
    secrets = program.secrets()
    try:
        return await _answered(program, message, secrets)
    except AgentError as error:
        hide(error, secrets)
        raise


async def _answered(program: Program, message: Message, secrets: Collection[str]) -> ToolResult:
    at, name, command = here(), program.name, program.command
    try:
        async with running(name, command, program.cwd, program.env, secrets) as process:
            session = _Session(program, at)
            try:
                return await session.run(process, message)
            except ConnectionError as error:
                raise AgentError(name, f"the program {await process.how_it_ended()}") from error
            except RequestError as error:
                raise AgentError(name, session.explain(error)) from error
    except OSError as error:
        raise AgentError(name, f"the program {command[0]!r} cannot be started: {error}") from error


class _Session:
    """One session, as the side that the protocol calls the client."""

    def __init__(self, program: Program, at: Here) -> None:
        self._program = program
        self._at = at
        self._said: list[str] = []
        self._files: list[Attachment] = []
        self._tool_calls: dict[str, dict[str, object]] = {}
        self._cost = 0.0
        self._offers = InitializeResponse(protocol_version=PROTOCOL_VERSION)

    async def run(self, process: RunningProgram, message: Message) -> ToolResult:
        """Open the session, prompt, and return the answer; a cancellation is passed on."""
        connection = ClientSideConnection(cast("Any", self), process.writer, process.reader)
        session_id = ""
        try:
            await self._initialize(connection)
            if self._program.auth is not None:
                await connection.authenticate(method_id=self._program.auth)
            servers = _mcp_servers(self._program.mcp)
            opened = await connection.new_session(cwd=self._program.cwd, mcp_servers=servers)
            session_id = opened.session_id
            prompt = self._prompt(message)
            response = await connection.prompt(session_id=session_id, prompt=prompt)
            return self._answer(response)
        except asyncio.CancelledError:
            # "Prompt Turn", "Cancellation": told first, it can stop what it has begun in order.
            if session_id:
                with suppress(ConnectionError, OSError):
                    await connection.cancel(session_id=session_id)
            raise
        finally:
            await connection.close()

    def explain(self, error: RequestError) -> str:
        """Return why the program refused a request."""
        if error.code == SIGN_IN_NEEDED:
            ways = ", ".join(each.id for each in self._offers.auth_methods or ()) or "none"
            return f"wants to be signed in to: {error}. Give program(auth=), one of: {ways}"
        details = f" {error.data}" if error.data else ""
        return f"answered with an error: {error}{details:.500}"

    async def _initialize(self, connection: ClientSideConnection) -> None:
        name = self._program.name
        info = Implementation(name="agentouto", version=agentouto.__version__)
        limit = asyncio.timeout(START_SECONDS)
        try:
            async with limit:
                self._offers = await connection.initialize(
                    protocol_version=PROTOCOL_VERSION, client_info=info
                )
        except TimeoutError as error:
            if not limit.expired():
                raise
            why = f"did not answer within {START_SECONDS:g} s: does it speak the protocol?"
            raise AgentError(name, why) from error
        if self._offers.protocol_version != PROTOCOL_VERSION:
            version = self._offers.protocol_version
            why = f"speaks version {version} of the protocol, and this is version"
            raise AgentError(name, f"{why} {PROTOCOL_VERSION}")

    def _answer(self, response: PromptResponse) -> ToolResult:
        self._count(response)
        text = "".join(self._said)
        if response.stop_reason != "end_turn":
            # Half an answer is no return. What there is of it goes into the error, for the caller.
            why = INCOMPLETE.get(response.stop_reason, f"stopped: {response.stop_reason}")
            raise AgentError(self._program.name, f"{why}. Until then: {text}" if text else why)
        return ToolResult(text, self._files)

    def _count(self, response: PromptResponse) -> None:
        used = response.usage
        if used is not None:
            self._at.spent(used.input_tokens, used.output_tokens, self._cost or None)
            return
        # Gemini CLI 0.61 reports here; `usage` is not yet a stable part of the protocol.
        quota = as_fields(as_fields(response.field_meta).get("quota"))
        tokens = as_fields(quota.get("token_count"))
        self._at.spent(tokens.get("input_tokens"), tokens.get("output_tokens"), self._cost or None)

    def _prompt(self, message: Message) -> list[Any]:
        blocks: list[Any] = [text_block(prompt_text(message))]
        takes = (
            self._offers.agent_capabilities and self._offers.agent_capabilities.prompt_capabilities
        )
        for number, file in enumerate(message.attachments or (), 1):
            kind, name = file.mime_type.partition("/")[0], file.name or f"file-{number}"
            if file.data is None:
                link = resource_link_block(name, str(file.url), mime_type=file.mime_type)
                blocks.append(link)
            elif kind == "image" and takes and takes.image:
                blocks.append(image_block(file.data, file.mime_type))
            elif kind == "audio" and takes and takes.audio:
                blocks.append(audio_block(file.data, file.mime_type))
            elif takes and takes.embedded_context:
                uri = f"attachment:///{name}"
                blob = embedded_blob_resource(uri, file.data, mime_type=file.mime_type)
                blocks.append(resource_block(blob))
            else:
                raise AgentError(self._program.name, f"takes no files of type {file.mime_type}")
        return blocks

    # ── what the program asks for ─────────────────────────────────────────────────────────────

    # The SDK calls these two by keyword; there is one session.

    async def session_update(self, *, update: Any, **_: object) -> None:
        """Pass on what the program writes, thinks and does."""
        match update.session_update:
            case "agent_message_chunk":
                self._take(update.content)
            case "agent_thought_chunk" if update.content.type == "text":
                self._at.think(update.content.text)
            case "tool_call" | "tool_call_update":
                self._note(update)
                if update.title:
                    self._at.progress(update.title)
            case "usage_update" if update.cost is not None and update.cost.currency == "USD":
                self._cost = update.cost.amount  # of the whole session
            case _:  # plans, commands, modes: how the program presents itself in an editor
                pass

    async def request_permission(
        self,
        *,
        tool_call: ToolCallUpdate,
        options: Sequence[PermissionOption],
        **_: object,
    ) -> RequestPermissionResponse:
        """Have the user approve what the program wants to do; only what allows it once is taken."""
        # Reversed, so that of several options of a kind the first counts. Options that allow or
        # refuse for good are never taken: the user is asked about one use.
        ids = {option.kind: option.option_id for option in reversed(options)}
        tool = self._note(tool_call)
        once = ids.get("allow_once")
        if once is not None and await self._permits(tool):
            outcome = AllowedOutcome(outcome="selected", option_id=once)
            return RequestPermissionResponse(outcome=outcome)
        if "reject_once" in ids:
            outcome = AllowedOutcome(outcome="selected", option_id=ids["reject_once"])
            return RequestPermissionResponse(outcome=outcome)
        return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))

    async def _permits(self, tool: Mapping[str, object]) -> bool:
        if self._program.permissions != "ask":
            return self._program.permissions == "allow"
        shown = {key: value for key, value in tool.items() if key not in ("kind", "status")}
        return await refusal(tool.get("kind", "other"), shown) is None

    def _note(self, tool_call: Any) -> dict[str, object]:
        """Add what is known of a tool call to what was told of it before, and return it all."""
        known = self._tool_calls.setdefault(tool_call.tool_call_id, {})
        told = tool_call.model_dump(mode="json", exclude_none=True)
        for name in ("kind", "title", "raw_input", "content", "locations"):
            if told.get(name):
                known[name] = told[name]
        return known

    def _take(self, content: Any) -> None:
        match content.type:
            case "text":
                self._said.append(content.text)
                self._at.say(content.text)
            case "image" | "audio":
                self._files.append(Attachment(content.mime_type, data=content.data))
            case "resource_link":
                self._say_more(f"[{content.name}]({content.uri})")
            case _:
                resource = content.resource
                if getattr(resource, "text", None):
                    self._say_more(resource.text)
                else:
                    mime_type = resource.mime_type or "application/octet-stream"
                    self._files.append(Attachment(mime_type, data=resource.blob, name=resource.uri))

    def _say_more(self, text: str) -> None:
        self._said.append(text)
        self._at.say(text)


def _mcp_servers(
    listed: Mapping[str, Mapping[str, Any]],
) -> list[HttpMcpServer | SseMcpServer | AcpMcpServer | McpServerStdio]:
    """Return the servers of a configuration file in the protocol's form."""
    servers: list[HttpMcpServer | SseMcpServer | AcpMcpServer | McpServerStdio] = []
    for name, fields in listed.items():
        if "url" in fields:
            headers = [
                HttpHeader(name=key, value=value)
                for key, value in as_fields(fields.get("headers")).items()
            ]
            url = fields["url"]
            servers.append(HttpMcpServer(type="http", name=name, url=url, headers=headers))
            continue
        command = str(fields["command"])
        env = as_fields(fields.get("env"))
        variables = [EnvVariable(name=key, value=value) for key, value in env.items()]
        servers.append(
            McpServerStdio(
                name=name,
                command=shutil.which(command) or command,  # an absolute path is asked for
                args=[str(each) for each in fields.get("args", ())],
                env=variables,
            )
        )
    return servers
