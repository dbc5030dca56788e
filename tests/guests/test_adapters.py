"""The adapters for other frameworks, on objects with the methods that these frameworks have.

``tests/edges/test_guests.py`` tries them with the frameworks themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from agentouto import Approval, ConfigurationError, Message, Peer, async_run
from agentouto.peers import agent_framework, langgraph, openai_agents, pydantic_ai

Package = Callable[..., ModuleType]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Package:
    """Return a function that makes a package importable, in place of a framework."""

    def make(name: str, **names: object) -> ModuleType:
        module = ModuleType(name)
        module.__dict__.update(names)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make


def made_by(framework: str, **methods: object) -> Any:
    """Return an object whose class belongs to ``framework``."""
    return type("Agent", (), {"__module__": f"{framework}.agents", **methods})()


def graph(run: Callable[..., object], package: Package) -> Any:
    package("langgraph")
    package("langgraph.types", Command=SimpleNamespace)
    package("langchain_core.callbacks", BaseCallbackHandler=object)

    async def ainvoke(_: object, work: object, config: object) -> object:
        return run(work, config)

    return made_by("langgraph", ainvoke=ainvoke)


async def test_a_graph_is_asked_with_messages_and_answers_with_the_last(package: Package) -> None:
    seen: list[Any] = []

    def reply(work: Any, config: Any) -> object:
        seen.append((work, config["configurable"]))
        return {"messages": [*work["messages"], {"role": "assistant", "content": "Red."}]}

    result = await async_run("Colour?", [langgraph(graph(reply, package), "fox", "")])
    assert result.output == "Red."
    assert seen == [
        (
            {"messages": [{"role": "user", "content": "Colour?"}]},
            {"thread_id": result.messages[0].call_id},
        )
    ]


async def test_an_interrupt_is_asked_and_its_answer_resumes_the_graph(package: Package) -> None:
    def reply(work: Any, config: object) -> object:
        if isinstance(work, dict):
            return {"__interrupt__": [SimpleNamespace(id="i1", value="Which?")]}
        return {"messages": [{"content": work.resume["i1"]}]}

    guest = langgraph(graph(reply, package), "fox", "")
    assert (await async_run("Go.", [guest], ask_user=lambda message: "This.")).output == "This."


async def test_an_interrupt_with_a_schema_is_answered_with_json(package: Package) -> None:
    asked: list[str] = []

    def reply(work: Any, config: object) -> object:
        schema = {"type": "object"}
        if isinstance(work, dict):
            return {
                "__interrupt__": [SimpleNamespace(id="i1", value="How?", response_schema=schema)]
            }
        return work.resume["i1"]

    guest = langgraph(graph(reply, package), "fox", "")
    result = await async_run(
        "Go.", [guest], ask_user=lambda message: asked.append(message.content) or '{"a": 1}'
    )
    assert asked == ['How?\n\nAnswer with JSON that fits {"type": "object"}']
    assert result.output == '{"a":1}'


async def test_a_person_can_stand_in_for_a_tool_of_a_graph(package: Package) -> None:
    request = {
        "action_requests": [{"name": "ask", "args": {"question": "Tea?"}}],
        "review_configs": [{"action_name": "ask", "allowed_decisions": ["respond"]}],
    }

    def reply(work: Any, config: object) -> object:
        if isinstance(work, dict):
            return {"__interrupt__": [SimpleNamespace(id="i1", value=request)]}
        return work.resume

    guest = langgraph(graph(reply, package), "fox", "")
    result = await async_run("Go.", [guest], ask_user=lambda message: f"{message.content} Yes.")
    assert result.output == '{"i1":{"decisions":[{"type":"respond","message":"ask: Tea? Yes."}]}}'


async def test_earlier_messages_are_part_of_the_prompt(package: Package) -> None:
    guest = langgraph(graph(lambda work, config: work, package), "fox", "", to_state=None)
    history = [Message("forward", "user", "fox", "I am Ada.", "c")]
    result = await async_run("Who am I?", [guest], history=history)
    expected = "Earlier messages:\n\n[user to fox]: I am Ada.\n\nYour task now:\n\nWho am I?"
    assert result.output == expected


class Refusing:
    """An ``approve=`` that refuses, and keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, dict[str, object]]] = []

    def __call__(self, approval: Approval) -> bool:
        self.shown.append((approval.tool, approval.arguments))
        return False


