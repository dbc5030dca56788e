"""What the page is about: a team, or why there is none, and how its runs are started."""

from __future__ import annotations

from dataclasses import dataclass

from agentouto import SAVE_AND_EXIT, Agent, ConfigurationError, Journal, Limits, Peer, Team
from agentouto.tool import Tool

MAX_RUNS = 8
"""Runs of the page at once: a person follows a few, and each one spends money."""


@dataclass(frozen=True, slots=True)
class PageSetup:
    """A team and the settings of its page.

    Attributes:
        team: The team; ``None`` if there is none.
        problem: Why there is no team, in words; empty if none was named.
        source: The file that the team came from.
        limits: The limits of a run, where the team has none of its own.
        message: The message that the page suggests.
        show_prompts: Whether the page shows the instructions of agents.
        journal: Where runs are kept; other runs in it are shown as well. ``None``: in the journal
            of the team, or in memory only.
    """

    team: Team | None = None
    problem: str = ""
    source: str = ""
    limits: Limits | None = None
    message: str = ""
    show_prompts: bool = False
    journal: Journal | None = None

    def kept_in(self) -> Journal | None:
        """Return the journal that runs are kept in, if there is one."""
        if self.journal is not None or self.team is None:
            return self.journal
        own = self.team.options.get("journal")
        return own if own is None or isinstance(own, Journal) else Journal(own)

    def user_is_away(self) -> bool:
        """Return whether the team says that questions to the user are kept in the journal."""
        if self.team is None:
            return False
        peers = [each for each in self.team.agents if isinstance(each, Peer)]
        users = [each.answer for each in peers if each.name == "user"]
        return SAVE_AND_EXIT in (self.team.options.get("ask_user"), *users)

    def why_not(self) -> str:
        """Return why no run can be started; empty if one can."""
        if self.team is None:
            return self.problem or "there is no team"
        try:
            missing = self.team.missing_keys()
        except ConfigurationError as error:
            return str(error)
        if not missing:
            return ""
        variables = ", ".join(sorted(set(missing.values())))
        agents = ", ".join(missing)
        return f"{agents}: no key. Set {variables}, or put it into .env beside the team file"

    def described(self) -> dict[str, object]:
        """Return the team as the page gets it: no keys, and no instructions unless asked for."""
        team = self.team
        agents = [] if team is None else [self._participant(each) for each in team.agents]
        return {
            "source": self.source,
            "problem": self.problem,
            "why_not": self.why_not(),
            "message": self.message,
            "agents": agents,
            "tools": [] if team is None else [_tool(each) for each in team.tools],
            "start": [] if team is None else [each.name for each in team.starting_agents],
            "limits": _limits_text(self.run_limits()),
            "max_runs": MAX_RUNS,
        }

    def run_limits(self) -> Limits | None:
        """Return the limits that apply to a run."""
        own = None if self.team is None else self.team.options.get("limits")
        return self.limits if own is None else own

    def _participant(self, each: Agent | Peer) -> dict[str, object]:
        if not isinstance(each, Agent):
            return {"name": each.name, "role": each.role or "", "model": "", "provider": ""}
        shown: dict[str, object] = {
            "name": each.name,
            "role": each.role or "",
            "model": each.model,
            "provider": each.provider_name,
        }
        return shown | ({"instructions": each.instructions} if self.show_prompts else {})


def _tool(each: object) -> dict[str, object]:
    name = getattr(each, "name", "") or getattr(each, "__name__", "") or type(each).__name__
    return {"name": str(name), "approval": isinstance(each, Tool) and bool(each.needs_approval)}


def _limits_text(limits: Limits | None) -> str:
    names = ("requests", "seconds", "calls")
    values = {name: getattr(limits, name, None) for name in names}
    return ", ".join(f"{name}={value:g}" for name, value in values.items() if value is not None)
