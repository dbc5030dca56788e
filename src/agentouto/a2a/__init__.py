"""Agents elsewhere as peers, and a team as an agent for others: the Agent2Agent protocol (A2A).

::

    from agentouto import a2a

    lawyer = await a2a.remote("https://agents.example.com/lawyer")
    Team([writer, lawyer])

It needs the extra ``a2a``. Importing this module imports no part of the protocol's SDK.
"""

from agentouto.a2a._remote import remote
from agentouto.a2a._serving import a2a_app

__all__ = ["a2a_app", "remote"]
