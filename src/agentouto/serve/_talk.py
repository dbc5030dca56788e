"""Keeps runs that wait for their user, or for a tool of their caller, between two requests.

A front answers one request with what a run does until it ends or waits for its caller. A later
request brings the answer, and the front goes on reading where it stopped.

* ``Talk`` is one run. ``Talk.lines`` reads it up to where it waits.
* ``Talks`` in ``_talks.py`` keeps those that wait.

The engine knows none of it: a talk is ``Team.start`` with an ``ask_user`` function that waits, and
with tools that wait.

How a reader learns of a question: the line ``ask`` is written before hooks see the forward, so it
is no promise that the user is asked. ``_ask`` is called when it is certain. It reports progress of
its call, which the reader gets as a line ``tool.progress`` with the id; there the reader stops. The
reader meets several open questions one after the other, because their lines are in order. A use of
a caller's tool is found in the same way. Those that the same reply of a model has asked for begin
in the same turns of the event loop, so the reader waits for a few of these, and then has all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from agentouto import (
    Approval,
    Message,
    Options,
    RunResult,
    Team,
    Tool,
    ToolResult,
    here,
)
from agentouto.serve._saved_talks import SavedTalk, TalkIdentity
from agentouto.serve._teams import StartingParticipants, has_user, is_agent, with_tools
from agentouto.serve._waiting import CallerTool, CallerToolUse, Consent, Question

TURNS_FOR_TOOLS = 20
"""Turns of the event loop in which uses of tools begin that were asked for together. A use that
begins later is met by the next request."""


class Talk:
    """A run of a team that may wait for its user. It belongs to the loop in which it was made.

    Args:
        team: The team. If it has an ``ask_user`` or a user of its own, that one is asked.
        message: The user's message.
        starting: The starting participants; ``None`` for those of the team.
        options: More options of the run.
        tools: Tools that the caller carries out.
        approves: Whether the user is asked to approve uses of tools, if the team has no ``approve``
            of its own. Without either, they are refused.
        identity: What the run is found by in the journal of the team.
        saved: The run of the journal that is gone on with, instead of a new one.

    Attributes:
        lines_before: Of a run that is gone on with, what had happened before.
        question: The question that the run waits with, or ``None``.
        consent: The request for an approval that the run waits with, or ``None``.
        tool_uses: The uses of tools of the caller's that it waits for.
        ended: Whether the run has ended and was read to its end.

    Raises:
        ConfigurationError: The team cannot run so.
    """

    def __init__(
        self,
        team: Team,
        message: str,
        starting: StartingParticipants | None,
        options: Options,
        tools: Sequence[CallerTool] = (),
        *,
        approves: bool = False,
        identity: TalkIdentity | None = None,
        saved: SavedTalk | None = None,
    ) -> None:
        every: Options = {**options}
        self._identity = identity if saved is None else saved.identity
        if self._identity is not None:
            every["run_id"] = self._identity.run_id
        self._skips = saved is not None
        self._answers: dict[str, ToolResult] = {}
        self.lines_before: Sequence[Mapping[str, object]] = () if saved is None else saved.lines
        if not has_user(team):
            every["ask_user"] = self._ask
        self._approves = approves and team.options.get("approve") is None
        if self._approves:
            every["approve"] = self._approve
        starters = [each.name for each in starting or team.starting_agents if is_agent(each)]
        if tools and starters:
            team = with_tools(team, [self._as_tool(each, starters) for each in tools])
        self._stream = team.start(message, starting, **every)
        self._lines = self._stream.lines()
        self._met: dict[str, Question | CallerToolUse] = {}
        self._handed_out: set[Question | CallerToolUse | None] = set()
        self._decisions: dict[str, asyncio.Future[bool]] = {}
        self._begun = False
        self.consent: Consent | None = None
        self.question: Question | None = None
        self.tool_uses: tuple[CallerToolUse, ...] = ()
        self.ended: bool = False

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._stream.id

    @property
    def waits_for(self) -> str | None:
        """The id of what the run waits for, or ``None``; of several tools the first."""
        if self.tool_uses:
            return self.tool_uses[0].id
        if self.consent is not None:
            return self.consent.id
        return None if self.question is None else self.question.id

    @property
    def is_open(self) -> bool:
        """Whether what the run waits for can still be given."""
        if self.tool_uses:
            return any(use.is_open for use in self.tool_uses)
        if self.consent is not None:
            return self.consent.is_open
        return self.question is not None and self.question.is_open

    async def lines(self) -> AsyncGenerator[Mapping[str, object]]:
        """Yield the lines that were not read yet, up to where the run waits, or its end.

        Afterwards ``question``, ``consent`` or ``tool_uses`` is set, or ``ended`` is true. What the
        run raises is raised.
        """
        if not self._begun:
            self._begun = True
            await self._stream.__aenter__()  # it goes on while it is not read
        self.question = self.consent = None
        self.tool_uses = ()
        async for line in self._lines:
            if self._skips:  # it has been told, before the server was restarted
                self._skips = line["type"] != "run.resumed"
                continue
            if line["type"] == "tool.progress":
                met = self._met.pop(str(line["text"]), None)
                if met in self._handed_out:
                    continue
                if isinstance(met, Question) and met.is_open:
                    self.question = met
                    return
                if isinstance(met, CallerToolUse) and met.is_open:
                    self.tool_uses = (met, *await self._more_tool_uses())
                    return
                if met is not None:
                    continue
            yield line
            if self._approves and line["type"] == "ask" and line["kind"] == "approval":
                self.consent = self._consent(line)
                return
        self.ended = True

    async def result(self) -> RunResult:
        """Return the result of a run that has ended, or raise what it raised."""
        return await self._stream.result()

    def send(self, message: str) -> None:
        """Send a message to the starting agents that still run."""
        self._stream.send(message)

    def cancel(self, reason: str) -> None:
        """Stop the run, without waiting for its end."""
        self._stream.cancel(reason)

    async def aclose(self) -> None:
        """Stop the run, if it has not ended, and wait until it has."""
        await self._stream.aclose()

    def prepare_answer(self, call_id: str, answer: ToolResult) -> None:
        """Give the answer to a question that a run of the journal will ask again."""
        self._answers[call_id] = answer

    @property
    def survives(self) -> bool:
        """Whether a journal has the run, so that it can be left and gone on with."""
        return self._identity is not None

    async def _ask(self, message: Message) -> ToolResult:
        answer = self._answers.pop(message.call_id, None)
        if answer is not None:
            return answer
        question = Question(message)
        if self._identity is not None:
            question = Question(message, self._identity.question_id(message.call_id))
        self._met[question.id] = question
        here().progress(question.id)
        return await question.wait()

    async def _approve(self, approval: Approval) -> bool:
        return await self._decision(approval.id)

    def _decision(self, id_: str) -> asyncio.Future[bool]:
        """Return what decides on the approval ``id_``: its line may be read before it is asked."""
        return self._decisions.setdefault(id_, asyncio.get_running_loop().create_future())

    def _consent(self, line: Mapping[str, object]) -> Consent:
        place, text = str(line.get("tool_call", "")), str(line["text"])
        return Consent(str(line["parent"]), place, text, self._decision(str(line["call"])))

    def _as_tool(self, tool: CallerTool, agents: Sequence[str]) -> Tool[..., object]:
        async def use(arguments: Mapping[str, object]) -> ToolResult:
            code = here()
            asked = CallerToolUse(code.name, code.call_id, tool.name, arguments)
            self._met[asked.id] = asked
            code.progress(asked.id)
            return await asked.wait()

        return tool.with_function(use, agents)

    async def _more_tool_uses(self) -> list[CallerToolUse]:
        """Return the uses that have begun beside the first one."""
        for _ in range(TURNS_FOR_TOOLS):
            await asyncio.sleep(0)
        more = [
            each
            for each in self._met.values()
            if isinstance(each, CallerToolUse) and each.is_open and each not in self._handed_out
        ]
        self._handed_out.update(more)
        return more
