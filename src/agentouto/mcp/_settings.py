"""The checked settings of an MCP server: how it is reached, and which of its tools are used."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from os import PathLike, fspath
from typing import Literal, Protocol, TypeAlias, cast, get_args

from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.redaction import secrets_in, secrets_in_address, secrets_in_variables
from agentouto._domain.secret import Secret

Protocols: TypeAlias = Literal["auto", "2025-11-25", "2026-07-28"]
"""The revisions of the protocol that can be asked for; ``auto`` takes the newest that both know."""

SERVER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
"""Names of servers: each begins the names of tools, which models take up to 64 characters long."""

INSTALL = 'pip install "agentouto[mcp]"'
NOT_INSTALLED = f"MCP needs a package that is not installed: {INSTALL}"


class Authorization(Protocol):
    """Authorizes requests to a server: any sign-in method of ``agentouto.auth``."""

    async def get_token(self) -> str:
        """Return a token that is valid now."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server is reached, and which of its tools are used. See ``MCPServer``."""

    name: str
    command: tuple[str, ...]
    url: Secret
    env: Mapping[str, str] = field(repr=False)
    cwd: str | None
    headers: Mapping[str, str] = field(repr=False)
    auth: object = field(repr=False)
    only: tuple[str, ...]
    without: tuple[str, ...]
    needs_approval: bool | tuple[str, ...]
    timeout: float
    prefix: bool
    protocol: Protocols
    sampling: str | None

    def secrets(self) -> tuple[str, ...]:
        """Return what is hidden in errors and logs: the server may repeat what it was given."""
        of_address = secrets_in_address(self.url)
        return secrets_in(self.headers) + of_address + secrets_in_variables(self.env)

    def uses(self, tool: str) -> bool:
        """Whether the tool that the server calls ``tool`` is used."""
        return _names_tool(tool, self.only) and not _names_tool(tool, self.without)

    def approves(self, tool: str) -> bool:
        """Whether the user is asked before each use of ``tool``."""
        chosen = self.needs_approval
        return chosen if isinstance(chosen, bool) else _names_tool(tool, chosen)

    def check_names(self, tools: Iterable[str]) -> None:
        """Raise ``ConfigurationError`` if a setting names a tool that the server does not have."""
        there = sorted(tools)
        chosen = self.needs_approval
        named = {
            "only": self.only,
            "without": self.without,
            "needs_approval": () if isinstance(chosen, bool) else chosen,
        }
        for setting, names in named.items():
            for name in names:
                # A pattern may fit nothing today; a whole name that does is a typing error.
                if not set(name) & set("*?[") and name not in there:
                    raise ConfigurationError(
                        f"MCPServer({self.name!r}): {setting}= names {name!r}, which the server "
                        f"does not have; it has: {', '.join(there) or 'no tools'}"
                    )


def _names_tool(tool: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(tool, pattern) for pattern in patterns)


def check_settings(
    name: str,
    *,
    command: Sequence[str] | None,
    url: str | None,
    env: Mapping[str, str] | None,
    cwd: str | PathLike[str] | None,
    headers: Mapping[str, str] | None,
    auth: object,
    only: Sequence[str],
    without: Sequence[str],
    needs_approval: bool | Sequence[str],
    timeout: float,
    prefix: bool,
    protocol: Protocols,
    sampling: str | None,
) -> Settings:
    """Return the settings of a server.

    Raises:
        ConfigurationError: One of them is wrong, or the extra ``mcp`` is not installed.
    """
    where = f"MCPServer({name!r})"
    _check_server_name(where, name)
    _check_place(where, command, url)
    if not timeout > 0:
        raise ConfigurationError(f"{where}: timeout={timeout!r} must be more than 0 seconds")
    if protocol not in get_args(Protocols):
        known = ", ".join(get_args(Protocols))
        raise ConfigurationError(f"{where}: protocol={protocol!r} is none of {known}")
    if url is None and (headers or auth is not None):  # it would be a key that goes nowhere
        raise ConfigurationError(f"{where}: headers= and auth= are for servers with url=")
    if command is None and (env or cwd is not None):
        raise ConfigurationError(f"{where}: env= and cwd= are for servers with command=")
    if importlib.util.find_spec("mcp") is None:  # not imported: naming a server is to be quick
        raise ConfigurationError(NOT_INSTALLED).coded("extra-missing", fix=INSTALL)
    if not isinstance(needs_approval, bool):
        needs_approval = _texts(where, "needs_approval", needs_approval)
    return Settings(
        name=name,
        command=_command_words(where, command),
        url=Secret(url or ""),
        env=_text_map(where, "env", env),
        cwd=None if cwd is None else fspath(cwd),
        headers=_text_map(where, "headers", headers),
        auth=auth,
        only=_texts(where, "only", only),
        without=_texts(where, "without", without),
        needs_approval=needs_approval,
        timeout=float(timeout),
        prefix=prefix,
        protocol=protocol,
        sampling=sampling,
    )


def _check_server_name(where: str, name: object) -> None:
    if not isinstance(name, str) or not SERVER_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{where}: a name has up to 32 letters of a to z, digits, _ and -, and no digit first"
        )


def _check_place(where: str, command: object, url: str | None) -> None:
    if (command is None) == (url is None):
        raise ConfigurationError(f"{where} takes either command= or url=")
    if url is not None and not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"{where}: url= begins with http:// or https://")


def _command_words(where: str, command: Sequence[str] | None) -> tuple[str, ...]:
    if command is None:
        return ()
    words = _texts(where, "command", command)
    if not words or not words[0]:
        raise ConfigurationError(f"{where}: command= is empty")
    return words


def _texts(where: str, setting: str, values: object) -> tuple[str, ...]:
    is_list = isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping)
    listed = list(cast("Iterable[object]", values)) if is_list else []
    if not is_list or not all(isinstance(each, str) for each in listed):
        raise ConfigurationError(f"{where}: {setting}= is a list of texts, not {values!r:.60}")
    return tuple(map(str, listed))


def _text_map(where: str, setting: str, values: object) -> Mapping[str, str]:
    # Values are keys of servers, more often than not: no error has them, and no ``repr``.
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{where}: {setting}= is a dictionary of texts")
    items = cast("Mapping[object, object]", values)
    if not all(isinstance(key, str) and isinstance(value, str) for key, value in items.items()):
        raise ConfigurationError(f"{where}: {setting}= is a dictionary of texts")  # no values shown
    return {str(key): Secret(value) for key, value in items.items()}
