"""Twelve agents write at once: every word is told under the call that it belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from agentouto import RunResult, RunStream, async_run_stream
from agentouto._domain.content import Reasoning, Text
from agentouto._domain.event import Replied
from agentouto.testing import Script, Turn, call, finish, say, think
from golden import Lines
from teams import peers

NAMES = [f"agent_{number}" for number in range(12)]


def words(name: str, what: str) -> str:
    return " ".join(f"{name}.{what}.{number}" for number in range(10))


def team_run() -> RunStream:
    """Return a run of twelve agents, each of which writes, asks the next one, and returns."""
    script = {
        name: [
            Turn(
                think(words(name, "think")),
                say(words(name, "say")),
                call(f"helper_{name}", words(name, "ask")),
                stream=True,
                pause=0.001,
            ),
            Turn(finish(words(name, "finish")), stream=True, pause=0.001),
        ]
        for name in NAMES
    }
    helpers = {
        f"helper_{name}": [Turn(say(words(name, "help")), stream=True, pause=0.001)]
        for name in NAMES
    }
    agents = peers(Script(script | helpers), *script, *helpers)
    return async_run_stream("Go.", agents[: len(NAMES)], run_agents=agents)


def replied(result: RunResult, kind: type[Text | Reasoning]) -> dict[str, str]:
    """Return the text or the thinking of all replies of each call."""
    texts = defaultdict[str, str](str)
    for fact in result.facts:
        if isinstance(fact, Replied):
            parts = [part.text for part in fact.reply.parts if isinstance(part, kind)]
            texts[fact.stamp.call_id] += "".join(parts)
    return dict(texts)


def pieces(lines: Lines, type_: str) -> dict[str, str]:
    texts = defaultdict[str, str](str)
    for line in lines:
        if line["type"] == type_:
            texts[str(line["call"])] += str(line["text"])
    return dict(texts)


def non_empty(texts: dict[str, str]) -> dict[str, str]:
    return {call_id: text for call_id, text in texts.items() if text}


def changes(ids: Sequence[object]) -> int:
    return sum(one != other for one, other in pairwise(ids))


async def test_every_word_is_told_under_its_call_as_the_reply_has_it() -> None:
    stream = team_run()
    lines = [line async for line in stream.lines()]
    result = await stream.result()
    assert pieces(lines, "token") == non_empty(replied(result, Text))
    assert pieces(lines, "thinking") == non_empty(replied(result, Reasoning))
    written = [line["call"] for line in lines if line["type"] == "token"]
    assert changes(written) > len(set(written)), "the replies were written at the same time"


async def test_what_is_written_into_a_call_is_told_before_its_reply_has_ended() -> None:
    stream = team_run()
    lines = [line async for line in stream.lines()]
    drafts: dict[object, str] = defaultdict(str)
    whole: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        if line["type"] == "draft":
            drafts[line["call"]] += str(line["text"])
        elif line["type"] == "model.end":
            whole[str(line["call"])].append(drafts.pop(line["call"], ""))
    assert not drafts, "a draft that comes after its reply"
    expected = defaultdict[str, list[str]](list)
    for fact in (await stream.result()).facts:
        if isinstance(fact, Replied):
            arguments = "".join(each.arguments for each in fact.reply.tool_calls)
            expected[fact.stamp.call_id].append(arguments)
    assert whole == expected
    assert sum(bool(text) for texts in whole.values() for text in texts) == 2 * len(NAMES)


async def test_the_words_of_a_return_are_tokens_of_the_call_that_returns() -> None:
    stream = team_run()
    tokens = defaultdict[str, str](str)
    outputs: dict[str, str] = {}
    async for event in stream:
        if event.type == "token" and event.data.get("tool") == "finish":
            assert event.call_id not in outputs
            tokens[event.call_id] += event.data["text"]
        elif event.type == "finish":
            outputs[event.call_id] = event.data["output"]
    assert len(tokens) == len(NAMES)
    assert tokens.items() <= outputs.items()
