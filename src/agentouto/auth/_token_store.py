"""The token store: one file for each sign-in, readable by its owner only.

A file is written under a temporary name and renamed, so a reader never sees half of one. A file
that cannot be decoded is reported and moved aside.
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

from agentouto._domain.clock import new_id
from agentouto._domain.errors import AuthError, ConfigurationError
from agentouto._domain.secret import Secret
from agentouto.auth._token_data import TokenData

log = logging.getLogger("agentouto")

HOME_VARIABLE = "AGENTOUTO_HOME"
"""Names the folder for all that the package stores for a user; by default ``~/.agentouto``."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,99}", re.ASCII)
"""Names that are file names on every system. With suffixes they stay below 255 bytes, the limit of
most file systems."""

_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Device names, which cannot be file names on Windows."""

MAX_TOKEN_FILE_BYTES = 1 << 20
"""A token file has a few KB; a larger file is something else."""

_GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""Permission bits of everyone but the owner."""


class Keyring(Protocol):
    """The part of the ``keyring`` package that is used here."""

    def get_password(self, service: str, username: str, /) -> str | None:
        """Return the stored text."""
        ...

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Store a text."""
        ...

    def delete_password(self, service: str, username: str, /) -> None:
        """Delete a text."""
        ...


class _TokenFile(msgspec.Struct):
    """The JSON form of a token file."""

    access_token: str
    refresh_token: str | None = None
    expires_at: float | None = None
    scopes: list[str] = []
    extra: dict[str, object] = {}


class TokenStore:
    """Stores tokens by name.

    Args:
        directory: The folder of the token files. By default ``tokens`` in the folder that
            ``AGENTOUTO_HOME`` names, or in ``~/.agentouto``.
        keyring: Stores the tokens instead of files: the ``keyring`` module, or any object with its
            ``get_password``, ``set_password`` and ``delete_password``. The folder still holds the
            lock files, so that two programs do not refresh the same tokens at once.
    """

    def __init__(
        self, directory: str | PathLike[str] | None = None, *, keyring: Keyring | None = None
    ) -> None:
        self._directory = None if directory is None else Path(directory)
        self._keyring = keyring
        self._has_warned = False

    def __repr__(self) -> str:
        return f"TokenStore({str(self.directory)!r})"

    @property
    def directory(self) -> Path:
        """The folder of the token files."""
        if self._directory is not None:
            return self._directory
        home = os.environ.get(HOME_VARIABLE, "").strip()
        return (Path(home) if home else Path.home() / ".agentouto") / "tokens"

    def save(self, name: str, tokens: TokenData) -> None:
        """Store ``tokens`` under ``name``, replacing what was there.

        Raises:
            ConfigurationError: ``name`` cannot be a file name.
            AuthError: The folder cannot be written to.
        """
        path = self._path(name)
        # A ``Secret``: a traceback that shows variables would show the tokens.
        body = Secret(_to_json(tokens))
        if self._keyring is not None:
            self._keyring.set_password(_keyring_service(path), name, body)
            return
        try:
            self._make_directory()
            _write_atomically(path, body)
        except OSError as error:
            raise AuthError(name, f"tokens cannot be stored: {_os_reason(error)}") from None

    def load(self, name: str) -> TokenData | None:
        """Return the tokens stored under ``name``; ``None`` if there are none, or none to decode.

        Raises:
            ConfigurationError: ``name`` cannot be a file name.
            AuthError: The file exists and cannot be read.
        """
        path = self._path(name)
        if self._keyring is not None:
            kept = self._keyring.get_password(_keyring_service(path), name)
            return _from_json(kept.encode()) if kept else None
        try:
            about = path.stat()
            if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_TOKEN_FILE_BYTES:
                self._move_aside(path)  # reading a pipe would wait for ever
                return None
            is_open = os.name == "posix" and about.st_mode & _GROUP_AND_OTHERS
            if is_open and not path.is_symlink():  # else the mode of another file would change
                path.chmod(0o600)
            body = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AuthError(name, f"tokens cannot be read: {_os_reason(error)}") from None
        tokens = _from_json(body)
        if tokens is None:
            self._move_aside(path)
        return tokens

    def delete(self, name: str) -> None:
        """Delete the tokens stored under ``name``, if any, with temporary and unreadable files.

        Raises:
            ConfigurationError: ``name`` cannot be a file name.
            AuthError: A file cannot be deleted.
        """
        path = self._path(name)
        if self._keyring is not None:
            if self._keyring.get_password(_keyring_service(path), name) is not None:
                self._keyring.delete_password(_keyring_service(path), name)
            return
        try:
            for left in (path, *self.directory.glob(f".{path.name}.*"), _unreadable_path(path)):
                left.unlink(missing_ok=True)
        except OSError as error:
            raise AuthError(name, f"tokens cannot be deleted: {_os_reason(error)}") from None

    def lock(self, name: str) -> Path:
        """Return the path of the lock file to hold while changing the tokens under ``name``.

        Raises:
            ConfigurationError: ``name`` cannot be a file name.
            AuthError: The folder cannot be created.
        """
        path = self._path(name)
        try:
            self._make_directory()
        except OSError as error:
            raise AuthError(name, f"tokens cannot be stored: {_os_reason(error)}") from None
        return path.with_name(f"{path.name}.lock")

    def _path(self, name: str) -> Path:
        check_store_name(name)
        return self.directory / f"{name}.json"

    def _make_directory(self) -> None:
        """Create the folder, accessible to its owner only; one that exists keeps its mode."""
        directory = self.directory
        for above in reversed(directory.parents):  # mkdir(parents=True) would ignore the mode
            if not above.exists():
                above.mkdir(mode=0o700, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        if os.name == "posix" and not self._has_warned and _others_can_write(directory):
            self._has_warned = True
            log.warning("%s: other users can replace the tokens in this folder", directory)

    def _move_aside(self, path: Path) -> None:
        aside = _unreadable_path(path)
        try:
            path.replace(aside)
        except OSError:
            aside = path
        log.warning("%s holds no tokens; it is kept as %s", path, aside.name)


def _others_can_write(directory: Path) -> bool:
    """Return whether another user than this one and root owns the folder or may write to it."""
    about = directory.stat()
    is_foreign = about.st_uid not in {0, os.geteuid()}
    return is_foreign or bool(about.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def check_store_name(name: str) -> None:
    """Raise ``ConfigurationError`` unless ``name`` can be a file name on every system."""
    if not _NAME.fullmatch(name) or _WINDOWS_DEVICE.fullmatch(name) or name.endswith("."):
        raise ConfigurationError(
            f"tokens cannot be stored under {name!r:.80}: a name has up to 100 letters, digits and "
            ". _ @ - of ASCII, begins with a letter, a digit or _ and does not end with ."
        )


def name_for(url: str) -> str:
    """Return a store name made from ``url``: its host and path, with other signs replaced."""
    parts = urlsplit(url)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", f"{parts.netloc}{parts.path}").strip("._-")[:100]


def _to_json(tokens: TokenData) -> str:
    plain = {name: _as_plain_text(value) for name, value in tokens.extra.items()}
    refresh = None if tokens.refresh_token is None else str(tokens.refresh_token)
    file = _TokenFile(
        str(tokens.access_token), refresh, tokens.expires_at, list(tokens.scopes), plain
    )
    return msgspec.json.encode(file).decode()


def _as_plain_text(value: object) -> object:
    return str(value) if isinstance(value, str) else value


def _from_json(body: bytes) -> TokenData | None:
    try:
        kept = msgspec.json.decode(body, type=_TokenFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not kept.access_token:
        return None
    return TokenData(
        kept.access_token, kept.refresh_token, kept.expires_at, kept.scopes, kept.extra
    )


def _write_atomically(path: Path, body: str) -> None:
    """Write ``body`` to a temporary file of mode 0600 and rename it to ``path``."""
    aside = path.with_name(f".{path.name}.{new_id()}")
    file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(file, "wb") as open_file:  # noqa: PTH123 - it is open already
            open_file.write(body.encode())
            open_file.flush()
            # Before the rename: after a crash there could be an empty file of the new name
            # otherwise, and the refresh token before it is used up.
            os.fsync(open_file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _unreadable_path(path: Path) -> Path:
    """Return the path that an unreadable token file is moved to."""
    return path.with_name(f"{path.name}.unreadable")


def _keyring_service(path: Path) -> str:
    return f"agentouto {path.parent}"


def _os_reason(error: OSError) -> str:
    return f"{error.strerror or type(error).__name__}: {error.filename}"
