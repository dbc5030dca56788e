"""The smallest placement: calls elsewhere are runs of the same process."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from typing import Any

from agentouto import Agent, Provider, RoutingError, RunResult
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.event import Event
from agentouto._domain.memory import Memory
from agentouto._engine.durable_run import DurableRun
from agentouto._engine.elsewhere import CallElsewhere, Elsewhere, EndOfCall, Post
from agentouto._engine.plan import Plan
from agentouto._engine.run import Run
from agentouto._options import make_plan
from agentouto.testing import Script
from durable.scenes import MemoryKeeper


class InOneProcess:
    """The smallest placement: every worker is a set of runs in this process.

    Attributes:
        reports: Set while callers are told that a call elsewhere has ended.
    """

    def __init__(self) -> None:
        self.kept: dict[str, list[Event]] = {}
        self.runs: dict[str, Run] = {}
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self.begun = asyncio.Event()
        self.reports = asyncio.Event()
        self.reports.set()

    def begin(self, id_: str, plan: Plan, kind: str = "default") -> asyncio.Task[RunResult]:
        keeper = MemoryKeeper()
        keeper.events = self.kept.setdefault(id_, [])
        durable = DurableRun(keeper, id_, tuple(keeper.events))
        durable.place_calls = functools.partial(Elsewhere, Worker(self, kind))
        run = Run(plan, id_, SYSTEM_CLOCK, reachable=True, durable=durable)
        self.runs[id_] = run
        self.tasks[id_] = task = asyncio.create_task(run.execute())
        self.begun.set()
        return task


class Worker:
    """A placement for the runs of one kind of worker."""

    def __init__(self, all_: InOneProcess, kind: str) -> None:
        self._all = all_
        self._kind = kind

    def takes(self, worker: str) -> bool:
        return worker != self._kind

    async def answer(self, call: CallElsewhere, on_begun: Any) -> Sequence[Event]:
        if call.id not in self._all.tasks:
            self._all.kept.setdefault(call.id, list(call.events))
            self._all.begin(call.id, call.plan, call.worker)
        on_begun()
        await asyncio.wait([self._all.tasks[call.id]])
        await self._all.reports.wait()
        return self._all.kept[call.id]

    async def post(self, address: str, post: Post) -> str:
        run = next((one for one in self._all.runs.values() if address in one.calls.by_id), None)
        if address in self._all.runs:
            run = self._all.runs[address]
        if run is None or self._all.tasks[run.id].done():
            raise RoutingError("unknown", f"there is no call {address}")
        if isinstance(post, EndOfCall):
            run.stop(for_good=True)
            self._all.tasks[run.id].cancel()
        else:
            run.mail.deliver_letter(address, post)
        return run.calls.by_id[address].name


def agents(lead: Any, far: Any, *, helper: Any = ()) -> list[Agent]:
    """Return a team with an agent at home, one elsewhere, and a helper at home."""
    lines = {"lead": lead, "far": far, "helper": helper}
    provider = Provider("p", kind="script", script=Script(lines))
    return [
        Agent("lead", "You lead.", "m", provider),
        Agent("far", "You are far.", "m", provider, worker="gpu"),
        Agent("helper", "You help.", "m", provider),
    ]


def plan_of(team: list[Agent], tools: Sequence[Any] = (), **options: Any) -> Plan:
    given = "Go.", [team[0]], list(tools), None
    return make_plan("run", given, {"run_agents": team, **options}, Memory())


async def carried_out(plan: Plan) -> tuple[RunResult, InOneProcess]:
    all_ = InOneProcess()
    return await all_.begin("r", plan), all_


def far_run(all_: InOneProcess) -> list[Event]:
    """Return the events of the one run elsewhere."""
    (id_,) = all_.kept.keys() - {"r"}
    return all_.kept[id_]
