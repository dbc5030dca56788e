"""The agent loop: read mail, compact, ask the model, call its tools, until the agent returns.

There is one loop for every way to run an agent. It knows no provider and no event: streaming and
not streaming are two ways to read the log that its ``Effects`` write.

Theory of operation. Every step that touches the world is a method of ``Effects``, so the loop is a
function of what those methods return. It may be done again from recorded returns.

* A turn reads mail, then compacts, then asks. What is compacted is what is sent: mail that is read
  after ``compact`` could make the request too long for the model.
* The transcript only grows, except in ``compact``. An entry that a model has read never changes,
  because providers cache a prompt by its beginning, and backends encode an entry once.
* A reply goes into the transcript together with the outcomes of its tool calls, in the order of the
  tool calls. Every vendor refuses a request in which a tool call has no result, or in which mail
  stands between the two. So all tools have ended before mail is read again.
* A ``finish`` beside other tool calls returns when all of them have ended. If there are several,
  the first one in the reply is the return, whichever ends first.
* ``close`` checks that the mailbox is empty and closes it in one step. With two steps, a message
  could be accepted between them and never be read. If there is mail, the return is dropped, and the
  agent reads the mail in one more turn.
* Useless replies are counted for the whole call, not in a row. A model that alternates useless
  replies and tool calls would otherwise never end.
* Whose cancellation is it? The tools of a reply run in tasks of their own. If the task of the loop
  is being cancelled (``cancelling() > 0``), the call ends. Any other ``CancelledError`` leaked out
  of a tool, and is an outcome like every failure. ``call_single_tool`` looks at ``cancelling()``
  before it looks at the result: in the other order, a tool that swallows its cancellation would
  keep a cancelled call alive. It passes each cancellation on to its task in a step of its own,
  because thousands of nested calls would otherwise recurse in one step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Protocol

import msgspec

from agentouto._core.builtin_tools import FINISH
from agentouto._core.prompt import SECOND_FINISH
from agentouto._domain.content import (
    Incoming,
    Outcome,
    Outcomes,
    Reply,
    ToolCall,
    Transcript,
)
from agentouto._domain.message import ToolResult

MAX_NUDGES = 3
"""After how many useless replies (empty, of the wrong form, refused by a hook) a call fails.

Three, because a model that is told three times what is wrong rarely gets it right the fourth time,
and every try is paid for. Useful replies in between do not reset the count.
"""


class NoUsableReply(Exception):
    """More than ``MAX_NUDGES`` replies of one call were useless. ``kinds`` says how each was."""

    def __init__(self, kinds: Sequence[str]) -> None:
        super().__init__(kinds)
        self.kinds = kinds


class Effects(Protocol):
    """What the loop asks for while an agent works on one call."""

    def start(self) -> Transcript:
        """Return the transcript with which the call begins."""
        ...

    async def read_mail(self) -> tuple[Incoming, ...]:
        """Take the mail that has arrived since the last turn."""
        ...

    async def compact(self, transcript: Transcript) -> Transcript:
        """Return the transcript, shortened if it would not fit into the model's context window."""
        ...

    async def ask_model(self, transcript: Transcript) -> Reply | None:
        """Send the transcript to the model; ``None`` if the provider says that it does not fit."""
        ...

    def call_tool(self, tool_call: ToolCall) -> Coroutine[object, object, Outcome]:
        """Call the tool. A failure is an outcome, never an exception."""
        ...

    def is_quick(self, tool_call: ToolCall) -> bool:
        """Whether the tool neither waits nor runs code of the user's, so that it needs no task."""
        ...

    def interpret(self, reply: Reply) -> ToolResult | Incoming | None:
        """Return the result that a reply without tool calls stands for, or a nudge.

        ``None`` means that the provider paused the reply and wants to be asked again.
        """
        ...

    async def close(self, result: ToolResult) -> ToolResult | Incoming | None:
        """Close the mailbox if it is empty, in one step, and return the result.

        Otherwise return a nudge if a hook refuses the result, or ``None`` if there is mail.
        """
        ...


