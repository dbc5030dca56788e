"""A team in the background: mail from a thread, limits, and approval of a tool."""

from __future__ import annotations

import threading

from agentouto import (
    Agent,
    Approval,
    Attachment,
    Handle,
    Hooks,
    LimitReached,
    Limits,
    Message,
    Provider,
    Tool,
    ToolUse,
    run_background,
)
from agentouto.testing import Request, ScriptedReply, finish, tool

deployed: list[str] = []
used: list[str] = []


@Tool(needs_approval=True)
def deploy(version: str) -> str:
    """Deploy a version."""
    deployed.append(version)
    return f"{version} is live"


def approve(approval: Approval) -> bool:
    return approval.tool == "deploy"


def on_message(message: Message, send: object) -> None:
    print(message.sender, message.content, send)


def watch(use: ToolUse) -> None:
    used.append(f"{use.agent_name}: {use.tool_name}")


def release(request: Request) -> ScriptedReply:
    if request.turn == 0:
        return tool("deploy", version="1.2")
    return finish(request.results("deploy")[0])


def start() -> Handle:
    provider = Provider("own", kind="script", script={"releaser": release})
    releaser = Agent("releaser", "Release.", "some-model", provider)
    return run_background(
        "Release 1.2.",
        [releaser],
        [deploy],
        approve=approve,
        on_message=on_message,
        limits=Limits(requests=10, seconds=60, warn_at=0.8),
        hooks=Hooks(around_tool=watch),
        attachments=[Attachment("image/png", data="aGk=", name="plan.png")],
    )


def main() -> str:
    handle = start()
    writer = threading.Thread(target=handle.cancel, args=("too late",))
    try:
        types = [event.type for event in handle.events()]
        output = handle.result(timeout=30).output
    except LimitReached as error:
        return f"{error.limit}={error.allowed} {error.partial.usage.total_tokens}"
    writer.start()
    writer.join()
    return f"{output}; {types[-1]}; {deployed}; {used}"
