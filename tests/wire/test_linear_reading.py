"""Reading an answer takes time in proportion to its length, however its server deals it out.

Everything in the four decoders, and around them, that collects what comes from outside is in
``ACCUMULATORS``: four times as much may take less than eight times as long.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Sequence
from time import process_time
from typing import Any

import pytest

from agentouto._core.reply_builder import ReplyBuilder
from agentouto._domain.delta import Delta, ReasoningDelta, TextDelta, ToolCallDelta
from agentouto.providers._format.call_pieces import final_arguments, most_complete
from agentouto.providers._format.think_tags import ThinkSplitter
from agentouto.providers._transport.sse import SseReader
from wire import anthropic_words as claude
from wire import gemini_words as gemini
from wire import responses_words as responses
from wire.words import calling, chunk, decoder, piece

TIMES = 4
MOST = 8.0
"""How much longer ``TIMES`` as much may take: halfway between linear (4) and quadratic (16)."""

SIZE = 2_000
"""How many pieces are read, and ``TIMES`` as many."""

MORE = {"chat: reasoning details without an index": 5}
"""Where what would be copied each time is small: so many times more pieces, for it to be seen."""

PIECE = "a piece " * 60
"""Long enough to be seen if it were copied each time, where text grows."""

TRIES = 6
"""How often times are taken; the best count, because others are at work on the machine."""

Job = Callable[[], object]
Accumulator = Callable[[int], Job]


def seconds(job: Job) -> float:
    begun = process_time()
    job()
    return process_time() - begun


def written(events: Iterable[object]) -> list[bytes]:
    return [json.dumps(event).encode() for event in events]


def reading(new: Callable[[], Any], events: Sequence[bytes], *, ends: bool = False) -> Job:
    """Feed the events one by one, as the network would bring them."""

    def job() -> None:
        reader = new()
        for event in events:
            reader.feed([event])
        if ends:
            reader.end()

    return job


def chat(*deltas: object, first: object = None, finish: str = "stop") -> list[bytes]:
    begun = [] if first is None else [first]
    return written([*begun, *deltas, chunk({}, finish)])


def of_chat(build: Callable[[int], Iterable[object]]) -> Accumulator:
    return lambda n: reading(decoder, chat(*build(n)), ends=True)


def message(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "message": fields}]}


def detail(n: int, **more: object) -> dict[str, object]:
    return chunk({"reasoning_details": [{"type": "reasoning.text", "text": PIECE, **more}]})


CHAT: dict[str, Accumulator] = {
    "words": of_chat(lambda n: (chunk({"content": "word "}) for _ in range(n))),
    "blanks before the first word": of_chat(
        lambda n: (chunk({"content": " " * 500}) for _ in range(n))
    ),
    "thoughts": of_chat(lambda n: (chunk({"reasoning": "word "}) for _ in range(n))),
    "refusals": of_chat(lambda n: (chunk({"refusal": "word "}) for _ in range(n))),
    "thoughts in tags": of_chat(
        lambda n: (chunk({"content": t}) for t in ["<think>", *["</thi"] * n])
    ),
    "calls without an index, in one chunk": of_chat(
        lambda n: [calling(*(piece(None, f"c{i}", "f", "{}") for i in range(n)))]
    ),
    "calls without an index": of_chat(
        lambda n: (calling(piece(None, f"c{i}", "f", "{}")) for i in range(n))
    ),
    "calls without index and id": of_chat(
        lambda n: [calling(*(piece(None, None, "f", "{}") for _ in range(n)))]
    ),
    "calls with an index": of_chat(
        lambda n: (calling(piece(i, f"c{i}", "f", '{"a":1}')) for i in range(n))
    ),
    "calls at one index": of_chat(
        lambda n: (calling(piece(0, f"c{i}", "f", '{"a":1}')) for i in range(n))
    ),
    "calls at one index, without names": of_chat(
        lambda n: (calling(piece(0, None, "f" * (i == 0), f'{{"a":{i}}}')) for i in range(n))
    ),
    "arguments without a name": of_chat(
        lambda n: (calling(piece(0, "i", "", '{"a":')) for _ in range(n))
    ),
    "arguments": of_chat(
        lambda n: [
            calling(piece(0, "i", "f", "")),
            *(calling(piece(0, arguments=" 1,")) for _ in range(n)),
        ]
    ),
    "arguments that are an object each": of_chat(
        lambda n: [
            calling(piece(0, "i", "f", "[")),
            *(calling(piece(0, arguments="{}")) for _ in range(n)),
        ]
    ),
    "empty objects": of_chat(lambda n: (calling(piece(0, "i", "f", "{}")) for _ in range(n))),
    "empty objects behind the arguments": of_chat(
        lambda n: [
            calling(piece(0, "i", "f", '{"a":"' + "x" * 9 * n + '"}')),
            *(calling(piece(0, arguments="{}")) for _ in range(n)),
        ]
    ),
    "arguments with the id each time": of_chat(
        lambda n: [
            calling(piece(0, "i", "f", '{"a":"')),
            *(calling(piece(0, "i", "f", "}{")) for _ in range(n)),
        ]
    ),
    "arguments without an index, with the id each time": of_chat(
        lambda n: [
            calling(piece(None, "i", "f", '{"a":[')),
            *(calling(piece(None, "i", "f", "{},")) for _ in range(n)),
        ]
    ),
    "braces that never close": of_chat(
        lambda n: [
            calling(piece(0, "i", "f", "")),
            *(calling(piece(0, arguments='{"a":')) for _ in range(n)),
        ]
    ),
    "escapes that never end": of_chat(
        lambda n: [
            calling(piece(0, "i", "f", '{"a":"')),
            *(calling(piece(0, "i", arguments="\\")) for _ in range(n)),
        ]
    ),
    "names": of_chat(lambda n: (calling(piece(0, "i", f"f{i % 7}")) for i in range(n))),
    "nothing in the list": of_chat(lambda n: [calling(*([None] * n))]),
    "fields of calls that are not known": of_chat(
        lambda n: (calling({**piece(0, "i", "f"), "extra": f"e{i}"}) for i in range(n))
    ),
    "fields that are not known": of_chat(
        lambda n: (chunk({"new": f"{PIECE}{i}"}) for i in range(n))
    ),
    "lists that are not known": of_chat(lambda n: (chunk({"new": [i]}) for i in range(n))),
    "reasoning details": of_chat(lambda n: (detail(i, index=0) for i in range(n))),
    "reasoning details without an index": of_chat(lambda n: (detail(i) for i in range(n))),
    "reasoning details of many kinds": of_chat(
        lambda n: (detail(i, index=i, format="f") for i in range(n))
    ),
    "messages that are pieces": of_chat(lambda n: (message(content=f"w{i} ") for i in range(n))),
    "short messages behind words": of_chat(
        lambda n: (
            each
            for i in range(n)
            for each in (chunk({"content": "long words "}), message(content="longer"))
        )
    ),
    "messages with calls behind their pieces": of_chat(
        lambda n: [
            calling(piece(0, "i", "f", '{"a":"')),
            *(
                each
                for i in range(n)
                for each in (
                    calling(piece(0, arguments="xxxxx")),
                    message(tool_calls=[piece(None, "i", "f", '{"a":1}')]),
                )
            ),
        ]
    ),
    "a message with many calls": of_chat(
        lambda n: [message(tool_calls=[piece(None, f"c{i}", "f", "{}") for i in range(n)])]
    ),
    "usage": of_chat(lambda n: (chunk({}, usage={"prompt_tokens": i}) for i in range(n))),
}


def of_claude(build: Callable[[int], Iterable[object]], *, begun: object = None) -> Accumulator:
    first = claude.begins(0, {"type": "text", "text": ""}) if begun is None else begun
    return lambda n: reading(
        claude.decoder, written([first, *build(n), *claude.stopped()]), ends=True
    )


USE = {"type": "tool_use", "id": "i", "name": "f", "input": {}}


def more(kind: str, **fields: object) -> dict[str, object]:
    return claude.goes_on(0, kind, **fields)


CLAUDE: dict[str, Accumulator] = {
    "words": of_claude(lambda n: (more("text_delta", text="word ") for _ in range(n))),
    "blanks": of_claude(lambda n: (more("text_delta", text="  ") for _ in range(n))),
    "thoughts": of_claude(lambda n: (more("thinking_delta", thinking="word") for _ in range(n))),
    "citations": of_claude(
        lambda n: (more("citations_delta", citation={"n": i}) for i in range(n))
    ),
    "signatures": of_claude(
        lambda n: (more("signature_delta", signature=PIECE) for _ in range(n)),
        begun=claude.begins(0, {"type": "thinking", "thinking": "", "signature": ""}),
    ),
    "fields that are not known": of_claude(
        lambda n: (more("new_delta", new=f"{PIECE} {i}") for i in range(n))
    ),
    "arguments": of_claude(
        lambda n: (more("input_json_delta", partial_json="{}") for _ in range(n)),
        begun=claude.begins(0, USE),
    ),
    "arguments of a block that was not opened": of_claude(
        lambda n: (claude.goes_on(1, "input_json_delta", partial_json="{}") for _ in range(n))
    ),
    "one call that begins again and again": of_claude(
        lambda n: (
            each
            for _ in range(n)
            for each in (more("input_json_delta", partial_json='{"a":1}'), claude.begins(0, USE))
        ),
        begun=claude.begins(0, USE),
    ),
    "calls": of_claude(lambda n: (claude.begins(i, {**USE, "id": f"c{i}"}) for i in range(n))),
    "blocks without a number": of_claude(
        lambda n: (claude.begins(None, {"type": "text", "text": "a"}) for _ in range(n))
    ),
    "counts": of_claude(
        lambda n: ({"type": "message_delta", "usage": {"output_tokens": i}} for i in range(n))
    ),
}


def of_responses(build: Callable[[int], Iterable[object]]) -> Accumulator:
    return lambda n: reading(responses.decoder, written([*build(n), responses.ended()]), ends=True)


def item(n: int) -> dict[str, object]:
    return responses.function_call(f"c{n}", "{}", "f")


def arguments(n: int) -> Iterable[object]:
    yield {"type": "response.output_item.added", "output_index": 0, "item": item(0)}
    for _ in range(n):
        yield {
            "type": "response.function_call_arguments.delta",
            "output_index": 0,
            "item_id": "fc_c0",
            "delta": "{}",
        }


def event(kind: str, index: int, **fields: object) -> dict[str, object]:
    return {"type": f"response.{kind}", "output_index": index, **fields}


RESPONSES: dict[str, Accumulator] = {
    "words": of_responses(
        lambda n: (event("output_text.delta", 0, delta="word ") for _ in range(n))
    ),
    "refusals": of_responses(
        lambda n: (event("refusal.delta", 0, delta="word ") for _ in range(n))
    ),
    "thoughts": of_responses(
        lambda n: (
            event("reasoning_text.delta", 0, delta="word ", summary_index=i) for i in range(n)
        )
    ),
    "arguments": of_responses(arguments),
    "arguments that are done again and again": of_responses(
        lambda n: (
            event("function_call_arguments.done", 0, item_id="x", arguments="{}") for _ in range(n)
        )
    ),
    "calls": of_responses(lambda n: (event("output_item.done", i, item=item(i)) for i in range(n))),
    "one call that is done again and again": of_responses(
        lambda n: (event("output_item.done", 0, item=item(0)) for _ in range(n))
    ),
    "one call that begins again and again": of_responses(
        lambda n: [
            *(event("output_item.added", 0, item=item(0)) for _ in range(n)),
            event("output_item.done", 0, item=item(0)),
        ]
    ),
    "calls that the end alone knows": lambda n: reading(
        responses.decoder, written([responses.ended(*map(item, range(n)))]), ends=True
    ),
}


def of_gemini(build: Callable[[int], Iterable[object]]) -> Accumulator:
    return lambda n: reading(gemini.decoder, written([*build(n), gemini.STOP]), ends=True)


GEMINI: dict[str, Accumulator] = {
    "words": of_gemini(lambda n: (gemini.chunk(gemini.words("word ")) for _ in range(n))),
    "words and thoughts in turns": of_gemini(
        lambda n: (gemini.chunk(gemini.words("word", thought=i % 2 == 0)) for i in range(n))
    ),
    "calls": of_gemini(lambda n: (gemini.chunk(gemini.calling("f", {"a": i})) for i in range(n))),
    "calls in one chunk": of_gemini(
        lambda n: [gemini.chunk(*(gemini.calling("f", {"a": i}) for i in range(n)))]
    ),
    "one call again and again": of_gemini(
        lambda n: (gemini.chunk(gemini.calling("f", {"a": 1}, id="i")) for _ in range(n))
    ),
    "reasons to refuse": of_gemini(
        lambda n: (
            gemini.chunk(gemini.words("hm", thought=True), finish="SAFETY") for _ in range(n)
        )
    ),
    "parts that are not known": of_gemini(lambda n: (gemini.chunk({"new": i}) for i in range(n))),
}


# Around the decoders ------------------------------------------------------------------------------


def sse(build: Callable[[int], Iterable[bytes]]) -> Accumulator:
    def prepare(n: int) -> Job:
        blocks = list(build(n))

        def job() -> None:
            reader = SseReader()
            for block in blocks:
                reader.feed(block)
            reader.end()

        return job

    return prepare


def splitting(first: str, then: str) -> Accumulator:
    def prepare(n: int) -> Job:
        def job() -> None:
            splitter, heard = ThinkSplitter(), list[Delta]()
            splitter.feed(first, heard)
            for _ in range(n):
                splitter.feed(then, heard)
            splitter.end(heard)

        return job

    return prepare


def folding(delta: Callable[[int], Delta]) -> Accumulator:
    def prepare(n: int) -> Job:
        deltas = [delta(i) for i in range(n)]

        def job() -> None:
            builder = ReplyBuilder("p")
            for each in deltas:
                builder.add(each)
            builder.parts()
            builder.text()

        return job

    return prepare


def thought_and_word(n: int) -> Delta:
    return TextDelta("a") if n % 2 else ReasoningDelta("b")


AROUND: dict[str, Accumulator] = {
    "a line in many pieces": sse(lambda n: [b"data: {", *[b"xxxx"] * n, b"}\n\n"]),
    "an event of many lines": sse(lambda n: [b"data: x\n"] * n),
    "an event of many lines of JSON": sse(lambda n: [b'data: {"a":\n', *[b"data: 1,\n"] * n]),
    "lines that are events": sse(lambda n: [b"data: {}\n"] * n),
    "comments": sse(lambda n: [b": nothing\n"] * n),
    "lines without a name": sse(lambda n: [b"x\n"] * n),
    "blank lines": sse(lambda n: [b"\n"] * n),
    "line ends in halves": sse(lambda n: [b"data: x\r", b"\n\r", b"\n"] * n),
    "carriage returns": sse(lambda n: [b"\r"] * n),
    "many events in one block": sse(lambda n: [b"data: {}\n\n" * n]),
    "letter by letter": sse(lambda n: [bytes([each]) for each in b"data: {}\n\n" * n]),
    "blanks that may lead to a tag": splitting("", " " * 500),
    "a tag that never closes": splitting("<think>", "</thin"),
    "blanks behind a tag": splitting("<think></think>", " "),
    "text": folding(lambda _: TextDelta("word ")),
    "thoughts and words in turns": folding(thought_and_word),
    "one call": folding(lambda _: ToolCallDelta(0, arguments="{}")),
    "one call told again and again": folding(
        lambda _: ToolCallDelta(0, arguments="{}", again=True)
    ),
    "calls": folding(lambda n: ToolCallDelta(n, f"c{n}", "f", "{}")),
    "placeholders": lambda n: lambda: final_arguments("{} " * n),
    "placeholders with blanks": lambda n: (
        lambda: final_arguments("{" + " " * n + "}" + " " * n + "x")
    ),
    "quoted placeholders": lambda n: lambda: final_arguments('"' + "{} " * n),
    "versions": lambda n: lambda: most_complete(["{}"] * n),
}

ACCUMULATORS = {
    f"{where}: {what}": accumulator
    for where, table in {
        "chat": CHAT,
        "anthropic": CLAUDE,
        "responses": RESPONSES,
        "gemini": GEMINI,
        "around": AROUND,
    }.items()
    for what, accumulator in table.items()
}


@pytest.mark.parametrize("name", ACCUMULATORS)
def test_four_times_as_much_takes_about_four_times_as_long(name: str) -> None:
    accumulator = ACCUMULATORS[name]
    size = SIZE * MORE.get(name, 1)
    gc.disable()
    try:
        little, much = accumulator(size), accumulator(TIMES * size)
        few, many = seconds(little), float("inf")
        for _ in range(TRIES):
            many = min(many, seconds(much))
            if many < MOST * few:
                return
            few = min(few, seconds(little))
    finally:
        gc.enable()
    pytest.fail(f"{TIMES * size} took {many:.3f} s, {size} only {few:.3f} s")
