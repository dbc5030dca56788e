"""What is sent to Gemini: a table of conversations, and the settings of agents."""

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
    Reasoning,
    Reply,
    Text,
)
from agentouto._domain.errors import ConfigurationError, ProviderError
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Draft, ToolSpec
from agentouto.providers._format.entries import valid_id
from agentouto.providers._format.errors import parse_error
from agentouto.providers._google.encoder import takes_address
from agentouto.providers._google.wire import GeminiWire
from wire.gemini_judge import complaints
from wire.gemini_words import (
    BASE,
    MODEL,
    OLDER,
    ORIGIN,
    SKIP,
    STOP,
    asking,
    body_of,
    calling,
    chunk,
    local,
    reply_to,
)
from wire.words import LOOK, call, came_of, says, wants

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()
GIF = base64.b64encode(b"GIF89a rest").decode()
PDF = base64.b64encode(b"%PDF-1.7").decode()
WAV = base64.b64encode(b"RIFF\0\0\0\0WAVEfmt ").decode()
MP3 = base64.b64encode(b"ID3\x04rest").decode()
TXT = base64.b64encode("naïve".encode()).decode()
MP4 = base64.b64encode(b"\0\0\0\x18ftypmp42").decode()
HI = Incoming("Hi")


def user(*parts: Any) -> dict[str, object]:
    return {"role": "user", "parts": [{"text": p} if isinstance(p, str) else p for p in parts]}


def model(*parts: Any) -> dict[str, object]:
    return {"role": "model", "parts": [{"text": p} if isinstance(p, str) else p for p in parts]}


def called(id_: str = "", args: object = None, *, sign: str = "", name: str = "look") -> Any:
    made = {"name": name, "args": {"what": "x"} if args is None else args}
    made |= {"id": id_} if id_ else {}
    return {"functionCall": made, **({"thoughtSignature": sign} if sign else {})}


def result(id_: str, text: str, key: str = "output", *files: Any, name: str = "look") -> Any:
    made: dict[str, object] = {"name": name, "response": {key: text}}
    made |= {"id": id_} if id_ else {}
    return {"functionResponse": made | ({"parts": list(files)} if files else {})}


def inline(mime_type: str, data: str) -> dict[str, object]:
    return {"inlineData": {"mimeType": mime_type, "data": data}}


def native(*parts: Any, origin: str = ORIGIN) -> Native:
    return Native(origin, {"parts": list(parts)})


THOUGHT = {"text": "hm", "thought": True}
SIGNED = called("i1", sign="AQI=")
OWN = Reply(
    (Reasoning("hm"), Text("So."), call("i1"), call("i2")),
    native=native(THOUGHT, {"text": "So."}, SIGNED, called("i2")),
)

