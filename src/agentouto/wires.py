"""The types that a wire for your own kind of model API needs.

A wire encodes requests and decodes answers. It does no I/O: keys, connections, retries and
cancellation are done for it. Give the class to ``KindSpec(wire=)``. It is called with
the ``Provider``; one wire serves all runs that use that ``Provider``, in all their threads.
"""

from agentouto._domain.content import (
    Incoming,
    Outcome,
    Outcomes,
    Reasoning,
    Reply,
    Stop,
    Text,
    ToolCall,
    Transcript,
)
from agentouto._domain.delta import (
    Delta,
    NativeDelta,
    ReasoningDelta,
    StopDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from agentouto._domain.ports import ModelRequest, ToolSpec
from agentouto._network import proxy_for
from agentouto.providers import example_models, key_variables, known_models
from agentouto.providers._format.errors import ErrorDetails, classify_error, parse_error
from agentouto.providers._format.wire import Decoder, ModelLookup, Wire, WireRequest, endpoint

__all__ = [
    "Decoder",
    "Delta",
    "ErrorDetails",
    "Incoming",
    "ModelLookup",
    "ModelRequest",
    "NativeDelta",
    "Outcome",
    "Outcomes",
    "Reasoning",
    "ReasoningDelta",
    "Reply",
    "Stop",
    "StopDelta",
    "Text",
    "TextDelta",
    "ToolCall",
    "ToolCallDelta",
    "ToolSpec",
    "Transcript",
    "UsageDelta",
    "Wire",
    "WireRequest",
    "classify_error",
    "endpoint",
    "example_models",
    "key_variables",
    "known_models",
    "parse_error",
    "proxy_for",
]
