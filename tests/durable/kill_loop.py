"""Kills a run with a journal again and again: ``kill_loop.py KILLS``.

The models are a server of this process, which counts what it is asked. It delays each reply, so that
a kill hits requests, tools and mail at every stage.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

PROGRAM = Path(__file__).with_name("kill_program.py")
CHAPTERS = 4
OUTPUT = f"{CHAPTERS} chapters, the user likes blue, the news was read"
REPLY_SECONDS = 0.02


def call_of(name: str, arguments: dict[str, Any], number: int) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": f"call_{number}", "type": "function", "index": number, "function": function}


def reply_to(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a model says: it follows from the transcript alone."""
    system, text = str(messages[0]["content"]), json.dumps(messages)
    turn = sum(message["role"] == "assistant" for message in messages)
    agent = system.split("AGENT ")[1].split(maxsplit=1)[0]
    if agent == "writer":
        return (
            {"tool_calls": [call_of("note", {"what": "x"}, 0)]}
            if turn == 0
            else {"content": "written"}
        )
    if agent == "scout":
        mail = {"task_id": "r", "message": "here is the news"}
        return (
            {"tool_calls": [call_of("send_message", mail, 0)]} if turn == 0 else {"content": "told"}
        )
    if turn == 0:
        scout = {"agent_name": "scout", "message": "Look."}
        return {"tool_calls": [call_of("spawn_background_agent", scout, 0)]}
    if turn == 1:
        chapters = ({"agent_name": "writer", "message": f"Chapter {n}."} for n in range(CHAPTERS))
        return {"tool_calls": [call_of("call_agent", each, n) for n, each in enumerate(chapters)]}
    if turn == 2:
        user = {"agent_name": "user", "message": "Which colour?"}
        return {"tool_calls": [call_of("call_agent", user, 0)]}
    news = "was read" if "here is the news" in text else "is missing"
    return {"content": f"{text.count('written')} chapters, the user likes blue, the news {news}"}


@dataclass
class Report:
    """What was seen.

    Attributes:
        kills: How often the process was killed.
        right: Whether the run came to the right result.
        replies: How many replies were given.
        again: How many of them had been given before.
        effects: How often each effect has happened.
    """

    kills: int = 0
    right: bool = False
    replies: int = 0
    again: int = 0
    effects: Counter[str] = field(default_factory=Counter[str])


async def kill_again_and_again(
    folder: Path, kills: int, seed: int, *, power_loss: bool = False
) -> Report:
    """Run the program until it has been killed so often, and then to its end."""
    chance, report, given = random.Random(seed), Report(), Counter[str]()  # noqa: S311 - no secret

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        key = json.dumps(body["messages"])
        await asyncio.sleep(REPLY_SECONDS)
        delta = {"role": "assistant", **reply_to(body["messages"])}
        used = {"prompt_tokens": 1, "completion_tokens": 1}
        chunks: tuple[dict[str, Any], ...] = (
            {"choices": [{"index": 0, "delta": delta}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": used},
        )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        with suppress(ConnectionError):
            await response.prepare(request)
            for chunk in chunks:
                await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
            given[key] += 1
            await response.write_eof()
        return response

    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    effects = folder / "effects"
    command = [sys.executable, str(PROGRAM), url, str(folder / "runs.db"), str(effects)]
    command += ["power loss"] if power_loss else []
    try:
        while True:
            before = sum(given.values())
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            if report.kills < kills:
                await until_asked(given, before, chance.randrange(1, 4))
                await asyncio.sleep(chance.random() * 3 * REPLY_SECONDS)
                if process.returncode is None:
                    process.kill()
                    report.kills += 1
            output, _ = await process.communicate()
            if process.returncode == 0:
                break
    finally:
        await runner.cleanup()
    report.right = output.decode().strip() == OUTPUT
    report.replies, report.again = sum(given.values()), sum(given.values()) - len(given)
    report.effects = Counter(effects.read_text("utf-8").split())
    return report


async def until_asked(given: Counter[str], before: int, more: int) -> None:
    """Wait until the process has got some replies, or has had time to end."""
    for _ in range(200):
        if sum(given.values()) >= before + more:
            return
        await asyncio.sleep(0.02)


async def main(kills: int) -> int:
    """Kill runs until there have been so many kills; print what was seen."""
    done, wrong, twice, again, replies, seed = 0, 0, 0, 0, 0, 0
    while done < kills:
        seed += 1
        with tempfile.TemporaryDirectory() as folder:
            report = await kill_again_and_again(Path(folder), min(5, kills - done), seed)
        done += max(report.kills, 1)
        wrong += not report.right
        twice += sum(count > 1 for count in report.effects.values())
        again += report.again
        replies += report.replies
    print(
        f"{done} kills in {seed} runs: {wrong} wrong results, {twice} effects twice, {again} of {replies} replies again"
    )
    return int(bool(wrong or twice))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]))))
