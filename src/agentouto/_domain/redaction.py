"""Hides configured secrets in texts: servers and programs repeat what they were given.

The values of headers, of queries and of environment variables are hidden under whatever name they
have, because no one can tell by a name such as ``X-Own`` that its value is a key. Only settings
whose values are no secrets and belong into the text of an error, such as versions, are shown.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from agentouto._domain.secret import Secret

CUT = "…"
"""Ends a text that was shortened."""

_SHORTEST_HIDDEN = 8
"""Characters. Shorter values are words such as ``none`` that users set for local servers; replacing
them would make texts unreadable."""

_SECRET = re.compile(r"auth|cookie|key|pass|secret|sig|token", re.IGNORECASE)
"""Words in the name of a setting whose value is secret in every word of it."""

_HARMLESS = re.compile(
    r"version|deployment|model|region|\baccept\b|beta|content-type|user-agent", re.IGNORECASE
)
"""Words in the name of a header or of a query's field whose value is shown."""

_PATH = re.compile(r"[~.]?/|[A-Za-z]:\\")
"""How a path begins. Variables hold many, and errors without them could not be understood."""


_SAFE_IN_QUERIES = "/?:@!$'()*,;"
"""What a query may have as it is (RFC 3986 §3.4), but for what stands between its fields."""


def secrets_in(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is hidden of the values of ``settings``: headers, or the fields of a query."""
    secret: list[str] = []
    whole: list[str] = []
    for name, value in settings.items():
        if _SECRET.search(name) or value.startswith(("Bearer ", "Basic ")):
            secret.append(value)
        elif not _HARMLESS.search(name):
            whole.append(value)
    return in_all_forms(secret) + _unless_words(whole)


def secrets_in_address(url: str) -> tuple[str, ...]:
    """Return what is hidden of ``url``: user, password and the values of its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ()
    user = [unquote(each) for each in (parts.username, parts.password) if each]
    if user:
        user.append(b64encode(":".join(user).encode()).decode())  # RFC 7617 §2
    return in_all_forms(user) + secrets_in(dict(parse_qsl(parts.query)))


def secrets_in_variables(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is hidden of the values of environment ``variables``: all but paths."""
    hidden = {
        name: value
        for name, value in variables.items()
        if _SECRET.search(name) or not _PATH.match(value)
    }
    return secrets_in(hidden)


def in_all_forms(values: Iterable[str]) -> tuple[str, ...]:
    """Return ``values`` and the words in them, in all encodings in which servers repeat them.

    Those are JSON with an escaped slash (PHP) and the forms of percent-encoding.
    """
    words = {word.strip(",;") for value in values for word in (value, *value.split())}
    forms = words | {word.replace("/", r"\/") for word in words}
    forms |= {quote(word, safe) for word in words for safe in ("", "/", _SAFE_IN_QUERIES)}
    forms |= {quote_plus(word) for word in words}
    return tuple(map(Secret, forms))


def _unless_words(values: Iterable[str]) -> tuple[str, ...]:
    """Return ``values`` in all forms, without those words of them that have letters only.

    ``X-Title: My Application`` is hidden as a whole, and an error may speak of an application.
    """
    whole = list(values)
    plain = {word for value in whole for word in value.split() if word.isalpha()} - {*whole}
    return tuple(form for form in in_all_forms(whole) if form.strip(",;") not in plain)


def hidden_in(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without ``secrets``, and without the beginning of one where it was cut."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may contain another
        if len(secret) >= _SHORTEST_HIDDEN:
            text = text.replace(secret, "***")
            sizes = range(len(secret) - 1, 3, -1) if text.endswith(CUT) else ()
            begun = (f"{secret[:size]}{CUT}" for size in sizes)
            if rest := next(filter(text.endswith, begun), ""):
                text = f"{text.removesuffix(rest)}***{CUT}"
    return text


def hide(error: Exception, secrets: Iterable[str]) -> None:
    """Remove ``secrets`` from the texts of ``error``; a cause that shows one is left out."""
    known = tuple(secrets)
    error.args = tuple(hidden_in(str(arg), known) for arg in error.args)
    for name, value in [*vars(error).items()]:
        if isinstance(value, str):
            setattr(error, name, hidden_in(value, known))
    for cause in (error.__cause__, error.__context__):
        text = f"{cause} {cause!r}"
        if hidden_in(text, known) != text:
            error.__cause__ = error.__context__ = None
