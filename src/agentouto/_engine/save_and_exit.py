"""``SAVE_AND_EXIT``: stands for people who are not there now, in a run with a journal."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import msgspec

from agentouto._domain.approval import Approval
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.message import Message
from agentouto._domain.peer import Participant, Peer
from agentouto._engine.plan import Plan


class SaveAndExit(msgspec.Struct, frozen=True):
    """A function that never answers: answers come from other processes (``inbox.py``).

    The run ends as soon as it waits for nothing but people of whom this stands for.
    """

    async def __call__(self, message: Message | Approval) -> NoReturn:
        """Wait until an answer comes from another process, or the run ends."""
        await asyncio.get_running_loop().create_future()
        raise LookupError(f"no one answers {message!r:.60}")

    def __repr__(self) -> str:
        return "SAVE_AND_EXIT"


SAVE_AND_EXIT = SaveAndExit()
"""``ask_user=SAVE_AND_EXIT`` keeps questions, and approvals if there is no ``approve=``, in the
journal. Once every call that is at work waits for people, the run ends with ``Waiting``. An answer
comes from any process, and the same line goes on."""


def is_away(participant: Participant) -> bool:
    """Whether ``SAVE_AND_EXIT`` stands for a participant."""
    return isinstance(participant, Peer) and isinstance(participant.answer, SaveAndExit)


def approvals_are_kept(plan: Plan) -> bool:
    """Whether ``SAVE_AND_EXIT`` stands for the one who approves the use of tools."""
    return isinstance(plan.approve, SaveAndExit)


def saves_and_exits(plan: Plan) -> bool:
    """Whether a run ends when it waits for people."""
    return approvals_are_kept(plan) or any(map(is_away, plan.participants.values()))


def check_save_and_exit(plan: Plan, *, has_journal: bool) -> None:
    """Raise ``ConfigurationError`` where ``SAVE_AND_EXIT`` cannot work."""
    if not saves_and_exits(plan):
        return
    if not has_journal:
        raise ConfigurationError(
            "SAVE_AND_EXIT keeps questions to people in a journal: give journal= as well"
        )
    for one in plan.participants.values():
        if isinstance(one, Peer) and is_away(one) and not one.person:
            raise ConfigurationError(
                f"Peer {one.name!r}: SAVE_AND_EXIT stands for a person: give person=True as well"
            )