async def test_approvals_and_deferred_calls_of_pydantic_ai_are_decided_together(
    package: Package,
) -> None:
    usage = SimpleNamespace(input_tokens=4, output_tokens=2)
    package("pydantic_ai", RunUsage=lambda: usage, ToolDenied=lambda why: f"denied: {why}")

    def part(name: str, id_: str, **arguments: object) -> object:
        return SimpleNamespace(tool_name=name, tool_call_id=id_, args_as_dict=lambda: arguments)

    requests = SimpleNamespace(
        approvals=[part("delete", "t1", path="a")],
        calls=[part("ask", "t2", question="Why?"), part("look", "t3", x=1, y=2)],
        build_results=lambda approvals, calls: {**approvals, **calls},
    )

    async def answer(_: object, prompt: object, **more: Any) -> object:
        output = more.get("deferred_tool_results") or requests
        return SimpleNamespace(output=output, all_messages=list)

    refusing = Refusing()
    guest = pydantic_ai(made_by("pydantic_ai", run=answer), "guest", "")
    result = await async_run(
        "Go.", [guest], approve=refusing, ask_user=lambda message: message.content.upper()
    )
    assert refusing.shown == [("guest.delete", {"path": "a"})]
    assert '"t1":"denied: the user did not approve it"' in result.output
    assert '"t2":"ASK: WHY?"' in result.output
    assert '"t3":"LOOK: {\\"X\\": 1, \\"Y\\": 2}"' in result.output
    assert result.usage.total_tokens == 6


class SdkError(Exception):
    """As the errors of the OpenAI Agents SDK, it says what was used."""

    def __init__(self, input_tokens: int) -> None:
        super().__init__("too many turns")
        used = SimpleNamespace(input_tokens=input_tokens, output_tokens=0)
        self.run_data = SimpleNamespace(context_wrapper=SimpleNamespace(usage=used))


async def test_what_a_failing_agent_of_openai_used_is_counted(package: Package) -> None:
    async def fail(*_: object, **more: object) -> object:
        raise SdkError(11)

    package("agents", Runner=SimpleNamespace(run=fail), AgentsException=SdkError)
    guest = openai_agents(made_by("agents", as_tool=print), "guest", "")
    asker = Peer("asker", "", ask_guest)
    result = await async_run("Go.", [asker], run_agents=[asker, guest])
    assert "too many turns (SdkError)" in result.output
    assert result.usage.input_tokens == 11


async def ask_guest(message: Message, here: Any) -> str:
    try:
        return (await here.call("guest", "Hi.")).content
    except Exception as error:  # noqa: BLE001 - it is the answer
        return str(error)


async def test_a_request_that_a_peer_cannot_answer_is_named(package: Package) -> None:
    package("agent_framework", Message=lambda role, contents: contents)
    wanted = SimpleNamespace(type="oauth_consent_request")

    async def answer(*_: object, **more: object) -> object:
        return SimpleNamespace(usage_details=None, user_input_requests=[wanted])

    agent = made_by("agent_framework", run=answer, create_session=object)
    asker = Peer("asker", "", ask_guest)
    guest = agent_framework(agent, "guest", "")
    result = await async_run("Go.", [asker], run_agents=[asker, guest])
    assert "asked for oauth_consent_request, which a peer cannot answer" in result.output


@pytest.mark.parametrize("adapter", [agent_framework, langgraph, openai_agents, pydantic_ai])
@pytest.mark.parametrize("wrong", [None, 7, "agent", print, object(), Peer])
def test_what_is_no_agent_of_the_framework_is_refused(
    adapter: Callable[..., Peer], wrong: object
) -> None:
    with pytest.raises(ConfigurationError, match=r"peers: .* is not an? "):
        adapter(wrong, "guest", "")


def test_a_graph_that_was_not_compiled_is_refused(package: Package) -> None:
    package("langgraph")
    with pytest.raises(
        ConfigurationError, match=r"this Agent has no ainvoke\(\).*graph.compile\(\)"
    ):
        langgraph(made_by("langgraph"), "guest", "")
