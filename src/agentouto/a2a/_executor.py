"""Carries out tasks of A2A: a run of the team for each, and its events as updates of the task.

A task lasts as long as its run, over any number of messages: where the run asks its user, the task
is in the state input-required, and the next message with its id is the answer
(https://a2a-protocol.org/latest/topics/life-of-a-task/). ``_questions`` has the tasks that wait. A
task is put into it when its talk is kept and taken out with the answer, so ``execute`` knows at its
end whether to stop the run.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing

from a2a.helpers import get_data_parts, new_task_from_user_message, new_text_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.context import ServerCallContext
from a2a.server.events import EventQueue
from a2a.server.tasks import TaskStore, TaskUpdater
from a2a.types import Message as A2AMessage
from a2a.types import Part, TaskState

from agentouto import Attachment, ConfigurationError, Message, Options, Team
from agentouto.peers._requests import as_text
from agentouto.serve._reply_fold import PieceKind, ReplyFold
from agentouto.serve._run_errors import error_of_run
from agentouto.serve._talk import Talk
from agentouto.serve._talks import Talks, TooManyRuns

OWNER = "a2a"
"""Whose the waiting runs are: who has the id of a task may answer, as the protocol has it."""

MOST_TASKS = 1_000
"""Tasks and conversations that are remembered; the oldest are forgotten."""


class TeamExecutor(AgentExecutor):
    """Runs a team for each task.

    Args:
        team: The team.
        talks: Its runs.
        store: Where the SDK keeps the tasks.
    """

    def __init__(self, team: Team, talks: Talks, store: TaskStore) -> None:
        self._team = team
        self._talks = talks
        self._store = store
        self._questions: dict[str, str] = {}
        self._histories: dict[str, list[Message]] = {}
        self._tasks: deque[tuple[str, ServerCallContext]] = deque()

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Begin a run, or give its user's answer to one that waits, and follow it."""
        message, task = context.message, context.current_task
        if message is None:
            raise ValueError("a task begins with a message")
        if task is None:
            task = new_task_from_user_message(message)
            await event_queue.enqueue_event(task)
            await self._note(task.id, context.call_context)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        try:
            talk = self._talk(message, task.id, task.context_id)
        except (TooManyRuns, ConfigurationError) as error:
            why = (
                error_of_run(error).message if isinstance(error, ConfigurationError) else str(error)
            )
            await updater.reject(new_text_message(why))
            return
        if talk is None:
            await updater.failed(new_text_message("The run waits for no answer any more."))
            return
        try:
            # What came before a question is an artifact already; the words after it are the next.
            await self._follow(talk, updater, len(task.artifacts))
        except Exception as error:  # noqa: BLE001 - every error ends the task
            await updater.failed(new_text_message(error_of_run(error).message))
        finally:
            if task.id not in self._questions:
                await self._talks.end(talk)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Stop the run of a task; one that is being followed is stopped by its own end."""
        task_id, context_id = str(context.task_id), str(context.context_id)
        question = self._questions.pop(task_id, None)
        talk = None if question is None else self._talks.take(question, OWNER)
        if talk is not None:
            await self._talks.end(talk)
        await TaskUpdater(event_queue, task_id, context_id).cancel()

    def _talk(self, message: A2AMessage, task_id: str, context_id: str) -> Talk | None:
        text, files = _read(message)
        question = self._questions.pop(task_id, None)
        if question is None:
            history = self._histories.get(context_id, ())
            options: Options = {"attachments": files, "history": history}
            return self._talks.begin(self._team, text, None, options)
        talk = self._talks.take(question, OWNER)
        if talk is not None and talk.question is not None:
            talk.question.answer(text, files)
        return talk

    async def _follow(self, talk: Talk, updater: TaskUpdater, number: int) -> None:
        """Turn what the run does into updates, up to a question or its end."""
        fold = ReplyFold(several=len(self._team.starting_agents) > 1)
        begun, work = False, ""
        await updater.start_work()
        async with aclosing(talk.lines()) as lines:
            async for line in lines:
                for piece in fold.feed(line):
                    if piece.kind is PieceKind.CONTENT:
                        part = [Part(text=piece.text)]
                        await updater.add_artifact(part, f"reply-{number}", append=begun)
                        begun = True
                        continue
                    work += piece.text
                    # Thinking comes word by word, and each status is a message: so line by line.
                    if work.endswith("\n"):
                        state = TaskState.TASK_STATE_WORKING
                        await updater.update_status(state, new_text_message(work.strip()))
                        work = ""
        if talk.question is not None:
            asked = talk.question.message
            # Kept before the client is told: its answer may be here right after that.
            self._talks.keep(talk, OWNER)
            self._questions[updater.task_id] = talk.question.id
            text = "\n".join((asked.content, *(f"- {option}" for option in asked.options)))
            parts = [Part(text=text), *_files(asked.attachments or ())]
            await updater.requires_input(updater.new_agent_message(parts))
            return
        result = await talk.result()
        if files := _files(result.attachments):
            await updater.add_artifact(files, f"files-{number}")
        self._histories[updater.context_id] = [*result.messages]
        while len(self._histories) > MOST_TASKS:
            del self._histories[next(iter(self._histories))]
        await updater.complete()

    async def _note(self, task_id: str, context: ServerCallContext) -> None:
        # The SDK's store in memory keeps every task until it is deleted.
        self._tasks.append((task_id, context))
        while len(self._tasks) > MOST_TASKS:
            forgotten, its_context = self._tasks.popleft()
            self._questions.pop(forgotten, None)
            await self._store.delete(forgotten, its_context)


def _read(message: A2AMessage) -> tuple[str, list[Attachment]]:
    """Return the text of a message, data as JSON, and its files."""
    texts: list[str] = []
    files: list[Attachment] = []
    for part in message.parts:
        mime_type = part.media_type or "application/octet-stream"
        match part.WhichOneof("content"):
            case "text":
                texts.append(part.text)
            case "data":
                texts += [as_text(value) for value in get_data_parts([part])]
            case "raw":
                data = base64.b64encode(part.raw).decode()
                files.append(Attachment(mime_type, data=data, name=part.filename or None))
            case "url":
                files.append(Attachment(mime_type, url=part.url, name=part.filename or None))
            case _:
                pass
    return "\n".join(texts), files


def _files(files: Sequence[Attachment]) -> list[Part]:
    parts: list[Part] = []
    for file in files:
        name = file.name or ""
        if file.data is None:
            parts.append(Part(url=str(file.url), media_type=file.mime_type, filename=name))
        else:
            raw = base64.b64decode(file.data)
            parts.append(Part(raw=raw, media_type=file.mime_type, filename=name))
    return parts
