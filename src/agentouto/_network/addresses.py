"""URLs: whether they lead to this machine, whether secrets may go there, and how they are shown."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def shown(url: str) -> str:
    """Return ``url`` without what may be secret in it: user, password and query."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # such as a slash in a password
        parts = None
    if parts is not None and (host := parts.netloc.rpartition("@")[2]):
        return parts._replace(netloc=host, query="", fragment="").geturl()
    scheme, slashes, rest = url.partition("//")
    rest = rest if slashes else url
    rest = rest.rpartition("@")[2]  # everything before the last @ may be secret
    rest = rest.partition("?")[0].partition("#")[0]
    return f"{scheme}//{rest}" if slashes else rest


def is_local(url: str) -> bool:
    """Return whether ``url`` leads to this very machine.

    ``localhost`` and all names below it do (RFC 6761 §6.3).
    """
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_safe(url: str) -> bool:
    """Return whether a secret may be sent to ``url``: encrypted, or not leaving this machine.

    Text that a terminal or a browser could read as something other than an address is not safe.
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
