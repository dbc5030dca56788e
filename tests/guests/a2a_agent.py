"""An agent on the SDK of A2A, which does what the first word of a message says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from a2a.helpers import new_task_from_user_message, new_text_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Part
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value
from starlette.applications import Starlette


class Executor(AgentExecutor):
    """The agent. ``seen`` has the texts and contexts of all messages, ``cancelled`` the tasks."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.cancelled: list[str] = []
        self.files: list[Any] = []

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        text, message = context.get_user_input(), context.message
        assert message is not None
        self.seen.append((text, str(context.context_id)))
        self.files += [part for part in message.parts if part.WhichOneof("content") != "text"]
        word, _, rest = text.rpartition("\n")[2].partition(" ")
        if word == "direct":
            await event_queue.enqueue_event(new_text_message(rest, context_id=context.context_id))
            return
        task = context.current_task
        if task is None:
            task = new_task_from_user_message(message)
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        if context.current_task is not None:  # the answer to a question
            await updater.add_artifact([Part(text=f"You said {text}.")])
            await updater.complete()
            return
        await updater.start_work(new_text_message("reading"))
        match word:
            case "say":
                for place, letter in enumerate(rest):
                    part = [Part(text=letter)]
                    await updater.add_artifact(part, artifact_id="a", append=place > 0)
                await updater.complete()
            case "ask":
                await updater.requires_input(new_text_message(rest))
            case "data":
                value = ParseDict({"fox": "red"}, Value())
                png = Part(raw=b"\x89PNG", media_type="image/png", filename="fox.png")
                link = Part(url="https://example.com/fox.html", media_type="text/html")
                await updater.add_artifact([Part(data=value), png, link])
                await updater.complete()
            case "fail":
                await updater.failed(new_text_message(rest))
            case "reject":
                await updater.reject(new_text_message(rest))
            case _:
                await asyncio.Event().wait()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        self.cancelled.append(str(context.task_id))
        await TaskUpdater(event_queue, str(context.task_id), str(context.context_id)).cancel()


def card(url: str, **changes: Any) -> AgentCard:
    fields: dict[str, Any] = {
        "name": "fox expert",
        "description": "Knows foxes.",
        "version": "1",
        "supported_interfaces": [
            AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version="1.0")
        ],
        "capabilities": AgentCapabilities(streaming=True),
        "default_input_modes": ["text/plain"],
        "default_output_modes": ["text/plain"],
        "skills": [AgentSkill(id="fox", name="foxes", description="All of them.", tags=["fox"])],
    }
    return AgentCard(**{**fields, **changes})


class Server:
    """A running server, which can be stopped."""

    def __init__(self, url: str, executor: Executor, server: uvicorn.Server) -> None:
        self.url = url
        self.executor = executor
        self._server = server

    def stop(self) -> None:
        self._server.force_exit = self._server.should_exit = True


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[Server]:
    """Serve an agent at a free port, for the length of the block."""
    config = uvicorn.Config(
        Starlette(), port=0, log_level="critical", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    bound = config.bind_socket()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    executor = Executor()
    its_card = card(f"{url}/rpc", **changes)
    handler = DefaultRequestHandler(executor, InMemoryTaskStore(), its_card)
    config.app = Starlette(
        routes=[
            *create_agent_card_routes(its_card),
            *create_jsonrpc_routes(handler, "/rpc"),
            *create_rest_routes(handler, path_prefix="/rest"),
        ]
    )
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield Server(url, executor, server)
    finally:
        server.force_exit = server.should_exit = True
        await asyncio.wait([task])
        bound.close()
