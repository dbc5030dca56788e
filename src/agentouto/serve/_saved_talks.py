"""Finds runs that wait for their user in the journal of a team, after the server was restarted.

Nothing but the journal survives, so the id of a run says whose it is. It is a hash of the owner and
of a random token, and the token is the first part of the ids that go to the client: who brings the
token and is the owner leads to the run, and no one else does. The second part is a hash of the
question, so that an answer to an earlier question of the same run is not taken for another.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentouto import Journal, Team
from agentouto._domain.clock import new_id
from agentouto.exceptions import JournalError

log = logging.getLogger("agentouto.serve")

TOKEN_DIGITS = 32
"""Hex digits of a token: 128 random bits."""

QUESTION_DIGITS = 8
"""Hex digits of the hash of a question: a run has few of them, and none is a secret."""

OPEN_STATES = frozenset({"waiting", "interrupted"})
"""States of a saved run that can be gone on with."""


@dataclass(frozen=True, slots=True)
class TalkIdentity:
    """What a run is found by.

    Attributes:
        token: Random; it begins the ids of the run's questions.
        run_id: The id of the run in the journal.
    """

    token: str
    run_id: str

    def question_id(self, call_id: str) -> str:
        """Return the id of the question with which the user was called."""
        return self.token + _digest(call_id)[:QUESTION_DIGITS]


@dataclass(frozen=True, slots=True)
class SavedTalk:
    """A run in the journal that waits for the answer to a question.

    Attributes:
        identity: What it is found by.
        message: The message that began it.
        call_id: The call of the user that waits.
        lines: What has happened.
    """

    identity: TalkIdentity
    message: str
    call_id: str
    lines: Sequence[Mapping[str, object]]


def new_identity(team: Team, owner: str, subject: str) -> TalkIdentity | None:
    """Return the identity of a new run; ``None`` if the team has no journal."""
    if team.options.get("journal") is None:
        return None
    token = new_id()
    return TalkIdentity(token, _run_id(owner, subject, token))


def find_saved(team: Team, question_id: str, owner: str, subject: str) -> SavedTalk | None:
    """Return the run that waits for the answer to a question, if the journal has it.

    A run that was begun for one ``subject`` is found with that only, one without a subject always.
    """
    place = team.options.get("journal")
    if place is None or len(question_id) != TOKEN_DIGITS + QUESTION_DIGITS:
        return None
    token = question_id[:TOKEN_DIGITS]
    try:
        journal = place if isinstance(place, Journal) else Journal(place)
        # A run without a subject may be gone on with by any; so both ids are looked up.
        for person in dict.fromkeys((subject, "")):
            run_id = _run_id(owner, person, token)
            if run_id not in journal:
                continue
            saved = journal[run_id]
            if saved.status not in OPEN_STATES:
                return None
            identity, lines = TalkIdentity(token, run_id), saved.lines()
            call_id = _open_call(identity, question_id, lines)
            return None if call_id is None else SavedTalk(identity, saved.message, call_id, lines)
    except JournalError as error:
        log.warning("the journal cannot be read: %s", error)
    return None


def _open_call(
    identity: TalkIdentity, question_id: str, lines: Sequence[Mapping[str, object]]
) -> str | None:
    """Return the call of the user with this question, if it has no answer yet."""
    asked: set[str] = set()
    for line in lines:
        if line["type"] == "ask" and line["kind"] == "question":
            asked.add(str(line["call"]))
        elif line["type"] in {"return", "error"}:
            asked.discard(str(line["call"]))
    return next((call for call in asked if identity.question_id(call) == question_id), None)


def _run_id(owner: str, subject: str, token: str) -> str:
    whose = _digest(f"{owner} {token}")[:TOKEN_DIGITS]
    person = _digest(f"{subject} {token}")[:QUESTION_DIGITS] if subject else "any"
    return f"serve-{whose}-{person}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
