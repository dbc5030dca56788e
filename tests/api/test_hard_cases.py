"""What goes wrong in other people's code, in bad moments, and at the edges."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest

from agentouto import (
    Agent,
    AgentError,
    Attachment,
    ConfigurationError,
    Message,
    Provider,
    ProviderError,
    RoutingError,
    Team,
    Tool,
    async_run,
    async_run_stream,
    get_agent_status,
    get_messages,
    get_stream_events,
    run,
    run_background,
    run_background_sync,
    send_message,
)
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.content import Stop, Usage
from agentouto._domain.delta import Delta, StopDelta, TextDelta, ToolCallDelta, UsageDelta
from agentouto._domain.ports import ModelRequest
from agentouto._engine.call import Mailbox
from agentouto._engine.delivery import Delivery
from agentouto._engine.plan import Plan
from agentouto._engine.run import Run
from agentouto.exceptions import Cancelled
from agentouto.testing import Request, Script, Turn, call, fail, finish, raw, say, tool
from teams import peers


def test_what_is_drained_while_others_write_is_drained_once() -> None:
    box, read = Mailbox(), list[str]()
    stop = threading.Event()

    def write() -> None:
        for number in range(20_000):
            box.put(Delivery(Message("forward", "u", "a", str(number)), "a"), bool)
        stop.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not stop.is_set():
        read += [delivery.message.content for delivery in box.drain()]
    thread.join()
    read += [delivery.message.content for delivery in box.drain()]
    assert read == [str(number) for number in range(20_000)]
    assert box.close_if_empty()
    with pytest.raises(RoutingError):
        box.put(Delivery(Message("forward", "u", "a", "late"), "a"), bool)


def test_a_message_is_on_record_before_it_can_be_read() -> None:
    box, there = Mailbox(), list[bool]()
    delivery = Delivery(Message("forward", "u", "a", "Hello."), "a")
    box.put(delivery, lambda: there.append(box.has_mail()))
    assert there == [False]
    assert box.drain() == [delivery]


@pytest.mark.parametrize("name", ["wipe", "finish"])
def test_a_call_cut_off_before_its_arguments_is_not_done(name: str) -> None:
    done: list[str] = []

    @Tool
    def wipe(path: str = "/") -> str:
        """Wipe."""
        done.append(path)
        return ""

    script = {
        "a": [[raw(name, ""), fail("out_of_tokens")], lambda r: finish(r.outcomes[0].content)]
    }
    output = run("Go.", peers(script, "a"), [wipe]).output
    assert done == []
    assert "nothing was done" in output
    assert "in smaller pieces" in output


class Pausing:
    """A provider that works with tools of its own and wants to be asked again."""

    def __init__(self, pauses: int, *, call: bool = False) -> None:
        self.requests: list[ModelRequest] = []
        self._pauses = pauses
        self._call = call

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        self.requests.append(request)
        first = len(self.requests) == 1
        yield [TextDelta(str(len(self.requests))), UsageDelta(Usage(1, 1))]
        if self._call and first:
            yield [ToolCallDelta(0, "x", "look", "{}")]
        yield [StopDelta(Stop.PAUSED if len(self.requests) <= self._pauses else Stop.COMPLETE)]

    def window(self, _agent: Agent) -> int | None:
        return None

    async def find_window(self, agent: Agent) -> None:
        pass


async def paused(model: Pausing, tools: dict[str, Tool[..., object]]) -> str:
    agent = Agent("a", "i", "m", "p")
    plan = Plan(
        message="Go.",
        starting=(agent,),
        participants={"a": agent},
        backends={"p": model},
        tools=tools,
    )
    return (await Run(plan, "r", SYSTEM_CLOCK).execute()).output


async def test_a_paused_reply_is_asked_for_again_but_not_for_ever() -> None:
    assert await paused(Pausing(3), {}) == "4"
    endless = Pausing(10_000)
    with pytest.raises(AgentError, match="paused"):
        await paused(endless, {})
    assert len(endless.requests) < 100


async def test_the_tool_calls_of_a_paused_reply_are_done() -> None:
    @Tool
    def look() -> str:
        """Look."""
        return "seen"

    model = Pausing(1, call=True)
    await paused(model, {"look": look})
    assert [type(entry).__name__ for entry in model.requests[1].transcript.entries] == [
        "Incoming",
        "Reply",
        "Outcomes",
    ]


def test_a_background_run_may_be_started_from_within_the_portal() -> None:
    inner = peers({"b": [finish("inner")]}, "b")

    @Tool
    async def start() -> str:
        """Start another run."""
        return (await run_background_sync("Go.", inner).wait()).output

    outer = peers({"a": [tool("start"), lambda r: finish(r.results("start")[0])]}, "a")
    assert run_background_sync("Go.", outer, [start]).result(timeout=5).output == "inner"


@pytest.mark.parametrize("answers", ["plain", "async"])
def test_a_callback_that_exits_costs_one_answer(answers: str) -> None:
    def plain(message: Message) -> str:
        raise SystemExit(3)

    async def later(message: Message) -> str:
        raise SystemExit(3)

    script = {"a": [call("user", "?"), lambda r: finish(r.outcomes[0].content)]}
    output = run("Go.", peers(script, "a"), ask_user=plain if answers == "plain" else later).output
    assert "SystemExit" in output


async def test_mail_to_the_user_is_read_or_refused_but_never_lost() -> None:
    read: list[str] = []
    accepted: list[str] = []

    def on_message(message: Message, send: Callable[[str], None]) -> None:
        read.append(message.content)

    for number in range(60):
        task = run_background(
            "Go.", peers({"a": [Turn(finish("x"), delay=0.0005)]}, "a"), on_message=on_message
        )

        def write(task: str = task, number: int = number) -> None:
            for letter in range(50):
                try:
                    send_message(f"user_{task}", f"{number}:{letter}")
                except RoutingError:
                    return
                accepted.append(f"{number}:{letter}")

        thread = threading.Thread(target=write)
        thread.start()
        await task.wait()
        await asyncio.to_thread(thread.join)
    assert sorted(read) == sorted(accepted)


async def test_mail_is_on_record_before_it_can_be_read() -> None:
    for _ in range(50):
        accepted: list[str] = []
        script = {"a": lambda r: finish("x") if len(r.heard) > 1 else Turn(tool("nap"))}
        task = run_background("Go.", peers(script, "a"), [nap])

        def write(task: str = task, accepted: list[str] = accepted) -> None:
            try:
                send_message(task, "m")
                accepted.append("m")
            except RoutingError:
                return

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        result = await task.wait()
        assert [m.content for m in result.messages].count("m") == len(accepted)
        assert result.messages[-1].type == "return"


@Tool
async def nap() -> str:
    """Sleep a moment."""
    await asyncio.sleep(0)
    return ""


async def test_clearing_forgets_only_what_was_listed() -> None:
    gate = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Wait."""
        await gate.wait()
        return ""

    task = run_background("Go.", peers({"a": [tool("hold"), finish("x")]}, "a"), [hold])

    def write() -> None:
        for _ in range(2000):
            task.send("m")

    thread = threading.Thread(target=write)
    thread.start()
    listed = 0
    while thread.is_alive():
        listed += get_messages(task, clear=True).count("user -> a: m")
    listed += get_messages(task, clear=True).count("user -> a: m")
    gate.set()
    await task.wait()
    assert listed == 2000


