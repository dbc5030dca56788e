"""A debate of three peers, what it has cost, and what one agent would have cost."""

import sys

from agentouto import Agent, AgentoutoError, Limits, Provider, RunResult, run
from agentouto.events import Figures
from agentouto.testing import Script, Turn, call, finish

QUESTION = "Should our library drop Python 3.11 this year?"

PRO = """You argue for the proposal. Call con with your point, answer its objection in a second
call, and return all four points."""
CON = "You argue against the proposal. Answer what you are told with one point."
JUDGE = "Have pro argue it out with con, then decide in one line."
ALONE = "Weigh two points for and two points against, then decide in one line."


def debate(provider: Provider, model: str) -> RunResult[str]:
    """Let two peers argue with each other, and a third one decide."""
    judge = Agent("judge", JUDGE, model, provider)
    pro = Agent("pro", PRO, model, provider, role="Argues for a proposal, with con.")
    con = Agent("con", CON, model, provider, role="Argues against a proposal.")
    return run(QUESTION, [judge], run_agents=[judge, pro, con], limits=Limits(requests=20))


def alone(provider: Provider, model: str) -> RunResult[str]:
    """Ask one agent for both sides and the decision."""
    return run(QUESTION, [Agent("solo", ALONE, model, provider)], limits=Limits(requests=5))


def verdict(figures: Figures) -> str:
    """Say whether it paid to have several agents, by the figures of docs/figures.md."""
    reasons: list[str] = []
    if figures.bound < 1.2:
        reasons.append("the task was handed along and not divided")
    if figures.density >= 1:
        reasons.append("models mostly wrote to each other")
    return f"One agent would have done: {', and '.join(reasons)}." if reasons else "It paid."


def scripted() -> Provider:
    """Return a provider that replies as a model did, with the tokens that it reported."""
    points = (
        "Half of our users are on 3.11; few of them update; support ends next year; 3.12 is enough."
    )
    script = Script(
        {
            "judge": [
                Turn(call("pro", f"Argue this out with con: {QUESTION}"), usage=(310, 42)),
                Turn(
                    finish("Not this year: too many users would be left behind."), usage=(520, 31)
                ),
            ],
            "pro": [
                Turn(call("con", "It costs us a CI job."), usage=(290, 38)),
                Turn(
                    call("con", "Those who cannot update keep the last release."), usage=(370, 44)
                ),
                Turn(finish(points), usage=(460, 90)),
            ],
            "con": [
                Turn(finish("Half of our users are on 3.11."), usage=(240, 29)),
            ],
            "solo": [Turn(finish("Not this year: too many users are on 3.11."), usage=(95, 130))],
        },
        delay=0.05,
    )
    return Provider("scripted", kind="script", script=script)


def main(provider: Provider, model: str = "gpt-5.2") -> None:
    """Run both, and print what was decided and what it took."""
    together, single = debate(provider, model), alone(provider, model)
    figures = together.figures()
    print(f"debate: {together.output}\nalone:  {single.output}")
    print(f"messages for each reply of a model: {figures.density:.2f}")
    print(f"the highest speed-up that this division allows: {figures.bound:.1f}")
    print(f"tokens: {together.usage.total_tokens}, and {single.usage.total_tokens} alone")
    print(verdict(figures))


if __name__ == "__main__":
    try:
        main(scripted() if "--scripted" in sys.argv else Provider("openai"))
    except AgentoutoError as error:
        sys.exit(f"debate.py: {error}")
