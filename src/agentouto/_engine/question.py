"""One agent's way to its model: asking, telling what is heard, and asking for a summary.

It counts what is asked, tries the agent's stand-ins, and lets the user's hook have its way. What
the answers mean is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import TypeAlias

import msgspec

from agentouto._core.assemble import ReplyBuilder
from agentouto._core.identity import placed
from agentouto._core.prompt import SUMMARIZE
from agentouto._core.tokens import of_entry, of_text
from agentouto._core.verdict import whole
from agentouto._domain.content import Incoming, Reply, Stop, Transcript, Usage
from agentouto._domain.delta import Delta, ReasoningDelta, RetryDelta, TextDelta
from agentouto._domain.errors import (
    AgentError,
    AuthError,
    Partial,
    ProviderError,
    QuotaExhausted,
    Refuse,
)
from agentouto._domain.event import Broken, ModelAsked, Replied, Retried, Spent, Thinking, Token
from agentouto._domain.hooks import ModelUse, Summary
from agentouto._domain.participants import Agent
from agentouto._domain.ports import Draft, ModelRequest
from agentouto._engine.call import Call
from agentouto._engine.limits import Admission
from agentouto._engine.log import Telling
from agentouto._engine.offices import Offices, Toolbox

SUMMARY_WORDS = 400

Size: TypeAlias = Callable[[Transcript], int]


class Question:
    """What one call asks its model.

    Attributes:
        begun: Whether the last reply broke off when something had been said.
    """

    __slots__ = (
        "_agent",
        "_call",
        "_draft",
        "_offices",
        "_stand_ins",
        "_taken",
        "_toolbox",
        "begun",
    )

    def __init__(
        self,
        call: Call,
        agent: Agent,
        offices: Offices,
        toolbox: Toolbox,
    ) -> None:
        self._call = call
        self._agent = agent
        self._offices = offices
        self._toolbox = toolbox
        self._draft = Draft()
        self._taken: set[str] = set()
        self._stand_ins = agent.stand_ins() if agent.fallback else (agent,)
        self.begun = False

    @property
    def model(self) -> Agent:
        """The agent with the model that is asked at present."""
        return self._stand_ins[0]

    async def ask(self, transcript: Transcript, size: Size) -> Reply:
        """Put ``transcript`` to the agent's model, or to the next one if that is not to be had.

        ``size`` tells how large it is, where somebody has to know and its provider does not say.
        """
        while True:
            model = self._stand_ins[0]
            seen = self._offices.watch.sees_models
            try:
                reply = await (self._reply if seen else self._hear)(transcript, model, size)
            except ProviderError as error:
                gone = error.retryable or isinstance(error, QuotaExhausted)
                if not gone or self.begun or len(self._stand_ins) == 1:
                    raise
                self._stand_ins = self._stand_ins[1:]
                told = Retried(self._call.stamp, self._offices.world.now(), 1, 0.0, str(error))
                self._offices.log.append(told)
            else:
                self._call.turn += 1
                return whole(reply, model, self._call.id)

    async def summarize(self, system: str, text: str, before: int) -> str:
        """Ask the agent's own model what is worth knowing of ``text``; empty if it does not say.

        ``before`` is how many tokens there are without the summary.
        """
        call, offices = self._call, self._offices
        question = Incoming(SUMMARIZE.format(text=text, words=SUMMARY_WORDS))
        asked = Transcript(system, (question,))
        builder = ReplyBuilder(self.model.provider_name)
        admission = self._admission()
        try:
            request = ModelRequest(
                self.model,
                asked,
                (),
                Draft(),
                call.id,
                call.turn,
                call.path,
                admit=admission,
                summary=True,
            )
            await self._listen(request, builder, None)
            reply = builder.finish()
            offices.log.append(Spent(call.stamp, offices.world.now(), reply.usage))
            self._count(reply, request.agent, lambda: of_text(asked.system) + of_entry(question))
        except (ProviderError, AuthError):
            return ""  # the agent goes on without; if its model is gone, it will hear of it itself
        finally:
            if admission is not None:
                admission.land()
        if reply.stop is Stop.REFUSED:
            return ""
        summary = Summary(self._agent.name, call.id, reply.text, text, before)
        try:
            return (await offices.watch.summary(summary)).strip()
        except Refuse:
            return ""

    async def _reply(self, transcript: Transcript, model: Agent, size: Size) -> Reply:
        """Return what the user's hook makes of the model's reply."""
        offices, call = self._offices, self._call
        heard: list[Reply] = []

        async def ask(agent: Agent) -> Reply:
            reply = await self._hear(transcript, agent, size)
            heard.append(reply)
            return reply

        try:
            use = ModelUse(model, call.id, call.turn, transcript)
            reply = await offices.watch.model(use, ask)
        except Refuse as refusal:
            why = f"was not allowed to ask its model: {refusal.reason}"
            raise AgentError(self._agent.name, why, call_id=call.id) from refusal
        if any(reply is one for one in heard):
            return reply
        # somebody else's words: no provider has sealed them, and what was spent is counted
        reply = placed(msgspec.structs.replace(reply, native=None), call.turn, self._taken)
        free = msgspec.structs.replace(reply, usage=Usage())
        offices.log.append(Replied(call.stamp, offices.world.now(), free))
        return reply if heard else free

    async def _hear(self, transcript: Transcript, model: Agent, size: Size) -> Reply:
        """Stream one reply, telling the log every word of it."""
        offices, call, box = self._offices, self._call, self._toolbox
        log, now = offices.log, offices.world.now
        builder = ReplyBuilder(model.provider_name)
        admission = self._admission()
        request = ModelRequest(
            model,
            transcript,
            box.specs,
            self._draft,
            call.id,
            call.turn,
            call.path,
            box.promise,
            admission,
        )
        log.append(ModelAsked(call.stamp, now(), model.model))
        telling = log.tell()
        self.begun = False
        try:
            await self._listen(request, builder, telling)
            reply = placed(builder.finish(), call.turn, self._taken)
            telling.end(Replied(call.stamp, now(), reply))
            self._count(reply, model, lambda: size(transcript))
        except (ProviderError, AuthError, asyncio.CancelledError) as error:
            self.begun = builder.begun
            if builder.begun:
                telling.end(Broken(call.stamp, now(), builder.parts()))
            if not isinstance(error, asyncio.CancelledError):
                error.partial = Partial(text=builder.text())
            raise
        else:
            return reply
        finally:
            if admission is not None:
                admission.land()

    async def _listen(
        self, request: ModelRequest, builder: ReplyBuilder, telling: Telling | None
    ) -> None:
        """Take in one reply, and tell of it if it is to be told."""
        backend = self._offices.backend(request.agent)
        async with aclosing(backend.stream(request)) as stream:
            async for deltas in stream:
                for delta in deltas:
                    builder.add(delta)
                    self._tell(telling, delta)

    def _tell(self, telling: Telling | None, delta: Delta) -> None:
        if isinstance(delta, TextDelta):
            if telling is not None and telling.listeners and delta.text:
                telling.say(Token(self._call.stamp, self._offices.world.now(), delta.text))
        elif isinstance(delta, ReasoningDelta):
            if telling is not None and telling.listeners and delta.text:
                telling.say(Thinking(self._call.stamp, self._offices.world.now(), delta.text))
        elif isinstance(delta, RetryDelta):
            stamp, now = self._call.stamp, self._offices.world.now()
            told = Retried(stamp, now, delta.attempt, delta.wait, delta.error)
            self._offices.log.append(told)

    def _admission(self) -> Admission | None:
        pot = self._offices.pot
        return None if pot is None else pot.admission(self._call.stamp)

    def _count(self, reply: Reply, model: Agent, size: Callable[[], int]) -> None:
        pot = self._offices.pot
        if pot is not None:
            pot.spend(model.model, reply.usage, lambda: Usage(size(), of_entry(reply)))
