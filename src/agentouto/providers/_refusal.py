"""What a server said instead of an answer, read out of every shape it may have.

The shapes differ, the reasons do not: one table sorts them for all providers. Texts are cut and
stripped of anything that looks like a key. What is done about a refusal is decided elsewhere.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus

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
from agentouto.providers._json import Json, as_list, as_object, as_text, dump, parse

LONGEST = 500
"""How much of a server's own words is shown."""

CUT = "…"
"""How they end if there is more."""

_LONGEST_READ = 4096
"""How much of them is looked through."""

_QUOTA = re.compile(
    r"insufficient_quota|billing_hard_limit|billing_error|credit_balance|spend_limit_(exceeded|reached)"
    r"|organization_usage_limit|credit balance is too low"
    r"|insufficient (credits|balance|funds)|FAILED_PRECONDITION\b.*\bbilling|\b\w+PerDay",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|request_too_large"
    r"|maximum context length(?! (option|parameter|field|setting)s?\b)|number of tokens allowed"
    r"|reduce the length of the (messages|input|prompt)|prompt is too long|input is too long"
    r"|input tokens exceed|exceeds (the )?(available )?context (size|window|length)"
    r"|input token count .{0,60}exceeds|context window of this model|exceed context limit"
    r"|maximum prompt length|prompt token count of \d+ exceeds|exceeded model token limit"
    r"|context window exceeds|greater than the context length|loaded with context length of",
    re.IGNORECASE,
)
_BLOCKED = re.compile(
    r"content_filter|content_policy_violation|responsible ?ai ?policy|invalid_prompt|bio_policy"
    r"|misalignment_policy",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"invalid_api_key|incorrect_api_key|API_KEY_INVALID|authentication_error", re.IGNORECASE
)
_BUSY = re.compile(
    r"overloaded|server_error|api_error|internal_error|unavailable|timeout", re.IGNORECASE
)
_SLOW_DOWN = re.compile(r"rate_limit|too_many_requests|resource_exhausted", re.IGNORECASE)
_HOPELESS = re.compile(r"\b(invalid_|image_|unsupported_|empty_image|data_residency)")
"""Codes inside an answer that say that the same request can never succeed."""

_SPENT = re.compile(r"exceeded your current quota", re.IGNORECASE)
"""Without a code that asks to slow down, and without a wait, this is about money."""

_NEVER_FITS = re.compile(
    r"request too large\b.{0,300}\blimit (\d+), requested (\d+)", re.IGNORECASE
)
"""One request that asks for more than a minute's worth: no wait makes it smaller."""

_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h)", re.IGNORECASE)
_LATER = re.compile(rf"(?:try again|retry) in ((?:{_SPAN.pattern})+)", re.IGNORECASE)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

_SECRETS = re.compile(
    r"\b(?:sk|gsk|xai)[-_][\w*.-]{6,}|\bAIza[\w-]{10,}|(?<=Bearer )\S+|\beyJ[\w-]{10,}\.[\w.-]+"
)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<[^>]+>", re.IGNORECASE | re.DOTALL)


class Fault(msgspec.Struct, frozen=True):
    """An error as a server told it.

    ``status`` is ``None`` where the error came inside an answer that had begun well.
    """

    message: str
    code: str = ""
    param: str = ""
    status: int | None = None
    retry_after: float | None = None

    @property
    def labels(self) -> str:
        """Code and text, for looking things up in."""
        return f"{self.code} {self.message}"


def read_fault(
    body: bytes | Json, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Fault:
    """Return what ``body`` complains about."""
    read = body if isinstance(body, dict) else _parsed(body)
    said, code, param = _complaint(read)
    details = _details(read)
    said = said[:_LONGEST_READ]
    code = " ".join(part for part in (code, *details.labels) if part)[:_LONGEST_READ]
    param = (param or details.param)[:LONGEST]
    if status is None and (number := re.search(r"\b[45]\d\d\b", code)):
        status = int(number[0])
    wait = asked_wait(headers or {})
    wait = details.wait if wait is None else wait
    if wait is None and (hint := _LATER.search(said)):
        spans = _SPAN.findall(hint[1])
        wait = sum(float(number) * _UNITS[unit.lower()] for number, unit in spans)
    return Fault(short(said) or "it said nothing else", code, param, status, wait)


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a server asks us to wait, if it does."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value) * unit
    return _until(headers.get("retry-after", ""), headers.get("date", ""))


def _until(moment: str, now: str) -> float | None:
    """Return the seconds between two dates, both by the server's own clock."""
    try:
        wait = parsedate_to_datetime(moment) - parsedate_to_datetime(now)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, wait.total_seconds())


def sort_out(provider_name: str, fault: Fault, where: str = "") -> ProviderError | AuthError:
    """Return the error that ``fault`` stands for. ``where`` says what was asked of whom."""
    text, kind = _sentence(fault, where), _kind(fault)
    if issubclass(kind, AuthError):
        return kind(provider_name, f"the key was refused: {text}")
    if issubclass(kind, RateLimited):
        return kind(provider_name, text, status=fault.status, retry_after=fault.retry_after)
    return kind(provider_name, text, status=fault.status)


