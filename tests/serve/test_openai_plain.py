"""The OpenAI front, asked by the openai package: models, plain replies, history, questions."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import openai
import pytest

from agentouto import Attachment
from agentouto.serve import openai_app
from agentouto.testing import Request, Script, call, finish, say, think, tool
from serve.serving import ask, asks_user, client, team, text_of

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()


def said(request: Request) -> list[str]:
    """Return the agent's own earlier replies."""
    return [entry.text for entry in request.entries if hasattr(entry, "parts")]


def newest_files(request: Request) -> tuple[Attachment, ...]:
    return request.entries[-1].attachments  # type: ignore[union-attr]


async def test_the_models_are_the_team_and_each_participant() -> None:
    async with client(team({"lead": [], "writer": []})) as asking:
        assert [model.id async for model in await asking.models.list()] == [
            "team",
            "lead",
            "writer",
        ]
        assert (await asking.models.retrieve("writer")).owned_by == "agentouto"
        with pytest.raises(openai.NotFoundError, match="There are: team, lead, writer"):
            await asking.models.retrieve("editor")
    async with client(team({"lead": [], "writer": []}), only=["writer"], name="crew") as asking:
        assert [model.id async for model in await asking.models.list()] == ["writer"]


async def test_a_request_runs_the_team_and_its_return_is_the_reply() -> None:
    script = Script({"lead": [say("Hello back.")]}, usage=(7, 3))
    async with client(team(script, "lead")) as asking:
        reply = await ask(asking, "Hello.")
    assert text_of(reply) == "Hello back."
    assert reply.model == "team"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.id.startswith("chatcmpl-")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (7, 3)
    assert script.heard_by("lead") == ["Hello."]


async def test_a_participant_is_asked_by_its_name() -> None:
    lines = {"lead": [say("I am lead.")], "writer": [say("I am the writer.")]}
    async with client(team(lines)) as asking:
        assert text_of(await ask(asking, "Who?", model="writer")) == "I am the writer."


async def test_the_work_of_peers_is_reasoning_and_what_finish_returns_is_content() -> None:
    def look(city: str) -> str:
        """Look."""
        return f"secret of {city}"

    lines = {
        "lead": [
            [think("Hm."), say("I ask the writer."), call("writer", "Write.")],
            finish("The end."),
        ],
        "writer": [tool("look", city="Seoul"), say("Once upon a time.")],
    }
    async with client(team(lines, tools=[look])) as asking:
        message = (await ask(asking, "A story.")).choices[0].message
    assert message.content == "I ask the writer.\n\nThe end."
    assert message.reasoning_content == (
        "Hm.\nlead → writer: Write.\nwriter uses look(city='Seoul')\n"
        "writer → lead: Once upon a time.\n"
    )


async def test_what_was_said_and_is_returned_again_comes_once() -> None:
    lines = {"lead": [[say("The end."), finish("The end.")]]}
    async with client(team(lines)) as asking:
        assert text_of(await ask(asking, "A story.")) == "The end."


async def test_several_starting_agents_give_a_block_each() -> None:
    lines = {"one": [say("First.")], "two": [say("Second.")]}
    async with client(team(lines, starting=2)) as asking:
        blocks = text_of(await ask(asking, "Go.")).split("\n\n")
    assert sorted(blocks) == ["**one:** First.", "**two:** Second."]


async def test_earlier_messages_are_history_and_system_messages_are_instructions() -> None:
    seen: list[Request] = []

    def reply(request: Request) -> Any:
        seen.append(request)
        return say("Yes.")

    async with client(team({"lead": reply}, extra_instructions="Be brief.")) as asking:
        await ask(
            asking,
            {"role": "system", "content": "Speak Korean."},
            {"role": "developer", "content": [{"type": "text", "text": "No jokes."}]},
            {"role": "user", "content": "Do you know Seoul?"},
            {"role": "assistant", "content": "I do."},
            {"role": "user", "content": "Sure?"},
        )
    [request] = seen
    assert request.heard == ["Do you know Seoul?", "Sure?"]
    assert said(request) == ["I do."]
    assert "Be brief.\n\nSpeak Korean.\n\nNo jokes." in request.system


async def test_images_audio_and_files_reach_the_agent() -> None:
    seen: list[Any] = []

    def reply(request: Request) -> Any:
        seen.extend(newest_files(request))
        return say("Seen.")

    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
        {
            "type": "file",
            "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"},
        },
    ]
    async with client(team({"lead": reply})) as asking:
        await ask(asking, {"role": "user", "content": parts})
    assert [(file.mime_type, file.name) for file in seen] == [
        ("image/png", None),
        ("image/*", None),
        ("audio/wav", None),
        ("application/pdf", "a.pdf"),
    ]
    assert seen[0].data == PIXEL
    assert seen[1].url == "https://example.org/cat.png"


