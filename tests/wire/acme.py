"""A kind of provider as a user adds it: a format of its own, written with public names only.

A request is ``{"model", "told", "turns", "tools"}``. An answer is a stream of events: ``say`` has
words, ``use`` a tool call, ``end`` what was counted, ``sorry`` an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from agentouto import Agent, Attachment, KindSpec, Provider, Usage
from agentouto.exceptions import AuthError, ProtocolViolation, ProviderError
from agentouto.wires import (
    Decoder,
    Delta,
    ErrorDetails,
    Incoming,
    ModelLookup,
    ModelRequest,
    Outcomes,
    Reply,
    Stop,
    StopDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
    Wire,
    WireRequest,
    classify_error,
    endpoint,
)

HOST = "https://api.acme.example"


class AcmeDecoder:
    """Reads one answer."""

    def __init__(self, provider_name: str) -> None:
        self._provider_name = provider_name
        self._error: ProviderError | AuthError | None = None
        self._ended = False
        self._uses = 0

    @property
    def complete(self) -> bool:
        return self._ended

    @property
    def over(self) -> bool:
        return self._ended or self._error is not None

    def feed(self, events: Sequence[bytes]) -> list[Delta]:
        return [delta for event in events if not self.over for delta in self._read(event)]

    def end(self) -> list[Delta]:
        if self._error is not None:
            raise self._error
        if not self._ended:
            raise ProtocolViolation(self._provider_name, "the answer has no end")
        return []

    def whole(self, body: bytes) -> list[Delta]:
        return [*self.feed(body.splitlines()), *self.end()]

    def _read(self, event: bytes) -> list[Delta]:
        said = json.loads(event)
        match said:
            case {"say": str(text)}:
                return [TextDelta(text)]
            case {"use": str(tool), "with": arguments}:
                self._uses += 1
                slot = self._uses
                return [ToolCallDelta(slot, f"use_{slot}", tool, json.dumps(arguments))]
            case {"end": [int(read), int(written)]}:
                self._ended = True
                return [UsageDelta(Usage(read, written)), StopDelta(Stop.COMPLETE)]
            case {"sorry": str(text)}:
                self._error = classify_error(self._provider_name, ErrorDetails(text))
        return []


class AcmeWire:
    """The format."""

    def __init__(self, provider: Provider) -> None:
        self._name = provider.name
        self._url = endpoint(provider.base_url, HOST, "/v1", "/talk")

    @property
    def url(self) -> str:
        return self._url

    def credentials(self, api_key: str) -> Mapping[str, str]:
        return {"X-Acme-Key": api_key} if api_key else {}

    def needed_downloads(self, request: ModelRequest) -> list[Attachment]:
        return []

    def encode(self, request: ModelRequest) -> WireRequest:
        agent, transcript = request.agent, request.transcript
        turns: list[object] = []
        for entry in transcript.entries:
            match entry:
                case Incoming(text=text):
                    turns.append({"heard": text})
                case Reply(text=text, tool_calls=uses):
                    turns.append({"said": text, "used": [use.name for use in uses]})
                case Outcomes(items=items):
                    turns.append({"came of it": [item.content for item in items]})
        body = {
            "model": agent.model,
            "told": transcript.system,
            "turns": turns,
            "tools": [tool.name for tool in request.tools],
        }
        return WireRequest(self._url, json.dumps(body).encode())

    def decoder(self, request: ModelRequest) -> Decoder:
        return AcmeDecoder(self._name)

    def error_for(self, details: ErrorDetails) -> ProviderError | AuthError:
        return classify_error(self._name, details, self._url)

    def adapt(self, request: ModelRequest, sent: WireRequest, details: ErrorDetails) -> None:
        pass

    def model_lookup(self, agent: Agent) -> ModelLookup | None:
        return self._ask_for(agent.model)

    def _ask_for(self, model: str) -> ModelLookup:
        answer = yield WireRequest(f"{self._url.removesuffix('talk')}models/{model}", b"")
        match answer:
            case {"reads": int(tokens)}:
                return tokens
        return None


satisfied: type[Wire] = AcmeWire  # what a type checker makes of it

ACME = KindSpec(
    "acme", AcmeWire, key_variables=("ACME_API_KEY", "ACME_TOKEN"), example_model="acme-1"
)
