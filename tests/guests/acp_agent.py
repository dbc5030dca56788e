"""A program that speaks the Agent Client Protocol, with its own SDK; it does what it is asked."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, cast

from acp import (
    PROTOCOL_VERSION,
    InitializeResponse,
    NewSessionResponse,
    PromptResponse,
    RequestError,
    run_agent,
    start_tool_call,
    update_agent_message_text,
    update_agent_thought_text,
)
from acp.helpers import image_block, update_agent_message
from acp.schema import (
    AgentCapabilities,
    AuthMethodAgent,
    Cost,
    PermissionOption,
    PromptCapabilities,
    ToolCallUpdate,
    Usage,
    UsageUpdate,
)


class Agent:
    """Answers prompts whose first word says what to do."""

    def on_connect(self, connection: Any) -> None:
        self.client = connection
        self.signed_in = False
        self.servers: list[Any] = []
        self.cancelled = asyncio.Event()

    async def initialize(self, protocol_version: int, **_: Any) -> InitializeResponse:
        if sys.argv[1:] == ["silent"]:
            await asyncio.Event().wait()
        return InitializeResponse(
            protocol_version=7 if sys.argv[1:] == ["newer"] else PROTOCOL_VERSION,
            agent_capabilities=AgentCapabilities(
                prompt_capabilities=PromptCapabilities(image=True, audio=False)
            ),
            auth_methods=[AuthMethodAgent(id="key", name="Key")],
        )

    async def authenticate(self, method_id: str, **_: Any) -> None:
        self.signed_in = True

    async def new_session(self, cwd: str, mcp_servers: Any = None, **_: Any) -> NewSessionResponse:
        if sys.argv[1:] == ["locked"] and not self.signed_in:
            raise RequestError.auth_required()
        self.servers = mcp_servers or []
        return NewSessionResponse(session_id=cwd)

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> PromptResponse:
        async def say(text: str) -> None:
            await self.client.session_update(session_id, update_agent_message_text(text))

        word, _, rest = prompt[0].text.rpartition("\n")[2].partition(" ")
        match word:
            case "say":
                await self.client.session_update(session_id, update_agent_thought_text("Hm."))
                for letter in rest:
                    await say(letter)
            case "show":
                await say("|".join(str(block.model_dump(exclude_none=True)) for block in prompt))
            case "where":
                variables = sorted(name for name in os.environ if name.isupper())
                await say(f"{Path.cwd()} {variables} {[one.name for one in self.servers]}")
            case "draw":
                image = image_block("iVBORw0KGgo=", "image/png")
                await self.client.session_update(session_id, update_agent_message(image))
            case "write":
                await say(await self.write(session_id, rest))
            case "wait":
                await say("waiting")
                await self.cancelled.wait()
                Path(rest).write_text("cancelled", encoding="utf-8")  # noqa: ASYNC240
                return PromptResponse(stop_reason="cancelled")
            case "die":
                await say("dying")
                sys.stderr.write("out of ink\n")
                sys.stderr.flush()
                os._exit(3)
            case "complain":
                sys.stderr.write(f"cannot do this: OWN={os.environ['OWN']}\n")
                sys.stderr.flush()
                os._exit(3)
            case "refuse":
                await say("I would rather not.")
                return PromptResponse(stop_reason="refusal")
            case "fail":
                raise RequestError.internal_error({"details": "no paper"})
            case _:
                pass
        cost = Cost(amount=0.25, currency="USD")
        spent = UsageUpdate(session_update="usage_update", used=1, size=9, cost=cost)
        await self.client.session_update(session_id, spent)
        used = Usage(total_tokens=15, input_tokens=12, output_tokens=3)
        return PromptResponse(stop_reason="end_turn", usage=used)

    async def write(self, session_id: str, rest: str) -> str:
        path, _, kinds = rest.partition(" ")
        begun = start_tool_call("t1", f"Write {path}", kind="edit", raw_input={"path": path})
        await self.client.session_update(session_id, begun)
        options = [
            PermissionOption(option_id=f"id-{kind}", name=kind, kind=kind)  # type: ignore[arg-type]
            for kind in kinds.split()
        ]
        answer = await self.client.request_permission(
            session_id=session_id, tool_call=ToolCallUpdate(tool_call_id="t1"), options=options
        )
        return str(getattr(answer.outcome, "option_id", answer.outcome.outcome))

    async def cancel(self, session_id: str, **_: Any) -> None:
        self.cancelled.set()


asyncio.run(run_agent(cast("Any", Agent())))
