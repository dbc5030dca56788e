"""Offers ``a2a_app``, which loads the application when it is called.

So importing ``agentouto.a2a`` needs neither the SDK nor a web framework, and where one is missing,
the error says what to install.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection

from agentouto import ConfigurationError, Team
from agentouto.serve import Front


def a2a_app(
    team: Team, *, name: str = "team", origins: Collection[str] = (), keyed: bool = False
) -> Front:
    """Return an ASGI application that lets A2A clients talk to ``team``.

    The card is at ``/.well-known/agent-card.json``, JSON-RPC at ``/a2a`` and HTTP+JSON at
    ``/a2a/rest``. A message begins a run, whose words are an artifact and whose work is the status.
    A question to the user is ``input-required``. Tasks are in memory, and the tasks of one
    ``contextId`` are one conversation.

    Args:
        team: The team.
        name: The name on the card.
        origins: Origins of web pages that may send requests, besides the own one.
        keyed: Whether the card says that clients need a bearer key; the server checks it.

    Raises:
        ConfigurationError: The extra is not installed.
    """
    if any(
        importlib.util.find_spec(each) is None for each in ("a2a", "starlette", "sse_starlette")
    ):
        raise ConfigurationError(
            'a2a_app takes the extra "a2a", which is not installed: pip install ".[a2a]"'
        ).coded("extra-missing", fix='pip install ".[a2a]"')
    from agentouto.a2a._app import A2AApp  # noqa: PLC0415 - imports the SDK

    return A2AApp(team, name, origins, keyed=keyed)
