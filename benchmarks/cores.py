"""Pins processes to cores: the server to the first core, the measured process to the second."""

from __future__ import annotations

import os

MANY = (os.cpu_count() or 1) > 1 and hasattr(os, "sched_setaffinity")
SERVER = 0 if MANY else -1
CLIENT = 1 if MANY else -1


def pin(core: int) -> None:
    """Keep this process on ``core``; do nothing if it is negative."""
    if core >= 0:
        os.sched_setaffinity(0, {core})
