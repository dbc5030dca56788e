"""Says where the key of a provider comes from, showing its last characters at most."""

from __future__ import annotations

import os
import re

from agentouto import Provider
from agentouto.cli._terminal_text import clean
from agentouto.wires import key_variables

SHOWN_END = 4
"""Characters of a key that are shown, as the vendors' own pages do, to tell keys apart."""

SHORTEST_SHOWN_KEY = 16
"""Of shorter keys nothing is shown: four characters would be too large a part."""


def key_source(provider: Provider) -> str:
    """Return where the key of ``provider`` comes from."""
    if provider.script is not None:
        return "a script, no key needed"
    if provider.auth is not None:
        return "signs in with auth="
    if provider.api_key:
        return f"api_key= is given{key_end(provider.api_key)}"
    own = f"AGENTOUTO_{re.sub('[^0-9A-Z]', '_', provider.name.upper())}_API_KEY"
    kind = provider.kind
    variables: tuple[str, ...] = ()
    if provider.base_url is None:
        built_in = key_variables()
        variables = built_in.get(kind, ()) if isinstance(kind, str) else kind.key_variables
    for variable in (own, *variables):
        if key := os.environ.get(variable, "").strip():
            return f"{variable} is set{key_end(key)}"
    return "no key needed"


def key_end(key: str) -> str:
    """Return the end of ``key`` in parentheses, if it is long enough to show a part of it."""
    return f" (...{clean(key)[-SHOWN_END:]})" if len(key) >= SHORTEST_SHOWN_KEY else ""
