"""The exceptions of this package, and what they carry of an unfinished run.

::

    AgentoutoError
    ├── ConfigurationError (also ValueError)  the arguments cannot work; before anything starts
    ├── ProviderError                 a model API failed        .provider_name .status .retryable
    │   ├── RateLimited                   it asks to slow down  .retry_after
    │   ├── QuotaExhausted                the account has no credit left
    │   ├── ContextOverflow               the request does not fit the model
    │   ├── ProviderUnavailable           no answer: connection, timeout, server fault
    │   ├── ProtocolViolation             an answer that cannot be read, or was cut short
    │   ├── BrokenScript                  a script in place of a model has nothing to say, or failed
    │   └── Refused                       the model or its provider refused to answer
    ├── AuthError                     credentials missing, expired or refused   .provider_name
    ├── AgentError                    an agent could not return; __cause__ says why
    │   │                                                           .agent_name .call_id
    │   ├── RoutingError                  no such participant or task, or it has already returned
    │   └── LimitReached                  a limit that the user has set   .limit .allowed
    ├── ToolError                     a tool failed                             .tool_name
    ├── Refuse                        raised by a hook to refuse something      .reason
    ├── JournalError                  the journal of a run cannot be read or written
    │   └── RunTakenOver                  another process goes on with the run
    ├── Waiting                       a run was saved and has ended, because it waits for people
    │                                                           .run_id .questions .approvals
    └── Cancelled                     the run was cancelled before it returned

An error of a tool or of a called agent goes to the agent that asked, as text that it can react to.
An error that ends a run is raised to the user and carries ``.partial``: what was done until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from agentouto._domain.approval import Approval
from agentouto._domain.configuration_error import AgentoutoError, ConfigurationError
from agentouto._domain.content import Usage
from agentouto._domain.cost import Cost
from agentouto._domain.message import Message
from agentouto._domain.output import Output
from agentouto._domain.stream_event import AnyStreamEvent
from agentouto._domain.trace import EventLog, Trace
from agentouto._domain.visible_text import visible

__all__ = [
    "AgentError",
    "AgentoutoError",
    "AuthError",
    "BrokenScript",
    "Cancelled",
    "ConfigurationError",
    "ContextOverflow",
    "JournalError",
    "LimitReached",
    "Partial",
    "ProtocolViolation",
    "ProviderError",
    "ProviderUnavailable",
    "QuotaExhausted",
    "RateLimited",
    "Refuse",
    "Refused",
    "RoutingError",
    "RunTakenOver",
    "ToolError",
    "Waiting",
]


@dataclass(frozen=True, slots=True)
class Partial:
    """What a run had done when it failed; nothing, where the error is of no run.

    Attributes:
        outputs: What starting agents returned, in starting order.
        messages: Every message sent; ``history=`` of a later run takes them.
        usage: The tokens spent.
        text: The text of the failing agent's reply, where it was cut short or refused.
        cost: What it has cost.
    """

    outputs: Sequence[Output] = ()
    messages: Sequence[Message] = ()
    usage: Usage = field(default_factory=Usage)
    text: str = ""
    cost: Cost = field(default_factory=Cost)

    @property
    def events(self) -> list[AnyStreamEvent]:
        """The events of ``async_run_stream`` until then, as ``RunResult.events`` has them."""
        return []

    def lines(self, start: int = 0) -> list[dict[str, object]]:  # noqa: ARG002 - there are none
        """Return the lines of the run until then; leave out those with a smaller ``seq``."""
        return []

    @property
    def event_log(self) -> EventLog:
        """What happened until then, one entry an event; with ``debug=True`` also requests."""
        return EventLog()

    @property
    def trace(self) -> Trace:
        """The tree of calls; those that had not returned have no end."""
        return Trace(self.event_log)

    def format_trace(self) -> str:
        """Return the tree of calls as text."""
        return self.trace.print_tree()


class _RunFailure(AgentoutoError):
    """An error that can end a run. ``partial`` is what had been done until then."""

    partial: Partial = Partial()


class _ModelFailure(_RunFailure):
    """A model could not be asked.

    Attributes:
        provider_name: The name of the provider.
        agent_name: The agent whose model it is; ``""`` where no agent has asked.
        model: The name of the model, likewise.
    """

    agent_name: str = ""
    model: str = ""

    def __init__(self, provider_name: str, message: str) -> None:
        super().__init__(f"[{provider_name}] {message}")
        self.provider_name = provider_name

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text} ({self._asker})" if self.agent_name else text

    @property
    def _asker(self) -> str:
        return visible(f"agent {self.agent_name!r}, model {self.model!r}")

    @property
    def where(self) -> str:
        """The agent, its model and its provider."""
        provider = f"provider {self.provider_name!r}"
        return self._where or (f"{self._asker}, {provider}" if self.agent_name else provider)


class ProviderError(_ModelFailure):
    """A model API failed.

    Attributes:
        provider_name: The name of the provider.
        status: The HTTP status, if there was an answer.
        retryable: Whether the same request might succeed later.
    """

    code: str = "provider-failed"

    retryable = False

    def __init__(self, provider_name: str, message: str, *, status: int | None = None) -> None:
        super().__init__(provider_name, message)
        self.status = status
        if status == 404 and type(self) is ProviderError:
            self.code = "model-unknown"


class RateLimited(ProviderError):
    """The provider asks to slow down. ``retry_after`` is in seconds, if it said how long."""

    code = "rate-limit"

    retryable = True

    def __init__(
        self,
        provider_name: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(provider_name, message, status=status)
        self.retry_after = retry_after


class QuotaExhausted(ProviderError):
    """The account has no credit or quota left. Waiting does not help."""

    code = "quota"


class ContextOverflow(ProviderError):
    """The request does not fit into the model's context window."""

    code = "context-full"


