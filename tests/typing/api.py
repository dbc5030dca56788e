"""The public API as a user writes it, for a type checker. Nothing here is ever run.

A line that must be an error says so with ``pyright: ignore``. The test takes these comments away:
every checker must find all of these errors, and no others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, assert_type

from agentouto import (
    BUILTIN_TOOL_NAMES,
    Agent,
    AgentError,
    AgentEvent,
    ApiKeyAuth,
    Attachment,
    AuthMethod,
    ConfigurationError,
    Cost,
    Handle,
    Hooks,
    KindSpec,
    Limits,
    Message,
    ModelUse,
    OAuth,
    Options,
    Output,
    Provider,
    ProviderError,
    Receipt,
    Refuse,
    RunResult,
    RunStream,
    Span,
    StreamEvent,
    Summary,
    Team,
    TokenData,
    TokenStore,
    Tool,
    ToolResult,
    ToolUse,
    Trace,
    Usage,
    async_run,
    async_run_stream,
    cancel,
    get_agent_status,
    get_messages,
    get_stream_events,
    run,
    run_background,
    run_background_sync,
    run_stream,
    send_message,
)
from agentouto.exceptions import Partial, RateLimited
from agentouto.testing import Request, Script, call, fail, finish, say, think, tool
from agentouto.wires import ModelRequest, Wire, WireRequest

# ── what a team is made of ────────────────────────────────────────────────────────────────────

script = Script(
    {
        "writer": [
            think("Hm."),
            [tool("search", query="AI"), call("critic", "?")],
            finish("Done."),
        ],
        "critic": lambda request: say(request.last),
        "editor": [fail(429, retry_after=0.1), fail("cut"), say("Again.")],
    },
    stream=True,
)


async def decide(request: Request) -> object:
    return say(request.results("search")[-1])


scripted = Provider("scripted", kind="script", script=script)
local = Provider("local", "openai", base_url="http://localhost:11434/v1")
writer = Agent("writer", "Write.", "some-model", scripted, role="Writes.")
critic = Agent(
    name="critic",
    instructions="Judge.",
    model="some-model",
    provider="local",
    max_output_tokens=1000,
    reasoning=True,
    reasoning_effort="high",
    temperature=0.2,
    extra={"seed": 1},
)


def own_kind(wire: type[Wire], made: Wire, request: ModelRequest) -> Provider:
    kind = KindSpec("acme", wire, key_variables=("ACME_API_KEY",), sold_by="acme")
    provider = Provider("work", kind=kind)
    assert_type(made.encode(request), WireRequest)
    assert_type(kind.key_variables, tuple[str, ...])
    KindSpec("acme", 7)  # pyright: ignore[reportArgumentType]
    KindSpec("acme", wire, key_variables="ACME_API_KEY")  # pyright: ignore[reportArgumentType]
    kind.name = "other"  # pyright: ignore[reportAttributeAccessIssue]
    return provider


Provider("acme", kind=KindSpec("acme", "acme.wires:AcmeWire"))
Provider("x", kind="opnai")  # pyright: ignore[reportArgumentType]
Provider("openai", api_key=1)  # pyright: ignore[reportArgumentType]
Agent("writer", "Write.", "some-model")  # pyright: ignore[reportCallIssue]
Agent("writer", "Write.", "m", "p", reasoning_effort="much")  # pyright: ignore[reportArgumentType]
critic.name = "other"  # pyright: ignore[reportAttributeAccessIssue]

login = OAuth("https://id.example", "desk", open_browser=None, store=TokenStore("tokens"))
Provider("company", "openai", base_url="https://models.example/v1", auth=login)
Provider("openai", auth=ApiKeyAuth("key"))
assert_type(login.is_authenticated, bool)
assert_type(TokenStore().load("desk"), TokenData | None)
OAuth("https://id.example", "desk", scopes=1)  # pyright: ignore[reportArgumentType]
AuthMethod()  # pyright: ignore[reportAbstractUsage]

# ── tools ─────────────────────────────────────────────────────────────────────────────────────


@Tool
def search(
    query: Annotated[str, "What to look for"],
    most: int = 10,
    language: Literal["ko", "en"] = "en",
) -> list[str]:
    """Search the web."""
    return [query] * most + [language]


@Tool(name="look", timeout=20)
async def look_at(url: str) -> ToolResult:
    """Look at a picture."""
    return ToolResult(url, attachments=[Attachment("image/png", url=url)])


def plain(path: str) -> str:
    """Read a file."""
    return path


assert_type(search("AI", most=3), list[str])
search(1)  # pyright: ignore[reportArgumentType]
search("AI", 3, "fr")  # pyright: ignore[reportArgumentType]
search()  # pyright: ignore[reportCallIssue]
assert_type(search.name, str)
assert_type(search.parameters, Mapping[str, object])
assert_type(BUILTIN_TOOL_NAMES, frozenset[str])

# ── running ───────────────────────────────────────────────────────────────────────────────────


def on_message(message: Message, send: Callable[[str], None]) -> None:
    send(f"Read: {message.content}")


async def ask_user(message: Message) -> str:
    return message.content


def in_plain_code(history: list[Message]) -> None:
    result = run(
        "Go.",
        [writer],
        [search, look_at, plain],
        [scripted, local],
        run_agents=[writer, critic],
        attachments=[Attachment("image/png", data="aGk=", name="a.png")],
        history=history,
        debug=True,
        extra_instructions="Be kind.",
        extra_instructions_scope="all",
        disabled_tools={"get_messages"},
        on_message=on_message,
        ask_user=ask_user,
        allow_background_agents=False,
        background="cancel",
    )
    assert_type(result, RunResult)
    assert_type(result.output, str)
    assert_type(result.outputs, list[Output[Any]])
    assert_type(result.messages, list[Message])
    assert_type(result.usage, Usage)
    assert_type(result.cost, Cost)
    assert_type(result.cost.dollars, float | None)
    assert_type(result.usage.total_tokens, int | None)
    assert_type(result.trace, Trace)
    assert_type(result.trace.roots, list[Span])
    assert_type(result.event_log.filter(event_type="agent_call"), list[AgentEvent])
    tokens = [event.data["token"] for event in result.events if event.type == "token"]
    assert_type("".join(tokens), str)
    assert_type(result.attachments, list[Attachment])
    run(entry=writer, message="Go.", agents=[writer, critic], tools=[], providers=[scripted])
    run(message="Go.", starting_agents=[writer], history=[{"type": "forward", "sender": "user"}])

    run("Go.", writer)  # pyright: ignore[reportArgumentType]
    run("Go.", [writer], debugging=True)  # pyright: ignore[reportCallIssue]
    run("Go.", [writer], background="maybe")  # pyright: ignore[reportArgumentType]
    run("Go.", [writer], extra_instructions_scope="some")  # pyright: ignore[reportArgumentType]
    run("Go.", [writer], on_message=lambda message: None)  # pyright: ignore[reportArgumentType]
    run()  # pyright: ignore[reportCallIssue]
    result.output = "other"  # pyright: ignore[reportAttributeAccessIssue]


@dataclass
class Forecast:
    place: str
    high: int


def with_data() -> None:
    result = run("Weather?", [writer], output_type=Forecast, debug=True)
    assert_type(result, RunResult[Forecast])
    assert_type(result.data, Forecast)
    assert_type(result.data.high, int)
    assert_type(result.outputs[0].data.high, int)
    result.data.high = "much"  # pyright: ignore[reportAttributeAccessIssue]
    assert_type(run("Numbers?", [writer], output_type=list[int]).data, list[int])
    assert_type(run("Either?", [writer], output_type=int | str), RunResult[Any])
    assert_type(run("Short?", [writer], output_type=Annotated[str, "short"]), RunResult[Any])
    assert_type(run("Text?", [writer], output_type=None), RunResult[Any])
    assert_type(run_background("Go.", [writer], output_type=Forecast), Handle[Forecast])
    assert_type(run_background_sync("Go.", [writer], output_type=Forecast).result().data, Forecast)
    run("Go.", [writer], output_type=Forecast, debugging=True)  # pyright: ignore[reportCallIssue]
    bare: RunResult = result
    wide: RunResult[object] = result
    print(bare, wide)


def in_plain_code_with_events() -> None:
    stream = run_stream("Go.", [writer], output_type=Forecast)
    for event in stream:
        if event.type == "finish":
            assert_type(event.data["output"], str)
    assert_type(stream.result().data.high, int)
    for event in run_background("Go.", [writer]).events():
        show(event)
    run_background("Go.", [writer]).output = 1  # pyright: ignore[reportAttributeAccessIssue]


async def with_data_in_async_code() -> None:
    assert_type((await async_run("Go.", [writer], output_type=Forecast)).data, Forecast)
    stream = async_run_stream("Go.", [writer], output_type=Forecast)
    assert_type((await stream.result()).data, Forecast)
    handle = run_background("Go.", [writer], output_type=Forecast)
    assert_type((await handle.wait()).data.high, int)


async def with_data_of_a_team() -> None:
    team = Team([writer], output_type=Forecast, debug=True)
    assert_type(team, Team[Forecast])
    assert_type(team.run("Go.").data, Forecast)
    assert_type(team.run("Go.", debug=True), RunResult[Forecast])
    assert_type(team.run("Go.", output_type=list[int]).data, list[int])
    assert_type(team.run("Go.", output_type=int | str), RunResult[Any])
    assert_type((await team.async_run("Go.")).data, Forecast)
    assert_type((await team.start("Go.").result()).data, Forecast)
    assert_type(team.run_background("Go.").result().data, Forecast)
    assert_type(Team([writer]).run("Go.", output_type=Forecast).data, Forecast)
    assert_type(Team([writer]).run("Go."), RunResult[Any])


def show(event: StreamEvent) -> None:
    if event.type == "tokn":  # pyright: ignore[reportUnnecessaryComparison]
        print(event.data["token"])
    text: str = event.data["message"] if event.type == "message" else ""
    print(text, event["data"])


async def in_async_code() -> None:
    assert_type(await async_run("Go.", [writer]), RunResult)
    stream = async_run_stream("Go.", [writer], on_message=on_message)
    assert_type(stream, RunStream)
    async for event in stream:
        show(event)
        assert_type(event.parent_call_id, str | None)
        print(event.type == "tokn")  # pyright: ignore[reportUnnecessaryComparison]
        if event.type == "token":
            assert_type(event.data["token"], str)
            event.data["tokn"]  # pyright: ignore[reportTypedDictNotRequiredAccess, reportGeneralTypeIssues]
        elif event.type == "tool_result":
            assert_type(event.data["tool_name"], str)
        elif event.type == "agent_call":
            assert_type(event.data["from"], str)
        elif event.type == "retry":
            assert_type(event.data["wait"], float)
        elif event.type == "finish":
            assert_type(event.data["output"], str)
    assert_type(await stream.result(), RunResult)
    async with async_run_stream("Go.", [writer]) as reading:
        assert_type(reading.send("Hurry."), Receipt)
        reading.cancel()
    async for event in get_stream_events("bg_0123456789ab"):
        show(event)


async def in_the_background() -> None:
    task_id = run_background("Go.", [writer])
    assert_type(task_id, Handle)
    text: str = task_id
    assert_type(await task_id, Handle)
    assert_type(await task_id.wait(), RunResult)
    assert_type(task_id.result(1.0), RunResult)
    assert_type(run_background_sync("Go.", [writer]).status(), str)
    assert_type(send_message(text, "Hurry."), Receipt)
    assert_type(get_agent_status(task_id), str)
    assert_type(get_messages(task_id, clear=True), str)


async def as_a_team() -> None:
    options: Options = {"debug": True, "background": "wait"}
    team = Team([writer, critic], [search], [scripted], starting_agents=[writer], debug=True)
    assert_type(team.run("Go.", **options), RunResult)
    assert_type(await team.async_run("Go.", debug=False), RunResult)
    assert_type(team.run_background("Go."), Handle)
    assert_type(team.missing_keys(), dict[str, str])
    async with team.start("Go.") as running:
        async for event in running:
            show(event)


def when_it_goes_wrong() -> None:
    try:
        run("Go.", [writer])
    except RateLimited as error:
        assert_type(error.retry_after, float | None)
    except ProviderError as error:
        assert_type(error.status, int | None)
        assert_type(error.partial, Partial)
        assert_type(error.partial.trace, Trace)
        print([event.data["token"] for event in error.partial.events if event.type == "token"])
    except AgentError as error:
        assert_type(error.agent_name, str)
    except ConfigurationError as error:
        wrong: ValueError = error
        raise wrong from error


# ── what may be limited, watched and refused ──────────────────────────────────────────────────


def guard(message: Message) -> str | None:
    if "secret" in message.content:
        raise Refuse("no secrets")
    return None


async def count(use: ToolUse, proceed: Callable[[], Awaitable[ToolResult]]) -> ToolResult:
    assert_type(use.tool_name, str)
    return await proceed()


def known(use: ModelUse) -> str | None:
    return "known" if use.turn > 3 else None


def shorten(summary: Summary) -> str:
    return summary.summary[:1000]


hooks = Hooks(on_forward=guard, on_return=guard, around_tool=count, around_model=known)
limits = Limits(requests=100, cost=2.5, prices={"m": (1.0, 2.0)}, warn_at=0.8)
run(
    "Go.",
    [writer],
    hooks=hooks,
    limits=limits,
    on_summarize=shorten,
    enabled_tools=["list_running"],
)
assert_type(cancel("a call", "why"), bool)
run("Go.", [writer], limits=5)  # pyright: ignore[reportArgumentType]
Limits(turns="many")  # pyright: ignore[reportArgumentType]