CONVERSATIONS: dict[str, tuple[list[Any], list[dict[str, object]]]] = {
    "a forward": ([HI], [user("Hi")]),
    "a forward without words": ([Incoming("")], [user("")]),
    "letters of many kinds": (
        [Incoming('"\u2028\\ 👋 한국어\x00')],
        [user('"\u2028\\ 👋 한국어\x00')],
    ),
    "half a surrogate pair": ([Incoming("a\ud83db")], [user("a?b")]),
    "a reply": ([HI, says("Ho"), HI], [user("Hi"), model("Ho"), user("Hi")]),
    "thinking of others is not sent": (
        [HI, Reply((Reasoning("hm"), Text("Ho")))],
        [user("Hi"), model("Ho")],
    ),
    "an empty reply is left out": (
        [HI, Reply(()), Incoming("Well?")],
        [user("Hi"), user("Well?")],
    ),
    "a reply of thoughts alone is left out": (
        [HI, Reply((Reasoning("hm"),), native=native(THOUGHT)), Incoming("Well?")],
        [user("Hi"), user("Well?")],
    ),
    "a history that begins with the agent": (
        [says("I said."), HI],
        [user(""), model("I said."), user("Hi")],
    ),
    "an agent that has spoken twice": (
        [HI, says("One."), says("Two."), HI],
        [user("Hi"), model("One."), user(""), model("Two."), user("Hi")],
    ),
    "a call made by another model": (
        [HI, wants(call("1")), came_of(Outcome(call("1"), "seen"))],
        [user("Hi"), model(called("1", sign=SKIP)), user(result("1", "seen"))],
    ),
    "only the first call of a reply is signed": (
        [
            HI,
            wants(call("1"), call("2"), text="Wait."),
            came_of(Outcome(call("1"), "one"), Outcome(call("2"), "boom", is_error=True)),
            Incoming("mail"),
        ],
        [
            user("Hi"),
            model("Wait.", called("1", sign=SKIP), called("2")),
            user(result("1", "one"), result("2", "boom", "error")),
            user("mail"),
        ],
    ),
    "ids of other vendors are made valid, and stay distinct": (
        [
            HI,
            wants(call("fc|1:a"), call("fc|1.a"), call("x" * 90)),
            came_of(
                Outcome(call("fc|1:a"), "one"),
                Outcome(call("fc|1.a"), "two"),
                Outcome(call("x" * 90), "three"),
            ),
        ],
        [
            user("Hi"),
            model(
                called(valid_id("fc|1:a"), sign=SKIP),
                called(valid_id("fc|1.a")),
                called(valid_id("x" * 90)),
            ),
            user(
                result(valid_id("fc|1:a"), "one"),
                result(valid_id("fc|1.a"), "two"),
                result(valid_id("x" * 90), "three"),
            ),
        ],
    ),
    "a tool that no function can be called": (
        [
            HI,
            wants(call("1", name="1 look!")),
            came_of(Outcome(call("1", name="1 look!"), "Error: no such tool", is_error=True)),
        ],
        [
            user("Hi"),
            model(called("1", sign=SKIP, name="_1_look_")),
            user(result("1", "Error: no such tool", "error", name="_1_look_")),
        ],
    ),
    "a result without words": (
        [HI, wants(call("1")), came_of(Outcome(call("1"), ""))],
        [user("Hi"), model(called("1", sign=SKIP)), user(result("1", "(no output)"))],
    ),
    "a result that looks like a reference stays text": (
        [HI, wants(call("1")), came_of(Outcome(call("1"), '{"$ref": "x"}'))],
        [user("Hi"), model(called("1", sign=SKIP)), user(result("1", '{"$ref": "x"}'))],
    ),
    "arguments of all kinds": (
        [
            HI,
            wants(call("1", ""), call("2", '{"a": "b'), call("3", "[1]"), call("4", '{"n": 3.0}')),
            came_of(*(Outcome(call(str(i)), "ok") for i in (1, 2, 3, 4))),
        ],
        [
            user("Hi"),
            model(
                called("1", {}, sign=SKIP),
                called("2", {"_invalid_json": '{"a": "b'}),
                called("3", {"_invalid_json": "[1]"}),
                called("4", {"n": 3.0}),
            ),
            user(*(result(str(i), "ok") for i in (1, 2, 3, 4))),
        ],
    ),
    "its own reply goes back as it came": (
        [HI, OWN, came_of(Outcome(call("i1"), "one"), Outcome(call("i2"), "two"))],
        [
            user("Hi"),
            model(THOUGHT, "So.", SIGNED, called("i2")),
            user(result("i1", "one"), result("i2", "two")),
        ],
    ),
    "parts that nobody knows go back as they came": (
        [
            HI,
            Reply(
                (Text("a"),),
                native=native(
                    {"text": "a", "thoughtSignature": "UQ=="},
                    {"executableCode": {"language": "PYTHON", "code": "1"}},
                    {"text": "", "thoughtSignature": "Ug=="},
                ),
            ),
        ],
        [
            user("Hi"),
            model(
                {"text": "a", "thoughtSignature": "UQ=="},
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"text": "", "thoughtSignature": "Ug=="},
            ),
        ],
    ),
    "ids that have been made distinct are the ones sent": (
        [
            HI,
            Reply(
                (call("i1"), call("call_0_1")),
                native=native(SIGNED, called("i1")),
            ),
            came_of(Outcome(call("i1"), "one"), Outcome(call("call_0_1"), "two")),
        ],
        [
            user("Hi"),
            model(SIGNED, called("call_0_1")),
            user(result("i1", "one"), result("call_0_1", "two")),
        ],
    ),
    "only ids that the server gave go back to it": (
        [
            HI,
            Reply(
                (call("call_0_0"), call("i2")), native=native(called("", sign="AQI="), called("i2"))
            ),
            came_of(Outcome(call("call_0_0"), "one"), Outcome(call("i2"), "two")),
        ],
        [
            user("Hi"),
            model(called("", sign="AQI="), called("i2")),
            user(result("", "one"), result("i2", "two")),
        ],
    ),
    "what came from another model is sent as words and calls": (
        [
            HI,
            Reply(OWN.parts, native=native(SIGNED, origin=ORIGIN.replace("3.8", "3.7"))),
            came_of(Outcome(call("i1"), "one"), Outcome(call("i2"), "two")),
        ],
        [
            user("Hi"),
            model("So.", called("i1", sign=SKIP), called("i2")),
            user(result("i1", "one"), result("i2", "two")),
        ],
    ),
    "files in a forward": (
        [
            Incoming(
                "See",
                (
                    Attachment("image/jpg", data=PNG),
                    Attachment("application/pdf", data=PDF),
                    Attachment("audio/x-wav", data=WAV),
                    Attachment("audio/mpeg", data=MP3),
                    Attachment("video/quicktime", data=MP4),
                    Attachment("text/markdown", data=TXT, name="n.md"),
                ),
            )
        ],
        [
            user(
                "See",
                inline("image/png", PNG),
                inline("application/pdf", PDF),
                inline("audio/wav", WAV),
                inline("audio/mp3", MP3),
                inline("video/mov", MP4),
                "n.md:\nnaïve",
            )
        ],
    ),
    "files without words": (
        [Incoming("", (Attachment("image/png", data=f"data:image/png;base64,{PNG}"),))],
        [user(inline("image/png", PNG))],
    ),
    "files by address": (
        [
            Incoming(
                "See",
                (
                    Attachment("video/mp4", url="https://www.youtube.com/watch?v=x"),
                    Attachment(
                        "application/pdf",
                        url="https://generativelanguage.googleapis.com/v1beta/files/x",
                    ),
                ),
            )
        ],
        [
            user(
                "See",
                {
                    "fileData": {
                        "mimeType": "video/mp4",
                        "fileUri": "https://www.youtube.com/watch?v=x",
                    }
                },
                {
                    "fileData": {
                        "mimeType": "application/pdf",
                        "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x",
                    }
                },
            )
        ],
    ),
    "files from two tools": (
        [
            HI,
            wants(call("1"), call("2"), call("3")),
            came_of(
                Outcome(call("1"), "ok", (Attachment("image/png", data=PNG, name="p.png"),)),
                Outcome(
                    call("2"),
                    "",
                    (
                        Attachment("image/gif", data=GIF, name="g.gif"),
                        Attachment("audio/wav", data=WAV),
                    ),
                ),
                Outcome(call("3"), "", (Attachment("application/pdf", data=PDF),)),
            ),
            Incoming("mail"),
        ],
        [
            user("Hi"),
            model(called("1", sign=SKIP), called("2"), called("3")),
            user(
                result("1", "ok", "output", inline("image/png", PNG)),
                result(
                    "2",
                    "(g.gif (image/gif) cannot be shown to you: this API has no place for "
                    "image/gif; png, jpeg, webp, heic, pdf and text files, sound and video can)"
                    "\n\n(a file (audio/wav) follows as attachment 1)",
                ),
                result("3", "(a file)", "output", inline("application/pdf", PDF)),
            ),
            user("Attachment 1, returned by the tool look:", inline("audio/wav", WAV)),
            user("mail"),
        ],
    ),
    "a text file from a tool": (
        [
            HI,
            wants(call("1")),
            came_of(Outcome(call("1"), "read", (Attachment("text/plain", data=TXT, name="t"),))),
        ],
        [user("Hi"), model(called("1", sign=SKIP)), user(result("1", "read\n\nt:\nnaïve"))],
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_is_written_as_the_api_has_it(name: str) -> None:
    entries, expected = CONVERSATIONS[name]
    body = body_of(asking(*entries, system="S", tools=(LOOK,)))
    assert body == {
        "systemInstruction": {"parts": [{"text": "S"}]},
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "look",
                        "description": "Look at a thing.",
                        "parametersJsonSchema": dict(LOOK.parameters),
                    }
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}},
        "generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}},
        "contents": expected,
    }
    assert complaints(body) == []


