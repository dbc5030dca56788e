"""The requests of one call to its model: streams replies into the log, and asks for summaries.

It reserves each request in the budget, goes on to the agent's fallback models, and calls the user's
hook. What a reply means for the call is decided in ``loop.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

import msgspec

from agentouto._core.ids import assign_ids
from agentouto._core.prompt import SUMMARY_REQUEST
from agentouto._core.reply_builder import ReplyBuilder
from agentouto._core.reply_progress import ReplyProgress
from agentouto._core.token_estimates import entry_tokens, text_tokens
from agentouto._domain.content import Incoming, Reply, Stop, Transcript, Usage
from agentouto._domain.delta import (
    RetryDelta,
)
from agentouto._domain.errors import (
    AgentError,
    AuthError,
    ContextOverflow,
    Partial,
    ProviderError,
    QuotaExhausted,
    Refuse,
)
from agentouto._domain.event import ModelSwitched, ModelWaited, Replied, Spent, SummaryFailed
from agentouto._domain.hooks import ModelUse, Summary
from agentouto._domain.participants import Agent
from agentouto._domain.ports import Draft, ModelRequest
from agentouto._engine.admission import Admission
from agentouto._engine.budget import Reservation
from agentouto._engine.call import Call
from agentouto._engine.compaction import LazyCompactor
from agentouto._engine.log import ReplyStream
from agentouto._engine.services import RunServices
from agentouto._engine.toolbox import Toolbox

log = logging.getLogger("agentouto")

SUMMARY_WORDS = 400
"""About 600 tokens: enough for names, numbers and open points of a long conversation, and little
beside the newest entries, which are kept unchanged."""


logger = logging.getLogger("agentouto")


class ModelCall:
    """The requests of one call to its model.

    Args:
        call: The call.
        agent: The agent that answers it.
        services: The parts of the run.
        toolbox: The tools that the model is offered.
        compactor: Estimates the size of a transcript, where the limits need it and the provider
            does not report it.

    Attributes:
        model: The agent with the model in use: its own, or a fallback.
        broke_off: Whether the last reply broke off after a listener had received its first part.
    """

    __slots__ = (
        "_agent",
        "_call",
        "_compactor",
        "_draft",
        "_finish_is_text",
        "_services",
        "_stand_ins",
        "_taken_ids",
        "_toolbox",
        "broke_off",
        "model",
    )

    def __init__(
        self,
        call: Call,
        agent: Agent,
        services: RunServices,
        toolbox: Toolbox,
        compactor: LazyCompactor,
    ) -> None:
        self._call = call
        self._agent = agent
        self._services = services
        self._compactor = compactor
        self._toolbox = toolbox
        self._finish_is_text = toolbox.plain_text_returns
        self._draft = Draft()
        self._taken_ids: set[str] | None = None  # made for the first reply: most calls wait for it
        self._stand_ins: tuple[Agent, ...] = agent.with_fallbacks()[1:] if agent.fallback else ()
        self.model: Agent = agent
        self.broke_off: bool = False

    def ask(self, transcript: Transcript) -> Coroutine[object, object, Reply]:
        """Send ``transcript`` to the model in use."""
        return self._send(transcript)

    def ask_stand_in(
        self, transcript: Transcript, error: ProviderError
    ) -> Coroutine[object, object, Reply]:
        """Send ``transcript`` to the next fallback, because the model in use has failed.

        Raises:
            ProviderError: ``error``: there is no fallback, or it is not for such an error.
        """
        unavailable = error.retryable or isinstance(error, QuotaExhausted)
        if not unavailable or self.broke_off or not self._stand_ins:
            raise error
        call, failed = self._call, self.model.model
        self._switch()
        logger.warning("falling back to model %r: %s", self.model.model, error)
        call.log.record(ModelSwitched, self.model.model, failed, str(error), call.turn)
        return self._send(transcript)

    def _send(self, transcript: Transcript) -> Coroutine[object, object, Reply]:
        if self._services.hooks.sees_models:
            return self._ask_through_hook(transcript, self.model)
        return self._stream_reply(transcript, self.model)

    def _switch(self) -> None:
        self.model, self._stand_ins = self._stand_ins[0], self._stand_ins[1:]

    async def summarize(self, system: str, text: str, before: int) -> str:
        """Return the summary of ``text`` by the agent's own model; empty if it fails.

        ``before`` is how many tokens the transcript has without the summary.

        Raises:
            ContextOverflow: ``text`` is longer than the model can read.
        """
        call = self._call
        question = Incoming(SUMMARY_REQUEST.format(text=text, words=SUMMARY_WORDS))
        builder = ReplyBuilder(self.model.provider_name)
        reservation = self._reservation()
        try:
            request = ModelRequest(
                self.model,
                Transcript(system, (question,)),
                (),
                Draft(),
                call.id,
                call.turn,
                call.path,
                admit=reservation,
                summary=True,
                repeatable=_is_repeatable,
            )
            reply = await self._consume(request, builder, None)
        except ContextOverflow:
            raise
        except (ProviderError, AuthError) as error:
            # If the model is unavailable, the agent's own request fails as well.
            return self._without_summary(str(error))
        finally:
            if reservation is not None:
                reservation.release()
        if reply.stop is Stop.REFUSED:
            return self._without_summary("the model refused to write one")
        return await self._passed_summary(reply.text, text, before)

    async def _passed_summary(self, written: str, text: str, before: int) -> str:
        """Return the summary that a model has ``written`` of ``text``, as the hook lets it pass."""
        summary = Summary(self._agent.name, self._call.id, written, text, before)
        try:
            passed = (await self._services.hooks.summary(summary)).strip()
        except Refuse as refusal:
            return self._without_summary(f"on_summarize refused it: {refusal.reason}")
        return passed or self._without_summary("it is empty")

    def _without_summary(self, reason: str) -> str:
        """Record why there is no summary, and return an empty one: the agent goes on without it."""
        self._call.log.record(SummaryFailed, reason)
        log.warning("The transcript of %s could not be summarized: %s", self._agent.name, reason)
        return ""

    async def _ask_through_hook(self, transcript: Transcript, model: Agent) -> Reply:
        """Return the reply that the user's hook returns, which may be the model's own."""
        services, call = self._services, self._call
        replies: list[Reply] = []

        async def ask(agent: Agent) -> Reply:
            reply = await self._stream_reply(transcript, agent)
            replies.append(reply)
            return reply

        try:
            use = ModelUse(model, call.id, call.turn, transcript)
            reply = await services.hooks.model(use, ask)
        except Refuse as refusal:
            why = f"was not allowed to ask its model: {refusal.reason}"
            raise AgentError(self._agent.name, why, call_id=call.id) from refusal
        if any(reply is one for one in replies):
            return reply
        # The hook wrote this reply: it has no provider's native items, and its usage, if any, is
        # that of a reply which is counted already.
        reply = self._with_ids(msgspec.structs.replace(reply, native=None), call.turn)
        free = msgspec.structs.replace(reply, usage=Usage())
        call.log.record(Replied, free, call.turn, cost=0.0)
        return reply if replies else free

    async def _stream_reply(self, transcript: Transcript, model: Agent) -> Reply:
        """Stream one reply into the log."""
        call = self._call
        builder = ReplyBuilder(model.provider_name)
        reservation = self._reservation()
        admission = Admission(call, model.model, reservation)
        progress = ReplyProgress(builder, finish_is_text=self._finish_is_text)
        stream = call.log.begin_reply(progress)
        request = self._request(transcript, model, stream, admission)
        self.broke_off = False
        try:
            return await self._consume(request, builder, stream, admission)
        except (ProviderError, AuthError, asyncio.CancelledError) as error:
            self.broke_off = builder.begun and bool(stream.listeners)
            if admission.sent_at is not None and not stream.ended:
                stream.break_off(builder.parts(), call.turn)
            if not isinstance(error, asyncio.CancelledError):
                error.partial = Partial(text=builder.text())
                error.agent_name, error.model = self._agent.name, request.agent.model
            raise
        finally:
            stream.close()
            if reservation is not None:
                reservation.release()

    def _record_reply(
        self, request: ModelRequest, stream: ReplyStream, reply: Reply, first: float | None
    ) -> Reply:
        """Record and count ``reply``, and return it with the ids of its tool calls."""
        model, turn = request.agent.model, request.turn
        whole = self._with_ids(reply, turn)
        cost = self._services.setup.cost(model, whole.usage)
        # Recorded, counted, then released by the caller: see 5. in budget.py.
        stream.end(whole, turn, first, cost, model, finish_is_text=self._finish_is_text)
        self._count(whole, request.agent, lambda: self._compactor.size(request.transcript))
        return whole

    def _with_ids(self, reply: Reply, turn: int) -> Reply:
        if self._taken_ids is None:
            self._taken_ids = set()
        return assign_ids(reply, turn, self._taken_ids)

    def _record_summary(self, request: ModelRequest, reply: Reply) -> None:
        """Record and count ``reply``, which is a summary."""
        transcript, model, services = request.transcript, request.agent.model, self._services
        self._call.log.record(
            Spent,
            reply.usage,
            services.setup.cost(model, reply.usage),
            model=model,
            turn=request.turn,
            text="" if services.durable is None else reply.text,
        )
        self._count(
            reply,
            request.agent,
            lambda: text_tokens(transcript.system) + sum(map(entry_tokens, transcript.entries)),
        )

    def _request(
        self, transcript: Transcript, model: Agent, stream: ReplyStream, admission: Admission
    ) -> ModelRequest:
        call, box = self._call, self._toolbox
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(
                "request: agent %r, call %s, turn %d, provider %r, model %r, %d entries, %d tools",
                model.name,
                call.id,
                call.turn,
                model.provider_name,
                model.model,
                len(transcript.entries),
                len(box.specs),
            )
        return ModelRequest(
            model,
            transcript,
            box.specs,
            self._draft,
            call.id,
            call.turn,
            call.path,
            box.result_schema,
            admission,
            repeatable=stream.is_unread,
        )

    async def _consume(
        self,
        request: ModelRequest,
        builder: ReplyBuilder,
        stream: ReplyStream | None,
        admission: Admission | None = None,
    ) -> Reply:
        """Add the deltas of one reply to ``builder`` and emit them on ``stream``; return the reply.

        It is recorded at its last piece. The backend may go on for a while, to keep its connection:
        a process that is killed then has the reply on record, and what goes wrong then is no
        failure. A summary has no ``stream``.
        """
        backend = self._services.setup.backend(request.agent)
        first: float | None = None
        reply: Reply | None = None
        pieces = backend.stream(request)
        try:
            try:
                async for deltas in pieces:
                    is_read = stream is not None and stream.is_read()
                    for delta in deltas:
                        builder.add(delta)
                        if isinstance(delta, RetryDelta):
                            first = None
                            self._record_wait(delta, admission)
                            if stream is not None:
                                stream.restart()
                        elif is_read and stream is not None:
                            stream.emit_delta(delta)
                    sent_at = None if admission is None else admission.sent_at
                    if first is None and builder.begun and sent_at:
                        first = self._call.log.now() - sent_at
                    if reply is None and builder.complete:
                        reply = builder.finish()
                        if stream is None:
                            self._record_summary(request, reply)
                        else:
                            reply = self._record_reply(request, stream, reply, first)
            finally:
                await pieces.aclose()
        except ProviderError:
            if reply is None:
                raise
        return builder.finish() if reply is None else reply

    def _record_wait(self, delta: RetryDelta, admission: Admission | None) -> None:
        self._call.log.record(
            ModelWaited,
            delta.why,
            delta.attempt,
            delta.wait,
            delta.error,
            delta.status,
            delta.most,
        )
        logger.info(
            "agent %r asks its model again in %.3g s, try %d: %s",
            self._agent.name,
            delta.wait,
            delta.attempt,
            delta.error,
        )
        if admission is not None:
            admission.attempt = delta.attempt

    def _reservation(self) -> Reservation | None:
        budget = self._services.budget
        return None if budget is None else budget.reservation(self._call.stamp)

    def _count(self, reply: Reply, model: Agent, size: Callable[[], int]) -> None:
        budget = self._services.budget
        if budget is not None:
            budget.record_usage(
                model.model, reply.usage, lambda: Usage(size(), entry_tokens(reply))
            )


def _is_repeatable() -> bool:
    """Return ``True``: no part of a summary is used before it is complete."""
    return True
