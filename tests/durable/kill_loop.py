"""Kills a run with a journal again and again: ``kill_loop.py KILLS``.

The models are a server of this process. It knows what it was asked, and when the last byte of each
reply left. It delays each reply, so that a kill hits requests, tools, mail and the question at every
stage.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

PROGRAM = Path(__file__).with_name("kill_program.py")
CHAPTERS = 6
LETTERS = 12
OUTPUT = f"{CHAPTERS} chapters, the user likes blue, the news was read"
REPLY_SECONDS = 0.02

KEPT_SECONDS = 0.025
"""How long before a kill the last byte of a reply may have left, so that the reply may be asked for
again. In this time the process reads it, and commits it."""


# ── what the models say ───────────────────────────────────────────────────────────────────────────


def call_of(name: str, number: int = 0, **arguments: object) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": f"call_{number}", "type": "function", "index": number, "function": function}


def reply_to(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a model says: it follows from the transcript alone."""
    agent, turn, text = agent_of(messages), turn_of(messages), json.dumps(messages)
    said = {"lead": lead, "writer": writer, "critic": critic, "scout": scout}[agent](turn, text)
    return {"content": said} if isinstance(said, str) else {"tool_calls": said}


def lead(turn: int, text: str) -> str | list[dict[str, Any]]:
    if turn == 0:
        return [call_of("spawn_background_agent", agent_name="scout", message="Look.")]
    if turn == 1:
        found = re.search(r"Background agent started\. Task ID: ([\w.:-]+)", text)
        scout_id = "" if found is None else found[1]
        return [
            call_of("call_agent", n, agent_name="writer", message=f"Chapter {n} for {scout_id} .")
            for n in range(CHAPTERS)
        ]
    if turn == 2:
        return [call_of("call_agent", agent_name="user", message="Which colour?")]
    if "here is the news" not in text:
        return [call_of("wait_for_messages")]
    written = len(set(re.findall(r"written: \d", text)))
    return f"{written} chapters, the user likes {'blue' * ('blue' in text)}, the news was read"


def writer(turn: int, text: str) -> str | list[dict[str, Any]]:
    asked = re.search(r"Chapter (\d) for ([\w.:-]+) ", text)
    number, scout_id = ("?", "") if asked is None else asked.groups()
    if turn == 0:
        return [call_of("note", what="x")]
    if turn == 1:
        return [call_of("call_agent", agent_name="critic", message=f"Is chapter {number} good?")]
    if turn == 2:
        return [call_of("send_message", task_id=scout_id, message=f"mail {number}.")]
    return f"written: {number}"


def critic(turn: int, text: str) -> str:
    return "it is good"


def scout(turn: int, text: str) -> str | list[dict[str, Any]]:
    if turn == 0:
        return [call_of("send_message", task_id="r", message="here is the news")]
    if set(wanted_mail()) - set(mail_in(text)):
        return [call_of("wait_for_messages")]
    return "all was read"


def wanted_mail() -> list[str]:
    """Return all mail for the peer in the background: of the user's thread, and of agents."""
    return [
        *(f"letter {number}." for number in range(LETTERS)),
        *(f"mail {number}." for number in range(CHAPTERS)),
    ]


def mail_in(text: str) -> list[str]:
    return re.findall(r"(?:letter|mail) \d+\.", text)


def agent_of(messages: list[dict[str, Any]]) -> str:
    return str(messages[0]["content"]).split("AGENT ")[1].split(maxsplit=1)[0]


def turn_of(messages: list[dict[str, Any]]) -> int:
    return sum(message["role"] == "assistant" for message in messages)


# ── the server, and the kills ─────────────────────────────────────────────────────────────────────


@dataclass
class Given:
    """A reply: to which process, when its last byte left, and how long that had waited by then."""

    session: int
    left: float
    waited: float


@dataclass
class Kill:
    """When a process was killed, and how long it had waited by then."""

    at: float
    waited: float


@dataclass
class Report:
    """What was seen.

    Attributes:
        right: Whether the run came to the right result.
        kills: How often the process was killed: by the number of its start.
        replies: The replies that were given, by the call that asked for them and its turn.
        furthest: The latest turn for which a start of the process has asked, by its number and the
            call.
        effects: How often each effect has happened.
        receipts: The letters of the user's thread for which there was a receipt.
        mail: How often each of them, and of those of agents, was read in the end.
        questions: The ids under which the user was asked.
    """

    right: bool = False
    kills: dict[int, Kill] = field(default_factory=dict[int, Kill])
    replies: dict[tuple[str, int], list[Given]] = field(
        default_factory=dict[tuple[str, int], list[Given]]
    )
    furthest: dict[tuple[int, str], int] = field(default_factory=dict[tuple[int, str], int])
    effects: Counter[str] = field(default_factory=Counter[str])
    receipts: set[str] = field(default_factory=set[str])
    mail: Counter[str] = field(default_factory=Counter[str])
    questions: set[str] = field(default_factory=set[str])

    @property
    def given(self) -> int:
        """How many replies were given."""
        return sum(map(len, self.replies.values()))

    @property
    def repeated(self) -> list[float]:
        """How long before the kill those had left that had left before it, and came again."""
        times = (self._seconds_before_kill(one) for _, _, one in self._given_again())
        return [seconds for seconds in times if seconds > 0]

    @property
    def lost_replies(self) -> int:
        """How many of them had left long enough before the kill to be kept."""
        return sum(seconds >= KEPT_SECONDS for seconds in self.repeated)

    @property
    def forgotten_replies(self) -> list[str]:
        """The replies that were asked for again although the process had acted on them."""
        return [
            f"{call}, turn {turn}"
            for call, turn, one in self._given_again()
            if self.furthest[one.session, call] > turn
        ]

    def _given_again(self) -> list[tuple[str, int, Given]]:
        return [
            (call, turn, one) for (call, turn), given in self.replies.items() for one in given[:-1]
        ]

    @property
    def lost_letters(self) -> set[str]:
        """The letters that have a receipt, and were not read."""
        return self.receipts - set(self.mail)

    @property
    def twice(self) -> list[str]:
        """The effects that have happened twice, and the mail that was read twice."""
        return [what for what, count in (self.effects + self.mail).items() if count > 1]

    def _seconds_before_kill(self, reply: Given) -> float:
        """Return how long the process had a processor from a reply to its end."""
        kill = self.kills.get(reply.session)
        if kill is None:  # it was asked for again by the same process
            return math.inf
        if reply.left >= kill.at:
            return 0.0
        return max(1e-6, kill.at - reply.left - max(0.0, kill.waited - reply.waited))


