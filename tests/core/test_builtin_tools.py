"""The table of built-in tools: names, checks and prompt follow from it."""

from __future__ import annotations

import pytest

from agentouto import BUILTIN_TOOL_NAMES, Agent, ConfigurationError, run
from agentouto._core.builtin_tools import OPTIONAL_TOOL_NAMES, TABLE, Offered, guidance
from teams import peers

EVERY_NAME = [row.name for row in TABLE]


@pytest.mark.parametrize("name", EVERY_NAME)
def test_no_agent_may_have_the_name_of_a_builtin_tool(name: str) -> None:
    team = peers({"a": []}, "a")
    with pytest.raises(ConfigurationError, match=f"{name!r}: that is the name of a built-in tool"):
        run("Go.", team, run_agents=[*team, Agent(name, "", "m", team[0].provider)])


def test_every_tool_is_usual_optional_or_automatic_and_none_is_two_of_them() -> None:
    automatic = {row.name for row in TABLE if row.offered is Offered.AUTOMATICALLY}
    assert sorted([*BUILTIN_TOOL_NAMES, *OPTIONAL_TOOL_NAMES, *automatic]) == sorted(EVERY_NAME)


def test_a_paragraph_of_the_prompt_is_left_out_with_the_tool_it_begins_with() -> None:
    assert "".join(guidance({"send_message", "get_messages"})) == ""
    [paragraph] = guidance({"spawn_background_agent", "get_messages"})
    assert paragraph.startswith("BACKGROUND EXECUTION:")
    assert "get_messages" in paragraph
    assert "send_message" not in paragraph
