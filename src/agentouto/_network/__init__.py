"""Addresses and proxies: what every module that uses the network asks about them.

Nothing is opened or sent here.
"""

from __future__ import annotations

from agentouto._network.addresses import is_local, is_safe, shown
from agentouto._network.proxies import proxy_fault, proxy_for, proxy_refusal, shown_route

__all__ = [
    "is_local",
    "is_safe",
    "proxy_fault",
    "proxy_for",
    "proxy_refusal",
    "shown",
    "shown_route",
]
