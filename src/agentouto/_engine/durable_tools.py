"""Carries out the tool calls of an agent in a run with a journal: none that was carried out."""

from __future__ import annotations

import copy

import msgspec

from agentouto._core.tool_arguments import BadArguments, parse_arguments
from agentouto._domain.content import Outcome, ToolCall
from agentouto._domain.message import ToolResult
from agentouto._domain.participants import Agent
from agentouto._engine.builtins import checked_result
from agentouto._engine.call import Call
from agentouto._engine.here import Here
from agentouto._engine.interrupted import end_open_calls, settle_interrupted
from agentouto._engine.past import PastCall
from agentouto._engine.services import RunServices
from agentouto._engine.tool import AnyTool
from agentouto._engine.tool_runner import ToolRunner
from agentouto._engine.toolbox import Arguments, Forwards, Toolbox


class DurableToolRunner(ToolRunner):
    """Carries out the tool calls of one call; see ``ToolRunner``."""

    __slots__ = ("_box", "_past")

    def __init__(
        self,
        call: Call,
        agent: Agent,
        services: RunServices,
        toolbox: Toolbox,
        forwards: Forwards,
        past: PastCall,
    ) -> None:
        super().__init__(call, agent, services, toolbox, forwards)
        self._box = toolbox
        self._past = past
        self._started_before = past.started_tools

    def has_outcome(self, tool_call: ToolCall) -> bool:
        """Whether the outcome is recorded."""
        outcomes = self._past.outcomes
        return bool(outcomes) and str(tool_call.place) in outcomes

    async def run(self, tool_call: ToolCall) -> Outcome:
        """Return the recorded outcome, or use the tool."""
        outcomes = self._past.outcomes
        outcome = outcomes.get(str(tool_call.place)) if outcomes else None
        if outcome is None:
            return await super().run(tool_call)
        return msgspec.structs.replace(
            outcome, tool_call=tool_call, data=self._data_of(outcome, tool_call)
        )

    def _data_of(self, outcome: Outcome, tool_call: ToolCall) -> object:
        """Return the value that the outcome stands for: it is not recorded, but made again."""
        form = self._box.result_model
        if outcome.data is not None or not outcome.returns or form is None:
            return outcome.data
        try:
            return checked_result(form, parse_arguments(tool_call.arguments)).data
        except BadArguments:
            return None

    async def _invoke(self, tool: AnyTool, tool_call: ToolCall, arguments: Arguments) -> ToolResult:
        durable, started = self._services.durable, self._past.started_tools
        elsewhere = None if durable is None else durable.elsewhere
        goes_on = elsewhere is not None and elsewhere.takes(tool.worker)  # its run is found again
        if goes_on or not started or (place := str(tool_call.place)) not in started:
            return await super()._invoke(tool, tool_call, arguments)
        if place in self._past.begun or tool.on_restart == "run":
            checked = tool.check(copy.deepcopy(dict(arguments)))
            shown = checked.accepted, checked.values
            here: Here[object] = Here(self._call, self._services, self._forwards, place)
            use = tool.name, place
            found = await settle_interrupted(
                self._call, self._services, tool.on_restart, use, shown, here
            )
            if found is not None:
                end_open_calls(self._call, self._services, place)
                return found
        try:
            return await super()._invoke(tool, tool_call, arguments)
        finally:
            end_open_calls(self._call, self._services, place)
