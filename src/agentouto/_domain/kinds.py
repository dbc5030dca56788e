"""The kinds of provider: a table of the built-in kinds, and ``KindSpec`` for kinds of the user.

A row of the table has everything the rest of the package needs to know of a kind: its wire, the
variables with its key, its vendor. A new built-in kind is a name, a row, and the wire in that row.

A kind of the user is an object that is registered nowhere: it lives as long as the providers that
hold it, and two kinds are equal only if they are one object. This module does not load wires.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias, cast, get_args

from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.foreign_words import KIND_WORDS, hint_for

Kind: TypeAlias = Literal["openai", "openai_responses", "anthropic", "google", "script", "record"]
"""The names of the built-in kinds. A type checker reads them here, so they cannot be computed."""

KINDS: tuple[str, ...] = get_args(Kind)

_OBJECT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""``module:name``, the object reference of Python's entry points specification."""

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""POSIX, Base Definitions §8.1: names that every shell can set."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class KindSpec:
    """A kind of provider of your own: ``Provider(kind=KindSpec(...))``.

    Make one object and give it to all providers of the kind. Copies in one process are the object
    itself; pickle providers that share a kind together.

    Attributes:
        name: What the kind is called. No built-in kind has the name.
        wire: The format of its requests and answers: a class that satisfies
            ``agentouto.wires.Wire`` and is called with the ``Provider``, or the ``"module:name"``
            of one, which is imported when it is first needed.
        key_variables: Environment variables that may hold the key, the preferred one first. They
            are read only for providers without a ``base_url``. Without any, no key is needed.
        sold_by: The vendor's name in ``genai-prices``. With it, the vendor's models count as
            public: a public service may be asked for their context windows.
        example_model: The name of a model, for help and error texts.

    Raises:
        ConfigurationError: There is no wire, the name is taken, or a value cannot work.
    """

    name: str
    wire: str | type[object] = ""
    key_variables: tuple[str, ...] = field(default=(), kw_only=True)
    sold_by: str = field(default="", kw_only=True)
    example_model: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """Check the name, the wire and the variables."""
        _check_name(self.name)
        _check_wire(self.name, self.wire)
        object.__setattr__(self, "key_variables", _checked_variables(self.name, self.key_variables))
        for setting in ("sold_by", "example_model"):
            value = cast("object", getattr(self, setting))
            if not isinstance(value, str):
                raise ConfigurationError(
                    f"KindSpec {self.name!r}: {setting}= takes text, not {value!r:.60}"
                )

    def __copy__(self) -> KindSpec:
        """Return the kind itself: a copy would be another kind of the same name."""
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> KindSpec:
        """Return the kind itself, likewise."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class BuiltInKind(KindSpec):
    """A row of the table.

    Attributes:
        backend: ``module:name`` of a function that opens the whole backend, for a kind that is not
            reached over HTTP. It takes the place of ``wire``.
        own_settings: The fields of ``Provider`` that no other kind reads.
    """

    backend: str = field(default="", kw_only=True)
    own_settings: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        """Check nothing: a built-in kind may have a built-in name, and tests open every row."""


_PROVIDERS = "agentouto.providers"

BUILT_IN: Mapping[str, BuiltInKind] = MappingProxyType(
    {
        row.name: row
        for row in (
            BuiltInKind(
                "openai",
                f"{_PROVIDERS}._openai.openai_kind:open_openai",
                key_variables=("OPENAI_API_KEY",),
                sold_by="openai",
                example_model="gpt-5.2-mini",
            ),
            BuiltInKind(
                "openai_responses",
                f"{_PROVIDERS}._openai.responses_wire:OpenAIResponsesWire",
                key_variables=("OPENAI_API_KEY",),
                sold_by="openai",
                example_model="gpt-5.2-mini",
            ),
            BuiltInKind(
                "anthropic",
                f"{_PROVIDERS}._anthropic.wire:AnthropicWire",
                key_variables=("ANTHROPIC_API_KEY",),
                sold_by="anthropic",
                example_model="claude-sonnet-4-5",
            ),
            BuiltInKind(
                "google",
                f"{_PROVIDERS}._google.wire:GeminiWire",
                key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
                sold_by="google",
                example_model="gemini-2.5-flash",
            ),
            BuiltInKind(
                "script",
                backend=f"{_PROVIDERS}._script.backend:open_script",
                own_settings=("script",),
            ),
            BuiltInKind(
                "record",
                backend=f"{_PROVIDERS}._record:open_record",
                own_settings=("file", "source"),
            ),
        )
    }
)
"""The kinds of this package, by name."""


def kind_spec(kind: str | KindSpec) -> KindSpec:
    """Return the ``KindSpec`` of ``kind``, which is the name of a built-in kind or an object."""
    return kind if isinstance(kind, KindSpec) else BUILT_IN[kind]


def check_kind(provider_name: str, kind: object) -> None:
    """Raise ``ConfigurationError`` unless ``kind`` is a built-in's name or a ``KindSpec``."""
    if isinstance(kind, KindSpec) or (isinstance(kind, str) and kind in BUILT_IN):
        return
    what = f"there is no kind {kind!r:.60}" if isinstance(kind, str) else f"kind={kind!r:.60}"
    hint = hint_for(kind, KINDS, KIND_WORDS) if isinstance(kind, str) else ""
    end = "" if hint.endswith("?") else "."
    raise ConfigurationError(
        f"Provider {provider_name!r}: {what}; there are: {', '.join(KINDS)}{hint}{end} "
        "A kind of your own is an object: kind=KindSpec(...)"
    )


def check_unique_names(kinds: Iterable[str | KindSpec]) -> None:
    """Raise ``ConfigurationError`` if two of the ``kinds`` are objects of one name."""
    seen: dict[str, KindSpec] = {}
    for kind in kinds:
        if isinstance(kind, KindSpec) and seen.setdefault(kind.name, kind) is not kind:
            raise ConfigurationError(
                f"two KindSpecs in one run are called {kind.name!r}: make one and give it to all "
                "providers of the kind, or give them different names"
            )


def _check_name(name: object) -> None:
    if not (isinstance(name, str) and name.strip() and name.isprintable()):
        raise ConfigurationError(
            f"KindSpec: a kind's name is printable text and not blank, not {name!r:.60}"
        )
    if name in BUILT_IN:
        raise ConfigurationError(
            f"KindSpec: {name!r} is the name of a built-in kind, as are {', '.join(KINDS)}; "
            "choose another"
        )


def _check_wire(name: str, wire: object) -> None:
    if isinstance(wire, type) or (isinstance(wire, str) and _OBJECT_PATH.fullmatch(wire)):
        return
    given = "has no wire" if wire in ("", None) else f"has wire={wire!r:.60}, which is none"
    raise ConfigurationError(
        f"KindSpec {name!r} {given}; give wire= a class that satisfies agentouto.wires.Wire, or "
        "'module:name' of one"
    )


def _checked_variables(name: str, given: object) -> tuple[str, ...]:
    """Return ``given`` as a tuple of our own, once it is checked."""
    if not isinstance(given, str) and isinstance(given, Iterable):
        variables = tuple(cast("Iterable[object]", given))
        if all(isinstance(each, str) and _ENVIRONMENT_NAME.fullmatch(each) for each in variables):
            return cast("tuple[str, ...]", variables)
    raise ConfigurationError(
        f"KindSpec {name!r}: key_variables= takes the names of environment variables, such as "
        "('ACME_API_KEY',)"
    )
