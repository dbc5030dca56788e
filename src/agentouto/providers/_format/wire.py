"""The protocols of a wire format: it encodes requests, decodes answers and classifies errors.

A wire does no I/O: it opens no connection, and retries and event loops are none of its business.
``_transport/http_backend.py`` sends the requests of any wire. Addresses and headers, which all
wires handle alike, are handled here.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from typing import Protocol, TypeAlias, cast, runtime_checkable
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import msgspec

from agentouto._domain.delta import Delta
from agentouto._domain.errors import AuthError, ConfigurationError, ProviderError
from agentouto._domain.message import Attachment
from agentouto._domain.participants import EXTRA_HEADERS, Agent
from agentouto._domain.ports import ModelRequest
from agentouto._domain.secret import Secret, address
from agentouto._network import shown
from agentouto.providers._format.errors import ErrorDetails
from agentouto.providers._format.json import Json, as_object

_LIST_HEADERS = frozenset({"anthropic-beta"})
"""Headers that are lists of values, so that ours and the user's are joined (RFC 9110 §5.3).
Anthropic's "Beta headers" page joins features with commas."""


class WireRequest(msgspec.Struct, frozen=True, gc=False):
    """An HTTP request without credentials.

    Attributes:
        url: Where it is posted.
        body: What is posted, as JSON.
        headers: Headers that the agent's settings add.
        optional: Paths of fields that we chose to send. They may be left out if they are refused.
    """

    url: str
    body: bytes
    headers: Mapping[str, str] = {}
    optional: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"WireRequest({shown(self.url)!r}, {len(self.body)} bytes)"


ModelLookup: TypeAlias = Generator[WireRequest, object, int | None]
"""Yields requests (posted if they have a body), is sent the JSON of each answer or ``None``, and
returns how many tokens a model can read, or ``None`` if no answer says so."""


class Decoder(Protocol):
    """Reads one answer: ``feed`` until it is ``over`` or the bytes end, then ``end``."""

    @property
    def complete(self) -> bool:
        """Whether the answer is complete, even if the connection breaks now."""
        ...

    @property
    def over(self) -> bool:
        """Whether the server has marked the end of the answer."""
        ...

    def feed(self, events: Sequence[bytes]) -> list[Delta]:
        """Take the data of events that arrived together; return their deltas.

        An error among them ends the answer and is raised by ``end``, so that deltas before it are
        delivered.
        """
        ...

    def end(self) -> list[Delta]:
        """Return the last deltas; ``ProtocolViolation`` if the answer was cut short."""
        ...

    def whole(self, body: bytes) -> list[Delta]:
        """Read an answer that is no stream although one was asked for."""
        ...


class Wire(Protocol):
    """One provider's format. A new kind of provider is a ``Wire`` and one row in a table."""

    @property
    def url(self) -> str:
        """Where requests go, as far as that is fixed before there is one."""
        ...

    def credentials(self, api_key: str) -> Mapping[str, str]:
        """Return the headers that carry ``api_key``."""
        ...

    def needed_downloads(self, request: ModelRequest) -> list[Attachment]:
        """Return the files to download into the draft's ``files`` before ``encode``."""
        ...

    def encode(self, request: ModelRequest) -> WireRequest:
        """Encode ``request``; ``ProviderError`` if the format cannot express it."""
        ...

    def decoder(self, request: ModelRequest) -> Decoder:
        """Return a reader for the answer to ``request``."""
        ...

    def error_for(self, details: ErrorDetails) -> ProviderError | AuthError:
        """Return the error that an unsuccessful answer stands for."""
        ...

    def adapt(self, request: ModelRequest, sent: WireRequest, details: ErrorDetails) -> None:
        """Learn from ``details`` what the next ``encode`` should do otherwise, if anything."""
        ...

    def model_lookup(self, agent: Agent) -> ModelLookup | None:
        """Return how to ask the server about the agent's model; ``None`` if it cannot answer."""
        ...


