"""What all who use the network know of addresses: whose they are, and what is shown of them.

Nothing is opened or asked here.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit


def shown(url: str) -> str:
    """Return ``url`` without what may be secret in it: user, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return re.sub(r"//[^/]*@|[?#].*", "", url, flags=re.DOTALL)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def is_local(url: str) -> bool:
    """Return whether ``url`` leads to this very machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_safe(url: str) -> bool:
    """Return whether a secret may be sent to ``url``: encrypted, or not leaving this machine.

    What a terminal or a browser could read as something else than an address is not safe either.
    """
    if not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    named = bool(parts.hostname) and not (parts.username or parts.password)
    return named and (parts.scheme == "https" or (parts.scheme == "http" and is_local(url)))


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for ``url``, if it names one for HTTP.

    Nothing else of the environment is heeded: a ``.netrc`` would send passwords nobody asked for.
    """
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - comes with aiohttp

    parts = urlsplit(url)
    if is_local(url) or proxy_bypass(parts.hostname or ""):
        return None
    proxy = getproxies().get(parts.scheme, "")
    return proxy if proxy.startswith(("http://", "https://")) else None
