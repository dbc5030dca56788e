"""``agentouto runs answer`` and ``approve``: a person decides from another process, or later."""

from __future__ import annotations

import json
import sys

from agentouto import Approval, Journal, Message, SavedRun
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._journal_choice import find_run, saved_journal
from agentouto.cli._runs_go_on import place_of
from agentouto.cli._runs_words import short_id
from agentouto.cli._terminal_text import escape_hidden, one_line, print_notice


def answer_question(name: str, text: str | None, call: str, journal_file: str) -> ExitCode:
    """Answer a question of a saved run; without a text, print the open questions."""
    journal = saved_journal(journal_file)
    run = find_run(journal, name)
    questions = run.questions()
    if text is None:
        for one in questions:
            row = f"{one.call_id}\t{one_line(one.sender)}\t{one_line(escape_hidden(one.content))}"
            sys.stdout.write(f"{row}\n")
        _say_if_none(len(questions), "question")
        return ExitCode.RETURNED
    found = [one for one in questions if not call or _is_named(one.call_id, one.sender, call)]
    if len(found) != 1:
        raise ExitError(_why_not(run, call, found, questions))
    run.answer(found[0].call_id, text)
    _say_what_next(journal, run, f"Answered: {one_line(found[0].content)}")
    return ExitCode.RETURNED


def decide_approval(
    name: str, approval: str, *, yes: bool | None, reason: str, journal_file: str
) -> ExitCode:
    """Decide on the use of a tool; without a decision, print what waits for one."""
    journal = saved_journal(journal_file)
    run = find_run(journal, name)
    waiting = run.approvals()
    if yes is None:
        sys.stdout.writelines(_approval_row(one) for one in waiting)
        _say_if_none(len(waiting), "approval")
        return ExitCode.RETURNED
    found = [one for one in waiting if _is_named(one.id, one.id, approval)]
    if not approval or len(found) != 1:
        there = ", ".join(f"{one.id} ({one_line(one.tool, 40)})" for one in waiting) or "none"
        what = "several approvals begin so" if len(found) > 1 else "no such approval waits"
        raise ExitError(f"{approval or 'ID'}: {what}. There are: {there}")
    run.approve(found[0].id, yes, reason)
    decision = "Approved" if yes else "Refused"
    _say_what_next(journal, run, f"{decision}: {one_line(found[0].tool, 40)}")
    return ExitCode.RETURNED


def _is_named(id_: str, name: str, text: str) -> bool:
    return text == name or id_.startswith(text)


def _approval_row(one: Approval) -> str:
    """Return an approval that waits: its id, who wants it, the tool, its arguments as JSON."""
    arguments = escape_hidden(json.dumps(one.arguments, ensure_ascii=False))
    return f"{one.id}\t{one_line(one.agent)}\t{one_line(one.tool)}\t{arguments}\n"


def _why_not(run: SavedRun, call: str, found: list[Message], questions: list[Message]) -> str:
    there = ", ".join(f"{short_id(one.call_id)} of {one_line(one.sender, 40)}" for one in questions)
    if not questions:
        return f"run {short_id(run.id)} has no open question"
    if not found:
        return f"--to {call}: no such question is open. There are: {there}"
    return f"{len(found)} questions are open; --to says which. There are: {there}"


def _say_if_none(count: int, what: str) -> None:
    if not count:
        print_notice(f"No {what} waits.")


def _say_what_next(journal: Journal, run: SavedRun, done: str) -> None:
    print_notice(done)
    if run.status != "running":  # one that is at work takes it
        print_notice(f"Go on: {place_of(journal, run).resume_command()}")