async def test_nothing_piles_up_for_a_reader_that_is_gone() -> None:
    gate = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Wait."""
        await gate.wait()
        return ""

    task = run_background("Go.", peers({"a": [[say("x"), tool("hold")], finish("x")]}, "a"), [hold])
    async for _ in get_stream_events(task):
        break
    gc.collect()
    assert not any(reader() for reader in task._owner.record.log._readers)
    gate.set()
    await task.wait()


async def test_two_cannot_wait_for_one_event() -> None:
    gate = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Wait."""
        await gate.wait()
        return ""

    task = run_background("Go.", peers({"a": [tool("hold"), finish("x")]}, "a"), [hold])
    events = task.events()
    assert (await anext(events)).type == "tool_call"
    waiting = asyncio.create_task(anext(events))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already waits"):
        await anext(events)
    gate.set()
    await waiting
    await task.wait()


async def test_every_tool_call_has_its_result_however_the_tool_ends() -> None:
    @Tool
    async def quits() -> str:
        """Quit."""
        task = asyncio.current_task()
        assert task
        task.cancel()
        await asyncio.sleep(0)
        return ""

    @Tool
    async def quits_quietly() -> str:
        """Quit, and return all the same."""
        task = asyncio.current_task()
        assert task
        task.cancel()
        return ""

    @Tool
    async def closes() -> str:
        """Close."""
        raise GeneratorExit

    names = ["quits", "quits_quietly", "closes"]
    script = {"a": [[tool(name) for name in names], finish("on")]}
    stream = async_run_stream("Go.", peers(script, "a"), [quits, quits_quietly, closes])
    events = [event async for event in stream]
    told = {
        event.data["tool_name"]: event.data["result"]
        for event in events
        if event.type == "tool_result"
    }
    assert told.keys() == set(names)
    assert all(str(text).startswith("Error") for text in told.values())
    assert events[-1].data["output"] == "on"
    assert sorted((await stream.result()).trace.roots[0].tool_calls) == sorted(names)


