"""What is sent: a table of conversations, and the settings of agents."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest

from agentouto._domain.content import Incoming, Native, Outcome, Reasoning, Reply, Text
from agentouto._domain.errors import ProviderError
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Provider
from agentouto._domain.ports import Draft, ToolSpec
from agentouto.providers._openai.chat_wire import OpenAIChatWire
from wire.judge import complaints
from wire.words import LOOK, asking, body_of, call, came_of, local, says, wants

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()
PDF = base64.b64encode(b"%PDF-1.7").decode()
WAV = base64.b64encode(b"RIFF\0\0\0\0WAVEfmt ").decode()
MP3 = base64.b64encode(b"ID3\x04rest").decode()
TXT = base64.b64encode("naïve".encode()).decode()

ORIGIN = "openai http://localhost:1/v1/chat/completions  m"


MADE_VALID = "functions_look_0_7cb569a10e2d"


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


def assistant(content: str | None, *calls: dict[str, object], **more: object) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": content, **more}
    return message | ({"tool_calls": list(calls)} if calls else {})


def called(id_: str, arguments: str = '{"what":"x"}', **more: object) -> dict[str, object]:
    function = {"name": "look", "arguments": arguments}
    return {"id": id_, "type": "function", "function": function, **more}


def result(id_: str, content: str) -> dict[str, object]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def picture(url: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url}}


def words(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


CONVERSATIONS: dict[str, tuple[list[Any], list[dict[str, object]]]] = {
    "a forward": ([Incoming("Hi")], [user("Hi")]),
    "a forward without words": ([Incoming("")], [user("")]),
    "letters of many kinds": (
        [Incoming('"\u2028\\ 👋 한국어\x00')],
        [user('"\u2028\\ 👋 한국어\x00')],
    ),
    "half a surrogate pair": ([Incoming("a\ud83db")], [user("a?b")]),
    "a reply": ([Incoming("Hi"), says("Ho")], [user("Hi"), assistant("Ho")]),
    "thinking is not sent": (
        [Incoming("Hi"), Reply((Reasoning("hm"), Text("Ho")))],
        [user("Hi"), assistant("Ho")],
    ),
    "an empty reply is left out": (
        [Incoming("Hi"), Reply(()), Incoming("Well?")],
        [user("Hi"), user("Well?")],
    ),
    "a tool call": (
        [Incoming("Hi"), wants(call("1")), came_of(Outcome(call("1"), "seen"))],
        [user("Hi"), assistant(None, called("1")), result("1", "seen")],
    ),
    "words beside a call": ([wants(call("1"), text="Wait.")], [assistant("Wait.", called("1"))]),
    "two calls, answered in order, and mail after them": (
        [
            wants(call("1"), call("2")),
            came_of(Outcome(call("1"), "one"), Outcome(call("2"), "Error: two", is_error=True)),
            Incoming("mail"),
        ],
        [
            assistant(None, called("1"), called("2")),
            result("1", "one"),
            result("2", "Error: two"),
            user("mail"),
        ],
    ),
    "a result without words": ([came_of(Outcome(call("1"), ""))], [result("1", "(no output)")]),
    "arguments without JSON": ([wants(call("1", ""))], [assistant(None, called("1", "{}"))]),
    "arguments that are no JSON": (
        [wants(call("1", '{"a": "b'))],
        [assistant(None, called("1", '{"_invalid_json":"{\\"a\\": \\"b"}'))],
    ),
    "arguments that are no object": (
        [wants(call("1", "[1]"))],
        [assistant(None, called("1", '{"_invalid_json":"[1]"}'))],
    ),
    "arguments with a number that is none": (
        [wants(call("1", '{"a": NaN}'))],
        [assistant(None, called("1", '{"a":null}'))],
    ),
    "arguments stay as they were written": (
        [wants(call("1", '{ "what" :\n"x" }'))],
        [assistant(None, called("1", '{ "what" :\n"x" }'))],
    ),
    "an image by address": (
        [Incoming("See", (Attachment("image/png", url="https://x/y.png"),))],
        [user([words("See"), picture("https://x/y.png")])],
    ),
    "an image under a wrong name": (
        [Incoming("", (Attachment("image/jpg", data=PNG),))],
        [user([picture(f"data:image/png;base64,{PNG}")])],
    ),
    "an image that brings its prefix and lacks its padding": (
        [
            Incoming(
                "", (Attachment("image/png", data=f"data:image/png;base64,{PNG.rstrip('=')}\n"),)
            )
        ],
        [user([picture(f"data:image/png;base64,{PNG}")])],
    ),
    "sound": (
        [Incoming("", (Attachment("audio/x-wav", data=WAV), Attachment("audio/mp3", data=MP3)))],
        [
            user(
                [
                    {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
                    {"type": "input_audio", "input_audio": {"data": MP3, "format": "mp3"}},
                ]
            )
        ],
    ),
    "a pdf": (
        [Incoming("Read", (Attachment("application/pdf", data=PDF, name="a.pdf"),))],
        [
            user(
                [
                    words("Read"),
                    {
                        "type": "file",
                        "file": {
                            "filename": "a.pdf",
                            "file_data": f"data:application/pdf;base64,{PDF}",
                        },
                    },
                ]
            )
        ],
    ),
    "a text file": (
        [Incoming("Read", (Attachment("text/markdown; charset=utf-8", data=TXT, name="n.md"),))],
        [user([words("Read"), words("n.md:\nnaïve")])],
    ),
    "files from two tools, after all results": (
        [
            came_of(
                Outcome(call("1"), "ok", (Attachment("image/png", data=PNG, name="p.png"),)),
                Outcome(
                    call("2"),
                    "",
                    (
                        Attachment("video/mp4", data=TXT, name="v.mp4"),
                        Attachment("image/png", data=PNG),
                    ),
                ),
                Outcome(call("3"), "read", (Attachment("text/plain", data=TXT, name="t"),)),
            )
        ],
        [
            result("1", "ok\n\n(p.png (image/png) follows as attachment 1)"),
            result(
                "2",
                "(v.mp4 (video/mp4) cannot be shown to you: this API has no place for video/mp4; "
                "png, jpeg, gif, webp, wav, mp3, pdf and text files can)\n\n"
                "(a file (image/png) follows as attachment 2)",
            ),
            result("3", "read\n\nt:\nnaïve"),
            user(
                [
                    words("Attachment 1, returned by the tool look (1):"),
                    picture(f"data:image/png;base64,{PNG}"),
                    words("Attachment 2, returned by the tool look (2):"),
                    picture(f"data:image/png;base64,{PNG}"),
                ]
            ),
        ],
    ),
    "what a reply came with, to where it came from": (
        [
            Reply(
                (Reasoning("hm"), Text("So."), call("1"), call("2")),
                native=Native(
                    ORIGIN,
                    {
                        "think": "<think>hm</think>\n",
                        "message": {"reasoning_content": "hm"},
                        "calls": [{"extra_content": {"google": {"sig": "s"}}}, {}],
                    },
                ),
            )
        ],
        [
            assistant(
                "<think>hm</think>\nSo.",
                called("1", extra_content={"google": {"sig": "s"}}),
                called("2"),
                reasoning_content="hm",
            )
        ],
    ),
    "what a reply came with, to somebody else": (
        [
            Reply(
                (Text("So."),),
                native=Native("openai elsewhere m", {"message": {"reasoning": "hm"}}),
            )
        ],
        [assistant("So.")],
    ),
    "odd ids of its own": (
        [
            Reply((call("functions.look:0"),), native=Native(ORIGIN, {})),
            came_of(Outcome(call("functions.look:0"), "seen")),
        ],
        [assistant(None, called("functions.look:0")), result("functions.look:0", "seen")],
    ),
    "ids of somebody else, as long as any server takes": (
        [Reply((call("x" * 40), call("y" * 41)))],
        [assistant(None, called("x" * 40), called(f"{'y' * 27}_8a7069563d93"))],
    ),
    "odd ids of somebody else": (
        [
            Reply((call("functions.look:0"),), native=Native("openai elsewhere m", {})),
            came_of(
                Outcome(call("functions.look:0"), "seen", (Attachment("image/png", data=PNG),))
            ),
        ],
        [
            assistant(None, called(MADE_VALID)),
            result(MADE_VALID, "seen\n\n(a file (image/png) follows as attachment 1)"),
            user(
                [
                    words(f"Attachment 1, returned by the tool look ({MADE_VALID}):"),
                    picture(f"data:image/png;base64,{PNG}"),
                ]
            ),
        ],
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_is_written_as_the_api_has_it(name: str) -> None:
    entries, expected = CONVERSATIONS[name]
    body = body_of(asking(*entries, system="S", tools=(LOOK,)))
    assert body == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "look",
                    "description": "Look at a thing.",
                    "parameters": dict(LOOK.parameters),
                },
            }
        ],
        "messages": [{"role": "system", "content": "S"}, *expected],
    }
    assert complaints(body) == []


def test_the_judge_of_requests_is_strict() -> None:
    good = body_of(asking(Incoming("Hi")))
    assert complaints(good) == []
    assert complaints(good | {"surprise": 1}) == ["body: unknown surprise"]
    assert complaints(good | {"messages": [{"role": "robot", "content": "x"}]})
    assert complaints(good | {"messages": [{"role": "tool", "content": "x"}]})
    assert complaints(good | {"messages": [{"role": "user", "content": [{"type": "image"}]}]})


def test_an_entry_that_cannot_be_sent_is_not_taken_for_written() -> None:
    wire, draft = OpenAIChatWire(local()), Draft()
    request = asking(
        Incoming("Hi"), Incoming("See", (Attachment("video/mp4", data=TXT),)), draft=draft
    )
    for _ in range(2):
        with pytest.raises(
            ProviderError, match=r"a file \(video/mp4\) cannot be sent: .*png, jpeg"
        ):
            wire.encode(request)


@pytest.mark.parametrize(
    ("attachment", "why"),
    [
        (Attachment("audio/wav", url="https://x/y.wav"), "addresses of images only"),
        (
            Attachment("application/pdf", url="https://x/y.pdf", name="y.pdf"),
            r"y\.pdf .* addresses of images",
        ),
        (Attachment("image/tiff", data="SUkqAA=="), "no place for image/tiff"),
        (Attachment("image/png", data="%%%"), "not base64"),
        (
            Attachment("audio/ogg", data=base64.b64encode(b"OggS").decode()),
            "no place for audio/ogg",
        ),
    ],
)
def test_a_file_without_a_place_in_the_api_is_refused_by_name(
    attachment: Attachment, why: str
) -> None:
    with pytest.raises(ProviderError, match=why) as caught:
        body_of(asking(Incoming("See", (attachment,))))
    assert not caught.value.retryable


# Settings -----------------------------------------------------------------------------------------

HOME = Provider("openai", api_key="k")


def settings_of(provider: Provider = HOME, **settings: Any) -> dict[str, object]:
    body = body_of(asking(Incoming("Hi"), **settings), provider)
    if "extra" not in settings:
        assert complaints(body) == []
    return {
        key: value
        for key, value in body.items()
        if key not in {"model", "stream", "messages", "stream_options"}
    }


def test_the_output_cap_has_the_name_its_server_knows() -> None:
    assert settings_of(max_output_tokens=9) == {"max_completion_tokens": 9}
    assert settings_of(local(), max_output_tokens=9) == {"max_tokens": 9}


def test_only_a_temperature_that_was_chosen_is_sent() -> None:
    assert settings_of(model="gpt-4o") == {}
    assert settings_of(model="gpt-4o", temperature=0.2) == {"temperature": 0.2}
    assert settings_of(local(), temperature=0.2, reasoning=True, reasoning_effort="low") == {
        "temperature": 0.2,
        "reasoning_effort": "low",
    }


def test_a_temperature_is_not_sent_while_a_model_reasons(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "agentouto"):
        for _ in range(2):
            assert settings_of(model="o3-test-a", temperature=0.2) == {}
    (told,) = caplog.records
    assert told.getMessage() == (
        "openai https://api.openai.com/v1/chat/completions o3-test-a: temperature is not sent: "
        "the model takes none while it reasons"
    )
    assert settings_of(model="gpt-5.6-sol", temperature=0.2) == {
        "temperature": 0.2,
        "reasoning_effort": "none",
    }


@pytest.mark.parametrize(
    ("model", "off", "low", "highest"),
    [
        ("gpt-6-astra", None, "low", "xhigh"),
        ("gpt-6.1-terra-2026-10-01", "none", "low", "xhigh"),
        ("openai/gpt-5.6-luna", "none", "low", "xhigh"),
        ("gpt-5.4-pro", None, "medium", "xhigh"),
        ("gpt-5.4", None, "low", "xhigh"),
        ("gpt-5.1", None, "low", "high"),
        ("gpt-5.2-chat-latest", None, "medium", "medium"),
        ("gpt-5-pro", None, "high", "high"),
        ("gpt-5-mini", None, "low", "high"),
        ("o4-mini", None, "low", "high"),
        ("gpt-4o", None, None, None),
        ("quite-unknown", None, "low", "xhigh"),
    ],
)
def test_the_effort_is_one_the_model_takes(
    model: str, off: str | None, low: str | None, highest: str | None
) -> None:
    def effort(**settings: Any) -> object:
        return settings_of(model=model, **settings).get("reasoning_effort")

    assert effort() == off
    assert effort(reasoning=True, reasoning_effort="low") == low
    assert effort(reasoning=True, reasoning_effort="max") == highest


def test_another_server_gets_the_effort_that_was_asked_for() -> None:
    assert settings_of(local(), model="gpt-5.6-sol") == {}
    body = body_of(asking(Incoming("Hi"), reasoning=True, reasoning_effort="max"))
    assert body["reasoning_effort"] == "max"


def test_a_budget_becomes_the_nearest_effort() -> None:
    assert settings_of(local(), reasoning=True, reasoning_budget=2_000) == {
        "reasoning_effort": "low"
    }
    assert settings_of(local(), reasoning=True, reasoning_budget=99_000) == {
        "reasoning_effort": "xhigh"
    }
    with_both = settings_of(
        local(), reasoning=True, reasoning_budget=99_000, reasoning_effort="high"
    )
    assert with_both == {"reasoning_effort": "high"}


def test_extra_has_the_last_word() -> None:
    extra = {
        "temperature": 0.1,
        "stream_options": {"include_obfuscation": False},
        "metadata": {"a": "b"},
        "extra_headers": {"X-Title": "t"},
    }
    wire = OpenAIChatWire(local())
    sent = wire.encode(asking(Incoming("Hi"), temperature=0.7, extra=extra))
    body = json.loads(sent.body)
    assert body["temperature"] == 0.1
    assert body["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert body["metadata"] == {"a": "b"}
    assert "extra_headers" not in body
    assert sent.headers == {"X-Title": "t"}
    assert sent.optional == frozenset()


def test_extra_may_replace_messages() -> None:
    body = body_of(asking(Incoming("Hi"), tools=(LOOK,), extra={"messages": [user("Ho")]}))
    assert body["messages"] == [user("Ho")]


@pytest.mark.parametrize("headers", [{"X\r\nY": "1"}, {"X": "a\nb"}, {"": "x"}])
def test_a_header_that_is_none_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ProviderError, match="is no header"):
        body_of(asking(extra={"extra_headers": headers}))


def test_an_extra_that_is_not_json_is_a_provider_error() -> None:
    with pytest.raises(ProviderError, match="is not JSON"):
        body_of(asking(extra={"x": object()}))


def test_tools_are_written_down_once() -> None:
    class Counting(dict[str, object]):
        looks = 0

        def items(self) -> Any:
            Counting.looks += 1
            return super().items()

    tools = (LOOK, ToolSpec("other", "d", {"type": "object", "properties": {}}))
    wire = OpenAIChatWire(local())
    first = wire._tools.written(tools)
    assert wire._tools.written(tools) is first
    assert wire._tools.written((LOOK, tools[1])) == first
