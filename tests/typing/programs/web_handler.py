"""A web service that streams a run, which ends when its client leaves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from agentouto import Agent, AgentoutoError, Provider, Team
from agentouto.testing import finish

provider = Provider("scripted", kind="script", script={"writer": [finish("Ebb and flow.")]})
team = Team([Agent("writer", "Write.", "some-model", provider)])
app = FastAPI()


async def events_of(question: str) -> AsyncIterator[str]:
    async with team.start(question) as stream:
        try:
            async for event in stream:
                if event.type == "token":
                    yield f"data: {json.dumps(event.data['token'])}\n\n"
                elif event.type == "tool_call":
                    yield f"event: tool\ndata: {event.data['tool_name']}\n\n"
                elif event.type == "finish" and event.parent_call_id is None:
                    yield f"event: end\ndata: {json.dumps(event.data['output'])}\n\n"
        except AgentoutoError as error:
            yield f"event: error\ndata: {json.dumps(error.to_dict())}\n\n"


async def ask(question: str) -> StreamingResponse:
    return StreamingResponse(events_of(question), media_type="text/event-stream")


app.add_api_route("/ask", ask)


async def main() -> str:
    return "".join([line async for line in events_of("Tides?")])
