"""What every function that starts a run takes: said once, and read into a ``Plan``."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypedDict, TypeVar, cast

from agentouto._core import history as histories
from agentouto._core.prompt import OPTIONAL_TOOL_NAMES
from agentouto._core.roster import (
    Roster,
    check_disabled,
    check_forms,
    check_tool_names,
    find_providers,
    gather_agents,
)
from agentouto._domain.hooks import Hooks, OnSummarize
from agentouto._domain.limits import Limits, Price
from agentouto._domain.message import Attachment, Message
from agentouto._domain.misuse import ConfigurationError, nearest
from agentouto._domain.participants import Agent, Provider
from agentouto._engine.offices import AnyTool
from agentouto._engine.person import AskUser, OnMessage
from agentouto._engine.plan import Plan
from agentouto._engine.tool import Tool
from agentouto.providers import open_backend, price_of

T = TypeVar("T")


class Options(TypedDict, total=False):
    """Keywords that ``run`` and its siblings share. Left out, each has the default named here.

    Attributes:
        attachments: Files that travel with the message. None.
        history: Messages of earlier runs the starting agents should know, or dictionaries with
            their fields. None.
        debug: Whether ``event_log`` also tells what models were asked. ``False``.
        extra_instructions: More instructions for this run. None.
        extra_instructions_scope: Who gets them: ``"entry"``, the starting agents, or ``"all"``.
        run_agents: Everyone who takes part. The starting agents.
        disabled_tools: Names of built-in tools to leave out. None.
        enabled_tools: More built-in tools: ``"wait_for_messages"``, ``"list_running"``. None.
        on_message: Called with a message and a function that answers it, whenever an agent writes
            to the user; plain or async. None: agents cannot write to the user.
        ask_user: Called with a forward when an agent calls the user; returns the answer; plain or
            async. None: the user cannot be called.
        on_summarize: Called with a ``Summary`` that is to replace the older part of a transcript;
            returns another text, or None; plain or async. None.
        allow_background_agents: Whether agents may start calls without waiting. ``True``.
        output_type: What the starting agents return instead of text: any type that pydantic can
            check. ``RunResult.data`` is the value. None.
        background: What a run does about such calls when all starting agents have returned:
            ``"wait"`` for them, or ``"cancel"`` them. ``"wait"``.
        limits: What the run may spend. No limits.
        hooks: Functions that see, change or refuse what passes. None.
    """

    attachments: Sequence[Attachment] | None
    history: Iterable[Message | Mapping[str, object]] | None
    debug: bool
    extra_instructions: str | None
    extra_instructions_scope: Literal["entry", "all"]
    run_agents: Sequence[Agent] | None
    disabled_tools: Iterable[str] | None
    enabled_tools: Iterable[str] | None
    on_message: OnMessage | None
    ask_user: AskUser | None
    on_summarize: OnSummarize | None
    allow_background_agents: bool
    background: Literal["wait", "cancel"]
    output_type: object
    limits: Limits | None
    hooks: Hooks | None


class RunOptions(Options, total=False):
    """``Options``, and two older words that stand for positional parameters.

    Attributes:
        entry: One starting agent, instead of ``starting_agents``; goes with ``agents``.
        agents: Everyone who takes part, instead of ``run_agents``; goes with ``entry``.
    """

    entry: Agent
    agents: Sequence[Agent]


POSITIONAL = ("message", "starting_agents", "tools", "providers")
KNOWN = tuple(RunOptions.__annotations__)
SCOPES = ("entry", "all")
ENDINGS = ("wait", "cancel")

_NO_LIMITS, _NO_HOOKS = Limits(), Hooks()
_NO_NAMES: frozenset[str] = frozenset()
"""What most runs have, made once."""


def plan_of(function: str, given: tuple[object, ...], options: RunOptions) -> Plan:
    """Return the run that the arguments of ``function`` ask for.

    Args:
        function: Its name, for error texts.
        given: Its positional parameters: message, starting_agents, tools and providers, and
            whatever came after them.
        options: Its keywords.

    Raises:
        TypeError: An argument there is not, or two ways of saying the same were mixed.
        ConfigurationError: An argument cannot work.
    """
    check_options(f"{function}()", options, POSITIONAL)
    message, starting, participants, tools, providers = _modern(function, given, options)
    if not isinstance(message, str):
        raise ConfigurationError(f"message must be text, not {message!r}")
    roster = gather_agents(starting, participants)
    _warn_of_left_out(roster)
    own = _tools(tools)
    check_tool_names([tool.name for tool in own], roster.agents)
    by_name = {tool.name: tool for tool in own}
    check_forms(roster.agents.values(), options.get("output_type"), by_name)
    found = find_providers(roster.agents.values(), cast("Iterable[object]", providers or ()))
    off = options.get("disabled_tools")
    limits = _one_of_kind(options, "limits", Limits) or _NO_LIMITS
    return Plan(
        message=str(message),  # a kind of text of somebody's own could not be sent
        starting=roster.starting,
        agents=roster.agents,
        tools=by_name,
        disabled=check_disabled(off, by_name) if off else _NO_NAMES,
        enabled=_enabled(options.get("enabled_tools")),
        attachments=_attachments(options.get("attachments")),
        history=histories.read(options.get("history")),
        extra_instructions=options.get("extra_instructions"),
        extra_for_all=_one_of(options, "extra_instructions_scope", SCOPES) == "all",
        on_message=_checked_callable(options, "on_message"),
        ask_user=_checked_callable(options, "ask_user"),
        on_summarize=cast("OnSummarize | None", _checked_callable(options, "on_summarize")),
        limits=limits,
        prices=_prices(limits, roster.agents.values(), found),
        hooks=_one_of_kind(options, "hooks", Hooks) or _NO_HOOKS,
        background_allowed=options.get("allow_background_agents", True),
        cancel_background=_one_of(options, "background", ENDINGS) == "cancel",
        debug=options.get("debug", False),
        output_type=options.get("output_type"),
        backends={name: open_backend(provider) for name, provider in found.items()},
    )


def check_options(function: str, options: Iterable[str], besides: tuple[str, ...] = ()) -> None:
    """Raise ``TypeError`` for a keyword there is not, naming the nearest there is."""
    for name in options:
        if name not in KNOWN:
            close = nearest(name, besides + KNOWN)
            raise TypeError(f"{function} has no argument {name!r}{close}")


def _modern(
    function: str, given: tuple[object, ...], options: RunOptions
) -> tuple[object, object, object, object, object]:
    message, starting, tools, providers, *more = given
    participants: object = options.get("run_agents")
    entry: object = options.get("entry")
    everyone: object = options.get("agents")
    if isinstance(message, Agent):  # entry, message, agents, tools, providers
        if entry is not None:
            raise TypeError(f"{function}() got its entry agent twice")
        entry, message, starting = message, starting, None
        if everyone is None:
            everyone, tools, providers = tools, providers, more.pop(0) if more else None
    if more:
        raise TypeError(f"{function}() takes at most 4 positional arguments, {len(given)} given")
    if entry is None and everyone is None:
        return message, starting, participants, tools, providers
    if starting is not None or participants is not None:
        raise TypeError(
            f"{function}() takes either entry= and agents=, or starting_agents= and run_agents=; "
            "the two pairs cannot be mixed"
        )
    if entry is None:
        raise TypeError(f"{function}() got agents= without entry=")
    return message, [entry], everyone, tools, providers


def _warn_of_left_out(roster: Roster) -> None:
    for name in roster.left_out:
        warnings.warn(
            f"{name!r} is in starting_agents but not in run_agents, so it takes no part: "
            "add it to run_agents, or do not start it",
            UserWarning,
            stacklevel=_depth_of_ours(),
        )


def _depth_of_ours() -> int:
    """Return how many frames up the first caller outside this package is."""
    depth, frame = 0, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("agentouto"):
        depth, frame = depth + 1, frame.f_back
    return depth


def _tools(tools: object) -> list[AnyTool]:
    if tools is None:
        return []
    if isinstance(tools, Tool | str) or not isinstance(tools, Iterable):
        raise ConfigurationError(f"tools= takes a list of tools or functions, not {tools!r}")
    found: list[AnyTool] = []
    for tool in cast("Iterable[object]", tools):
        if not isinstance(tool, Tool) and not callable(tool):
            raise ConfigurationError(f"tools= takes tools and functions, not {tool!r}")
        found.append(cast("AnyTool", tool) if isinstance(tool, Tool) else Tool(tool))
    return found


def _enabled(names: Iterable[str] | None) -> frozenset[str]:
    if isinstance(names, str):
        raise ConfigurationError(f"enabled_tools= takes a list of names: [{names!r}]")
    for name in names or ():
        if name not in OPTIONAL_TOOL_NAMES:
            raise ConfigurationError(
                f"enabled_tools: there is no tool {name!r} to be switched on; there are: "
                f"{', '.join(sorted(OPTIONAL_TOOL_NAMES))}{nearest(name, OPTIONAL_TOOL_NAMES)}"
            )
    return frozenset(names) if names else _NO_NAMES


def _prices(
    limits: Limits, agents: Iterable[Agent], providers: Mapping[str, Provider]
) -> dict[str, Price]:
    """Return what each model costs, where that is limited."""
    if limits.cost is None:
        return {}
    prices: dict[str, Price] = {}
    for agent in (one for every in agents for one in every.stand_ins()):
        model = agent.model
        price = limits.price(model) or price_of(providers[agent.provider_name], model)
        if price is None:
            raise ConfigurationError(
                f"Limits(cost=): nobody knows what {model!r} costs; say it with "
                f"Limits(prices={{{model!r}: (input, output)}}), in US dollars for a million tokens"
            )
        prices[model] = price
    return prices


def _attachments(given: Iterable[Attachment] | Attachment | None) -> tuple[Attachment, ...]:
    if isinstance(given, Attachment):
        raise ConfigurationError("attachments= takes a list of Attachments: [Attachment(...)]")
    files = tuple(given or ())
    for file in files:
        if not isinstance(cast("object", file), Attachment):
            raise ConfigurationError(f"attachments= takes Attachments, not {file!r}")
    return files


def _one_of(options: Options, name: str, words: tuple[str, ...]) -> str:
    word = cast("object", options.get(name, words[0]))
    if word not in words:
        listed = " or ".join(repr(word) for word in words)
        raise ConfigurationError(f"{name} must be {listed}, not {word!r}")
    return cast("str", word)


def _one_of_kind(options: Options, name: str, kind: type[T]) -> T | None:
    value = cast("object", options.get(name))
    if value is None or isinstance(value, kind):
        return value
    raise ConfigurationError(f"{name}= takes {kind.__name__}(...), not {value!r:.60}")


def _checked_callable(options: Options, name: str) -> Callable[..., object] | None:
    function = cast("object", options.get(name))
    if function is None or callable(function):
        return function
    raise ConfigurationError(f"{name}= takes a function, not {function!r}")
