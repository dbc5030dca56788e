"""What code that stands in a run can do there, in tools and in peers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from agentouto import (
    Agent,
    AgentError,
    Attachment,
    ConfigurationError,
    Here,
    LimitReached,
    Limits,
    Message,
    Peer,
    Provider,
    RoutingError,
    Tool,
    ToolError,
    async_run,
    async_run_stream,
    here,
    run,
)
from agentouto.testing import Script, Turn, call, finish, tool


def agent(*lines: object, name: str = "a") -> Agent:
    script = Script({name: [*lines]})  # type: ignore[list-item]
    return Agent(name, "", "m", Provider(f"p{name}", kind="script", script=script))


async def echo(message: Message) -> str:
    return f"{message.sender}: {message.content}"


ECHO = Peer("b", "Echoes.", echo)


def test_there_is_no_here_outside_of_a_run() -> None:
    with pytest.raises(LookupError, match="here\\(\\) works in a tool or a peer"):
        here()


def test_an_async_tool_calls_a_participant_in_the_name_of_its_agent() -> None:
    @Tool
    async def look() -> str:
        return (await here().call("b", "Hi.")).content

    one = agent(tool("look"), finish("done"))
    result = run("Go.", [one], [look], run_agents=[one, ECHO])
    assert ("b", "a", "a: Hi.") in [
        (message.sender, message.receiver, message.content) for message in result.messages
    ]


def test_the_same_methods_block_in_a_plain_function() -> None:
    @Tool
    def look() -> str:
        at = here()
        answer = at.call("b", "Hi.").content
        assert at.mail() == []
        task = at.spawn("b", "later")
        return f"{answer} {task.startswith('bg_')}"

    one = agent(tool("look"), lambda request: finish(request.outcomes[-1].content))
    result = run("Go.", [one], [look], run_agents=[one, ECHO])
    assert result.output == "a: Hi. True"


def test_a_plain_peer_blocks_too_and_finds_itself() -> None:
    def answer(message: Message, at: Here) -> str:
        assert here() is at
        return at.call("b", "Hi.").content

    assert run("Go.", [Peer("c", "", answer)], run_agents=[Peer("c", "", answer), ECHO])


def test_several_calls_at_once_have_ids_of_their_own() -> None:
    @Tool
    async def look() -> str:
        answers = await asyncio.gather(*(here().call("b", str(n)) for n in range(50)))
        return str(len({answer.call_id for answer in answers}))

    one = agent(tool("look"), lambda request: finish(request.outcomes[-1].content))
    assert run("Go.", [one], [look], run_agents=[one, ECHO]).output == "50"


def test_a_tool_asks_the_user_with_files_and_choices() -> None:
    seen: list[Message] = []

    def ask_user(message: Message) -> str:
        seen.append(message)
        return "red"

    @Tool
    async def look() -> str:
        file = Attachment("image/png", data="AAAA")
        answer = await here().call("user", "Which?", attachments=[file], options=["red", "blue"])
        return answer.content

    one = agent(tool("look"), lambda request: finish(request.outcomes[-1].content))
    assert run("Go.", [one], [look], ask_user=ask_user).output == "red"
    assert seen[0].options == ("red", "blue")
    assert seen[0].attachments == [Attachment("image/png", data="AAAA")]


def test_what_a_call_from_a_tool_costs_counts_against_the_limits() -> None:
    @Tool
    async def look() -> str:
        for _ in range(10):
            await here().call("b", "Hi.")
        return "done"

    one = agent(tool("look"), finish("done"))
    with pytest.raises(LimitReached, match="calls=5"):
        run("Go.", [one], [look], run_agents=[one, ECHO], limits=Limits(calls=5))


def test_where_the_code_is_can_be_read() -> None:
    seen: dict[str, Any] = {}

    @Tool
    async def look() -> str:
        at = here()
        seen.update(name=at.name, call=at.call_id, peers=at.peers, key=at.key, run=at.run_id)
        return "ok"

    one = agent(tool("look"), finish("done"))
    result = run("Go.", [one], [look], run_agents=[one, ECHO], ask_user=lambda m: "yes")
    assert seen["name"] == "a"
    assert seen["call"] == result.messages[0].call_id
    assert seen["peers"] == ["b", "user"]
    assert seen["key"].startswith(seen["call"])


def test_every_use_of_a_tool_has_a_key_of_its_own() -> None:
    keys: list[str] = []

    @Tool
    async def look() -> str:
        keys.append(here().key)
        return "ok"

    run("Go.", [agent(Turn(tool("look"), tool("look")), tool("look"), finish(""))], [look])
    assert len(set(keys)) == 3


def test_the_context_of_a_run_reaches_tools_and_peers_and_no_model() -> None:
    secret = {"token": "s3cret"}

    @Tool
    def look() -> bool:
        return here().context is secret

    async def answer(message: Message, at: Here[Mapping[str, str]]) -> str:
        return at.context["token"][:1]

    script = Script({"a": [Turn(tool("look"), call("c", "?")), finish("ok")]})
    one = Agent("a", "", "m", Provider("p", kind="script", script=script))
    result = run("Go.", [one], [look], run_agents=[one, Peer("c", "", answer)], context=secret)
    assert result.output == "ok"
    assert not any("s3cret" in str(request) for request in script.requests)
    assert [outcome.content for outcome in script.requests[-1].outcomes] == ["true", "[c]s[/c]"]


def test_a_run_without_a_context_has_none() -> None:
    assert run("Go.", [Peer("c", "", lambda message, at: str(at.context))]).output == "None"


def test_after_its_return_every_method_raises() -> None:
    kept: list[Here] = []

    async def answer(message: Message, at: Here) -> str:
        kept.append(at)
        return "ok"

    async def main() -> None:
        await async_run("Go.", [Peer("c", "", answer)], run_agents=[Peer("c", "", answer), ECHO])
        at = kept[0]
        for use in (
            lambda: at.call("b", "x"),
            lambda: at.spawn("b", "x"),
            lambda: at.write("x", "x"),
            at.mail,
            at.arrival,
            lambda: at.say("x"),
            lambda: at.think("x"),
            lambda: at.progress("x"),
            lambda: at.spent(1),
        ):
            with pytest.raises(RoutingError, match="already returned"):
                use()

    asyncio.run(main())


def test_a_thread_that_waits_is_released_when_its_tool_is_given_up() -> None:
    released = threading.Event()
    raised: list[BaseException] = []

    async def never(message: Message) -> str:
        await asyncio.sleep(60)
        return ""

    @Tool(timeout=0.05)
    def look() -> str:
        try:
            return here().call("c", "?").content
        except BaseException as error:
            raised.append(error)
            raise
        finally:
            released.set()

    one = agent(tool("look"), finish("went on"))
    assert run("Go.", [one], [look], run_agents=[one, Peer("c", "", never)]).output == "went on"
    assert released.wait(5)
    assert isinstance(raised[0], RoutingError)


def test_tasks_and_threads_of_a_tool_find_the_same_here() -> None:
    @Tool
    async def look() -> str:
        at = here()
        task = asyncio.create_task(asyncio.sleep(0, here()))
        assert await task is at
        return await asyncio.to_thread(lambda: here().call("b", "Hi.").content)

    one = agent(tool("look"), lambda request: finish(request.outcomes[-1].content))
    assert run("Go.", [one], [look], run_agents=[one, ECHO]).output == "a: Hi."


def test_a_tool_inside_of_a_peers_call_finds_its_own() -> None:
    found: list[str] = []

    @Tool
    async def look() -> str:
        found.append(here().name)
        return "ok"

    async def answer(message: Message, at: Here) -> str:
        await at.call("a", "Look.")
        found.append(here().name)
        return "ok"

    one = agent(tool("look"), finish("ok"))
    run("Go.", [Peer("c", "", answer)], [look], run_agents=[one, Peer("c", "", answer)])
    assert found == ["a", "c"]


def test_someone_who_is_not_there_is_an_error_that_says_who_is() -> None:
    async def answer(message: Message, at: Here) -> str:
        with pytest.raises(ToolError, match="Unknown agent: 'x'"):
            await at.call("x", "Hi.")
        with pytest.raises(ConfigurationError, match="message is text"):
            at.call("b", 3)  # type: ignore[arg-type]
        with pytest.raises(RoutingError):
            await at.write("nowhere", "Hi.")
        return "ok"

    assert run("Go.", [Peer("c", "", answer)]).output == "ok"


def test_what_was_spent_counts_in_the_result_and_against_the_limits() -> None:
    async def answer(message: Message, at: Here) -> str:
        at.spent(100, 20)
        at.spent(1, 1)
        with pytest.raises(ConfigurationError, match="below 0"):
            at.spent(-1)
        return "ok"

    result = run("Go.", [Peer("c", "", answer)])
    assert (result.usage.input_tokens, result.usage.output_tokens) == (101, 21)

    one = agent(call("c", "?"), call("c", "?"), finish("ok"))
    peers = [one, Peer("c", "", answer)]
    with pytest.raises(LimitReached, match="tokens=100"):
        run("Go.", [one], run_agents=peers, limits=Limits(tokens=100))


async def test_progress_is_told_to_those_who_watch_and_is_no_fact() -> None:
    @Tool
    async def look() -> str:
        here().progress("reading", 1, 3)
        here().say("half")
        return "ok"

    stream = async_run_stream("Go.", [agent(tool("look"), finish("done"))], [look])
    seen = [event.data async for event in stream if event.type == "tool_progress"]
    assert [(one["text"], one["done"], one["total"]) for one in seen] == [
        ("reading", 1, 3),
        ("half", None, None),
    ]
    events = (await stream.result()).events
    assert not any(event.type == "tool_progress" for event in events)


def test_an_error_of_the_called_one_is_an_error_here() -> None:
    async def broken(message: Message) -> str:
        raise ValueError("no")

    async def answer(message: Message, at: Here) -> str:
        with pytest.raises(AgentError, match=r"no \(ValueError\)"):
            await at.call("d", "?")
        return "ok"

    peers = [Peer("c", "", answer), Peer("d", "", broken)]
    assert run("Go.", [peers[0]], run_agents=peers).output == "ok"
