"""Plays the models of ``team.py``, for customers who ask where an order is or that it is broken."""

import json
import re

from agentouto.testing import Request, Script, ScriptedReply, call, finish, say, tool


def number_in(text: str) -> str:
    """Return the number of the order that ``text`` is about."""
    found = re.search(r"[A-Z]-\d+", text)
    return found[0] if found else "unknown"


def forward(seen: Request) -> ScriptedReply:
    """Give the question to the one who knows."""
    return call("refunds" if "broken" in seen.last else "orders", seen.last)


def state_of(found: str) -> str:
    """Return the result of ``find_order`` in a sentence."""
    if not found.startswith("{"):
        return found
    order = json.loads(found)
    return f"{order['item'].capitalize()}: {order['state']}, paid {order['paid'] / 100:.2f} euros."


SCRIPT = Script(
    {
        "desk": [
            forward,
            lambda seen: say("".join(seen.answers("orders") + seen.answers("refunds"))),
        ],
        "orders": [
            lambda seen: tool("find_order", number=number_in(seen.last)),
            lambda seen: finish(state_of(seen.results("find_order")[0])),
        ],
        "refunds": [
            lambda seen: call("orders", f"What was paid for {number_in(seen.last)}?"),
            lambda seen: tool("refund", number=number_in(seen.heard[0]), cents=3900),
            lambda seen: finish(seen.results("refund")[0]),
        ],
    }
)
