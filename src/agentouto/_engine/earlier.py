"""What parts of a run ask about earlier processes, in a run with a journal."""

from __future__ import annotations

from typing import Protocol

from agentouto._engine.call import Call


class EarlierMail(Protocol):
    """What a run with a journal has sent, and waited for, in earlier processes."""

    def has_posted(self, id_: str) -> bool:
        """Whether the message ``id_`` was sent before; once for each of them."""
        ...

    def seconds_to_wait(self, call: Call, sender: str, seconds: float) -> float | None:
        """Return what is left of a wait that ``call`` had begun; ``None`` if it had not; once."""
        ...

    def flush(self) -> None:
        """Keep all that was recorded, before this returns."""
        ...


class EarlierApprovals(Protocol):
    """What other processes know of requests for approval, in a run with a journal."""

    def decision(self, id_: str) -> tuple[bool, str | None]:
        """Whether the request ``id_`` was made before, and its answer, if there is one."""
        ...

    def requested(self, id_: str) -> None:
        """Note that the request ``id_`` waits for a decision, which may have come already."""
        ...
