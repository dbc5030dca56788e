"""The table of what was sent to runs from other processes than those that work on them.

An item is there until its effect is among the events of its run. ``outcome`` is null for one that
was not taken yet, empty for one that was taken, and the reason of one that was refused. There is
one item of a kind and an id in a run: a message that is sent twice with one id is there once, and a
question has one answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from agentouto._engine.inbox import InboxItem, ItemKind
from agentouto._journal.database import Database

_TAKEN = ""


class ItemRow(NamedTuple):
    """An item that is to be added. ``body`` of a decision is JSON: yes or no, and why."""

    kind: str
    id: str
    address: str | None
    body: str


class ItemState(NamedTuple):
    """What has become of an item that is still in the table."""

    is_taken: bool
    refusal: str

    @property
    def is_open(self) -> bool:
        """Whether its effect is still to come."""
        return not self.refusal


def add_item(database: Database, run: int, item: ItemRow, sent: float) -> None:
    """Add an item, unless it is there. One that was refused is sent again."""
    database.execute(
        "insert into inbox(run, kind, id, address, body, sent) values (?, ?, ?, ?, ?, ?) "
        "on conflict(run, kind, id) do update set address = excluded.address, "
        "body = excluded.body, sent = excluded.sent, outcome = null where inbox.outcome <> ''",
        (run, *item, sent),
    )


def item_state(database: Database, run: int, kind: str, id_: str) -> ItemState | None:
    """Return what has become of an item, or ``None`` if it is not in the table."""
    query = "select outcome from inbox where run = ? and kind = ? and id = ?"
    row = database.execute(query, (run, kind, id_)).fetchone()
    return None if row is None else ItemState(row[0] is not None, row[0] or "")


def open_items(database: Database, run: int, *, taken: bool = False) -> list[InboxItem]:
    """Return the items of a run that were not taken; with ``taken``, those that were as well."""
    query = (
        "select no, kind, id, address, body from inbox "
        "where run = ? and (outcome is null or (? and outcome = '')) order by no"
    )
    return [inbox_item(*row) for row in database.execute(query, (run, taken))]


def inbox_item(no: int, kind: ItemKind, id_: str, address: str | None, body: str) -> InboxItem:
    """Return the item of a row."""
    decision = (False, body)
    if kind == "approval":
        decision = msgspec.json.decode(body, type=tuple[bool, str])
    yes, text = decision
    return InboxItem(no, kind, id_, address, text, yes)


def mark_taken(database: Database, numbers: Iterable[int]) -> None:
    """Note that items were taken, and stay until their effects are kept."""
    for number in numbers:
        database.execute("update inbox set outcome = ? where no = ?", (_TAKEN, number))


def settle_items(database: Database, settled: Iterable[tuple[int, str | None]]) -> None:
    """Remove items whose effects are kept, and note the reasons of those that are refused."""
    for number, refusal in settled:
        if refusal is None:
            database.execute("delete from inbox where no = ?", (number,))
        else:
            database.execute("update inbox set outcome = ? where no = ?", (refusal, number))


def refuse_open_items(database: Database, run: int) -> None:
    """Refuse what is left when a run has ended."""
    database.execute(
        "update inbox set outcome = 'the run has ended' "
        "where run = ? and (outcome is null or outcome = '')",
        (run,),
    )


def run_status(database: Database, run: int, *, lock: bool = False) -> str:
    """Return the state of a run, empty without it; with ``lock``, it stays in this transaction."""
    query = f"select status from runs where no = ?{database.of_row if lock else ''}"  # noqa: S608
    found = database.execute(query, (run,)).fetchone()
    return "" if found is None else str(found[0])


def set_waiting(database: Database, run: int) -> None:
    """Note that a run waits for people, and has no process."""
    database.execute("update runs set status = 'waiting' where no = ?", (run,))


def set_ready(database: Database, run: int) -> None:
    """Note that a run that waits for people has something to do: it can be gone on with."""
    database.execute(
        "update runs set status = 'running' where no = ? and status = 'waiting'", (run,)
    )
