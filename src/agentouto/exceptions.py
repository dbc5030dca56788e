"""Everything this package raises."""

from agentouto._domain.errors import (
    AgentError,
    AgentoutoError,
    AuthError,
    Cancelled,
    ConfigurationError,
    ContextOverflow,
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
    ToolError,
)

AgentOutOError = AgentoutoError
"""Another spelling of ``AgentoutoError``."""

__all__ = [
    "AgentError",
    "AgentOutOError",
    "AgentoutoError",
    "AuthError",
    "Cancelled",
    "ConfigurationError",
    "ContextOverflow",
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
    "ToolError",
]