class NeedsLookup(Protocol):
    """A wire that may need an answer of its server before it can encode a request."""

    def needs_lookup(self, agent: Agent) -> bool:
        """Return whether the ``model_lookup`` about the agent's model has to be made first."""
        ...


@runtime_checkable
class AccountBound(Protocol):
    """A wire that sends native items of replies back, but only to their own account."""

    def bind_account(self, account: str) -> None:
        """Take an id that tells the account from others. Called once, before any request."""
        ...


def endpoint(base_url: str | None, default: str, version: str, path: str) -> str:
    """Return where to post: ``path`` below ``base_url``, which may already end with it.

    A bare host gets ``version`` in front of the path; a query string is kept at the end.
    """
    url_text = default if base_url is None else base_url
    url = _split(url_text.strip())
    if url is None or url.scheme not in {"http", "https"}:
        raise ConfigurationError(
            f"base_url={shown(url_text)!r} is no address of a server; one looks like "
            "'http://localhost:11434/v1'"
        )
    # Addresses are shown in errors and logs, and a password in one would be too.
    if url.username or url.password:
        raise ConfigurationError(
            f"base_url={shown(url_text)!r} holds a password; give it as api_key= or "
            "in Agent(extra={'extra_headers': {...}})"
        )
    # Some vendors document the whole address, others what stands before ``/v1``.
    below = url.path.rstrip("/")
    if not below.endswith(path):
        below = (below or version) + path
    # A fragment is not sent (RFC 9110 §4.2.5), and would end up behind the query of a request.
    return address(url._replace(path=below, fragment="").geturl())


def _split(address: str) -> SplitResult | None:
    """Return ``address`` in parts, or ``None`` if no server can have it (RFC 3986, RFC 3490)."""
    try:
        url = urlsplit(address)
        host = url.hostname or ""
        _ = url.port, host.encode("idna")
    except ValueError:
        return None
    return url if re.fullmatch(r"\S+", host) else None


def not_json_error(provider_name: str, error: Exception) -> ProviderError:
    """Return the error for a request that JSON cannot express."""
    return ProviderError(
        provider_name, f"the agent's extra= or a tool's schema is not JSON: {error}"
    )


def split_extra(provider_name: str, extra: Mapping[str, object]) -> tuple[Json, dict[str, str]]:
    """Return what an agent's ``extra`` adds to the body, and what it adds to the headers.

    A header's name is a token (RFC 9110 §5.6.2); a line break in a value would begin another one.
    """
    if not extra:
        return {}, {}
    fields = dict(extra)
    extra_headers = as_object(fields.pop(EXTRA_HEADERS, None))
    headers = {name: Secret(value) for name, value in extra_headers.items()}
    for name, value in headers.items():
        if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII) or not value.isprintable():
            raise ProviderError(provider_name, f"{name!r} in extra_headers is no header")
    return fields, cast("dict[str, str]", headers)


def with_query(url: str, query: Mapping[str, str]) -> str:
    """Return ``url`` with ``query``, which replaces parameters of the same names."""
    if not query:
        return url
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in query]
    return address(parts._replace(query=urlencode([*kept, *query.items()])).geturl())


def merge_headers(*headers: Mapping[str, str]) -> dict[str, str]:
    """Return all ``headers``; of names that differ only in case (RFC 9110 §5.1), the last."""
    last: dict[str, tuple[str, str]] = {}
    for some in headers:
        last |= {name.lower(): (name, value) for name, value in some.items()}
    return dict(last.values())


def merge_auth_headers(headers: Mapping[str, str], made: Mapping[str, str]) -> dict[str, str]:
    """Return ``headers`` with those of ``auth=``, ``made``, in place of the same names.

    Values of a header that is a list are joined instead.
    """
    there = {
        name.lower(): value for name, value in headers.items() if name.lower() in _LIST_HEADERS
    }
    kept = {
        name: ",".join(dict.fromkeys([*there[name.lower()].split(","), value]))
        if name.lower() in there
        else value
        for name, value in made.items()
    }
    return merge_headers(headers, kept)
