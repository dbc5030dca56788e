"""Where tokens are kept, and who can read them."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agentouto import AuthError, ConfigurationError, OAuth, TokenData, TokenStore

TOKENS = TokenData("SECRETaccess", "SECRETrefresh", 1234.5, ["a", "b"], {"id_token": "SECRETid"})
ALONE = pytest.mark.skipif(os.name != "posix", reason="files have no such modes here")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_kept_comes_back(store: TokenStore) -> None:
    store.save("desk", TOKENS)
    assert store.load("desk") == TOKENS
    store.delete("desk")
    store.delete("desk")
    assert store.load("desk") is None


def test_the_file_is_what_the_documents_say(store: TokenStore) -> None:
    store.save("openai_oauth", TOKENS)
    assert json.loads((store.directory / "openai_oauth.json").read_bytes()) == {
        "access_token": "SECRETaccess",
        "refresh_token": "SECRETrefresh",
        "expires_at": 1234.5,
        "scopes": ["a", "b"],
        "extra": {"id_token": "SECRETid"},
    }


def test_tokens_are_kept_below_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTOUTO_HOME", "/somewhere")
    assert TokenStore().directory == Path("/somewhere/tokens")
    monkeypatch.delenv("AGENTOUTO_HOME")
    assert TokenStore().directory == Path.home() / ".agentouto" / "tokens"


@ALONE
def test_nobody_else_can_read_them(store: TokenStore) -> None:
    store.save("desk", TOKENS)
    assert mode(store.directory) == 0o700
    assert mode(store.directory / "desk.json") == 0o600


@ALONE
def test_a_file_is_never_open_to_others_while_it_is_written(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    really = os.fsync

    def look(file: int) -> None:
        made.append(stat.S_IMODE(os.fstat(file).st_mode))
        really(file)

    monkeypatch.setattr(os, "fsync", look)
    before = os.umask(0)
    try:
        store.save("desk", TOKENS)
    finally:
        os.umask(before)
    assert made == [0o600]
    assert [path.name for path in store.directory.iterdir()] == ["desk.json"]


@ALONE
def test_folders_that_are_made_on_the_way_are_for_nobody_else(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        TokenStore(tmp_path / "home" / "tokens").save("desk", TOKENS)
    finally:
        os.umask(before)
    assert mode(tmp_path / "home") == mode(tmp_path / "home" / "tokens") == 0o700


def test_what_is_forgotten_leaves_nothing_behind(store: TokenStore) -> None:
    store.save("desk", TOKENS)
    store.save("other", TOKENS)
    (store.directory / ".desk.json.abc").write_text("half a file, of a process that was killed")
    (store.directory / "desk.json.unreadable").write_text("a file that was kept aside")
    store.delete("desk")
    assert [path.name for path in store.directory.iterdir()] == ["other.json"]


@ALONE
def test_a_file_that_was_open_to_others_is_closed(store: TokenStore) -> None:
    store.save("desk", TOKENS)
    (store.directory / "desk.json").chmod(0o644)
    store.load("desk")
    assert mode(store.directory / "desk.json") == 0o600


@ALONE
@pytest.mark.parametrize(("of_folder", "warned"), [(0o755, 0), (0o775, 1), (0o777, 1)])
def test_a_folder_that_exists_keeps_its_mode_and_one_that_others_can_write_to_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, of_folder: int, warned: int
) -> None:
    tmp_path.chmod(of_folder)
    store = TokenStore(tmp_path)
    store.save("desk", TOKENS)
    store.save("desk", TOKENS)
    assert mode(tmp_path) == of_folder
    assert mode(tmp_path / "desk.json") == 0o600
    assert caplog.text.count("other users can replace the tokens in this folder") == warned


@ALONE
def test_reading_through_a_link_changes_no_mode(store: TokenStore, tmp_path: Path) -> None:
    store.save("desk", TOKENS)
    elsewhere = (store.directory / "desk.json").rename(tmp_path / "elsewhere")
    elsewhere.chmod(0o644)
    (store.directory / "desk.json").symlink_to(elsewhere)
    assert store.load("desk") == TOKENS
    assert mode(elsewhere) == 0o644


@ALONE
async def test_a_lock_that_is_a_link_creates_nothing(store: TokenStore, tmp_path: Path) -> None:
    lock = store.lock("desk")
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuthError, match="the tokens cannot be locked"):
        await OAuth("https://one.example", "desk", name="desk", store=store).logout()
    assert not (tmp_path / "elsewhere").exists()


@ALONE
def test_a_link_is_replaced_and_what_it_leads_to_stays(store: TokenStore, tmp_path: Path) -> None:
    store.save("desk", TOKENS)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    path = store.directory / "desk.json"
    path.unlink()
    path.symlink_to(elsewhere)
    store.save("desk", TOKENS)
    assert elsewhere.read_text() == "mine"
    assert not path.is_symlink()


def test_what_cannot_be_written_leaves_what_was_there(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save("desk", TOKENS)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AuthError, match="No space left"):
        store.save("desk", TokenData("SECRETother"))
    assert store.load("desk") == TOKENS
    assert [path.name for path in store.directory.iterdir()] == ["desk.json"]


@pytest.mark.parametrize(
    "name",
    [
        *("", "../x", "a/b", "a\\b", "/etc/passwd", ".hidden", "-x", "a\0", "a" * 101, "é"),
        *("a.", "NUL", "con.x", "a b", "a\n", "c:x"),
    ],
)
def test_a_name_is_that_of_a_file_and_nothing_else(store: TokenStore, name: str) -> None:
    def save(name: str) -> None:
        store.save(name, TOKENS)

    for use in (store.load, store.delete, store.lock, save):
        with pytest.raises(ConfigurationError, match="cannot be stored under"):
            use(name)
    assert not store.directory.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"\xff\xfe",
        b"",
        b"{",
        b"{}",
        b'"SECRET"',
        b'{"access_token": null}',
        b'{"access_token": ""}',
        b'{"access_token": "SECRETa", "expires_at": "soon"}',
        b'{"access_token": "SECRETa", "scopes": "a"}',
        b'{"access_token": "SECRETa", "extra": []}',
        b'{"access_token": "\xff"}',
        b'{"access_token": "SECRETa", "extra": {"a": ' + b"[" * 50_000,
    ],
)
def test_what_cannot_be_read_is_reported_and_kept_aside(
    store: TokenStore, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.save("desk", TOKENS)
    path = store.directory / "desk.json"
    path.write_bytes(body)
    with caplog.at_level(logging.WARNING):
        assert store.load("desk") is None
    assert "desk.json holds no tokens; it is kept as desk.json.unreadable" in caplog.text
    assert "SECRET" not in caplog.text
    assert (store.directory / "desk.json.unreadable").read_bytes() == body
    assert not path.exists()
    store.save("desk", TOKENS)
    assert store.load("desk") == TOKENS


@ALONE
def test_what_is_no_file_is_not_waited_for(store: TokenStore) -> None:
    store.save("desk", TOKENS)
    path = store.directory / "desk.json"
    path.unlink()
    os.mkfifo(path)
    look = (
        "import sys; from agentouto import TokenStore; print(TokenStore(sys.argv[1]).load('desk'))"
    )
    looked = subprocess.run(
        [sys.executable, "-c", look, str(store.directory)],
        capture_output=True,
        check=True,
        timeout=10,
    )
    assert looked.stdout.split() == [b"None"]
    assert not path.exists()


def test_what_is_too_large_for_tokens_is_not_read(store: TokenStore) -> None:
    store.save("desk", TOKENS)
    path = store.directory / "desk.json"
    with path.open("ab") as file:
        file.write(b" " * (1 << 20))
    assert store.load("desk") is None
    assert (store.directory / "desk.json.unreadable").exists()


def test_fields_of_later_versions_are_no_obstacle(store: TokenStore) -> None:
    store.save("desk", TOKENS)
    path = store.directory / "desk.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "new": 1}))
    assert store.load("desk") == TOKENS


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("a file")
    store = TokenStore(tmp_path / "tokens")

    def save(name: str) -> None:
        store.save(name, TOKENS)

    for use in (store.lock, store.load, save):
        with pytest.raises(AuthError, match="tokens cannot be"):
            use("desk")


async def test_a_file_of_another_server_is_not_used(
    store: TokenStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.save("desk", TokenData("SECRETa", extra={"server": "https://one.example"}))
    auth = OAuth("https://other.example", "desk", name="desk", store=store)
    assert not auth.is_authenticated
    with pytest.raises(AuthError, match="not signed in"):
        await auth.get_token()
    assert "belong to another server or program" in caplog.text


async def test_a_file_of_another_program_is_not_used(store: TokenStore) -> None:
    store.save("desk", TokenData("SECRETa", extra={"client_id": "another"}))
    assert not OAuth("https://one.example", "desk", name="desk", store=store).is_authenticated
    store.save("desk", TokenData("SECRETa", extra={"client_id": "desk"}))
    assert OAuth("https://one.example", "desk", name="desk", store=store).is_authenticated


def test_tokens_may_be_kept_in_a_keyring(tmp_path: Path) -> None:
    keyring = pytest.importorskip("keyring")
    backend = pytest.importorskip("keyring.backend")

    class Memory(backend.KeyringBackend):  # type: ignore[misc, name-defined]
        priority = 1

        def __init__(self) -> None:
            super().__init__()  # pyright: ignore[reportUnknownMemberType]
            self.kept: dict[tuple[str, str], str] = {}

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del self.kept[service, username]

    memory = Memory()
    keyring.set_keyring(memory)
    store = TokenStore(tmp_path / "tokens", keyring=keyring)
    assert store.load("desk") is None
    store.save("desk", TOKENS)
    assert store.load("desk") == TOKENS
    assert not (tmp_path / "tokens").exists()
    assert TokenStore(tmp_path / "others", keyring=keyring).load("desk") is None
    store.delete("desk")
    store.delete("desk")
    assert memory.kept == {}
