"""Carries out the tool calls of one agent in one call. Every error becomes an outcome.

The agent is the participant that can react to an error of a tool, so it is not raised further. Two
things are: a cancellation of the call itself, and a second reply that was cut in a tool call.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import logging
from collections.abc import Container, Coroutine, Iterator
from typing import Any

from msgspec import structs

from agentouto._core.builtin_tools import FINISH, USE_TOOL
from agentouto._core.prompt import CUT_OFF, TOO_MANY_TOOL_CALLS
from agentouto._core.reply_checks import cut_tool_call, cut_twice, token_cap
from agentouto._core.tool_arguments import BadArguments, parse_arguments
from agentouto._domain.content import Outcome, Reply, ToolCall
from agentouto._domain.errors import AgentError, BrokenScript, Refuse, RoutingError, ToolError
from agentouto._domain.event import ToolFinished, ToolStarted
from agentouto._domain.hooks import ToolUse
from agentouto._domain.message import ToolResult
from agentouto._domain.participants import Agent
from agentouto._domain.secret import hide_frames
from agentouto._engine.call import Call
from agentouto._engine.here import Here
from agentouto._engine.services import RunServices
from agentouto._engine.tool import AnyTool
from agentouto._engine.toolbox import Arguments, Builtin, BuiltinUse, Forwards, Toolbox

logger = logging.getLogger("agentouto")

_NO_REPLY = Reply(())


class ToolRunner:
    """Carries out the tool calls of one call.

    It belongs to the task that makes it, in which the agent works: a cancellation of that task is
    one of the call, and any other is one of the tool alone.
    """

    __slots__ = (
        "_agent",
        "_call",
        "_cut",
        "_forwards",
        "_hidden",
        "_last_reply",
        "_loop",
        "_model",
        "_owner",
        "_services",
        "_started_before",
        "_tools",
    )

    def __init__(
        self,
        call: Call,
        agent: Agent,
        services: RunServices,
        toolbox: Toolbox,
        forwards: Forwards,
    ) -> None:
        self._call = call
        self._agent = agent
        self._services = services
        self._tools = toolbox.tools
        self._hidden = toolbox.hidden
        self._forwards = forwards
        self._loop = asyncio.get_running_loop()
        self._owner = asyncio.current_task(self._loop)
        self._last_reply = _NO_REPLY
        self._model = agent
        self._cut: ToolCall | None = None
        self._started_before: Container[str] = ()

    def begin_reply(self, reply: Reply, model: Agent) -> None:
        """Begin the reply whose tool calls are carried out next.

        A model that runs out of tokens in the middle of a tool call gets an error as its outcome,
        once. Without the error, it would send the same long arguments again and again.

        Raises:
            AgentError: It ran out of tokens in the middle of a tool call for the second time.
        """
        self._last_reply, self._model = reply, model
        cut = cut_tool_call(reply)
        if cut is not None and self._cut is not None:
            raise cut_twice(reply, cut, model, self._call.id)
        self._cut = cut or self._cut

    def is_quick(self, tool_call: ToolCall) -> bool:
        """Whether the tool never waits and runs none of the user's code."""
        tool = self._tools.get(tool_call.name)
        return isinstance(tool, Builtin) and tool.quick

    def run(self, tool_call: ToolCall) -> Coroutine[object, object, Outcome]:
        """Use one tool and return the outcome.

        A tool that ``use_tool`` names is used, and told of, as if the model had called it itself.
        """
        named = self._named_tool_call(tool_call) if self._hidden else tool_call
        return self._run(tool_call) if named is tool_call else self._run_named(named, tool_call)

    async def _run_named(self, named: ToolCall, tool_call: ToolCall) -> Outcome:
        return structs.replace(await self._run(named), tool_call=tool_call)

    def _named_tool_call(self, tool_call: ToolCall) -> ToolCall:
        """Return the call of the tool that a call of ``use_tool`` names; else ``tool_call``."""
        tool = self._tools.get(tool_call.name)
        if tool_call.name != USE_TOOL or not isinstance(tool, Builtin) or tool_call is self._cut:
            return tool_call
        try:
            given = parse_arguments(tool_call.arguments)
        except BadArguments:
            return tool_call  # told of when it is used
        name, arguments = given.get("name"), given.get("arguments")
        if not isinstance(name, str) or isinstance(self._tools.get(name, tool), Builtin):
            return tool_call
        text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
        return structs.replace(tool_call, name=name, arguments=text)

    async def _run(self, tool_call: ToolCall) -> Outcome:
        log = self._call.log
        tool = self._tools.get(tool_call.name)
        builtin = isinstance(tool, Builtin)
        if not self._started_before or str(tool_call.place) not in self._started_before:
            log.record(ToolStarted, tool_call, builtin)
        try:
            outcome = await self._use(tool_call, tool)
            if self._is_cancelling():  # the tool requested it on its own task, and swallowed it
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            if self._is_ending():
                log.record(ToolFinished, failed_outcome(tool_call, "cancelled"), builtin)
                raise
            self._forget_cancelling()
            outcome = failed_outcome(tool_call, "the tool was cancelled from within")
        except Exception as error:  # noqa: BLE001 - the agent is told of every error
            outcome = self._outcome_of(tool_call, error)
        log.record(ToolFinished, outcome, builtin)
        return outcome

    def _is_ending(self) -> bool:
        """Whether the call itself is being cancelled, and not only the tool in it."""
        return self._owner is None or self._owner.cancelling() > 0

    def _is_cancelling(self) -> bool:
        """Whether a cancellation of the current task was requested and has not surfaced."""
        task = asyncio.current_task(self._loop)
        return task is not None and task.cancelling() > 0

    def _forget_cancelling(self) -> None:
        """Let the current task continue as if it had not been cancelled."""
        task = asyncio.current_task(self._loop)
        while task is not None and task.cancelling():
            task.uncancel()

    async def _use(self, tool_call: ToolCall, tool: AnyTool | Builtin | None) -> Outcome:
        limit = self._services.setup.limits.tool_calls
        if limit is not None and tool_call.name != FINISH and tool_call.place.index >= limit:
            raise ToolError(tool_call.name, TOO_MANY_TOOL_CALLS.format(limit=limit))
        if tool_call is self._cut:
            raise ToolError(tool_call.name, CUT_OFF.format(cap=token_cap(self._model)))
        if tool is None:
            raise ToolError(
                tool_call.name, self._services.setup.explain_missing_tool(tool_call.name)
            )
        arguments = parse_arguments(tool_call.arguments)
        if isinstance(tool, Builtin):
            result = await tool.function(self._builtin_use(tool_call), arguments)
        else:
            result = await self._invoke(tool, tool_call, arguments)
        files = tuple(result.attachments or ())
        if tool_call.name != FINISH:
            return Outcome(tool_call, result.content, files)
        if isinstance(tool, Builtin) and not arguments:
            return Outcome(tool_call, self._last_reply.text, files, returns=True)
        return Outcome(tool_call, result.content, files, returns=True, data=result.data)

    def _builtin_use(self, tool_call: ToolCall) -> BuiltinUse:
        services = self._services
        place = str(tool_call.place)
        records = services.durable is not None
        tags = services.setup.tags
        return BuiltinUse(
            self._call, place, self._forwards, services.mail, tags, records, self._hidden
        )

    def _invoke(
        self, tool: AnyTool, tool_call: ToolCall, arguments: Arguments
    ) -> Coroutine[object, object, ToolResult]:
        """Use a tool of the user's, if hooks and the user's approval allow it."""
        place, hooks, asked = str(tool_call.place), self._services.hooks, itertools.count()
        if not hooks.sees_tools:
            return self._use_once(tool, place, arguments, asked)
        use = ToolUse(self._agent.name, self._call.id, tool_call.name, arguments, place)
        return hooks.tool(use, lambda changed: self._use_once(tool, place, changed, asked))

    async def _use_once(
        self, tool: AnyTool, place: str, arguments: Arguments, asked: Iterator[int]
    ) -> ToolResult:
        """Use a tool, if the user approves it; ``asked`` counts the requests for that."""
        services, call = self._services, self._call
        durable = services.durable
        if tool.needs_approval:
            # A copy: whatever holds the arguments may change them while a person decides.
            checked = tool.check(copy.deepcopy(dict(arguments)))
            asked_at = f"{place}.approval{next(asked) or ''}"
            await services.approvals.request(call, tool.name, checked.accepted, asked_at)
        else:
            checked = tool.check(arguments)
        if durable is not None:
            elsewhere = durable.elsewhere
            if elsewhere is not None and elsewhere.takes(tool.worker):
                return await elsewhere.use(call, tool, arguments, place)
            await durable.begin_tool(call, place, repeatable=tool.on_restart == "run")
        here: Here[Any] = Here(call, services, self._forwards, place)
        entered = here.enter()
        try:
            return await tool.invoke_checked(checked.values, services.threads.for_tools(call.depth))
        finally:
            here.leave(entered)

    def _outcome_of(self, tool_call: ToolCall, error: Exception) -> Outcome:
        if not isinstance(error, BadArguments | ToolError | Refuse | AgentError):
            logger.warning(
                "tool %r raised in call %s of agent %r",
                tool_call.name,
                self._call.id,
                self._agent.name,
                exc_info=error,
            )
        if isinstance(error, BrokenScript):  # of a run inside of the tool
            self._services.early_end.end_with(error)
        else:
            hide_frames(error)
        overridden = not isinstance(self._tools.get(FINISH), Builtin)
        if tool_call.name == FINISH and overridden and not isinstance(error, ToolError | Refuse):
            text = f"Error in finish override: {error}"
            return Outcome(tool_call, text, returns=True, error=error)
        return failed_outcome(tool_call, error_text(error), error)


def failed_outcome(tool_call: ToolCall, why: str, error: Exception | None = None) -> Outcome:
    """Return the outcome of a tool call that failed with ``error``."""
    return Outcome(tool_call, f"Error: {why}", is_error=True, error=error)


def error_text(error: Exception) -> str:
    """Return ``error`` as the text that an agent gets."""
    if isinstance(error, ToolError):
        return error.message
    if isinstance(error, Refuse):
        return f"refused: {error.reason}"
    kind = type(error).__name__
    if isinstance(error, RoutingError) and error.agent_name == "unknown":
        return error.message
    if isinstance(error, AgentError):
        return str(error)
    return f"{error} ({kind})" if str(error) else kind
