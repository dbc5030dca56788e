"""Makes a team reachable over A2A: one card, and a task for each message to the team.

Requests go through the SDK of the protocol. In front of it are the checks of all fronts, and a
limit for the size of a body; the card is written here, because its address is that of the request.
"""

from __future__ import annotations

from collections.abc import Collection, MutableMapping
from typing import Any

import msgspec
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.server.routes import create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import InMemoryTaskStore
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    HTTPAuthSecurityScheme,
    SecurityRequirement,
    SecurityScheme,
    StringList,
)
from starlette.applications import Starlette

import agentouto
from agentouto import Team
from agentouto.a2a._executor import TeamExecutor
from agentouto.serve import Front
from agentouto.serve._asgi import HttpError, HttpRequest, SendEvent, send_json
from agentouto.serve._talks import WAITING_SECONDS
from agentouto.serve._teams import USER_NAME

CARD_PATHS = ("/.well-known/agent-card.json", "/a2a/.well-known/agent-card.json")
"""Where the card is: where the protocol looks for it, and beside the interfaces."""

RPC_PATH = "/a2a"
"""The protocol leaves the paths of interfaces open: clients take them from the card."""
REST_PATH = "/a2a/rest"


class A2AApp(Front):
    """The application that ``a2a_app`` returns."""

    def __init__(self, team: Team, name: str, origins: Collection[str], *, keyed: bool) -> None:
        super().__init__(team, origins)
        self._team = team
        self._name = name
        self._keyed = keyed
        store = InMemoryTaskStore()
        handler = DefaultRequestHandler(
            TeamExecutor(team, self._talks, store),
            store,
            self._card(""),
            interrupted_task_timeout=WAITING_SECONDS,
        )
        rest = create_rest_routes(handler, path_prefix=REST_PATH)
        self._app = Starlette(routes=[*create_jsonrpc_routes(handler, RPC_PATH), *rest])

    async def _answer(self, request: HttpRequest, send: SendEvent) -> None:
        if request.path in CARD_PATHS:
            if request.method not in {"GET", "HEAD"}:
                raise HttpError(405, "method_not_allowed", "The card is read with GET.")
            await send_json(send, 200, agent_card_to_dict(self._card(request.base_url)))
            return
        # Read here and handed on, so that the limit for bodies of all fronts holds for the SDK too.
        body: bytes | None = b""
        if request.method not in {"GET", "HEAD"}:
            body = msgspec.json.encode(await request.json())

        async def receive() -> MutableMapping[str, Any]:
            nonlocal body
            if body is None:
                await request.left()
                return {"type": "http.disconnect"}
            event: dict[str, Any] = {"type": "http.request", "body": body, "more_body": False}
            body = None
            return event

        await self._app(request.scope, receive, send)

    def _card(self, base_url: str) -> AgentCard:
        """Return the card, with interfaces below ``base_url``."""
        team = self._team
        interfaces = [
            AgentInterface(
                url=f"{base_url}{path}", protocol_binding=binding, protocol_version="1.0"
            )
            for path, binding in ((RPC_PATH, "JSONRPC"), (REST_PATH, "HTTP+JSON"))
        ]
        skills = [
            AgentSkill(
                id=each.name,
                name=each.name,
                description=each.role or each.name,  # not its instructions: the card is public
                tags=["agent"],
            )
            for each in team.agents
            if each.name != USER_NAME
        ]
        starting = " and ".join(each.name for each in team.starting_agents)
        card = AgentCard(
            name=self._name,
            description=f"A team of agents. Messages go to {starting}.",
            version=agentouto.__version__,
            supported_interfaces=interfaces,
            capabilities=AgentCapabilities(streaming=True),
            default_input_modes=["text/plain"],
            default_output_modes=["text/plain"],
            skills=skills,
        )
        if self._keyed:
            scheme = HTTPAuthSecurityScheme(scheme="bearer")
            card.security_schemes["key"].CopyFrom(SecurityScheme(http_auth_security_scheme=scheme))
            card.security_requirements.append(SecurityRequirement(schemes={"key": StringList()}))
        return card
