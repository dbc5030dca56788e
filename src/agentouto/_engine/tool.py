"""Tools: functions that agents may use.

A tool is made of a plain or an async function, which stays callable as before. Its schema is built
when it is first needed. What an agent reads of a result or an error is decided in
``tool_runner.py``.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import cached_property
from typing import Generic, ParamSpec, Self, TypeAlias, TypeVar, cast, overload

import msgspec

from agentouto._core.foreign_arguments import foreign_arguments
from agentouto._core.roster import agent_names
from agentouto._core.schema import ArgumentModel, CheckedArguments, build_schema
from agentouto._core.schema_cache import SchemaCache
from agentouto._core.signature import CallableInfo, is_async, read_signature
from agentouto._core.tool_results import as_result
from agentouto._domain.errors import ToolError
from agentouto._domain.functions import OnRestart, check_function
from agentouto._domain.message import ToolResult
from agentouto._domain.ports import ToolSpec
from agentouto._engine.threads import FunctionCaller, ToolEscaped
from agentouto._engine.tool_checks import check_tool, result_or_awaitable

P = ParamSpec("P")
Q = ParamSpec("Q")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")


class Tool(Generic[P, R_co]):
    """A function that agents may use.

    ::

        @Tool
        def search_web(query: Annotated[str, "What to look for"]) -> str:
            \"\"\"Search the web.\"\"\"

        @Tool(name="search", timeout=20)
        async def search_web(query: str) -> str: ...

    Plain functions run in threads, async ones in the event loop. The agent gets what a function
    returns as text, data as JSON; ``ToolResult`` can carry files.

    Args:
        function: The function. Without it, the call returns a decorator.
        name: The name for models. By default the function's own name.
        description: The description for models. By default that of the function's docstring.
        timeout: How many seconds one use may take.
        in_loop: Whether a plain function runs in the event loop, which it blocks meanwhile.
        needs_approval: Whether the user is asked, through ``approve=``, before each use.
        for_agents: The names of the only agents that may use it. Left out, everyone may.
        on_restart: What becomes of a use that was at work when the process of a run with
            ``journal=`` ended. ``"report"``: the agent is told that it may have happened.
            ``"run"``: it is used again. ``"ask"``: ``approve=`` decides. A function with the same
            parameters looks whether it has happened: it returns the result, or ``None``.
        worker: The kind of worker that uses it, where a worker runs the team, as of ``Agent``.

    Raises:
        ConfigurationError: A model could not call the function; the text says why.
    """

    _callee: CallableInfo
    _function: Callable[P, R_co]
    _description: str | None
    _timeout: float | None
    _in_loop: bool
    _needs_approval: bool
    _for_agents: tuple[str, ...] | None
    _on_restart: OnRestart
    _worker: str | None
    _asynchronous: bool

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
        for_agents: Sequence[str] | None = None,
        on_restart: OnRestart = "report",
        worker: str | None = None,
    ) -> Tool[Q, S]: ...

    # Without a function the class gives a decorator, which mypy alone refuses here. It follows the
    # overloads nevertheless, as long as the class has no __init__, whose types it would prefer.
    @overload
    def __new__(  # type: ignore[misc]
        cls,
        function: None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        in_loop: bool = False,
        needs_approval: bool = False,
        for_agents: Sequence[str] | None = None,
        on_restart: OnRestart = "report",
        worker: str | None = None,
    ) -> ToolDecorator: ...

    def __new__(  # type: ignore[misc]
        cls,
        function: Callable[Q, S] | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        in_loop: bool = False,
        needs_approval: bool = False,
        for_agents: Sequence[str] | None = None,
        on_restart: OnRestart = "report",
        worker: str | None = None,
    ) -> Tool[Q, S] | ToolDecorator:
        """Return a tool; without a function, a decorator that returns one."""
        names = agent_names(for_agents)
        if function is None:
            settings = name, description, timeout, in_loop, needs_approval, names
            return ToolDecorator(*settings, on_restart, worker)
        tool = object.__new__(cast("type[Tool[Q, S]]", cls))
        wrapped = cast("Tool[Q, S]", function).function if isinstance(function, Tool) else function
        tool._callee = read_signature(wrapped, name, _enclosing_locals(wrapped))
        check_tool(tool._callee, timeout, in_loop, needs_approval, on_restart, worker)
        tool._function = wrapped
        tool._description = description
        tool._timeout = timeout
        tool._in_loop = in_loop
        tool._needs_approval = needs_approval
        tool._for_agents = names
        tool._on_restart = on_restart
        tool._worker = worker
        tool._asynchronous = inspect.iscoroutinefunction(tool._callee.function)
        functools.update_wrapper(tool, wrapped, updated=())
        tool.__doc__ = tool._callee.doc
        return tool

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function, as if it were no tool."""
        return self._function(*args, **kwargs)

    @classmethod
    def foreign(
        cls,
        name: str,
        description: str,
        parameters: Mapping[str, object],
        use: Callable[[Mapping[str, object]], object],
        *,
        timeout: float | None = None,
        needs_approval: bool = False,
        for_agents: Sequence[str] | None = None,
        on_restart: OnRestart = "report",
        worker: str | None = None,
    ) -> Tool[[Mapping[str, object]], object]:
        """Return a tool that comes with a JSON Schema instead of a Python signature.

        Args:
            name: What models call it.
            description: What models are told it does.
            parameters: The JSON Schema of its arguments, an object; it reaches models unchanged.
            use: Called with the arguments, once their types, their required names and their choices
                are checked; plain or async. What else the schema says is left to it.
            timeout: How many seconds one use may take.
            needs_approval: Whether the user is asked, through ``approve=``, before each use.
            for_agents: The names of the only agents that may use it.
            on_restart: As of ``Tool``; a function gets the one argument that ``use`` gets.
            worker: As of ``Tool``.

        Raises:
            ConfigurationError: A model could not call it; the text says why.
        """
        check_function(f"Tool.foreign({name!r}, use=)", use, ("arguments",))

        def call(arguments: Mapping[str, object]) -> object:
            return use(arguments)

        tool = Tool(
            call,
            name=name,
            timeout=timeout,
            in_loop=is_async(use),
            needs_approval=needs_approval,
            for_agents=for_agents,
            on_restart=on_restart,
            worker=worker,
        )
        tool.__dict__["_argument_model"] = foreign_arguments(name, description, parameters)
        return tool

    @property
    def name(self) -> str:
        """The name for models."""
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
    def for_agents(self) -> tuple[str, ...] | None:
        """The names of the only agents that may use it, or ``None`` for everyone."""
        return self._for_agents

    @property
    def on_restart(self) -> OnRestart:
        """What becomes of a use that was at work when the process of a kept run ended."""
        return self._on_restart

    @property
    def worker(self) -> str | None:
        """The kind of worker that uses it; ``None`` for that of the agent."""
        return self._worker

    def is_for(self, agent_name: str) -> bool:
        """Whether the agent of this name may use it."""
        return self._for_agents is None or agent_name in self._for_agents

    @property
    def description(self) -> str:
        """The description for models."""
        return self.spec.description if self._description is None else self._description

    @property
    def parameters(self) -> Mapping[str, object]:
        """The JSON Schema of the parameters."""
        return self.spec.parameters

    @property
    def spec(self) -> ToolSpec:
        """Name, description and parameters, as a request has them."""
        return self._argument_model.spec

    async def invoke(self, arguments: Mapping[str, object], threads: FunctionCaller) -> ToolResult:
        """Use the tool as a model asks to.

        Args:
            arguments: What the model wrote, read as JSON.
            threads: Where plain functions run.

        Raises:
            ToolError: The arguments do not fit, time has run out, or the function raised
                something that is no ordinary exception.
            Exception: Whatever else the function raised.
        """
        return await self.invoke_checked(self.check(arguments).values, threads)

    def check(self, arguments: Mapping[str, object]) -> CheckedArguments:
        """Return ``arguments`` as the function takes them.

        Raises:
            ToolError: The arguments do not fit.
        """
        return self._argument_model.check(arguments)

    def invoke_checked(
        self, checked: Mapping[str, object], threads: FunctionCaller
    ) -> Coroutine[object, object, ToolResult]:
        """Use the tool with arguments that ``check`` has returned; see ``invoke``."""
        if self._timeout is None:
            return self._use(checked, threads)
        return self._use_in_time(checked, threads, self._timeout)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    def __reduce__(self) -> str | tuple[object, ...]:
        """Pickle a tool by its module and name; a tool that is not found there, by its function."""
        name: str = getattr(self, "__qualname__", "")  # an object that can be called has none
        at: object = sys.modules.get(self.__module__)
        for step in name.split("."):
            at = getattr(at, step, None)
        if at is self:
            return name
        function: object = self._function
        if isinstance(at, Tool) and cast("Tool[..., object]", at).function is function:
            function = cast("object", at)  # pickle finds the tool under the function's name
        settings = (self._description, self._timeout, self._in_loop, self._needs_approval)
        policy = self._for_agents, self._on_restart, self._worker
        return ToolDecorator(self.name, *settings, *policy), (function,)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    @cached_property
    def _argument_model(self) -> ArgumentModel:
        return build_schema(self._callee, self._description)

    def use_cached_schema(self, schemas: SchemaCache) -> None:
        """Take the schema of the function from ``schemas``, which builds it the first time."""
        if "_argument_model" not in self.__dict__ and self._description is None:
            self.__dict__["_argument_model"] = schemas.of(self._callee)

    async def _use_in_time(
        self, checked: Mapping[str, object], threads: FunctionCaller, seconds: float
    ) -> ToolResult:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._use(checked, threads)
        except TimeoutError as error:
            if not limit.expired():
                raise
            late = f"{self.name} did not finish within {seconds:g} s"
            raise ToolError(self.name, late) from error

    async def _use(self, checked: Mapping[str, object], threads: FunctionCaller) -> ToolResult:
        work = cast("Callable[..., object]", self._function)
        try:
            if self._asynchronous or self._in_loop:
                value = work(**checked)
            else:
                value = await threads.call(lambda: result_or_awaitable(work(**checked), self.name))
            if inspect.isawaitable(value):
                value = await value
            return as_result(value, self.name)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except ToolEscaped as error:
            raise ToolError(self.name, f"{self.name} {error}") from error.__cause__
        except BaseException as error:
            if isinstance(error, Exception) and not isinstance(error, StopIteration):
                raise
            raise ToolError(self.name, f"{self.name} {ToolEscaped(error)}") from error


AnyTool: TypeAlias = Tool[..., object]
"""A tool of the user's, with any parameters and any result."""


class ToolDecorator(msgspec.Struct, frozen=True):
    """The decorator ``@Tool(name=...)``, which has the options of the tool."""

    name: str | None
    description: str | None
    timeout: float | None
    in_loop: bool
    needs_approval: bool
    for_agents: Sequence[str] | None
    on_restart: OnRestart
    worker: str | None

    def __call__(self, function: Callable[P, S]) -> Tool[P, S]:
        """Return a tool made of ``function``."""
        return Tool(
            function,
            name=self.name,
            description=self.description,
            timeout=self.timeout,
            in_loop=self.in_loop,
            needs_approval=self.needs_approval,
            for_agents=self.for_agents,
            on_restart=self.on_restart,
            worker=self.worker,
        )


def _enclosing_locals(function: object) -> Mapping[str, object]:
    """Return the local names where ``function`` was defined, if it is being decorated there."""
    if "<locals>" not in getattr(function, "__qualname__", ""):
        return {}
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return {} if frame is None else dict(frame.f_locals)
