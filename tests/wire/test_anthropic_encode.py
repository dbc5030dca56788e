"""What is sent to the Messages API: a table of conversations, and rules that hold for all."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from agentouto._domain.content import (
    Incoming,
    Outcome,
    Outcomes,
    Reasoning,
    Reply,
    Stop,
    Text,
    ToolCall,
)
from agentouto._domain.errors import ProviderError
from agentouto._domain.message import Attachment
from agentouto._domain.ports import Draft, ToolSpec
from agentouto.providers._anthropic.encoder import valid_id
from agentouto.providers._anthropic.wire import AnthropicWire
from wire import turns
from wire.anthropic_words import (
    ELSEWHERE,
    HOME,
    ORIGIN,
    REDACTED,
    asked,
    assistant,
    body_of,
    complaints,
    kept,
    reply_to,
    result,
    stopped,
    text,
    thinks,
    thought,
    use,
    user,
    wants,
)
from wire.anthropic_words import says as streams_words
from wire.words import LOOK, call, came_of
from wire.words import says as replied
from wire.words import wants as called

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()
GIF = base64.b64encode(b"GIF89arest").decode()
PDF = base64.b64encode(b"%PDF-1.7").decode()
TXT = base64.b64encode("naïve".encode()).decode()
BLANK = base64.b64encode(b" \n").decode()

GO_ON = user(text("(go on)"))


def picture(data: str, mime: str = "image/png") -> dict[str, object]:
    return {"type": "image", "source": {"type": "base64", "media_type": mime, "data": data}}


def by_address(kind: str, url: str) -> dict[str, object]:
    return {"type": kind, "source": {"type": "url", "url": url}}


def document(source: dict[str, object], title: str = "") -> dict[str, object]:
    return {"type": "document", "source": source, **({"title": title} if title else {})}


PDF_SOURCE: dict[str, object] = {"type": "base64", "media_type": "application/pdf", "data": PDF}
TXT_SOURCE: dict[str, object] = {"type": "text", "media_type": "text/plain", "data": "naïve"}


def sealed(*parts: Any, blocks: tuple[dict[str, object], ...], origin: str = ORIGIN) -> Reply:
    return Reply(parts, native=kept(*blocks, origin=origin))


CONVERSATIONS: dict[str, tuple[list[Any], list[dict[str, object]]]] = {
    "a forward": ([Incoming("Hi")], [user(text("Hi"))]),
    "a forward without words": ([Incoming(" \n")], [user(text("(an empty message)"))]),
    "nothing at all": ([], [GO_ON]),
    "letters of many kinds": (
        [Incoming('"\u2028\\ 👋 한국어\x00')],
        [user(text('"\u2028\\ 👋 한국어\x00'))],
    ),
    "half a surrogate pair": ([Incoming("a\ud83db")], [user(text("a?b"))]),
    "a reply, and more to say": (
        [Incoming("Hi"), replied("Ho"), Incoming("Well?")],
        [user(text("Hi")), assistant(text("Ho")), user(text("Well?"))],
    ),
    "the last word is never the model's": (
        [Incoming("Hi"), replied("Ho")],
        [user(text("Hi")), assistant(text("Ho")), GO_ON],
    ),
    "a history that begins with the agent's own return": (
        [replied("I said."), Incoming("Hi")],
        [GO_ON, assistant(text("I said.")), user(text("Hi"))],
    ),
    "whoever speaks twice speaks in one message": (
        [Incoming("A"), Incoming("B"), replied("C"), replied("D"), Incoming("E")],
        [user(text("A"), text("B")), assistant(text("C"), text("D")), user(text("E"))],
    ),
    "an empty reply is left out": (
        [Incoming("Hi"), Reply(()), Reply((Text(" "),)), Incoming("Well?")],
        [user(text("Hi"), text("Well?"))],
    ),
    "thinking of somebody else is left out": (
        [Incoming("Hi"), Reply((Reasoning("hm"), Text("Ho"))), Incoming("Well?")],
        [user(text("Hi")), assistant(text("Ho")), user(text("Well?"))],
    ),
    "a tool call": (
        [Incoming("Hi"), called(call("t1")), came_of(Outcome(call("t1"), "seen"))],
        [user(text("Hi")), assistant(use("t1")), user(result("t1", "seen"))],
    ),
    "words beside a call": (
        [called(call("t1"), text="Wait."), came_of(Outcome(call("t1"), "seen"))],
        [GO_ON, assistant(text("Wait."), use("t1")), user(result("t1", "seen"))],
    ),
    "two calls, a failure, and mail after the results": (
        [
            Incoming("Hi"),
            called(call("t1"), call("t2")),
            came_of(Outcome(call("t1"), "one"), Outcome(call("t2"), "Error: two", is_error=True)),
            Incoming("mail"),
            Incoming("more mail"),
        ],
        [
            user(text("Hi")),
            assistant(use("t1"), use("t2")),
            user(
                result("t1", "one"),
                result("t2", "Error: two", is_error=True),
                text("mail"),
                text("more mail"),
            ),
        ],
    ),
    "a result without words": (
        [called(call("t1")), came_of(Outcome(call("t1"), " "))],
        [GO_ON, assistant(use("t1")), user(result("t1", "(no output)"))],
    ),
    "arguments without JSON": (
        [called(call("t1", "")), came_of(Outcome(call("t1"), "x"))],
        [GO_ON, assistant(use("t1", {})), user(result("t1", "x"))],
    ),
    "arguments that are no object": (
        [called(call("t1", '{"a": "b')), came_of(Outcome(call("t1"), "x"))],
        [GO_ON, assistant(use("t1", {"_invalid_json": '{"a": "b'})), user(result("t1", "x"))],
    ),
    "ids and names from another vendor": (
        [
            called(call("fc:1/ä", name="multi.tool use")),
            came_of(Outcome(call("fc:1/ä", name="multi.tool use"), "x")),
        ],
        [
            GO_ON,
            assistant(use(valid_id("fc:1/ä"), name="multi_tool_use")),
            user(result(valid_id("fc:1/ä"), "x")),
        ],
    ),
    "images by address and by content, under wrong names": (
        [
            Incoming(
                "See",
                (
                    Attachment("image/png", url="https://x/y.png"),
                    Attachment("image/jpg", data=f"data:image/png;base64,{PNG}\n"),
                    Attachment("image/png", data=GIF),
                ),
            )
        ],
        [
            user(
                text("See"),
                by_address("image", "https://x/y.png"),
                picture(PNG),
                picture(GIF, "image/gif"),
            )
        ],
    ),
    "pdf by address and by content": (
        [
            Incoming(
                "",
                (
                    Attachment("application/pdf", url="https://x/y.pdf", name="y.pdf"),
                    Attachment("application/pdf", data=PDF),
                ),
            )
        ],
        [
            user(
                document({"type": "url", "url": "https://x/y.pdf"}, "y.pdf"),
                document(PDF_SOURCE),
            )
        ],
    ),
    "text files": (
        [
            Incoming(
                "Read",
                (
                    Attachment("text/markdown; charset=utf-8", data=TXT, name="n.md"),
                    Attachment("text/plain", data=BLANK),
                ),
            )
        ],
        [user(text("Read"), document(TXT_SOURCE, "n.md"), text("Attached file:\n \n"))],
    ),
    "files from two tools in one batch": (
        [
            called(call("t1"), call("t2"), call("t3")),
            came_of(
                Outcome(call("t1"), "ok", (Attachment("image/png", data=PNG, name="p.png"),)),
                Outcome(
                    call("t2"),
                    "",
                    (
                        Attachment("video/mp4", data=TXT, name="v.mp4"),
                        Attachment("application/pdf", data=PDF),
                    ),
                ),
                Outcome(
                    call("t3"),
                    "Error: half",
                    (Attachment("image/png", data=PNG),),
                    is_error=True,
                ),
            ),
        ],
        [
            GO_ON,
            assistant(use("t1"), use("t2"), use("t3")),
            user(
                result("t1", [text("ok"), picture(PNG)]),
                result(
                    "t2",
                    [
                        text(
                            "(v.mp4 (video/mp4) cannot be shown to you: this API has no place for "
                            "video/mp4; png, jpeg, gif, webp, pdf and text files can)"
                        ),
                        document(PDF_SOURCE),
                    ],
                ),
                result("t3", [text("Error: half"), picture(PNG)]),
            ),
        ],
    ),
    "thinking with its signature, to where it came from": (
        [
            Incoming("Hi"),
            sealed(
                Reasoning("hm"),
                call("t1"),
                blocks=(thought("hm"), REDACTED, {"type": "tool_use", "id": "t1", "name": "look"}),
            ),
            came_of(Outcome(call("t1"), "seen")),
        ],
        [user(text("Hi")), assistant(thought("hm"), REDACTED, use("t1")), user(result("t1", "seen"))],
    ),
    "thinking to somebody else": (
        [
            Incoming("Hi"),
            sealed(Reasoning("hm"), Text("Ho"), blocks=(thought("hm"), text("Ho")), origin="google x"),
            Incoming("Well?"),
        ],
        [user(text("Hi")), assistant(text("Ho")), user(text("Well?"))],
    ),
    "a thinking block whose signature never came": (
        [
            Incoming("Hi"),
            sealed(Reasoning("hm"), Text("Ho"), blocks=(thought("hm", ""), text("Ho"))),
            Incoming("Well?"),
        ],
        [user(text("Hi")), assistant(text("Ho")), user(text("Well?"))],
    ),
    "thinking at the end of a reply, and blank words": (
        [
            Incoming("Hi"),
            sealed(Text("Ho"), blocks=(thought("a"), text("Ho"), text(""), thought("b"), REDACTED)),
            sealed(Reasoning("c"), blocks=(thought("c"),)),
            Incoming("Well?"),
        ],
        [user(text("Hi")), assistant(thought("a"), text("Ho")), user(text("Well?"))],
    ),
    "ids that were made distinct": (
        [
            Incoming("Hi"),
            sealed(
                ToolCall("call_1_0", "look", '{"what":"x"}'),
                blocks=(
                    thought("hm"),
                    {"type": "tool_use", "id": "toolu_A", "name": "look", "caller": {"type": "direct"}},
                ),
            ),
            came_of(Outcome(call("call_1_0"), "seen")),
        ],
        [
            user(text("Hi")),
            assistant(thought("hm"), use("call_1_0", caller={"type": "direct"})),
            user(result("call_1_0", "seen")),
        ],
    ),
    "blocks that do not match the calls are not trusted": (
        [
            Incoming("Hi"),
            sealed(call("t1"), blocks=(thought("hm"),)),
            came_of(Outcome(call("t1"), "seen")),
        ],
        [user(text("Hi")), assistant(use("t1")), user(result("t1", "seen"))],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_is_written_as_the_api_has_it(name: str) -> None:
    entries, expected = CONVERSATIONS[name]
    body = body_of(asked(*entries, system="S", tools=(LOOK,)))
    assert body == {
        "model": "claude-opus-4-8",
        "max_tokens": 128_000,
        "stream": True,
        "cache_control": {"type": "ephemeral"},
        "system": "S",
        "tools": [
            {
                "name": "look",
                "description": "Look at a thing.",
                "input_schema": dict(LOOK.parameters),
            }
        ],
        "messages": expected,
    }
    assert complaints(body) == []


def test_the_judge_of_requests_is_strict() -> None:
    good = body_of(asked(Incoming("Hi")))
    assert complaints(good) == []
    assert complaints(good | {"surprise": 1}) == ["body: unknown surprise"]
    for wrong in (
        {"role": "robot", "content": "x"},
        user({"type": "text", "text": "x", "surprise": 1}),
        user(
            {"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": ""}}
        ),
        assistant({"type": "thinking", "thinking": "unsigned"}),
        assistant({"type": "tool_use", "id": "1", "name": "x", "input": "{}"}),
        user({"type": "tool_result", "content": "x"}),
    ):
        assert complaints(good | {"messages": [wrong]})
    del good["max_tokens"]
    assert complaints(good) == ["body: no max_tokens"]


def test_what_nobody_here_knows_goes_back_as_it_came() -> None:
    blocks = (
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"new": [1, None]}]},
        {"type": "text", "text": "Ho", "citations": [{"type": "x", "n": 1.5}]},
        {"type": "hologram", "data": {"deep": ["a"]}},
    )
    body = body_of(asked(Incoming("Hi"), sealed(Text("Ho"), blocks=blocks), Incoming("?")))
    assert body["messages"][1] == assistant(*blocks)


def test_a_server_that_does_not_sign_gets_its_thinking_back() -> None:
    origin = "anthropic http://localhost:1/v1/messages  m"
    own = {"type": "thinking", "thinking": "hm"}
    reply = sealed(Text("Ho"), blocks=(own, text("Ho")), origin=origin)
    body = body_of(asked(Incoming("Hi"), reply, Incoming("?"), model="m"), ELSEWHERE)
    assert body["messages"][1] == assistant(own, text("Ho"))


def test_arguments_stay_as_they_were_written() -> None:
    written = '{ "what" :\n1.0, "big": 12345678901234567890123, "what":1e5 }'
    sent = AnthropicWire(HOME).encode(asked(called(call("t1", written)))).body
    assert f'"input":{written}}}'.encode() in sent


def test_an_interrupted_turn_goes_on_by_itself() -> None:
    reply = Reply((), Stop.PAUSED, native=kept(text("So far")))
    body = body_of(asked(Incoming("Hi"), reply))
    assert body["messages"] == [user(text("Hi")), assistant(text("So far"))]


def test_elsewhere_text_files_go_as_words_and_nothing_is_said_of_caches() -> None:
    body = body_of(
        asked(Incoming("", (Attachment("text/plain", data=TXT, name="n"),)), model="m"), ELSEWHERE
    )
    assert body["messages"] == [user(text("n:\nnaïve"))]
    assert "cache_control" not in body


@pytest.mark.parametrize(
    ("attachment", "why"),
    [
        (Attachment("audio/wav", data=TXT, name="a.wav"), r"a\.wav .* no place for audio/wav; png"),
        (Attachment("image/tiff", data="SUkqAA=="), "no place for image/tiff"),
        (Attachment("video/mp4", url="https://x/y.mp4"), "no place for video/mp4"),
        (Attachment("text/plain", url="https://x/y.txt"), "addresses of images and pdf"),
        (Attachment("image/png", data="%%%"), "not base64"),
    ],
)
def test_a_file_without_a_place_in_the_api_is_refused_by_name(
    attachment: Attachment, why: str
) -> None:
    wire, draft = AnthropicWire(HOME), Draft()
    request = asked(Incoming("Hi"), Incoming("See", (attachment,)), draft=draft)
    for _ in range(2):  # the draft does not take it for written
        with pytest.raises(ProviderError, match=why) as caught:
            wire.encode(request)
        assert not caught.value.retryable


def test_an_id_is_made_valid_and_no_two_become_one() -> None:
    ids = ["toolu_A", "", "a.b", "a:b", "x" * 64, "x" * 65, "x" * 66, "ä", "\ud800"]
    made = [valid_id(id_) for id_ in ids]
    assert len(set(made)) == len(ids)
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,64}", id_) for id_ in made)
    assert made == [valid_id(id_) for id_ in ids]
    assert (made[0], made[4]) == ("toolu_A", "x" * 64)


def test_tools_are_written_down_once() -> None:
    tools = (LOOK, ToolSpec("other", "d", {"type": "object", "properties": {}}))
    wire = AnthropicWire(HOME)
    first = wire._tools.written(tools)
    assert wire._tools.written(tools) is first
    assert wire._tools.written((*tools,)) == first


def test_a_reply_goes_back_as_it_was_streamed() -> None:
    reply = reply_to(
        thinks(0, "first ", "thought"),
        streams_words(1, "Wait", "."),
        thinks(2, "second", signature="SIG2"),
        wants(3, "toolu_A", '{"what": ', '"x"}'),
        wants(4, "toolu_B"),
        stopped("tool_use"),
    )
    outcomes = Outcomes(tuple(Outcome(c, "ok") for c in reply.tool_calls))
    body = body_of(asked(Incoming("Hi"), reply, outcomes))
    assert body["messages"][1] == assistant(
        thought("first thought"),
        text("Wait."),
        thought("second", "SIG2"),
        use("toolu_A"),
        use("toolu_B", {}),
    )
    assert turns.complaints(turns.of_claude(body)) == []