async def answer(effects: Effects) -> ToolResult:
    """Work until the agent returns, and return its result.

    Raises:
        NoUsableReply: The agent did not return in time, see ``MAX_NUDGES``.
    """
    transcript = effects.start()
    useless_replies: tuple[str, ...] = ()
    while True:
        transcript = transcript.plus(*await effects.read_mail())
        transcript = await effects.compact(transcript)
        while (reply := await effects.ask_model(transcript)) is None:
            transcript = await effects.compact(transcript)
        tool_calls = reply.tool_calls
        outcomes = await call_tools(effects, tool_calls) if tool_calls else ()
        transcript = transcript.plus(reply, *([Outcomes(outcomes)] if outcomes else ()))
        match find_return(outcomes) if outcomes else effects.interpret(reply):
            case ToolResult() as result:
                match await effects.close(result):
                    case ToolResult() as last:
                        return last
                    case Incoming() as refusal:
                        transcript = transcript.plus(refusal)
                        useless_replies += ("refused by a hook",)
                    case None:
                        pass
            case Incoming() as nudge:
                transcript = transcript.plus(nudge)
                useless_replies += ("of the wrong form" if reply.text.strip() else "empty",)
            case None:
                if has_failed_finish(outcomes):
                    useless_replies += ("of the wrong form",)
        if len(useless_replies) > MAX_NUDGES:
            raise NoUsableReply(useless_replies)


async def call_tools(effects: Effects, tool_calls: tuple[ToolCall, ...]) -> tuple[Outcome, ...]:
    """Call all tools at once; return the outcomes in the order of the tool calls."""
    if len(tool_calls) == 1:
        return (await call_single_tool(effects, tool_calls[0]),)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(effects.call_tool(call), name=call.name) for call in tool_calls]
    return keep_first_return([task.result() for task in tasks])


async def call_single_tool(effects: Effects, tool_call: ToolCall) -> Outcome:
    """Call the only tool of a reply. It does what a task group of one would do, at a lower cost.

    A cancellation of this task is passed on to the tool's task from the ``except`` block, in a step
    of its own. If this task awaited the other one directly, asyncio would pass it on recursively,
    and calls may be thousands deep. If the tool swallows it, this task still ends.
    """
    if effects.is_quick(tool_call):
        return await effects.call_tool(tool_call)
    loop = asyncio.get_running_loop()
    task = loop.create_task(effects.call_tool(tool_call), name=tool_call.name)
    while not task.done():
        try:
            await wait_until_done(task)
        except asyncio.CancelledError:
            task.cancel()
    owner = asyncio.current_task(loop)
    if owner is not None and owner.cancelling():
        raise asyncio.CancelledError
    return task.result()


def wait_until_done(task: asyncio.Task[Outcome]) -> asyncio.Future[None]:
    """Return a future that is done when ``task`` is. Cancelling it does not cancel ``task``."""
    done: asyncio.Future[None] = task.get_loop().create_future()

    def resolve(_: object) -> None:
        if not done.done():
            done.set_result(None)

    task.add_done_callback(resolve)
    return done


def keep_first_return(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return ``outcomes`` in which only the first that is a return stays one."""
    returns = [index for index, outcome in enumerate(outcomes) if outcome.returns]
    kept = list(outcomes)
    for index in returns[1:]:
        kept[index] = msgspec.structs.replace(kept[index], content=SECOND_FINISH, returns=False)
    return tuple(kept)


def find_return(outcomes: tuple[Outcome, ...]) -> ToolResult | None:
    """Return the result of the tool call that is a return, if there is one."""
    for outcome in outcomes:
        if outcome.returns:
            return ToolResult(outcome.content, list(outcome.attachments), data=outcome.data)
    return None


def has_failed_finish(outcomes: tuple[Outcome, ...]) -> bool:
    """Whether the agent called ``finish`` with arguments that cannot be its return."""
    return FINISH in [outcome.tool_call.name for outcome in outcomes if outcome.is_error]
