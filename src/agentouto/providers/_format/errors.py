"""Parses the errors of servers in every shape they have, and classifies them.

Shapes: ``{"error": {...}}`` (OpenAI's "Error codes", Anthropic's "Errors", Google's AIP-193),
FastAPI's ``{"detail": [...]}``, RFC 9457's ``detail``, MiniMax's ``base_resp``, a web page of a
proxy, and plain text. The classes are the same for all providers.

The order of the tests matters. Servers use 429 for an empty account, 400 for a wrong key and 500
for a prompt that is too long, so quota comes before the status, and the status before the text; the
text decides only where the status says little. Texts are cut and stripped of anything that looks
like a key, because they end in errors, logs and event files. What is done about an error is decided
elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import MappingProxyType

import msgspec

from agentouto._domain.errors import (
    AuthError,
    ContextOverflow,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
)
from agentouto._domain.redaction import CUT
from agentouto.providers._format import server_messages
from agentouto.providers._format.json import Json, as_list, as_object, as_str, dump, parse

LONGEST = 500
"""Characters of a server's text that an error shows: enough for every text in our tables of
patterns, and a few lines in a log."""

_MAX_READ = 4096
"""Characters of a text or page that are read at all. It bounds the time of all searches: a hostile
server may send megabytes."""

_UNITS = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0})
"""Seconds of each unit that ``TIME_SPAN`` finds."""

_SECRETS = re.compile(
    r"\b(?:sk|gsk|xai)[-_][\w*.-]{6,}|\bAIza[\w-]{10,}|(?<=Bearer )\S+|\beyJ[\w.-]{10,}"
)
"""Keys by their beginnings: OpenAI, Anthropic and OpenRouter ``sk-``, Groq ``gsk_``, xAI ``xai-``,
Google ``AIza``; bearer tokens (RFC 6750 §2.1); JSON Web Tokens, whose first part is base64 of
``{"`` (RFC 7519). OpenAI's 401 repeats the key, with stars in its middle.
"""

_TITLE = re.compile(r"<title[^<>]*>", re.IGNORECASE)
_TITLE_END = re.compile(r"</title>", re.IGNORECASE)
_CODE = re.compile(r"<(script|style)\b", re.IGNORECASE)
_CODE_END = MappingProxyType(
    {
        "script": re.compile(r"</script>", re.IGNORECASE),
        "style": re.compile(r"</style>", re.IGNORECASE),
    }
)
"""What a page of a proxy is reduced by: its title says most, and code and styles say nothing. Start
and end are separate expressions, because one for both would take quadratic time."""


class ErrorDetails(msgspec.Struct, frozen=True):
    """An error as a server reported it.

    Attributes:
        message: The server's text.
        code: Its codes and types, joined by blanks; empty without any.
        param: The field that the error is about; empty if the server names none.
        status: The HTTP status; ``None`` where the error came inside an answer that began with 200.
        retry_after: Seconds that the server asks to wait.
    """

    message: str
    code: str = ""
    param: str = ""
    status: int | None = None
    retry_after: float | None = None

    @property
    def labels(self) -> str:
        """Code and text, as the tables of patterns search them."""
        return f"{self.code} {self.message}"


def parse_error(
    body: bytes | Json, status: int | None = None, headers: Mapping[str, str] | None = None
) -> ErrorDetails:
    """Return the error that ``body`` holds."""
    read = body if isinstance(body, dict) else _parsed(body)
    message, code, param = _message_code_param(read)
    details = _details(read)
    message = message[:_MAX_READ]
    code = " ".join(part for part in (code, *details.labels) if part)[:_MAX_READ]
    param = (param or details.param)[:LONGEST]
    if status is None and (number := re.search(r"\b[45]\d\d\b", code)):
        status = int(number[0])
    wait = requested_wait(headers or {})
    wait = details.wait if wait is None else wait
    if wait is None and (hint := server_messages.RETRY_IN.search(message)):
        spans = server_messages.TIME_SPAN.findall(hint[1])
        wait = sum(float(number) * _UNITS[unit.lower()] for number, unit in spans)
    return ErrorDetails(short(message) or "it said nothing else", code, param, status, wait)


def holds_error(body: Json) -> bool:
    """Return whether ``body`` has an error in it, in one of the shapes that say so by themselves.

    MiniMax reports errors in ``base_resp``, where 0 stands for success, and some gateways send a
    list called ``errors``.
    """
    if body.get("error") or as_list(body.get("errors")):
        return True
    return bool(as_object(body.get("base_resp")).get("status_code"))


def requested_wait(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a server asks us to wait, or ``None``.

    ``Retry-After`` is seconds or a date (RFC 9110 §10.2.3). OpenAI and Azure also send
    ``retry-after-ms``, which is more exact.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value) * unit
    return _seconds_between(headers.get("retry-after", ""), headers.get("date", ""))


def _seconds_between(moment: str, now: str) -> float | None:
    """Return the seconds between two dates (RFC 9110 §5.6.7), both by the server's own clock."""
    try:
        wait = parsedate_to_datetime(moment) - parsedate_to_datetime(now)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, wait.total_seconds())


