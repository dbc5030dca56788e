"""Makes a peer of a compiled graph of LangGraph."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from agentouto import Here, Message, Peer, here
from agentouto.peers._requests import (
    answer_of_user,
    as_fields,
    as_text,
    framework_of,
    prompt_text,
    read_json,
    refusal,
    tool_question,
)


def langgraph(
    graph: object,
    name: str,
    role: str,
    *,
    to_state: Callable[[Message], object] | None = None,
    from_state: Callable[[Any], object] | None = None,
    timeout: float | None = None,
) -> Peer:
    """Return a peer that a compiled graph of LangGraph answers for, also one of LangChain.

    Each call is a thread of the graph of its own, with the id of the call as ``thread_id``. An
    ``interrupt`` is a question to the user; those of LangChain's ``HumanInTheLoopMiddleware`` are
    approvals. Both need a graph with a checkpointer. What models report as used is counted.

    Args:
        graph: What ``compile()`` or ``create_agent`` of the framework returned.
        name: The name of the peer.
        role: What the others read about it.
        to_state: Makes the input of the graph of a forward. By default the state has ``messages``,
            and the forward is the first, with its files.
        from_state: Takes the answer out of the last state. By default it is the text of the last of
            its ``messages``; without those, the state as JSON.
        timeout: Seconds within which each call must return.

    Raises:
        ConfigurationError: ``graph`` is no compiled graph.
    """
    framework_of(graph, "langgraph", "ainvoke", "a compiled graph of LangGraph: graph.compile()")
    begin, end = to_state or _state_of, from_state or _last_text
    run = cast("Any", graph).ainvoke

    async def answer(message: Message) -> object:
        at = here()
        config = {"configurable": {"thread_id": at.call_id}, "callbacks": [_usage_counter(at)]}
        state = await run(begin(message), config)
        # Branches of a graph may interrupt at the same time: each is answered under its own id.
        while interrupts := as_fields(state).get("__interrupt__"):
            answers = {one.id: await _answer_to(one) for one in interrupts}
            state = await run(sys.modules["langgraph.types"].Command(resume=answers), config)
        return end(state)

    return Peer(name, role, answer, timeout)


async def _answer_to(interrupt: Any) -> object:
    """Return what ``interrupt`` is resumed with: decisions of the user, or an answer."""
    asked = as_fields(interrupt.value)
    if asked.get("type") == "tool_approval":
        return await _decision(asked, ())
    if "action_requests" in asked:
        configs = asked.get("review_configs", ())
        allowed = {each["action_name"]: each["allowed_decisions"] for each in configs}
        requests = asked["action_requests"]
        return {
            "decisions": [await _decision(one, allowed.get(one["name"], ())) for one in requests]
        }
    schema = getattr(interrupt, "response_schema", None)
    if schema is None:
        return await answer_of_user(interrupt.value)
    question = f"{as_text(interrupt.value)}\n\nAnswer with JSON that fits {as_text(schema)}"
    return read_json(await answer_of_user(question))


async def _decision(request: Mapping[str, Any], allowed: Collection[str]) -> dict[str, str]:
    """Return the user's decision on one use of a tool, in the form of LangChain's middleware."""
    name, arguments = request["name"], request.get("args")
    if "respond" in allowed and "approve" not in allowed:  # the person stands in for the tool
        return {"type": "respond", "message": await answer_of_user(tool_question(name, arguments))}
    reason = await refusal(name, arguments)
    return {"type": "approve"} if reason is None else {"type": "reject", "message": reason}


def _state_of(message: Message) -> object:
    text = prompt_text(message)
    content: list[dict[str, object]] = [{"type": "text", "text": text}]
    for file in message.attachments or ():
        kind = file.mime_type.partition("/")[0]
        where = {"url": file.url} if file.data is None else {"base64": file.data}
        type_ = kind if kind in ("image", "audio", "video") else "file"
        content.append({"type": type_, "mime_type": file.mime_type, **where})
    return {"messages": [{"role": "user", "content": content if len(content) > 1 else text}]}


def _last_text(state: object) -> object:
    messages = as_fields(state).get("messages")
    if not messages:
        return state
    last = messages[-1]
    if fields := as_fields(last):  # of a state that keeps messages as they were given
        return fields.get("content")
    text = last.text  # a property since langchain-core 1.0, a method before
    return str(text) if isinstance(text, str) else text()


def _usage_counter(at: Here) -> object:
    """Return a callback handler of LangChain that counts what models report."""

    def on_llm_end(_: object, response: Any, **__: object) -> None:
        for generation in itertools.chain(*response.generations):
            usage = getattr(getattr(generation, "message", None), "usage_metadata", None)
            if usage:
                at.spent(usage.get("input_tokens"), usage.get("output_tokens"))

    # ``run_inline``: LangChain would call a plain handler in another thread.
    base = sys.modules["langchain_core.callbacks"].BaseCallbackHandler
    return type("UsageCounter", (base,), {"on_llm_end": on_llm_end, "run_inline": True})()
