"""The desk an agent really works at: a model, tools, and a log for whoever reads."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from agentouto._core import history
from agentouto._core.arguments import parse_arguments
from agentouto._core.assemble import ReplyBuilder
from agentouto._core.identity import placed
from agentouto._core.prompt import FINISH, letter, system_prompt
from agentouto._domain.content import Incoming, Outcome, Reply, Stop, ToolCall, Transcript
from agentouto._domain.delta import Delta, ReasoningDelta, RetryDelta, TextDelta
from agentouto._domain.errors import AgentError, Partial, Refused, ToolError
from agentouto._domain.event import (
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
from agentouto._engine.builtins import Builtin, Offices
from agentouto._engine.call import Call
from agentouto._engine.log import Telling


class LiveDesk:
    """One agent, one call."""

    __slots__ = ("_agent", "_call", "_draft", "_offices", "_taken", "_turn", "plain_text_returns")

    def __init__(self, call: Call, agent: Agent, offices: Offices) -> None:
        self._call = call
        self._agent = agent
        self._offices = offices
        self._draft = Draft()
        self._turn = 0
        self._taken: set[str] = set()
        self.plain_text_returns = offices.plain_text_returns

    def open(self) -> Transcript:
        """Return the system prompt, the history and the forward."""
        call = self._call
        forward = call.forward
        system = system_prompt(
            self._offices.standing_prompt(self._agent, starting=call.parent is None),
            caller=forward.sender,
            address=call.caller_address,
        )
        asked = Incoming(forward.content, tuple(forward.attachments or ()))
        return Transcript(system, (*history.entries(call.history, self._agent.name), asked))

    async def mail(self) -> tuple[Incoming, ...]:
        """Empty the call's mailbox."""
        return tuple(letter(message, sender) for message, sender in self._call.mailbox.drain())

    async def ask(self, transcript: Transcript) -> Reply:
        """Stream one reply, telling the log every word of it."""
        offices, call, agent = self._offices, self._call, self._agent
        log, now = offices.log, offices.world.now
        request = ModelRequest(
            agent, transcript, offices.specs, self._draft, call.id, self._turn, call.path
        )
        log.append(ModelAsked(call.stamp, now(), agent.model))
        builder = ReplyBuilder(agent.provider_name)
        telling = log.tell()
        async with aclosing(offices.backend(agent).stream(request)) as stream:
            async for deltas in stream:
                for delta in deltas:
                    builder.add(delta)
                    self._tell(telling, delta)
        reply = placed(builder.finish(), self._turn, self._taken)
        self._turn += 1
        telling.end(Replied(call.stamp, now(), reply))
        return whole(reply, agent, call.id)

    async def act(self, tool_call: ToolCall) -> Outcome:
        """Use one tool, and say honestly what came of it."""
        offices, stamp = self._offices, self._call.stamp
        tool = offices.tools.get(tool_call.name)
        builtin = isinstance(tool, Builtin)
        offices.log.append(ToolStarted(stamp, offices.world.now(), tool_call, builtin))
        try:
            outcome = await self._use(tool_call)
        except asyncio.CancelledError:
            if cancelled_by_us():
                raise
            outcome = failed(tool_call, "the tool was cancelled from within")
        except Exception as error:  # noqa: BLE001 - whatever it is, the agent must hear of it
            outcome = self._mishap(tool_call, error)
        offices.log.append(ToolFinished(stamp, offices.world.now(), outcome, builtin))
        return outcome

    def leave(self) -> bool:
        """Close the mailbox, unless somebody has just written."""
        return self._call.mailbox.close_if_empty()

    def _tell(self, telling: Telling, delta: Delta) -> None:
        if isinstance(delta, RetryDelta):
            stamp, now = self._call.stamp, self._offices.world.now()
            told = Retried(stamp, now, delta.attempt, delta.wait, delta.error)
            self._offices.log.append(told)
        elif telling.listeners and isinstance(delta, TextDelta | ReasoningDelta) and delta.text:
            event = Token if isinstance(delta, TextDelta) else Thinking
            telling.say(event(self._call.stamp, self._offices.world.now(), delta.text))

    async def _use(self, tool_call: ToolCall) -> Outcome:
        offices = self._offices
        tool = offices.tools.get(tool_call.name)
        if tool is None:
            raise ToolError(tool_call.name, offices.why_no_tool(tool_call.name))
        arguments = parse_arguments(tool_call.arguments)
        if isinstance(tool, Builtin):
            result = await tool.do(offices, self._call, tool_call.place, arguments)
        else:
            result = await tool.invoke(arguments, offices.threads)
        files = tuple(result.attachments or ())
        return Outcome(tool_call, result.content, files, returns=tool_call.name == FINISH)

    def _mishap(self, tool_call: ToolCall, error: Exception) -> Outcome:
        overridden = not isinstance(self._offices.tools.get(FINISH), Builtin)
        if tool_call.name == FINISH and overridden and not isinstance(error, ToolError):
            return Outcome(tool_call, f"Error in finish override: {error}", returns=True)
        return failed(tool_call, explained(error))


def failed(tool_call: ToolCall, why: str) -> Outcome:
    """Return the outcome of a tool call that came to nothing."""
    return Outcome(tool_call, f"Error: {why}", is_error=True)


def explained(error: Exception) -> str:
    """Return what an agent is told of ``error``."""
    if isinstance(error, ToolError):
        return error.message
    kind = type(error).__name__
    if isinstance(error, AgentError):
        return str(error)
    return f"{error} ({kind})" if str(error) else kind


def whole(reply: Reply, agent: Agent, call_id: str) -> Reply:
    """Return ``reply`` if it can be acted upon.

    Raises:
        AgentError: It is a refusal, or was cut off before it asked for anything. ``partial.text``
            is what there is of it.
    """
    if reply.stop is Stop.REFUSED:
        refused = Refused(agent.provider_name, cut_text(reply) or "the model would not answer")
        error = AgentError(agent.name, f"refused: {refused}", call_id=call_id)
        error.__cause__ = refused
    elif reply.stop is Stop.OUT_OF_TOKENS and not reply.tool_calls:
        most = agent.max_output_tokens
        limit = f"max_output_tokens={most}" if most else "its token limit"
        error = AgentError(
            agent.name, f"stopped at {limit}, the answer is not complete", call_id=call_id
        )
    else:
        return reply
    error.partial = Partial(text=reply.text)
    raise error


def cut_text(reply: Reply) -> str:
    """Return the beginning of what was said."""
    return reply.text[:200]


def cancelled_by_us() -> bool:
    """Tell a cancellation that was asked for from one that leaked out of somebody's code."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
