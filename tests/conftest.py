"""What every test may rely on.

Nothing leaves this machine, nothing of the user's is seen, a server of a test that fails makes the
test fail, and Ctrl+C reaches the processes that a test starts.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import cast

import coverage
import pytest

REAL_CONNECT = socket.socket.connect
REAL_CONNECT_EX = socket.socket.connect_ex


class LeftTheMachine(BaseException):
    """A test tried to reach something that is not on this machine.

    Not an ``Exception``, so that nothing which retries or explains failures can swallow it.
    """


def is_here(sock: socket.socket, address: object) -> bool:
    """Tell whether ``address`` is on this machine."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return True
    host = str(cast("tuple[object, ...]", address)[0] if isinstance(address, tuple) else address)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def ignore_interrupt(_number: int, _frame: FrameType | None) -> None:
    """Do nothing; unlike ``SIG_IGN``, children do not inherit it."""


def pytest_configure() -> None:
    # A shell script starts `command &` with SIGINT ignored (POSIX, 2.12 Signals and Error Handling),
    # and children inherit that. They do not inherit a handler: execve(2) sets those to the default.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, ignore_interrupt)
    if "PYTEST_XDIST_WORKER" in os.environ:
        # To be measured, the programs that tests start would need twice the time, and cover nothing
        # of the inner packages that the tests of those do not.
        os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


def pytest_sessionfinish() -> None:
    """Save what coverage has measured while there is time.

    pytest-xdist kills a process that takes more than 10 s to end, and coverage saves at its end.
    """
    measured = coverage.Coverage.current() if "PYTEST_XDIST_WORKER" in os.environ else None
    if measured is not None:
        measured.save()


@pytest.fixture(autouse=True)
def no_server_of_a_test_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail where a handler raises: aiohttp logs that and answers 500, and clients try again.

    A client that has left is no failure of the handler that writes to it.
    """
    yield
    failed = [
        each
        for each in caplog.get_records("call")
        if each.name == "aiohttp.server"
        and not (each.exc_info and isinstance(each.exc_info[1], ConnectionResetError))
    ]
    assert not [each.exc_info or each.getMessage() for each in failed]


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(sock: socket.socket, address: object) -> object:
        if not is_here(sock, address):
            raise LeftTheMachine(f"a test tried to connect to {address!r}")
        return REAL_CONNECT(sock, address)  # type: ignore[arg-type]

    def connect_ex(sock: socket.socket, address: object) -> object:
        if not is_here(sock, address):
            raise LeftTheMachine(f"a test tried to connect to {address!r}")
        return REAL_CONNECT_EX(sock, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)


@pytest.fixture(autouse=True)
def nothing_of_the_user_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.endswith("_API_KEY") or name.startswith("AGENTOUTO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AGENTOUTO_LCW", "0")
    monkeypatch.setenv("AGENTOUTO_HOME", str(tmp_path / "agentouto-home"))