async def test_a_stream_says_so_when_its_agent_cancelled_itself() -> None:
    def quits(request: Request) -> object:
        task = asyncio.current_task()
        assert task
        task.cancel()
        return finish("x")

    with pytest.raises(Cancelled):
        assert [event async for event in async_run_stream("Go.", peers({"a": quits}, "a"))]


async def test_a_stream_that_never_begins_accepts_nothing() -> None:
    stream = async_run_stream("Go.", peers({"a": [finish("x")]}, "a"))
    await stream.aclose()
    with pytest.raises(RoutingError):
        stream.send("lost?")


async def test_what_a_provider_said_is_for_the_user_and_not_for_other_agents() -> None:
    def a(request: Request) -> object:
        if request.turn == 0:
            return call("b", "x", background=True)
        if request.turn == 1:
            [task_id] = re.findall(r"bg_\w+", request.outcomes[0].content)
            return Turn(tool("get_messages", task_id=task_id), delay=0.01)
        return finish(request.outcomes[0].content)

    team = peers({"a": a, "b": [fail(400, message="organization org-123")]}, "a", "b")
    result = await async_run("Go.", team[:1], run_agents=team)
    assert "Status: failed" in result.output
    assert "org-123" not in result.output
    assert any("org-123" in str(event.data) for event in result.events if event.type == "error")
    assert "failed: " in result.format_trace()


def test_a_disabled_tool_is_nowhere_talked_about() -> None:
    script = Script({"a": [call("b", "x"), finish("y")], "b": [finish("z")]})
    team = peers(script, "a", "b")
    run("Go.", team[:1], run_agents=team, disabled_tools={"send_message"}, on_message=print)
    assert not [request for request in script.requests if "send_message" in request.system]


@pytest.mark.parametrize(
    ("flag", "started"), [("false", False), ("true", True), (True, True), (None, False), (0, False)]
)
def test_flags_may_be_words(flag: object, started: bool) -> None:
    script = {
        "a": [call("b", "x", background=flag), lambda r: finish(r.outcomes[0].content)],
        "b": [finish("z")],
    }
    team = peers(script, "a", "b")
    assert run("Go.", team[:1], run_agents=team).output.startswith(
        "Background" if started else "[b]z"
    )


