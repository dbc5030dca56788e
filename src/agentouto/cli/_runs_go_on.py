"""Says how a saved run goes on: what it asks people, and the commands that answer and resume it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentouto import AgentoutoError, Approval, Journal, Message, SavedRun
from agentouto.cli._journal_choice import home_journal, named_journal
from agentouto.cli._runs_words import short_id
from agentouto.cli._terminal_text import clean, escape_hidden, one_line


@dataclass(frozen=True, slots=True)
class SavedPlace:
    """Where a saved run is, and what goes on with it.

    Attributes:
        run_id: The id of the run.
        journal: Its journal.
        team: The team, as on a command line; empty if it is not known.
        noted_team: Whether the journal says which team it is.
    """

    run_id: str
    journal: Journal
    team: str = ""
    noted_team: bool = False

    def resume_command(self) -> str:
        """Return the command that goes on with the run."""
        # The team of a journal that was named is not loaded by itself.
        own = self.journal.path == home_journal().absolute() and self.noted_team
        team = "" if own else f" {shlex.quote(self.team) if self.team else 'TEAM'}"
        return f"agentouto runs resume {self._name}{team}{self._journal_words}"

    def fork_command(self) -> str:
        """Return the command that goes on from an earlier point of the run."""
        return f"agentouto runs fork {self._name}{self._journal_words}"

    def lines(self, questions: Sequence[Message], approvals: Sequence[Approval]) -> Iterator[str]:
        """Yield what people are asked, each with the command that answers it, and what is next."""
        for one in questions:
            asked = one_line(escape_hidden(one.content), 200)
            yield f"{one_line(one.sender, 40)} asks ({one.call_id}): {asked}"
            command = f"agentouto runs answer {self._name} TEXT --to {one.call_id}"
            yield f"  {command}{self._journal_words}"
        for approval in approvals:
            wanted = " ".join(approval.text.splitlines())
            yield f"{one_line(wanted, 400)} ({approval.id})"
            command = f"agentouto runs approve {self._name} {approval.id}"
            yield f"  {command} --yes{self._journal_words}"
            yield "    or --no, and --reason TEXT tells the agent why"
        yield f"Then: {self.resume_command()}"

    @property
    def _name(self) -> str:
        return short_id(self.run_id)

    @property
    def _journal_words(self) -> str:
        place, usual = self.journal.place, Journal(named_journal("") or home_journal()).place
        return "" if place == usual else f" --journal {shlex.quote(place)}"


def place_of(journal: Journal, run: SavedRun) -> SavedPlace:
    """Return where ``run`` is."""
    return SavedPlace(run.id, journal, run.team, noted_team=bool(run.team))


def waiting_text(
    place: SavedPlace, questions: Sequence[Message], approvals: Sequence[Approval]
) -> str:
    """Return the message for a run that waits for people."""
    lines = "\n".join(place.lines(questions, approvals))
    return f"The run waits for people.\n{clean(lines)}"


def later_text(place: SavedPlace) -> str:
    """Return how the open questions of a run that was stopped are answered; else nothing."""
    try:
        questions = place.journal[place.run_id].questions()
    except AgentoutoError:  # it could not be kept, which was said
        return ""
    if not questions:
        return ""
    lines = "\n".join(place.lines(questions, ()))
    return f"\nOr answer it later, the run is kept:\n{clean(lines)}"
