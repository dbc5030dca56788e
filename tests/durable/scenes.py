"""Small runs that use everything a journal has to bring back, and a way to play each from any point."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentouto import (
    Agent,
    AgentoutoError,
    Hooks,
    Journal,
    Limits,
    Message,
    Peer,
    Provider,
    Refuse,
    Retry,
    Tool,
    here,
)
from agentouto._core.result import RunResult, messages_of
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.errors import BrokenScript, JournalError
from agentouto._domain.event import Event, ModelAsked, Replied
from agentouto._domain.kept_event import ToolBegun
from agentouto._domain.memory import Memory
from agentouto._engine.durable_run import DurableRun
from agentouto._engine.inbox import InboxItem
from agentouto._engine.plan import Plan
from agentouto._engine.run import Run
from agentouto._journal.database import Database
from agentouto._journal.places import site_of
from agentouto._journal.store import Store
from agentouto._options import make_plan
from agentouto.testing import Request, Script, call, fail, finish, say, tool

RUN = "r"
"""The id of every run, which is also that of the first starting agent's call."""


class MemoryKeeper:
    """Keeps events in a list."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.settled = 0

    def take(self, event: Event) -> None:
        self.events.append(event)

    async def settle(self) -> None:
        self.settled = len(self.events)

    def hasten(self) -> None:
        self.settled = len(self.events)

    def flush(self) -> None:
        self.settled = len(self.events)

    def begin(self, fail: Callable[[JournalError], object]) -> None: ...

    def cancel(self) -> None: ...

    def new_items(self) -> Sequence[InboxItem]:
        return ()

    def hold(self, item: InboxItem) -> None: ...

    def wait_for_people(self) -> bool:
        return True

    def settle_item(self, item: InboxItem, refusal: str | None = None) -> None: ...

    def close(self) -> None:
        self.settled = len(self.events)

    async def end(self) -> None:
        self.close()


@dataclass
class World:
    """What is outside of the process, and outlives it: the effects of tools."""

    done: list[str] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    run: Run | None = None

    def do(self, what: str) -> str:
        assert self.run is not None
        self.done.append(what)
        self.at.append(len(self.run.log.events))
        return f"did {what}"

    def look(self, what: str) -> str | None:
        return f"did {what}" if what in self.done else None


@dataclass
class Played:
    """What has come of a run."""

    outcome: object
    messages: Counter[tuple[str, ...]]
    replies: Counter[tuple[str, int, str]]
    events: list[Event]
    world: World
    keeper: MemoryKeeper


class Shelf:
    """A journal that has one run, which has come as far as a test wants it to have come."""

    def __init__(self, place: str) -> None:
        self._journal = Journal(place)
        self._opener = site_of(self._journal._site, power_loss=False).open_run()
        self._origin = self._opener.do(lambda one: Store(one).add_run("origin", "Go.", "{}", 0.0))

    def opened(self, plan: Plan, earlier: Sequence[Event]) -> Any:
        """Return the run, after what was done in it ``earlier``, as ``run(journal=)`` opens it."""

        def put_back(database: Database) -> None:
            with database.transaction():  # the one that was there before has another name now
                database.execute("update runs set id = 'o' || no where id = ?", (RUN,))
            Store(database).add_fork(self._origin, RUN, earlier)

        self._opener.do(put_back)
        return self._journal.open_run(RUN, plan, accept_changes=False)

    def close(self) -> None:
        self._opener.close()


Scene = Callable[[World], tuple[Sequence[Any], Mapping[str, Any]]]
"""Returns the positional arguments of ``run`` after the message, and its options."""


async def play(
    scene: Scene,
    earlier: Sequence[Event] = (),
    done: Sequence[str] = (),
    shelf: Shelf | None = None,
) -> Played:
    """Play ``scene`` from the beginning, or from where ``earlier`` ends, in memory or in a journal."""
    world, keeper = World(list(done)), MemoryKeeper()
    given, options = scene(world)
    options = dict(options)
    plan = make_plan("run", ("Go.", *given), options, Memory())
    durable: Any = DurableRun(keeper, RUN, earlier)
    if shelf is not None:
        durable = shelf.opened(plan, earlier)
    world.run = run = Run(plan, RUN, SYSTEM_CLOCK, reachable=True, durable=durable)
    outcome: object
    try:
        async with asyncio.timeout(20):
            result: RunResult[Any] = await run.execute()
        outcome = result.output, [(one.name, one.text, one.data) for one in result.outputs]
    except BrokenScript:
        raise
    except AgentoutoError as error:
        outcome = type(error), str(error)
    events = run.log.events
    messages = Counter(
        (one.type, one.sender, one.receiver, one.content) for one in messages_of(events)
    )
    replies = Counter(
        (event.stamp.call_id, event.turn, event.model)
        for event in events
        if isinstance(event, Replied) and event.model
    )
    return Played(outcome, messages, replies, list(events), world, keeper)


def provider(script: Any, **more: Any) -> Provider:
    return Provider("p", kind="script", script=Script(script, usage=(10, 5)), **more)


def effect(world: World, **options: Any) -> Tool[..., Any]:
    """Return a tool with an effect, which can be looked for."""

    async def do(what: str) -> str:
        await asyncio.sleep(0)
        return world.do(what)

    return Tool(do, on_restart=options.pop("on_restart", world.look), **options)


LEAD = Agent("lead", "You lead.", "m", "p")
WRITER = Agent("writer", "You write.", "m", "p")


def deep(world: World) -> Any:
    lines = {
        "lead": [call("writer", "Write."), tool("do", what="lead"), finish("all done")],
        "writer": [tool("do", what="one"), call("helper", "Help."), say("written")],
        "helper": [tool("do", what="two"), say("helped")],
    }
    helper = Agent("helper", "You help.", "m", "p")
    return ([LEAD], [effect(world)], [provider(lines)]), {"run_agents": [LEAD, WRITER, helper]}


def background(world: World) -> Any:
    def waits(request: Request) -> Any:
        read = [text for text in request.heard if "the news" in text]
        return say("read it") if read else tool("wait_for_messages")

    lines = {
        "lead": [
            tool("spawn_background_agent", agent_name="writer", message="Look."),
            waits,
            waits,
            waits,
        ],
        "writer": [
            tool("do", what="look"),
            tool("send_message", task_id=RUN, message="the news"),
            say("told"),
        ],
    }
    return (
        ([LEAD], [effect(world)], [provider(lines)]),
        {"run_agents": [LEAD, WRITER], "enabled_tools": ["wait_for_messages"]},
    )


def approval(world: World) -> Any:
    asked: list[str] = []

    def approve(one: Any) -> bool:
        asked.append(one.id)
        return "no" not in str(one.arguments)

    lines = {"lead": [[tool("do", what="yes"), tool("do", what="no")], finish("done")]}
    tools = [effect(world, needs_approval=True)]
    return ([LEAD], tools, [provider(lines)]), {"approve": approve}


def failing_peer(world: World) -> Any:
    lines = {
        "lead": [call("writer", "Write."), tool("do", what="alone"), finish("without it")],
        "writer": [fail(400, message="no such model")],
    }
    return ([LEAD], [effect(world)], [provider(lines)]), {"run_agents": [LEAD, WRITER]}


def failing_starter(world: World) -> Any:
    lines = {"lead": [tool("do", what="first"), fail(400, message="no such model")]}
    return ([LEAD], [effect(world)], [provider(lines)]), {}


def summaries(world: World) -> Any:
    small = Agent("lead", "You lead.", "m", "p", context_window=3_000)

    async def read(name: str) -> str:
        return f"{name}: " + "many words " * 330

    lines = {"lead": [*(tool("read", name=f"n{n}") for n in range(7)), finish("read all")]}
    return ([small], [Tool(read, on_restart="run")], [provider(lines)]), {}


def overflow(world: World) -> Any:
    async def read(name: str) -> str:
        return f"{name}: " + "many words " * 3_000

    def decide(request: Request) -> Any:
        if request.summary:
            return say("a summary")
        size = sum(len(text) for text in request.results("read"))
        return fail("context") if size > 40_000 else line(request)

    def line(request: Request) -> Any:
        return [tool("read", name="a"), tool("read", name="b"), finish("read")][
            min(request.turn, 2)
        ]

    return ([LEAD], [Tool(read, on_restart="run")], [provider(decide)]), {}


def refused_return(world: World) -> Any:
    def on_return(message: Message) -> None:
        if "bad" in message.content:
            raise Refuse("it is bad")

    lines = {"lead": [say("bad"), tool("do", what="better"), say("good")]}
    return ([LEAD], [effect(world)], [provider(lines)]), {"hooks": Hooks(on_return=on_return)}


def changed_forward(world: World) -> Any:
    def on_forward(message: Message) -> str | None:
        if message.content == "forbidden":
            raise Refuse("not that")
        return message.content.upper()

    lines = {
        "lead": [call("writer", "write"), call("writer", "forbidden"), finish("done")],
        "writer": lambda request: say("I read " + request.heard[-1][-5:]),
    }
    return (
        ([LEAD], [], [provider(lines)]),
        {"run_agents": [LEAD, WRITER], "hooks": Hooks(on_forward=on_forward)},
    )


def around(world: World) -> Any:
    async def around_model(use: Any, ask: Callable[..., Awaitable[Any]]) -> Any:
        first = await ask()
        if use.turn == 1:
            return await ask()
        if use.turn == 2:
            return "the hook's own words"
        return first

    async def around_tool(use: Any, proceed: Callable[..., Awaitable[Any]]) -> Any:
        return await proceed({"what": use.arguments["what"] + "!"})

    lines = {"lead": [tool("do", what="one"), tool("do", what="two"), say("three")]}
    return (
        (
            [LEAD],
            [effect(world, on_restart=lambda what: world.look(what + "!"))],
            [provider(lines)],
        ),
        {"hooks": Hooks(around_model=around_model, around_tool=around_tool)},
    )


def fallback(world: World) -> Any:
    def decide(request: Request) -> Any:
        if request.model == "m1" and request.turn >= 1:
            return fail(503)
        return [tool("do", what="one"), tool("do", what="two"), say("over")][request.turn]

    lead = Agent("lead", "You lead.", "m1", "p", fallback=[("p", "m2")])
    return ([lead], [effect(world)], [provider(decide, retry=Retry(tries=1))]), {}


def data(world: World) -> Any:
    lines = {
        "lead": [
            tool("do", what="count"),
            tool("finish", result=[1, 2]),
            tool("finish", result=[3]),
        ]
    }
    return ([LEAD], [effect(world)], [provider(lines)]), {"output_type": list[int]}


def limits(world: World) -> Any:
    lines = {
        "lead": [call("writer", "Write."), call("writer", "Again."), say("never")],
        "writer": [tool("do", what="a"), say("written")],
    }
    return (
        ([LEAD], [effect(world)], [provider(lines)]),
        {"run_agents": [LEAD, WRITER], "limits": Limits(calls=2)},
    )


def two_starters(world: World) -> Any:
    lines = {
        "lead": [tool("do", what="a"), say("A")],
        "writer": [tool("do", what="b"), call("lead", "And you?"), say("B")],
    }

    return ([LEAD, WRITER], [effect(world)], [provider(lines)]), {}


def late_letter(world: World) -> Any:
    def look(what: str) -> str | None:
        return world.look(what)

    async def post(what: str) -> str:
        assert world.run is not None
        world.run.mail.send(RUN, f"a letter about {what}", id_=what)
        return world.do(what)

    def last(request: Request) -> Any:
        return say(f"{sum('a letter' in text for text in request.heard)} letters")

    lines = {"lead": [tool("post", what="x"), tool("post", what="y"), last, last]}
    return ([LEAD], [Tool(post, on_restart=look)], [provider(lines)]), {}


def calling_peer(world: World) -> Any:
    async def ask(message: Message, at: Any) -> str:
        one = await at.call("writer", "first?")
        two = await at.call("writer", "second?")
        return f"{one.content}, {two.content}"

    lines = {
        "lead": [call("clerk", "Ask."), finish("asked")],
        "writer": [tool("do", what="w"), say("an answer")],
    }
    clerk = Peer("clerk", "Asks.", ask, on_restart="run")

    async def do(what: str) -> str:
        return world.do(here().key)

    def look(what: str) -> str | None:
        return "did" if here().key in world.done else None

    return (
        ([LEAD], [Tool(do, on_restart=look)], [provider(lines)]),
        {"run_agents": [LEAD, WRITER, clerk]},
    )


def calling_tool(world: World) -> Any:
    async def ask() -> str:
        one = await here().call("writer", "first?")
        two = await here().call("writer", "second?")
        return f"{one.content}, {two.content}"

    lines = {"lead": [tool("ask"), finish("asked")], "writer": [say("an answer")]}
    return ([LEAD], [Tool(ask, on_restart="run")], [provider(lines)]), {
        "run_agents": [LEAD, WRITER]
    }


def cleared(world: World) -> Any:
    lines = {
        "lead": [
            tool("spawn_background_agent", agent_name="writer", message="Look."),
            lambda request: tool("get_messages", task_id=task_of(request), clear=True),
            lambda request: tool("get_messages", task_id=task_of(request)),
            lambda request: say(
                "it has " + request.results("get_messages")[-1].partition("Messages")[2]
            ),
        ],
        "writer": [say("seen")],
    }
    return ([LEAD], [], [provider(lines)]), {"run_agents": [LEAD, WRITER]}


def task_of(request: Request) -> str:
    return "bg_" + request.results("spawn_background_agent")[0].split("Task ID: bg_")[1][:12]


def questions(world: World) -> Any:
    lines = {
        "lead": [[call("user", "Red?"), call("user", "Blue?")], say(""), say(""), finish("asked")]
    }
    return ([LEAD], [], [provider(lines)]), {
        "ask_user": lambda message: f"yes to {message.content}"
    }


SCENES: list[Scene] = [
    deep,
    background,
    approval,
    failing_peer,
    failing_starter,
    summaries,
    overflow,
    refused_return,
    changed_forward,
    around,
    fallback,
    data,
    limits,
    two_starters,
    late_letter,
    calling_peer,
    calling_tool,
    cleared,
    questions,
]


async def interrupted_events() -> list[Event]:
    """Return the events of a run that has ended and gone on in the middle of a reply and a tool."""
    whole = (await play(two_starters)).events
    began = next(n for n, event in enumerate(whole) if isinstance(event, ToolBegun))
    asked = next(n for n, event in enumerate(whole) if isinstance(event, ModelAsked) and event.turn)
    again = await play(two_starters, whole[: began + 1])
    return [*again.events, *(await play(two_starters, whole[: asked + 1])).events]
