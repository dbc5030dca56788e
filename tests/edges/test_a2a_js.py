"""A team behind A2A, asked by the protocol's SDK for JavaScript."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from agentouto.a2a import a2a_app
from agentouto.testing import call, finish
from children import PIPE, async_child
from edges.parties import ON_NODE, needs_npm, node
from serve.serving import served, team

CLIENT = Path(__file__).with_name("clients") / "a2a_js.mjs"


async def test_the_sdk_for_javascript_asks_answers_and_cancels() -> None:
    needs_npm("@a2a-js/sdk")
    script = {"lead": [call("user", "Which fox?"), lambda seen: finish(seen.outcomes[0].content)]}
    async with (
        served(a2a_app(team(script)), prefix="") as address,
        async_child(
            node(), "--input-type=module", "-", address, stdin=PIPE, stdout=PIPE, cwd=ON_NODE
        ) as client,
    ):
        output, _ = await asyncio.wait_for(client.communicate(CLIENT.read_bytes()), 50)
    seen = json.loads(output)
    asked = ["TASK_STATE_WORKING", "TASK_STATE_INPUT_REQUIRED"]
    assert seen["states"] == [*asked, "TASK_STATE_WORKING", "TASK_STATE_COMPLETED", *asked]
    assert seen["question"] == "Which fox?"
    assert "the red one" in seen["words"]
    assert seen["cancelled"] == "TASK_STATE_CANCELED"
