"""Everything this package raises.

::

    AgentoutoError
    ├── ConfigurationError (also ValueError)  the arguments cannot work; before anything starts
    ├── ProviderError                 a model API failed        .provider_name .status .retryable
    │   ├── RateLimited                   it asks to slow down  .retry_after
    │   ├── QuotaExhausted                the account has no credit left
    │   ├── ContextOverflow               the request does not fit the model
    │   ├── ProviderUnavailable           no answer: connection, timeout, server fault
    │   ├── ProtocolViolation             an answer that cannot be read, or was cut short
    │   └── Refused                       the model or its provider would not answer
    ├── AuthError                     credentials missing, expired or refused   .provider_name
    ├── AgentError                    an agent could not return; __cause__ says why
    │   │                                                           .agent_name .call_id
    │   ├── RoutingError                  no such participant or task, or it has already returned
    │   └── LimitReached                  a limit that the user has set   .limit .allowed
    ├── ToolError                     a tool failed                             .tool_name
    ├── Refuse                        what a hook raises to refuse something    .reason
    └── Cancelled                     the run was cancelled before it returned

What goes wrong in a tool or a called agent is told to the agent that asked, as text it can react
to. What the user gets raised carries ``.partial``: everything done until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agentouto._domain.content import Usage
from agentouto._domain.message import Attachment, Message
from agentouto._domain.misuse import AgentoutoError, ConfigurationError

__all__ = [
    "AgentError",
    "AgentoutoError",
    "AuthError",
    "Cancelled",
    "ConfigurationError",
    "ContextOverflow",
    "LimitReached",
    "Output",
    "Partial",
    "ProtocolViolation",
    "ProviderError",
    "ProviderUnavailable",
    "QuotaExhausted",
    "RateLimited",
    "Refuse",
    "Refused",
    "RoutingError",
    "ToolError",
]


@dataclass(frozen=True, slots=True)
class Output:
    """What one starting agent returned.

    Attributes:
        name: The agent's name.
        call_id: The id of its call.
        text: What it returned, without tags.
        attachments: The files it returned.
        data: The value it returned, where ``output_type`` asks for one.
    """

    name: str
    call_id: str
    text: str
    attachments: list[Attachment] = field(default_factory=list[Attachment])
    data: object = None


@dataclass(frozen=True, slots=True)
class Partial:
    """What a run had done when it failed.

    Attributes:
        outputs: What starting agents returned, in starting order.
        messages: Every message sent; ``history=`` of a later run takes them.
        usage: The tokens spent.
        text: What the failing agent had said when its reply was cut short or refused.
    """

    outputs: Sequence[Output] = ()
    messages: Sequence[Message] = ()
    usage: Usage = field(default_factory=Usage)
    text: str = ""


class _RunFailure(AgentoutoError):
    """Something that can end a run. ``partial`` is what had been done until then."""

    partial: Partial = Partial()


class ProviderError(_RunFailure):
    """A model API failed.

    Attributes:
        provider_name: The name of the provider.
        status: The HTTP status, if there was an answer.
        retryable: Whether the same request might succeed later.
    """

    retryable = False

    def __init__(self, provider_name: str, message: str, *, status: int | None = None) -> None:
        super().__init__(f"[{provider_name}] {message}")
        self.provider_name = provider_name
        self.status = status


class RateLimited(ProviderError):
    """The provider asks to slow down. ``retry_after`` is in seconds, if it said how long."""

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
    """The account has no credit or quota left; waiting does not help."""


class ContextOverflow(ProviderError):
    """The request does not fit into the model's context window."""


class ProviderUnavailable(ProviderError):
    """No answer came: a connection failed, a timeout passed, or the server broke."""

    retryable = True


class ProtocolViolation(ProviderError):
    """An answer came that cannot be read, or that was cut short."""

    retryable = True


class Refused(ProviderError):
    """The model or its provider would not answer."""


class AuthError(_RunFailure):
    """Credentials are missing, expired or refused."""

    def __init__(self, provider_name: str, message: str) -> None:
        super().__init__(f"[{provider_name}] {message}")
        self.provider_name = provider_name


class AgentError(_RunFailure):
    """An agent could not return. The reason is ``__cause__``, where there is one."""

    def __init__(self, agent_name: str, message: str, *, call_id: str | None = None) -> None:
        super().__init__(f"[{agent_name}] {message}")
        self.agent_name = agent_name
        self.message = message
        self.call_id = call_id


class RoutingError(AgentError):
    """There is no such participant or task, or it has already returned."""


class LimitReached(AgentError):
    """A limit that the user has set was reached.

    Attributes:
        limit: Its name in ``Limits``.
        allowed: How much it allows.
    """

    def __init__(
        self, agent_name: str, limit: str, allowed: float, *, call_id: str | None = None
    ) -> None:
        super().__init__(agent_name, f"Limits({limit}={allowed:.15g}) is reached", call_id=call_id)
        self.limit = limit
        self.allowed = allowed


class Refuse(AgentoutoError):
    """What a hook raises to refuse a message, a model or a tool. The sender is told why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ToolError(AgentoutoError):
    """A tool failed. ``str()`` is what the model is told, without the name in front."""

    def __init__(self, tool_name: str, message: str) -> None:
        super().__init__(f"[{tool_name}] {message}")
        self.tool_name = tool_name
        self.message = message


class Cancelled(_RunFailure):
    """The run was cancelled before it returned. Raised to whoever waits for its result."""
