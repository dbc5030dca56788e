"""Says who a message comes from: the user, a call of this run, or one of another run."""

from __future__ import annotations

from agentouto._domain.event_pieces import Stamp
from agentouto._domain.message import USER
from agentouto._engine.call import Call
from agentouto._engine.delivery import Letter
from agentouto._engine.log import CallLog, Log


def log_of_user(log: Log, run_id: str) -> CallLog:
    """Return the log for the user's own messages. Few runs have any, so it is made for each."""
    return log.for_call(Stamp(USER, run_id, None))


def sender_of(
    sender: Call | Letter | None, log: Log, run_id: str
) -> tuple[str, str | None, CallLog]:
    """Return the name of a sender, where it reads mail, and the log for what it sends."""
    match sender:
        case None:
            return USER, None, log_of_user(log, run_id)
        case Letter(sender=name, sender_address=address):
            return name, address, log.for_call(Stamp(name, address, None))
        case _:
            return sender.name, sender.id, sender.log
