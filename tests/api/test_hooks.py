"""What passes between participants can be seen, changed and refused, and the sender is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping

import pytest

from agentouto import (
    AgentError,
    Approval,
    Attachment,
    Cancelled,
    ConfigurationError,
    Hooks,
    Message,
    ModelUse,
    Refuse,
    Tool,
    ToolResult,
    ToolUse,
    async_run,
    get_agent_status,
    run,
    run_background,
)
from agentouto.providers._script.replies import ScriptedReply
from agentouto.testing import Request, Script, Turn, call, finish, say, tool
from teams import peers


def came_back(request: Request) -> ScriptedReply:
    """Return what came of the last tool call."""
    [outcome] = request.outcomes
    return finish(outcome.content)


def asking() -> Script:
    return Script(
        {
            "a": [call("b", "The secret is 1234."), came_back],
            "b": lambda seen: finish(f"heard {seen.last}"),
        }
    )


def test_every_message_passes_the_same_door() -> None:
    seen: list[str] = []

    def look(message: Message) -> None:
        seen.append(f"{message.type} {message.sender}>{message.receiver}")

    agents = peers(asking(), "a", "b")
    run("Go.", agents[:1], run_agents=agents, hooks=Hooks(on_forward=look, on_return=look))
    assert seen == ["forward user>a", "forward a>b", "return b>a", "return a>user"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_message_can_be_changed_on_its_way(asynchronous: bool) -> None:
    def plain(message: Message) -> str | None:
        return message.content.replace("1234", "****") if "1234" in message.content else None

    async def in_loop(message: Message) -> str | None:
        await asyncio.sleep(0)
        return plain(message)

    script = asking()
    agents = peers(script, "a", "b")
    hooks = Hooks(on_forward=in_loop if asynchronous else plain)
    result = run("Go.", agents[:1], run_agents=agents, hooks=hooks)
    assert "heard The secret is ****." in result.output
    assert "1234" not in " ".join(message.content for message in result.messages)
    assert script.heard_by("b") == ["The secret is ****."]


def test_files_can_be_changed_and_who_says_it_to_whom_cannot() -> None:
    def forge(message: Message) -> Message:
        file = Attachment("text/plain", data="aGk=")
        return Message("return", "somebody", "else", "New.", "xyz", [file])

    script = Script({"a": lambda seen: finish(seen.last)})
    result = run("Go.", peers(script, "a"), hooks=Hooks(on_forward=forge))
    [forward, _] = result.messages
    assert (forward.type, forward.sender, forward.receiver) == ("forward", "user", "a")
    assert forward.call_id != "xyz"
    assert forward.attachments == [Attachment("text/plain", data="aGk=")]
    assert result.output == "New."


def test_who_is_refused_is_told_why_and_goes_on() -> None:
    def guard(message: Message) -> None:
        if message.receiver == "b":
            raise Refuse("b is not to be disturbed")

    agents = peers(asking(), "a", "b")
    result = run("Go.", agents[:1], run_agents=agents, hooks=Hooks(on_forward=guard))
    assert "b is not to be disturbed" in result.output
    assert "heard" not in result.output


def test_a_users_own_message_can_be_refused() -> None:
    def guard(_message: Message) -> None:
        raise Refuse("not today")

    script = asking()
    with pytest.raises(AgentError, match="not today") as caught:
        run("Go.", peers(script, "a"), hooks=Hooks(on_forward=guard))
    assert isinstance(caught.value.__cause__, Refuse)
    assert script.requests == []


def test_an_agent_whose_return_is_refused_goes_on_working() -> None:
    def guard(message: Message) -> None:
        if "damn" in message.content:
            raise Refuse("no swearing")

    script = Script({"a": [say("damn"), lambda seen: finish(f"sorry: {seen.last}")]})
    result = run("Go.", peers(script, "a"), hooks=Hooks(on_return=guard))
    assert result.output.startswith("sorry: [SYSTEM]")
    assert "no swearing" in result.output


def test_an_agent_that_is_refused_again_and_again_fails() -> None:
    def guard(_message: Message) -> None:
        raise Refuse("never good enough")

    with pytest.raises(AgentError):
        run("Go.", peers(Script(lambda _request: say("x")), "a"), hooks=Hooks(on_return=guard))


def test_returns_can_be_changed() -> None:
    script = Script({"a": [finish("the key is k-1")]})
    hooks = Hooks(on_return=lambda message: message.content.replace("k-1", "***"))
    assert run("Go.", peers(script, "a"), hooks=hooks).output == "the key is ***"


def test_a_guard_that_fails_lets_nothing_through() -> None:
    def broken(_message: Message) -> None:
        raise ZeroDivisionError("oops")

    with pytest.raises(AgentError, match=r"on_forward failed: ZeroDivisionError: oops"):
        run("Go.", peers(asking(), "a"), hooks=Hooks(on_forward=broken))


async def test_mail_passes_the_door_and_refused_mail_comes_back() -> None:
    gate = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Hold."""
        await gate.wait()
        return ""

    def guard(message: Message) -> str | None:
        if "bad" in message.content:
            raise Refuse("rude")
        return "polite" if message.content == "nice" else None

    script = Script({"a": [tool("hold"), lambda seen: finish(" | ".join(seen.heard))]})
    task = run_background("Go.", peers(script, "a"), [hold], hooks=Hooks(on_forward=guard))
    while not script.requests:
        await asyncio.sleep(0.001)
    good, bad = task.send("nice"), task.send("bad")
    gate.set()
    result = await task.wait()
    assert result.output.endswith("polite")
    assert "bad" not in result.output
    assert (good.status, good.turn) == ("read", 1)
    assert (bad.status, bad.reason) == ("returned", "rude")


