"""What is sent to a Responses API: a table of conversations, and the settings of agents."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest

from agentouto._core.ids import assign_ids
from agentouto._domain.content import (
    Entry,
    Incoming,
    Native,
    Outcome,
    Outcomes,
    Place,
    Reasoning,
    Reply,
    Stop,
    Text,
    ToolCall,
)
from agentouto._domain.errors import ProviderError
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Draft, ToolSpec
from agentouto.providers._format.errors import ErrorDetails
from agentouto.providers._openai.responses_wire import OpenAIResponsesWire
from wire.responses_words import (
    HOME,
    ORIGIN,
    body_of,
    function_call,
    input_of,
    local,
    message,
    objections,
    reasoning,
    reply_of,
    reply_to,
    said,
)
from wire.words import LOOK, asking, call, came_of, says, wants

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()
GIF = base64.b64encode(b"GIF89arest").decode()
PDF = base64.b64encode(b"%PDF-1.7").decode()
WAV = base64.b64encode(b"RIFF\0\0\0\0WAVEfmt ").decode()
TXT = base64.b64encode("naïve".encode()).decode()
DOC = base64.b64encode(b"PK\x03\x04rest").decode()
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


def assistant(text: str, **more: object) -> dict[str, object]:
    return {"role": "assistant", "content": text, **more}


def called(id_: str, arguments: str = '{"what":"x"}') -> dict[str, object]:
    return {"type": "function_call", "call_id": id_, "name": "look", "arguments": arguments}


def result(id_: str, output: object) -> dict[str, object]:
    return {"type": "function_call_output", "call_id": id_, "output": output}


def words(text: str) -> dict[str, object]:
    return {"type": "input_text", "text": text}


def picture(url: str) -> dict[str, object]:
    return {"type": "input_image", "image_url": url, "detail": "auto"}


def sealed(*items: dict[str, Any], origin: str = ORIGIN) -> Reply:
    """A reply that came as these items."""
    calls = [item for item in items if item["type"] == "function_call"]
    text = "".join(
        part.get("text", "")
        for item in items
        if item["type"] == "message"
        for part in item["content"]
    )
    parts = [ToolCall(each["call_id"], each["name"], each["arguments"]) for each in calls]
    return Reply(((Text(text),) if text else ()) + tuple(parts), native=Native(origin, list(items)))


def with_id(reply: Reply, id_: str) -> Reply:
    """The reply after its only call was given another id."""
    (known,) = reply.tool_calls
    renamed = ToolCall(id_, known.name, known.arguments, Place())
    parts = tuple(renamed if isinstance(part, ToolCall) else part for part in reply.parts)
    return Reply(parts, native=reply.native)


LONG = "functions.look:0/" + "x" * 80
COMMENTED = message("Wait.", phase="commentary")
SEARCH = {
    "id": "ws_1",
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "q"},
}

CONVERSATIONS: dict[str, tuple[list[Any], list[Any]]] = {
    "a forward": ([Incoming("Hi")], [user("Hi")]),
    "a forward without words": ([Incoming("")], [user("")]),
    "nothing at all": ([], [user("")]),
    "letters of many kinds": (
        [Incoming('"\u2028\\ 👋 한국어\x00')],
        [user('"\u2028\\ 👋 한국어\x00')],
    ),
    "half a surrogate pair": ([Incoming("a\ud83db")], [user("a?b")]),
    "a foreign reply": ([Incoming("Hi"), says("Ho")], [user("Hi"), assistant("Ho")]),
    "thinking of others is not sent": (
        [Incoming("Hi"), Reply((Reasoning("hm"), Text("Ho")))],
        [user("Hi"), assistant("Ho")],
    ),
    "an empty reply is left out": (
        [Incoming("Hi"), Reply(()), Incoming("Well?")],
        [user("Hi"), user("Well?")],
    ),
    "a tool call": (
        [Incoming("Hi"), wants(call("1")), came_of(Outcome(call("1"), "seen"))],
        [user("Hi"), called("1"), result("1", "seen")],
    ),
    "words come before calls": (
        [Reply((call("1"), Text("Wait."), call("2")))],
        [assistant("Wait."), called("1"), called("2")],
    ),
    "two calls, answered in order, and mail after them": (
        [
            wants(call("1"), call("2")),
            came_of(Outcome(call("1"), "one"), Outcome(call("2"), "Error: two", is_error=True)),
            Incoming("mail"),
        ],
        [called("1"), called("2"), result("1", "one"), result("2", "Error: two"), user("mail")],
    ),
    "an empty result": (
        [wants(call("1")), came_of(Outcome(call("1"), ""))],
        [called("1"), result("1", "(no output)")],
    ),
    "ids no API takes": (
        [
            wants(call(LONG), call("functions.look:0")),
            came_of(Outcome(call(LONG), "one"), Outcome(call("functions.look:0"), "two")),
        ],
        [
            called("functions_look_0_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_0d16769869ae"),
            called("functions_look_0_7cb569a10e2d"),
            result("functions_look_0_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_0d16769869ae", "one"),
            result("functions_look_0_7cb569a10e2d", "two"),
        ],
    ),
    "arguments no server could read": (
        [wants(call("1", ""), call("2", '{"a": "b'), call("3", "[1]"), call("4", '{"a": NaN}'))],
        [
            called("1", "{}"),
            called("2", '{"_invalid_json":"{\\"a\\": \\"b"}'),
            called("3", '{"_invalid_json":"[1]"}'),
            called("4", '{"a":null}'),
        ],
    ),
    "an image by address": (
        [Incoming("See", (Attachment("image/png", url="https://x/y.png"),))],
        [user([words("See"), picture("https://x/y.png")])],
    ),
    "images under wrong names": (
        [Incoming("", (Attachment("image/jpg", data=PNG), Attachment("image/webp", data=GIF)))],
        [user([picture(f"data:image/png;base64,{PNG}"), picture(f"data:image/gif;base64,{GIF}")])],
    ),
    "a pdf, here and elsewhere": (
        [
            Incoming(
                "Read",
                (
                    Attachment("application/pdf", data=PDF, name="a.pdf"),
                    Attachment("application/pdf", data=PDF),
                    Attachment("application/pdf", url="https://x/y.pdf"),
                ),
            )
        ],
        [
            user(
                [
                    words("Read"),
                    {
                        "type": "input_file",
                        "filename": "a.pdf",
                        "file_data": f"data:application/pdf;base64,{PDF}",
                    },
                    {
                        "type": "input_file",
                        "filename": "file.pdf",
                        "file_data": f"data:application/pdf;base64,{PDF}",
                    },
                    {"type": "input_file", "file_url": "https://x/y.pdf"},
                ]
            )
        ],
    ),
    "an office document": (
        [Incoming("Read", (Attachment(DOCX, data=DOC, name="a.docx"),))],
        [
            user(
                [
                    words("Read"),
                    {
                        "type": "input_file",
                        "filename": "a.docx",
                        "file_data": f"data:{DOCX};base64,{DOC}",
                    },
                ]
            )
        ],
    ),
    "text files": (
        [
            Incoming(
                "Read",
                (
                    Attachment("text/markdown; charset=utf-8", data=TXT, name="n.md"),
                    Attachment("text/csv", url="https://x/y.csv"),
                ),
            )
        ],
        [
            user(
                [
                    words("Read"),
                    words("n.md:\nnaïve"),
                    {"type": "input_file", "file_url": "https://x/y.csv"},
                ]
            )
        ],
    ),
    "files from two tools, each in its result": (
        [
            wants(call("1"), call("2")),
            came_of(
                Outcome(call("1"), "ok", (Attachment("image/png", data=PNG, name="p.png"),)),
                Outcome(
                    call("2"),
                    "",
                    (
                        Attachment("video/mp4", data=TXT, name="v.mp4"),
                        Attachment("application/pdf", url="https://x/y.pdf"),
                        Attachment("text/plain", data=TXT, name="t"),
                        Attachment("image/png", data="%%%"),
                    ),
                ),
            ),
        ],
        [
            called("1"),
            called("2"),
            result("1", [words("ok"), picture(f"data:image/png;base64,{PNG}")]),
            result(
                "2",
                [
                    words(
                        "(v.mp4 (video/mp4) cannot be shown to you: this API has no place for "
                        "video/mp4; png, jpeg, gif, webp, pdf, office and text files can)"
                    ),
                    {"type": "input_file", "file_url": "https://x/y.pdf"},
                    words("t:\nnaïve"),
                    words(
                        "(a file (image/png) cannot be shown to you: its data is not base64 "
                        "(Only base64 data is allowed))"
                    ),
                ],
            ),
        ],
    ),
    "its own items, as they were": (
        [
            Incoming("Hi"),
            sealed(reasoning("rs_1", "hm"), COMMENTED, function_call("1"), function_call("2")),
            came_of(Outcome(call("1"), "one"), Outcome(call("2"), "two")),
        ],
        [
            user("Hi"),
            reasoning("rs_1", "hm"),
            COMMENTED,
            function_call("1"),
            function_call("2"),
            result("1", "one"),
            result("2", "two"),
        ],
    ),
    "thinking between calls, and a search": (
        [sealed(reasoning("rs_1"), SEARCH, reasoning("rs_2"), function_call("1"), message("So."))],
        [reasoning("rs_1"), SEARCH, reasoning("rs_2"), function_call("1"), message("So.")],
    ),
    "a call whose id we changed": (
        [
            with_id(sealed(reasoning(), function_call("1")), "call_0_0"),
            came_of(Outcome(call("call_0_0"), "one")),
        ],
        [reasoning(), function_call("1") | {"call_id": "call_0_0"}, result("call_0_0", "one")],
    ),
    "a call of its own that no server could read": (
        [sealed(function_call("1", '{"a": "b'))],
        [function_call("1", '{"_invalid_json":"{\\"a\\": \\"b"}')],
    ),
    "items of somebody else": (
        [sealed(reasoning(), COMMENTED, function_call("1"), origin="anthropic elsewhere m")],
        [assistant("Wait."), called("1")],
    ),
    "items of another model": (
        [sealed(reasoning(), COMMENTED, function_call("1"), origin=ORIGIN + "2")],
        [assistant("Wait."), called("1")],
    ),
    "items that do not fit their reply": (
        [
            Reply(
                (Text("Wait."), call("1")),
                native=Native(ORIGIN, [reasoning(), function_call("1"), function_call("2")]),
            )
        ],
        [assistant("Wait."), called("1")],
    ),
    "rubbish where items should be": (
        [Reply((Text("Wait."),), native=Native(ORIGIN, {"think": "x"}))],
        [assistant("Wait.")],
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_is_written_as_the_api_has_it(name: str) -> None:
    entries, expected = CONVERSATIONS[name]
    body = body_of(asking(*entries, system="S", tools=(LOOK,)))
    assert body == {
        "model": "m",
        "stream": True,
        "store": False,
        "tools": [
            {
                "type": "function",
                "name": "look",
                "description": "Look at a thing.",
                "parameters": dict(LOOK.parameters),
                "strict": False,
            }
        ],
        "instructions": "S",
        "input": expected,
    }
    assert objections(body) == []


def test_the_judge_of_requests_is_strict() -> None:
    good = body_of(asking(Incoming("Hi"), reasoning=True))
    assert objections(good) == []
    assert objections(good | {"surprise": 1}) == ["body: unknown surprise"]
    assert objections(good | {"messages": []}) == ["body: unknown messages"]
    assert objections(good | {"input": [{"role": "tool", "content": "x"}]})
    assert objections(good | {"input": [{"role": "robot", "content": "x"}]})
    assert objections(good | {"input": [{"role": "user", "content": [{"type": "image"}]}]})
    assert objections(good | {"input": [{"role": "user", "content": "x", "reasoning": "x"}]})
    assert objections(good | {"input": [{"type": "function_call_output", "call_id": "1"}]})
    assert objections(good | {"tools": [{"type": "function", "name": "f", "parameters": {}}]})


def test_items_go_back_in_the_very_order_of_their_keys() -> None:
    odd = {
        "z": 1,
        "type": "function_call",
        "arguments": "{}",
        "a": None,
        "name": "f",
        "call_id": "1",
    }
    wire = OpenAIResponsesWire(local())
    assert (
        json.dumps([odd], separators=(",", ":")).encode() in wire.encode(asking(sealed(odd))).body
    )


def test_native_items_are_withheld_from_the_model_that_refused_them_and_from_no_other() -> None:
    wire, draft = OpenAIResponsesWire(local()), Draft()
    broken = ErrorDetails("it could not be verified", code="invalid_encrypted_content", status=400)

    def asked(model: str) -> str:
        origin = ORIGIN.removesuffix("m") + model
        thought = Reply((Text("So."),), native=Native(origin, [reasoning()]))
        request = asking(Incoming("Hi"), thought, model=model, draft=draft)
        sent = wire.encode(request)
        if not draft.native_refused_by:
            wire.adapt(request, sent, broken)
        return sent.body.decode()

    assert "E-rs_1" in asked("m preview")
    assert "E-rs_1" not in asked("m preview")
    assert "E-rs_1" in asked("m")
    assert "E-rs_1" not in asked("m preview")


def test_an_entry_is_written_once() -> None:
    wire, draft = OpenAIResponsesWire(local()), Draft()
    entries: list[Entry] = [Incoming("Hi"), says("Ho"), Incoming("Hm")]
    wire.encode(asking(*entries[:2], draft=draft))
    written, first = draft.written, bytes(draft.written)
    wire.encode(asking(*entries, draft=draft))
    assert draft.written is written
    assert written.startswith(first)
    assert len(written) > len(first)


def test_an_entry_that_cannot_be_sent_is_not_taken_for_written() -> None:
    wire, draft = OpenAIResponsesWire(local()), Draft()
    video = Incoming("See", (Attachment("video/mp4", data=TXT),))
    for _ in range(2):
        with pytest.raises(ProviderError, match=r"a file \(video/mp4\) cannot be sent: .*png"):
            wire.encode(asking(Incoming("Hi"), video, draft=draft))


@pytest.mark.parametrize(
    ("attachment", "why"),
    [
        (Attachment("audio/wav", data=WAV), "no place for audio/wav; png, jpeg"),
        (Attachment("audio/wav", url="https://x/y.wav"), "no place for audio/wav"),
        (Attachment("video/mp4", url="https://x/y.mp4", name="y.mp4"), r"y\.mp4 .* no place"),
        (Attachment("image/tiff", data="SUkqAA=="), "no place for image/tiff"),
        (Attachment("application/zip", data=DOC), "no place for application/zip"),
        (Attachment("", url="https://x/y"), "no place for such files"),
        (Attachment("image/png", data="%%%"), "not base64"),
    ],
)
def test_a_file_without_a_place_in_the_api_is_refused_by_name(
    attachment: Attachment, why: str
) -> None:
    with pytest.raises(ProviderError, match=why) as caught:
        body_of(asking(Incoming("See", (attachment,))))
    assert not caught.value.retryable


# Seals --------------------------------------------------------------------------------------------

ITEMS: tuple[dict[str, object], ...] = (
    reasoning("rs_1", "hm"),
    message("Wait.", phase="commentary"),
    reasoning("rs_2"),
    function_call("a", '{ "n": 1 }', later={"unknown": [None, 1.5]}),
    function_call("b"),
    {"type": "something_new", "id": "n_1", "content": "?"},
)


def test_what_a_reply_came_in_goes_back_as_it_came() -> None:
    reply = reply_to(*ITEMS)
    assert input_of(asking(Incoming("Hi"), reply))[1:] == list(ITEMS)
    assert json.loads(json.dumps(input_of(asking(reply)))) == list(ITEMS)


def test_elsewhere_a_reply_goes_as_words_and_calls() -> None:
    reply = reply_to(*ITEMS)
    plain = [assistant("Wait."), called("a", '{ "n": 1 }'), called("b")]
    assert input_of(asking(reply, model="another")) == plain
    assert input_of(asking(reply), local(base_url="http://localhost:2")) == plain
    assert body_of(asking(reply), HOME)["input"] == plain


def test_ids_that_a_model_repeats_are_told_apart_in_its_items_too() -> None:
    taken: set[str] = set()
    first, second = (
        assign_ids(reply_to(reasoning(), function_call("a")), turn, taken) for turn in (0, 1)
    )
    results = [Outcomes((Outcome(reply.tool_calls[0], "ok"),)) for reply in (first, second)]
    items = input_of(asking(first, results[0], second, results[1]))
    assert [item["call_id"] for item in items if "call_id" in item] == [
        "a",
        "a",
        "call_1_0",
        "call_1_0",
    ]


def test_a_reply_that_came_cut_off_is_sent_back_with_the_broken_call_and_no_thinking() -> None:
    events = said(
        message("Let me see."),
        reasoning(),
        function_call("a", '{"wh', status="incomplete"),
        how="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
    )
    reply = reply_of(events)
    assert reply.stop is Stop.OUT_OF_TOKENS
    broken = called("a", arguments='{"_invalid_json":"{\\"wh"}')  # its outcome names the call
    assert input_of(asking(reply)) == [assistant("Let me see."), broken]


def test_at_home_thinking_without_its_content_does_not_go_back() -> None:
    items = (
        reasoning(encrypted_content=None),
        message("Wait.", phase="commentary"),
        function_call("a"),
    )
    origin = "openai_responses https://api.openai.com/v1/responses  gpt-5"
    request = asking(sealed(*items, origin=origin), model="gpt-5")
    assert input_of(request, HOME) == [assistant("Wait.", phase="commentary"), called("a")]
    kept = asking(sealed(*items, origin=origin), model="gpt-5", extra={"store": True})
    assert input_of(kept, HOME) == list(items)
    assert input_of(asking(sealed(*items))) == list(items)


# Settings -----------------------------------------------------------------------------------------

INCLUDE = {"include": ["reasoning.encrypted_content"]}


def settings_of(provider: Provider = HOME, **settings_: Any) -> dict[str, Any]:
    body = body_of(asking(Incoming("Hi"), **settings_), provider)
    if "extra" not in settings_:
        assert objections(body) == []
    assert body["store"] is False
    return {
        key: value
        for key, value in body.items()
        if key not in {"model", "stream", "input", "store"}
    }


def test_the_output_cap_is_never_below_what_the_api_takes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert settings_of(model="gpt-4o", max_output_tokens=900) == {"max_output_tokens": 900}
    with caplog.at_level(logging.WARNING, "agentouto"):
        for _ in range(2):
            assert settings_of(local(), max_output_tokens=9) == {"max_output_tokens": 16}
    assert [record.getMessage() for record in caplog.records] == [
        (
            "openai_responses http://localhost:1/v1/responses m: "
            "max_output_tokens=9 is not sent: this API takes no fewer than 16, "
            "which is sent instead"
        )
    ]


def test_only_a_temperature_that_was_chosen_is_sent() -> None:
    assert settings_of(model="gpt-4o") == {}
    assert settings_of(model="gpt-4o", temperature=0.2) == {"temperature": 0.2}
    assert settings_of(local(), temperature=0.2) == {"temperature": 0.2}


def test_a_temperature_is_not_sent_while_a_model_reasons(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "agentouto"):
        for _ in range(2):
            assert "temperature" not in settings_of(model="o3-test-b", temperature=0.2)
    assert [record.getMessage() for record in caplog.records] == [
        (
            "openai_responses https://api.openai.com/v1/responses o3-test-b: temperature is not sent: "
            "the model takes none while it reasons"
        )
    ]
    assert settings_of(model="gpt-5.6-sol", temperature=0.2) == {
        "temperature": 0.2,
        "reasoning": {"effort": "none"},
        **INCLUDE,
    }
    off = settings_of(model="gpt-5.6-sol", temperature=0.2, reasoning=True, reasoning_effort="none")
    assert off == {"temperature": 0.2, "reasoning": {"effort": "none"}, **INCLUDE}


@pytest.mark.parametrize(
    ("model", "off", "low", "highest"),
    [
        ("gpt-6-astra", "low", "low", "max"),
        ("gpt-6.1-sol", "low", "low", "max"),
        ("gpt-6.1-terra-2026-10-01", "none", "low", "max"),
        ("openai/gpt-5.6-luna", "none", "low", "max"),
        ("gpt-5.5-pro", "medium", "medium", "xhigh"),
        ("gpt-5.5", "none", "low", "xhigh"),
        ("gpt-5.4", "none", "low", "xhigh"),
        ("gpt-5.1", "none", "low", "high"),
        ("gpt-5.2-chat-latest", "medium", "medium", "medium"),
        ("gpt-5-pro", "high", "high", "high"),
        ("gpt-5-mini", "minimal", "low", "high"),
        ("o4-mini", "low", "low", "high"),
    ],
)
def test_the_effort_is_one_the_model_takes(model: str, off: str, low: str, highest: str) -> None:
    assert settings_of(model=model) == {"reasoning": {"effort": off}, **INCLUDE}
    for asked, effort in (("low", low), ("max", highest)):
        assert settings_of(model=model, reasoning=True, reasoning_effort=asked) == {
            "reasoning": {"effort": effort, "summary": "auto"},
            **INCLUDE,
        }


def test_a_model_that_does_not_reason_is_not_told_to() -> None:
    assert settings_of(model="gpt-4o", reasoning=True) == {}


def test_an_unknown_model_is_asked_as_the_user_wants_it() -> None:
    asked = {"reasoning": {"effort": "max", "summary": "auto"}, **INCLUDE}
    assert settings_of(model="quite-unknown") == INCLUDE
    assert settings_of(model="quite-unknown", reasoning=True, reasoning_effort="max") == asked
    assert settings_of(local()) == {}
    assert settings_of(local(), reasoning=True, reasoning_effort="max") == asked
    assert settings_of(local(), model="gpt-5.6-sol") == INCLUDE


def test_a_budget_becomes_the_nearest_effort() -> None:
    body = settings_of(local(), reasoning=True, reasoning_budget=2_000)
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    both = settings_of(local(), reasoning=True, reasoning_budget=99_000, reasoning_effort="high")
    assert both["reasoning"]["effort"] == "high"


def test_extra_has_the_last_word() -> None:
    extra = {
        "temperature": 0.1,
        "store": True,
        "reasoning": {"summary": "detailed", "context": "all_turns"},
        "text": {"verbosity": "low"},
        "extra_headers": {"X-Title": "t"},
    }
    wire = OpenAIResponsesWire(local())
    sent = wire.encode(asking(Incoming("Hi"), temperature=0.7, reasoning=True, extra=extra))
    body = json.loads(sent.body)
    assert objections(body) == []
    assert (body["temperature"], body["store"], body["text"]) == (0.1, True, {"verbosity": "low"})
    assert body["reasoning"] == {"effort": "medium", "summary": "detailed", "context": "all_turns"}
    assert "extra_headers" not in body
    assert sent.headers == {"X-Title": "t"}
    assert sent.optional == {"reasoning.effort", "include", "tools.strict"}


def test_extra_may_replace_instructions_and_input() -> None:
    extra = {"instructions": "T", "input": "Ho"}
    wire = OpenAIResponsesWire(local())
    sent = wire.encode(asking(Incoming("Hi"), system="S", tools=(LOOK,), extra=extra))
    body = json.loads(sent.body)
    assert {key: body[key] for key in extra} == extra
    assert sent.optional == {"store", "tools.strict"}


@pytest.mark.parametrize("headers", [{"X\r\nY": "1"}, {"X": "a\nb"}])
def test_a_header_that_is_none_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ProviderError, match="is no header"):
        body_of(asking(extra={"extra_headers": headers}))


def test_an_extra_that_is_not_json_is_a_provider_error() -> None:
    with pytest.raises(ProviderError, match="is not JSON"):
        body_of(asking(extra={"x": object()}))


def test_tools_are_written_down_once() -> None:
    tools = (LOOK, ToolSpec("other", "d", {"type": "object", "properties": {}}))
    wire = OpenAIResponsesWire(local())
    first = wire._tools.written(tools)
    assert wire._tools.written(tools) is first
    assert wire._tools.written((*tools,)) == first
    assert b"strict" not in wire._unmarked_tools.written(tools)


def test_tools_are_not_marked_where_the_mark_is_refused() -> None:
    wire, request = OpenAIResponsesWire(local()), asking(Incoming("Hi"), tools=(LOOK,))
    sent = wire.encode(request)
    assert b'"strict":false' in sent.body
    refusal = "Unknown parameter: 'tools[0].strict'."
    wire.adapt(request, sent, ErrorDetails(refusal, param="tools[0].strict", status=400))
    assert b"strict" not in wire.encode(request).body


def test_addresses_may_be_given_in_any_length() -> None:
    for base_url, url in (
        (None, "https://api.openai.com/v1/responses"),
        ("http://localhost:11434", "http://localhost:11434/v1/responses"),
        ("https://x.ai/v1/responses", "https://x.ai/v1/responses"),
        (
            "https://a.openai.azure.com/openai/v1?api-version=preview",
            "https://a.openai.azure.com/openai/v1/responses?api-version=preview",
        ),
    ):
        assert OpenAIResponsesWire(local(base_url=base_url)).url == url
