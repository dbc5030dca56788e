"""Answers a question from a folder of sources, with quotes that are checked, and asks you."""

import sys
from pathlib import Path

from pydantic import BaseModel, model_validator

from agentouto import Agent, AgentoutoError, Limits, Message, Provider, run
from agentouto.tools import files
from script import SCRIPT

SOURCES = Path(__file__).with_name("sources")
QUESTION = "Can the Aurora unload in our harbour?"


class Claim(BaseModel):
    """One statement of the report, and the words of a source that it rests on."""

    statement: str
    source: str
    quote: str

    @model_validator(mode="after")
    def is_quoted_word_for_word(self) -> "Claim":
        """Refuse a quote that is not in its source: the agent is told why, and tries again."""
        names = [path.name for path in SOURCES.iterdir()]
        if self.source not in names:
            raise ValueError(f"there is no source {self.source!r}, only {', '.join(sorted(names))}")
        text = " ".join((SOURCES / self.source).read_text(encoding="utf-8").split())
        if " ".join(self.quote.split()) not in text:
            raise ValueError(f"{self.quote!r} is not in {self.source}: quote it word for word")
        return self


class Report(BaseModel):
    """The answer, claim by claim."""

    answer: str
    claims: list[Claim]

    def __str__(self) -> str:
        """Return the report with its quotes as footnotes."""
        numbered = list(enumerate(self.claims, 1))
        body = " ".join(f"{claim.statement} [{number}]" for number, claim in numbered)
        notes = [f'[{number}] {claim.source}: "{claim.quote}"' for number, claim in numbered]
        return "\n".join([self.answer, "", body, "", *notes])


def ask(message: Message) -> str:
    """Put a question of an agent to the person at the terminal."""
    print(f"{message.sender} asks: {message.content}")
    try:
        return input("> ")
    except EOFError:
        return "Nobody is here to answer. Say what it depends on."


def research(question: str, provider: Provider, model: str = "gpt-5.2") -> Report:
    """Have a researcher answer with the help of a critic, and of you."""
    researcher = Agent(
        "researcher",
        "Answer from the files only, and quote them word for word. If the answer depends on what "
        "only the user knows, call user. Before you finish, ask the critic what is missing.",
        model,
        provider,
        role="Answers questions from the files.",
    )
    critic = Agent(
        "critic",
        "Search the files for what speaks against the claims that you are given. Name the file.",
        model,
        provider,
        role="Looks for what speaks against a claim.",
    )
    result = run(
        question,
        [researcher],
        files(SOURCES),
        run_agents=[researcher, critic],
        ask_user=ask,
        output_type=Report,
        limits=Limits(requests=40),
    )
    return result.data


def main(words: list[str]) -> None:
    """Answer the question on the command line, or the usual one."""
    scripted = "--scripted" in words
    question = " ".join(word for word in words if word != "--scripted")
    provider = (
        Provider("scripted", kind="script", script=SCRIPT) if scripted else Provider("openai")
    )
    print(research(question or QUESTION, provider))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except AgentoutoError as error:
        sys.exit(f"research.py: {error}")
