"""Tools: functions that agents may use.

A tool is made of a plain or an async function, which stays callable as it was. Its schema is drawn
when it is first asked for. This module does not know who uses a tool or what becomes of an error.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cached_property
from typing import Generic, ParamSpec, Self, TypeVar, cast, overload
from weakref import WeakKeyDictionary

import msgspec

from agentouto._core.schema import Blueprint, draw, render
from agentouto._core.signature import Callee, read
from agentouto._domain.errors import ToolError
from agentouto._domain.message import Attachment, ToolResult
from agentouto._domain.ports import ToolSpec
from agentouto._engine.threads import Escaped, Threads

P = ParamSpec("P")
Q = ParamSpec("Q")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")

GOOD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


class Tool(Generic[P, R_co]):
    """A function that agents may use.

    ::

        @Tool
        def search_web(query: Annotated[str, "What to look for"]) -> str:
            \"\"\"Search the web.\"\"\"

        @Tool(name="search", timeout=20)
        async def search_web(query: str) -> str: ...

    Plain functions run in threads, async ones in the event loop. What a function returns is told
    to the agent as text, data as JSON; ``ToolResult`` can carry files.

    Args:
        function: The function. Left out, this is a decorator.
        name: What models call it. Left out, the function's own name.
        description: What models are told it does. Left out, what its docstring says.
        timeout: The most seconds one use may take.
        in_loop: Whether a plain function has to run in the event loop, which waits for it.
        needs_approval: Whether the user is asked, through ``ask_user``, before each use.

    Raises:
        ConfigurationError: A model could not call the function; the text says why.
    """

    @overload
    def __new__(
        cls,
        function: Callable[Q, S],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        in_loop: bool = False,
        needs_approval: bool = False,
    ) -> Tool[Q, S]: ...

    @overload
    def __new__(
        cls,
        function: None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        in_loop: bool = False,
        needs_approval: bool = False,
    ) -> Wanted: ...

    def __new__(
        cls,
        function: Callable[Q, S] | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        in_loop: bool = False,
        needs_approval: bool = False,
    ) -> Tool[Q, S] | Wanted:
        """Make a tool, or without a function a decorator that will."""
        if function is None:
            return Wanted(name, description, timeout, in_loop, needs_approval)
        return object.__new__(cast("type[Tool[Q, S]]", cls))

    def __init__(
        self,
        function: Callable[P, R_co] | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        in_loop: bool = False,
        needs_approval: bool = False,
    ) -> None:
        given = cast("Callable[P, R_co]", function)  # without one, __new__ made no tool
        if isinstance(function, Tool):
            given = cast("Tool[P, R_co]", function).function
        self._callee = read(given, name, _names_around(given))
        _check(self._callee, timeout)
        self._function = given
        self._description = description
        self._timeout = timeout
        self._in_loop = in_loop
        self._needs_approval = needs_approval
        self._asynchronous = inspect.iscoroutinefunction(self._callee.function)
        functools.update_wrapper(self, given, updated=())
        self.__doc__ = self._callee.doc

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function, as if it were no tool."""
        return self._function(*args, **kwargs)

    @property
    def name(self) -> str:
        """What models call it."""
        return self._callee.name

    @property
    def function(self) -> Callable[P, R_co]:
        """The function."""
        return self._function

    @property
    def timeout(self) -> float | None:
        """The most seconds one use may take."""
        return self._timeout

    @property
    def in_loop(self) -> bool:
        """Whether a plain function runs in the event loop."""
        return self._in_loop

    @property
    def needs_approval(self) -> bool:
        """Whether the user is asked before each use."""
        return self._needs_approval

    @property
    def description(self) -> str:
        """What models are told it does."""
        return self.spec.description if self._description is None else self._description

    @property
    def parameters(self) -> Mapping[str, object]:
        """The JSON Schema of what it takes."""
        return self.spec.parameters

    @property
    def spec(self) -> ToolSpec:
        """The tool as a model is told of it."""
        return self._blueprint.spec

    async def invoke(self, arguments: Mapping[str, object], threads: Threads) -> ToolResult:
        """Use the tool as a model asks to.

        Args:
            arguments: What the model wrote, read as JSON.
            threads: Where plain functions run.

        Raises:
            ToolError: The arguments do not fit, time has run out, or the function raised
                something that is no ordinary exception.
            Exception: Whatever else the function raised.
        """
        checked = self._blueprint.check(arguments)
        if self._timeout is None:
            return await self._use(checked, threads)
        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                return await self._use(checked, threads)
        except TimeoutError as error:
            if not limit.expired():
                raise
            late = f"{self.name} did not finish within {self._timeout:g} s"
            raise ToolError(self.name, late) from error

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    @cached_property
    def _blueprint(self) -> Blueprint:
        return _drawn(self._callee, self._description)

    async def _use(self, checked: Mapping[str, object], threads: Threads) -> ToolResult:
        work = cast("Callable[..., object]", self._function)
        function = functools.partial(work, **checked)
        try:
            if self._asynchronous or self._in_loop:
                value = function()
            else:
                value = await threads.call(lambda: _prepared(function(), self.name))
            if inspect.isawaitable(value):
                value = await value
            return as_result(value, self.name)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except Escaped as error:
            raise ToolError(self.name, f"{self.name} {error}") from error.__cause__
        except BaseException as error:
            if isinstance(error, Exception) and not isinstance(error, StopIteration):
                raise
            raise ToolError(self.name, f"{self.name} {Escaped(error)}") from error


