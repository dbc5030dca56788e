"""The tables of events: no type of event is without a row, and no row without a type."""

from __future__ import annotations

from typing import get_args

import pytest

from agentouto._core.line_writer import PIECES
from agentouto._core.rendering import FORMS
from agentouto._domain.event import Event

TYPES = get_args(Event)


def test_every_event_has_a_row_and_every_row_an_event() -> None:
    assert set(FORMS) == set(TYPES)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_every_event_has_a_line(kind: type[Event]) -> None:
    assert callable(FORMS[kind].line)


def test_pieces_of_a_reply_are_events() -> None:
    assert set(PIECES) <= set(TYPES)
