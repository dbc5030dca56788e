"""The address of a journal in Postgres, whose password is never shown."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.redaction import hidden_in, in_all_forms
from agentouto._domain.secret import Secret

EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"

_POSTGRES_URI = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^:@/?#]*)(?P<password>:[^:@/?#]*)?@)?"
    r"(?P<hosts>[^@/?#]*)(?:/(?P<database>[^/?#]*))?(?:\?(?P<query>[^#]*))?"
)
"""PostgreSQL 15, §34.1.1.2: ``:``, ``@``, ``/``, ``?`` and ``#`` in a part are percent-encoded."""

_HOST_AND_PORT = re.compile(r"(?:[^:\[\],]*|\[[0-9A-Fa-f:.%]+\])(?::[0-9]{1,5})?")


class Patience(NamedTuple):
    """How many seconds a server is waited for.

    Attributes:
        connect: Until there is a connection. The address may say something else:
            ``connect_timeout``.
        answer: Until there is an answer. To write some rows takes milliseconds; a checkpoint or a
            lock of another process, a second or two.
        reconnect: Until a broken connection is made again. A server restarts in less.
    """

    connect: int = 5
    answer: float = 10.0
    reconnect: float = 10.0


class PostgresAddress:
    """Where a journal in Postgres is.

    Args:
        whole: The address.
        patience: How long the server is waited for.

    Attributes:
        whole: The address, with the password.
        shown: The address without the password, and without settings.
        patience: What was given.
    """

    __slots__ = ("_hidden", "patience", "shown", "whole")

    def __init__(self, whole: Secret, patience: Patience = Patience()) -> None:  # noqa: B008 - frozen
        found = _POSTGRES_URI.fullmatch(whole)
        if found is None or not all(map(_HOST_AND_PORT.fullmatch, found["hosts"].split(","))):
            raise ConfigurationError(
                f"the address of a journal in Postgres cannot be read; one looks like {EXAMPLE}, "
                "where : @ / ? # % in a name or a password are written %3A %40 %2F %3F %23 %25"
            )
        user = f"{found['user']}@" if found["user"] else ""
        database = f"/{found['database']}" if found["database"] else ""
        self.whole: Secret = whole
        self.patience: Patience = patience
        self.shown: str = f"postgresql://{user}{found['hosts']}{database}"
        settings = dict(parse_qsl(found["query"] or ""))
        secret = [value for name, value in settings.items() if "password" in name]
        secret.append(unquote((found["password"] or "")[1:]))
        self._hidden = (whole, *in_all_forms(one for one in secret if one))

    def __repr__(self) -> str:
        return f"PostgresAddress({self.shown!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PostgresAddress) and (self.whole, self.patience) == (
            other.whole,
            other.patience,
        )

    def __hash__(self) -> int:
        return hash((self.whole, self.patience))

    def hide(self, text: str) -> str:
        """Return ``text`` without the password."""
        text = hidden_in(text, self._hidden)
        for one in self._hidden:  # short ones, too: nothing else that a server says is lost by that
            text = text.replace(one, "***")
        return text


def postgres_address(place: Secret) -> PostgresAddress:
    """Return the address that ``place`` is.

    Raises:
        ConfigurationError: It is one of something else, or cannot be read.
    """
    name = place.partition(":")[0].lower()
    if name not in ("postgres", "postgresql"):
        raise ConfigurationError(
            f"a journal is the path of a file or an address {EXAMPLE}, not one that begins with "
            f"{name}://"
        )
    return PostgresAddress(place)
