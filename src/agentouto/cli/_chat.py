"""``agentouto chat``: a conversation with a team at a terminal, with prompt_toolkit.

prompt_toolkit draws the line that is typed and the status line below everything else, so that the
run can write while the person types.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.patch_stdout import patch_stdout

from agentouto import Team
from agentouto.cli._chat_session import COMMANDS, ChatSession
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._load_team import load_team
from agentouto.cli._mcp_servers import with_servers
from agentouto.cli._run import check_keys, print_limits
from agentouto.cli._terminal_text import cut_columns
from agentouto.cli._trusted_teams import find_team_file
from agentouto.cli._views import CommandOptions

REFRESH_SECONDS = 0.5
"""Seconds between two drawings of the status line, which counts whole seconds."""


class ChatCompleter(Completer):
    """Completes ``@`` with the names of agents and ``/`` with commands.

    Agents with an open call come first, each with what it does: they can be written to.

    Args:
        names: The names of the agents.
        open_state: Returns what the open call of an agent does; empty if it has none.
    """

    def __init__(self, names: Iterable[str], open_state: Callable[[str], str]) -> None:
        self._names = tuple(names)
        self._open_state = open_state

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield the words that begin as the line does."""
        del complete_event  # how it was asked for makes no difference
        typed = document.text_before_cursor
        if not typed.startswith(("@", "/")):
            return
        states = {f"@{name}": self._open_state(name) for name in self._names}
        agents = sorted(states, key=lambda word: not states[word])
        for word in [*COMMANDS, *agents]:
            if word.startswith(typed):
                about = states.get(word) or None
                yield Completion(word, start_position=-len(typed), display_meta=about)


def run_chat(spec: str, options: CommandOptions, mcp_files: Sequence[str] = ()) -> ExitCode:
    """Talk with the team that ``spec`` names until the person ends it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ExitError(
            'chat needs a terminal. For one message: agentouto run TEAM "MESSAGE"', ExitCode.USAGE
        )
    team = with_servers(load_team(spec or find_team_file("chat")), mcp_files)
    check_keys(team)
    print_limits(team, options)
    asyncio.run(_converse(team, options))
    return ExitCode.RETURNED


async def _converse(team: Team, options: CommandOptions) -> None:
    with patch_stdout():
        session = ChatSession(team, options, sys.stdout)
        prompt: PromptSession[str] = PromptSession(
            "> ",
            bottom_toolbar=lambda: cut_columns(
                session.status(), get_app().output.get_size().columns
            ),
            refresh_interval=REFRESH_SECONDS,
            completer=ChatCompleter((agent.name for agent in team.agents), session.open_state),
        )
        try:
            while True:
                try:
                    line = await prompt.prompt_async()
                except KeyboardInterrupt:
                    if not session.runs:
                        sys.stdout.write("Ctrl+D or /quit ends.\n")
                    session.stop()
                    continue
                except EOFError:
                    return
                if not await session.handle(line):
                    return
        finally:
            await session.close()
