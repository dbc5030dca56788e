"""A run goes on from every point at which it may be killed, and comes to the same."""

from __future__ import annotations

from collections import Counter

import pytest

from agentouto._domain.event import Event, Spent
from agentouto._domain.kept_event import (
    CallOpened,
    Compacted,
    HookReplaced,
    InputRead,
    Overflowed,
    ResultsCleared,
    ReturnRefused,
    ToolBegun,
)
from durable import scenes
from durable.scenes import SCENES, Scene, Shelf, play


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_a_run_goes_on_from_every_prefix_and_comes_to_the_same(
    scene: Scene, shelf: Shelf
) -> None:
    whole = await play(scene)
    effects = list(zip(whole.world.done, whole.world.at, strict=True))
    for length in range(1, len(whole.events) + 1):
        done = [what for what, at in effects if at <= length]
        again = await play(scene, whole.events[:length], done, shelf)
        where = f"after {length} of {len(whole.events)} events: {whole.events[length - 1]!r:.300}"
        assert again.outcome == whole.outcome, where
        assert again.messages == whole.messages, where
        assert again.replies == whole.replies, where
        assert Counter(again.world.done) == Counter(whole.world.done), where


@pytest.mark.parametrize(
    ("scene", "kind"),
    [
        (scenes.deep, CallOpened),
        (scenes.deep, ToolBegun),
        (scenes.background, InputRead),
        (scenes.summaries, Compacted),
        (scenes.summaries, Spent),
        (scenes.overflow, Overflowed),
        (scenes.refused_return, ReturnRefused),
        (scenes.around, HookReplaced),
        (scenes.cleared, ResultsCleared),
    ],
)
async def test_the_scenes_have_what_they_are_to_bring_back(scene: Scene, kind: type[Event]) -> None:
    assert kind in {type(event) for event in (await play(scene)).events}
