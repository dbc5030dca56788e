"""Four vendors on this machine that know what they have said and want to see it again.

Each request is judged by the vendor's types and manners. A reply that the vendor made at this very
point of a conversation has to come back as it was, seals and all; no other may bear a seal. What
does not pass is refused with 400 and remembered. The first part of a path names the run, since a
fallback on another provider has the address in common with nothing else of its agent.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b
from random import Random
from typing import Any

from aiohttp import web

from wire.dialects import DIALECTS, Call, Dialect, Said, Thought, Words, seal

SEAL = seal("SEAL ")[:6]
"""How every seal of these vendors begins."""

TALKS = ("messages", "input", "contents")
PATHS = {
    "/chat/completions": "openai",
    "/responses": "openai_responses",
    "/messages": "anthropic",
    ":streamGenerateContent": "google",
}
TASK = re.compile(r"Task ID: (\w[\w.-]*)")
NAMES = ("claude", "chat", "gpt", "gemini")


class Vendors:
    """What the four have said, and what they had against what they were asked."""

    def __init__(self, budget: int = 6) -> None:
        self.budget = budget
        self.said: dict[bytes, list[str]] = {}
        self.invalid: list[str] = []
        self.asked: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self.url = ""

    # What is asked --------------------------------------------------------------------------------

    def objections(self, dialect: Dialect, model: str, body: dict[str, Any]) -> list[str]:
        return dialect.complaints(body) + self._broken_seals(dialect, model, body)[0]

    def _broken_seals(
        self, dialect: Dialect, model: str, body: dict[str, Any]
    ) -> tuple[list[str], bytes]:
        """Return what is wrong with the replies among the messages, and a name for this point."""
        head = {key: value for key, value in body.items() if key not in TALKS}
        system = [m for m in body.get("messages", []) if m["role"] == "system"]
        point = blake2b(f"{dialect.name} {model} {shown([head, system])}".encode())
        found: list[str] = []
        for group in dialect.groups(body):
            if group.model:
                mine, sent = self.said.get(point.digest()), shown(blind(group.items))
                if mine is None and SEAL in sent:
                    found.append(f"a seal from elsewhere: {sent:.600}")
                elif mine is not None and sent not in mine:
                    found.append(f"said {mine}, heard {sent}")
                self.happened["foreign" if mine is None else "own"] += 1
            point.update(shown(group.items).encode())
        return found, point.digest()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        dialect = next(DIALECTS[n] for end, n in PATHS.items() if request.path.endswith(end))
        body = json.loads(await request.read())
        model = body.get("model") or request.path.rpartition("/")[2]
        if found := self.objections(dialect, model, body):
            self.invalid.append(f"{dialect.name}: {found}")
            return web.json_response({"error": {"message": f"invalid: {found}"}}, status=400)
        run = request.path.split("/")[1]
        self.asked[run] += 1
        rng = Random(f"{run} {dialect.name} {self.asked[run]}")  # noqa: S311
        await asyncio.sleep(rng.choice((0, 0, 0.002)))
        if rng.random() < 0.05:
            self.happened["broke"] += 1
            return web.json_response({"error": {"message": "out of credit"}}, status=402)
        said = self._decide(rng, dialect, run, json.dumps(body))
        _, point = self._broken_seals(dialect, model, body)
        self.said.setdefault(point, []).append(shown(blind(dialect.kept(said))))
        return await streamed(request, dialect.stream(said))

    # What is said ---------------------------------------------------------------------------------

    def _decide(self, rng: Random, dialect: Dialect, run: str, body: str) -> Sequence[Said]:
        number = sum(self.asked.values())
        said: list[Said] = []
        if rng.random() < 0.8 or dialect.name == "google":  # who never leaves a call unsigned
            said.append(Thought(f"hm {number} …", seal(f"SEAL {number} of {run}")))
        if self.asked[run] > self.budget:
            if rng.random() < 0.5:
                return [*said, Words(f"Done {number}.")]
            return [*said, Call(f"call_{number}", '{"message":"done"}', "finish")]
        if rng.random() < 0.4:
            said.append(Words(f"Let me see ({number})."))
        for place in range(rng.randint(1, 3)):
            id_ = rng.choice((f"call_{number}_{place}", f"call_{place}"))
            said.append(self._call(rng, id_, TASK.findall(body)))
        return said

    def _call(self, rng: Random, id_: str, tasks: list[str]) -> Call:
        peer, task = rng.choice(NAMES), rng.choice(tasks or ["nobody"])
        forward = {"agent_name": peer, "message": f"Please, {id_}."}
        name, arguments = rng.choice(
            (
                ("look", {"what": "naïve 👋"}),
                ("photo", {}),
                ("fail", {}),
                ("no_such_tool", {"a": 1}),
                ("call_agent", forward),
                ("call_agent", forward),
                ("call_agent", forward | {"background": True}),
                ("spawn_background_agent", forward),
                *[("send_message", {"task_id": task, "message": f"News {id_}"})] * 3,
                ("get_messages", {"task_id": task}),
            )
        )
        self.happened[name] += 1
        return Call(id_, json.dumps(arguments, separators=(",", ":"), ensure_ascii=False), name)


def shown(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def blind(value: Any) -> Any:
    """``value`` without the ids of calls: one that comes twice is sent back as another."""
    if isinstance(value, list):
        return [blind(item) for item in value]
    if not isinstance(value, dict):
        return value
    hidden = {"call_id"}
    if "function" in value or "args" in value or value.get("type") == "tool_use":
        hidden.add("id")
    return {key: blind(inner) for key, inner in value.items() if key not in hidden}


async def streamed(request: web.Request, data: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    middle = len(data) // 2
    await response.write(data[:middle])
    await response.write(data[middle:])
    await response.write_eof()
    return response


@asynccontextmanager
async def trading() -> AsyncIterator[Vendors]:
    vendors = Vendors()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{rest:.*}", vendors.answer)
    runner = web.AppRunner(app, shutdown_timeout=0, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    vendors.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield vendors
    finally:
        await runner.cleanup()