def _kind(fault: Fault) -> type[ProviderError | AuthError]:
    kind = _kind_by_status(fault)
    asks_to_wait = kind is ProviderUnavailable and fault.retry_after is not None
    return RateLimited if asks_to_wait else kind


def _kind_by_status(fault: Fault) -> type[ProviderError | AuthError]:
    status, labels = fault.status, fault.labels
    if status in {402, 403, 429, 400, None} and _QUOTA.search(labels):
        return QuotaExhausted
    if status in {429, None} and _never_fits(fault.message):
        return ContextOverflow
    if status == 429 and _is_spent(fault):
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
            return _kind_by_words(fault)


def _never_fits(said: str) -> bool:
    sizes = _NEVER_FITS.search(said)
    return sizes is not None and int(sizes[2]) > int(sizes[1])


def _is_spent(fault: Fault) -> bool:
    slow_down = _SLOW_DOWN.search(fault.code) or fault.retry_after is not None
    return not slow_down and _SPENT.search(fault.message) is not None


def _kind_by_words(fault: Fault) -> type[ProviderError | AuthError]:
    """Sort out an error whose status says little: 400, 500 and their like, or none at all."""
    labels = fault.labels
    if _TOO_LONG.search(labels):
        return ContextOverflow
    if fault.status is not None and fault.status >= 500:
        return ProviderUnavailable
    if _BLOCKED.search(labels):
        return Refused
    if _KEY.search(labels):
        return AuthError
    if _SLOW_DOWN.search(fault.code):
        return RateLimited
    if fault.status is None and _HOPELESS.search(fault.code):
        return ProviderError
    if fault.status is None or _BUSY.search(fault.code):
        return ProviderUnavailable
    return ProviderError


def short(text: str) -> str:
    """Return ``text`` on one line, cut, and without secrets."""
    text = _SECRETS.sub("***", " ".join(text[:_LONGEST_READ].split()))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}{CUT}"


def _parsed(body: bytes) -> object:
    try:
        return parse(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def _complaint(body: object) -> tuple[str, str, str]:
    """Return message, code and field of an error in any of the shapes servers give it."""
    if isinstance(body, str):
        return _without_markup(body), "", ""
    body = as_object(as_list(body)[0]) if as_list(body) else as_object(body)
    error = body.get("error", body)
    if isinstance(error, str):
        return error, as_text(body.get("code")), as_text(body.get("param"))
    error = as_object(error)
    labels = (error.get(name) for name in ("code", "type", "status", "error_type"))
    code = " ".join(str(label) for label in labels if isinstance(label, str | int) and label)
    said = error.get("message") or error.get("detail") or error.get("msg") or body.get("message")
    return _words(said), code, as_text(error.get("param"))


class _Details(msgspec.Struct, frozen=True):
    """What some put beside the text of an error: Google a list, Anthropic an object."""

    labels: tuple[str, ...] = ()
    param: str = ""
    wait: float | None = None


def _details(body: object) -> _Details:
    """Return reason, quota, field and wait, as far as ``body`` has them."""
    body = as_object(as_list(body)[0]) if as_list(body) else as_object(body)
    details = as_object(body.get("error")).get("details")
    labels = [as_text(as_object(details).get("error_code"))]
    param, wait = "", None
    for item in map(as_object, as_list(details)):
        quotas = (as_object(violation) for violation in as_list(item.get("violations")))
        labels += [as_text(item.get("reason")), *(as_text(q.get("quotaId")) for q in quotas)]
        for violation in map(as_object, as_list(item.get("fieldViolations"))):
            param = param or as_text(violation.get("field"))
        if delay := re.fullmatch(r"(\d+(?:\.\d+)?)s", as_text(item.get("retryDelay"))):
            wait = float(delay[1])
    return _Details(tuple(label for label in labels if label), param, wait)


def _words(said: object) -> str:
    """Return a message as text: a list of complaints about fields included."""
    if isinstance(said, str):
        return said
    complaints = (as_object(item) for item in as_list(said))
    lines = [
        f"{'.'.join(str(step) for step in as_list(item.get('loc')))}: {as_text(item.get('msg'))}"
        for item in complaints
    ]
    return "; ".join(lines) or (dump(said).decode() if said else "")


def _without_markup(page: str) -> str:
    page = page[:_LONGEST_READ]
    if "<" not in page:
        return page
    if title := _TITLE.search(page):
        return f"a web page titled {html.unescape(title[1]).strip()!r}"
    return html.unescape(_MARKUP.sub(" ", page))


def _sentence(fault: Fault, where: str) -> str:
    answered = "" if fault.status is None else f"HTTP {fault.status}{_phrase(fault.status)}"
    about = " for ".join(part for part in (answered, where) if part)
    return f"{about}: {fault.message}" if about else fault.message


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""
