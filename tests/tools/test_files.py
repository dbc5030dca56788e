"""Files: nothing outside of the folder, whatever is asked for and whatever lies in it."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agentouto import Agent, ConfigurationError, Provider, Tool, ToolError, run
from agentouto.testing import Script, finish, tool
from agentouto.tools import files

SECRET = "the secret outside"


class Desk:
    """The tools for a folder, by name."""

    def __init__(self, root: Path, *, write: bool = True, **more: Any) -> None:
        self.tools = {one.name: one for one in files(root, write, **more)}
        self.root = root

    def __getattr__(self, name: str) -> Callable[..., str]:
        used: Tool[..., Any] = self.tools[name]
        return used

    def why(self, name: str, *args: object, **more: object) -> str:
        """Return why a tool refuses."""
        with pytest.raises(ToolError) as caught:
            getattr(self, name)(*args, **more)
        return caught.value.message


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text(SECRET, encoding="utf-8")
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "notes.txt").write_text("one\ntwo\nthree\n", encoding="utf-8")
    (root / "sub" / "deep" / "inner.py").write_text("x = 1\n", encoding="utf-8")
    return Desk(root)


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open(tmp_path: Path) -> Iterator[None]:
    yield
    if (descriptors := Path("/proc/self/fd")).exists():
        opened = [str(one.readlink()) for one in descriptors.iterdir() if one.is_symlink()]
        assert not [path for path in opened if path.startswith(str(tmp_path))]


# Nothing outside of it ----------------------------------------------------------------------------

ESCAPES = [
    "../outside/secret.txt",
    "sub/../../outside/secret.txt",
    "..",
    "sub/..",
    "./../outside/secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "notes.txt\0/../../outside/secret.txt",
    "link.txt",
    "link/secret.txt",
    "link/../outside/secret.txt",
    "sub/parent/outside/secret.txt",
    "loop",
    "loop/notes.txt",
]


@pytest.fixture
def with_links(desk: Desk) -> Desk:
    outside = desk.root.parent / "outside"
    (desk.root / "link.txt").symlink_to(outside / "secret.txt")
    (desk.root / "link").symlink_to(outside)
    (desk.root / "sub" / "parent").symlink_to("../..")
    (desk.root / "loop").symlink_to("loop")
    (desk.root / "dangling").symlink_to(outside / "made.txt")
    return desk


@pytest.mark.parametrize("path", ESCAPES)
@pytest.mark.parametrize(
    "use",
    [
        ("list_files",),
        ("read_file",),
        ("search_files", "secret"),
        ("write_file", "harm"),
        ("edit_file", "secret", "harm"),
    ],
    ids=lambda use: use[0],
)
def test_no_path_leads_outside(with_links: Desk, path: str, use: tuple[str, ...]) -> None:
    name, *rest = use
    before = whole(with_links.root.parent)
    arguments = [rest[0], path] if name == "search_files" else [path, *rest]
    try:
        said = getattr(with_links, name)(*arguments)
    except ToolError as error:
        said = error.message
    assert SECRET not in said
    assert "secret.txt" not in said.replace(path, "").replace(path.replace("\0", "\\x00"), "")
    assert "root:" not in said
    assert whole(with_links.root.parent) == before


def test_a_path_that_leads_outside_is_named_with_what_is_right(with_links: Desk) -> None:
    assert "'..' is not followed; name the path from the top" in with_links.why("read_file", "../x")
    assert "paths are relative to" in with_links.why("read_file", "/etc/passwd")
    for path in ("link.txt", "loop"):
        assert "is a symbolic link, and links are not followed" in with_links.why("read_file", path)
    assert "link is a symbolic link" in with_links.why("read_file", "link/secret.txt")
    assert "NUL" in with_links.why("read_file", "a\0b")
    assert "is the folder itself" in with_links.why("read_file", ".")


def test_a_dangling_link_is_not_written_through(with_links: Desk) -> None:
    assert "symbolic link" in with_links.why("write_file", "dangling", "harm")
    assert not (with_links.root.parent / "outside" / "made.txt").exists()


def test_a_walk_does_not_follow_links_and_says_that_there_are(with_links: Desk) -> None:
    listed = with_links.list_files(recursive=True)
    assert "link  (a symbolic link, and links are not followed)" in listed
    assert "secret.txt" not in listed.replace("link.txt", "")
    assert with_links.search_files("secret") == "(nothing found)"


def test_the_folder_may_itself_be_reached_by_a_link_and_moves_with_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk.root.parent / "alias").symlink_to(desk.root)
    monkeypatch.chdir(desk.root.parent)
    by_alias = Desk(Path("alias"))
    monkeypatch.chdir("/")
    assert "one" in by_alias.read_file("notes.txt")


def test_the_whole_path_of_something_inside_is_taken(desk: Desk) -> None:
    assert "one" in desk.read_file(str(desk.root / "notes.txt"))
    (desk.root.parent / "root2").mkdir()
    (desk.root.parent / "root2" / "x").write_text(SECRET, encoding="utf-8")
    assert "relative to" in desk.why("read_file", str(desk.root.parent / "root2" / "x"))


def test_a_folder_that_becomes_a_link_while_it_is_opened_does_not_lead_outside(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk.root / "sub" / "secret.txt").write_text("harmless", encoding="utf-8")
    real, swapped = os.open, threading.Event()

    def racing(path: Any, *args: Any, **more: Any) -> int:
        descriptor = real(path, *args, **more)
        if path == "sub" and not swapped.is_set():  # opened a moment ago, and now its name changes
            swapped.set()
            (desk.root / "sub").rename(desk.root / "moved")
            (desk.root / "sub").symlink_to(desk.root.parent / "outside")
        return descriptor

    monkeypatch.setattr(os, "open", racing)
    assert "harmless" in desk.read_file("sub/secret.txt")
    assert swapped.is_set()
    assert "symbolic link" in desk.why("read_file", "sub/secret.txt")


def test_a_file_that_becomes_a_pipe_after_it_was_looked_at_is_not_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def racing(path: Any, *args: Any, **more: Any) -> int:
        if path == "notes.txt":
            (desk.root / "notes.txt").unlink()
            os.mkfifo(desk.root / "notes.txt")
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", racing)
    assert "is a named pipe" in desk.why("read_file", "notes.txt")


def test_no_renaming_at_any_moment_leads_outside(desk: Desk) -> None:
    (desk.root / "sub" / "secret.txt").write_text("harmless", encoding="utf-8")
    inside, outside, stop = desk.root / "sub", desk.root.parent / "outside", threading.Event()

    def swap() -> None:
        moved = desk.root / "moved"
        while not stop.is_set():
            inside.rename(moved)
            with suppress(FileExistsError):  # a write has just made a folder there
                inside.symlink_to(outside)
                inside.unlink()
            while moved.exists():
                shutil.rmtree(inside, ignore_errors=True)
                with suppress(OSError):
                    moved.rename(inside)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        begun, read = time.monotonic(), 0
        while time.monotonic() < begun + (0.7 if read else 20):  # a busy machine may take longer
            try:
                assert SECRET not in desk.read_file("sub/secret.txt")
                read += 1
                desk.write_file("sub/new.txt", "new")
            except ToolError:
                continue  # refused at that moment
    finally:
        stop.set()
        swapping.join()
    assert read
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]


# What is no file ----------------------------------------------------------------------------------


def test_pipes_sockets_and_devices_are_not_opened(desk: Desk) -> None:
    os.mkfifo(desk.root / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        before = Path.cwd()
        os.chdir(desk.root)  # the path of a socket may have 100 characters
        try:
            one.bind("socket")
        finally:
            os.chdir(before)
        for name, what in (("pipe", "a named pipe"), ("socket", "a socket"), ("sub", "a folder")):
            assert f"{name} is {what}" in desk.why("read_file", name)
            assert f"{name} is {what}" in desk.why("write_file", name, "x")
            assert f"{name} is {what}" in desk.why("edit_file", name, "x", "y")
        listed = desk.list_files()
        assert "pipe  (a named pipe)" in listed
        assert "socket  (a socket)" in listed
        assert desk.search_files("x = 1") == "sub/deep/inner.py:1: x = 1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_not_opened(desk: Desk) -> None:
    try:
        os.mknod(desk.root / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices cannot be made here")
    assert "zero is a device" in desk.why("read_file", "zero")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
def test_what_the_kernel_makes_up_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for root in ("/proc", "/sys", "/proc/self"):
        with pytest.raises(ConfigurationError, match="filesystem of the kernel"):
            files(root)
    everything = Desk(Path("/"), write=False)
    for path in ("proc/self/environ", "proc/1/root/etc/passwd", "proc/self/mem", "sys/kernel"):
        assert "filesystem of the kernel" in everything.why("read_file", path)
    assert "filesystem of the kernel" in everything.why("list_files", "proc")


# Large, and other things --------------------------------------------------------------------------


def test_ten_gigabytes_are_looked_at_in_part(desk: Desk) -> None:
    with (desk.root / "sparse").open("wb") as file:
        file.truncate(10_000_000_000)
    with (desk.root / "long.txt").open("wb") as file:
        file.write(b"line one\n" * 2_000_000)
        file.truncate(10_000_000_000)
    begin = time.monotonic()
    assert "(10,000,000,000 bytes) is binary" in desk.why("read_file", "sparse")
    assert "line one" in desk.read_file("long.txt")
    assert "too large" in desk.why("edit_file", "long.txt", "line one", "x")
    found = desk.search_files("line one", "long.txt")
    assert found.count("\n") <= 202
    assert "only the first 200 lines are shown" in found
    assert desk.search_files("no such thing").startswith("(nothing found)\n[of long.txt only")
    assert time.monotonic() - begin < 10


def test_a_line_without_end_is_read_in_part(desk: Desk) -> None:
    (desk.root / "line").write_text("x" * 1_000_000, encoding="utf-8")
    read = desk.read_file("line")
    assert len(read) < 263_000
    assert "line 1 has more characters" in read
    found = desk.search_files("x" * 1_000)
    assert len(found) < 2_000


def test_much_is_read_in_parts_that_say_where_they_go_on(desk: Desk) -> None:
    lines = [f"line {number} {'x' * 90}" for number in range(1, 10_001)]
    (desk.root / "much").write_text("\n".join(lines), encoding="utf-8")
    begin, seen = 1, list[str]()
    while True:
        head, *read = desk.read_file("much", begin).split("\n")
        assert head.startswith(f"[much: lines {begin} to ")
        if not read[-1].startswith("[the file goes on with line "):
            seen += read
            break
        seen += read[:-1]
        begin = int(read[-1].split()[-1].rstrip("]"))
    assert seen == lines


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [(1, 1, "one\n"), (2, 3, "two\nthree\n"), (2, None, "two\nthree\n"), (3, 99, "three\n")],
)
def test_lines_are_read_as_asked(desk: Desk, first: int, last: int | None, shown: str) -> None:
    head, _, text = desk.read_file("notes.txt", first, last).partition("\n")
    assert head.startswith(f"[notes.txt: lines {first} to ")
    assert text.split("[the file goes on")[0] == shown


def test_lines_that_are_not_there_are_named(desk: Desk) -> None:
    assert "has no line 4; it has 3" in desk.why("read_file", "notes.txt", 4)
    assert "counted from 1" in desk.why("read_file", "notes.txt", 0)
    assert "counted from 1" in desk.why("read_file", "notes.txt", 3, 2)
    (desk.root / "empty").touch()
    assert desk.read_file("empty") == "[empty: empty]"
    assert "No such file" in desk.why("read_file", "nowhere.txt")


@pytest.mark.parametrize(
    ("content", "named", "text"),
    [
        ("Grüße".encode(), "UTF-8]", "Grüße"),
        ("Grüße".encode("utf-8-sig"), "UTF-8 with a byte order mark", "Grüße"),
        (b"\xff\xfe" + "Grüße".encode("utf-16-le"), "UTF-16-LE with a byte order mark", "Grüße"),
        (b"\xfe\xff" + "Grüße".encode("utf-16-be"), "UTF-16-BE with a byte order mark", "Grüße"),
        (b"\xff\xfe\0\0" + "Grü".encode("utf-32-le"), "UTF-32-LE with a byte order mark", "Grü"),
        ("Grüße … “x”".encode("cp1252"), "windows-1252, which is a guess", "Grüße … “x”"),
        (b"caf\xe9 \x81", "latin-1, which is a guess", "caf\xe9 \x81"),
        (b"a\r\nb\r\n", "UTF-8, lines end with CRLF", "a\nb\n"),
    ],
)
def test_encodings_are_named(desk: Desk, content: bytes, named: str, text: str) -> None:
    (desk.root / "text").write_bytes(content)
    head, _, read = desk.read_file("text").partition("\n")
    assert named in head
    assert read == text


def test_another_encoding_can_be_expected(desk: Desk) -> None:
    (desk.root / "ko").write_bytes("회의".encode("cp949"))
    assert "회의" in Desk(desk.root, fallback="cp949").read_file("ko")
    with pytest.raises(ConfigurationError, match="no text encoding 'hex'"):
        files(desk.root, fallback="hex")
    with pytest.raises(ConfigurationError, match="no text encoding 'nonsense'"):
        files(desk.root, fallback="nonsense")


@pytest.mark.parametrize(
    "content",
    [
        bytes(range(256)) * 4,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "text".encode("utf-16-le"),
        b"\xff\xfea",
        b"\x1f\x8b\x08\x01\x02\x03\x9c\xed\x05\x06\x07\x0e\x0f",
    ],
)
def test_what_is_no_text_is_not_shown_as_if_it_were(desk: Desk, content: bytes) -> None:
    (desk.root / "data.bin").write_bytes(content)
    assert "is binary, or UTF-16 without a byte order mark" in desk.why("read_file", "data.bin")
    before = whole(desk.root)
    desk.why("edit_file", "data.bin", "a", "b")
    assert whole(desk.root) == before


def test_a_character_at_the_limit_is_not_broken(desk: Desk) -> None:
    (desk.root / "wide").write_text("€\n" * 2_600_000, encoding="utf-8")
    assert desk.read_file("wide").startswith("[wide: lines 1 to 131072, UTF-8]\n€\n€\n")


# Writing ------------------------------------------------------------------------------------------


def test_without_write_nothing_can_be_written(desk: Desk) -> None:
    reading = Desk(desk.root, write=False)
    assert list(reading.tools) == ["list_files", "read_file", "search_files"]
    script = Script(
        {
            "a": [
                [
                    tool("write_file", path="x", content="x"),
                    tool("edit_file", path="notes.txt", old="one", new="1"),
                    tool("read_file", path="notes.txt", write=True),
                ],
                lambda seen: finish("\n".join(one.content for one in seen.outcomes)),
            ]
        }
    )
    before = whole(desk.root)
    agent = Agent("a", "", "m", Provider("p", kind="script", script=script))
    output = run("Go.", [agent], files(desk.root)).output
    assert "write_file" in output
    assert whole(desk.root) == before


def test_files_and_their_folders_are_made(desk: Desk) -> None:
    assert desk.write_file("new/er/file.txt", "Grüße") == "Made new/er/file.txt: 7 bytes."
    assert (desk.root / "new/er/file.txt").read_bytes() == "Grüße".encode()
    assert desk.write_file("new/er/file.txt", "") == "Replaced new/er/file.txt: 0 bytes."
    assert "notes.txt is a file" in desk.why("write_file", "notes.txt/x", "x")


def test_the_mode_stays_and_a_new_file_has_the_usual_one(desk: Desk) -> None:
    script = desk.root / "run.sh"
    script.write_text("echo 1\n", encoding="utf-8")
    script.chmod(0o751)
    desk.edit_file("run.sh", "1", "2")
    desk.write_file("run.sh", "echo 3\n")
    assert stat.S_IMODE(script.stat().st_mode) == 0o751
    old = os.umask(0o027)
    try:
        desk.write_file("fresh", "")
    finally:
        os.umask(old)
    assert stat.S_IMODE((desk.root / "fresh").stat().st_mode) == 0o640


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = whole(desk.root)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device" in desk.why("write_file", "notes.txt", "new")
    assert "No space left on device" in desk.why("edit_file", "notes.txt", "one", "1")
    assert whole(desk.root) == before


def test_readers_see_the_old_or_the_new_content(desk: Desk) -> None:
    texts = {letter: letter * 200_000 for letter in "ab"}
    (desk.root / "big").write_text(texts["a"], encoding="utf-8")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for text in texts.values():
                desk.write_file("big", text)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for _ in range(200):
            assert (desk.root / "big").read_text(encoding="utf-8") in texts.values()
    finally:
        stop.set()
        writing.join()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_what_is_write_protected_stays(desk: Desk) -> None:
    (desk.root / "notes.txt").chmod(0o444)
    assert "is write-protected" in desk.why("write_file", "notes.txt", "x")


def test_an_edit_needs_its_text_exactly_once(desk: Desk) -> None:
    (desk.root / "code").write_text("a = 1\nb = 1\na = 1\n", encoding="utf-8")
    assert "more than once, in the lines 1, 3;" in desk.why("edit_file", "code", "a = 1", "a = 2")
    assert "does not have this text" in desk.why("edit_file", "code", "c = 1", "c = 2")
    assert "does not have this text" in desk.why("edit_file", "code", "a  = 1", "c = 2")
    assert "old is what to replace" in desk.why("edit_file", "code", "", "x")
    assert "old is what to replace" in desk.why("edit_file", "code", "b", "b")
    assert desk.edit_file("code", "b = 1\na", "b = 2\na") == "Edited code in line 2."
    assert (desk.root / "code").read_text(encoding="utf-8") == "a = 1\nb = 2\na = 1\n"
    (desk.root / "over").write_text("aXaXa", encoding="utf-8")
    assert "more than once" in desk.why("edit_file", "over", "aXa", "b")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_an_edit_keeps_encoding_and_line_ends(desk: Desk, encoding: str) -> None:
    (desk.root / "text").write_bytes("Grüße\r\nzwei\r\n".encode(encoding))
    desk.edit_file("text", "Grüße\nzwei", "Grüße\ndrei\nvier")
    assert (desk.root / "text").read_bytes() == "Grüße\r\ndrei\r\nvier\r\n".encode(encoding)


def test_an_edit_that_the_encoding_cannot_hold_is_refused(desk: Desk) -> None:
    (desk.root / "text").write_bytes("Grüße".encode("cp1252"))
    assert "windows-1252, which has no '회'" in desk.why("edit_file", "text", "Grüße", "회의")
    assert (desk.root / "text").read_bytes() == "Grüße".encode("cp1252")


def test_mixed_line_ends_are_edited_as_they_are(desk: Desk) -> None:
    (desk.root / "mixed").write_bytes(b"a\r\nb\nc\n")
    desk.edit_file("mixed", "b\n", "B\n")
    assert (desk.root / "mixed").read_bytes() == b"a\r\nB\nc\n"


def test_edits_at_the_same_time_are_all_kept(desk: Desk) -> None:
    (desk.root / "list").write_text("".join(f"item {n};\n" for n in range(40)), encoding="utf-8")
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(desk.edit_file, "list", f"item {n};", f"done {n};") for n in range(40)]
        for one in done:
            one.result()
    text = (desk.root / "list").read_text(encoding="utf-8")
    assert text == "".join(f"done {n};\n" for n in range(40))


def test_an_edit_does_not_write_over_what_has_just_changed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.read

    def racing(descriptor: int, size: int) -> bytes:
        piece = real(descriptor, size)
        if piece == b"one\ntwo\nthree\n":
            (desk.root / "notes.txt").write_text("all new\n", encoding="utf-8")
        return piece

    monkeypatch.setattr(os, "read", racing)
    assert "was changed meanwhile" in desk.why("edit_file", "notes.txt", "one", "1")
    assert (desk.root / "notes.txt").read_text(encoding="utf-8") == "all new\n"


def test_what_has_no_bytes_is_refused(desk: Desk) -> None:
    assert "no bytes" in desk.why("write_file", "half", "\ud800")
    assert "no bytes" in desk.why("read_file", "\ud800")
    assert not (desk.root / "half").exists()
    assert "at most 10,000,000" in desk.why("write_file", "large", "x" * 10_000_001)


# Lists and searches -------------------------------------------------------------------------------


def test_lists_are_sorted_and_bounded(desk: Desk) -> None:
    many = desk.root / "many"
    many.mkdir()
    for number in range(1_100):
        (many / f"{number:04}").touch()
    listed = desk.list_files("many").split("\n")
    assert listed[:2] == ["many/0000  0 bytes", "many/0001  0 bytes"]
    assert listed[:1_000] == sorted(listed[:1_000])
    assert listed[1_000:] == ["[only the first 1,000 are shown; narrow it with path or pattern]"]
    assert desk.list_files("many", "*99").split("\n") == [
        f"many/{n:04}  0 bytes" for n in range(99, 1_100, 100)
    ]
    assert desk.list_files(pattern="*.py", recursive=True) == "sub/deep/inner.py  6 bytes"
    assert desk.list_files("sub/deep") == "sub/deep/inner.py  6 bytes"
    assert desk.list_files(pattern="nothing*") == "(nothing)"


def test_folders_that_are_skipped_are_named(desk: Desk) -> None:
    for name in ("node_modules", ".git"):
        (desk.root / name).mkdir()
        (desk.root / name / "x.py").write_text("x = 1", encoding="utf-8")
    listed = desk.list_files(recursive=True)
    assert "x.py" not in listed
    assert "[node_modules/ was not entered]" in listed
    assert desk.search_files("x = 1").startswith("sub/deep/inner.py:1: x = 1\n[.git/ was not")
    assert "x.py" in Desk(desk.root, skip=()).list_files(recursive=True)
    assert "x.py" in desk.list_files("node_modules")


def test_folders_inside_of_each_other_have_an_end(desk: Desk) -> None:
    deep = desk.root
    for _ in range(80):
        deep /= "d"
        deep.mkdir()
    listed = desk.list_files(recursive=True)
    assert "d/" * 64 + "d" not in listed
    assert "was not entered" in listed
    assert "more than 64 folders" in desk.why("list_files", "d/" * 65)


def test_a_name_cannot_pretend_to_be_another_entry(desk: Desk) -> None:
    (desk.root / "x\nfake.txt  1 bytes").touch()
    (desk.root / "rl\u202eo").touch()
    listed = desk.list_files().split("\n")
    assert "x\\nfake.txt  1 bytes  0 bytes" in listed
    assert "rl\\u202eo  0 bytes" in listed
    assert len(listed) == 4


def test_a_search_finds_lines_and_says_where(desk: Desk) -> None:
    assert desk.search_files("t") == "notes.txt:2: two\nnotes.txt:3: three"
    assert desk.search_files("x", "sub") == "sub/deep/inner.py:1: x = 1"
    assert desk.search_files("x", "sub/deep/inner.py") == "sub/deep/inner.py:1: x = 1"
    assert desk.search_files("one\ntwo") == "notes.txt:1: one\\ntwo"
    assert desk.search_files("TWO") == "(nothing found)"
    assert desk.search_files("TWO", ignore_case=True) == "notes.txt:2: two"
    assert desk.search_files("t", pattern="*.py") == "(nothing found)"
    assert desk.search_files(".*") == "(nothing found)"
    (desk.root / "turkish").write_text("İİİ Here\n", encoding="utf-8")
    assert desk.search_files("here", ignore_case=True) == "turkish:1: İİİ Here"


def test_no_text_and_no_pattern_takes_long(desk: Desk) -> None:
    (desk.root / "a").write_text("a" * 5_000_000, encoding="utf-8")
    (desk.root / ("a" * 200)).touch()
    begin = time.monotonic()
    for text in ("a" * 5_000 + "b", "b" + "a" * 5_000, ("a" * 50 + "b") * 100, "(a+)+$", "(a|a)*b"):
        assert desk.search_files(text) == "(nothing found)"
        assert desk.search_files(text.upper(), ignore_case=True) == "(nothing found)"
    assert desk.list_files(pattern="*a" * 90 + "b") == "(nothing)"
    assert "more than 200" in desk.why("list_files", ".", "*" * 201)
    assert time.monotonic() - begin < 8


def test_a_folder_that_cannot_be_used_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="files: there is no folder"):
        files(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="is a file, not a folder"):
        files(tmp_path / "file")


def test_long_results_are_cut_as_every_tools_are_and_read_on(desk: Desk) -> None:
    text = "".join(f"{number} {'x' * 90}\n" for number in range(1_500))
    (desk.root / "long").write_text(text, encoding="utf-8")

    def reader(seen: Any) -> Any:
        if seen.turn == 0:
            return tool("read_file", path="long")
        last = seen.outcomes[-1].content
        if seen.turn == 1:
            assert "read_result" in last
            assert len(last) < len(text) / 2
            number = last.split('read_result(id="')[1].split('"')[0]
            begin = int(last.split("from=")[1].split(",")[0])
            return tool("read_result", id=number, **{"from": begin, "to": begin + 400})
        return finish(last)

    provider = Provider("p", kind="script", script=Script(reader))
    agent = Agent("a", "", "m", provider, context_window=16_000)
    assert "x" * 90 in run("Read.", [agent], files(desk.root)).output


def whole(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return everything in a folder."""
    found: dict[str, tuple[int, bytes]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path)] = status.st_mode, content
    return found
