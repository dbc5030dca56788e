"""Every state of the page is found by its words and keeps no person out, in one of six looks each.

``tests/edges`` has every state in all six.
"""

from __future__ import annotations

import pytest

from page.browsing import LOOKS, Axe, Visitor
from page.walks import WALKS, walking


@pytest.mark.parametrize("name", WALKS)
def test_a_state_says_what_it_is_and_keeps_no_person_out(
    name: str, visitor: Visitor, axe: Axe
) -> None:
    first = list(WALKS).index(name)
    with walking(name, visitor) as states:
        for n, state in enumerate(states, first):
            visitor.look(LOOKS[n % len(LOOKS)])
            assert axe.findings(visitor.page) == [], f"{state}, {LOOKS[n % len(LOOKS)]}"
            assert state == "30 agents: sequence" or visitor.overlapping() == [], state
            assert visitor.page.locator(".chip:not(label)").count() <= 4
