"""The effects of a running agent: carries out what the loop asks for.

The loop (``loop.py``) decides what comes next and does nothing itself. Here is what it asks for:
read mail, shorten the transcript, ask the model, call a tool, close the call.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import cast

from agentouto._core import history
from agentouto._core.prompt import (
    NO_PLAIN_TEXT,
    NUDGE,
    RETURN_REFUSED,
    UNUSABLE_REPLY,
    incoming_mail,
    limit_warning,
    system_prompt,
)
from agentouto._core.reply_checks import check_complete
from agentouto._core.schema import ArgumentModel
from agentouto._core.strict_schema import strict_schema
from agentouto._core.tool_arguments import BadArguments, json_or_text
from agentouto._domain.content import Incoming, Outcome, Reply, Stop, ToolCall, Transcript
from agentouto._domain.errors import (
    AgentError,
    ContextOverflow,
    LimitReached,
    Partial,
    ProviderError,
    Refuse,
)
from agentouto._domain.event import LimitNeared, Noted, NoteKind, Summarized
from agentouto._domain.message import Message, ToolResult
from agentouto._domain.participants import Agent
from agentouto._engine.builtins import checked_result
from agentouto._engine.call import Call
from agentouto._engine.compaction import LazyCompactor
from agentouto._engine.delivery import Delivery
from agentouto._engine.model_call import ModelCall
from agentouto._engine.services import RunServices
from agentouto._engine.side_tasks import SideTask
from agentouto._engine.tool_runner import ToolRunner
from agentouto._engine.toolbox import Forwards

MAX_PAUSES = 50
"""How often in one call a provider may pause a reply to use its own tools (Anthropic's stop reason
``pause_turn``). Each pause is a request that is paid for, and a server fault could pause forever.
"""

MIN_LOOKUP_TOKENS = 3_000
"""Below this many tokens the context window is not looked up: every model in use reads at least
that much."""


class LiveEffects:
    """The effects of one agent in one call."""

    __slots__ = (
        "_agent",
        "_call",
        "_compactor",
        "_deliveries",
        "_model_call",
        "_note",
        "_pauses",
        "_services",
        "_too_long",
        "_tool_runner",
        "_toolbox",
        "_warned",
        "_window",
        "_window_of",
        "_window_requested",
    )

    def __init__(self, call: Call, agent: Agent, services: RunServices, forwards: Forwards) -> None:
        self._call = call
        self._agent = agent
        self._services = services
        self._toolbox = box = services.setup.toolbox(agent, starting=call.is_starting)
        self._pauses = 0
        self._deliveries: Sequence[Delivery] = ()
        self._window: int | None = None
        self._window_of: Agent | None = None  # whose window it is; ``None`` if it is not known yet
        self._window_requested = False
        self._note: tuple[NoteKind, Incoming] | None = None
        self._too_long: tuple[Transcript, ContextOverflow] | None = None
        self._warned: set[str] | None = None
        self._compactor = LazyCompactor(call, services.setup, box)
        self._model_call = ModelCall(call, agent, services, box, self._compactor)
        self._tool_runner = ToolRunner(call, agent, services, box, forwards)

    def start(self) -> Transcript:
        """Return the system prompt, the history and the forward."""
        call = self._call
        forward = call.forward
        system = system_prompt(
            self._services.setup.standing_prompt(self._agent, starting=call.is_starting),
            caller=forward.sender,
            address=call.caller_address,
            tools=self._toolbox.tools,
        )
        earlier = history.history_entries(call.history, self._agent.name, forward.sender)
        return Transcript(system, (*earlier, self._compactor.forward))

    async def read_mail(self) -> tuple[Incoming, ...]:
        """Return the call's mail, and a warning for each limit that is nearly reached."""
        self._check_turns()  # first: mail that is taken out and not read would be lost
        call, services = self._call, self._services
        if self._note is not None:
            (kind, note), self._note = self._note, None
            call.log.record(Noted, kind, note.text)
        deliveries = await services.mail.read(call) if call.mailbox.has_mail() else ()
        self._deliveries = deliveries
        entries = [incoming_mail(one.message, one.sender_address) for one in deliveries]
        if services.budget is not None:
            self._warned = set() if self._warned is None else self._warned
            for limit, spent, allowed in services.budget.warnings(self._warned, call.turn):
                call.log.record(LimitNeared, limit, spent, allowed, reached=False)
                warning = limit_warning(limit, spent, allowed)
                call.log.record(Noted, "limit", warning)
                entries.append(Incoming(warning))
        return tuple(entries)

    async def compact(self, transcript: Transcript) -> Transcript:
        """Return ``transcript``, or a shorter one if it would not fit the context window."""
        window = self._context_window()
        compactor = self._compactor.compactor
        if window is None and (compactor is None or compactor.window_bound is None):
            return transcript
        compactor = self._compactor.get(transcript.system)
        before = compactor.size(transcript)
        fitting = await compactor.fit(transcript, window, self._model_call.summarize)
        if summary := compactor.take_summary():
            self._call.log.record(Summarized, summary, before, compactor.size(fitting))
        return fitting

    async def ask_model(self, transcript: Transcript) -> Reply | None:
        """Send the transcript to the agent's model; return ``None`` if it proves too long."""
        if self._too_long is not None and self._too_long[0] is transcript:
            raise self._too_long[1]  # ``compact`` could not shorten it
        model_call, call = self._model_call, self._call
        asking = model_call.ask(transcript)
        while True:
            try:
                reply = await asking
                break
            except ContextOverflow as error:
                if model_call.broke_off:
                    raise
                self._too_long = transcript, error
                self._compactor.get(transcript.system).overflowed(transcript)
                await self._find_window_now()
                return None
            except ProviderError as error:
                asking = model_call.ask_stand_in(transcript, error)
        call.turn += 1
        check_complete(reply, model_call.model, call.id)
        read = reply.usage.input_tokens
        if (compactor := self._compactor.compactor) is not None:
            compactor.fits()
            compactor.report(transcript, read)
        elif read is not None and read >= MIN_LOOKUP_TOKENS and not self._window_requested:
            self._window_requested = True
            self._find_window(model_call.model)
        self._tool_runner.begin_reply(reply, model_call.model)
        return reply

    def is_quick(self, tool_call: ToolCall) -> bool:
        """Whether the tool never waits and runs none of the user's code."""
        return self._tool_runner.is_quick(tool_call)

    def call_tool(self, tool_call: ToolCall) -> Coroutine[object, object, Outcome]:
        """Use one tool and return the outcome."""
        return self._tool_runner.run(tool_call)

    def interpret(self, reply: Reply) -> ToolResult | Incoming | None:
        """Return the result in a reply without tool calls, or a message for the agent instead."""
        result_model, text = self._toolbox.result_model, reply.text
        if reply.stop is Stop.PAUSED:
            self._count_pause(reply)
            return None
        if not text.strip():
            return self._noted("nudge", NUDGE)
        if result_model is None:
            if self._toolbox.plain_text_returns:
                return ToolResult(text)
            return self._noted("form", Incoming(UNUSABLE_REPLY.format(why=NO_PLAIN_TEXT)))
        try:
            return _returned_in_text(result_model, json_or_text(text))
        except BadArguments as error:
            return self._noted("form", Incoming(UNUSABLE_REPLY.format(why=error.message)))

    async def close(self, result: ToolResult) -> ToolResult | Incoming | None:
        """Close the mailbox and return ``result`` as the user's hook allows it to be returned.

        If the hook refuses it, the message about that is returned, and the mailbox stays open. If
        mail has just arrived, it stays open as well, and ``None`` is returned.
        """
        hooks, call = self._services.hooks, self._call
        if hooks.sees_returns:
            caller, files = call.forward.sender, result.attachments
            message = Message("return", call.name, caller, result.content, call.id, files)
            try:
                seen = await hooks.returned(message)
            except Refuse as refusal:
                refused = Incoming(RETURN_REFUSED.format(reason=refusal.reason))
                return self._noted("refused", refused)
            if seen is not message:
                data = result.data if seen.content == result.content else None
                result = ToolResult(seen.content, seen.attachments, data=data)
        return result if call.mailbox.close_if_empty() else None

    def _context_window(self) -> int | None:
        """Return the model's context window; an unknown one is looked for again once requested."""
        model = self._model_call.model
        if self._window_of is not model or (self._window is None and self._window_requested):
            self._window_of = model
            self._window = self._services.setup.backend(model).window(model)
        return self._window

    async def _find_window_now(self) -> None:
        """Look an unknown window up before the transcript is shortened to fit it.

        The error may have named it; then the backend knows it by now.
        """
        model, self._window_of = self._model_call.model, None
        backend = self._services.setup.backend(model)
        if backend.window(model) is None:
            await backend.find_window(model)

    def _find_window(self, model: Agent) -> None:
        """Start to look up the context window of ``model``, while the run goes on."""
        backend = self._services.setup.backend(model)
        self._services.side_tasks.start(SideTask.SEARCH, lambda: backend.find_window(model))

    def _noted(self, kind: NoteKind, note: Incoming) -> Incoming:
        """Return what the agent is told, and record it when the next request has it."""
        self._note = kind, note
        return note

    def _check_turns(self) -> None:
        turns, call = self._services.setup.limits.turns, self._call
        if turns is not None and call.turn >= turns:
            call.log.record(LimitNeared, "turns", call.turn, turns, reached=True)
            raise LimitReached(self._agent.name, "turns", turns, call_id=call.id)

    def _count_pause(self, reply: Reply) -> None:
        self._pauses += 1
        if self._pauses > MAX_PAUSES:
            why = f"its model was paused by the provider more than {MAX_PAUSES} times"
            error = AgentError(self._agent.name, why, call_id=self._call.id)
            error.partial = Partial(text=reply.text)
            raise error


def _returned_in_text(result_model: ArgumentModel, value: object) -> ToolResult:
    """Return the result in a reply of text alone: the value, or ``{"result": value}``.

    A provider that enforces a schema returns the second form, so that is tried first where the
    schema has a strict form. Elsewhere an object with the one key ``result`` is first taken as the
    value itself.
    """
    wrapped = {"result": value}
    if not isinstance(value, dict) or value.keys() != {"result"}:
        return checked_result(result_model, wrapped)
    inside = cast("dict[str, object]", value)
    promised = strict_schema(result_model.spec.parameters) is not None
    first, second = (inside, wrapped) if promised else (wrapped, inside)
    try:
        return checked_result(result_model, first)
    except BadArguments as error:
        try:
            return checked_result(result_model, second)
        except BadArguments:
            raise error from None
