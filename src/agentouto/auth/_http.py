"""The door to authorization servers: one question, one answer, nothing kept.

Tokens go to https addresses and this machine only, redirections are not followed, and of an answer
that is no JSON nothing is told but its status. What the fields mean is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import cast
from urllib.parse import urlsplit

import msgspec

from agentouto._domain.errors import AuthError, ProviderUnavailable
from agentouto._domain.secret import Secret
from agentouto._network import is_safe, proxy_for

SECONDS = 30.0
MOST_BYTES = 1 << 20

_HEADERS = {"Accept": "application/json", "User-Agent": "agentouto"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

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
) -> Answer:
    """Post ``form`` to ``url``, or get what is there; return what the server says.

    Raises:
        AuthError: A secret must not be sent there, or the answer is not from such a server.
        ProviderUnavailable: There was no answer, or the server is broken.
    """
    import aiohttp  # noqa: PLC0415 - costs 120 ms, so it waits for the first request

    if not is_safe(url):
        raise AuthError(name, f"{_host(url)} is neither an https:// address nor this machine")
    try:
        async with asyncio.timeout(SECONDS):
            answer = await _exchange(url, form, {**_HEADERS, **(headers or {})}, as_json=as_json)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The error itself may hold what was sent, so nothing is told of it but its kind.
        why = f"within {SECONDS:g} s" if isinstance(error, TimeoutError) else type(error).__name__
        raise ProviderUnavailable(name, f"no answer from {_host(url)}: {why}") from None
    if answer.status >= 500 or answer.status == 429:
        raise ProviderUnavailable(
            name, f"{_host(url)} answered HTTP {answer.status}", status=answer.status
        )
    return answer


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


async def _exchange(
    url: str, form: Mapping[str, str] | None, headers: Mapping[str, str], *, as_json: bool
) -> Answer:
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
        body = BytesIO()  # whoever ends this halfway is shown nothing of what has come
        while body.write(await response.content.readany()):
            if body.tell() > MOST_BYTES:
                return Answer(response.status, None)
        return Answer(response.status, _object(body.getvalue()))


def _object(body: bytes) -> dict[str, object] | None:
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