OLDER_CONVERSATIONS: dict[str, tuple[list[Any], list[dict[str, object]]]] = {
    "calls need no signature": (
        [HI, wants(call("1")), came_of(Outcome(call("1"), "seen"))],
        [user("Hi"), model(called("1")), user(result("1", "seen"))],
    ),
    "files from tools follow the results": (
        [
            HI,
            wants(call("1"), call("2")),
            came_of(
                Outcome(call("1"), "ok", (Attachment("image/png", data=PNG, name="p.png"),)),
                Outcome(call("2"), "", (Attachment("image/png", data=PNG),)),
            ),
        ],
        [
            user("Hi"),
            model(called("1"), called("2")),
            user(
                result("1", "ok\n\n(p.png (image/png) follows as attachment 1)"),
                result("2", "(a file (image/png) follows as attachment 2)"),
            ),
            user(
                "Attachment 1, returned by the tool look:",
                inline("image/png", PNG),
                "Attachment 2, returned by the tool look:",
                inline("image/png", PNG),
            ),
        ],
    ),
}


@pytest.mark.parametrize("name", OLDER_CONVERSATIONS)
def test_older_models_are_written_to_in_their_way(name: str) -> None:
    entries, expected = OLDER_CONVERSATIONS[name]
    body = body_of(asking(*entries, model=OLDER))
    assert body["contents"] == expected
    assert complaints(body, recent=False) == []


