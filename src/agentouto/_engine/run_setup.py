"""Prepares what is constant for one run: the tools, prompts and backends of its agents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property

from agentouto._core.builtin_tools import BUILTIN_TOOL_NAMES, CALL_AGENT, READ_RESULT
from agentouto._core.prompt import introductions, shared_prompt, tag_pattern
from agentouto._core.schema import ArgumentModel
from agentouto._core.token_estimates import tool_tokens
from agentouto._domain.content import Usage
from agentouto._domain.errors import ConfigurationError
from agentouto._domain.limits import Limits
from agentouto._domain.message import USER
from agentouto._domain.participants import Agent
from agentouto._domain.ports import Backend
from agentouto._engine.builtins import (
    READ_RESULT_TOOL,
    SEARCH_TOOLS,
    SpecLists,
    builtins,
    result_check,
    toolbox,
)
from agentouto._engine.plan import Plan
from agentouto._engine.tool import AnyTool, Tool
from agentouto._engine.toolbox import Builtin, Toolbox


class RunSetup:
    """The tools, prompts and backends of one run. Each is made once, when it is first used.

    Attributes:
        limits: ``Plan.limits``; inside another run, with the lower of both for calls and replies.
        context: ``Plan.context``.
    """

    def __init__(self, plan: Plan, limits: Limits) -> None:
        self.limits: Limits = limits
        self.context: object = plan.context
        self._plan = plan
        self._lists = plan.memory.part(SpecLists)
        self._introductions = introductions(plan.participants.values())
        self._prompts: dict[tuple[str, bool], str] = {}
        self._weights: dict[int, int] = {}
        self._offer(plan.tools)

    @property
    def participant_names(self) -> Iterable[str]:
        """The names of all participants of the run."""
        return self._introductions

    @cached_property
    def tags(self) -> re.Pattern[str]:
        """Matches text that looks like the tag of a participant."""
        return tag_pattern(self._introductions)

    @cached_property
    def result_model(self) -> ArgumentModel | None:
        """The check of what a starting peer returns, if the run asks for data of a type."""
        output_type = self._plan.output_type
        return None if output_type is None else result_check(output_type)

    def add_tools(self, tools: Mapping[str, AnyTool], hidden: frozenset[str]) -> None:
        """Offer ``tools`` of sources as well. Called before the first call, never after it.

        Models are not shown those in ``hidden``, unless they cannot look for them in this run.
        """
        self._offer({**self._plan.tools, **tools}, hidden)

    def _offer(self, own: Mapping[str, AnyTool], hidden: frozenset[str] = frozenset()) -> None:
        plan = self._plan
        searches = hidden and not SEARCH_TOOLS.keys() & {*own, *plan.disabled}
        self._hidden = {name: own[name] for name in own if name in hidden} if searches else {}
        self._tools: Mapping[str, AnyTool | Builtin] = _with_builtins(plan, own)
        self._narrowed = any(tool.for_agents is not None for tool in own.values())
        self._can_read_results = READ_RESULT not in own and READ_RESULT not in plan.disabled
        self._toolboxes: dict[tuple[str, bool, bool], Toolbox] = {}
        # Now, since a tool or an output_type without a schema is refused before anything starts.
        # Agents without a type share a toolbox, unless a tool is for some of them only.
        for one in plan.participants.values():
            if isinstance(one, Agent):
                starting = one is plan.starting[0]
                differs = starting or self._narrowed or one.output_type is not None
                if differs or not self._toolboxes:
                    self.toolbox(one, starting=starting)

    def backend(self, agent: Agent) -> Backend:
        """Return the backend that sends requests to the agent's model."""
        backend = self._plan.backends.get(agent.provider_name)
        if backend is None:  # a hook has replaced the agent by one of another provider
            raise ConfigurationError(
                f"there is no provider {agent.provider_name!r} in this run; there are: "
                f"{', '.join(self._plan.backends)}"
            )
        return backend

    def cost(self, model: str, usage: Usage) -> float | None:
        """Return what a reply has cost in US dollars; ``None`` where that is unknown."""
        price = self._plan.prices.get(model)
        known = price is not None and usage.total_tokens is not None
        return round(price.of(usage), 9) if price is not None and known else None

    def weight(self, box: Toolbox) -> int:
        """Return about how many tokens the tools of ``box`` take in a request."""
        weight = self._weights.get(id(box))  # no id is reused: toolboxes live as long as the run
        if weight is None:
            weight = self._weights[id(box)] = tool_tokens(box.specs)
        return weight

    def standing_prompt(self, agent: Agent, *, starting: bool) -> str:
        """Return the part of the system prompt that is the same in every such call of ``agent``."""
        key = agent.name, starting
        prompt = self._prompts.get(key)
        if prompt is None:
            plan = self._plan
            others = self._introductions.copy()
            others.pop(agent.name, None)  # an agent that a hook has put in is not among them
            prompt = self._prompts[key] = shared_prompt(
                agent,
                "\n".join(others.values()),
                tools=self._tools,
                extra=plan.extra_instructions if starting or plan.extra_for_all else None,
                plain_text=self.toolbox(agent, starting=starting).plain_text_returns,
            )
        return prompt

    def toolbox(self, agent: Agent, *, starting: bool) -> Toolbox:
        """Return the tools of ``agent`` in a call that is a starting agent's, or is not."""
        output_type = agent.output_type
        if output_type is None and starting:
            output_type = self._plan.output_type
        # A tool result is only cut where the context window is known. Elsewhere the tool that reads
        # the rest would cost tokens in every request and never be of use.
        reads = self._can_read_results and self.backend(agent).window(agent) is not None
        # All agents without a type share a toolbox, because a backend knows a list of tools by its
        # identity and encodes it once. A tool for some agents only takes that away.
        if output_type is None:
            key = (agent.name if self._narrowed else "", False, reads)
        else:
            key = (agent.name, starting, reads)
        box = self._toolboxes.get(key)
        if box is None:
            tools = self._tools_for(agent.name)
            if reads:
                tools = {**tools, READ_RESULT: READ_RESULT_TOOL}
            hidden = {name: tool for name, tool in self._hidden.items() if name in tools}
            if hidden:
                tools = {**tools, **SEARCH_TOOLS}
            box = self._toolboxes[key] = toolbox(tools, self._lists, output_type, hidden)
        return box

    def _tools_for(self, agent_name: str) -> Mapping[str, AnyTool | Builtin]:
        if not self._narrowed:
            return self._tools
        return {
            name: tool
            for name, tool in self._tools.items()
            if isinstance(tool, Builtin) or tool.is_for(agent_name)
        }

    def explain_missing_tool(self, name: str) -> str:
        """Return the error text for an agent that called a tool which is not there."""
        if name in self._plan.disabled:
            return f"Tool '{name}' is disabled in this run."
        if name in self._introductions:
            return f"'{name}' is an agent, not a tool: {CALL_AGENT}(agent_name='{name}', ...)."
        tool = self._tools.get(name)
        if isinstance(tool, Tool) and tool.for_agents is not None:
            return f"Tool '{name}' is for {', '.join(tool.for_agents)}. Ask one of them to use it."
        own = ", ".join(tool for tool in self._tools if tool not in BUILTIN_TOOL_NAMES)
        return f"Unknown tool: '{name}'. Available tools: {own or '(none)'}"

    def explain_missing_participant(self, name: str) -> str:
        """Return the error text for an agent that called a participant which is not there."""
        if name == USER:
            return (
                "There is no 'user' to call in this run. Decide yourself, and say what you assumed."
            )
        if name in self._tools:
            return f"'{name}' is a tool, not an agent. Use it directly."
        return f"Unknown agent: '{name}'. Available agents: {', '.join(self._introductions)}"


def _with_builtins(plan: Plan, own: Mapping[str, AnyTool]) -> dict[str, AnyTool | Builtin]:
    """Return every tool of the run by name: the user's, then the built-in ones.

    A user's tool with the name of a built-in one replaces it, at its position.
    """
    builtin_tools = builtins(background=plan.background_allowed, enabled=plan.enabled)
    tools: dict[str, AnyTool | Builtin] = {
        name: tool for name, tool in own.items() if name not in builtin_tools
    }
    for name, builtin in builtin_tools.items():
        if name in own:
            tools[name] = own[name]
        elif builtin is not None and name not in plan.disabled:
            tools[name] = builtin
    return tools