def test_plain_hooks_run_in_threads() -> None:
    threads: set[str] = set()

    def look(_message: Message) -> None:
        threads.add(threading.current_thread().name)

    run("Go.", peers(Script({"a": [finish("x")]}), "a"), hooks=Hooks(on_forward=look))
    assert threading.main_thread().name not in threads


@Tool
def add(one: int, two: int) -> int:
    """Add."""
    if one < 0:
        raise ValueError("only what is positive")
    return one + two


def adding(one: int = 1) -> Script:
    return Script({"a": [tool("add", one=one, two=2), came_back]})


def test_a_tool_can_be_looked_at_before() -> None:
    seen: list[ToolUse] = []
    result = run("Go.", peers(adding(), "a"), [add], hooks=Hooks(around_tool=seen.append))
    [use] = seen
    assert (use.agent_name, use.tool_name, use.arguments) == ("a", "add", {"one": 1, "two": 2})
    assert result.output == "3"


def test_a_tool_can_be_refused_or_answered_for() -> None:
    def guard(use: ToolUse) -> str | None:
        if use.arguments["one"] == 1:
            raise Refuse("not 1")
        return "seven" if use.arguments["one"] == 7 else None

    assert "not 1" in run("Go.", peers(adding(), "a"), [add], hooks=Hooks(around_tool=guard)).output
    hooks = Hooks(around_tool=guard)
    assert run("Go.", peers(adding(7), "a"), [add], hooks=hooks).output == "seven"
    assert run("Go.", peers(adding(5), "a"), [add], hooks=hooks).output == "7"


Proceed = Callable[..., Awaitable[ToolResult]]


def test_a_tool_can_be_used_with_other_arguments_and_its_result_changed() -> None:
    async def around(use: ToolUse, proceed: Proceed) -> str:
        arguments: Mapping[str, object] = {**use.arguments, "one": 40}
        result = await proceed(arguments)
        return f"<{result.content}>"

    hooks = Hooks(around_tool=around)
    assert run("Go.", peers(adding(), "a"), [add], hooks=hooks).output == "<42>"


def test_a_hook_that_only_waits_leaves_the_result_alone() -> None:
    async def around(_use: ToolUse, proceed: Proceed) -> None:
        await proceed()

    uses: list[ToolUse] = []

    async def never_proceeds(use: ToolUse, proceed: Proceed) -> None:
        uses.append(use)
        del proceed

    assert run("Go.", peers(adding(), "a"), [add], hooks=Hooks(around_tool=around)).output == "3"
    hooks = Hooks(around_tool=never_proceeds)
    assert run("Go.", peers(adding(), "a"), [add], hooks=hooks).output == "3"
    assert len(uses) == 1


