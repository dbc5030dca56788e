"""Serves a team as a model of OpenAI's APIs, which every chat program speaks.

The team and each of its participants are models. A request starts a run, and the run's reply to the
user is the answer. A question to the user ends the answer, and so does a tool of the caller's; see
``_talk.py``. Which waiting run a request goes on with is decided by random ids in the reply before
it, not by equal conversations: two users may well have written the same words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from agentouto import ConfigurationError, Message, Options, Team, ToolResult
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto.serve._asgi import HttpError, HttpRequest, SendEvent, send_json, while_connected
from agentouto.serve._chat_reply import ChatReply
from agentouto.serve._chat_request import read_chat_request
from agentouto.serve._front import Front
from agentouto.serve._guard import owner_of
from agentouto.serve._model_reply import ModelReply
from agentouto.serve._openai_content import OpenAIRequest, strip_marks
from agentouto.serve._reply_fold import ReplyFold
from agentouto.serve._response_store import ResponseStore
from agentouto.serve._responses_reply import ResponsesReply
from agentouto.serve._responses_request import read_responses_request
from agentouto.serve._run_errors import error_of_start, unknown_outputs
from agentouto.serve._talk import Talk
from agentouto.serve._talks import MissingOutputs, TooManyRuns
from agentouto.serve._teams import choices, taken_names

DEFAULT_TEAM_NAME = "team"
"""The name of the team among the models."""


class OpenAIApp(Front):
    """The application that ``openai_app`` returns."""

    def __init__(
        self, team: Team, name: str, only: Collection[str] | None, origins: Collection[str]
    ) -> None:
        super().__init__(team, origins)
        self._team = team
        self._choices = choices(team, name, only)
        self._authors = {
            model: starting[0].name if len(starting) == 1 else model
            for model, participants in self._choices.items()
            for starting in [team.starting_agents if participants is None else participants]
        }
        self._taken = taken_names(team)
        self._responses = ResponseStore()
        self._created = int(SYSTEM_CLOCK.now())

    @property
    def models(self) -> list[str]:
        """The names that a client can give as the model."""
        return list(self._choices)

    async def _answer(self, request: HttpRequest, send: SendEvent) -> None:
        path = request.path.removeprefix("/v1").rstrip("/")
        match request.method, path:
            case "GET" | "HEAD", "/models":
                models = [self._model(name) for name in self.models]
                await send_json(send, 200, {"object": "list", "data": models})
            case "GET" | "HEAD", _ if path.startswith("/models/"):
                await self._answer_model(path.removeprefix("/models/"), send)
            case "POST", "/chat/completions":
                await self._answer_chat(request, send)
            case "POST", "/responses":
                await self._answer_responses(request, send)
            case _, "/models" | "/chat/completions" | "/responses":
                message = f"{request.method} is not possible here."
                raise HttpError(405, "method_not_allowed", message)
            case _:
                raise HttpError(
                    404,
                    "not_found",
                    f"There is no {request.path[:100]}. There are: GET /v1/models, POST "
                    "/v1/chat/completions, POST /v1/responses.",
                )

    def _model(self, name: str) -> dict[str, object]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": "agentouto"}

    async def _answer_model(self, name: str, send: SendEvent) -> None:
        if name not in self._choices:
            there = ", ".join(self._choices)
            message = f"There is no model {name!r:.100}. There are: {there}."
            raise HttpError(404, "model_not_found", message, param="model")
        await send_json(send, 200, self._model(name))

    async def _answer_chat(self, request: HttpRequest, send: SendEvent) -> None:
        asked = read_chat_request(await request.json(), self._authors, self._taken)
        # With the model: the same question put to another one begins a run of that one.
        owner = f"{owner_of(request)} {asked.model}"
        talk = self._talk(asked, owner)

        def keep() -> None:
            if talk.waits_for is not None:
                self._talks.keep(talk, owner, asked.user)

        await self._send(request, ChatReply(asked, talk, self._fold(asked), keep), send)

    async def _answer_responses(self, request: HttpRequest, send: SendEvent) -> None:
        body = await request.json()
        asked = read_responses_request(body, self._authors, self._taken)
        owner = f"{owner_of(request)} {asked.model}"
        asked = self._with_previous(asked, owner)
        talk = self._talk(asked, owner)

        def keep() -> None:
            if talk.waits_for is not None:
                self._talks.keep(talk, owner, asked.user)
            if body.get("store") is not False:  # left out, the API stores too
                question = None if talk.question is None else talk.question.id
                history = self._history_after(asked, reply.fold.content)
                self._responses.put(owner, reply.id, history, question)

        reply = ResponsesReply(asked, talk, self._fold(asked), keep)
        await self._send(request, reply, send)

    async def _send(self, request: HttpRequest, reply: ModelReply, send: SendEvent) -> None:
        try:
            await while_connected(request, reply.send(send))
        finally:
            if not reply.waits:
                await self._talks.end(reply.talk)

    def _fold(self, asked: OpenAIRequest) -> ReplyFold:
        return ReplyFold(several=len(self._choices[asked.model] or self._team.starting_agents) > 1)

    def _with_previous(self, asked: OpenAIRequest, owner: str) -> OpenAIRequest:
        """Return ``asked`` with the conversation of the response that it follows."""
        if asked.previous_id is None:
            return asked
        previous = self._responses.get(owner, asked.previous_id)
        if previous is None:
            raise HttpError(
                400,
                "previous_response_not_found",
                f"There is no response {asked.previous_id!r:.80}. They are kept in memory for a "
                "while, for the key and the model that made them: send the conversation itself.",
                param="previous_response_id",
            )
        return msgspec.structs.replace(
            asked,
            history=(*previous.history, *asked.history),
            question_id=asked.question_id or previous.question_id,
        )

    def _history_after(self, asked: OpenAIRequest, reply: str) -> list[Message]:
        """Return the conversation up to the end of a reply."""
        author = self._authors[asked.model]
        files = [*asked.attachments]
        forward = Message("forward", "user", author, asked.message, attachments=files)
        history = [*asked.history, *((forward,) if asked.message or files else ())]
        return [*history, Message("return", author, "user", strip_marks(reply))]

    def _talk(self, asked: OpenAIRequest, owner: str) -> Talk:
        """Return the talk that ``asked`` goes on with, or a new one."""
        try:
            # Results first: a message that the user wrote beside them is mail for that run, and
            # neither an answer to a question nor the begin of another run.
            return (
                self._with_outputs(asked, owner)
                or self._with_answer(asked, owner)
                or self._talks.begin(
                    self._team,
                    asked.message,
                    self._choices[asked.model],
                    self._options(asked),
                    asked.tools,
                    owner=owner,
                    subject=asked.user,
                )
            )
        except (ConfigurationError, MissingOutputs, TooManyRuns) as error:
            raise error_of_start(error) from error

    def _with_outputs(self, asked: OpenAIRequest, owner: str) -> Talk | None:
        """Give results of tools to the run that waits for them, and return it."""
        talk = self._talks.take_for_outputs(asked.tool_outputs, owner, asked.user)
        if talk is None and asked.tool_outputs and not asked.message:
            raise unknown_outputs(asked.tool_outputs)
        if talk is not None and asked.message:
            talk.send(asked.message)
        return talk

    def _with_answer(self, asked: OpenAIRequest, owner: str) -> Talk | None:
        """Give the user's answer to the run that waits for it, and return it."""
        if asked.question_id is None or not asked.message:
            return None
        talk = self._talks.take(asked.question_id, owner, asked.user)
        if talk is not None and talk.question is not None:
            talk.question.answer(asked.message, asked.attachments)
            return talk
        return self._talks.revive(
            self._team,
            (asked.question_id, ToolResult(asked.message, [*asked.attachments])),
            owner,
            asked.user,
            starting=self._choices[asked.model],
            options=self._instructions(asked),
            tools=asked.tools,
        )

    def _options(self, asked: OpenAIRequest) -> Options:
        history: Options = {"attachments": asked.attachments, "history": asked.history}
        return {**history, **self._instructions(asked)}

    def _instructions(self, asked: OpenAIRequest) -> Options:
        options: Options = {}
        # An option of a run replaces that of its team, so the team's own text is put before it.
        own = self._team.options.get("extra_instructions")
        if texts := [text for text in (own, asked.instructions) if text]:
            options["extra_instructions"] = "\n\n".join(texts)
        return options


def openai_app(
    team: Team,
    *,
    name: str = DEFAULT_TEAM_NAME,
    only: Iterable[str] | None = None,
    origins: Iterable[str] = (),
) -> OpenAIApp:
    """Return an ASGI application that serves ``team`` as models of OpenAI's API.

    It answers ``GET /v1/models``, ``POST /v1/chat/completions`` and ``POST /v1/responses`` below
    the place where it is mounted, and checks no key and no host name: mount it behind what your
    application checks, or run it with ``agentouto serve``.

    Args:
        team: The team.
        name: The name of the team among the models; its starting agents get the message.
        only: The names that are offered; by default the team and each of its participants.
        origins: Origins of web pages that may send requests, besides the own one.

    Raises:
        ConfigurationError: A participant has the name of the team, or ``only`` names none.
    """
    return OpenAIApp(team, name, None if only is None else tuple(only), tuple(origins))
