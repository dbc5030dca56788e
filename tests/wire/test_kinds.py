"""Every kind of provider there is can be opened."""

from __future__ import annotations

from agentouto._domain.participants import KINDS
from agentouto.providers import _OPENERS


def test_every_kind_there_is_can_be_opened() -> None:
    assert set(_OPENERS) == set(KINDS)
