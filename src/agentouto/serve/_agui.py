"""Serves a team to user interfaces that speak AG-UI 1.0 (https://docs.ag-ui.com).

``POST /agui`` runs the team, ``POST /agui/NAME`` one participant. A question to the user, or a tool
that needs approval, ends the stream with an interrupt; the request that resumes it goes on with the
same run. Tools of the page end the stream too, and the next request brings their results.

An interrupt belongs to its key, its agent and its ``threadId``: these are the owner of the talk. A
talk is kept before ``RUN_FINISHED`` is sent, because the answer may be here right after it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import aclosing
from weakref import WeakKeyDictionary

import msgspec

from agentouto import ConfigurationError, Options, Team, ToolResult
from agentouto.serve._agui_events import AguiEvent, AguiEvents
from agentouto.serve._agui_request import AguiRequest, read_agui_request
from agentouto.serve._asgi import (
    EventStream,
    HttpError,
    HttpRequest,
    SendEvent,
    while_connected,
    while_kept_alive,
)
from agentouto.serve._front import Front
from agentouto.serve._guard import owner_of
from agentouto.serve._run_errors import error_of_run, error_of_start, unknown_outputs
from agentouto.serve._talk import Talk
from agentouto.serve._talks import MissingOutputs, TooManyRuns
from agentouto.serve._teams import choices, taken_names

AGUI_VERSION = "1.0"
"""The version of the protocol that is spoken here."""

DISMISSED_ANSWER = "(The user gave no answer.)"
"""What the agent reads that asked, if the user dismisses its question."""


class AguiApp(Front):
    """The application that ``agui_app`` returns."""

    def __init__(
        self, team: Team, name: str, only: Collection[str] | None, origins: Collection[str]
    ) -> None:
        super().__init__(team, origins)
        self._team = team
        self._name = name
        self._choices = choices(team, name, only)
        self._taken = taken_names(team)
        # One for each run, over all its requests; it goes when the talk does.
        self._events: WeakKeyDictionary[Talk, AguiEvents] = WeakKeyDictionary()

    @property
    def agents(self) -> list[str]:
        """The names that can be run."""
        return list(self._choices)

    async def _answer(self, request: HttpRequest, send: SendEvent) -> None:
        path = request.path.removeprefix("/agui").strip("/")
        name = path or next(iter(self._choices))
        if name not in self._choices:
            there = ", ".join(self._choices)
            message = f"There is no agent {name!r:.100}. There are: {there}."
            raise HttpError(404, "agent_not_found", message)
        if request.method != "POST":
            raise HttpError(405, "method_not_allowed", "Send a RunAgentInput with POST.")
        starting = self._choices[name] or self._team.starting_agents
        author = starting[0].name if len(starting) == 1 else name
        asked = read_agui_request(await request.json(), author, self._taken)
        owner = f"{owner_of(request)} {name} {asked.thread}"
        talk = self._talk(asked, name, owner)
        reply = _AguiReply(asked, talk, self._events_of(talk, asked), self._keep(talk, owner))
        try:
            await while_connected(request, reply.send(send))
        finally:  # a client that leaves after the run was kept may still come back with the answer
            if not reply.waits:
                await self._talks.end(talk)

    def _keep(self, talk: Talk, owner: str) -> Callable[[], None]:
        return lambda: self._talks.keep(talk, owner)

    def _events_of(self, talk: Talk, asked: AguiRequest) -> AguiEvents:
        if talk not in self._events:
            events = AguiEvents([tool.name for tool in asked.tools])
            for line in talk.lines_before:  # the client has their events already
                for _ in events.feed(line):
                    pass
            self._events[talk] = events
        return self._events[talk]

    def _talk(self, asked: AguiRequest, name: str, owner: str) -> Talk:
        """Return the talk that ``asked`` goes on with, or a new one."""
        try:
            if asked.resume:
                return self._resumed(asked, name, owner)
            return self._with_outputs(asked, owner) or self._begun(asked, name, owner)
        except (ConfigurationError, MissingOutputs, TooManyRuns) as error:
            raise error_of_start(error) from error

    def _begun(self, asked: AguiRequest, name: str, owner: str) -> Talk:
        options: Options = {"attachments": asked.attachments, "history": asked.history}
        return self._talks.begin(
            self._team,
            asked.message,
            self._choices[name],
            {**options, **self._instructions(asked)},
            asked.tools,
            approves=True,
            owner=owner,
        )

    def _instructions(self, asked: AguiRequest) -> Options:
        options: Options = {}
        own = self._team.options.get("extra_instructions")
        if texts := [text for text in (own, asked.instructions) if text]:
            options["extra_instructions"] = "\n\n".join(texts)
        return options

    def _resumed(self, asked: AguiRequest, name: str, owner: str) -> Talk:
        """Give the answers to the run that waits for them, and return it."""
        # A run has one interrupt at a time, and a request goes on with one run.
        for answer in asked.resume:
            text = DISMISSED_ANSWER if answer.text is None else answer.text
            talk = self._talks.take(answer.id, owner)
            if talk is not None and talk.question is not None:
                talk.question.answer(text)
                return talk
            if talk is not None and talk.consent is not None:
                talk.consent.decide(yes=answer.approves)
                return talk
            revived = self._talks.revive(
                self._team,
                (answer.id, ToolResult(text)),
                owner,
                starting=self._choices[name],
                options=self._instructions(asked),
                tools=asked.tools,
                approves=True,
            )
            if revived is not None:
                return revived
        ids = ", ".join(answer.id for answer in asked.resume)
        raise HttpError(
            400,
            "unknown_interrupt",
            f"No run waits for an answer to {ids:.200}: it was answered, or given up. Send a "
            "message of the user to begin another.",
            param="resume",
        )

    def _with_outputs(self, asked: AguiRequest, owner: str) -> Talk | None:
        """Give results of tools to the run that waits for them, and return it."""
        talk = self._talks.take_for_outputs(asked.tool_outputs, owner)
        if talk is None and asked.tool_outputs and not asked.message:
            raise unknown_outputs(asked.tool_outputs)
        if talk is not None and asked.message:
            talk.send(asked.message)
        return talk


class _AguiReply:
    """The events of one request.

    Attributes:
        waits: Whether the run waits for its caller, and is kept.
    """

    def __init__(
        self, asked: AguiRequest, talk: Talk, events: AguiEvents, keep: Callable[[], None]
    ) -> None:
        self._asked = asked
        self._talk = talk
        self._events = events
        self._keep = keep
        self.waits = False

    async def send(self, send: SendEvent) -> None:
        """Send the events."""
        stream = EventStream(send)
        await while_kept_alive(stream, self._send(stream))

    async def _send(self, stream: EventStream) -> None:
        await _write_events(stream, [self._run_event("RUN_STARTED", protocolVersion=AGUI_VERSION)])
        try:
            await _write_events(stream, self._events.resume())
            async with aclosing(self._talk.lines()) as lines:
                async for line in lines:
                    await _write_events(stream, self._events.feed(line))
            await _write_events(stream, self._last_events())
        except Exception as error:  # noqa: BLE001 - every error is answered
            answer = error_of_run(error)
            await _write_events(stream, self._events.close_messages())
            failure: AguiEvent = {
                "type": "RUN_ERROR",
                "message": answer.message,
                "code": answer.code,
            }
            await _write_events(stream, [failure])
        await stream.end()

    def _last_events(self) -> list[AguiEvent]:
        """Return the events that end the stream, and keep the run if it waits."""
        talk, events = self._talk, self._events
        usage = events.usage
        about: dict[str, object] = {"usage": usage} if usage else {}
        if talk.waits_for is not None:  # kept before anything of the end is sent
            self.waits = True
            self._keep()
        if (interrupt := self._interrupt()) is not None:
            call, fields = interrupt
            invocation = events.invocation_of(call)
            if invocation is not None:
                fields["subagentRunId"] = invocation
            outcome = {"type": "interrupt", "interrupts": [fields]}
            # First what is open, then the end: after ``RUN_FINISHED`` a client takes no event.
            closing = events.suspend(call, str(fields["id"]))
            return [*closing, self._run_event("RUN_FINISHED", outcome=outcome, **about)]
        if talk.tool_uses:
            pending = [use.id for use in talk.tool_uses]
            outcome = {"type": "success", "pendingToolCallIds": pending}
            uses = events.uses_of_caller_tools(talk.tool_uses)
            finished = self._run_event("RUN_FINISHED", outcome=outcome, **about)
            return [*uses, *events.suspend(), finished]
        finished = self._run_event("RUN_FINISHED", outcome={"type": "success"}, **about)
        return [*events.close_messages(), finished]

    def _run_event(self, type_: str, **fields: object) -> AguiEvent:
        return {"type": type_, "threadId": self._asked.thread, "runId": self._asked.run, **fields}

    def _interrupt(self) -> tuple[str, AguiEvent] | None:
        """Return the call that waits for the user, and the interrupt, if the run waits for that."""
        if (consent := self._talk.consent) is not None:
            tool_call = self._events.tool_call_of(consent.call, consent.tool_call)
            about = {} if tool_call is None else {"toolCallId": tool_call}
            fields: AguiEvent = {"id": consent.id, "reason": "approval", "message": consent.text}
            return consent.call, {**fields, "responseSchema": _approval_schema(), **about}
        if (question := self._talk.question) is None:
            return None
        message = question.message
        schema: AguiEvent = {"type": "string"}
        if message.options:
            schema["examples"] = list(message.options)
        fields = {"id": question.id, "reason": "question", "message": message.content}
        fields |= {"responseSchema": schema, "metadata": {"agent": message.sender}}
        return self._events.asker_of(message.call_id), fields


def _approval_schema() -> AguiEvent:
    """Return the schema of a decision. Only ``{"approved": true}``, and no more, approves."""
    properties = {"approved": {"type": "boolean"}}
    return {"type": "object", "properties": properties, "required": ["approved"]}


async def _write_events(stream: EventStream, events: Iterable[AguiEvent]) -> None:
    for event in events:
        await stream.write(b"data: " + msgspec.json.encode(event) + b"\n\n")


def agui_app(
    team: Team,
    *,
    name: str = "team",
    only: Iterable[str] | None = None,
    origins: Iterable[str] = (),
) -> AguiApp:
    """Return an ASGI application that serves ``team`` to user interfaces that speak AG-UI.

    It answers ``POST /`` for the team, and ``POST /NAME`` for a participant, below the place where
    it is mounted. It checks no key and no host name: mount it behind what your application checks,
    or run it with ``agentouto serve``.

    Args:
        team: The team.
        name: The name of the team; its starting agents get the message.
        only: The names that are offered; by default the team and each of its participants.
        origins: Origins of web pages that may send requests, besides the own one.

    Raises:
        ConfigurationError: A participant has the name of the team, or ``only`` names none.
    """
    return AguiApp(team, name, None if only is None else tuple(only), tuple(origins))
