"""Of any run, at any line: every open call acts or is held up, and the critical path adds up."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from itertools import pairwise

import pytest

from agentouto import Agent, Limits, Provider, RunStream, Tool, async_run_stream, here
from agentouto._core.critical_path import find_held
from agentouto._core.run_history import RunHistory
from agentouto.events import Doing, critical, figures, held
from agentouto.providers._script.replies import ReplyPart, ScriptedReply
from agentouto.testing import Request, Script, call, fail, finish, say, think, tool
from golden import Lines, collect

RUNS = 200
AT_ONCE = 20
NAMES = ("a", "b", "c", "d")


@Tool
async def rest(seconds: float) -> str:
    """Rest."""
    await asyncio.sleep(seconds)
    return "rested"


@Tool
def lazy() -> str:
    """Raise."""
    raise ValueError("no")


def dice_of(seed: object) -> random.Random:
    """Return dice that fall the same way for the same seed."""
    return random.Random(str(seed))  # noqa: S311 - no secret


@Tool(needs_approval=True)
def buy() -> str:
    """Buy."""
    return "bought"


@Tool
async def survey(names: list[str]) -> str:
    """Ask peers, all at once."""

    async def ask(name: str) -> None:
        await here().call(name, "Surveyed.")

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(ask(name))
    return "surveyed"


class Chance:
    """A model that does anything, the same again for the same seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, request: Request) -> ScriptedReply:
        dice = dice_of((self.seed, request.path, request.turn, request.attempt))
        depth = request.path.count("/")
        if dice.random() < 0.03:
            return fail(dice.choice((500, 400)))
        if request.turn >= 3 or depth >= 3 or dice.random() < 0.2:
            return dice.choice((finish("done"), say("done")))
        acts: list[ReplyPart] = [think("Hm.")] if dice.random() < 0.3 else []
        return acts + [self.act(dice, request) for _ in range(dice.randint(1, 3))]

    def act(self, dice: random.Random, request: Request) -> ReplyPart:
        """Return one tool call."""
        name = dice.choice((*NAMES, "nobody"))
        match dice.randint(0, 11):
            case 0 | 1 | 2 | 3:
                return call(name, dice.choice(("Go.", "Do it.")))
            case 4:
                return call(name, "Aside.", background=True)
            case 5:
                return call("user", "Which?")
            case 6:
                return tool("wait_for_messages", timeout=dice.choice((0, 0.002)))
            case 7:
                return tool("send_message", task_id=request.call_id, message="To me.")
            case 8:
                return tool("lazy")
            case 9:
                return tool("buy")
            case 10:
                return tool("survey", names=dice.sample(NAMES, 2))
            case _:
                return tool("rest", seconds=dice.choice((0, 0.001)))


def random_run(seed: int) -> RunStream:
    """Return a run of a team in which everybody does anything."""
    dice = dice_of(seed)
    provider = Provider("scripted", kind="script", script=Script(Chance(seed).__call__))
    agents = [Agent(name, "", "m", provider) for name in NAMES]
    limits = Limits(requests=dice.choice((8, 40, 60)), parallel=dice.choice((None, 2)))
    return async_run_stream(
        "Go.",
        agents[: dice.choice((1, 1, 2))],
        [rest, lazy, buy, survey],
        run_agents=agents,
        ask_user=lambda message: "this",
        approve=lambda approval: dice.random() < 0.7,
        enabled_tools=["wait_for_messages"],
        limits=limits,
    )


@pytest.fixture(scope="module")
def runs() -> list[Lines]:
    async def main() -> list[Lines]:
        every: list[Lines] = []
        for first in range(0, RUNS, AT_ONCE):
            async with asyncio.TaskGroup() as group:
                seeds = range(first, first + AT_ONCE)
                tasks = [group.create_task(collect(random_run(seed))) for seed in seeds]
            every += [task.result() for task in tasks]
        return every

    return asyncio.run(main())


def test_at_every_line_each_open_call_acts_or_is_held_up(runs: list[Lines]) -> None:
    for lines in runs:
        history, open_calls = RunHistory(), set[object]()
        for line in lines:
            history.feed(line)
            if line["type"] in {"forward", "ask"}:
                open_calls.add(line["call"])
            elif line["type"] in {"return", "error"}:
                open_calls.discard(line["call"])
            named = {id_ for one in find_held(history) for id_ in (one.call, *one.holds)}
            assert named == open_calls
        assert not open_calls