class _Drawing(msgspec.Struct, frozen=True):
    """What was drawn of a function, and what the function said of itself then.

    It must not lead to the function, which would live as long as the process.
    """

    name: str
    doc: str
    parameters: tuple[inspect.Parameter, ...]
    blueprint: Blueprint

    def is_of(self, callee: Callee) -> bool:
        """Whether ``callee`` still says the same."""
        return (
            (self.name, self.doc, len(self.parameters))
            == (callee.name, callee.doc, len(callee.parameters))
        ) and all(
            old.name == new.name and old.annotation is new.annotation and old.default is new.default
            for old, new in zip(self.parameters, callee.parameters, strict=True)
        )


_DRAWINGS: WeakKeyDictionary[Callable[..., object], _Drawing] = WeakKeyDictionary()


def _drawn(callee: Callee, description: str | None) -> Blueprint:
    """Return what ``draw`` makes of a function: once, for one that comes with every run."""
    function = callee.function
    if description is not None or not inspect.isfunction(function):
        return draw(callee, description)
    drawing = _DRAWINGS.get(function)
    if drawing is None or not drawing.is_of(callee):
        blueprint = draw(callee, description)
        drawing = _Drawing(callee.name, callee.doc, callee.parameters, blueprint)
        _DRAWINGS[function] = drawing
    return drawing.blueprint


class Wanted(msgspec.Struct, frozen=True):
    """What is said of a tool before its function: ``@Tool(name=...)``."""

    name: str | None
    description: str | None
    timeout: float | None
    in_loop: bool
    needs_approval: bool

    def __call__(self, function: Callable[P, S]) -> Tool[P, S]:
        """Return ``function`` as a tool."""
        return Tool(
            function,
            name=self.name,
            description=self.description,
            timeout=self.timeout,
            in_loop=self.in_loop,
            needs_approval=self.needs_approval,
        )


def as_result(value: object, tool_name: str) -> ToolResult:
    """Return what a function returned in a form that can be told to a model.

    Raises:
        ToolError: It is bytes that are no text.
    """
    if isinstance(value, Attachment):
        return ToolResult("", [value])
    if isinstance(value, ToolResult):
        content = as_text(value.content, tool_name)
        return value if content is value.content else ToolResult(content, value.attachments)
    return ToolResult(as_text(value, tool_name))


def as_text(value: object, tool_name: str) -> str:
    """Return ``value`` as text that can be encoded: nothing as ``""``, data as JSON."""
    if isinstance(value, bytes | bytearray):
        return _decoded(value, tool_name)
    if value is None:
        return ""
    plain = isinstance(value, str) and not isinstance(value, Enum)
    text = str(value) if plain else render(value)
    try:
        text.encode()
    except UnicodeEncodeError:  # half characters: file names have them
        return text.encode(errors="backslashreplace").decode()
    return text


def _decoded(value: bytes | bytearray, tool_name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        what = (
            f"{tool_name} returned {len(value):,} bytes that are no text; it should return "
            "ToolResult(text, attachments=[Attachment(mime_type, data=base64)])"
        )
        raise ToolError(tool_name, what) from error


def _prepared(value: object, tool_name: str) -> object:
    """Return the result that ``value`` makes; what has to be awaited as it is."""
    return value if inspect.isawaitable(value) else as_result(value, tool_name)


def _check(callee: Callee, timeout: float | None) -> None:
    if not GOOD_NAME.fullmatch(callee.name):
        raise callee.trouble(
            "models cannot call it that: a name has up to 64 letters of a to z, digits, _ and -, "
            "and no digit first; give it one with Tool(..., name=...)"
        )
    if timeout is not None and not timeout > 0:
        raise callee.trouble(f"timeout={timeout!r} must be more than 0 seconds, or None")


def _names_around(function: object) -> Mapping[str, object]:
    """Return the local names where ``function`` was defined, if it is being decorated there."""
    if "<locals>" not in getattr(function, "__qualname__", ""):
        return {}
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return {} if frame is None else dict(frame.f_locals)
