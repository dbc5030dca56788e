"""Every state of the page in three widths and two themes keeps no person out."""

from __future__ import annotations

import pytest

from page.browsing import LOOKS, Axe, Visitor
from page.conftest import IN_THREAD, axe, browser, page, visitor
from page.walks import WALKS, walking

__all__ = ["axe", "browser", "page", "visitor"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", WALKS)
def test_a_state_keeps_no_person_out_in_any_look(name: str, visitor: Visitor, axe: Axe) -> None:
    IN_THREAD.submit(look_at_all, name, visitor, axe).result()


def look_at_all(name: str, visitor: Visitor, axe: Axe) -> None:
    with walking(name, visitor) as states:
        for state in states:
            for look in LOOKS:
                visitor.look(look)
                assert axe.findings(visitor.page) == [], f"{state}, {look}"