class ProviderUnavailable(ProviderError):
    """No answer came: a connection failed, a timeout passed, or the server failed."""

    code = "provider-unavailable"

    retryable = True


class ProtocolViolation(ProviderError):
    """An answer came that cannot be read, or that was cut short."""

    code = "protocol"

    retryable = True


class Refused(ProviderError):
    """The model or its provider refused to answer."""

    code = "refused"


class BrokenScript(ProviderError):
    """A script in place of a model has nothing to say, or its function failed. It ends the run.

    From whatever call: a test with a broken script must not pass. An assertion that failed in the
    script is raised as it is.
    """

    code = "script-broken"


class AuthError(_ModelFailure):
    """Credentials are missing, expired or refused."""

    code = "login"


class AgentError(_RunFailure):
    """An agent could not return. The reason is ``__cause__``, where there is one."""

    def __init__(self, agent_name: str, message: str, *, call_id: str | None = None) -> None:
        super().__init__(f"[{agent_name}] {message}")
        self.agent_name = agent_name
        self.message = message
        self.call_id = call_id

    @property
    def where(self) -> str:
        """The agent."""
        return self._where or f"agent {self.agent_name!r}"


class RoutingError(AgentError):
    """There is no such participant or task, or it has already returned."""

    code = "agent-unknown"


_CODES_OF_LIMITS = MappingProxyType({"depth": "call-depth", "repeats": "call-cycle"})


class LimitReached(AgentError):
    """A limit of the user's was reached.

    Attributes:
        limit: Its name in ``Limits``.
        allowed: How much it allows.
    """

    code: str = "limit-reached"

    def __init__(
        self, agent_name: str, limit: str, allowed: float, *, call_id: str | None = None
    ) -> None:
        super().__init__(agent_name, f"Limits({limit}={allowed:.15g}) is reached", call_id=call_id)
        self.limit = limit
        self.allowed = allowed
        self.code = _CODES_OF_LIMITS.get(limit, self.code)


class Refuse(AgentoutoError):
    """Raised by a hook to refuse a message, a model or a tool. The sender gets the reason."""

    code = "refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ToolError(AgentoutoError):
    """A tool failed. ``message`` is what the model reads; ``str()`` has the tool's name, too."""

    code = "tool-failed"

    def __init__(self, tool_name: str, message: str) -> None:
        super().__init__(f"[{tool_name}] {message}")
        self.tool_name = tool_name
        self.message = message

    @property
    def where(self) -> str:
        """The tool."""
        return self._where or f"tool {self.tool_name!r}"


class Cancelled(_RunFailure):
    """The run was cancelled before it returned. Raised where its result is waited for."""

    code = "cancelled"


class JournalError(_RunFailure):
    """The journal of a run cannot be read or written. The run ends, and can be resumed from it."""

    code = "journal"


class RunTakenOver(JournalError):
    """Another process goes on with the run, which ends in this one.

    It took this one for dead: its machine stood still, or could not reach the journal. What it has
    done in the meantime is not in the journal.
    """

    code = "run-taken-over"


class Waiting(_RunFailure):
    """A run with ``ask_user=SAVE_AND_EXIT`` waits for people, and for nothing else.

    It has ended in this process and is kept in its journal. When a question is answered, in any
    process, the same line goes on.

    Attributes:
        run_id: Its id.
        questions: What people are asked, oldest first; ``SavedRun.answer`` answers it.
        approvals: The uses of tools that wait for approval; ``SavedRun.approve`` decides on them.
    """

    code = "waiting"

    def __init__(self, run_id: str, asked: Sequence[Message]) -> None:
        self.run_id = run_id
        self.questions: list[Message] = [one for one in asked if one.approval is None]
        self.approvals: list[Approval] = [one.approval for one in asked if one.approval is not None]
        askers = ", ".join(dict.fromkeys(one.sender for one in asked))
        super().__init__(
            f"the run {run_id!r} waits for people: {len(self.questions)} to be answered and "
            f"{len(self.approvals)} to be approved, asked by {askers}"
        )
