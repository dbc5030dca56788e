"""A support desk: three peers, an order book, and refunds that the customer has to confirm.

Serve it with ``agentouto serve examples/support_desk/team.py --openai``.
"""

from dataclasses import dataclass

from agentouto import Agent, Limits, Provider, Team, Tool, here
from script import SCRIPT

MODEL = "gpt-5.2"


@dataclass
class Order:
    """An order, with what was paid and what was paid back, in cents."""

    item: str
    state: str
    paid: int
    refunded: int = 0


ORDERS = {
    "A-17": Order("a kettle", "delivered on 3 March", 3900),
    "A-18": Order("two cups", "leaves our house tomorrow", 1450),
}
"""Stands in for your database."""


@Tool
def find_order(number: str) -> Order | str:
    """Find an order by its number."""
    return ORDERS.get(number, f"There is no order {number}: numbers look like A-17.")


@Tool(for_agents=["refunds"])
def refund(number: str, cents: int) -> str:
    """Pay money back for an order, once the customer has confirmed it."""
    order = ORDERS.get(number)
    if order is None:
        return f"There is no order {number}."
    left = order.paid - order.refunded
    if not 0 < cents <= left:
        return f"Nothing was paid: at most {left} cents can be, for {number}."
    question = f"Shall we pay {cents / 100:.2f} euros back for {order.item}?"
    if here().call("user", question, options=["yes", "no"]).content.strip().lower() != "yes":
        return "The customer did not say yes. Nothing was paid."
    order.refunded += cents
    return f"{cents / 100:.2f} euros are on their way."


def make_team(provider: Provider) -> Team:
    """Return the team. A test passes a provider that needs no key."""
    desk = Agent(
        "desk",
        "You answer customers, kindly and in two sentences. Ask the others; never promise money.",
        MODEL,
        provider,
        role="Speaks with the customer.",
    )
    orders = Agent(
        "orders",
        "You know where orders are. Find the order, and say what the customer wants to know.",
        MODEL,
        provider,
        role="Knows where orders are.",
    )
    refunds = Agent(
        "refunds",
        "You pay money back for what is broken or late. Ask orders what the customer has paid.",
        MODEL,
        provider,
        role="Pays money back.",
    )
    return Team(
        [desk, orders, refunds],
        [find_order, refund],
        starting_agents=[desk],
        limits=Limits(requests=30, seconds=300),
    )


team = make_team(Provider("openai"))
scripted = make_team(Provider("scripted", kind="script", script=SCRIPT))
