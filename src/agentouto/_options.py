"""The arguments of every function that starts a run: their types, checks, and the ``Plan``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypedDict, TypeVar, cast, get_overloads

from agentouto._core import history as histories
from agentouto._core.builtin_tools import OPTIONAL_TOOL_NAMES
from agentouto._core.roster import (
    Roster,
    check_disabled,
    check_for_agents,
    check_output_types,
    check_tool_names,
    find_providers,
    gather_participants,
    warn_of_left_out,
)
from agentouto._core.schema_cache import SchemaCache
from agentouto._domain.configuration_error import ConfigurationError, did_you_mean
from agentouto._domain.foreign_words import RUN_WORDS, hint_for
from agentouto._domain.functions import check_function
from agentouto._domain.hooks import Hooks, OnSummarize
from agentouto._domain.limits import Limits, Price
from agentouto._domain.memory import Memory
from agentouto._domain.message import USER, Attachment, Message
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.peer import ANSWER_FORMS, Participant, Peer
from agentouto._engine.plan import Plan
from agentouto._engine.save_and_exit import SAVE_AND_EXIT, is_away
from agentouto._engine.tool import AnyTool, Tool
from agentouto._engine.tool_sources import ToolSource, is_source
from agentouto._engine.user import Approve, AskUser, OnMessage
from agentouto._journal.journal import JournalPlace
from agentouto.providers import open_backend, price_of

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])


class OtherOptions(TypedDict, total=False):
    """The ``Options`` without ``output_type``, which overloads type on their own.

    After a change of options, ``python tests/typing/signatures.py`` writes the signatures.
    """

    attachments: Sequence[Attachment] | None
    history: Iterable[Message | Mapping[str, object]] | None
    debug: bool
    extra_instructions: str | None
    extra_instructions_scope: Literal["entry", "all"]
    run_agents: Sequence[Participant] | None
    disabled_tools: Iterable[str] | None
    enabled_tools: Iterable[str] | None
    on_message: OnMessage | None
    context: object
    ask_user: AskUser | None
    approve: Approve | None
    on_summarize: OnSummarize | None
    allow_background_agents: bool
    background: Literal["wait", "cancel"]
    limits: Limits | None
    hooks: Hooks | None
    journal: JournalPlace | None
    run_id: str | None
    changed: Literal["refuse", "accept"]
    name: str | None


class Options(OtherOptions, total=False):
    """Keywords of ``run``, of the functions like it, and of ``Team``, with their defaults.

    Attributes:
        attachments: Files that travel with the message. None.
        history: Messages of earlier runs that the starting agents read first, or dictionaries with
            their fields. None.
        debug: Whether ``event_log`` also has requests to models and their replies. ``False``.
        extra_instructions: More instructions for this run. None.
        extra_instructions_scope: Who gets them: ``"entry"``, the starting agents, or ``"all"``.
            ``"entry"``.
        run_agents: All agents of the run. The starting agents.
        disabled_tools: Names of built-in tools to leave out. None.
        enabled_tools: More built-in tools: ``"wait_for_messages"``, ``"list_running"``. None.
        on_message: Called with a message and a function that answers it, whenever an agent writes
            to the user; plain or async. None: agents cannot write to the user.
        context: An object for tools and peers, which read it as ``here().context``; no model sees
            it. None.
        ask_user: Called with a forward when an agent calls the user; returns the answer; plain or
            async. ``SAVE_AND_EXIT``: questions are kept in the journal, and the run ends with
            ``Waiting`` when it waits for nothing else. None: the user cannot be called.
        approve: Called with an ``Approval`` before a tool with ``needs_approval=True`` runs, which
            only ``True`` allows; plain or async. None: such tools are refused.
        on_summarize: Called with a ``Summary`` that is about to replace the older part of a
            transcript; returns another text, or None; plain or async. None.
        allow_background_agents: Whether agents may start calls without waiting. ``True``.
        output_type: The type that the starting agents return instead of text: any type that
            pydantic can check. ``RunResult.data`` is the value. None.
        background: What happens to such calls when all starting agents have returned: ``"wait"``
            for them, or ``"cancel"`` them. ``"wait"``.
        limits: How much the run may do. No limits.
        hooks: Functions that see, change or refuse messages, requests and tool calls. None.
        journal: The file or ``Journal`` that keeps the run beyond its process. None: none does.
        run_id: Its id there: the same call begins a run, goes on with it after a crash, and returns
            what it came to. None: an id is drawn.
        changed: Whether a kept run goes on with changed agents: ``"accept"``. ``"refuse"``.
        name: What the team is called, in event lines and traces. None.
    """

    output_type: object


class OtherRunOptions(OtherOptions, total=False):
    """The ``RunOptions`` without ``output_type``."""

    entry: Participant | None
    agents: Sequence[Participant] | None


class RunOptions(Options, OtherRunOptions, total=False):
    """``Options``, and the two keywords of the older call form.

    Attributes:
        entry: One starting agent, instead of ``starting_agents``; an older word, used with
            ``agents``.
        agents: All agents of the run, instead of ``run_agents``; an older word, used with
            ``entry``.
    """


POSITIONAL = ("message", "starting_agents", "tools", "providers")
OPTION_NAMES = tuple(RunOptions.__annotations__)
SCOPES = ("entry", "all")
BACKGROUND_CHOICES = ("wait", "cancel")

_NO_LIMITS, _NO_HOOKS = Limits(), Hooks()
_NO_NAMES: frozenset[str] = frozenset()
"""What most runs have, created once."""


_MEANINGS, _OLDER_MEANINGS = (
    inspect.cleandoc(each.__doc__ or "").partition("Attributes:\n")[2]
    for each in (Options, RunOptions)
)
"""What their docstrings say of each option; nothing under ``python -OO``, which removes them."""


def declared(function: F) -> F:
    """Give an overloaded function what ``help`` shows: its last overload, and its options' meaning.

    A docstring that has the meanings already, for editors that only read the source, stays.
    """
    last = get_overloads(function)[-1]
    function.__signature__ = inspect.signature(last)  # type: ignore[attr-defined]
    text = inspect.cleandoc(function.__doc__ or "")
    if "\nArgs:" not in text:
        older = f"\n{_OLDER_MEANINGS}" if "entry" in last.__annotations__ else ""
        function.__doc__ = f"{text}\n\nOptions:\n{_MEANINGS}{older}".strip()
    return function


def make_plan(
    function: str,
    given: tuple[object, ...],
    options: RunOptions,
    memory: Memory,
    above: tuple[Limits, ...] = (),
) -> Plan:
    """Return the run that a call of ``function`` asks for, which is inside of limits ``above``.

    ``given`` are its positional arguments, in the newer or the older order; ``memory`` is what
    earlier runs have left.

    Raises:
        TypeError: An argument there is not, or two ways of saying the same were mixed.
        ConfigurationError: An argument cannot work.
    """
    check_options(f"{function}()", options, POSITIONAL)
    message, starting, participants, tools, providers = _resolve_order(function, given, options)
    _check_message(message, starting)
    ask_user = options.get("ask_user")
    if ask_user is not None:
        check_function("ask_user=", ask_user, *ANSWER_FORMS)
    roster = gather_participants(starting, participants, ask_user)
    warn_of_left_out(roster)
    own, sources = _split_tools(tools)
    by_name = _tools_by_name(own, roster, options.get("output_type"), memory)
    found = find_providers(roster.agents, providers)
    off = options.get("disabled_tools")
    limits = _instance(options, "limits", Limits) or _NO_LIMITS
    return Plan(
        message=str(message),  # msgspec does not encode subclasses of str
        starting=roster.starting,
        participants=roster.participants,
        tools=by_name,
        sources=sources,
        context=options.get("context"),
        disabled=check_disabled(off, by_name) if off else _NO_NAMES,
        enabled=_enabled_tools(options.get("enabled_tools")),
        attachments=_checked_attachments(options.get("attachments")),
        history=histories.read_history(options.get("history")),
        extra_instructions=_checked_text(options, "extra_instructions"),
        extra_for_all=_choice(options, "extra_instructions_scope", SCOPES) == "all",
        on_message=_checked_callable(options, "on_message", "message", "send"),
        approve=_approve(options, roster),
        on_summarize=cast(
            "OnSummarize | None", _checked_callable(options, "on_summarize", "summary")
        ),
        limits=limits,
        prices=_prices((limits, *above), roster.agents, found, memory),
        hooks=_instance(options, "hooks", Hooks) or _NO_HOOKS,
        background_allowed=_flag(options, "allow_background_agents", default=True),
        cancel_background=_choice(options, "background", BACKGROUND_CHOICES) == "cancel",
        debug=_flag(options, "debug", default=False),
        output_type=options.get("output_type"),
        backends={name: open_backend(provider, memory) for name, provider in found.items()},
        memory=memory,
        name=_checked_text(options, "name") or "",
    )


def _approve(options: Options, roster: Roster) -> Approve | None:
    """Return who approves the use of tools. A user who is away may do that later, too."""
    approve = cast("Approve | None", _checked_callable(options, "approve", "approval"))
    user = roster.participants.get(USER)
    return SAVE_AND_EXIT if approve is None and user is not None and is_away(user) else approve


def check_options(function: str, options: Iterable[str], besides: tuple[str, ...] = ()) -> None:
    """Raise ``TypeError`` for an unknown keyword, with what there is instead."""
    for name in options:
        if name not in OPTION_NAMES:
            hint = hint_for(name, besides + OPTION_NAMES, RUN_WORDS)
            raise TypeError(f"{function} has no argument {name!r}{hint}")


def _resolve_order(
    function: str, given: tuple[object, ...], options: RunOptions
) -> tuple[object, object, object, object, object]:
    message, starting, tools, providers, *more = given
    participants: object = options.get("run_agents")
    entry: object = options.get("entry")
    everyone: object = options.get("agents")
    if isinstance(message, Agent | Peer):  # entry, message, agents, tools, providers
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


def _check_message(message: object, starting: object) -> None:
    if isinstance(message, str):
        return
    hint = ": the message comes first, run('...', [agent])" if isinstance(starting, str) else ""
    raise ConfigurationError(f"message must be text, not {message!r:.60}{hint}")


def _tools_by_name(
    own: list[AnyTool], roster: Roster, output_type: object, memory: Memory
) -> dict[str, AnyTool]:
    """Return the tools that were given, checked; of known functions no schema is drawn again."""
    schemas = memory.part(SchemaCache)
    for tool in own:
        tool.use_cached_schema(schemas)
    check_tool_names([tool.name for tool in own], roster.participants)
    agents = [agent.name for agent in roster.agents]
    for tool in own:
        check_for_agents(tool.name, tool.for_agents or (), agents)
    by_name = {tool.name: tool for tool in own}
    check_output_types(roster.agents, output_type, by_name)
    return by_name


def _split_tools(tools: object) -> tuple[list[AnyTool], tuple[ToolSource, ...]]:
    """Return the tools and functions in ``tools=``, as tools, and the sources of tools."""
    if tools is None:
        return [], ()
    if isinstance(tools, Tool | str) or is_source(tools) or not isinstance(tools, Iterable):
        raise ConfigurationError(f"tools= takes a list of tools or functions, not {tools!r}")
    own: list[AnyTool] = []
    sources: list[ToolSource] = []
    for tool in cast("Iterable[object]", tools):
        if is_source(tool):
            sources.append(tool)
        elif isinstance(tool, Tool):
            own.append(cast("AnyTool", tool))
        elif callable(tool):
            own.append(Tool(tool))
        else:
            raise ConfigurationError(
                f"tools= takes tools and functions, and sources of tools, not {tool!r}"
            )
    return own, tuple(sources)


def _enabled_tools(names: Iterable[str] | None) -> frozenset[str]:
    if isinstance(names, str):
        raise ConfigurationError(f"enabled_tools= takes a list of names: [{names!r}]")
    for name in names or ():
        if name not in OPTIONAL_TOOL_NAMES:
            raise ConfigurationError(
                f"enabled_tools: there is no tool {name!r} to turn on; there are: "
                f"{', '.join(sorted(OPTIONAL_TOOL_NAMES))}{did_you_mean(name, OPTIONAL_TOOL_NAMES)}"
            )
    return frozenset(names) if names else _NO_NAMES


def _prices(
    limits: tuple[Limits, ...],
    agents: Iterable[Agent],
    providers: Mapping[str, Provider],
    memory: Memory,
) -> dict[str, Price]:
    """Return the price of each model; of some only, if ``Limits(cost=)`` is not given."""
    needed = False
    own: dict[str, Price] = {}
    for one in reversed(limits):  # so that those of the run itself stand over those outside
        needed = needed or one.cost is not None
        own |= {model: Price(*price) for model, price in one.prices.items()}
    prices: dict[str, Price] = {}
    asked = (one for agent in agents for one in agent.with_fallbacks())
    for name, model in dict.fromkeys([(one.provider_name, one.model) for one in asked]):
        price = own.get(model) or price_of(providers[name], model, memory, look_up=needed)
        if price is not None:
            prices[model] = price
        elif needed:
            raise ConfigurationError(
                f"Limits(cost=): the price of {model!r} is unknown; give it with Limits("
                f"prices={{{model!r}: (input, output)}}), in US dollars for a million tokens"
            )
    return prices


def _checked_attachments(given: Iterable[Attachment] | Attachment | None) -> tuple[Attachment, ...]:
    if isinstance(given, Attachment):
        raise ConfigurationError("attachments= takes a list of Attachments: [Attachment(...)]")
    files = tuple(given or ())
    for file in cast("tuple[object, ...]", files):
        if not isinstance(file, Attachment):
            raise ConfigurationError(f"attachments= takes Attachments, not {file!r}")
    return files


def _choice(options: Options, name: str, words: tuple[str, ...]) -> str:
    word: object = options.get(name, words[0])
    if word not in words:
        listed = " or ".join(repr(word) for word in words)
        raise ConfigurationError(f"{name} must be {listed}, not {word!r}")
    return str(word)


def _instance(options: Options, name: str, kind: type[T]) -> T | None:
    value: object = options.get(name)
    if value is None or isinstance(value, kind):
        return value
    raise ConfigurationError(f"{name}= takes {kind.__name__}(...), not {value!r:.60}")


def _flag(options: Options, name: str, *, default: bool) -> bool:
    value: object = options.get(name, default)
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"{name}= takes True or False, not {value!r:.60}")


def _checked_text(options: Options, name: str) -> str | None:
    value: object = options.get(name)
    if value is None or isinstance(value, str):
        return value
    raise ConfigurationError(f"{name}= takes text, not {value!r:.60}")


def _checked_callable(options: Options, name: str, *form: str) -> Callable[..., object] | None:
    function: object = options.get(name)
    if function is None:
        return None
    check_function(f"{name}=", function, form)
    return cast("Callable[..., object]", function)