def waited_for_processor(pid: int) -> float:
    """Return how many seconds threads of a process were ready and had no processor, as Linux counts.

    Others may use the machine as well, and a process that is not let run commits nothing. A thread
    that holds the interpreter's lock while it waits holds up the others.
    """
    waited = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError, IndexError):  # the thread has ended
            waited += int(file.read_text("ascii").split()[1])
    return waited / 1e9


async def kill_again_and_again(
    folder: Path, kills: int, seed: int, *, power_loss: bool = False
) -> Report:
    """Run the program until it has been killed so often, and then to its end."""
    chance, report, session, pid = random.Random(seed), Report(), 0, 0  # noqa: S311 - no secret

    async def answer(request: web.Request) -> web.StreamResponse:
        body, asked_by = await request.json(), session
        messages = body["messages"]
        call, turn = f"{agent_of(messages)}: {messages[1]['content']}", turn_of(messages)
        furthest = report.furthest.get((asked_by, call), turn)
        report.furthest[asked_by, call] = max(furthest, turn)
        await asyncio.sleep(REPLY_SECONDS)
        delta = {"role": "assistant", **reply_to(messages)}
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
            given = Given(asked_by, time.monotonic(), waited_for_processor(pid))
            report.replies.setdefault((call, turn), []).append(given)
            if agent_of(messages) == "scout":
                report.mail = Counter(mail_in(json.dumps(messages)))
            await response.write_eof()
        return response

    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    command = [sys.executable, str(PROGRAM), url, str(folder), str(LETTERS)]
    command += ["power loss"] if power_loss else []
    try:
        while True:
            session += 1
            wanted = report.given + chance.randrange(1, 8)
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            pid = process.pid
            if len(report.kills) < kills:
                while process.returncode is None and report.given < wanted:
                    await asyncio.sleep(0.002)
                await asyncio.sleep(chance.random() * 3 * REPLY_SECONDS)
                if process.returncode is None:
                    kill = Kill(time.monotonic(), waited_for_processor(pid))
                    process.kill()
                    report.kills[session] = kill
            output, _ = await process.communicate()
            if session not in report.kills:
                break
    finally:
        await runner.cleanup()
    report.right = output.decode().strip() == OUTPUT
    report.effects = Counter(lines_of(folder / "effects"))
    report.receipts = set(lines_of(folder / "receipts"))
    report.questions = set(lines_of(folder / "questions"))
    return report


def lines_of(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines()


async def main(kills: int) -> int:
    """Kill runs until there have been so many kills; print what was seen."""
    counts, done, seed = Counter[str](), 0, 0
    while done < kills:
        seed += 1
        with tempfile.TemporaryDirectory() as folder:
            report = await kill_again_and_again(Path(folder), min(5, kills - done), seed)
        done += max(len(report.kills), 1)
        counts["wrong"] += not report.right
        counts["lost replies"] += report.lost_replies
        counts["forgotten"] += len(report.forgotten_replies)
        counts["lost letters"] += len(report.lost_letters)
        counts["twice"] += len(report.twice)
        counts["questions"] += len(report.questions) != 1
        counts["replies"] += report.given
        counts["again"] += len(report.repeated)
        counts["receipts"] += len(report.receipts)
        counts["effects"] += report.effects.total()
    print(
        f"{done} kills in {seed} runs\n"
        f"{counts['wrong']} wrong results\n"
        f"{counts['replies']} replies, {counts['again']} of them had left before a kill and were "
        f"asked for again, {counts['lost replies']} of these {KEPT_SECONDS * 1000:g} ms before it, "
        f"and {counts['forgotten']} had been acted on\n"
        f"{counts['receipts']} letters with a receipt, {counts['lost letters']} lost\n"
        f"{counts['effects']} effects; {counts['twice']} effects or letters came twice\n"
        f"{counts['questions']} questions asked under two ids"
    )
    bad = ("wrong", "lost replies", "forgotten", "lost letters", "twice", "questions")
    return int(any(counts[name] for name in bad))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]))))