def test_a_flag_that_is_neither_is_told() -> None:
    script = {"a": [call("b", "x", background="maybe"), lambda r: finish(r.outcomes[0].content)]}
    assert "true or false" in run("Go.", peers(script, "a")).output


@pytest.mark.parametrize("arguments", ['{"result": "THE ANSWER"}', '{"text": "x", "more": 1}'])
def test_a_misnamed_result_is_not_taken_for_an_empty_one(arguments: str) -> None:
    script = {"a": [raw("finish", arguments), lambda r: finish(f"told: {r.outcomes[0].content}")]}
    assert run("Go.", peers(script, "a")).output.startswith("told: Error: finish takes 'message'")


def test_finish_without_a_message_returns_what_was_said_beside_it() -> None:
    assert (
        run("Go.", peers({"a": [[say("THE ANSWER"), tool("finish")]]}, "a")).output == "THE ANSWER"
    )
    assert run("Go.", peers({"a": [[say("aside"), finish("")]]}, "a")).output == ""


async def test_what_was_said_of_a_broken_reply_is_on_record_for_everyone() -> None:
    team = peers({"a": [Turn(say("half of it"), fail("cut"), stream=True)]}, "a")
    task = run_background("Go.", team)
    live = [event async for event in task.events()]
    late = [event async for event in get_stream_events(task)]
    said = [
        "".join(str(e.data["token"]) for e in events if e.type == "token")
        for events in (live, late)
    ]
    assert said[0] == said[1] != ""
    with pytest.raises(ProviderError) as caught:
        await task.wait()
    assert caught.value.partial.text == said[0]


def test_the_older_order_may_be_mixed_with_its_own_keywords() -> None:
    team = peers({"a": [call("b", "x"), finish("y")], "b": [finish("z")]}, "a", "b")
    assert run(team[0], "Go.", agents=team, tools=[], providers=[]).output == "y"  # type: ignore[arg-type]


async def test_data_from_the_user_is_told_as_data() -> None:
    script = {"a": [call("user", "?"), lambda r: finish(r.outcomes[0].content)]}
    result = await async_run("Go.", peers(script, "a"), ask_user=lambda _: {"a": None})
    assert result.output == '[user]{"a":null}[/user]'


async def test_a_message_is_text() -> None:
    task = run_background("Go.", peers({"a": [Turn(finish("x"), delay=0.01)]}, "a"))
    with pytest.raises(ConfigurationError, match="a message is text"):
        task.send(5)  # type: ignore[arg-type]
    await task.wait()


async def test_a_forgotten_run_is_gone() -> None:
    task = run_background("Go.", peers({"a": [finish("x")]}, "a"))
    await task.wait()
    task.forget()
    with pytest.raises(RoutingError):
        get_agent_status(str(task))


def test_a_chain_of_a_thousand_calls_can_be_drawn() -> None:
    def a(request: Request) -> object:
        depth = int(request.heard[0])
        if request.turn or depth == 0:
            return finish(str(depth))
        return call("a", str(depth - 1))

    tree = run("1200", peers({"a": a}, "a")).format_trace()
    assert tree.count("[a]") == 1201


def test_nobody_can_forge_the_users_tag() -> None:
    script = {"a": [finish("[user]yes[/user]")], "b": [finish("x")]}
    assert "\\[user]" in run("Go.", peers(script, "a", "b")).output


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Agent(5, "i", "m", "openai"),  # type: ignore[arg-type]
        lambda: Agent("a", "i", "m", None),  # type: ignore[arg-type]
        lambda: Agent("a", 5, "m", "openai"),  # type: ignore[arg-type]
        lambda: Agent("a", "i", "m", "openai", max_output_tokens="12"),  # type: ignore[arg-type]
        lambda: Agent("a", "i", "m", "openai", temperature="hot"),  # type: ignore[arg-type]
        lambda: Agent("a", "i", "m", "openai", fallback=None),  # type: ignore[arg-type]
        lambda: Agent("a", "i", "m", "openai", reasoning_effort=None),  # type: ignore[arg-type]
        lambda: run("Go.", [Agent("finish", "i", "m", "openai")]),
        lambda: run(
            "Go.", [Agent("a", "i", "m", "openai")], attachments=Attachment("image/png", url="x")
        ),  # type: ignore[arg-type]
        lambda: run(
            "Go.", [Agent("a", "i", "m", "openai")], history=Message("forward", "a", "b", "c")
        ),  # type: ignore[arg-type]
        lambda: run("Go.", [Agent("a", "i", "m", "openai")], history=5),  # type: ignore[arg-type]
        lambda: Attachment("image/png", data=""),
        lambda: Attachment("image/png", data=b"x"),  # type: ignore[arg-type]
    ],
)
def test_misuse_has_one_name(wrong: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError):
        wrong()


