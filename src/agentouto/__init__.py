"""A multi-agent SDK in which agents are peers: any agent may call any other, and the user."""

from agentouto._addresses import (
    cancel,
    get_agent_status,
    get_messages,
    get_stream_events,
    send_message,
)
from agentouto._core.builtin_tools import BUILTIN_TOOL_NAMES
from agentouto._core.result import RunResult
from agentouto._domain import version as _version
from agentouto._domain.approval import Approval
from agentouto._domain.content import Usage
from agentouto._domain.cost import Cost
from agentouto._domain.errors import (
    AgentError,
    AgentoutoError,
    AuthError,
    Cancelled,
    ConfigurationError,
    JournalError,
    LimitReached,
    ProviderError,
    Refuse,
    RoutingError,
    ToolError,
    Waiting,
)
from agentouto._domain.hooks import Hooks, ModelUse, Summary, ToolUse
from agentouto._domain.kinds import KindSpec
from agentouto._domain.limits import Limits
from agentouto._domain.message import Attachment, Message, ToolResult
from agentouto._domain.output import Output
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.peer import Peer
from agentouto._domain.retry import Retry
from agentouto._domain.stream_event import StreamEvent
from agentouto._domain.trace import AgentEvent, EventLog, Span, Trace
from agentouto._engine.delivery import Receipt
from agentouto._engine.here import Here, here
from agentouto._engine.host import Handle
from agentouto._engine.plain_stream import PlainStream
from agentouto._engine.run_stream import RunStream
from agentouto._engine.save_and_exit import SAVE_AND_EXIT
from agentouto._engine.tool import Tool
from agentouto._engine.tool_sources import ToolSource
from agentouto._journal.journal import Journal
from agentouto._journal.saved_run import SavedRun
from agentouto._options import Options, RunOptions
from agentouto._run_background import run_background, run_background_sync
from agentouto._run_stream import run_stream
from agentouto.api import async_run, async_run_stream, run
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

__version__ = _version.PACKAGE_VERSION

__all__ = [
    "BUILTIN_TOOL_NAMES",
    "SAVE_AND_EXIT",
    "Agent",
    "AgentError",
    "AgentEvent",
    "AgentOutOError",
    "AgentoutoError",
    "ApiKeyAuth",
    "Approval",
    "Attachment",
    "AuthError",
    "AuthMethod",
    "Cancelled",
    "ClaudeOAuth",
    "ConfigurationError",
    "Cost",
    "EventLog",
    "GoogleOAuth",
    "Handle",
    "Here",
    "Hooks",
    "Journal",
    "JournalError",
    "KindSpec",
    "LimitReached",
    "Limits",
    "Message",
    "ModelUse",
    "OAuth",
    "OpenAIOAuth",
    "Options",
    "Output",
    "Peer",
    "PlainStream",
    "Provider",
    "ProviderError",
    "Receipt",
    "Refuse",
    "Retry",
    "RoutingError",
    "RunOptions",
    "RunResult",
    "RunStream",
    "SavedRun",
    "Span",
    "StreamEvent",
    "Summary",
    "Team",
    "TokenData",
    "TokenStore",
    "Tool",
    "ToolError",
    "ToolResult",
    "ToolSource",
    "ToolUse",
    "Trace",
    "Usage",
    "Waiting",
    "async_run",
    "async_run_stream",
    "cancel",
    "get_agent_status",
    "get_messages",
    "get_stream_events",
    "here",
    "run",
    "run_background",
    "run_background_sync",
    "run_stream",
    "send_message",
]
