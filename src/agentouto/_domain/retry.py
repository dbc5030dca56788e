"""``Retry``: how often a request that failed temporarily is made, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import cast

from agentouto._domain.configuration_error import ConfigurationError


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a request that failed temporarily is made, and for how long.

    The first wait is half a second, and each one is twice as long as the one before, up to eight
    seconds; a server that asks for another wait is obeyed. So ``Retry(tries=20, seconds=120)`` is
    enough for a local server that loads its model for two minutes.

    Attributes:
        tries: How many times a request is made at most; 1 makes no second try.
        seconds: Seconds from the first try after which no other one begins. A request that would
            have to wait for longer, because a server asks for it, fails at once.

    Raises:
        ConfigurationError: ``tries`` is no whole number above 0, or ``seconds`` no number above 0.
    """

    tries: int = 4
    seconds: float = 60.0

    def __post_init__(self) -> None:
        """Check both numbers."""
        tries, seconds = cast("object", self.tries), cast("object", self.seconds)
        if not isinstance(tries, int) or isinstance(tries, bool) or tries < 1:
            raise ConfigurationError(
                f"Retry: tries={tries!r:.40} is no whole number above 0; tries=1 makes one request"
            )
        number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not (number and isfinite(cast("float", seconds)) and cast("float", seconds) > 0):
            raise ConfigurationError(
                f"Retry: seconds={seconds!r:.40} is no number of seconds above 0, such as 60"
            )
