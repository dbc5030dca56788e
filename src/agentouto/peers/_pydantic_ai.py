"""Makes a peer of an agent of pydantic-ai."""

from __future__ import annotations

import base64
from typing import Any, cast

from agentouto import Attachment, Message, Peer, here
from agentouto.peers._requests import (
    answer_of_user,
    framework_of,
    prompt_text,
    refusal,
    tool_question,
)


def pydantic_ai(
    agent: object, name: str, role: str, *, deps: object = None, timeout: float | None = None
) -> Peer:
    """Return a peer that an agent of pydantic-ai answers for.

    If the agent has ``DeferredToolRequests`` among its output types, tools that need approval are
    approved by the user, and calls that are deferred are questions to the user, whose answer is
    the result of the tool. What models report as used is counted.

    Args:
        agent: The agent. What it returns becomes text as the result of a tool does.
        name: The name of the peer.
        role: What the others read about it.
        deps: The agent's dependencies, for every call.
        timeout: Seconds within which each call must return.

    Raises:
        ConfigurationError: ``agent`` is no agent of pydantic-ai.
    """
    framework = framework_of(agent, "pydantic_ai", "run", "an Agent of pydantic-ai")

    async def answer(message: Message) -> object:
        # Handed in, so that it counts every request of all runs below, those that failed included.
        usage = framework.RunUsage()
        files = [_user_content(file, framework) for file in message.attachments or ()]
        text = prompt_text(message)
        more: dict[str, object] = {}
        try:
            while True:
                prompt = [text, *files] if files else text
                # A run that goes on has the prompt in its ``message_history`` already.
                result = await cast("Any", agent).run(
                    None if more else prompt, deps=deps, usage=usage, **more
                )
                if not hasattr(result.output, "build_results"):
                    return result.output
                decided = await _decided_results(result.output, framework)
                more = {
                    "message_history": result.all_messages(),
                    "deferred_tool_results": decided,
                }
        finally:  # also of a run that failed or was cancelled
            here().spent(usage.input_tokens, usage.output_tokens)

    return Peer(name, role, answer, timeout)


async def _decided_results(requests: Any, framework: Any) -> object:
    """Return what the user has decided and answered to ``DeferredToolRequests``."""
    approvals: dict[str, object] = {}
    for call in requests.approvals:
        reason = await refusal(call.tool_name, call.args_as_dict())
        approvals[call.tool_call_id] = True if reason is None else framework.ToolDenied(reason)
    answers = {
        call.tool_call_id: await answer_of_user(tool_question(call.tool_name, call.args_as_dict()))
        for call in requests.calls
    }
    return requests.build_results(approvals=approvals, calls=answers)


def _user_content(file: Attachment, framework: Any) -> object:
    if file.data is not None:
        return framework.BinaryContent(base64.b64decode(file.data), media_type=file.mime_type)
    kinds = {"image": "ImageUrl", "audio": "AudioUrl", "video": "VideoUrl"}
    kind = kinds.get(file.mime_type.partition("/")[0], "DocumentUrl")
    return getattr(framework, kind)(url=file.url, media_type=file.mime_type)