async def test_a_question_ends_the_reply_and_the_next_message_answers_it() -> None:
    script = Script({"lead": asks_user}, usage=(5, 2))
    async with client(team(script, "lead")) as asking:
        first = await ask(asking, "Paint.")
        question = text_of(first)
        assert question.startswith("Which colour?\n\n[//]: # (question ")
        assert first.choices[0].finish_reason == "stop"
        second = await ask(asking, "Paint.", question, "Red")
    assert text_of(second) == "Painted Red."
    assert len(script.requests) == 2  # one run
    assert second.usage.prompt_tokens == 5  # of this reply alone


async def test_a_question_of_a_nested_agent_is_asked_and_answered_too() -> None:
    lines = {
        "lead": [[say("I ask."), call("writer", "Paint.")], finish("Done.")],
        "writer": asks_user,
    }
    async with client(team(lines)) as asking:
        question = text_of(await ask(asking, "Go."))
        assert question.startswith("I ask.\n\nWhich colour?\n\n[//]: # ")
        reply = await ask(asking, "Go.", question, "Blue")
    assert text_of(reply) == "Done."
    assert "writer → lead: Painted Blue." in reply.choices[0].message.reasoning_content


async def test_an_answer_is_taken_once_and_then_the_conversation_is_a_new_run() -> None:
    script = Script({"lead": asks_user})
    async with client(team(script, "lead")) as asking:
        question = text_of(await ask(asking, "Paint."))
        assert text_of(await ask(asking, "Paint.", question, "Red")) == "Painted Red."
        again = text_of(await ask(asking, "Paint.", question, "Green"))
        assert again.startswith("Which colour?")
        assert again != question
    last = script.requests[-1]
    assert last.heard == ["Paint.", "Green"]
    assert said(last) == ["Which colour?"]  # without the mark


async def test_questions_that_are_open_at_once_are_asked_one_after_the_other() -> None:
    lines = {
        "lead": [
            [call("one", "Go."), call("two", "Go.")],
            lambda request: finish(" ".join(request.answers("one") + request.answers("two"))),
        ],
        "one": asks_user,
        "two": asks_user,
    }
    async with client(team(lines)) as asking:
        first = text_of(await ask(asking, "Go."))
        second = text_of(await ask(asking, "Go.", first, "Red"))
        assert second.startswith("Which colour?")
        last = text_of(await ask(asking, "Go.", first, "Red", second, "Blue"))
    assert last == "Painted Red. Painted Blue."


async def test_two_users_with_equal_conversations_and_one_key_never_meet() -> None:
    async with client(team({"lead": asks_user})) as asking:

        async def talk(number: int) -> str:
            question = text_of(await ask(asking, "Paint."))
            return text_of(await ask(asking, "Paint.", question, f"colour {number}"))

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(talk(number)) for number in range(20)]
    assert [task.result() for task in tasks] == [f"Painted colour {n}." for n in range(20)]


async def test_a_question_is_answered_by_its_key_and_its_user_only() -> None:
    script = Script({"lead": asks_user})
    async with client(team(script, "lead")) as asking:
        question = text_of(await ask(asking, "Paint.", user="ann"))
        other_key = asking.with_options(api_key="another")
        for stranger, more in (
            (other_key, {"user": "ann"}),
            (asking, {"user": "bob"}),
            (asking, {"user": "ann", "model": "lead"}),
            (asking, {"safety_identifier": "bob", "user": "ann"}),
        ):
            reply = await ask(stranger, "Paint.", question, "Black", **more)
            assert text_of(reply).startswith("Which colour?")
        reply = await ask(asking, "Paint.", question, "Red", user="ann")
    assert text_of(reply) == "Painted Red."


async def test_a_guessed_mark_and_one_in_an_older_reply_are_no_answer() -> None:
    script = Script({"lead": asks_user})
    async with client(team(script, "lead")) as asking:
        question = text_of(await ask(asking, "Paint."))
        guessed = question[:-33] + "0" * 32 + ")"
        for conversation in (
            ("Paint.", guessed, "Red"),
            ("Paint.", question, "Wait.", "What for?", "Red"),
            (question,),
        ):
            assert text_of(await ask(asking, *conversation)).startswith("Which colour?")
        assert text_of(await ask(asking, "Paint.", question, "Red")) == "Painted Red."


def test_a_participant_with_the_name_of_the_team_is_refused() -> None:
    with pytest.raises(ValueError, match="both called 'team'"):
        openai_app(team({"team": []}))
    with pytest.raises(ValueError, match="Did you mean 'writer'"):
        openai_app(team({"writer": []}), only=["writr"])
