"""What a wire format is: a request written down, an answer read, a refusal understood.

Everything here is decided by thinking. A wire opens no connection and knows neither retries nor
event loops; ``_http`` speaks any wire over the network.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from typing import Protocol, TypeAlias
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import msgspec

from agentouto._domain.delta import Delta
from agentouto._domain.errors import AuthError, ConfigurationError, ProviderError
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Agent
from agentouto._domain.ports import ModelRequest
from agentouto._network import shown
from agentouto.providers._json import Json, as_object
from agentouto.providers._refusal import Fault

HEADERS = "extra_headers"
"""The key in ``Agent.extra`` that goes to the headers, not to the body."""

_LISTS = frozenset({"anthropic-beta"})


class WireRequest(msgspec.Struct, frozen=True, gc=False):
    """An HTTP request, short of credentials.

    Attributes:
        url: Where it is posted.
        body: What is posted, as JSON.
        headers: What the agent's settings add to the headers.
        ours: Fields of the body that we chose to send: what may be left out if it is refused.
    """

    url: str
    body: bytes
    headers: Mapping[str, str] = {}
    ours: frozenset[str] = frozenset()


Inquiry: TypeAlias = Generator[WireRequest, object, int | None]
"""Yields what to ask a server for (posted if it has a body), is sent the JSON that came back or
``None``, and returns how many tokens a model can read, if that was said."""


class Decoder(Protocol):
    """Reads one answer. It is fed until it is ``over`` or the bytes end, then ended."""

    @property
    def complete(self) -> bool:
        """Whether the answer is whole, even if the connection breaks now."""
        ...

    @property
    def over(self) -> bool:
        """Whether the answer has said that nothing more will come."""
        ...

    def feed(self, events: Sequence[bytes]) -> list[Delta]:
        """Take the data of events that arrived together; return what they say.

        An error among them ends the answer, and is raised by ``end``: what came before is told.
        """
        ...

    def end(self) -> list[Delta]:
        """Return what is left to say; ``ProtocolViolation`` if the answer was cut short."""
        ...

    def whole(self, body: bytes) -> list[Delta]:
        """Read an answer that came in one piece although a stream was asked for."""
        ...


class Wire(Protocol):
    """One provider's format. A new kind of provider is one of these and one row in a table."""

    @property
    def url(self) -> str:
        """Where requests go, as far as it is known before there is one."""
        ...

    def credentials(self, api_key: str) -> Mapping[str, str]:
        """Return the headers that carry ``api_key``."""
        ...

    def wanted(self, request: ModelRequest) -> list[Attachment]:
        """Return what must be fetched into the draft's ``files`` before ``encode``."""
        ...

    def encode(self, request: ModelRequest) -> WireRequest:
        """Write ``request`` down; ``ProviderError`` if this format has no words for it."""
        ...

    def decoder(self, request: ModelRequest) -> Decoder:
        """Return a reader for the answer to ``request``."""
        ...

    def refusal(self, fault: Fault) -> ProviderError | AuthError:
        """Return the error that an unsuccessful answer stands for."""
        ...

    def learn(self, request: ModelRequest, sent: WireRequest, fault: Fault) -> None:
        """Take from ``fault`` what the next ``encode`` should do otherwise, if anything."""
        ...

    def inquiry(self, agent: Agent) -> Inquiry | None:
        """Return how the server is asked about the agent's model, if it may know something."""
        ...


class Curious(Protocol):
    """A wire that may have to know something of its server before it can write a request down."""

    def wonders(self, agent: Agent) -> bool:
        """Return whether the ``inquiry`` about the agent's model has to be made first."""
        ...


def endpoint(base_url: str | None, default: str, version: str, path: str) -> str:
    """Return where to post: ``path`` below ``base_url``, however much of it was given.

    A bare host gets ``version`` in front of the path; a query string is kept at the end.
    """
    given = default if base_url is None else base_url
    url = _split(given.strip())
    if url is None or url.scheme not in {"http", "https"}:
        raise ConfigurationError(
            f"base_url={shown(given)!r} is no address of a server; one looks like "
            "'http://localhost:11434/v1'"
        )
    if url.username or url.password:
        raise ConfigurationError(
            f"base_url={shown(given)!r} holds a password; give it as api_key= or "
            "in Agent(extra={'extra_headers': {...}})"
        )
    below = url.path.rstrip("/")
    if not below.endswith(path):
        below = (below or version) + path
    return url._replace(path=below, fragment="").geturl()


def _split(address: str) -> SplitResult | None:
    """Return ``address`` in parts, or ``None`` if no server can have it."""
    try:
        url = urlsplit(address)
        host = url.hostname or ""
        _ = url.port, host.encode("idna")
    except ValueError:
        return None
    return url if re.fullmatch(r"\S+", host) else None


def not_json(provider_name: str, error: Exception) -> ProviderError:
    """Return what is wrong with a request that JSON has no form for."""
    return ProviderError(
        provider_name, f"the agent's extra= or a tool's schema is not JSON: {error}"
    )


def split_extra(provider_name: str, extra: Mapping[str, object]) -> tuple[Json, dict[str, str]]:
    """Return what an agent adds to the body, and what it adds to the headers."""
    fields = dict(extra)
    headers = {name: str(value) for name, value in as_object(fields.pop(HEADERS, None)).items()}
    for name, value in headers.items():
        if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII) or not value.isprintable():
            raise ProviderError(provider_name, f"{name!r} in extra_headers is no header")
    return fields, headers


def with_query(url: str, query: Mapping[str, str]) -> str:
    """Return ``url`` with ``query`` in it, in place of what was there under the same names."""
    if not query:
        return url
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in query]
    return parts._replace(query=urlencode([*kept, *query.items()])).geturl()


def joined(*headers: Mapping[str, str]) -> dict[str, str]:
    """Return all of ``headers``; of those that differ only in case, the last."""
    last: dict[str, tuple[str, str]] = {}
    for some in headers:
        last |= {name.lower(): (name, value) for name, value in some.items()}
    return dict(last.values())


def with_signature(headers: Mapping[str, str], made: Mapping[str, str]) -> dict[str, str]:
    """Return ``headers`` with those that ``auth=`` has ``made`` in place of theirs.

    To a header that is a list it adds, and takes nothing away.
    """
    there = {name.lower(): value for name, value in headers.items() if name.lower() in _LISTS}
    kept = {
        name: ",".join(dict.fromkeys([*there[name.lower()].split(","), value]))
        if name.lower() in there
        else value
        for name, value in made.items()
    }
    return joined(headers, kept)