def classify_error(
    provider_name: str, details: ErrorDetails, where: str = ""
) -> ProviderError | AuthError:
    """Return the error that ``details`` stands for. ``where`` is the address that was asked."""
    text, kind = _text_with_status(details, where), _error_type(details)
    if issubclass(kind, AuthError):
        return kind(provider_name, f"the key was refused: {text}")
    if issubclass(kind, RateLimited):
        return kind(provider_name, text, status=details.status, retry_after=details.retry_after)
    return kind(provider_name, text, status=details.status)


def _error_type(details: ErrorDetails) -> type[ProviderError | AuthError]:
    kind = _type_by_status(details)
    asks_to_wait = kind is ProviderUnavailable and details.retry_after is not None
    return RateLimited if asks_to_wait else kind


def _type_by_status(details: ErrorDetails) -> type[ProviderError | AuthError]:
    status, labels = details.status, details.labels
    if status in {402, 403, 429, 400, None} and server_messages.QUOTA_EXHAUSTED.matches(labels):
        return QuotaExhausted
    if status in {429, None} and _exceeds_rate_limit(details.message):
        return ContextOverflow
    if status == 429 and _is_quota_error(details):
        return QuotaExhausted
    match status:
        case 401 | 403:
            return AuthError
        case 402:
            return QuotaExhausted
        case 413:
            return ContextOverflow
        case 429:
            return RateLimited
        case 408 | 409 | 425:
            return ProviderUnavailable
        case _:
            return _type_by_text(details)


def _exceeds_rate_limit(message: str) -> bool:
    sizes = server_messages.LARGER_THAN_LIMIT.search(message)
    return sizes is not None and int(sizes[2]) > int(sizes[1])


def _is_quota_error(details: ErrorDetails) -> bool:
    slow_down = (
        server_messages.RATE_LIMIT_CODES.matches(details.code) or details.retry_after is not None
    )
    return not slow_down and server_messages.QUOTA_TEXT.matches(details.message)


def _type_by_text(details: ErrorDetails) -> type[ProviderError | AuthError]:
    """Classify an error whose status says little: 400, 500 and their like, or none at all."""
    labels = details.labels
    if server_messages.CONTEXT_EXCEEDED.matches(labels):
        return ContextOverflow
    if details.status is not None and details.status >= 500:
        return ProviderUnavailable
    if server_messages.CONTENT_BLOCKED.matches(labels):
        return Refused
    if server_messages.KEY_REFUSED.matches(labels):
        return AuthError
    if server_messages.RATE_LIMIT_CODES.matches(details.code):
        return RateLimited
    if details.status is None and server_messages.PERMANENT_CODES.matches(details.code):
        return ProviderError
    if details.status is None or server_messages.TEMPORARY_CODES.matches(details.code):
        return ProviderUnavailable
    return ProviderError


def short(text: str) -> str:
    """Return ``text`` on one line, cut to ``LONGEST`` characters, without secrets."""
    text = _SECRETS.sub("***", " ".join(text[:_MAX_READ].split()))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}{CUT}"


