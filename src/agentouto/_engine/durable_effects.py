"""The effects of an agent in a run with a journal: what was done before is taken from the journal.

Every effect either recalls what an earlier process has recorded, and brings the live effects into
the state that this has led to, or is carried out and recorded. Recalling records nothing.
"""

from __future__ import annotations

import msgspec

from agentouto._core.saved_errors import restored_error, save_error
from agentouto._domain.content import (
    Entry,
    Incoming,
    Outcomes,
    Reply,
    ToolCall,
    Transcript,
)
from agentouto._domain.errors import ContextOverflow
from agentouto._domain.kept_event import (
    Compacted,
    InputRead,
    Overflowed,
    ReturnRefused,
    SavedError,
)
from agentouto._domain.message import ToolResult
from agentouto._domain.participants import Agent
from agentouto._engine.call import Call
from agentouto._engine.durable_model_call import DurableModelCall
from agentouto._engine.durable_tools import DurableToolRunner
from agentouto._engine.effects import LiveEffects
from agentouto._engine.inbox import Inbox
from agentouto._engine.past import PastCall
from agentouto._engine.services import RunServices
from agentouto._engine.toolbox import Forwards


class DurableEffects(LiveEffects):
    """The effects of one agent in one call of a run with a journal."""

    __slots__ = ("_finds_window", "_inbox", "_past", "_recalls")

    def __init__(
        self,
        call: Call,
        agent: Agent,
        services: RunServices,
        forwards: Forwards,
        past: PastCall,
        inbox: Inbox,
    ) -> None:
        super().__init__(call, agent, services, forwards)
        box = self._toolbox
        self._inbox = inbox
        self._past = past
        self._recalls: DurableToolRunner = DurableToolRunner(
            call, agent, services, box, forwards, past
        )
        self._tool_runner = self._recalls
        self._model_call = DurableModelCall(call, agent, services, box, self._compactor, past)
        self._finds_window = False
        self._warned = set(past.warned) or None

    async def read_mail(self) -> tuple[Incoming, ...]:
        """Return what was read in this turn before; if nothing was, the call's mail."""
        turn = self._past.at(self._call.turn)
        if turn is not None:
            if turn.is_read or turn.is_noted:
                self._note = None
            if turn.is_read:
                return () if turn.input is None else turn.input.entries
        entries = await super().read_mail()
        if entries:
            ids = tuple(delivery.message.call_id for delivery in self._deliveries)
            self._call.log.record(InputRead, self._call.turn, ids, entries)
        return entries

    async def compact(self, transcript: Transcript) -> Transcript:
        """Return ``transcript`` as it was shortened before, or shorten it."""
        turn = self._past.at(self._call.turn)
        if turn is not None and turn.steps and isinstance(step := turn.steps[0], Compacted):
            turn.steps.pop(0)
            return self._recall_compaction(step, transcript)
        if turn is not None and (turn.steps or turn.replies):
            return transcript
        if self._finds_window:
            self._finds_window = False
            await self._find_window_now()
        compactor = self._compactor.compactor
        bound, failed_at = (
            (None, 0) if compactor is None else (compactor.window_bound, compactor.failed_at)
        )
        shorter = await super().compact(transcript)
        compactor = self._compactor.compactor
        if shorter is not transcript or (
            compactor is not None
            and (compactor.failed_at != failed_at or compactor.window_bound != bound)
        ):
            self._record_compaction(transcript, shorter)
        return shorter

    async def ask_model(self, transcript: Transcript) -> Reply | None:
        """Return the reply that there was before, or ask the model."""
        turn = self._past.at(self._call.turn)
        if turn is not None and turn.steps and isinstance(step := turn.steps[0], Overflowed):
            turn.steps.pop(0)
            self._recall_overflow(step, transcript)
            return None
        reply = await super().ask_model(transcript)
        if reply is None and self._too_long is not None:
            saved = save_error(self._too_long[1])
            self._call.log.record(Overflowed, self._call.turn, saved)
        return reply

    def is_quick(self, tool_call: ToolCall) -> bool:
        """Whether the tool needs no task of its own: what was done before is only recalled."""
        return self._recalls.has_outcome(tool_call) or super().is_quick(tool_call)

    async def close(self, result: ToolResult) -> ToolResult | Incoming | None:
        """Do what was done before with this return, or close the mailbox."""
        number = self._call.turn
        refused, turn = self._past.refusals.get(number), self._past.at(number)
        if refused is not None:
            return self._noted("refused", Incoming(refused))
        if turn is not None and turn.is_read:
            return None
        self._inbox.look()  # what was sent to the agent while it wrote its return is read first
        closed = await super().close(result)
        if isinstance(closed, Incoming):
            self._call.log.record(ReturnRefused, number, closed.text)
        return closed

    def _record_compaction(self, transcript: Transcript, shorter: Transcript) -> None:
        before = {id(entry): index for index, entry in enumerate(transcript.entries)}
        replies = {
            id(entry.parts): index
            for index, entry in enumerate(transcript.entries)
            if isinstance(entry, Reply)
        }
        entries: list[int | Entry] = []
        for entry in shorter.entries:
            index = before.get(id(entry))
            if index is not None:
                entries.append(index)
            elif isinstance(entry, Reply) and id(entry.parts) in replies:
                entries.append(-1 - replies[id(entry.parts)])
            else:
                entries.append(entry)
        call, compactor = self._call, self._compactor.compactor
        bound, failed_at = (
            (None, 0) if compactor is None else (compactor.window_bound, compactor.failed_at)
        )
        call.log.record(Compacted, call.turn, tuple(entries), call.most_read, bound, failed_at)

    def _recall_compaction(self, step: Compacted, transcript: Transcript) -> Transcript:
        old, entries = transcript.entries, list[Entry]()
        summary: Entry | None = None
        for entry in step.entries:
            if not isinstance(entry, int):
                entries.append(entry)
                if isinstance(entry, Incoming):
                    summary = entry
                elif isinstance(entry, Outcomes):
                    self._recall_cuts(entry)
            elif entry >= 0:
                entries.append(old[entry])
            else:
                reply = old[-1 - entry]
                if isinstance(reply, Reply):
                    entries.append(msgspec.structs.replace(reply, native=None))
        self._call.most_read = step.most_read or self._call.most_read
        compactor = self._compactor.get(transcript.system)
        compactor.restore(step.window_bound, step.failed_at, summary)
        same = tuple(entries) == old
        return transcript if same else Transcript(transcript.system, tuple(entries))

    def _recall_cuts(self, shorter: Outcomes) -> None:
        """Keep the full text of each result that was cut, so that the agent can read it."""
        for outcome in shorter.items:
            place = str(outcome.tool_call.place)
            whole = self._past.outcomes.get(place)
            if whole is not None and whole.content != outcome.content:
                self._call.cut_results.setdefault(place, whole.content)

    def _recall_overflow(self, step: Overflowed, transcript: Transcript) -> None:
        error = restored_error(step.error if step.error.kind else SavedError("ContextOverflow"))
        if isinstance(error, ContextOverflow):
            self._too_long = transcript, error
        self._compactor.get(transcript.system).overflowed(transcript)
        self._finds_window = True