def test_a_tool_that_waits_for_a_person_or_a_peer_does_not_act(runs: list[Lines]) -> None:
    waited = 0
    for lines in runs:
        history = RunHistory()
        tools, calls = set[tuple[object, object]](), dict[object, tuple[object, object]]()
        for line in lines:
            history.feed(line)
            place = line.get("call"), line.get("tool_call")
            if line["type"] == "tool.start" and line["tool"] != "wait_for_messages":
                tools.add(place)
            elif line["type"] == "tool.end":
                tools.discard(place)
            elif line["type"] in {"forward", "ask"} and not line["background"]:
                calls[line["call"]] = line["parent"], line.get("tool_call")
            elif line["type"] in {"return", "error"}:
                calls.pop(line["call"], None)
            waiting = tools & set(calls.values())
            waited += len(waiting)
            working = {call for call, _ in tools - waiting}
            using = {one.call for one in find_held(history) if one.doing is Doing.TOOL}
            assert using == working
    assert waited


ENDS = (
    ({"forward", "ask"}, {"return", "error"}),
    ({"model.start"}, {"model.end", "model.wait"}),
    ({"tool.start"}, {"tool.end"}),
    ({"wait"}, {"wait.end"}),
)
"""What ends what has begun, in the same call."""


def place_of(line: dict[str, object]) -> object:
    """Return what tells a line from others of its type in its call."""
    return line["tool_call"] if str(line["type"]).startswith("tool.") else line.get("for")


@pytest.mark.parametrize(("begins", "ends"), ENDS)
def test_whatever_begins_has_one_end_after_it(
    runs: list[Lines], begins: set[str], ends: set[str]
) -> None:
    for lines in runs:
        open_ones = Counter[object]()
        for line in lines:
            key = line.get("call"), place_of(line)
            if line["type"] in begins:
                open_ones[key] += 1
            elif line["type"] == "model.wait" and not open_ones[key]:
                pass  # before a first try
            elif line.get("stop") == "broken" and not open_ones[key]:
                pass  # its call was cancelled while it waited for another try
            elif line["type"] in ends:
                open_ones[key] -= 1
                assert open_ones[key] >= 0, line
        assert not +open_ones


def test_the_address_of_a_line_is_unique_and_rises(runs: list[Lines]) -> None:
    for lines in runs:
        addresses = [(int(str(line["seq"])), int(str(line.get("part", 0)))) for line in lines]
        assert addresses == sorted(set(addresses))


def test_held_of_some_lines_is_what_it_was_then(runs: list[Lines]) -> None:
    for seed, lines in enumerate(runs[:40]):
        length = dice_of(seed).randrange(len(lines))
        assert held(lines[:length]) == find_held(RunHistory(lines[:length]))


def test_the_critical_path_has_no_gap_and_adds_up_to_the_answer(runs: list[Lines]) -> None:
    for seed, lines in enumerate(runs):
        for some in (lines, lines[: dice_of(seed).randrange(len(lines))]):
            pieces = critical(some)
            if not pieces:
                continue
            assert pieces[0].start == 0.0
            assert all(one.end == other.start for one, other in pairwise(pieces))
            starters = {
                line["call"]
                for line in some
                if line["type"] == "forward" and line["parent"] is None
            }
            ends = [
                float(str(line["t"]))
                for line in some
                if line["type"] in {"return", "error"} and line["call"] in starters
            ]
            latest = float(str(some[-1]["t"])) if len(ends) < len(starters) else max(ends)
            assert sum(piece.seconds for piece in pieces) == pytest.approx(latest, abs=0.001)
            assert figures(some).bound >= 0


def test_the_runs_have_what_they_are_to_be_tried_with(runs: list[Lines]) -> None:
    seen = {line["type"] for lines in runs for line in lines}
    assert any(line.get("kind") == "approval" for lines in runs for line in lines)
    assert {"ask", "wait", "message", "model.wait", "note", "limit", "error", "repeated"} <= seen
    assert any(line.get("background") for lines in runs for line in lines)
