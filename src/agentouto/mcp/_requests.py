"""Answers what a server asks of its client: input from a person, and replies of a model.

MCP, "Elicitation" and "Sampling" (https://modelcontextprotocol.io/specification). A request is
answered in the run whose use of a tool it belongs to, and declined where that cannot be said: a
question that reached the person of another run would tell the one what the other works on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import cast

import mcp_types as types
from mcp.client.session import ClientRequestContext

from agentouto._domain.errors import AgentoutoError, Refuse
from agentouto.mcp._questions import (
    MAX_ATTEMPTS,
    BadAnswer,
    choices_of,
    fields_of,
    question_text,
    read_answer,
)
from agentouto.mcp._settings import Settings
from agentouto.mcp._uses import Use, Uses

log = logging.getLogger("agentouto.mcp")


class Requests:
    """Answers the requests of one server.

    Args:
        settings: Whose server it is, and which peer writes the replies that it asks for.
        uses: The uses of its tools that are under way.
    """

    def __init__(self, settings: Settings, uses: Uses) -> None:
        self._settings = settings
        self._uses = uses

    async def elicit(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult:
        """Ask the user of the run in which the server asks. Without one, decline."""
        del context  # it does not say which use it belongs to
        use = self._uses.asking()
        if use is None:
            log.warning(
                "%s asked a question while several runs used it; it was declined, because nothing "
                "says which of them it belongs to",
                self._settings.name,
            )
            return _declined()
        try:
            with use.clock_stopped():
                if isinstance(params, types.ElicitRequestURLParams):
                    await self._open_address(use, params)
                    return types.ElicitResult(action="accept")
                return await self._fill_form(use, params)
        except (AgentoutoError, Refuse) as error:  # no user, a limit, or the use has ended
            log.info("%s asked a question that was declined: %s", self._settings.name, error)
            return _declined()

    async def _open_address(self, use: Use, params: types.ElicitRequestURLParams) -> None:
        """Have the user approve an address, which the user then opens: MCP, "URL mode"."""
        shown = {"message": params.message, "address": params.url}
        await use.here.ask_approval(f"{self._settings.name}.open_address", shown)

    async def _fill_form(
        self, use: Use, params: types.ElicitRequestFormParams
    ) -> types.ElicitResult:
        schema = cast("Mapping[str, object]", params.requested_schema)
        fields = fields_of(schema)
        text = f"{self._settings.name} asks: {question_text(params.message, fields)}"
        options = choices_of(next(iter(fields.values()))) if len(fields) == 1 else ()
        trouble = ""
        # A person types an answer, and the schema may want a number: what is wrong is said before
        # the question is asked again.
        for _ in range(MAX_ATTEMPTS):
            answer = await use.here.call(
                "user", f"{trouble}{text}", options=options, asker=self._settings.name
            )
            try:
                action, content = read_answer(answer.content, schema)
            except BadAnswer as error:
                trouble = f"{error}\n"
                continue
            return types.ElicitResult(
                action=action, content=None if content is None else {**content}
            )
        return types.ElicitResult(action="cancel")

    async def sample(
        self, context: ClientRequestContext, params: types.CreateMessageRequestParams
    ) -> types.CreateMessageResult | types.ErrorData:
        """Have the peer of ``sampling=`` write the reply that the server asks for."""
        del context
        peer = self._settings.sampling
        use = self._uses.asking()
        # The user pays for the reply, so none is written unless a peer was named for it.
        if peer is None or use is None:
            return types.ErrorData(code=types.INVALID_REQUEST, message="Sampling is refused")
        lines = [params.system_prompt] if params.system_prompt else []
        for message in params.messages:
            lines += (f"{message.role}: {text}" for text in _texts_of(message))
        try:
            with use.clock_stopped():
                answer = await use.here.call(peer, "\n\n".join(lines), asker=self._settings.name)
        except AgentoutoError as error:
            return types.ErrorData(code=types.INTERNAL_ERROR, message=str(error))
        content = types.TextContent(type="text", text=answer.content)
        return types.CreateMessageResult(
            role="assistant", content=content, model=peer, stop_reason="endTurn"
        )


def _declined() -> types.ElicitResult:
    return types.ElicitResult(action="decline")


def _texts_of(message: types.SamplingMessage) -> Iterator[str]:
    parts = message.content if isinstance(message.content, list) else [message.content]
    for part in parts:
        yield part.text if isinstance(part, types.TextContent) else f"({part.type})"