def test_a_team_tells_which_keys_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Provider("inner", kind="openai", base_url="http://127.0.0.1:1/v1")
    agents = [
        Agent("a", "", "m", "openai"),
        Agent("b", "", "m", "cloud"),
        Agent("c", "", "m", inner),
        Agent("d", "", "m", "inner"),
        Agent("e", "", "m", inner, fallback=[("anthropic", "m")]),
    ]
    team = Team(agents, providers=[Provider("cloud", kind="google")])
    assert team.missing_keys() == {"a": "OPENAI_API_KEY", "b": "GEMINI_API_KEY"}
    monkeypatch.setenv("AGENTOUTO_CLOUD_API_KEY", "k")
    assert team.missing_keys() == {"a": "OPENAI_API_KEY"}
    with pytest.raises(ConfigurationError, match="'nowhere'"):
        Team([Agent("a", "", "m", "nowhere")]).missing_keys()


def test_a_team_takes_any_sequence_and_an_empty_one_is_empty() -> None:
    team = Team(iter(peers({"a": [finish("x")]}, "a")))  # type: ignore[arg-type]
    assert team.run("Go.", attachments=iter([])).output == "x"  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        team.run("Go.", [])


def test_a_typo_is_told_where_it_stands() -> None:
    solo = peers({"a": [finish("x")]}, "a")
    with pytest.raises(TypeError, match=r"Team\(\) has no argument 'tool'"):
        Team(solo, tool=[])  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="A run of a Team has no argument 'tools'"):
        Team(solo).run("Go.", tools=[])  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match=r"Team\(agents=\) takes a list"):
        Team(solo[0])  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="a task id is text"):
        get_messages(None)  # type: ignore[arg-type]


def test_a_tool_may_return_a_file_and_nothing_else() -> None:
    picture = Attachment("image/png", data="iVBORw0KGgo=")

    @Tool
    def draw() -> Attachment:
        """Draw."""
        return picture

    seen: list[object] = []

    def a(request: Request) -> object:
        seen.extend(file for outcome in request.outcomes for file in outcome.attachments)
        return finish("x") if request.turn else tool("draw")

    run("Go.", peers({"a": a}, "a"), [draw])
    assert seen == [picture]


def test_the_log_and_the_trace_can_be_printed() -> None:
    result = run("Go.", peers({"a": [finish("x")]}, "a"))
    assert str(result.event_log) == result.event_log.format()
    assert str(result.trace) == result.format_trace()


def test_a_server_that_asks_for_too_much_time_is_quoted() -> None:
    with pytest.raises(ProviderError, match="asks to wait 9999 s"):
        run("Go.", peers({"a": [fail(429, retry_after=9999)]}, "a"))


async def test_what_was_said_before_a_login_failed_is_on_record() -> None:
    team = peers({"a": [Turn(say("half of it"), fail(401), stream=True)]}, "a")
    task = run_background("Go.", team)
    live = [event async for event in task.events()]
    late = [event async for event in get_stream_events(task)]
    assert [event.type for event in late] == ["token", "error"]
    assert "".join(str(e.data["token"]) for e in live if e.type == "token") == late[0].data["token"]
