"""Talks to an agent over A2A: reads its card, sends it messages, and follows its task to the end.

The protocol: https://a2a-protocol.org/latest/specification/. Requests go through the SDK, which
speaks version 1.0 and the older 0.3.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.client import Client
from a2a.helpers import get_data_parts
from a2a.types import (
    AgentCard,
    Artifact,
    CancelTaskRequest,
    GetTaskRequest,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    Task,
    TaskState,
    TaskStatus,
)
from a2a.types import Message as A2AMessage
from a2a.utils.errors import A2AError

from agentouto import AgentError, Attachment, Here, Message, ToolResult, here
from agentouto._domain.redaction import hidden_in, hide, secrets_in, secrets_in_address
from agentouto.peers._requests import answer_of_user, as_text, prompt_text

REACH_SECONDS = 10.0
"""How long a connection may take. An answer may take as long as the work does."""

CANCEL_SECONDS = 2.0
"""How long the agent has to take note of a cancellation: the run that is ending waits for it."""

POLL_SECONDS = 1.0
"""Between two questions how far a task is, where the agent does not stream or the stream ended."""

MOST_CONVERSATIONS = 1_000
"""Runs whose conversation is remembered; the oldest is forgotten."""

BINDINGS = ("JSONRPC", "HTTP+JSON")
"""The transports of the protocol that are spoken here; the third, gRPC, takes another package."""

WORKING = frozenset({TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_WORKING})
"""States of a task that goes on by itself. All that are neither here nor below have ended it."""

ASKING = frozenset({TaskState.TASK_STATE_INPUT_REQUIRED, TaskState.TASK_STATE_AUTH_REQUIRED})
"""States of a task that waits for a message: the user is asked for what goes into it."""

FAILURES = (httpx.HTTPError, A2AError, OSError, ValueError)
"""What the SDK raises where an agent cannot be reached, or answers with something else."""


async def read_card(url: str, headers: Mapping[str, str], name: str) -> AgentCard:
    """Return the card of the agent at ``url``.

    Raises:
        AgentError: It cannot be read, or names no address that can be asked.
    """
    secrets = _secrets_of(url, headers)
    try:
        return await _checked_card(url, headers, hidden_in(name, secrets))
    except AgentError as error:
        hide(error, secrets)
        raise


async def _checked_card(url: str, headers: Mapping[str, str], name: str) -> AgentCard:
    try:
        async with _http(headers) as http:
            card = await A2ACardResolver(http, url).get_agent_card()
    except FAILURES as error:
        raise AgentError(
            name, f"its card at {url} cannot be read: {_failure_text(error)}"
        ) from error
    if not any(each.protocol_binding in BINDINGS for each in card.supported_interfaces):
        there = ", ".join(each.protocol_binding for each in card.supported_interfaces) or "none"
        raise AgentError(
            name, f"its card at {url} has no interface for {' or '.join(BINDINGS)}: {there}"
        )
    if headers:
        for interface in card.supported_interfaces:
            if _origin(interface.url) != _origin(url):
                raise AgentError(
                    name,
                    f"its card at {url} sends us to {interface.url}, and headers= are for "
                    f"{_origin(url)} only: give the address of the agent itself",
                )
    return card


class RemoteAgent:
    """An agent that is reached over A2A.

    Args:
        card: Its card.
        url: The address that the card was read at.
        headers: Headers of each request.
        name: Its name in runs.
    """

    def __init__(self, card: AgentCard, url: str, headers: Mapping[str, str], name: str) -> None:
        self.name = name
        self._secrets = _secrets_of(url, headers)
        self._card = card
        self._headers = headers
        self._conversations: dict[str, str] = {}

    async def answer(self, message: Message) -> ToolResult:
        """Send ``message``, and follow the task to its end.

        Raises:
            AgentError: The agent has failed, has refused, or is gone.
        """
        try:
            return await self._answer(message)
        except AgentError as error:
            hide(error, self._secrets)
            raise

    async def _answer(self, message: Message) -> ToolResult:
        at = here()
        async with _http(self._headers) as http:
            config = ClientConfig(httpx_client=http, supported_protocol_bindings=[*BINDINGS])
            client = ClientFactory(config).create(self._card)
            work = _RemoteTask(client, self.name, at, self._conversations.get(at.run_id, ""))
            try:
                return await work.run(_message_parts(message))
            except FAILURES as error:
                raise AgentError(self.name, f"is gone: {_failure_text(error)}") from error
            except asyncio.CancelledError:
                await work.cancel()  # or the agent goes on, for an answer that no one reads
                raise
            finally:
                self._remember(at.run_id, work.context_id)

    def _remember(self, run_id: str, context_id: str) -> None:
        if context_id:
            self._conversations[run_id] = context_id
        while len(self._conversations) > MOST_CONVERSATIONS:
            del self._conversations[next(iter(self._conversations))]


class _RemoteTask:
    """One task of the agent, or one direct answer."""

    def __init__(self, client: Client, name: str, at: Here, context_id: str) -> None:
        self.context_id = context_id
        self._client = client
        self._name = name
        self._at = at
        self._task_id = ""
        self._number = 0
        self._status = TaskStatus()
        self._artifacts: dict[str, list[Part]] = {}

    async def run(self, parts: list[Part]) -> ToolResult:
        while True:
            answer = await self._send(parts)
            if answer is not None:
                return _result_of_parts([*answer.parts])
            while self._status.state in WORKING:
                await asyncio.sleep(POLL_SECONDS)
                self._take_task(await self._client.get_task(GetTaskRequest(id=self._task_id)))
            if self._status.state not in ASKING:
                break
            question = _text_of_message(self._status.message) or "The agent asks for more input."
            parts = [Part(text=await answer_of_user(question))]
        if self._status.state != TaskState.TASK_STATE_COMPLETED:
            state = TaskState.Name(self._status.state).removeprefix("TASK_STATE_").lower()
            why = _text_of_message(self._status.message)
            raise AgentError(self._name, f"its task is {state}{f': {why}' if why else ''}")
        written = [part for artifact in self._artifacts.values() for part in artifact]
        return _result_of_parts(written or [*self._status.message.parts])

    async def cancel(self) -> None:
        """Cancel the task, as far as that can be done in a short time."""
        if self._task_id:
            with suppress(*FAILURES, TimeoutError):
                async with asyncio.timeout(CANCEL_SECONDS):
                    await self._client.cancel_task(CancelTaskRequest(id=self._task_id))

    async def _send(self, parts: list[Part]) -> A2AMessage | None:
        """Send a message and take in what comes back; return a direct answer, if it is one."""
        self._number += 1
        message = A2AMessage(
            message_id=f"{self._at.key}-{self._number}",  # the same if the call is done again
            role=Role.ROLE_USER,
            parts=parts,
            context_id=self.context_id,
            task_id=self._task_id,
        )
        answer: A2AMessage | None = None
        async for response in self._client.send_message(SendMessageRequest(message=message)):
            answer = self._take(response) or answer
        return answer

    def _take(self, response: StreamResponse) -> A2AMessage | None:
        match response.WhichOneof("payload"):
            case "message":
                self.context_id = response.message.context_id or self.context_id
                return response.message
            case "task":
                self._take_task(response.task)
            case "status_update":
                update = response.status_update
                self._note(update.task_id, update.context_id)
                self._take_status(update.status)
            case "artifact_update":
                change = response.artifact_update
                self._note(change.task_id, change.context_id)
                self._take_artifact(change.artifact, append=change.append)
            case _:
                pass
        return None

    def _take_task(self, task: Task) -> None:
        self._note(task.id, task.context_id)
        self._take_status(task.status)
        # Known ones have been streamed, and the task repeats them whole.
        for artifact in task.artifacts:
            if artifact.artifact_id not in self._artifacts:
                self._take_artifact(artifact, append=False)

    def _note(self, task_id: str, context_id: str) -> None:
        self._task_id = task_id or self._task_id
        self.context_id = context_id or self.context_id

    def _take_status(self, status: TaskStatus) -> None:
        told, self._status = _text_of_message(self._status.message), status
        text = _text_of_message(status.message)
        if text and text != told and status.state in WORKING:
            self._at.progress(text)

    def _take_artifact(self, artifact: Artifact, *, append: bool) -> None:
        known = self._artifacts.setdefault(artifact.artifact_id, [])
        if not append:
            known.clear()
        known.extend(artifact.parts)
        for part in artifact.parts:
            if part.WhichOneof("content") == "text":
                self._at.say(part.text)


def _http(headers: Mapping[str, str]) -> httpx.AsyncClient:
    # A redirect is not followed: the headers are for this origin, and may hold a key.
    limits = httpx.Timeout(REACH_SECONDS, read=None)
    return httpx.AsyncClient(headers=dict(headers), timeout=limits, follow_redirects=False)


def _secrets_of(url: str, headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is hidden in errors: the agent may repeat what it was given."""
    return secrets_in(headers) + secrets_in_address(url)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _failure_text(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _text_of_message(message: A2AMessage) -> str:
    return "\n".join(part.text for part in message.parts if part.WhichOneof("content") == "text")


def _message_parts(message: Message) -> list[Part]:
    parts = [Part(text=prompt_text(message))]
    for file in message.attachments or ():
        name = file.name or ""
        if file.data is None:
            parts.append(Part(url=str(file.url), media_type=file.mime_type, filename=name))
        else:
            raw = base64.b64decode(file.data)
            parts.append(Part(raw=raw, media_type=file.mime_type, filename=name))
    return parts


def _result_of_parts(parts: list[Part]) -> ToolResult:
    """Return text and files: data as JSON text, bytes and addresses as files."""
    texts: list[str] = []
    files: list[Attachment] = []
    for part in parts:
        mime_type = part.media_type or "application/octet-stream"
        name = part.filename or None
        match part.WhichOneof("content"):
            case "text":
                texts.append(part.text)
            case "data":
                texts += [as_text(value) for value in get_data_parts([part])]
            case "raw":
                data = base64.b64encode(part.raw).decode()
                files.append(Attachment(mime_type, data=data, name=name))
            case "url":
                files.append(Attachment(mime_type, url=part.url, name=name))
            case _:
                pass
    return ToolResult("".join(texts), files)
