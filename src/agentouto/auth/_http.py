"""HTTP requests to authorization servers: one request, one response, no state.

Tokens are sent to https addresses and to this machine only. Redirects are not followed. Of a
response that is not JSON only the status is reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from types import MappingProxyType
from typing import cast
from urllib.parse import urlsplit

import msgspec

from agentouto._domain.errors import AuthError, ProviderUnavailable
from agentouto._domain.secret import Secret
from agentouto._network import is_safe, proxy_fault, proxy_for, proxy_refusal, shown_route

REQUEST_SECONDS = 30.0
"""Time limit for one request; token endpoints answer within a second or two."""

MAX_BODY_BYTES = 1 << 20
"""A token response has a few KB; anything above this is not one."""

_AUTH_HEADERS = MappingProxyType({"Accept": "application/json", "User-Agent": "agentouto"})
"""Without ``Accept``, GitHub answers token requests form-encoded and not with JSON (GitHub's docs,
"Authorizing OAuth apps")."""


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """The response of an authorization server.

    Attributes:
        status: The HTTP status.
        fields: The JSON object it sent; ``None`` if it sent anything else.
    """

    status: int
    fields: Mapping[str, object] | None = field(repr=False)


async def ask(
    name: str,
    url: str,
    form: Mapping[str, str] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    as_json: bool = False,
) -> AuthResponse:
    """Post ``form`` to ``url``, or send a GET request without one, and return the response.

    Raises:
        AuthError: ``url`` is neither an https address nor on this machine.
        ProviderUnavailable: No answer, or HTTP 429 or 5xx.
    """
    import aiohttp  # noqa: PLC0415 - costs 120 ms, so it waits for the first request

    if not is_safe(url):
        raise AuthError(name, f"{_host(url)} is neither an https:// address nor this machine")
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            answer = await _send(url, form, {**_AUTH_HEADERS, **(headers or {})}, as_json=as_json)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The error may hold what was sent, so only its type is shown.
        why = (
            f"within {REQUEST_SECONDS:g} s"
            if isinstance(error, TimeoutError)
            else type(error).__name__
        )
        fault = proxy_fault(url, error) or f"no answer from {shown_route(_host(url))}: {why}"
        raise ProviderUnavailable(name, fault) from None
    if answer.status == 407 and (refusal := proxy_refusal(url, answer.status)):
        raise ProviderUnavailable(name, refusal, status=answer.status)
    if answer.status >= 500 or answer.status == 429:
        raise ProviderUnavailable(
            name, f"{_host(url)} answered HTTP {answer.status}", status=answer.status
        )
    return answer


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


async def _send(
    url: str, form: Mapping[str, str] | None, headers: Mapping[str, str], *, as_json: bool
) -> AuthResponse:
    import aiohttp  # noqa: PLC0415

    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.request(
            "GET" if form is None else "POST",
            url,
            data=None if as_json else form,
            json=form if as_json else None,
            headers=headers,
            allow_redirects=False,
            proxy=proxy_for(url),
        ) as response,
    ):
        body = BytesIO()  # not a local bytes object: a traceback would show it
        while body.write(await response.content.readany()):
            if body.tell() > MAX_BODY_BYTES:
                return AuthResponse(response.status, None)
        return AuthResponse(response.status, _parse_object(body.getvalue()))


def _parse_object(body: bytes) -> dict[str, object] | None:
    try:
        read: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(read, dict):
        return None
    fields = cast("dict[str, object]", read)
    return {
        name: Secret(value) if isinstance(value, str) else value for name, value in fields.items()
    }
