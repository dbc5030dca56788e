"""With a journal, a question waits longer than its server: it is answered after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agentouto import Journal, Team
from agentouto.serve import agui_app
from agentouto.serve._saved_talks import find_saved
from agentouto.serve._talks import Talks
from agentouto.testing import Script, call, finish
from serve.serving import ask, asks_user, client, served, team, text_of

LINES: dict[str, Any] = {
    "lead": [call("painter", "Paint."), lambda request: finish(request.answers("painter")[0])],
    "painter": asks_user,
}


def crew(journal: Path) -> tuple[Team, Script]:
    """Return the team as another process would make it."""
    script = Script(LINES)
    return team(script, *LINES, journal=journal), script


async def test_a_question_is_answered_after_a_restart_and_nothing_is_done_twice(
    tmp_path: Path,
) -> None:
    first, before = crew(tmp_path / "runs.db")
    async with client(first) as asking:
        question = text_of(await ask(asking, "Go."))
        assert question.startswith("Which colour?")
    second, after = crew(tmp_path / "runs.db")
    async with client(second) as asking:
        reply = await ask(asking, "Go.", question, "Red")
        assert text_of(reply) == "Painted Red."
        assert "painter → lead: Painted Red." in reply.choices[0].message.reasoning_content
        assert len(before.requests) + len(after.requests) == 4
        again = text_of(await ask(asking, "Go.", question, "Green"))
        assert again.startswith("Which colour?")  # taken once: this is a new run
    [old] = [saved for saved in Journal(tmp_path / "runs.db").runs() if saved.status == "returned"]
    assert old.result().output == "Painted Red."


async def test_after_a_restart_too_a_question_belongs_to_its_key_model_and_user(
    tmp_path: Path,
) -> None:
    async with client(crew(tmp_path / "runs.db")[0]) as asking:
        question = text_of(await ask(asking, "Go.", user="ann"))
    async with client(crew(tmp_path / "runs.db")[0]) as asking:
        for stranger, more in (
            (asking.with_options(api_key="other"), {"user": "ann"}),
            (asking, {"user": "bob"}),
            (asking, {"user": "ann", "model": "lead"}),
        ):
            reply = text_of(await ask(stranger, "Go.", question, "Black", **more))
            assert reply.startswith("Which colour?")
        guessed = f"{question[:-9]}{'0' * 8})"
        reply = text_of(await ask(asking, "Go.", guessed, "Black", user="ann"))
        assert reply.startswith("Which colour?")
        assert text_of(await ask(asking, "Go.", question, "Red", user="ann")) == "Painted Red."


async def test_an_interrupt_of_ag_ui_is_resumed_after_a_restart(tmp_path: Path) -> None:
    user = {"id": "1", "role": "user", "content": "Go."}

    async def run(**fields: Any) -> str:
        front = agui_app(crew(tmp_path / "runs.db")[0])
        body = {"threadId": "t", "runId": "r", "messages": [user], **fields}
        async with (
            served(front, "/agui") as address,
            aiohttp.ClientSession() as session,
            session.post(f"{address}/agui", json=body) as response,
        ):
            return await response.text()

    first = await run()
    id_ = first.partition('"interrupts":[{"id":"')[2].partition('"')[0]
    last = await run(resume=[{"interruptId": id_, "status": "resolved", "payload": "Red"}])
    assert last.count('"type":"SUBAGENT_STARTED"') == 1  # it is open again
    assert '"result":"Painted Red."' in last
    assert '"outcome":{"type":"success"}' in last


async def test_a_question_that_is_given_up_stays_in_the_journal(tmp_path: Path) -> None:
    talks = Talks(seconds=0)
    talk = talks.begin(crew(tmp_path / "runs.db")[0], "Go.", owner="ann")
    async for _ in talk.lines():
        pass
    assert talk.question is not None
    id_ = talk.question.id
    talks.keep(talk, "ann")
    await talks.aclose()
    assert talks.take(id_, "ann") is None
    [saved] = Journal(tmp_path / "runs.db").runs()
    assert saved.status == "interrupted"


@pytest.mark.parametrize("id_", ["", "0" * 32, "0" * 40])
async def test_an_id_that_is_none_finds_nothing(tmp_path: Path, id_: str) -> None:
    assert find_saved(crew(tmp_path / "runs.db")[0], id_, "ann", "") is None
    assert find_saved(team(LINES), id_, "ann", "") is None
