"""``agentouto models``: lists models from our table, or with ``--online`` from a server.

The lists of the vendors are read where their APIs document them: "List models" of OpenAI
(``/v1/models``), "List Models" of Anthropic (``/v1/models``, header ``anthropic-version``) and
"Models" of the Gemini API (``/v1beta/models``). A key goes to that one address only: redirects are
not followed.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
from collections.abc import Mapping
from http.client import HTTPMessage
from types import MappingProxyType
from typing import IO, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._terminal_text import clean, one_line, redact
from agentouto.wires import key_variables, known_models, proxy_for

LIST_SECONDS = 15.0
"""Seconds that the server may be silent."""

MAX_LIST_BYTES = 10_000_000
"""Bytes of an answer that are read; the longest lists, of routers, have about one million."""

ADDRESSES = MappingProxyType(
    {
        "openai": ("https://api.openai.com/v1", "/models"),
        "openai_responses": ("https://api.openai.com/v1", "/models"),
        "anthropic": ("https://api.anthropic.com", "/v1/models?limit=1000"),
        "google": ("https://generativelanguage.googleapis.com", "/v1beta/models?pageSize=1000"),
    }
)
"""The address and the path of the list of models, by kind. Pages are as long as each API allows."""


class _NoRedirects(HTTPRedirectHandler):
    """Refuses redirects: urllib would send the key to the new address, too."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Return nothing, which makes the redirect an ``HTTPError``."""


def print_models(kind: str, *, online: bool, base_url: str) -> ExitCode:
    """Print the models of ``kind``, or of all kinds if it is empty."""
    known = known_models()
    if kind and kind not in ADDRESSES:
        close = difflib.get_close_matches(kind, ADDRESSES, 1)
        hint = f" Did you mean {close[0]}?" if close else ""
        there = ", ".join(ADDRESSES)
        raise ExitError(f"There is no kind {kind!r}. There are: {there}.{hint}", ExitCode.USAGE)
    if base_url and not online:
        raise ExitError("--base-url goes with --online.", ExitCode.USAGE)
    if online:
        if not kind:
            raise ExitError("--online needs the KIND of the server to ask.", ExitCode.USAGE)
        for name in _fetch_names(kind, base_url):
            sys.stdout.write(f"{clean(name)}\n")
        return ExitCode.RETURNED
    for kinds in [[kind]] if kind else _kinds_by_list(known):
        sys.stdout.write(f"{', '.join(kinds)}\n")
        for name, (window, price) in known[kinds[0]].items():
            costs = f"{price.input:g} in, {price.output:g} out"
            sys.stdout.write(f"  {name:<24} {window:>9,} tokens   {costs}\n")
    sys.stdout.write("Prices are in US dollars for a million tokens.\n")
    return ExitCode.RETURNED


def _kinds_by_list(known: Mapping[str, object]) -> list[list[str]]:
    """Return the kinds, those with the same list of models together."""
    groups: list[list[str]] = []
    for kind, models in known.items():
        same = next((kinds for kinds in groups if known[kinds[0]] == models), None)
        if same is None:
            groups.append([kind])
        else:
            same.append(kind)
    return groups


def _fetch_names(kind: str, base_url: str) -> list[str]:
    usual, path = ADDRESSES[kind]
    url = f"{(base_url or usual).rstrip('/')}{path}"
    if not url.startswith(("https://", "http://")):
        raise ExitError(f"--base-url takes an http address, not {base_url!r}", ExitCode.USAGE)
    request = Request(url, headers=_headers(kind, own_server=bool(base_url)))  # noqa: S310 - checked
    proxy = proxy_for(url)
    proxies = ProxyHandler({urlsplit(url).scheme: proxy} if proxy else {})  # not urllib's own rules
    try:
        with build_opener(proxies, _NoRedirects).open(request, timeout=LIST_SECONDS) as response:
            answer = cast("object", json.loads(response.read(MAX_LIST_BYTES)))
    except HTTPError as error:
        text = redact(one_line(error.read(2000).decode(errors="replace"), 200))
        raise ExitError(f"{url}: HTTP {error.code} {text}", ExitCode.PROVIDER) from error
    except (URLError, OSError, ValueError) as error:
        raise ExitError(f"{url}: {one_line(str(error), 200)}", ExitCode.PROVIDER) from error
    return _names_in_list(answer, url)


def _headers(kind: str, *, own_server: bool) -> dict[str, str]:
    """Return the headers with the key: the one of the vendor goes to the vendor only."""
    variables = [f"AGENTOUTO_{re.sub('[^0-9A-Z]', '_', kind.upper())}_API_KEY"]
    if not own_server:
        variables += key_variables()[kind]
    key = next((key for name in variables if (key := os.environ.get(name, "").strip())), "")
    if not key and not own_server:
        raise ExitError(f"{kind} needs a key. Set {variables[1]}.")
    if not key:
        return {}
    match kind:
        case "anthropic":
            return {"x-api-key": key, "anthropic-version": "2023-06-01"}
        case "google":
            return {"x-goog-api-key": key}
        case _:
            return {"Authorization": f"Bearer {key}"}


def _names_in_list(answer: object, url: str) -> list[str]:
    """Return the names, sorted: ``data[].id`` (OpenAI, Anthropic) or ``models[].name`` (Google)."""
    rows: object = None
    if isinstance(answer, dict):
        fields = cast("Mapping[str, object]", answer)
        rows = fields.get("data", fields.get("models"))
    if not isinstance(rows, list):
        raise ExitError(f"{url} does not answer with a list of models.", ExitCode.PROVIDER)
    names: set[str] = set()
    for row in cast("list[object]", rows):
        if isinstance(row, dict):
            row = cast("Mapping[str, object]", row)
            names.add(str(row.get("id") or row.get("name") or "").removeprefix("models/"))
    return sorted(names - {""})
