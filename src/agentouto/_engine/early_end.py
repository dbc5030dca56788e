"""Ends a run early, from any call of it, with an error that no agent can do anything about."""

from __future__ import annotations

from collections.abc import Callable

from agentouto._domain.configuration_error import AgentoutoError


class EarlyEnd:
    """The error that ends a run early, if one does.

    It holds the run only while the run goes on, so that a finished run is freed at once.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._cancel: Callable[[], None] | None = None

    def begin(self, cancel: Callable[[], None]) -> None:
        """Call ``cancel`` when the run is ended early; at once, if it is by now."""
        self._cancel = cancel
        if self.error is not None:
            cancel()

    def end_with(self, error: Exception) -> None:
        """Cancel everything that still runs; the run then raises ``error``, the first one given."""
        if self.error is None:
            self.error = error
            if self._cancel is not None:
                self._cancel()

    def close(self) -> None:
        """Let go of the run."""
        self._cancel = None


def error_fields(error: BaseException) -> dict[str, str]:
    """Return what the last event of a run says of ``error``."""
    if not isinstance(error, AgentoutoError):  # a fault of this package, or of the user's code
        error = AgentoutoError(str(error) or type(error).__name__)
    return error.to_dict()
