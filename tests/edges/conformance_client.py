"""The client that the conformance suite of MCP tests: a run that uses every tool of a server once.

Its arguments are the scenario and, last, the address of the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

from agentouto import Agent, Provider, run
from agentouto.mcp import MCPServer
from agentouto.testing import Script, finish, tool

DOCUMENT = "https://conformance-test.local/client-metadata.json"
"""The address of the document about this client that the suite knows."""


class Memory:
    """Keeps the tokens of a sign-in."""

    kept: Mapping[str, Any] = {}

    async def get_tokens(self) -> Any:
        return self.kept.get("tokens")

    async def set_tokens(self, tokens: Any) -> None:
        self.kept = {**self.kept, "tokens": tokens}

    async def get_client_info(self) -> Any:
        return self.kept.get("client")

    async def set_client_info(self, client_info: Any) -> None:
        self.kept = {**self.kept, "client": client_info}


def signing_in(address: str) -> OAuthClientProvider:
    """Return a sign-in at whose page the person agrees at once."""
    answers: list[str] = []

    async def open_page(url: str) -> None:
        async with httpx2.AsyncClient() as browser:
            answers.append((await browser.get(url)).headers["location"])

    async def answer() -> AuthorizationCodeResult:
        query = parse_qs(urlsplit(answers.pop()).query)
        return AuthorizationCodeResult(
            code=query["code"][0],
            state=query.get("state", [None])[0],
            iss=query.get("iss", [None])[0],
        )

    metadata = OAuthClientMetadata(
        client_name="agentouto", redirect_uris=["http://localhost:3030/callback"]
    )
    memory = Memory()
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    if "client_id" in context:  # this client was registered beforehand
        known = {**metadata.model_dump(exclude_none=True), **context}
        known["token_endpoint_auth_method"] = "client_secret_basic"
        memory.kept = {"client": OAuthClientInformationFull.model_validate(known)}
    return OAuthClientProvider(address, metadata, memory, open_page, answer, DOCUMENT)


def arguments(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments for all parameters, which are numbers and texts."""
    return {
        name: 2 if field.get("type") in {"integer", "number"} else "two"
        for name, field in schema.get("properties", {}).items()
    }


if __name__ == "__main__":
    scenario, address = sys.argv[-2:]
    auth = signing_in(address) if scenario.startswith("auth/") else None
    with MCPServer("tested", url=address, prefix=False, auth=auth) as server:
        tools = asyncio.run(server.tools())
        uses = [tool(each.name, **arguments(each.parameters)) for each in tools]
        provider = Provider("p", kind="script", script=Script({"tester": [*uses, finish("done")]}))
        agent = Agent("tester", "Use all.", "any-model", provider)
        run("Go.", [agent], [server], ask_user=lambda _: "{}")
