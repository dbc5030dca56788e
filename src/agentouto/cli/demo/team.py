"""The demo team: four equal peers that review a folder; the user writes to one of them.

``make_team`` takes the provider as an argument: scripted and real models use the same agents and
tools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agentouto import Agent, Provider, Team
from agentouto.cli.demo.scripted_peers import PEERS
from agentouto.testing import Script

MESSAGE = "Review the text and source files in this folder, and write a report."
"""The user's message. It names no peer: the agents decide who does what."""

SURVEYOR = (
    "You survey folders. List the files first. Start the scout in the background on the folder "
    "with the most files. Count everything in a few parallel calls of count, and in the same reply "
    "write to the scout which files of data to leave out. Have the reader read the longest files. "
    "When the scout has returned, give the editor all findings, with places, and return what the "
    "editor returns. "
    "When a peer asks how long a file is, count it and say so."
)
READER = (
    "You read. Read the files you are told to, and search in the same reply for open markers "
    "(TODO, FIXME, XXX, HACK; title 'Open markers') and for lines of more than 120 characters "
    "(title 'Long lines'). Ask the surveyor how long the file with the most of them is. Return a "
    "few sentences. When asked about two places, read both and say whether they are the same."
)
SCOUT = (
    "You look for repeated passages with find_repeats: first in the place you are told, then, when "
    "a message tells you what to leave out, everywhere else. Return how many there are, and both "
    "places of the longest as file:line."
)
EDITOR = (
    "You write the report. Look at the findings. Ask the user, if there is one, which of them "
    "should come first, and let the reader look at both places of the longest repeated passage "
    "meanwhile. Then call write_report with a short summary, and return one or two sentences. Use "
    "no figure that a tool has not given."
)


def make_team(tools: Sequence[Callable[..., object]], provider: Provider, model: str) -> Team:
    """Return the team.

    Args:
        tools: The tools of every agent.
        provider: The provider of the model.
        model: The model of all four agents.
    """
    surveyor = Agent("surveyor", SURVEYOR, model, provider, role="Knows which files there are.")
    reader = Agent("reader", READER, model, provider, role="Reads files and looks for open ends.")
    scout = Agent("scout", SCOUT, model, provider, role="Looks for repeated passages.")
    editor = Agent("editor", EDITOR, model, provider, role="Asks the user, writes the report.")
    peers = [surveyor, reader, scout, editor]
    return Team(peers, tools, starting_agents=[surveyor])


def scripted(pause: float) -> Provider:
    """Return models that need no key and no network: the functions in ``scripted_peers.py``.

    Args:
        pause: Seconds between two pieces of a word; 0 sends each reply in one piece.
    """
    script = Script(PEERS, stream=pause > 0, pause=pause, delay=pause * 10)
    return Provider("scripted", kind="script", script=script)