def test_the_judge_of_requests_is_strict() -> None:
    good = body_of(asking(*CONVERSATIONS["its own reply goes back as it came"][0], tools=(LOOK,)))
    assert complaints(good) == []
    contents = good["contents"]
    assert complaints(good | {"surprise": 1}) == ["unknown surprise"]
    assert complaints(good | {"generation_config": {}}) == [
        "unknown generation_config",
        "generation_config is not in camel case",
    ]
    assert complaints(good | {"generationConfig": {"surprise": 1}})
    assert complaints(good | {"generationConfig": {"maxOutputTokens": "9"}})
    assert complaints(good | {"generationConfig": {"thinkingConfig": {"thinkingLevel": "VERY"}}})
    assert complaints(good | {"toolConfig": {"functionCallingConfig": {"mode": "SOMETIMES"}}})
    assert complaints(good | {"contents": [{"role": "robot", "parts": [{"text": "x"}]}]})
    assert complaints(good | {"contents": [{"role": "user", "parts": [{"words": "x"}]}]})
    assert complaints(good | {"contents": contents[1:]})
    assert complaints(good | {"contents": contents[:2]})
    assert complaints(good | {"contents": [contents[0], contents[2]]})
    assert complaints(
        good
        | {
            "contents": [
                *contents[:2],
                {"role": "user", "parts": [*contents[2]["parts"], {"text": "x"}]},
            ]
        }
    )
    assert complaints(
        good | {"contents": [contents[0], model(called("i1")), user(result("i1", "x"))]}
    )
    assert complaints(
        good | {"contents": [contents[0], model(called("i1", sign="A?")), user(result("i1", "x"))]}
    )
    assert complaints(
        good
        | {"contents": [contents[0], model(called("i1", "{}", sign=SKIP)), user(result("i1", "x"))]}
    )


def test_a_reply_that_was_heard_goes_back_as_it_was_heard() -> None:
    reply = reply_to(
        chunk({"text": "hm", "thought": True}),
        chunk({"text": "m", "thought": True}),
        chunk({"text": "So"}),
        chunk({"text": "."}),
        chunk(calling("look", {"what": "x"}, id="i1", thoughtSignature="AQI=", odd={"a": [1]})),
        chunk(calling("look", {"what": "y"}, id="i1")),
        chunk({"text": "", "thoughtSignature": "Ug=="}, finish="STOP"),
    )
    reply = assign_ids(reply, 0, {"i0"})
    results = came_of(*(Outcome(made, "ok") for made in reply.tool_calls))
    body = body_of(asking(HI, reply, results))
    assert body["contents"][1]["parts"] == [
        {"text": "hmm", "thought": True},
        {"text": "So."},
        {
            "functionCall": {"name": "look", "args": {"what": "x"}, "id": "i1"},
            "thoughtSignature": "AQI=",
            "odd": {"a": [1]},
        },
        {"functionCall": {"name": "look", "args": {"what": "y"}, "id": "call_0_1"}},
        {"text": "", "thoughtSignature": "Ug=="},
    ]
    assert [part["functionResponse"]["id"] for part in body["contents"][2]["parts"]] == [
        "i1",
        "call_0_1",
    ]


def test_a_reply_of_words_alone_needs_nothing_beside_its_words() -> None:
    assert reply_to(chunk({"text": "So"}), chunk({"text": "."}), STOP).native is None


def test_an_entry_that_cannot_be_sent_is_not_taken_for_written() -> None:
    wire = GeminiWire(local())
    request = asking(HI, Incoming("See", (Attachment("image/gif", data=GIF, name="g.gif"),)))
    for _ in range(2):
        with pytest.raises(
            ProviderError, match=r"g\.gif \(image/gif\) cannot be sent: .*png, jpeg"
        ):
            wire.encode(request)