def _parsed(body: bytes) -> object:
    try:
        return parse(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def _message_code_param(body: object) -> tuple[str, str, str]:
    """Return message, code and field of an error in any of the shapes servers give it."""
    if isinstance(body, str):
        return _without_markup(body), "", ""
    body = as_object(as_list(body)[0]) if as_list(body) else as_object(body)
    if errors := as_list(body.get("errors")):
        body = {"error": errors[0]} if "error" not in body else body
    if base := as_object(body.get("base_resp")):
        return as_str(base.get("status_msg")), str(base.get("status_code") or ""), ""
    error = body.get("error", body)
    if isinstance(error, str):
        return error, as_str(body.get("code")), as_str(body.get("param"))
    error = as_object(error)
    labels = (error.get(name) for name in ("code", "type", "status", "error_type"))
    code = " ".join(str(label) for label in labels if isinstance(label, str | int) and label)
    raw_message = (
        error.get("message") or error.get("detail") or error.get("msg") or body.get("message")
    )
    text = _message_text(raw_message)
    if not text and not code:
        text = dump(body).decode() if body else ""  # show an unknown shape as it is
    return text, code, as_str(error.get("param"))


class _Details(msgspec.Struct, frozen=True):
    """What stands in ``error.details``: a list of google.rpc messages, or Anthropic's object."""

    labels: tuple[str, ...] = ()
    param: str = ""
    wait: float | None = None


def _details(body: object) -> _Details:
    """Return reason, quota, field and wait, as far as ``body`` has them.

    Google's are ``ErrorInfo.reason``, ``QuotaFailure.violations``, ``BadRequest.fieldViolations``
    and ``RetryInfo.retryDelay`` (google/rpc/error_details.proto), a duration such as ``3.5s``.
    """
    body = as_object(as_list(body)[0]) if as_list(body) else as_object(body)
    details = as_object(body.get("error")).get("details")
    labels = [as_str(as_object(details).get("error_code"))]
    param, wait = "", None
    for item in map(as_object, as_list(details)):
        quotas = (as_object(violation) for violation in as_list(item.get("violations")))
        labels += [as_str(item.get("reason")), *(as_str(q.get("quotaId")) for q in quotas)]
        for violation in map(as_object, as_list(item.get("fieldViolations"))):
            param = param or as_str(violation.get("field"))
        if delay := re.fullmatch(r"(\d+(?:\.\d+)?)s", as_str(item.get("retryDelay"))):
            wait = float(delay[1])
    return _Details(tuple(label for label in labels if label), param, wait)


def _message_text(message: object) -> str:
    """Return a message as text; FastAPI sends a list with one entry for each wrong field."""
    if isinstance(message, str):
        return message
    complaints = (as_object(item) for item in as_list(message))
    lines = [
        f"{'.'.join(str(step) for step in as_list(item.get('loc')))}: {as_str(item.get('msg'))}"
        for item in complaints
    ]
    return "; ".join(lines) or (dump(message).decode() if message else "")


def _without_markup(page: str) -> str:
    page = page[:_MAX_READ]
    if "<" not in page:
        return page
    import html  # noqa: PLC0415 - only pages in place of an answer need it

    title = _TITLE.search(page)
    if title and (end := _TITLE_END.search(page, title.end())):
        return f"a web page titled {html.unescape(page[title.end() : end.start()]).strip()!r}"
    return html.unescape(_without_tags(page))


def _without_tags(page: str) -> str:
    """Return ``page`` with a blank for each tag, scripts and styles with what they contain.

    It reads the page once, and looks for a missing end tag once: the time stays linear.
    """
    pieces: list[str] = []
    unclosed: set[str] = set()
    at = 0
    while (begin := page.find("<", at)) >= 0 and (end := page.find(">", begin)) >= 0:
        pieces += page[at:begin], " "
        at = end + 1
        code = _CODE.match(page, begin)
        name = code[1].lower() if code else ""
        if code and name not in unclosed:
            closed = _CODE_END[name].search(page, code.end())
            if closed:
                at = closed.end()
            else:
                unclosed.add(name)
    return "".join((*pieces, page[at:]))


def _text_with_status(details: ErrorDetails, where: str) -> str:
    answered = (
        "" if details.status is None else f"HTTP {details.status}{_status_phrase(details.status)}"
    )
    about = " for ".join(part for part in (answered, where) if part)
    return f"{about}: {details.message}" if about else details.message


def _status_phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""
