"""Proxies: which one the environment names for an address, and what a failed one means.

There is no standard for the variables; curl's manual page (section "ENVIRONMENT") and Python's
``urllib.request`` are what other programs follow, and this module does what both do:

- ``HTTPS_PROXY`` and ``HTTP_PROXY`` are for addresses of that scheme, ``ALL_PROXY`` for both.
- A lower-case name goes before the upper-case one.
- ``NO_PROXY`` lists hosts that are reached directly. Ranges such as ``10.0.0.0/8`` are curl's
  (7.86 and later); they match numeric addresses only, because no name is looked up here.

A setting that cannot be used is an error and never ignored: a program that connects directly,
against its user's orders, may send prompts and keys past the place that has to see them.
Other files of the environment, such as ``.netrc``, are not read: they would add passwords that no
one has asked to send.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from types import MappingProxyType
from urllib.parse import urlsplit

import msgspec

from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.secret import address as hide_password
from agentouto._network.addresses import is_local, shown

_USABLE = frozenset({"http", "https"})
"""Schemes of proxies that aiohttp can use."""

_PORTS = MappingProxyType({"http": 80, "https": 443})
"""The ports of addresses that name none (RFC 9110 §4.2.1, §4.2.2)."""

_IDENTIFICATION_REQUIRED = 407
"""RFC 9110 §15.5.8: the proxy wants a user and a password."""


class Proxy(msgspec.Struct, frozen=True):
    """A proxy and where it was named.

    Attributes:
        address: Its URL; a ``Secret`` if it has a user.
        source: The environment variable that names it, or ``system settings``.
    """

    address: str
    source: str

    def __str__(self) -> str:
        return f"the proxy {shown(self.address)} ({self.source})"


def proxy_for(url: str) -> str | None:
    """Return the address of the proxy for ``url``; ``None`` if it is reached directly.

    Raises:
        ConfigurationError: The proxy that is named for it cannot be used.
    """
    proxy = find_proxy(url)
    return proxy.address if proxy else None


def find_proxy(url: str) -> Proxy | None:
    """Return the proxy for ``url``; ``None`` if it is reached directly. This machine always is.

    Raises:
        ConfigurationError: The proxy that is named for it cannot be used.
    """
    if is_local(url):
        return None
    parts = urlsplit(url)
    found = _variable(f"{parts.scheme}_proxy") or _variable("all_proxy")
    if found:
        _, exceptions = _variable("no_proxy") or ("", "")
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        return None if is_exempt(host, port, exceptions) else _parse_proxy(*found)
    system = _system_proxy(parts.scheme, parts.hostname or "")
    return _parse_proxy("system settings", system) if system else None


def shown_route(url: str) -> str:
    """Return ``url`` and the proxy that it is reached through, without anything secret."""
    proxy = find_proxy(url)
    return f"{shown(url)} through {proxy}" if proxy else shown(url)


def is_exempt(host: str, port: int, exceptions: str) -> bool:
    """Return whether ``exceptions``, the value of ``NO_PROXY``, has an entry for ``host``."""
    host = host.lower().rstrip(".")
    return any(_matches(entry, host, port) for entry in re.split(r"[\s,]+", exceptions.lower()))


def proxy_fault(url: str, error: BaseException) -> str | None:
    """Return what the proxy for ``url`` did wrong; ``None`` if ``error`` is not the proxy's."""
    import aiohttp  # noqa: PLC0415 - loaded by the time a request fails

    if isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy_refusal(url, error.status)
    proxy = find_proxy(url)
    if proxy and isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"no connection to {proxy}: {error.strerror or error.os_error}"
    return None


def proxy_refusal(url: str, status: int) -> str | None:
    """Return what ``status``, an answer of the proxy for ``url``, means; ``None`` without one."""
    proxy = find_proxy(url)
    if proxy is None:
        return None
    if status != _IDENTIFICATION_REQUIRED:
        return f"{proxy} does not connect to {shown(url)}: HTTP {status}"
    wrong = "refuses the user and password in it" if "@" in proxy.address else "wants a password"
    return f"{proxy} {wrong} (HTTP 407); it is written http://USER:PASSWORD@HOST:PORT"


def _variable(name: str) -> tuple[str, str] | None:
    """Return the environment variable called ``name``, in lower or upper case, and its value.

    An empty one in lower case hides the other, as in ``urllib.request``. ``HTTP_PROXY`` is not read
    in a CGI program, where it is the ``Proxy`` header of the request (CVE-2016-5385).
    """
    upper = name.upper()
    names = (name,) if name == "http_proxy" and "REQUEST_METHOD" in os.environ else (name, upper)
    for each in names:
        if (value := os.environ.get(each)) is not None:
            return (each, value.strip()) if value.strip() else None
    return None


def _system_proxy(scheme: str, host: str) -> str | None:
    """Return the proxy in the settings of macOS or Windows, where the environment has none."""
    if sys.platform not in {"darwin", "win32"}:
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - comes with aiohttp

    return None if proxy_bypass(host) else getproxies().get(scheme)


def _parse_proxy(source: str, value: str) -> Proxy:
    """Return the proxy that ``value`` names; ``host:port`` without a scheme is one of HTTP."""
    url = value if "://" in value else f"http://{value.removeprefix('//')}"
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
        parts = urlsplit("")
    if good and parts.scheme in _USABLE:
        return Proxy(hide_password(url), source)
    what = f"{parts.scheme}:// proxies are not supported" if good else "that is no address"
    raise ConfigurationError(
        f"{source} names the proxy {shown(url)!r}: {what}; it takes http://HOST:PORT or "
        "https://HOST:PORT. NO_PROXY=HOST reaches a host directly"
    )


def _matches(entry: str, host: str, port: int) -> bool:
    """Return whether one ``entry`` of ``NO_PROXY`` is for ``host`` and ``port``."""
    if entry == "*":
        return True
    name, wanted_port = _without_port(entry)
    if not name or wanted_port not in {None, port}:
        return False
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        name = name.removeprefix("*").strip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return ip in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False


def _without_port(entry: str) -> tuple[str, int | None]:
    """Return the name or range in ``entry``, and its port; IPv6 may stand in brackets."""
    bracketed = re.fullmatch(r"\[([^]]*)\](/\d+)?(?::(\d+))?", entry)
    if bracketed:
        name, length, port = bracketed.groups()
        return name + (length or ""), int(port) if port else None
    name, colon, port = entry.rpartition(":")
    if colon and ":" not in name and port.isdecimal():
        return name, int(port)
    return entry, None