@pytest.mark.parametrize(
    ("attachment", "why"),
    [
        (Attachment("image/png", url="https://x/y.png"), "from YouTube and files it keeps itself"),
        (Attachment("image/tiff", data="SUkqAA=="), "no place for image/tiff"),
        (Attachment("application/zip", data="UEsDBA=="), "no place for application/zip"),
        (Attachment("image/png", data="%%%"), "not base64"),
    ],
)
def test_a_file_without_a_place_in_the_api_is_refused_by_name(
    attachment: Attachment, why: str
) -> None:
    with pytest.raises(ProviderError, match=why) as caught:
        body_of(asking(Incoming("See", (attachment,))))
    assert not caught.value.retryable


def test_the_api_fetches_few_addresses_itself() -> None:
    for url in (
        "gs://bucket/x.png",
        "https://generativelanguage.googleapis.com/v1beta/files/abc",
        "https://youtu.be/x",
        "https://youtube.com/watch?v=x",
    ):
        assert takes_address(url)
    for url in ("https://x/y.png", "https://youtube.com.evil.example/x", "https://x/files/y"):
        assert not takes_address(url)


# Tools --------------------------------------------------------------------------------------------


def declaration(parameters: dict[str, Any]) -> dict[str, Any]:
    body = body_of(asking(HI, tools=(ToolSpec("t", "d", parameters),)))
    assert complaints(body) == []
    return body["tools"][0]["functionDeclarations"][0]


@pytest.mark.parametrize(
    "parameters", [{}, {"type": "object"}, {"type": "object", "properties": {}, "title": "T"}]
)
def test_a_tool_without_parameters_has_none(parameters: dict[str, Any]) -> None:
    assert declaration(parameters) == {"name": "t", "description": "d"}


def test_a_tool_that_takes_anything_says_so() -> None:
    anything = {"type": "object", "properties": {}, "additionalProperties": True}
    assert declaration(anything)["parametersJsonSchema"] == anything


def test_a_schema_is_written_in_words_gemini_reads() -> None:
    given_ = {
        "$schema": "x",
        "title": "T",
        "type": "object",
        "$defs": {"P": {"title": "P", "type": "object", "properties": {"n": {"type": "integer"}}}},
        "properties": {
            "title": {"type": "string", "title": "Title", "format": "date", "default": "x"},
            "kind": {"const": "a", "description": "Which."},
            "n": {"type": "integer", "exclusiveMinimum": 0, "description": "How many"},
            "p": {"$ref": "#/$defs/P", "description": "A point."},
            "plain": {"$ref": "#/$defs/P"},
            "many": {"type": "array", "items": {"anyOf": [{"const": 1}, {"type": "null"}]}},
            "free": {"type": "object", "additionalProperties": {"type": "string", "title": "V"}},
        },
        "required": ["title"],
        "additionalProperties": False,
    }
    assert declaration(given_)["parametersJsonSchema"] == {
        "type": "object",
        "$defs": {"P": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "properties": {
            "title": {"type": "string", "description": "format: date", "default": "x"},
            "kind": {"enum": ["a"], "description": "Which."},
            "n": {"type": "integer", "description": "How many; more than 0"},
            "p": {"anyOf": [{"$ref": "#/$defs/P"}], "description": "A point."},
            "plain": {"$ref": "#/$defs/P"},
            "many": {"type": "array", "items": {"anyOf": [{"enum": [1]}, {"type": "null"}]}},
            "free": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["title"],
        "additionalProperties": False,
    }


def test_tools_are_written_down_once() -> None:
    wire, tools = GeminiWire(local()), (LOOK,)
    first = wire._tools.written(tools)
    assert wire._tools.written(tools) is first


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (MODEL, "VALIDATED"),
        (OLDER, "VALIDATED"),
        ("gemini-2.5-pro", "VALIDATED"),
        ("gemini-2.0-flash", None),
        ("gemma-3-27b-it", None),
        ("tunedModels/mine", None),
    ],
)
def test_models_that_can_are_held_to_the_schemas(name: str, mode: str | None) -> None:
    body = body_of(asking(HI, tools=(LOOK,), model=name))
    assert body.get("toolConfig") == (mode and {"functionCallingConfig": {"mode": mode}})
    assert "toolConfig" not in body_of(asking(HI, model=name))


# Settings -----------------------------------------------------------------------------------------


