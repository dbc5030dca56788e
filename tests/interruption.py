"""Lets something happen before a certain line of a function, to try every order of two things."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Calls ``act`` once, before the line ``number`` that a function comes to is run."""

    def __init__(
        self, function: Callable[..., object], number: int, act: Callable[[], object]
    ) -> None:
        self._code = function.__code__
        self._number = number
        self._act = act
        self.happened: bool = False

    @contextmanager
    def in_this_thread(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(before)

    def _trace(self, frame: FrameType, kind: str, _: object) -> object:
        if frame.f_code is not self._code:
            return None
        if kind == "line":
            self._number -= 1
            if self._number == 0:
                self.happened = True
                self._act()
        return self._trace
