"""Runs that wait for their user: how many, how long, and for whom."""

from __future__ import annotations

import asyncio

import pytest

from agentouto import Hooks, Message, Peer, Refuse, Team
from agentouto.exceptions import Cancelled
from agentouto.serve._talk import Talk
from agentouto.serve._talks import Talks, TooManyRuns
from agentouto.testing import call, finish, say
from serve.serving import asks_user, team


async def until_question(talk: Talk) -> str:
    """Read ``talk`` up to its question and return the id."""
    async for _ in talk.lines():
        pass
    assert talk.question is not None
    return talk.question.id


def asking() -> Team:
    return team({"lead": asks_user})


async def ended(talk: Talk) -> None:
    async with asyncio.timeout(20):
        with pytest.raises(Cancelled):
            await talk.result()


async def test_a_question_that_waits_too_long_ends_its_run() -> None:
    talks = Talks(seconds=0)
    talk = talks.begin(asking(), "Paint.")
    id_ = await until_question(talk)
    talks.keep(talk, "ann")
    await ended(talk)
    assert talks.take(id_, "ann") is None


async def test_of_too_many_questions_the_oldest_is_given_up() -> None:
    talks = Talks(most_waiting=2)
    kept = [talks.begin(asking(), "Paint.") for _ in range(3)]
    ids = [await until_question(talk) for talk in kept]
    for talk in kept:
        talks.keep(talk, "ann")
    await ended(kept[0])
    assert talks.take(ids[0], "ann") is None
    assert talks.take(ids[2], "ann") is kept[2]
    await talks.aclose()
    await ended(kept[1])
    await ended(kept[2])


async def test_only_so_many_runs_are_at_work_and_those_that_wait_do_not_count() -> None:
    talks = Talks(most_running=1)
    first = talks.begin(asking(), "Paint.")
    with pytest.raises(TooManyRuns):
        talks.begin(asking(), "Paint.")
    id_ = await until_question(first)
    talks.keep(first, "ann")
    second = talks.begin(asking(), "Paint.")
    with pytest.raises(TooManyRuns):
        talks.take(id_, "ann")
    await talks.end(second)
    assert talks.take(id_, "ann") is first  # it still waited
    await talks.aclose()


async def test_a_talk_is_taken_by_its_owner_and_its_subject_only() -> None:
    talks = Talks()
    talk = talks.begin(asking(), "Paint.")
    id_ = await until_question(talk)
    talks.keep(talk, "key", "ann")
    assert talks.take(id_, "other key", "ann") is None
    assert talks.take(id_, "key", "bob") is None
    assert talks.take("0" * 32, "key", "ann") is None
    assert talks.take(id_, "key") is talk  # no subject, none to compare
    assert talks.take(id_, "key") is None
    await talks.aclose()


async def test_a_question_that_its_agent_gave_up_is_not_answered() -> None:
    talks = Talks()
    impatient = asks_user_for(0.01)
    talk = talks.begin(impatient, "Paint.")
    id_ = await until_question(talk)
    assert talk.question is not None
    question = talk.question
    talks.keep(talk, "ann")
    async with asyncio.timeout(20):
        while question.is_open:
            await asyncio.sleep(0.01)
    assert talks.take(id_, "ann") is None
    with pytest.raises(Exception, match="waits for no answer any more"):
        question.answer("Red")
    await talks.aclose()


def asks_user_for(seconds: float) -> Team:
    """Return a team whose peer asks the user and waits so long."""

    async def answer(_: Message, here: object) -> str:
        reply = await here.call("user", "Which colour?")  # type: ignore[attr-defined]
        return str(reply.content)

    return Team([Peer("lead", "Paints.", answer, timeout=seconds)])


async def test_a_question_that_a_hook_refuses_reaches_no_user_and_the_run_goes_on() -> None:
    def refuse(message: Message) -> None:
        if message.receiver == "user":
            raise Refuse("not now")

    lines = {"lead": [call("user", "Which colour?"), finish("I chose red.")]}
    talk = Talks().begin(team(lines, hooks=Hooks(on_forward=refuse)), "Paint.")
    async for _ in talk.lines():
        pass
    assert talk.question is None
    assert talk.ended
    assert (await talk.result()).output == "I chose red."


async def test_a_team_that_answers_for_its_user_is_left_as_it_is() -> None:
    async def blue(_: Message) -> str:
        return "blue"

    user = Peer("user", "Decides.", blue)
    for own in (team({"lead": asks_user}, ask_user=blue), with_peer(user)):
        talk = Talks().begin(own, "Paint.")
        async for _ in talk.lines():
            pass
        assert (await talk.result()).output == "Painted blue."


def with_peer(user: Peer) -> Team:
    plain = team({"lead": asks_user})
    return Team([*plain.agents, user], starting_agents=plain.agents)


async def test_a_run_that_needs_no_user_is_read_to_its_end() -> None:
    talks = Talks()
    talk = talks.begin(team({"lead": [say("Done.")]}), "Go.")
    types = [line["type"] async for line in talk.lines()]
    assert (types[0], types[-1]) == ("run.start", "run.end")
    assert talk.ended
    with pytest.raises(ValueError, match="a talk that waits"):
        talks.keep(talk, "ann")
