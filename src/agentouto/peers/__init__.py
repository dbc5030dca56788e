"""Agents of other frameworks as peers: LangGraph, pydantic-ai, the OpenAI Agents SDK, Microsoft's.

Each function takes an agent as its framework makes it, and returns a ``Peer``::

    researcher = langgraph(graph, "researcher", "Finds sources.")
    Team([writer, researcher])

What such an agent asks goes to the user under the peer's name, and what it needs permission for is
an approval. No framework is imported here: where there is an agent of one, it is imported already.
"""

from agentouto.peers._agent_framework import agent_framework
from agentouto.peers._langgraph import langgraph
from agentouto.peers._openai_agents import openai_agents
from agentouto.peers._pydantic_ai import pydantic_ai

__all__ = ["agent_framework", "langgraph", "openai_agents", "pydantic_ai"]
