"""The base of all wires: address, account, learned quirks, and the frame of a request.

A wire is a ``JsonWire`` that decides which fields its server takes, how entries are encoded, and
what an error changes in the next request. It is a pure function of its arguments and of two parts
of a ``Memory``: encoded tool lists and learned quirks. Connections and retries belong to the
transport.

Quirks belong to a server and a model, whichever account asks. The origin of a reply also names the
account: signatures and encrypted reasoning are refused under another one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Generic, TypeAlias, TypeVar

from agentouto._domain.errors import AuthError, ProviderError
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest
from agentouto._domain.secret import Secret
from agentouto._network import shown
from agentouto.providers._format.errors import ErrorDetails, classify_error
from agentouto.providers._format.json import Json, dump
from agentouto.providers._format.lookups import look_up_in_list, replace_path
from agentouto.providers._format.quirks import CRASHED, LearnedQuirks, Quirks, is_correctable
from agentouto.providers._format.wire import ModelLookup, WireRequest, not_json_error

H = TypeVar("H", bound=Quirks)

Field: TypeAlias = Sequence[bytes | bytearray]
"""Fields of an object as JSON, in pieces and without the braces; empty if there is none."""


class JsonWire(ABC, Generic[H]):
    """One server that takes requests as JSON."""

    kind: ClassVar[str]
    """The name of the format, with which the origin of a reply begins."""

    adapts_to_crashes: ClassVar[bool] = False
    """Whether some servers of the format refuse a request with status 500."""

    path: ClassVar[str]
    """The end of the address at a server of the format; its list of models stands beside it."""

    def __init__(self, provider: Provider, url: str, host: str, learned: LearnedQuirks[H]) -> None:
        """Make a wire to ``url``.

        Args:
            provider: Whose server it is.
            url: Where requests are posted.
            host: The vendor's own host, with the scheme.
            learned: The quirks that servers of the format have shown, by server and model.
        """
        self._name = provider.name
        self._account = ""
        self._url = url
        self._at_vendor = url.startswith(f"{host}/")
        self._shown = shown(url)
        self._learned = learned

    def bind_account(self, account: str) -> None:
        """Use ``account``: native items of replies to another account are not sent back."""
        self._account = account

    @property
    def url(self) -> str:
        """Where requests are posted."""
        return self._url

    def credentials(self, api_key: str) -> Mapping[str, str]:
        """Return the headers that carry ``api_key``."""
        return {"Authorization": Secret(f"Bearer {api_key}")} if api_key else {}

    def error_for(self, details: ErrorDetails) -> ProviderError | AuthError:
        """Return the error that an unsuccessful answer stands for."""
        return classify_error(self._name, details, self._shown)

    def adapt(self, request: ModelRequest, sent: WireRequest, details: ErrorDetails) -> None:
        """Learn from ``details`` what to change in the next request."""
        crash = details.status == CRASHED and not self.adapts_to_crashes
        if not crash and is_correctable(self.error_for(details)):
            self._adapt(request, sent, details)

    def model_lookup(self, agent: Agent) -> ModelLookup | None:
        """Ask a server for its list of models. The vendor's own list has no context windows."""
        return (
            None
            if self._at_vendor
            else look_up_in_list(replace_path(self._url, self.path, "/models"), agent.model)
        )

    @abstractmethod
    def _adapt(self, request: ModelRequest, sent: WireRequest, details: ErrorDetails) -> None:
        """Learn from a refusal what the next request should do otherwise."""

    @abstractmethod
    def _new_quirks(self, where: str, agent: Agent, /) -> H:
        """Return the quirks of a model at ``where`` that has refused nothing so far."""

    def _quirks_for(self, agent: Agent) -> H:
        """Return the quirks of the agent's model, which are the same for all accounts."""
        where = f"{self.kind} {self._shown} {agent.model}"
        return self._learned.of(where, lambda at: self._new_quirks(at, agent))

    def _origin(self, agent: Agent) -> str:
        """Return where replies to ``agent`` come from: format, server, account and model."""
        return f"{self.kind} {self._shown} {self._account} {agent.model}"

    def _body(self, fields: Iterable[Field]) -> bytes:
        """Return the JSON object of ``fields``; ``ProviderError`` for values JSON has no form for.

        Fields that never change come first, those that grow last: vendors cache the longest common
        beginning of two requests (OpenAI "Prompt caching", Anthropic "Prompt caching", Gemini
        "Context caching").
        """
        pieces: list[bytes | bytearray] = []
        try:
            for field in fields:
                if field:
                    pieces.append(b"," if pieces else b"{")
                    pieces += field
        except (TypeError, ValueError) as error:
            raise not_json_error(self._name, error) from error
        pieces.append(b"}" if pieces else b"{}")
        return b"".join(pieces)


def json_fields(head: Json) -> Field:
    """Return all fields of ``head``."""
    return (dump(head)[1:-1],) if head else ()


def json_array(name: bytes, *pieces: bytes | bytearray) -> Field:
    """Return a field called ``name`` with a list, whose items and commas ``pieces`` are."""
    return (b'"%b":[' % name, *pieces, b"]")


def json_field(name: bytes, written: bytes) -> Field:
    """Return a field called ``name`` with a value that is JSON already."""
    return (b'"%b":' % name, written)
