"""Where tokens are kept: a file for each sign-in, that nobody else can read.

A file is written aside and renamed, so nobody ever reads half of one. What cannot be read is
reported and kept aside. What tokens are good for is not known here.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from os import PathLike
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from agentouto._domain.errors import AuthError, ConfigurationError
from agentouto._domain.secret import Secret
from agentouto._domain.world import fresh_id
from agentouto.auth._token import TokenData

log = logging.getLogger("agentouto")

HOME_VARIABLE = "AGENTOUTO_HOME"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,99}", re.ASCII)
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that are no files on Windows."""

MOST_BYTES = 1 << 20
"""How large a file of tokens can be."""

_OTHERS = 0o077
"""What others than the owner may do."""


class Keyring(Protocol):
    """The part of the ``keyring`` package that is used here."""

    def get_password(self, service: str, username: str, /) -> str | None:
        """Return what is kept."""
        ...

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Keep a text."""
        ...

    def delete_password(self, service: str, username: str, /) -> None:
        """Forget a text."""
        ...


class _Kept(msgspec.Struct):
    """The form of a file."""

    access_token: str
    refresh_token: str | None = None
    expires_at: float | None = None
    scopes: list[str] = []
    extra: dict[str, object] = {}


class TokenStore:
    """Keeps tokens, by name.

    Args:
        directory: The folder they are kept in. Left out, ``tokens`` below what ``AGENTOUTO_HOME``
            names, or below ``~/.agentouto``.
        keyring: Keeps the tokens themselves, in place of files: the ``keyring`` module, or anything
            with its ``get_password``, ``set_password`` and ``delete_password``. The folder is still
            used, so that two programs do not refresh the same tokens at once.
    """

    def __init__(
        self, directory: str | PathLike[str] | None = None, *, keyring: Keyring | None = None
    ) -> None:
        self._given = None if directory is None else Path(directory)
        self._keyring = keyring

    def __repr__(self) -> str:
        return f"TokenStore({str(self.directory)!r})"

    @property
    def directory(self) -> Path:
        """The folder tokens are kept in."""
        if self._given is not None:
            return self._given
        home = os.environ.get(HOME_VARIABLE, "").strip()
        return (Path(home) if home else Path.home() / ".agentouto") / "tokens"

    def save(self, name: str, tokens: TokenData) -> None:
        """Keep ``tokens`` under ``name``, in place of what was there.

        Raises:
            ConfigurationError: ``name`` cannot be the name of a file.
            AuthError: The folder cannot be written to.
        """
        path = self._path(name)
        body = Secret(_written(tokens))
        if self._keyring is not None:
            self._keyring.set_password(_service(path), name, body)
            return
        try:
            self._prepare()
            _replace(path, body)
        except OSError as error:
            raise AuthError(name, f"tokens cannot be kept: {_reason(error)}") from None

    def load(self, name: str) -> TokenData | None:
        """Return what is kept under ``name``; ``None`` if that is nothing that can be read.

        Raises:
            ConfigurationError: ``name`` cannot be the name of a file.
            AuthError: There is something, and it may not be read.
        """
        path = self._path(name)
        if self._keyring is not None:
            kept = self._keyring.get_password(_service(path), name)
            return _read(kept.encode()) if kept else None
        try:
            about = path.stat()
            if not stat.S_ISREG(about.st_mode) or about.st_size > MOST_BYTES:
                return self._set_aside(path)  # reading a pipe would wait for ever
            if os.name == "posix" and about.st_mode & _OTHERS:
                path.chmod(0o600)
            body = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AuthError(name, f"tokens cannot be read: {_reason(error)}") from None
        tokens = _read(body)
        if tokens is None:
            self._set_aside(path)
        return tokens

    def delete(self, name: str) -> None:
        """Forget what is kept under ``name``, if anything is, and what is left of it.

        Raises:
            ConfigurationError: ``name`` cannot be the name of a file.
            AuthError: It cannot be deleted.
        """
        path = self._path(name)
        if self._keyring is not None:
            if self._keyring.get_password(_service(path), name) is not None:
                self._keyring.delete_password(_service(path), name)
            return
        try:
            for left in (path, *self.directory.glob(f".{path.name}.*"), _aside(path)):
                left.unlink(missing_ok=True)
        except OSError as error:
            raise AuthError(name, f"tokens cannot be deleted: {_reason(error)}") from None

    def lock(self, name: str) -> Path:
        """Return the file that whoever changes what is kept under ``name`` has to hold.

        Raises:
            ConfigurationError: ``name`` cannot be the name of a file.
            AuthError: The folder cannot be made.
        """
        path = self._path(name)
        try:
            self._prepare()
        except OSError as error:
            raise AuthError(name, f"tokens cannot be kept: {_reason(error)}") from None
        return path.with_name(f"{path.name}.lock")

    def _path(self, name: str) -> Path:
        check_name(name)
        return self.directory / f"{name}.json"

    def _prepare(self) -> None:
        """Make the folder, and let nobody else into it."""
        directory = self.directory
        for above in reversed(directory.parents):  # made at one go, they would be open to others
            if not above.exists():
                above.mkdir(mode=0o700, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        if os.name == "posix" and directory.stat().st_mode & _OTHERS:
            directory.chmod(0o700)

    def _set_aside(self, path: Path) -> None:
        aside = _aside(path)
        try:
            path.replace(aside)
        except OSError:
            aside = path
        log.warning("%s is no file of tokens; it is kept as %s", path, aside.name)


def check_name(name: str) -> None:
    """Raise ``ConfigurationError`` unless ``name`` can be the name of a file, on any machine."""
    if not _NAME.fullmatch(name) or _DEVICE.fullmatch(name) or name.endswith("."):
        raise ConfigurationError(
            f"tokens cannot be kept under {name!r:.80}: a name is up to 100 letters, digits and "
            ". _ @ - of ASCII, begins with a letter, a digit or _ and does not end with ."
        )


def name_for(url: str) -> str:
    """Return the name for a sign-in at ``url``: what is left of the address in a name."""
    parts = urlsplit(url)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", f"{parts.netloc}{parts.path}").strip("._-")[:100]


def _written(tokens: TokenData) -> str:
    plain = {name: _plain(value) for name, value in tokens.extra.items()}
    refresh = None if tokens.refresh_token is None else str(tokens.refresh_token)
    kept = _Kept(str(tokens.access_token), refresh, tokens.expires_at, list(tokens.scopes), plain)
    return msgspec.json.encode(kept).decode()


def _plain(value: object) -> object:
    return str(value) if isinstance(value, str) else value


def _read(body: bytes) -> TokenData | None:
    try:
        kept = msgspec.json.decode(body, type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not kept.access_token:
        return None
    return TokenData(
        kept.access_token, kept.refresh_token, kept.expires_at, kept.scopes, kept.extra
    )


def _replace(path: Path, body: str) -> None:
    """Write ``body`` beside ``path``, for nobody else to read, and put it in its place."""
    aside = path.with_name(f".{path.name}.{fresh_id()}")
    file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(file, "wb") as open_file:  # noqa: PTH123 - it is open already
            open_file.write(body.encode())
            open_file.flush()
            os.fsync(open_file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _aside(path: Path) -> Path:
    """Return where a file is kept that cannot be read."""
    return path.with_name(f"{path.name}.unreadable")


def _service(path: Path) -> str:
    return f"agentouto {path.parent}"


def _reason(error: OSError) -> str:
    return f"{error.strerror or type(error).__name__}: {error.filename}"
