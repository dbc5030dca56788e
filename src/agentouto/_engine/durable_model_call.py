"""The requests of one call to its model, in a run with a journal: no reply is asked for twice."""

from __future__ import annotations

from collections import deque

from agentouto._domain.content import Reply, Transcript
from agentouto._domain.kept_event import HookReplaced
from agentouto._domain.participants import Agent
from agentouto._engine.call import Call
from agentouto._engine.compaction import LazyCompactor
from agentouto._engine.model_call import ModelCall
from agentouto._engine.past import PastCall
from agentouto._engine.services import RunServices
from agentouto._engine.toolbox import Toolbox


class DurableModelCall(ModelCall):
    """The requests of one call to its model; see ``ModelCall``."""

    __slots__ = ("_asked", "_earlier", "_past")

    def __init__(
        self,
        call: Call,
        agent: Agent,
        services: RunServices,
        toolbox: Toolbox,
        compactor: LazyCompactor,
        past: PastCall,
    ) -> None:
        super().__init__(call, agent, services, toolbox, compactor)
        self._past = past
        self._earlier: deque[Reply] = deque()
        self._asked: list[Reply] = []

    async def ask(self, transcript: Transcript) -> Reply:
        """Return the reply of this turn from the journal, or ask the model."""
        turn = self._past.at(self._call.turn)
        if turn is None:
            return await super().ask(transcript)
        for _ in range(min(turn.switches, len(self._stand_ins))):
            self._switch()
        turn.switches = 0
        earlier = [one.id for replied in turn.replies for one in replied.reply.tool_calls]
        self._taken_ids = {*(self._taken_ids or ()), *earlier}
        settled = turn.settled(hooked=self._services.hooks.sees_models)
        if settled is not None:
            return settled.reply
        self._earlier = deque(replied.reply for replied in turn.replies if replied.model)
        return await super().ask(transcript)

    async def summarize(self, system: str, text: str, before: int) -> str:
        """Return a summary that was paid for before, as the hook lets it pass, or ask for one."""
        turn = self._past.at(self._call.turn)
        if turn is not None and turn.summaries:
            return await self._passed_summary(turn.summaries.pop(0), text, before)
        return await super().summarize(system, text, before)

    async def _ask_through_hook(self, transcript: Transcript, model: Agent) -> Reply:
        """Return the reply that the hook returns, and record which one that is."""
        self._asked = []
        reply = await super()._ask_through_hook(transcript, model)
        which = next((n for n, one in enumerate(self._asked) if one is reply), None)
        if which is not None:
            self._call.log.record(HookReplaced, self._call.turn, which)
        return reply

    async def _stream_reply(self, transcript: Transcript, model: Agent) -> Reply:
        earlier = self._earlier
        reply = earlier.popleft() if earlier else await super()._stream_reply(transcript, model)
        self._asked.append(reply)
        return reply
