"""Makes a peer of an agent that is reached over A2A.

The card is read first, because the name and the role of the peer are on it. The SDK is imported
with the first card: a program that imports ``agentouto.a2a`` need not have the extra.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import cast

from agentouto import ConfigurationError, Message, Peer


async def remote(
    url: str,
    *,
    name: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - of the peer's calls
) -> Peer:
    """Read the card of an agent, and return a peer that the agent answers for.

    What it writes is streamed, and what it reports of its work is progress. Where it asks for
    input, the user is asked under the peer's name, and the answer goes on with its task. All calls
    of a run are one conversation (``contextId``) with it.

    Args:
        url: The address below which the card is, at ``.well-known/agent-card.json``.
        name: The name of the peer; by default that on the card.
        headers: Headers of each request, such as ``Authorization``. They are sent to the origin of
            ``url`` only.
        timeout: Seconds within which each call must return.

    Raises:
        ConfigurationError: An argument cannot work, or the extra is not installed.
        AgentError: The card cannot be read, or names no address that can be asked.
    """
    if not isinstance(cast("object", url), str) or not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"a2a.remote: {url!r:.80} is no http or https address")
    if any(importlib.util.find_spec(each) is None for each in ("a2a", "httpx")):
        raise ConfigurationError(
            'a2a.remote takes the extra "a2a", which is not installed: pip install ".[a2a]"'
        ).coded("extra-missing", fix='pip install ".[a2a]"')
    from agentouto.a2a._client import RemoteAgent, read_card  # noqa: PLC0415 - imports the SDK

    card = await read_card(url, headers or {}, name or url)
    agent = RemoteAgent(card, url, headers or {}, name or card.name)

    async def answer(message: Message) -> object:
        return await agent.answer(message)

    skills = ", ".join(skill.name for skill in card.skills)
    role = f"{card.description} Skills: {skills}." if skills else card.description
    return Peer(agent.name, role, answer, timeout)