def test_what_fails_in_a_tool_is_not_the_hooks_fault() -> None:
    async def around(_use: ToolUse, proceed: Proceed) -> ToolResult:
        return await proceed()

    result = run("Go.", peers(adding(-1), "a"), [add], hooks=Hooks(around_tool=around))
    assert result.output == "Error: only what is positive (ValueError)"


async def test_models_can_be_watched_answered_for_and_refused() -> None:
    seen: list[tuple[str, int, int]] = []

    async def watch(use: ModelUse, proceed: Callable[..., Awaitable[object]]) -> None:
        await proceed()
        seen.append((use.agent.name, use.turn, len(use.transcript.entries)))

    agents = peers(asking(), "a", "b")
    await async_run("Go.", agents[:1], run_agents=agents, hooks=Hooks(around_model=watch))
    assert seen == [("a", 0, 1), ("b", 0, 1), ("a", 1, 3)]

    script = asking()

    def cached(use: ModelUse) -> str | None:
        return "from a cache" if use.agent.name == "b" else None

    hooks = Hooks(around_model=cached)
    agents = peers(script, "a", "b")
    result = await async_run("Go.", agents[:1], run_agents=agents, hooks=hooks)
    assert result.output == "[b]from a cache[/b]"
    assert [request.agent_name for request in script.requests] == ["a", "a"]

    def no(use: ModelUse) -> None:
        if use.agent.name == "b":
            raise Refuse("b is over its budget")

    agents = peers(asking(), "a", "b")
    result = await async_run("Go.", agents[:1], run_agents=agents, hooks=Hooks(around_model=no))
    assert "b is over its budget" in result.output


def deep() -> Script:
    return Script(
        {
            "a": [call("b", "Do it."), came_back],
            "b": [call("c", "Do it."), came_back],
            "c": [tool("drop_tables", name="users"), came_back],
        }
    )


def dangerous(done: list[str]) -> Tool[..., str]:
    def drop_tables(name: str) -> str:
        """Drop tables."""
        done.append(name)
        return f"dropped {name}"

    return Tool(drop_tables, needs_approval=True)


def test_a_tool_that_needs_approval_asks_the_user_from_any_depth() -> None:
    asked: list[Approval] = []
    done: list[str] = []

    def approve(approval: Approval) -> bool:
        asked.append(approval)
        return True

    agents = peers(deep(), "a", "b", "c")
    result = run("Go.", agents[:1], [dangerous(done)], run_agents=agents, approve=approve)
    assert done == ["users"]
    assert "dropped users" in result.output
    [approval] = asked
    assert approval.agent == "c"
    assert "drop_tables" in approval.text
    assert '"users"' in approval.text
    assert [m.receiver for m in result.messages if m.type == "forward"] == ["a", "b", "c", "user"]


def test_what_is_not_approved_is_not_done_and_the_agent_hears_why() -> None:
    done: list[str] = []
    agents = peers(deep(), "a", "b", "c")
    result = run("Go.", agents[:1], [dangerous(done)], run_agents=agents, approve=lambda _: False)
    assert done == []
    assert "approve" in result.output


def test_without_anybody_to_ask_nothing_that_needs_approval_is_done() -> None:
    done: list[str] = []
    agents = peers(deep(), "a", "b", "c")
    result = run("Go.", agents[:1], [dangerous(done)], run_agents=agents)
    assert done == []
    assert "approve=" in result.output


def test_approval_is_said_of_a_tool() -> None:
    assert dangerous([]).needs_approval
    assert not add.needs_approval

    @Tool(needs_approval=True)
    def risky() -> str:
        """Be risky."""
        return ""

    assert risky.needs_approval


def test_hooks_are_functions() -> None:
    with pytest.raises(ConfigurationError, match="on_return"):
        Hooks(on_return="print")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="hooks="):
        run("Go.", peers(asking(), "a"), hooks=print)  # type: ignore[arg-type]


