"""Plays the models of ``nightly.py``."""

import json
import re

from agentouto.testing import Request, Script, ScriptedReply, call, finish, tool


def ask(seen: Request) -> ScriptedReply:
    """Ask about both shops at once."""
    day = seen.last.rstrip(".").split()[-1]
    return [call("analyst", f"How was the shop {shop} on {day}?") for shop in ("north", "south")]


def publish(seen: Request) -> ScriptedReply:
    """Publish what the analyst has said."""
    day = seen.heard[0].rstrip(".").split()[-1]
    lines = "\n".join(f"- {answer}" for answer in seen.answers("analyst"))
    return tool("publish", day=day, text=f"# {day}\n\n{lines}\n")


def look(seen: Request) -> ScriptedReply:
    """Look the figures of the shop up."""
    asked = re.search(r"shop (\w+) on (\S+)\?", seen.last)
    assert asked is not None
    return tool("sales", shop=asked[1], day=asked[2])


def judge(seen: Request) -> ScriptedReply:
    """Judge the shop by its figures."""
    figures = json.loads(seen.results("sales")[0])
    mean = figures["cents"] / figures["orders"] / 100
    return finish(f"{figures['orders']} orders of {mean:.2f} euros on average ({seen.last})")


SCRIPT = Script(
    {
        "writer": [ask, publish, lambda seen: finish(seen.results("publish")[0])],
        "analyst": [look, judge],
    }
)