def settings_of(**settings_: Any) -> Any:
    body = body_of(asking(HI, **{"model": "gemma-3"} | settings_))
    assert complaints(body) == []
    return body.get("generationConfig", {})


def thinking(name: str, **settings_: Any) -> Any:
    return settings_of(model=name, **settings_).get("thinkingConfig")


def test_nothing_is_sent_that_nobody_asked_for() -> None:
    assert body_of(asking(HI, model="gemma-3")) == {"contents": [user("Hi")]}
    assert settings_of(max_output_tokens=9, temperature=0.2) == {
        "maxOutputTokens": 9,
        "temperature": 0.2,
    }


@pytest.mark.parametrize(
    ("name", "off", "minimal", "medium", "highest"),
    [
        ("gemini-3-pro-preview", "LOW", "LOW", "LOW", "HIGH"),
        ("gemini-3.1-pro-preview", "LOW", "LOW", "MEDIUM", "HIGH"),
        ("gemini-3.7-flash", "LOW", "LOW", "MEDIUM", "HIGH"),
        ("models/gemini-3.8-flash", "LOW", "LOW", "MEDIUM", "HIGH"),
        ("gemini-4-argon", "LOW", "LOW", "MEDIUM", "HIGH"),
        ("gemini-4-carbon-001", "LOW", "LOW", "MEDIUM", "HIGH"),
        ("gemini-flash-latest", "LOW", "LOW", "MEDIUM", "HIGH"),
        ("gemini-3-flash-preview", "MINIMAL", "MINIMAL", "MEDIUM", "HIGH"),
        ("gemini-3.5-flash-lite", "MINIMAL", "MINIMAL", "MEDIUM", "HIGH"),
        ("gemini-2.5-flash", 0, 1024, 8192, 24576),
        ("gemini-2.5-flash-lite", 0, 1024, 8192, 24576),
        ("gemini-2.5-pro", 128, 1024, 8192, 32768),
        ("gemini-2.0-flash", None, None, None, None),
        ("gemini-2.5-flash-image", None, None, None, None),
        ("gemini-3-pro-image-preview", None, None, None, None),
        ("gemma-3-27b-it", None, None, None, None),
        ("tunedModels/mine", None, "MINIMAL", "MEDIUM", "HIGH"),
    ],
)
def test_each_family_is_told_how_to_think_in_its_way(
    name: str, off: Any, minimal: Any, medium: Any, highest: Any
) -> None:
    def told(effort: str | None) -> Any:
        asked = {"reasoning": True, "reasoning_effort": effort} if effort else {}
        config = thinking(name, **asked)
        if config is None:
            return None
        assert config.pop("includeThoughts", False) is bool(effort)
        ((key, value),) = config.items()
        assert key == ("thinkingLevel" if isinstance(value, str) else "thinkingBudget")
        return value

    assert (told(None), told("minimal"), told("medium"), told("max")) == (
        off,
        minimal,
        medium,
        highest,
    )


def test_an_effort_of_none_is_as_little_as_there_is() -> None:
    assert thinking(MODEL, reasoning=True, reasoning_effort="none") == {"thinkingLevel": "LOW"}
    assert thinking(OLDER, reasoning=True, reasoning_effort="none") == {"thinkingBudget": 0}


def test_a_budget_is_kept_where_there_are_budgets() -> None:
    def budget(name: str, tokens: int) -> Any:
        return thinking(name, reasoning=True, reasoning_budget=tokens)["thinkingBudget"]

    assert budget(OLDER, 2_000) == 2_000
    assert budget(OLDER, 99_000) == 24_576
    assert budget("gemini-2.5-pro", 5) == 128


def test_a_budget_becomes_an_effort_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "agentouto"):
        for _ in range(2):
            config = thinking("gemini-3.7-flash", reasoning=True, reasoning_budget=40_000)
            assert config == {"includeThoughts": True, "thinkingLevel": "HIGH"}
    assert len(caplog.records) == 1
    assert "reasoning_budget is not sent" in caplog.text


def test_a_model_that_does_not_think_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "agentouto"):
        for _ in range(2):
            assert thinking("gemini-2.0-quiet", reasoning=True) is None
    assert len(caplog.records) == 1
    assert "reasoning is not sent" in caplog.text


