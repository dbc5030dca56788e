"""The protocol of the dining philosophers, without a model, a clock or a network."""

from dataclasses import dataclass, field
from typing import NamedTuple

NAMES: tuple[str, ...] = ("hypatia", "kant", "laozi", "plato", "weil")
"""Around the table: the right neighbour of each is the next one, that of the last is the first."""


class Letter(NamedTuple):
    """What a philosopher writes to a neighbour."""

    to: str
    text: str


def right_of(name: str) -> str:
    """Return the neighbour whose fork is needed besides one's own."""
    return NAMES[(NAMES.index(name) + 1) % len(NAMES)]


def left_of(name: str) -> str:
    """Return the neighbour who needs one's own fork."""
    return NAMES[NAMES.index(name) - 1]


def request(fork: str) -> str:
    """Return the text that asks for a fork. Forks are called by the names of their owners."""
    return f"May I have the fork of {fork}?"


def handing(fork: str) -> str:
    """Return the text that hands a fork over."""
    return f"Here is the fork of {fork}."


@dataclass
class Philosopher:
    """Asks for a second fork, keeps the first until fed, and gives both away afterwards."""

    name: str
    forks: set[str] = field(default_factory=set[str])
    asking: bool = False
    asked: bool = False
    fed: bool = False
    lent: bool = False

    def __post_init__(self) -> None:
        self.forks.add(self.name)

    @property
    def done(self) -> bool:
        """Whether nothing is left to do: fed, and the own fork was lent and is back."""
        return self.fed and self.lent and self.name in self.forks

    @property
    def waits_for(self) -> str:
        """The neighbour who has to act next."""
        missing = not self.fed and right_of(self.name) not in self.forks
        return right_of(self.name) if missing else left_of(self.name)

    def step(self, mail: list[str], *, stuck: bool) -> list[Letter]:
        """Read the mail, eat if possible, and return the letters to write.

        Args:
            mail: The texts that arrived since the last step.
            stuck: Whether the wait for more would never end. Then every fork in hand is given away.
        """
        left, right = left_of(self.name), right_of(self.name)
        for text in mail:
            self.asked |= text == request(self.name)
            self.forks |= {fork for fork in (self.name, right) if text == handing(fork)}
        self.fed |= self.forks == {self.name, right}
        letters: list[Letter] = []
        if right in self.forks and (self.fed or stuck):
            self.forks.remove(right)
            self.asking = False
            letters.append(Letter(right, handing(right)))
        elif not self.fed and not self.asking:
            self.asking = True
            letters.append(Letter(right, request(right)))
        if self.asked and self.name in self.forks and (self.fed or stuck):
            self.forks.remove(self.name)
            self.asked, self.lent = False, True
            letters.append(Letter(left, handing(self.name)))
        return letters


def lock_step(rounds: int) -> tuple[int, int]:
    """Let all decide at the same moment in every round.

    Returns:
        How many were fed, and how many circles of waits there were.
    """
    table = {name: Philosopher(name) for name in NAMES}
    mail: dict[str, list[str]] = {name: [] for name in NAMES}
    circles = 0
    for number in range(rounds):
        stuck = number > 0 and not any(mail.values())
        circles += stuck
        letters: list[Letter] = []
        for one in table.values():
            letters += one.step(mail[one.name], stuck=stuck)
        mail = {name: [letter.text for letter in letters if letter.to == name] for name in NAMES}
    return sum(one.fed for one in table.values()), circles
