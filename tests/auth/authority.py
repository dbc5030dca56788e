"""An authorization server of ours: strict where it matters, and nasty on demand.

It gives out codes and tokens that all begin with ``SECRET``, so that a test can look for them.
"""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Any

from aiohttp import ClientSession, web
from yarl import URL

from agentouto._domain.clock import SYSTEM_CLOCK

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]
FORM = "application/x-www-form-urlencoded"


def id_token(claims: Mapping[str, object]) -> str:
    """Return claims in the form of an id token; nobody looks at its signature."""
    parts = ({"alg": "RS256"}, claims)
    made = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join((*made, "SECRETsignature"))


@dataclass
class Grant:
    """What somebody has agreed to."""

    client_id: str
    redirect_uri: str
    challenge: str
    nonce: str
    scope: str


class Authority:
    """The server.

    Attributes:
        asked: What the token endpoint was asked, form by form.
        headers: With which headers.
        life: How long its tokens last, in seconds.
        redirects: Changes the fields that a redirect brings.
        claims: Changes what an id token says.
        answers: Changes what the token endpoint answers.
        replaced: What answers at a path, in place of the server.
        pause: How long a refresh takes, in seconds.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.authorized: list[dict[str, str]] = []
        self.revoked: list[str] = []
        self.life: object = 3600
        self.redirects: Callable[[dict[str, str]], None] = lambda fields: None
        self.claims: Callable[[dict[str, Any]], None] = lambda claims: None
        self.answers: Callable[[dict[str, Any]], None] = lambda answer: None
        self.document: Callable[[dict[str, Any]], None] = lambda document: None
        self.replaced: dict[str, Reply] = {}
        self.pause = 0.0
        self.approved = False
        self._numbers = count(1)
        self._grants: dict[str, Grant] = {}
        self._families: dict[str, list[str]] = {}

    @property
    def refreshes(self) -> int:
        """How often it was asked for a refresh."""
        return sum(form["grant_type"] == "refresh_token" for form in self.asked)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if reply := self.replaced.get(request.path):
            if request.path == "/token":
                self.asked.append(await self._form(request))
            return await reply(request)
        match request.path:
            case "/.well-known/openid-configuration":
                return web.json_response(self._document())
            case "/authorize":
                return self._authorize(dict(request.query))
            case "/token":
                form = await self._form(request)
                self.asked.append(form)
                self.headers.append(dict(request.headers))
                return await self._token(form)
            case "/device":
                return web.json_response(
                    {
                        "device_code": "SECRETdevice",
                        "user_code": "ABCD-EFGH",
                        "verification_uri": f"{self.url}/activate",
                        "verification_uri_complete": f"{self.url}/activate?code=ABCD-EFGH",
                        "expires_in": 600,
                        "interval": 0.01,
                    }
                )
            case "/revoke":
                self.revoked.append((await self._form(request))["token"])
                return web.json_response({})
        return web.Response(status=404)

    async def _form(self, request: web.Request) -> dict[str, str]:
        if request.content_type == FORM:
            return {name: str(value) for name, value in (await request.post()).items()}
        return dict(await request.json())

    def _document(self) -> dict[str, Any]:
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "device_authorization_endpoint": f"{self.url}/device",
            "revocation_endpoint": f"{self.url}/revoke",
            "authorization_response_iss_parameter_supported": True,
        }
        self.document(document)
        return document

    def _authorize(self, asked: dict[str, str]) -> web.StreamResponse:
        self.authorized.append(asked)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"SECRETcode{next(self._numbers)}"
        self._grants[code] = Grant(
            asked["client_id"],
            asked["redirect_uri"],
            asked["code_challenge"],
            asked.get("nonce", ""),
            asked.get("scope", ""),
        )
        fields = {"code": code, "state": asked["state"], "iss": self.url}
        self.redirects(fields)
        raise web.HTTPFound(URL(asked["redirect_uri"]).update_query(fields))

    async def _token(self, form: dict[str, str]) -> web.StreamResponse:
        match form["grant_type"]:
            case "authorization_code":
                grant = self._grants.pop(form["code"], None)
                made = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest())
                if grant is None or made.rstrip(b"=").decode() != grant.challenge:
                    return refused("invalid_grant")
                if form["redirect_uri"] != grant.redirect_uri:
                    return refused("invalid_grant")
                return self._given([], grant)
            case "refresh_token":
                await asyncio.sleep(self.pause)
                return self._refresh(form["refresh_token"])
            case _:
                if not self.approved:
                    return refused("authorization_pending")
                return self._given([], Grant(form["client_id"], "", "", "", "openid"))

    def _refresh(self, token: str) -> web.StreamResponse:
        family = self._families.get(token, [])
        if not family or family[-1] != token:
            family.clear()  # spent twice: nobody knows who stole it from whom
            return refused("invalid_grant")
        return self._given(family, None)

    def given(self) -> str:
        """Give somebody a refresh token, without asking anyone."""
        token = f"SECRETrefresh{next(self._numbers)}"
        self._families[token] = [token]
        return token

    def _given(self, family: list[str], grant: Grant | None) -> web.StreamResponse:
        number = next(self._numbers)
        refresh = f"SECRETrefresh{number}"
        family.append(refresh)
        self._families[refresh] = family
        answer: dict[str, Any] = {
            "access_token": f"SECRETaccess{number}",
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": self.life,
        }
        if grant is not None and "openid" in grant.scope:
            now = SYSTEM_CLOCK.now()
            claims = {"iss": self.url, "aud": grant.client_id, "sub": "u1", "exp": now + 300}
            claims |= {"email": "ada@example.com"}
            claims |= {"nonce": grant.nonce} if grant.nonce else {}
            self.claims(claims)
            answer["id_token"] = id_token(claims)
        self.answers(answer)
        return web.json_response(answer)


def refused(code: str, **more: object) -> web.Response:
    return web.json_response({"error": code, **more}, status=400)


def says(status: int, text: str, kind: str = "text/html") -> Reply:
    async def reply(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type=kind)

    return reply


@asynccontextmanager
async def running() -> AsyncGenerator[Authority, None]:
    authority = Authority()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", authority.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    authority.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield authority
    finally:
        await runner.cleanup()


class Browser:
    """Goes where it is sent, and remembers the page it ended at."""

    def __init__(self) -> None:
        self.status = 0
        self.text = ""
        self.headers: Mapping[str, str] = {}
        self.opened: list[str] = []

    async def __call__(self, url: str) -> None:
        self.opened.append(url)
        async with ClientSession() as session, session.get(url) as answer:
            self.status, self.headers = answer.status, answer.headers
            self.text = await answer.text()