def test_two_hundred_messages_at_once_all_pass() -> None:
    seen: list[str] = []
    first = Turn(*(call("b", f"Part {number}.") for number in range(100)))

    def answers(request: Request) -> ScriptedReply:
        return finish(request.last)

    script = Script({"a": [first, finish("all")], "b": answers})
    agents = peers(script, "a", "b")
    hooks = Hooks(on_forward=lambda m: seen.append(m.content), on_return=lambda m: None)
    assert run("Go.", agents[:1], run_agents=agents, hooks=hooks).output == "all"
    assert len(seen) == 101


def no_secrets(message: Message) -> str | None:
    """Refuse what has a secret in it, and strike out what is private."""
    if "secret" in message.content:
        raise Refuse("secret")
    return message.content.replace("private", "…") if "private" in message.content else None


def test_a_refused_forward_is_no_message_and_reaches_no_later_run() -> None:
    hooks = Hooks(on_forward=no_secrets)
    script = Script({"a": [call("b", "the secret is 7"), finish("ok")], "b": [finish("seen")]})
    agents = peers(script, "a", "b")
    first = run("Go.", agents[:1], run_agents=agents, hooks=hooks)
    assert [message.content for message in first.messages] == ["Go.", "ok"]

    later = Script({"b": [lambda seen: finish(" | ".join(seen.heard))]})
    assert "secret" not in run("Go on.", peers(later, "b"), history=first.messages).output


def test_a_refused_message_of_the_user_is_no_message() -> None:
    with pytest.raises(AgentError) as caught:
        run("secret", peers(asking(), "a"), hooks=Hooks(on_forward=no_secrets))
    assert caught.value.partial.messages == []


async def test_mail_is_a_message_as_it_was_read_and_none_if_it_was_refused() -> None:
    gate, reports = asyncio.Event(), list[str]()

    @Tool
    async def hold() -> str:
        """Hold."""
        await gate.wait()
        return ""

    def writes(seen: Request) -> ScriptedReply:
        if seen.turn == 0:
            return tool("hold")
        if seen.turn == 1:
            reports.append(get_agent_status(task))
            sends = ["a secret", "my private word"]
            return [tool("send_message", task_id=f"user_{task}", message=text) for text in sends]
        return finish("ok")

    got: list[str] = []
    script = Script({"a": writes})
    task = run_background(
        "Go.",
        peers(script, "a"),
        [hold],
        hooks=Hooks(on_forward=no_secrets),
        on_message=lambda message, send: got.append(message.content),
    )
    while not script.requests:
        await asyncio.sleep(0.001)
    receipts = [task.send(text) for text in ("the secret", "a private line", "plain")]
    gate.set()
    result = await task.wait()
    assert [receipt.status for receipt in receipts] == ["returned", "read", "read"]
    assert got == ["my … word"]
    texts = [message.content for message in result.messages]
    assert texts == ["Go.", "a … line", "plain", "my … word", "ok"]
    for report in (*reports, get_agent_status(task)):
        assert "secret" not in report.replace("a secret", "")  # what it wrote itself stands there
        assert "a … line" in report


@pytest.mark.parametrize("guarded", [False, True])
async def test_unread_mail_is_a_message_unless_a_hook_should_have_seen_it(guarded: bool) -> None:
    begun = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Hold."""
        begun.set()
        await asyncio.Event().wait()
        return ""

    hooks = Hooks(on_forward=no_secrets) if guarded else None
    agents = peers(Script({"a": [tool("hold")]}), "a")
    task = run_background("Go.", agents, [hold], hooks=hooks)
    await begun.wait()
    task.send("Hello.")
    task.cancel()
    with pytest.raises(Cancelled) as caught:
        await task.wait()
    texts = [message.content for message in caught.value.partial.messages]
    assert texts == (["Go."] if guarded else ["Go.", "Hello."])


async def test_a_forward_that_a_hook_still_looks_at_when_the_run_ends_is_no_message() -> None:
    looking = asyncio.Event()

    async def slow(_message: Message) -> None:
        looking.set()
        await asyncio.Event().wait()

    agents = peers(Script({"a": [finish("x")]}), "a")
    task = run_background("Go.", agents, hooks=Hooks(on_forward=slow))
    await looking.wait()
    task.cancel()
    with pytest.raises(Cancelled) as caught:
        await task.wait()
    assert caught.value.partial.messages == []
