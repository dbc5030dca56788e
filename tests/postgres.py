"""Starts a Postgres of the tests, once for all that use it in a process."""

from __future__ import annotations

import importlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from outside.simulators import absent

FOLDERS = ("/usr/local/pgsql/bin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))))
"""Where Debian and others have the server: it is not on the PATH."""

PASSWORD = "zebra-7!x@y"
"""Has characters that an address writes in another way."""


def program(name: str) -> str | None:
    """Return the path of a program of Postgres. The newest of several is taken."""
    return shutil.which(name, path=os.pathsep.join(reversed(FOLDERS))) or shutil.which(name)


def executed(address: str, statement: str) -> list[tuple[Any, ...]]:
    """Return what a statement finds."""
    client = importlib.import_module("psycopg")
    with client.connect(address, autocommit=True) as connection:
        found = connection.execute(statement)
        return [] if found.description is None else found.fetchall()


class Postgres:
    """A server with its data in a folder of its own, on a free port."""

    def __init__(self, folder: Path, user: Sequence[str]) -> None:
        self.folder = folder
        self._as_user = user
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        self._run(
            "initdb", "--pgdata", str(folder / "data"), "--username=boss", "--auth=scram-sha-256",
            f"--pwfile={folder / 'password'}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        options = (
            f"-c port={self.port} -c listen_addresses=127.0.0.1 -c fsync=off "
            f"-c unix_socket_directories={self.folder} -c max_connections=60 -c shared_buffers=16MB"
        )
        self._control("start", "-o", options, "--log", str(self.folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        self._control("stop", "--mode", mode)

    def address(self, database: str, *, user: str = "boss", password: str = PASSWORD) -> str:
        """Return the address of a database."""
        quoted = password.replace("@", "%40")
        return f"postgresql://{user}:{quoted}@127.0.0.1:{self.port}/{database}"

    def emptied(self) -> str:
        """Return the address of a database without a journal."""
        self.execute("drop schema if exists agentouto cascade")
        return self.address("postgres")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute a statement as the owner of everything."""
        return executed(self.address(database), statement)

    def processes(self) -> list[int]:
        """Return the ids of the server's processes, the first one of which is its own."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]

    def hold(self) -> None:
        """Have all of the server stand still."""
        for process in self.processes():
            os.kill(process, signal.SIGSTOP)

    def let_go(self) -> None:
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "--pgdata", str(self.folder / "data"), "--wait", *words)

    def _run(self, name: str, *words: str) -> None:
        command = [*self._as_user, str(program(name)), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self.folder, timeout=50,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{name}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def unprivileged() -> Sequence[str]:
    """Return the command that runs another one as no root: Postgres refuses that."""
    if os.geteuid():
        return ()
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            user = pwd.getpwnam(name)
            ids = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
            return ("setpriv", *ids, "--")
    return ()


@contextmanager
def running_postgres() -> Generator[Postgres]:
    """Start a server, and stop it in the end. Where there is none, the test says so."""
    if program("initdb") is None or program("pg_ctl") is None:
        absent("there is no Postgres: apt-get install postgresql")
    try:
        importlib.import_module("psycopg")
    except ImportError:
        absent("there is no psycopg: the extra agentouto[distributed]")
    user = unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="agentouto-pg-"))
    try:
        folder.chmod(0o777)
        server = Postgres(folder, user)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
