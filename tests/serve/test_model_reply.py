"""How a reply in the place of a model begins and ends, whatever is sent around it."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import pytest

from agentouto import Team
from agentouto.serve._asgi import EventStream
from agentouto.serve._chat_reply import ChatReply
from agentouto.serve._chat_request import read_chat_request
from agentouto.serve._model_reply import ModelReply
from agentouto.serve._reply_fold import ReplyFold
from agentouto.serve._responses_reply import ResponsesReply
from agentouto.serve._responses_request import read_responses_request
from agentouto.serve._talks import Talks
from agentouto.testing import finish
from serve.serving import asks_user, team

APIS = ("chat", "responses")


def reply_of(api: str, served: Team, talks: Talks) -> ModelReply:
    talk = talks.begin(served, "Paint.")
    body: dict[str, object] = {"model": "lead", "stream": True}
    fold = ReplyFold(several=False)
    if api == "chat":
        messages = [{"role": "user", "content": "Paint."}]
        asked = read_chat_request(body | {"messages": messages}, {"lead": "lead"}, ())
        return ChatReply(asked, talk, fold, lambda: None)
    asked = read_responses_request(body | {"input": "Paint."}, {"lead": "lead"}, ())
    return ResponsesReply(asked, talk, fold, lambda: None)


class Sent:
    """What a front has sent, in the place of a server's connection."""

    def __init__(self) -> None:
        self.body = b""

    async def __call__(self, event: Any) -> None:
        self.body += event.get("body", b"")

    def events(self) -> list[dict[str, Any]]:
        lines = self.body.decode().splitlines()
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data: {")]
        return [json.loads(each) for each in data]


def beginning(api: str, events: list[dict[str, Any]]) -> list[object]:
    if api == "chat":
        return [events[0]["choices"][0]["delta"]]
    return [event["type"] for event in events[:2]]


BEGINNINGS: dict[str, list[object]] = {
    "chat": [{"role": "assistant", "content": ""}],
    "responses": ["response.created", "response.in_progress"],
}


@pytest.mark.parametrize("silent", [False, True], ids=["at once", "after a heartbeat"])
@pytest.mark.parametrize("api", APIS)
async def test_a_stream_begins_with_its_first_events(api: str, silent: bool) -> None:
    sent = Sent()
    talks = Talks()
    stream = EventStream(sent)
    if silent:
        await stream.write(b": still at work\n\n")
    await reply_of(api, team({"lead": finish("Painted.")}), talks).stream(stream)
    await talks.aclose()
    assert beginning(api, sent.events()) == BEGINNINGS[api]
    assert sum("response.created" in str(event.get("type")) for event in sent.events()) <= 1
    assert "Painted." in sent.body.decode()


@pytest.mark.parametrize("api", APIS)
async def test_what_is_left_while_its_question_is_sent_does_not_wait(api: str) -> None:
    talks = Talks()
    reply = reply_of(api, team({"lead": asks_user}), talks)
    async with aclosing(reply.pieces()) as pieces:
        async for _, text in pieces:
            if "Which colour?" in text:
                break
    assert not reply.waits
    await talks.end(reply.talk)
    await talks.aclose()
