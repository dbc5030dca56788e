"""Makes a peer of an agent of Microsoft's Agent Framework."""

from __future__ import annotations

from typing import Any, cast

from agentouto import AgentError, Message, Peer, here
from agentouto.peers._requests import as_fields, framework_of, prompt_text, refusal


def agent_framework(agent: object, name: str, role: str, *, timeout: float | None = None) -> Peer:
    """Return a peer that an agent of Microsoft's Agent Framework answers for.

    A workflow takes part as ``workflow.as_agent()``. Tools with ``approval_mode`` are approved by
    the user. What models report as used is counted.

    Args:
        agent: The agent.
        name: The name of the peer.
        role: What the others read about it.
        timeout: Seconds within which each call must return.

    Raises:
        ConfigurationError: ``agent`` is no agent of that framework.
    """
    wanted = "an Agent of Microsoft's Agent Framework; of a workflow that is workflow.as_agent()"
    framework = framework_of(agent, "agent_framework", "create_session", wanted)

    async def answer(message: Message) -> object:
        own = cast("Any", agent)
        session = own.create_session()  # of this call: the agent may answer several at once
        contents: list[object] = [prompt_text(message)]
        for file in message.attachments or ():
            address = file.url or f"data:{file.mime_type};base64,{file.data}"
            contents.append(framework.Content.from_uri(address, media_type=file.mime_type))
        while True:
            response = await own.run(framework.Message("user", contents), session=session)
            usage = as_fields(response.usage_details)
            here().spent(usage.get("input_token_count"), usage.get("output_token_count"))
            if not response.user_input_requests:
                return response.text if response.value is None else response.value
            # The session has the conversation, so only the decisions are sent.
            contents = [
                await _response_to(request, name) for request in response.user_input_requests
            ]

    return Peer(name, role, answer, timeout)


async def _response_to(request: Any, name: str) -> object:
    """Return the user's decision on ``request``."""
    if request.type != "function_approval_request":
        raise AgentError(name, f"asked for {request.type}, which a peer cannot answer")
    call = request.function_call
    reason = await refusal(call.name, call.parse_arguments())
    return request.to_function_approval_response(reason is None)
