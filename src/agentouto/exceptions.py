"""The exceptions of this package."""

from agentouto._domain.configuration_error import AgentoutoWarning
from agentouto._domain.errors import (
    AgentError,
    AgentoutoError,
    AuthError,
    BrokenScript,
    Cancelled,
    ConfigurationError,
    ContextOverflow,
    JournalError,
    LimitReached,
    Partial,
    ProtocolViolation,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refuse,
    Refused,
    RoutingError,
    RunTakenOver,
    ToolError,
    Waiting,
)
from agentouto._domain.journal_errors import RunChanged, RunOther, RunTaken

AgentOutOError = AgentoutoError
"""Another spelling of ``AgentoutoError``."""

__all__ = [
    "AgentError",
    "AgentOutOError",
    "AgentoutoError",
    "AgentoutoWarning",
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
    "RunChanged",
    "RunOther",
    "RunTaken",
    "RunTakenOver",
    "ToolError",
    "Waiting",
]
