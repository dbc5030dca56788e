"""Makes a peer of an agent of the OpenAI Agents SDK."""

from __future__ import annotations

from typing import Any

from agentouto import Attachment, Message, Peer, here
from agentouto.peers._requests import framework_of, prompt_text, refusal


def openai_agents(
    agent: object, name: str, role: str, *, context: object = None, timeout: float | None = None
) -> Peer:
    """Return a peer that an agent of the OpenAI Agents SDK answers for.

    Tools with ``needs_approval`` are approved by the user, one use at a time. What models report
    as used is counted. The framework's own tracing stays as it is set up.

    Args:
        agent: The agent. What it returns becomes text as the result of a tool does.
        name: The name of the peer.
        role: What the others read about it.
        context: The object that the framework hands to the agent's tools, for every call.
        timeout: Seconds within which each call must return.

    Raises:
        ConfigurationError: ``agent`` is no agent of that SDK.
    """
    framework = framework_of(agent, "agents", "as_tool", "an Agent of the OpenAI Agents SDK")

    async def answer(message: Message) -> object:
        # The usage of a run that goes on from a state has that of the part before it.
        counted = (0, 0)

        def count(usage: Any) -> None:
            nonlocal counted
            here().spent(usage.input_tokens - counted[0], usage.output_tokens - counted[1])
            counted = usage.input_tokens, usage.output_tokens

        work: object = _input_items(message)
        while True:
            more = {"context": context} if isinstance(work, list) else {}  # a state has its own
            try:
                result = await framework.Runner.run(agent, work, **more)
            except framework.AgentsException as error:
                if error.run_data is not None:
                    count(error.run_data.context_wrapper.usage)
                raise
            count(result.context_wrapper.usage)
            if not result.interruptions:
                return result.final_output
            work = await _resumed_state(result)

    return Peer(name, role, answer, timeout)


async def _resumed_state(result: Any) -> object:
    """Return the state that goes on from ``result``, with the user's decisions."""
    state = result.to_state()
    for item in result.interruptions:
        reason = await refusal(item.name, item.arguments)
        if reason is None:
            state.approve(item)
        else:
            state.reject(item, rejection_message=reason)
    return state


def _input_items(message: Message) -> list[dict[str, object]]:
    content = [{"type": "input_text", "text": prompt_text(message)}]
    content += [_input_file(file) for file in message.attachments or ()]
    return [{"role": "user", "content": content}]


def _input_file(file: Attachment) -> dict[str, str]:
    address = file.url or f"data:{file.mime_type};base64,{file.data}"
    if file.mime_type.startswith("image/"):
        return {"type": "input_image", "image_url": address, "detail": "auto"}
    if file.url is not None:
        return {"type": "input_file", "file_url": address}
    return {"type": "input_file", "file_data": address, "filename": file.name or "file"}
