"""The limits that the command line sets for a run, because a mistake in a team costs money.

The library sets no limits: programs decide themselves. A person who tries a team from a terminal
gets ``DEFAULT_LIMITS``, is told so at the start, and can change them. The limits of a team come
first, and replace these as a whole: its author knows what it needs.
"""

from __future__ import annotations

import difflib
from dataclasses import fields, replace
from typing import Any

from agentouto import ConfigurationError, Limits, Team

DEFAULT_LIMITS = Limits(requests=200, seconds=1800)
"""Teams that work need fewer than 200 requests; two agents that call each other without end reach
them within minutes. Half an hour bounds a run that nothing else bounds.
"""

NAMES = tuple(each.name for each in fields(Limits) if each.name not in {"prices", "warn_at"})
"""The limits that are one number."""


def parse_limits(text: str) -> Limits:
    """Return ``DEFAULT_LIMITS`` with the changes in ``text``, such as ``requests=500,seconds=60``.

    Raises:
        ConfigurationError: A limit does not exist, or its value is not a number above 0.
    """
    changes: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, _, value = (each.strip() for each in part.partition("="))
        if name not in NAMES:
            close = difflib.get_close_matches(name, NAMES, 1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise ConfigurationError(f"there is no {name!r}. There are: {', '.join(NAMES)}.{hint}")
        try:
            changes[name] = int(value) if value.isdecimal() else float(value)
        except ValueError:
            raise ConfigurationError(f"{name} takes a number, not {value!r}") from None
    return replace(DEFAULT_LIMITS, **changes)


def describe_limits(limits: Limits) -> str:
    """Return the limits that are set, as ``requests=200, seconds=1800``."""
    default = Limits()
    values = {name: getattr(limits, name) for name in NAMES}
    changed = {name: value for name, value in values.items() if value != getattr(default, name)}
    return ", ".join(f"{name}={value:g}" for name, value in changed.items())


def limits_notice(team: Team, limits: Limits | None) -> str:
    """Return the line that says at the start which limits apply to a run of ``team``."""
    own = team.options.get("limits")
    if own is not None:
        return f"Limits of the team: {describe_limits(own) or 'none'}"
    if limits is None:
        return "Limits: none"
    return f"Limits: {describe_limits(limits)} (--limits, --no-limits)"