def test_extra_has_the_last_word() -> None:
    extra = {
        "generation_config": {"topK": 3, "thinking_config": {"thinking_budget": 5}},
        "safetySettings": [],
        "extra_headers": {"X-Title": "t"},
    }
    request = asking(HI, temperature=0.7, reasoning=True, extra=extra, tools=(LOOK,))
    sent = GeminiWire(local()).encode(request)
    body = json.loads(sent.body)
    assert body["generationConfig"] == {
        "temperature": 0.7,
        "topK": 3,
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 5},
    }
    assert complaints(body) == []
    assert sent.headers == {"X-Title": "t"}
    assert sent.optional == {
        "generationConfig.temperature",
        "generationConfig.thinkingConfig.includeThoughts",
        "toolConfig.functionCallingConfig.mode",
    }


def test_extra_may_replace_what_is_said() -> None:
    extra = {
        "contents": [user("Ho")],
        "systemInstruction": {"parts": [{"text": "T"}]},
    }
    body = body_of(asking(HI, system="S", tools=(LOOK,), extra=extra))
    assert body["contents"] == [user("Ho")]
    assert body["systemInstruction"] == {"parts": [{"text": "T"}]}


def test_what_is_cached_at_the_server_is_not_sent_again() -> None:
    extra = {"cachedContent": "cachedContents/x"}
    body = body_of(asking(HI, system="S", tools=(LOOK,), extra=extra))
    assert body.keys() == {"cachedContent", "contents", "generationConfig"}


def test_somebody_speaks_even_if_nothing_was_said() -> None:
    assert body_of(asking())["contents"] == [user("")]


def test_an_extra_that_is_not_json_is_a_provider_error() -> None:
    with pytest.raises(ProviderError, match="is not JSON"):
        body_of(asking(HI, extra={"x": object()}))


# Addresses and keys -------------------------------------------------------------------------------

PATH = "/models/gemini-3.8-flash:streamGenerateContent?"


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (None, f"https://generativelanguage.googleapis.com/v1beta{PATH}alt=sse"),
        ("http://h:1", f"http://h:1/v1beta{PATH}alt=sse"),
        ("http://h:1/", f"http://h:1/v1beta{PATH}alt=sse"),
        ("http://h:1/v1beta", f"http://h:1/v1beta{PATH}alt=sse"),
        ("http://h:1/v1beta/", f"http://h:1/v1beta{PATH}alt=sse"),
        ("http://h:1/v1", f"http://h:1/v1{PATH}alt=sse"),
        ("http://h:1/v1beta/models", f"http://h:1/v1beta{PATH}alt=sse"),
        ("http://h:1/v1beta/models/other:generateContent", f"http://h:1/v1beta{PATH}alt=sse"),
        ("http://h:1/gemini", f"http://h:1/gemini/v1beta{PATH}alt=sse"),
        ("http://h:1/gemini/v1", f"http://h:1/gemini/v1{PATH}alt=sse"),
        ("http://h:1?tenant=a", f"http://h:1/v1beta{PATH}tenant=a&alt=sse"),
        ("http://h:1/v1beta?alt=sse", f"http://h:1/v1beta{PATH}alt=sse"),
        (
            "https://h/v1/projects/p/locations/l/publishers/google",
            f"https://h/v1/projects/p/locations/l/publishers/google{PATH}alt=sse",
        ),
    ],
)
def test_a_request_goes_where_the_model_is(base_url: str | None, url: str) -> None:
    wire = GeminiWire(local(base_url=base_url))
    assert wire.encode(asking(HI)).url == url
    assert wire.url.partition("?")[0].endswith("/models")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("models/gemini-3.8-flash", "models/gemini-3.8-flash"),
        ("tunedModels/mine", "tunedModels/mine"),
        ("gemini-2.5-pro@001", "models/gemini-2.5-pro@001"),
        ("a b?c#d", "models/a%20b%3Fc%23d"),
    ],
)
def test_a_model_may_say_where_it_lies(name: str, path: str) -> None:
    url = GeminiWire(local()).encode(asking(HI, model=name)).url
    assert url == f"{BASE}/v1beta/{path}:streamGenerateContent?alt=sse"


@pytest.mark.parametrize("base_url", ["", "localhost:1", "ftp://h", "http://u:p@h"])
def test_what_is_no_address_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url="):
        GeminiWire(local(base_url=base_url))


class Auth:
    async def get_token(self) -> str:
        return "unused"


def test_a_key_and_a_token_have_headers_of_their_own() -> None:
    by_key, by_auth = GeminiWire(Provider("google")), GeminiWire(Provider("google", auth=Auth()))
    assert by_key.credentials("") == {}
    assert by_key.credentials("AIzaX") == {"x-goog-api-key": "AIzaX"}
    assert by_auth.credentials("AIzaX") == {"x-goog-api-key": "AIzaX"}
    assert by_auth.credentials("eyJ") == {"Authorization": "Bearer eyJ"}
    assert by_key.credentials("ya29.x") == {"Authorization": "Bearer ya29.x"}


