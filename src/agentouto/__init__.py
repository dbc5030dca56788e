"""Agents as peers: anyone may call anyone, and the user is one of them."""

from agentouto._core.forms import AgentEvent, StreamEvent
from agentouto._core.prompt import BUILTIN_TOOL_NAMES
from agentouto._core.result import RunResult
from agentouto._core.trace import EventLog, Span, Trace
from agentouto._domain.content import Usage
from agentouto._domain.errors import (
    AgentError,
    AgentoutoError,
    AuthError,
    Cancelled,
    ConfigurationError,
    LimitReached,
    Output,
    ProviderError,
    Refuse,
    RoutingError,
    ToolError,
)
from agentouto._domain.hooks import Hooks, ModelUse, Summary, ToolUse
from agentouto._domain.limits import Limits
from agentouto._domain.message import Attachment, Message, ToolResult
from agentouto._domain.participants import Agent, Provider
from agentouto._engine.host import Handle
from agentouto._engine.letter import Receipt
from agentouto._engine.live import RunStream
from agentouto._engine.tool import Tool
from agentouto._options import Options, RunOptions
from agentouto.api import (
    async_run,
    async_run_stream,
    cancel,
    get_agent_status,
    get_messages,
    get_stream_events,
    run,
    run_background,
    run_background_sync,
    send_message,
)
from agentouto.auth import (
    ApiKeyAuth,
    AuthMethod,
    ClaudeOAuth,
    GoogleOAuth,
    OAuth,
    OpenAIOAuth,
    TokenData,
    TokenStore,
)
from agentouto.exceptions import AgentOutOError
from agentouto.team import Team

__version__ = "0.1.0"

__all__ = [
    "BUILTIN_TOOL_NAMES",
    "Agent",
    "AgentError",
    "AgentEvent",
    "AgentOutOError",
    "AgentoutoError",
    "ApiKeyAuth",
    "Attachment",
    "AuthError",
    "AuthMethod",
    "Cancelled",
    "ClaudeOAuth",
    "ConfigurationError",
    "EventLog",
    "GoogleOAuth",
    "Handle",
    "Hooks",
    "LimitReached",
    "Limits",
    "Message",
    "ModelUse",
    "OAuth",
    "OpenAIOAuth",
    "Options",
    "Output",
    "Provider",
    "ProviderError",
    "Receipt",
    "Refuse",
    "RoutingError",
    "RunOptions",
    "RunResult",
    "RunStream",
    "Span",
    "StreamEvent",
    "Summary",
    "Team",
    "TokenData",
    "TokenStore",
    "Tool",
    "ToolError",
    "ToolResult",
    "ToolUse",
    "Trace",
    "Usage",
    "async_run",
    "async_run_stream",
    "cancel",
    "get_agent_status",
    "get_messages",
    "get_stream_events",
    "run",
    "run_background",
    "run_background_sync",
    "send_message",
]
