"""One table of conversations and what each of the four formats makes of them.

The requests are kept in ``snapshots``; ``REWRITE_SNAPSHOTS=1`` writes them anew, to be read in the
diff. Every one of them is also judged by the types its vendor publishes, and by its manners.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from agentouto._domain.errors import ProviderError
from wire.conversations import CONVERSATIONS, told
from wire.dialects import DIALECTS, Dialect

SNAPSHOTS = Path(__file__).parent / "snapshots"
EVERY = [(d, name) for d in DIALECTS.values() for name in CONVERSATIONS]


def kept_in(dialect: Dialect, name: str) -> Path:
    return SNAPSHOTS / dialect.name / f"{name.replace(' ', '_')}.json"


def asked(dialect: Dialect, name: str) -> dict[str, Any]:
    """The request as it is sent, or why it is not."""
    try:
        body = dialect.body(told(CONVERSATIONS[name], dialect))
    except ProviderError as error:
        return {"refused before anything is sent": str(error)}
    assert dialect.complaints(body) == []
    return body


@pytest.mark.parametrize(("dialect", "name"), EVERY, ids=[f"{d.name}-{name}" for d, name in EVERY])
def test_a_conversation_is_written_as_it_always_was(dialect: Dialect, name: str) -> None:
    body = asked(dialect, name)
    shown = json.dumps(body, ensure_ascii=False, indent=1) + "\n"
    file = kept_in(dialect, name)
    if os.environ.get("REWRITE_SNAPSHOTS"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(shown, "utf-8", newline="\n")
    assert file.read_text("utf-8") == shown


def test_no_snapshot_is_left_of_a_conversation_that_is_no_more() -> None:
    assert {*SNAPSHOTS.rglob("*.json")} == {kept_in(dialect, name) for dialect, name in EVERY}


SPOILED: list[tuple[str, Any]] = [
    ("an unknown key", lambda body: body | {"surprise": 1}),
    ("a number for the model", lambda body: body | {"model": 5}),
    ("an odd role", lambda body: _in_each(body, lambda item: item | {"role": "robot"})),
    ("an unknown key within", lambda body: _in_each(body, lambda item: item | {"surprise": 1})),
    ("an answer too many", lambda body: _with_items(body, lambda items: [*items, items[-1]])),
    ("an answer too few", lambda body: _with_items(body, lambda items: items[:-1])),
    ("answers before questions", lambda body: _with_items(body, lambda items: items[::-1])),
]


def _with_items(body: dict[str, Any], change: Any) -> dict[str, Any]:
    key = next(key for key in ("messages", "input", "contents") if key in body)
    return body | {key: change(body[key])}


def _in_each(body: dict[str, Any], change: Any) -> dict[str, Any]:
    return _with_items(body, lambda items: [change(item) for item in items])


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize(("what", "spoil"), SPOILED, ids=[what for what, _ in SPOILED])
def test_whoever_judges_the_requests_is_strict(what: str, spoil: Any, dialect: Dialect) -> None:
    body = dialect.body(told(CONVERSATIONS["one call"], dialect))
    assert dialect.complaints(body) == []
    assert dialect.complaints(spoil(body)) != [], what