# Learning -----------------------------------------------------------------------------------------


def taught(message: str, name: str, *entries: Entry, **settings_: Any) -> tuple[Any, Any]:
    """Return what is sent before and after a server has complained."""
    wire, draft = GeminiWire(local()), Draft()
    request = asking(*entries or (HI,), model=name, tools=(LOOK,), draft=draft, **settings_)
    sent = wire.encode(request)
    details = parse_error(json.dumps({"error": {"code": 400, "message": message}}).encode(), 400)
    wire.adapt(request, sent, details)
    return json.loads(sent.body), json.loads(wire.encode(request).body)


@pytest.mark.parametrize(
    ("message", "gone"),
    [
        ("Thinking level is not supported for this model.", "thinkingLevel"),
        (
            "Unknown name \"thinkingLevel\" at 'generation_config.thinking_config': Cannot find field.",
            "thinkingLevel",
        ),
        ("include_thoughts is only enabled when thinking is enabled.", "includeThoughts"),
        ("Thinking is not enabled for this model", "thinkingConfig"),
        ("Unknown name \"temperature\" at 'generation_config': Cannot find field.", "temperature"),
        ("Function calling config mode VALIDATED is not supported", "toolConfig"),
    ],
)
def test_what_a_server_refuses_is_not_sent_again(message: str, gone: str) -> None:
    before, after = taught(
        message, f"gemini-3.7-flash-{abs(hash(message))}", reasoning=True, temperature=0.5
    )
    assert f'"{gone}"' in json.dumps(before)
    assert f'"{gone}"' not in json.dumps(after)
    assert len(json.dumps(before)) - len(json.dumps(after)) < 120


@pytest.mark.parametrize(
    "message",
    [
        "The temperature must be between 0 and 2",
        "API key not valid. API_KEY_INVALID",
        "The input token count (9) exceeds the maximum number of tokens allowed (8).",
        "nope",
    ],
)
def test_what_a_server_says_of_a_value_is_left_to_the_user(message: str) -> None:
    before, after = taught(message, f"gemini-3.7-{abs(hash(message))}", temperature=3.0)
    assert before == after


def test_what_the_user_put_into_extra_stays() -> None:
    extra = {"generationConfig": {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}}
    message = "Thinking level MINIMAL is not supported"
    before, after = taught(message, "gemini-3.7-flash-extra", reasoning=True, extra=extra)
    assert before == after


SEALED = [HI, OWN, came_of(Outcome(call("i1"), "one"), Outcome(call("i2"), "two"))]


def own(name: str) -> list[Entry]:
    """The same conversation, as ``name`` has had it."""
    reply = Reply(
        OWN.parts, native=native(THOUGHT, SIGNED, called("i2"), origin=ORIGIN.replace(MODEL, name))
    )
    return [SEALED[0], reply, SEALED[2]]


def test_signatures_that_a_server_does_not_know_are_left_out_of_this_conversation_only() -> None:
    name = "gemini-3.7-flash-unsealed"
    before, after = taught("Thought signature is not valid", name, *own(name))
    assert before["contents"][1]["parts"][1] == SIGNED
    assert after["contents"][1]["parts"] == [{"text": "So."}, called("i1", sign=SKIP), called("i2")]
    assert complaints(after) == []
    other = body_of(asking(*own(name), model=name))
    assert other["contents"][1]["parts"][1] == SIGNED


def test_a_server_that_misses_signatures_gets_marks() -> None:
    message = "Function call is missing a thought_signature in functionCall parts."
    entries = [HI, wants(call("1")), came_of(Outcome(call("1"), "seen"))]
    before, after = taught(message, "tunedModels/misses", *entries)
    assert before["contents"][1] == model(called("1"))
    assert after["contents"][1] == model(called("1", sign=SKIP))


def test_a_server_without_ids_gets_none() -> None:
    message = "Invalid JSON payload received. Unknown name \"id\" at 'contents[1].parts[0].function_call': Cannot find field."
    entries = [HI, wants(call("1")), came_of(Outcome(call("1"), "seen"))]
    _, after = taught(message, "gemini-3.7-flash-no-ids", *entries)
    assert after["contents"][1:] == [model(called("", sign=SKIP)), user(result("", "seen"))]
