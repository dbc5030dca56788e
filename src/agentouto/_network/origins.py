"""Whether a request comes from a page of another site, as far as its browser says so."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Return whether a request comes from our own pages, or from a program that is no browser.

    Args:
        headers: The headers of the request, by name in lower case.
    """
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        place = urlsplit(origin).netloc.lower()
    except ValueError:  # no address, such as ``http://[``
        return False
    return place != "" and place == headers.get("host", "").lower()
