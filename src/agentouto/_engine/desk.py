"""The desk an agent really works at: a model, tools, and a log for whoever reads."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TypeGuard

from agentouto._core import history
from agentouto._core.arguments import BadArguments, parse_arguments, read_json
from agentouto._core.assemble import ReplyBuilder
from agentouto._core.identity import placed
from agentouto._core.prompt import (
    FINISH,
    NOT_PLAIN,
    NUDGE,
    WRONG_FORM,
    letter,
    system_prompt,
)
from agentouto._core.verdict import whole
from agentouto._domain.content import (
    Incoming,
    Outcome,
    Reply,
    Returned,
    Stop,
    ToolCall,
    Transcript,
)
from agentouto._domain.delta import Delta, ReasoningDelta, RetryDelta, TextDelta
from agentouto._domain.errors import (
    AgentError,
    AuthError,
    Partial,
    ProviderError,
    QuotaExhausted,
    RoutingError,
    ToolError,
)
from agentouto._domain.event import (
    Broken,
    ModelAsked,
    Replied,
    Retried,
    Thinking,
    Token,
    ToolFinished,
    ToolStarted,
)
from agentouto._domain.participants import Agent
from agentouto._domain.ports import Draft, ModelRequest
from agentouto._engine.builtins import Builtin, Offices, returned_as
from agentouto._engine.call import Call
from agentouto._engine.log import Telling

MOST_PAUSES = 50
"""How often in one call a provider may pause a reply to work with tools of its own."""


class LiveDesk:
    """One agent, one call."""

    __slots__ = (
        "_agent",
        "_call",
        "_draft",
        "_offices",
        "_owner",
        "_pauses",
        "_said",
        "_stand_ins",
        "_taken",
        "_toolbox",
        "_tools",
        "_turn",
    )

    def __init__(self, call: Call, agent: Agent, offices: Offices) -> None:
        self._call = call
        self._agent = agent
        self._offices = offices
        self._draft = Draft()
        self._turn = 0
        self._pauses = 0
        self._said = ""
        self._owner: asyncio.Task[object] | None = None
        self._taken: set[str] = set()
        self._stand_ins = agent.stand_ins() if agent.fallback else (agent,)
        self._toolbox = offices.toolbox(agent, starting=call.parent is None)
        self._tools = self._toolbox.tools

    def open(self) -> Transcript:
        """Return the system prompt, the history and the forward."""
        call = self._call
        forward = call.forward
        system = system_prompt(
            self._offices.standing_prompt(self._agent, starting=call.parent is None),
            caller=forward.sender,
            address=call.caller_address,
            tools=self._tools,
        )
        self._owner = asyncio.current_task()
        asked = Incoming(forward.content, tuple(forward.attachments or ()))
        return Transcript(system, (*history.entries(call.history, self._agent.name), asked))

    async def mail(self) -> tuple[Incoming, ...]:
        """Empty the call's mailbox."""
        return tuple(letter(message, sender) for message, sender in self._call.mailbox.drain())

    async def ask(self, transcript: Transcript) -> Reply:
        """Put the transcript to the agent's model, or to the next one if that is not to be had."""
        while True:
            model = self._stand_ins[0]
            builder = ReplyBuilder(model.provider_name)
            try:
                reply = await self._hear(transcript, model, builder)
            except ProviderError as error:
                gone = error.retryable or isinstance(error, QuotaExhausted)
                if not gone or builder.begun or len(self._stand_ins) == 1:
                    raise
                self._stand_ins = self._stand_ins[1:]
                told = Retried(self._call.stamp, self._offices.world.now(), 1, 0.0, str(error))
                self._offices.log.append(told)
            else:
                return whole(reply, model, self._call.id)

    async def _hear(self, transcript: Transcript, model: Agent, builder: ReplyBuilder) -> Reply:
        """Stream one reply, telling the log every word of it."""
        offices, call = self._offices, self._call
        log, now = offices.log, offices.world.now
        request = ModelRequest(
            model,
            transcript,
            self._toolbox.specs,
            self._draft,
            call.id,
            self._turn,
            call.path,
            self._toolbox.promise,
        )
        log.append(ModelAsked(call.stamp, now(), model.model))
        telling = log.tell()
        try:
            async with aclosing(offices.backend(model).stream(request)) as stream:
                async for deltas in stream:
                    for delta in deltas:
                        builder.add(delta)
                        self._tell(telling, delta)
            reply = placed(builder.finish(), self._turn, self._taken)
        except (ProviderError, AuthError, asyncio.CancelledError) as error:
            if builder.begun:
                telling.end(Broken(call.stamp, now(), builder.parts()))
            if not isinstance(error, asyncio.CancelledError):
                error.partial = Partial(text=builder.text())
            raise
        self._turn += 1
        self._said = reply.text
        telling.end(Replied(call.stamp, now(), reply))
        return reply

    async def act(self, tool_call: ToolCall) -> Outcome:
        """Use one tool, and say honestly what came of it."""
        offices, stamp = self._offices, self._call.stamp
        builtin = isinstance(self._tools.get(tool_call.name), Builtin)
        offices.log.append(ToolStarted(stamp, offices.world.now(), tool_call, builtin))
        try:
            outcome = await self._use(tool_call)
            await self._let_go()
        except asyncio.CancelledError:
            if self._is_ending():
                raise
            _forget_cancelling()
            outcome = failed(tool_call, "the tool was cancelled from within")
        except Exception as error:  # noqa: BLE001 - whatever it is, the agent must hear of it
            outcome = self._mishap(tool_call, error)
        offices.log.append(ToolFinished(stamp, offices.world.now(), outcome, builtin))
        return outcome

    def take(self, reply: Reply) -> Returned | Incoming | None:
        """Return what a reply without tool calls returns, or what to tell the agent instead."""
        form, text = self._toolbox.form, reply.text
        if reply.stop is Stop.PAUSED:
            return self._again(reply)
        if not text.strip():
            return NUDGE
        if form is None:
            plain = self._toolbox.plain_text_returns
            return Returned(text) if plain else Incoming(WRONG_FORM.format(why=NOT_PLAIN))
        try:
            value = read_json(text)
            given = value if _is_wrapped(value) else {"result": value}
            return returned_as(form, given)
        except BadArguments as error:
            return Incoming(WRONG_FORM.format(why=error.message))

    def leave(self) -> bool:
        """Close the mailbox, unless somebody has just written."""
        return self._call.mailbox.close_if_empty()

    def _again(self, reply: Reply) -> None:
        self._pauses += 1
        if self._pauses > MOST_PAUSES:
            why = f"its model was paused by the provider more than {MOST_PAUSES} times"
            error = AgentError(self._agent.name, why, call_id=self._call.id)
            error.partial = Partial(text=reply.text)
            raise error

    def _is_ending(self) -> bool:
        """Whether the call itself is being cancelled, and not only the tool in it."""
        return self._owner is None or self._owner.cancelling() > 0

    async def _let_go(self) -> None:
        """Raise what a tool that cancelled its own task, and returned all the same, has coming."""
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            await asyncio.sleep(0)

    def _tell(self, telling: Telling, delta: Delta) -> None:
        if isinstance(delta, TextDelta):
            if telling.listeners and delta.text:
                telling.say(Token(self._call.stamp, self._offices.world.now(), delta.text))
        elif isinstance(delta, ReasoningDelta):
            if telling.listeners and delta.text:
                telling.say(Thinking(self._call.stamp, self._offices.world.now(), delta.text))
        elif isinstance(delta, RetryDelta):
            stamp, now = self._call.stamp, self._offices.world.now()
            told = Retried(stamp, now, delta.attempt, delta.wait, delta.error)
            self._offices.log.append(told)

    async def _use(self, tool_call: ToolCall) -> Outcome:
        offices = self._offices
        tool = self._tools.get(tool_call.name)
        if tool is None:
            raise ToolError(tool_call.name, offices.why_no_tool(tool_call.name))
        arguments = parse_arguments(tool_call.arguments)
        if isinstance(tool, Builtin):
            result = await tool.do(offices, self._call, tool_call.place, arguments)
        else:
            result = await tool.invoke(arguments, offices.threads)
        files = tuple(result.attachments or ())
        if tool_call.name != FINISH:
            return Outcome(tool_call, result.content, files)
        if isinstance(tool, Builtin) and not arguments:
            return Outcome(tool_call, self._said, files, returns=True)
        data = result.data if isinstance(result, Returned) else None
        return Outcome(tool_call, result.content, files, returns=True, data=data)

    def _mishap(self, tool_call: ToolCall, error: Exception) -> Outcome:
        overridden = not isinstance(self._tools.get(FINISH), Builtin)
        if tool_call.name == FINISH and overridden and not isinstance(error, ToolError):
            return Outcome(tool_call, f"Error in finish override: {error}", returns=True)
        return failed(tool_call, explained(error))


def _forget_cancelling() -> None:
    """Let the current task go on as if nobody had cancelled it."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


def _is_wrapped(value: object) -> TypeGuard[dict[str, object]]:
    """Whether ``value`` has the form of what ``finish`` takes, as providers promise it."""
    return isinstance(value, dict) and value.keys() == {"result"}


def failed(tool_call: ToolCall, why: str) -> Outcome:
    """Return the outcome of a tool call that came to nothing."""
    return Outcome(tool_call, f"Error: {why}", is_error=True)


def explained(error: Exception) -> str:
    """Return what an agent is told of ``error``."""
    if isinstance(error, ToolError):
        return error.message
    kind = type(error).__name__
    if isinstance(error, RoutingError) and error.agent_name == "unknown":
        return error.message
    if isinstance(error, AgentError):
        return str(error)
    return f"{error} ({kind})" if str(error) else kind
