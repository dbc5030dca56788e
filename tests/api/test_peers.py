"""Participants without a model: functions that take a forward and give a return."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from agentouto import (
    Agent,
    AgentError,
    Attachment,
    ConfigurationError,
    Here,
    Hooks,
    LimitReached,
    Limits,
    Message,
    Peer,
    Provider,
    Refuse,
    RunResult,
    Team,
    Tool,
    ToolResult,
    async_run_stream,
    cancel,
    run,
    run_background_sync,
    send_message,
)
from agentouto.events import held
from agentouto.testing import Request, Script, Turn, call, finish, tool


def agent(*lines: object, name: str = "a", **more: Any) -> Agent:
    script = Script({name: [*lines]})  # type: ignore[list-item]
    return Agent(name, "", "m", Provider(f"p{name}", kind="script", script=script), **more)


def asked(peer: Peer, message: str = "Hi.", **options: Any) -> RunResult:
    """Run an agent that asks ``peer`` once and returns what it got."""
    script = Script(
        lambda request: finish(request.outcomes[-1].content) if request.turn else call("b", message)
    )
    one = Agent("a", "", "m", Provider("p", kind="script", script=script))
    return run("Go.", [one], run_agents=[one, peer], **options)


def plain(message: Message) -> str:
    return f"{message.sender}: {message.content}"


async def asynchronous(message: Message) -> str:
    await asyncio.sleep(0)
    return f"{message.sender}: {message.content}"


def pieces(message: Message) -> Iterator[str]:
    yield f"{message.sender}: "
    yield message.content


async def async_pieces(message: Message) -> AsyncIterator[str]:
    yield f"{message.sender}: "
    yield message.content


class Answers:
    def __call__(self, message: Message) -> str:
        return plain(message)


@pytest.mark.parametrize("answer", [plain, asynchronous, pieces, async_pieces, Answers()])
def test_a_function_of_any_kind_answers(answer: Callable[[Message], object]) -> None:
    result = asked(Peer("b", "Echoes.", answer))
    assert result.output == "[b]a: Hi.[/b]"
    assert [message.type for message in result.messages] == [
        "forward", "forward", "return", "return",
    ]  # fmt: skip


def test_a_peer_is_introduced_by_its_role_in_the_order_of_the_participants() -> None:
    seen: list[str] = []

    def reply(request: Request) -> Turn:
        seen.append(request.system)
        return Turn(finish("done"))

    one = Agent("a", "", "m", Provider("p", kind="script", script=Script(reply)))
    two = Agent("c", "Writes.", "m", "p")
    run("Go.", [one], run_agents=[one, Peer("b", "Knows books.", plain), two], ask_user=plain)
    lines = [line for line in seen[0].splitlines() if line.startswith("- ")]
    assert lines[:2] == ["- b: Knows books.", "- c: Writes."]
    assert lines[2].startswith("- user: ")


def test_a_peer_can_be_a_starting_agent_alone_and_in_a_team() -> None:
    peer = Peer("b", "Echoes.", plain)
    assert run("Hi.", [peer]).output == "user: Hi."
    assert Team([peer]).run("Hi.").output == "user: Hi."
    both = run("Hi.", [peer, agent(finish("yes"))])
    assert [one.text for one in both.outputs] == ["user: Hi.", "yes"]


def test_data_becomes_text_and_files_stay_files() -> None:
    file = Attachment("image/png", data="AAAA")
    assert run("Hi.", [Peer("b", "", lambda _: {"n": 3})]).output == '{"n":3}'
    result = run("Hi.", [Peer("b", "", lambda _: ToolResult("see", [file]))])
    assert (result.output, result.attachments) == ("see", [file])


def test_nothing_returned_is_all_that_was_said() -> None:
    async def answer(message: Message, here: Here) -> None:
        here.say("one, ")
        here.say(message.content)

    assert run("two", [Peer("b", "", answer)]).output == "one, two"
    assert run("two", [Peer("b", "", lambda _: None)]).output == ""


async def test_what_is_said_is_streamed_and_what_is_returned_is_the_answer() -> None:
    async def answer(message: Message, here: Here) -> str:
        here.think("hm")
        here.say("draft")
        return "answer"

    stream = async_run_stream("Hi.", [Peer("b", "", answer)])
    events = [(event.type, event.agent_name) async for event in stream]
    assert events == [("thinking", "b"), ("token", "b"), ("finish", "b")]
    assert (await stream.result()).output == "answer"


def test_what_a_peer_raises_is_told_to_its_caller() -> None:
    def answer(message: Message) -> str:
        raise ValueError("no such book")

    assert "no such book (ValueError)" in asked(Peer("b", "", answer)).output
    with pytest.raises(AgentError, match=r"\[b\] no such book \(ValueError\)"):
        run("Hi.", [Peer("b", "", answer)])


def test_a_peer_that_leaves_the_interpreter_ends_its_call_only() -> None:
    def answer(message: Message) -> str:
        raise SystemExit(3)

    assert "SystemExit: 3" in asked(Peer("b", "", answer)).output


def test_a_peer_that_takes_too_long_is_stopped() -> None:
    stopped = threading.Event()

    async def answer(message: Message) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return "late"

    with pytest.raises(AgentError, match=r"did not return within 0\.05 s"):
        run("Hi.", [Peer("b", "", answer, timeout=0.05)])
    assert stopped.is_set()


def test_one_call_of_a_peer_can_be_cancelled() -> None:
    begun = threading.Event()

    async def answer(message: Message, here: Here) -> str:
        address.append(here.call_id)
        begun.set()
        await asyncio.sleep(60)
        return "late"

    address: list[str] = []
    one = agent(call("b", "Hi."), finish("went on"))
    handle = run_background_sync("Go.", [one], run_agents=[one, Peer("b", "", answer)])
    assert begun.wait(5)
    assert cancel(address[0], "not needed")
    assert handle.result().output == "went on"


def test_hooks_see_what_a_peer_is_asked_and_what_it_returns() -> None:
    def on_forward(message: Message) -> Message:
        return Message("forward", message.sender, message.receiver, "changed", message.call_id)

    def on_return(message: Message) -> Message:
        text = message.content.upper()
        return Message("return", message.sender, message.receiver, text, message.call_id)

    hooks = Hooks(on_forward=on_forward, on_return=on_return)
    assert run("Hi.", [Peer("b", "", plain)], hooks=hooks).output == "USER: CHANGED"


def test_a_return_that_a_hook_refuses_fails_the_call() -> None:
    def on_return(message: Message) -> Message:
        raise Refuse("not like this")

    with pytest.raises(AgentError, match="refused: not like this"):
        run("Hi.", [Peer("b", "", plain)], hooks=Hooks(on_return=on_return))


def test_an_agent_and_a_peer_that_call_each_other_stop_at_the_limit() -> None:
    script = Script(lambda _: call("b", "again"))
    one = Agent("a", "", "m", Provider("p", kind="script", script=script))
    calls = 0

    async def answer(message: Message, here: Here) -> str:
        nonlocal calls
        calls += 1
        return (await here.call("a", "again")).content

    with pytest.raises(LimitReached, match="calls=20"):
        run("Go.", [one], run_agents=[one, Peer("b", "", answer)], limits=Limits(calls=20))
    assert calls == 10


def test_depth_counts_peers_and_a_call_is_no_request() -> None:
    async def down(message: Message, here: Here) -> str:
        return (await here.call("b", "deeper")).content

    with pytest.raises(LimitReached, match="depth=5"):
        run("Go.", [Peer("b", "", down)], limits=Limits(depth=5))
    assert run("Go.", [Peer("b", "", plain)], limits=Limits(requests=1)).output


def test_a_peer_that_takes_no_mail_refuses_it_at_once() -> None:
    told: list[str] = []
    waits = asyncio.Event()

    async def answer(message: Message) -> str:
        await waits.wait()
        return "done"

    def reply(request: Request) -> Turn:
        match request.turn:
            case 0:
                return Turn(call("b", "Hi.", background=True))
            case 1:
                task_id = request.outcomes[-1].content.rpartition("ID: ")[2]
                return Turn(tool("send_message", task_id=task_id, message="hello"))
            case _:
                told.append(request.outcomes[-1].content)
                waits.set()
                return Turn(finish("done"))

    one = Agent("a", "", "m", Provider("p", kind="script", script=Script(reply)))
    run("Go.", [one], run_agents=[one, Peer("b", "", answer)])
    assert "takes no messages" in told[0]


async def test_a_peer_reads_mail_and_answers_it() -> None:
    async def answer(message: Message, here: Here) -> str:
        address.set_result(here.call_id)
        mails = await here.arrival()
        assert await here.mail() == []
        return f"{mails[0].sender}: {mails[0].content}"

    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stream = async_run_stream("Hi.", [Peer("b", "", answer)])
    async with stream:
        receipt = stream.send("hello", await address)
        assert (await stream.result()).output == "user: hello"
    assert receipt.status == "read"


def test_mail_that_a_peer_does_not_read_goes_back() -> None:
    async def answer(message: Message, here: Here) -> str:
        address.append(here.call_id)
        begun.set()
        await asyncio.to_thread(sent.wait, 5)
        return "done"

    address: list[str] = []
    begun, sent = threading.Event(), threading.Event()
    handle = run_background_sync("Hi.", [Peer("b", "", answer)])
    assert begun.wait(5)
    receipt = send_message(address[0], "hello")
    sent.set()
    handle.result()
    assert receipt.status == "returned"


def test_the_user_is_the_peer_called_user() -> None:
    async def answer(message: Message) -> str:
        return f"for {message.sender}: red"

    one = agent(call("user", "Which colour?"), finish("thanks"))
    person = Peer("user", "Decides.", answer, person=True)
    result = run("Go.", [one], run_agents=[one, person])
    assert result.messages[2].content == "for a: red"
    with pytest.raises(ConfigurationError, match="ask_user"):
        run("Go.", [one], run_agents=[one, person], ask_user=plain)


def test_persons_are_asked_one_at_a_time() -> None:
    at_once = most = 0

    def answer(message: Message) -> str:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.02)
        at_once -= 1
        return "yes"

    one = agent(Turn(*(call(name, "?") for name in ("b", "c", "user", "b"))), finish("ok"))
    persons = [Peer(name, "", answer, person=True) for name in ("b", "c")]
    run("Go.", [one], run_agents=[one, *persons], ask_user=answer)
    assert most == 1


def test_a_value_of_the_type_that_the_run_asks_for_is_the_data() -> None:
    assert run("Go.", [Peer("b", "", lambda _: [1, 2])], output_type=list[int]).data == [1, 2]
    assert run("Go.", [Peer("b", "", lambda _: "[3]")], output_type=list[int]).data == [3]
    with pytest.raises(AgentError, match="result"):
        run("Go.", [Peer("b", "", lambda _: "many")], output_type=list[int])


def test_a_thousand_peers_answer_in_one_reply() -> None:
    one = agent(Turn(*(call("b", str(number)) for number in range(1000))), finish("done"))
    result = run("Go.", [one], run_agents=[one, Peer("b", "", asynchronous)])
    assert sum(message.sender == "b" for message in result.messages) == 1000


def test_messages_of_a_run_with_peers_are_history_for_the_next() -> None:
    result = asked(Peer("b", "", plain))
    assert run("More.", [agent(finish("ok"))], history=result.messages).output == "ok"


def no_argument() -> str:
    return ""


def three(message: Message, here: Here, more: str) -> str:
    return more


def keyword(message: Message, *, more: str) -> str:
    return more


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Peer("", "", plain), "cannot be called"),
        (lambda: Peer("a[b", "", plain), "cannot be called"),
        (lambda: Peer("b", 3, plain), "role=3 is not text"),
        (lambda: Peer("b", "", "plain"), "takes a function, not 'plain'"),
        (
            lambda: Peer("b", "", no_argument),
            r"takes a function of \(message\) or \(message, here\)",
        ),
        (lambda: Peer("b", "", three), "and three"),
        (lambda: Peer("b", "", keyword), "and keyword"),
        (lambda: Peer("b", "", plain, timeout=0), "timeout=0 must be more than 0"),
        (lambda: Peer("b", "", plain, timeout=True), "timeout=True must be more than 0"),
        (lambda: Peer("b", "", plain, person="yes"), "person='yes' is no bool"),
        (lambda: run("Hi.", [Peer("finish", "", plain)]), "built-in tool"),
        (lambda: run("Hi.", [Peer("b", "", plain), Peer("b", "x", plain)]), "two different"),
        (lambda: run("Hi.", [Peer("b", "", plain)], [Tool(plain, name="b")]), "a tool and"),
        (lambda: run("Hi.", [plain]), "takes agents and peers"),
        (lambda: run("Hi.", Peer("b", "", plain)), "list"),
    ],
)
def test_what_cannot_be_a_peer_is_refused_before_anything_starts(
    make: Callable[[], object], text: str
) -> None:
    with pytest.raises(ConfigurationError, match=text):
        make()


@pytest.mark.parametrize(
    ("answer", "takes"),
    [
        (plain, False),
        (lambda message, here: "", True),
        (lambda message, here=None: "", True),
        (lambda message, more="x": "", False),
        (lambda *arguments: "", False),
        (print, False),
    ],
)
def test_here_is_given_to_a_second_parameter(answer: Any, takes: bool) -> None:
    assert Peer("b", "", answer).takes_here is takes


def test_a_call_of_a_person_is_a_question_in_the_lines_and_holds_up_its_caller() -> None:
    async def answer(message: Message) -> str:
        return "yes"

    one = agent(call("b", "May I?"), finish("done"))
    result = run("Go.", [one], run_agents=[one, Peer("b", "", answer, person=True)])
    lines = list(result.lines())
    [ask] = [line for line in lines if line["type"] == "ask"]
    assert (ask["receiver"], ask["kind"], ask["text"]) == ("b", "question", "May I?")
    asked = lines.index(ask) + 1
    [holder] = held(lines[:asked])
    assert (holder.agent, holder.doing) == ("b", "person")
