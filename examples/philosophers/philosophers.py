"""Five philosophers, each of whom needs the fork of a neighbour: in lock-step, and as peers."""

import re
import sys

from agentouto import Agent, AgentoutoError, Limits, Provider, run
from agentouto.testing import Request, Script, Turn, finish, tool
from protocol import NAMES, Philosopher, lock_step, right_of

INSTRUCTIONS = """
You sit at a round table and own one fork. To eat once, you need it and the fork of {right}.
Ask with send_message; list_running has the task_ids. Then wait_for_messages, naming {right}.
Keep your fork until you have eaten. But if you are told that the wait would never end, give it to
the neighbour who asked for it, and go on waiting. Give back what you borrowed when you have eaten.
When you have eaten, and your own fork was lent and is back, return the word "fed".
"""


def scripted() -> Provider:
    """Return a provider that plays the protocol of ``protocol.py``."""
    seated = {name: Philosopher(name) for name in NAMES}
    read = dict.fromkeys(NAMES, 0)

    def play(seen: Request) -> Turn:
        if seen.turn == 0:
            return Turn(tool("list_running"))
        me = seated[seen.agent_name]
        addresses = dict(re.findall(r"(\w+) \(task_id: (\w+)\)", seen.results("list_running")[0]))
        texts = [mail.partition("]: ")[2] for mail in seen.heard[1:]]
        stuck = any("would never end" in outcome.content for outcome in seen.outcomes)
        letters = me.step(texts[read[me.name] :], stuck=stuck)
        read[me.name] = len(texts)
        if letters:
            sent = [
                tool("send_message", task_id=addresses[to], message=text) for to, text in letters
            ]
            return Turn(*sent)
        if me.done:
            return Turn(finish("fed"))
        return Turn(tool("wait_for_messages", task_id=addresses[me.waits_for]))

    return Provider("scripted", kind="script", script=Script(play))


def main(provider: Provider, model: str = "gpt-5.2") -> None:
    """Print how many were fed in lock-step, and how many as peers."""
    fed, circles = lock_step(rounds=100)
    print(f"in lock-step: {fed} of 5 fed; {circles} circles of waits, and each time all gave way")

    agents = [
        Agent(name, INSTRUCTIONS.format(right=right_of(name)), model, provider) for name in NAMES
    ]
    tools = ["wait_for_messages", "list_running"]
    result = run("Eat once.", agents, enabled_tools=tools, limits=Limits(requests=200))

    refusals = [line for line in result.lines() if "would never end" in str(line.get("result"))]
    fed = sum("fed" in one.text for one in result.outputs)
    print(f"as peers: {fed} of 5 fed; circles of waits, and who was told of them: {len(refusals)}")
    for line in refusals:
        print(f"  {line['agent']}: {line['result']}")


if __name__ == "__main__":
    try:
        main(scripted() if "--scripted" in sys.argv else Provider("openai"))
    except AgentoutoError as error:
        sys.exit(f"philosophers.py: {error}")
