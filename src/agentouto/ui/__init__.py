"""The page: shows runs while they go on, and lets a person answer, talk and stop.

``agentouto ui`` serves it; ``page_app(team)`` is the same page as an ASGI app, to be mounted in an
app of your own, which then decides who may see it. It needs ``starlette``, the extra
``agentouto[serve]``.
"""

from __future__ import annotations

from agentouto.ui._page_server import PageServer
from agentouto.ui._routes import page_app
from agentouto.ui._setup import PageSetup

__all__ = ["PageServer", "PageSetup", "page_app"]
