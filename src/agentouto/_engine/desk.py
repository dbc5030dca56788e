"""The desk an agent really works at: a model, tools, and a log for whoever reads."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import TypeGuard

from agentouto._core import history
from agentouto._core.arguments import BadArguments, parse_arguments, read_json
from agentouto._core.prompt import (
    APPROVE,
    FINISH,
    NOT_PLAIN,
    NOT_RETURNED,
    NUDGE,
    TOO_MANY_TOOL_CALLS,
    WRONG_FORM,
    YES,
    letter,
    system_prompt,
)
from agentouto._core.schema import render
from agentouto._core.tokens import of_text
from agentouto._domain.content import (
    Incoming,
    Outcome,
    Reply,
    Returned,
    Stop,
    ToolCall,
    Transcript,
)
from agentouto._domain.errors import (
    AgentError,
    ContextOverflow,
    LimitReached,
    Partial,
    Refuse,
    RoutingError,
    ToolError,
)
from agentouto._domain.event import Summarized, ToolFinished, ToolStarted
from agentouto._domain.hooks import ToolUse
from agentouto._domain.message import USER, Message, ToolResult
from agentouto._domain.participants import Agent
from agentouto._engine.builtins import returned_as
from agentouto._engine.call import Call
from agentouto._engine.fit import Fitter
from agentouto._engine.offices import AnyTool, Builtin, Offices
from agentouto._engine.question import Question

MOST_PAUSES = 50
"""How often in one call a provider may pause a reply to work with tools of its own."""


WORTH_ASKING = 3_000
"""From so many tokens on it is worth to ask how many a model can read: there are none for fewer."""


class LiveDesk:
    """One agent, one call."""

    __slots__ = (
        "_agent",
        "_asked",
        "_call",
        "_fitter",
        "_looked",
        "_offices",
        "_owner",
        "_pauses",
        "_question",
        "_said",
        "_too_long",
        "_toolbox",
        "_tools",
        "_warned",
        "_window",
    )

    def __init__(self, call: Call, agent: Agent, offices: Offices) -> None:
        self._call = call
        self._agent = agent
        self._offices = offices
        self._pauses = 0
        self._said = ""
        self._owner: asyncio.Task[object] | None = None
        self._toolbox = offices.toolbox(agent, starting=call.parent is None)
        self._tools = self._toolbox.tools
        self._window: tuple[Agent, int | None] | None = None
        self._looked = False
        self._too_long: tuple[Transcript, ContextOverflow] | None = None
        self._warned: set[str] | None = None
        self._asked = Incoming("")
        self._fitter: Fitter | None = None
        self._question = Question(call, agent, offices, self._toolbox)

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
        self._asked = asked = Incoming(forward.content, tuple(forward.attachments or ()))
        return Transcript(system, (*history.entries(call.history, self._agent.name), asked))

    async def mail(self) -> tuple[Incoming, ...]:
        """Take the call's mail, and a word on each limit that is nearly reached."""
        self._check_turns()  # before the mail: what no model reads goes back
        call, offices = self._call, self._offices
        heard = [letter(one.message, one.sender_address) for one in await offices.mail.read(call)]
        if offices.pot is not None:
            self._warned = set() if self._warned is None else self._warned
            heard += map(Incoming, offices.pot.warnings(self._warned, call.turn))
        return tuple(heard)

    async def fit(self, transcript: Transcript) -> Transcript:
        """Return ``transcript``, or a shorter one if the model could not read it."""
        window = self._known_window()
        if window is None and (self._fitter is None or self._fitter.learned is None):
            return transcript
        fitter = self._fitted(transcript.system)
        before = fitter.size(transcript)
        fitting = await fitter.fit(transcript, window, self._question.summarize)
        if summary := fitter.take_summary():
            stamp, now = self._call.stamp, self._offices.world.now()
            told = Summarized(stamp, now, summary, before, fitter.size(fitting))
            self._offices.log.append(told)
        return fitting

    async def ask(self, transcript: Transcript) -> Reply | None:
        """Put the transcript to the agent's model; ``None`` if it turns out to be too long."""
        if self._too_long is not None and self._too_long[0] is transcript:
            raise self._too_long[1]  # it could not be made any shorter
        try:
            reply = await self._question.ask(transcript, self._size)
        except ContextOverflow as error:
            if self._question.begun:
                raise
            self._too_long = transcript, error
            self._fitted(transcript.system).overflowed(transcript)
            return None
        read = reply.usage.input_tokens
        if self._fitter is not None:
            self._fitter.fits()
            self._fitter.report(transcript, read)
        elif read is not None and read >= WORTH_ASKING and not self._looked:
            self._looked = True
            self._offices.find_window(self._question.model)
        self._said = reply.text
        return reply

    def is_quick(self, tool_call: ToolCall) -> bool:
        """Whether to act on it takes no waiting and none of the user's code."""
        tool = self._tools.get(tool_call.name)
        return isinstance(tool, Builtin) and tool.quick

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
                cut_off = ToolFinished(
                    stamp, offices.world.now(), failed(tool_call, "cancelled"), builtin
                )
                offices.log.append(cut_off)
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

    async def leave(self, said: Returned) -> Returned | Incoming | None:
        """Return ``said`` as it may go out, and close the mailbox; or what keeps the agent.

        ``None`` is mail: somebody has just written.
        """
        watch, call = self._offices.watch, self._call
        if watch.sees_returns:
            files = list(said.attachments)
            caller = call.forward.sender
            message = Message("return", call.name, caller, said.content, call.id, files)
            try:
                seen = await watch.returned(message)
            except Refuse as refusal:
                return Incoming(NOT_RETURNED.format(reason=refusal.reason))
            if seen is not message:
                data = said.data if seen.content == said.content else None
                said = Returned(seen.content, tuple(seen.attachments or ()), data)
        return said if call.mailbox.close_if_empty() else None

    def _size(self, transcript: Transcript) -> int:
        return self._fitted(transcript.system).size(transcript)

    def _fitted(self, system: str) -> Fitter:
        """Return who knows how large the transcript is; few calls are so large that it matters."""
        fitter = self._fitter
        if fitter is None:
            box = self._toolbox
            standing = of_text(system) + self._offices.weight(box)
            fitter = Fitter(self._call, self._asked, standing, readable=box.reads_results)
            self._fitter: Fitter | None = fitter
        return fitter

    def _known_window(self) -> int | None:
        """Return how much the model can read; asked once for each, and while nobody knows."""
        model, known = self._question.model, self._window
        if known is None or known[0] is not model or (known[1] is None and self._looked):
            known = self._window = model, self._offices.backend(model).window(model)
        return known[1]

    def _check_turns(self) -> None:
        turns, call = self._offices.limits.turns, self._call
        if turns is not None and call.turn >= turns:
            raise LimitReached(self._agent.name, "turns", turns, call_id=call.id)

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

    async def _use(self, tool_call: ToolCall) -> Outcome:
        offices = self._offices
        tool = self._tools.get(tool_call.name)
        self._check_count(tool_call)
        if tool is None:
            raise ToolError(tool_call.name, offices.why_no_tool(tool_call.name))
        arguments = parse_arguments(tool_call.arguments)
        if isinstance(tool, Builtin):
            result = await tool.do(offices, self._call, tool_call.place, arguments)
        else:
            result = await self._invoke(tool, tool_call, arguments)
        files = tuple(result.attachments or ())
        if tool_call.name != FINISH:
            return Outcome(tool_call, result.content, files)
        if isinstance(tool, Builtin) and not arguments:
            return Outcome(tool_call, self._said, files, returns=True)
        data = result.data if isinstance(result, Returned) else None
        return Outcome(tool_call, result.content, files, returns=True, data=data)

    async def _invoke(
        self, tool: AnyTool, tool_call: ToolCall, arguments: Mapping[str, object]
    ) -> ToolResult:
        """Use a tool of the user's, as hooks and the user's approval allow."""
        offices = self._offices
        times = itertools.count()

        async def do(arguments: Mapping[str, object]) -> ToolResult:
            if tool.needs_approval:
                await self._approved(tool_call, arguments, next(times))
            return await tool.invoke(arguments, offices.threads)

        if not offices.watch.sees_tools:
            return await do(arguments)
        use = ToolUse(self._agent.name, self._call.id, tool_call.name, arguments)
        return await offices.watch.tool(use, do)

    async def _approved(
        self, tool_call: ToolCall, arguments: Mapping[str, object], again: int
    ) -> None:
        """Ask the user, as any peer is asked; ``Refuse`` unless the answer is yes.

        ``again`` is how often it was asked for this tool call before: a hook may use it twice.
        """
        if not self._offices.person.answers:
            raise Refuse("it needs the user's approval, and this run has no ask_user to ask with")
        question = APPROVE.format(
            agent=self._agent.name, tool=tool_call.name, arguments=render(arguments)
        )
        place = f"{tool_call.place}.approval{again or ''}"
        said = await self._offices.call(USER, question, by=self._call, place=place, history=())
        if said.content.strip().rstrip(".!").lower() not in YES:
            raise Refuse(f"the user did not approve of it, and said: {said.content!r}")

    def _check_count(self, tool_call: ToolCall) -> None:
        most = self._offices.limits.tool_calls
        if most is not None and tool_call.name != FINISH:
            number = tool_call.place.rpartition(".")[2]
            if number.isdecimal() and int(number) >= most:
                raise ToolError(tool_call.name, TOO_MANY_TOOL_CALLS.format(most=most))

    def _mishap(self, tool_call: ToolCall, error: Exception) -> Outcome:
        overridden = not isinstance(self._tools.get(FINISH), Builtin)
        if tool_call.name == FINISH and overridden and not isinstance(error, ToolError | Refuse):
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
    if isinstance(error, Refuse):
        return f"refused: {error.reason}"
    kind = type(error).__name__
    if isinstance(error, RoutingError) and error.agent_name == "unknown":
        return error.message
    if isinstance(error, AgentError):
        return str(error)
    return f"{error} ({kind})" if str(error) else kind
