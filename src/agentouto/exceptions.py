"""Everything this package raises."""

from agentouto._domain.errors import (
    AgentError,
    AgentoutoError,
    AuthError,
    Cancelled,
    ConfigurationError,
    ContextOverflow,
    Partial,
    ProtocolViolation,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
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
    "Partial",
    "ProtocolViolation",
    "ProviderError",
    "ProviderUnavailable",
    "QuotaExhausted",
    "RateLimited",
    "Refused",
    "RoutingError",
    "ToolError",
]
