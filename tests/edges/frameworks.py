"""Agents of other frameworks, made with their real packages and played by scripts.

Each framework has models for tests of its own; a line of a script is text, or a use of a tool.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from agentouto import Peer
from agentouto.peers import agent_framework, langgraph, openai_agents, pydantic_ai
from edges.parties import python_module

agents = python_module("agents")
agents_testing = python_module("agents.testing")
framework = python_module("agent_framework")
pydantic = python_module("pydantic_ai")
pydantic_messages = python_module("pydantic_ai.messages")
function_models = python_module("pydantic_ai.models.function")
langchain_agents = python_module("langchain.agents")
middleware = python_module("langchain.agents.middleware")
language_models = python_module("langchain_core.language_models")
langchain_messages = python_module("langchain_core.messages")
langchain_outputs = python_module("langchain_core.outputs")
langgraph_graphs = python_module("langgraph.graph")
checkpoints = python_module("langgraph.checkpoint.memory")

agents.set_tracing_disabled(True)

INPUT, OUTPUT = 30, 7
"""What every reply of a scripted model reports as used."""


@dataclass
class Says:
    text: str


@dataclass
class SaysResult:
    """The result of the last use of a tool."""


@dataclass
class Uses:
    tool: str
    arguments: dict[str, object]


@dataclass
class Fails:
    why: str


Line = Says | SaysResult | Uses | Fails


class Framework(Protocol):
    name: ClassVar[str]
    adapter: ClassVar[Callable[..., Peer]]
    tells_reasons: ClassVar[bool]
    requests: ClassVar[list[str]]

    @staticmethod
    def says(text: str) -> Line:
        return Says(text)

    @staticmethod
    def says_result() -> Line:
        return SaysResult()

    @staticmethod
    def uses(tool: str, **arguments: object) -> Line:
        return Uses(tool, arguments)

    @staticmethod
    def fails(why: str) -> Line:
        return Fails(why)

    @classmethod
    def seen(cls) -> str:
        """All that the model of the last guest has read."""
        return "\n".join(cls.requests)

    @classmethod
    def guest(
        cls,
        *lines: Line,
        tool: Callable[..., Awaitable[str]] | None = None,
        needs_approval: bool = False,
        name: str = "guest",
    ) -> Peer:
        cls.requests = []
        return cls.adapter(cls.agent(lines, tool, needs_approval), name, "A guest.")

    @classmethod
    def agent(
        cls,
        lines: Sequence[Line],
        tool: Callable[..., Awaitable[str]] | None,
        needs_approval: bool,
    ) -> object: ...

    @staticmethod
    def wrong() -> object:
        """Something of the framework that is no agent."""
        ...


def langchain_model(lines: Sequence[Line], requests: list[str] | None = None) -> Any:
    rest = iter(lines)

    class Model(language_models.FakeMessagesListChatModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

        def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            if requests is not None:
                requests.append(repr(messages))
            line = next(rest)
            usage = {"input_tokens": INPUT, "output_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
            match line:
                case Fails(why):
                    raise ValueError(why)
                case Says(text):
                    reply = langchain_messages.AIMessage(text, usage_metadata=usage)
                case SaysResult():
                    last = [
                        one for one in messages if isinstance(one, langchain_messages.ToolMessage)
                    ][-1]
                    reply = langchain_messages.AIMessage(last.text, usage_metadata=usage)
                case Uses(tool, arguments):
                    calls = [{"name": tool, "args": arguments, "id": "t1"}]
                    reply = langchain_messages.AIMessage("", tool_calls=calls, usage_metadata=usage)
            generation = langchain_outputs.ChatGeneration(message=reply)
            return langchain_outputs.ChatResult(generations=[generation])

    return Model(responses=[])


class LangGraph(Framework):
    name = "langgraph"
    adapter = staticmethod(langgraph)
    tells_reasons = True

    @classmethod
    def agent(cls, lines: Any, tool: Any, needs_approval: bool) -> object:
        guarded = {tool.__name__: True} if needs_approval else {}
        return langchain_agents.create_agent(
            langchain_model(lines, cls.requests),
            [tool] if tool else [],
            middleware=[middleware.HumanInTheLoopMiddleware(guarded)] if guarded else [],
            checkpointer=checkpoints.InMemorySaver(),
        )

    @staticmethod
    def wrong() -> object:
        return langgraph_graphs.StateGraph(langgraph_graphs.MessagesState)


class PydanticAI(Framework):
    name = "pydantic_ai"
    adapter = staticmethod(pydantic_ai)
    tells_reasons = True

    @classmethod
    def agent(cls, lines: Any, tool: Any, needs_approval: bool) -> object:
        rest = iter(lines)
        usage = pydantic.RequestUsage(input_tokens=INPUT, output_tokens=OUTPUT)

        def reply(messages: Any, info: Any) -> Any:
            cls.requests.append(
                pydantic_messages.ModelMessagesTypeAdapter.dump_json(messages).decode()
            )
            match next(rest):
                case Fails(why):
                    raise ValueError(why)
                case Says(text):
                    part: Any = pydantic_messages.TextPart(text)
                case SaysResult():
                    parts = [one for message in messages for one in message.parts]
                    last = [
                        one for one in parts if isinstance(one, pydantic_messages.ToolReturnPart)
                    ][-1]
                    part = pydantic_messages.TextPart(str(last.content))
                case Uses(name, arguments):
                    part = pydantic_messages.ToolCallPart(name, arguments)
            return pydantic_messages.ModelResponse([part], usage=usage)

        tools = [pydantic.Tool(tool, requires_approval=needs_approval)] if tool else []
        kinds = [str, pydantic.DeferredToolRequests] if tool else str
        return pydantic.Agent(function_models.FunctionModel(reply), output_type=kinds, tools=tools)

    @staticmethod
    def wrong() -> object:
        return pydantic_messages.TextPart("x")


class OpenAIAgents(Framework):
    name = "openai_agents"
    adapter = staticmethod(openai_agents)
    tells_reasons = True

    @classmethod
    def agent(cls, lines: Any, tool: Any, needs_approval: bool) -> object:
        usage = agents.Usage(
            requests=1, input_tokens=INPUT, output_tokens=OUTPUT, total_tokens=INPUT + OUTPUT
        )

        def step(line: Line) -> Any:
            def reply(call: Any) -> Any:
                cls.requests.append(repr(call.input))
                match line:
                    case Fails(why):
                        return ValueError(why)
                    case Says(text):
                        return agents_testing.ModelStep(
                            output=[agents_testing.assistant_message(text)], usage=usage
                        )
                    case SaysResult():
                        last = [one for one in call.input if "output" in one][-1]
                        return agents_testing.ModelStep(
                            output=[agents_testing.assistant_message(str(last["output"]))],
                            usage=usage,
                        )
                    case Uses(name, arguments):
                        used = agents_testing.function_call(name, arguments, call_id="t1")
                        return agents_testing.ModelStep(output=[used], usage=usage)

            return agents_testing.ModelStep.respond(reply)

        decorated = agents.function_tool(needs_approval=needs_approval)
        return agents.Agent(
            "own name",
            model=agents_testing.ScriptedModel([step(line) for line in lines]),
            tools=[decorated(tool)] if tool else [],
        )

    @staticmethod
    def wrong() -> object:
        return agents.RunConfig()


class AgentFramework(Framework):
    name = "agent_framework"
    adapter = staticmethod(agent_framework)
    tells_reasons = False

    @classmethod
    def agent(cls, lines: Any, tool: Any, needs_approval: bool) -> object:
        rest = iter(lines)

        class Client(framework.FunctionInvocationLayer, framework.BaseChatClient):
            async def _inner_get_response(self, *, messages: Any, **kwargs: Any) -> Any:
                cls.requests.append(json.dumps([one.to_dict() for one in messages], default=repr))
                match next(rest):
                    case Fails(why):
                        raise ValueError(why)
                    case Says(text):
                        content: Any = text
                    case SaysResult():
                        parts = [one for message in messages for one in message.contents]
                        last = [one for one in parts if one.type == "function_result"][-1]
                        content = str(last.result)
                    case Uses(name, arguments):
                        content = framework.Content.from_function_call(
                            "t1", name, arguments=arguments
                        )
                return framework.ChatResponse(
                    messages=[framework.Message("assistant", [content])],
                    usage_details={"input_token_count": INPUT, "output_token_count": OUTPUT},
                )

        mode = "always_require" if needs_approval else "never_require"
        tools = [framework.tool(tool, approval_mode=mode)] if tool else None
        return framework.Agent(Client(), tools=tools)

    @staticmethod
    def wrong() -> object:
        return framework.Message("user", ["x"])


FRAMEWORKS: list[type[Framework]] = [LangGraph, PydanticAI, OpenAIAgents, AgentFramework]
