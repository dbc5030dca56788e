"""A run in a journal: the same line begins it, goes on with it, and returns what it came to."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportPossiblyUnboundVariable=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import stat
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agentouto import (
    Agent,
    AgentError,
    Approval,
    Attachment,
    Cancelled,
    ConfigurationError,
    Journal,
    JournalError,
    LimitReached,
    Limits,
    Message,
    Provider,
    Team,
    Tool,
    ToolResult,
    async_run,
    async_run_stream,
    run,
    run_background,
)
from agentouto._journal.file_systems import file_system_in
from agentouto._journal.sqlite_database import SqliteDatabase
from agentouto.exceptions import RunChanged, RunOther, RunTaken
from agentouto.testing import Request, Script, call, finish, say, tool
from children import child

PROGRAM = """
import os, signal, sys
from agentouto import Agent, Provider, Tool, run
from agentouto.testing import Script, say, tool

SIGNALS = {"kill": "SIGKILL", "interrupt": "SIGINT", "terminate": "SIGTERM", "exit": "SIGTERM"}
how = sys.argv[3]
if how == "exit":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))

@Tool(on_restart="run")
def work(what: str) -> str:
    with open(sys.argv[2], "a") as file:
        file.write(what)
    if what == "b" and how in SIGNALS:
        os.kill(os.getpid(), getattr(signal, SIGNALS[how]))
    return what

asked = []

def line(request):
    asked.append(request.turn)
    return [tool("work", what="a"), tool("work", what="b"), say("done")][request.turn]

lead = Agent("lead", "You lead.", "m", Provider("p", kind="script", script=Script({"lead": line})))
print(run("Go.", [lead], [work], journal=sys.argv[1], run_id="order").output, asked)
"""


def agent(lines: Any, name: str = "lead", instructions: str = "You lead.") -> Agent:
    provider = Provider("p", kind="script", script=Script({name: lines}))
    return Agent(name, instructions, "m", provider)


def played(*arguments: str) -> tuple[int, str]:
    with child([sys.executable, "-c", PROGRAM, *arguments], stdout=-1, stderr=-3) as process:
        output, _ = process.communicate(timeout=30)
        return process.returncode, output.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no signals between processes")
@pytest.mark.parametrize("how", ["kill", "interrupt", "terminate", "exit"])
def test_a_process_that_ends_in_the_middle_goes_on_with_the_same_line(
    tmp_path: Path, how: str
) -> None:
    journal, effects = str(tmp_path / "runs.db"), tmp_path / "effects"
    code, output = played(journal, str(effects), how)
    assert (code == 0, output) == (False, "")
    assert played(journal, str(effects), "go on") == (0, "done [2]")
    assert played(journal, str(effects), "again") == (0, "done []")
    assert effects.read_text() == "abb"


def test_the_same_line_returns_the_saved_result_and_asks_no_model(tmp_path: Path) -> None:
    asked: list[int] = []

    def line(request: Request) -> Any:
        asked.append(request.turn)
        return finish("done")

    results = [
        run("Go.", [agent(line)], journal=tmp_path / "runs.db", run_id="order") for _ in range(2)
    ]
    for result in results:
        assert (result.output, result.run_id) == ("done", "order")
    assert asked == [0]
    saved = Journal(tmp_path / "runs.db")["order"]
    assert (saved.status, saved.message) == ("returned", "Go.")
    assert saved.lines() == results[0].lines()
    assert saved.events() == results[0].events
    assert saved.result().messages == results[0].messages


def test_data_of_a_type_comes_back(tmp_path: Path) -> None:
    lines = [tool("finish", result=[1, 2])]
    for _ in range(2):
        result = run(
            "Go.", [agent(lines)], journal=tmp_path / "r", run_id="x", output_type=list[int]
        )
        assert result.data == [1, 2]


def test_without_an_id_one_is_drawn_and_the_run_is_kept(tmp_path: Path) -> None:
    result = run("Go.", [agent([say("hi")])], journal=tmp_path / "r")
    assert Journal(tmp_path / "r")[result.run_id].result().output == "hi"


def test_a_run_that_failed_raises_its_error_again(tmp_path: Path) -> None:
    limits = Limits(requests=1)
    lines = [tool("get_messages", task_id="order"), say("never")]
    for _ in range(2):
        with pytest.raises(LimitReached) as raised:
            run("Go.", [agent(lines)], journal=tmp_path / "r", run_id="order", limits=limits)
        assert raised.value.limit == "requests"
        assert [message.content for message in raised.value.partial.messages] == ["Go."]
    assert Journal(tmp_path / "r")["order"].status == "failed"


async def test_a_cancelled_run_stays_cancelled_and_a_left_one_goes_on(tmp_path: Path) -> None:
    hold = asyncio.Event()

    async def wait() -> str:
        await hold.wait()
        return "waited"

    def stream(run_id: str) -> Any:
        tools = [Tool(wait, on_restart="run")]
        lead = agent([tool("wait"), say("done")])
        return async_run_stream("Go.", [lead], tools, journal=tmp_path / "r", run_id=run_id)

    for run_id in ("left", "cancelled"):
        running = stream(run_id)
        async with running:
            async for each in running:
                if each.type == "tool_call":
                    break
            if run_id == "cancelled":
                running.cancel("not needed")
    journal = Journal(tmp_path / "r")
    assert {saved.id: saved.status for saved in journal.runs()} == {
        "left": "interrupted",
        "cancelled": "cancelled",
    }
    hold.set()
    assert (await stream("left").result()).output == "done"
    with pytest.raises(Cancelled):
        await stream("cancelled").result()


async def test_a_task_that_is_cancelled_leaves_its_run_to_be_gone_on_with(tmp_path: Path) -> None:
    begun, hold = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        begun.set()
        await hold.wait()
        return "waited"

    def task() -> asyncio.Task[Any]:
        lead, tools = agent([tool("wait"), say("done")]), [Tool(wait, on_restart="run")]
        work = async_run("Go.", [lead], tools, journal=tmp_path / "r", run_id="order")
        return asyncio.create_task(work)

    first = task()
    await begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert Journal(tmp_path / "r")["order"].status == "interrupted"
    hold.set()
    assert (await task()).output == "done"


async def test_a_function_does_not_begin_after_its_run_was_cancelled(tmp_path: Path) -> None:
    begun, tasks = list[str](), list[asyncio.Task[Any]]()

    async def work() -> str:
        begun.append("work")
        return "worked"

    async def approve(approval: Approval) -> bool:
        if len(tasks) == 1:
            tasks[0].cancel()  # which takes some steps of the loop until it is here
        return True

    def start() -> asyncio.Task[Any]:
        lead, tools = agent([tool("work"), say("done")]), [Tool(work, needs_approval=True)]
        how: Any = {"journal": tmp_path / "r", "run_id": "order", "approve": approve}
        tasks.append(asyncio.create_task(async_run("Go.", [lead], tools, **how)))
        return tasks[-1]

    with pytest.raises(asyncio.CancelledError):
        await start()
    assert begun == []
    assert (await start()).output == "done"
    assert begun == ["work"]


async def test_a_run_at_work_is_taken(tmp_path: Path) -> None:
    begun, hold = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        begun.set()
        await hold.wait()
        return "waited"

    lead, tools = agent([tool("wait"), say("done")]), [Tool(wait)]
    handle = run_background("Go.", [lead], tools, journal=tmp_path / "r", run_id="order")
    await begun.wait()
    assert Journal(tmp_path / "r")["order"].status == "running"
    with pytest.raises(RunTaken, match=rf"'order' is at work in process {os.getpid()} on host"):
        await async_run("Go.", [lead], tools, journal=tmp_path / "r", run_id="order")
    with pytest.raises(ConfigurationError, match="at work"):
        Journal(tmp_path / "r")["order"].delete()
    hold.set()
    assert (await handle.wait()).output == "done"


async def test_a_stream_that_never_began_lets_go_of_its_run(tmp_path: Path) -> None:
    stream = async_run_stream("Go.", [agent([say("x")])], journal=tmp_path / "r", run_id="order")
    del stream
    gc.collect()
    await asyncio.sleep(0)
    result = await async_run("Go.", [agent([say("x")])], journal=tmp_path / "r", run_id="order")
    assert result.output == "x"


@Tool(on_restart="run")
def work(what: str) -> str:
    return what


@Tool(name="work", on_restart="run")
def other_work(what: str, how: str = "well") -> str:
    """Work otherwise."""
    return f"{what} {how}"


LINES = [tool("work", what="a"), tool("work", what="b"), say("done")]


def interrupted(tmp_path: Path) -> Path:
    """Return a journal with a run that was left in its second tool call."""

    async def leave() -> None:
        given = [agent(LINES)], [work]
        stream = async_run_stream("Go.", *given, journal=tmp_path / "runs.db", run_id="order")
        async with stream:
            async for each in stream:
                if each.type == "tool_call" and each.data["arguments"] == {"what": "b"}:
                    break

    asyncio.run(leave())
    return tmp_path / "runs.db"


@pytest.mark.parametrize(
    ("error", "text", "given", "options"),
    [
        (RunOther, "was asked 'Go.', and now it is asked 'Stop.'", ["Stop.", [agent(LINES)], [work]], {}),
        (RunChanged, "agents: lead now have other", ["Go.", [agent(LINES, "lead", "Other.")], [work]], {}),
        (RunChanged, "agents that are not there now: lead", ["Go.", [agent(LINES, "boss")], [work]], {}),
        (RunChanged, "tools: work now have other", ["Go.", [agent(LINES)], [other_work]], {}),
        (RunChanged, "tools that are not there now: work", ["Go.", [agent(LINES)], []], {}),
        (ConfigurationError, "run_id='.x' must be", ["Go.", [agent(LINES)], [work]], {"run_id": ".x"}),
        (ConfigurationError, "give journal= as well", ["Go.", [agent(LINES)], [work]], {"journal": None}),
        (ConfigurationError, "not 5", ["Go.", [agent(LINES)], [work]], {"journal": 5}),
        (ConfigurationError, "changed must be", ["Go.", [agent(LINES)], [work]], {"changed": "yes"}),
    ],
)  # fmt: skip
def test_what_does_not_fit_to_the_run_is_refused_before_anything_starts(
    tmp_path: Path, error: type[Exception], text: str, given: Any, options: Any
) -> None:
    journal = interrupted(tmp_path)
    before = Journal(journal)["order"].lines()
    with pytest.raises(error, match=text):
        run(*given, **{"journal": journal, "run_id": "order", **options})
    assert Journal(journal)["order"].lines() == before  # so no model was asked
    assert run("Go.", [agent(LINES)], [work], journal=journal, run_id="order").output == "done"


def test_changes_can_be_accepted(tmp_path: Path) -> None:
    other = agent(LINES, "lead", "You lead otherwise.")
    journal = interrupted(tmp_path)
    result = run("Go.", [other], [work], journal=journal, run_id="order", changed="accept")
    assert result.output == "done"


def test_a_changed_tool_can_be_accepted_and_what_was_done_stays_done(tmp_path: Path) -> None:
    def line(request: Request) -> Any:
        return say(" and ".join(outcome.content for outcome in request.outcomes))

    result = run(
        "Go.",
        [agent(line)],
        [other_work],
        journal=interrupted(tmp_path),
        run_id="order",
        changed="accept",
    )
    outcomes = [event.data["result"] for event in result.events if event.type == "tool_result"]
    assert outcomes == ["a", "b well"]


AT_WORK = """
import sys
from agentouto import Agent, Provider, Tool, run
from agentouto.exceptions import RunTaken
from agentouto.testing import Script, say, tool

@Tool(on_restart="run")
def work() -> str:
    print("at work", flush=True)
    return sys.stdin.readline()

asked = []

def line(request):
    asked.append(request.turn)
    return [tool("work"), say("done")][request.turn]

lead = Agent("lead", "You lead.", "m", Provider("p", kind="script", script=Script({"lead": line})))
try:
    print(run("Go.", [lead], [work], journal=sys.argv[1], run_id="order").output, asked)
except RunTaken as error:
    print(error, asked)
"""


def test_a_run_at_work_in_another_process_is_taken_until_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", AT_WORK, str(tmp_path / "runs.db")]
    with child(command, stdin=-1, stdout=-1) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "at work\n"
        with child(command, stdin=-1, stdout=-1) as second:
            said = second.communicate("x", timeout=30)[0]
        assert f"run 'order' is at work in process {first.pid} on host" in said
        assert said.endswith(" []\n")
        first.kill()
        first.wait(30)
    with child(command, stdin=-1, stdout=-1) as third:
        assert third.communicate("x", timeout=30)[0] == "at work\ndone [1]\n"


def text_file(place: Path) -> None:
    place.write_text("not a database, but long enough to look like something else" * 20)


def other_database(place: Path) -> None:
    with sqlite3.connect(place) as connection:
        connection.execute("create table notes(text)")
    connection.close()


def newer_file(place: Path) -> None:
    run("Go.", [agent([say("x")])], journal=place)
    connection = sqlite3.connect(place)
    connection.execute("pragma user_version = 2")
    connection.close()


def damaged(place: Path) -> None:
    run("Go.", [agent([say("x")])], journal=place, run_id="order")
    connection = sqlite3.connect(place)
    with connection:
        connection.execute("delete from facts where kind = 'CallStarted'")
    connection.close()


def torn(place: Path) -> None:
    run("Go.", [agent([say("x" * 20_000)])], journal=place, run_id="order")
    os.truncate(place, 12_000)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (Path.mkdir, "is a folder"),
        (text_file, "cannot be opened: file is not a database"),
        (other_database, "is a database, but no journal"),
        (newer_file, "newer agentouto"),
        (damaged, "is damaged: event 2 of the run 'order' is missing"),
        (torn, "malformed|damaged|cannot be"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, make: Callable[[Path], object], text: str
) -> None:
    place = tmp_path / "runs.db"
    make(place)
    before = place.read_bytes() if place.is_file() else b""
    with pytest.raises(JournalError, match=text) as raised:
        run("Go.", [agent([say("x")])], journal=place, run_id="order")
    assert str(place) in str(raised.value)
    assert (place.read_bytes() if place.is_file() else b"") == before


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="folder that does not exist"):
        run("Go.", [agent([say("x")])], journal=tmp_path / "no" / "runs.db")
    with pytest.raises(JournalError, match="there is no journal"):
        Journal(tmp_path / "runs.db").runs()


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/srv/runs", "ext4"), ("/mnt/team/runs", "nfs4"), ("/mnt/my share", "cifs")],
)
def test_the_file_system_of_a_folder_is_that_of_its_nearest_mount(folder: str, kind: str) -> None:
    mounts = (
        "/dev/vda1 / ext4 rw 0 0\nserver:/team /mnt/team nfs4 rw 0 0\n"
        "//server/share /mnt/my\\040share cifs rw 0 0\n"
    )
    assert file_system_in(mounts, Path(folder)) == kind


FULL_DISK = """
import resource, signal, sys
from agentouto import Agent, JournalError, Provider, Tool, run
from agentouto.testing import Script, say, tool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
asked, used = [], []

def line(request):
    asked.append(request.turn)
    return [tool("work", what="x" * 900_000), say("done")][request.turn]

work = Tool(lambda what: used.append(len(what)), name="work")
lead = Agent("lead", "You lead.", "m", Provider("p", kind="script", script=Script({"lead": line})))
if sys.argv[2] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
try:
    print(run("Go.", [lead], [work], journal=sys.argv[1], run_id="order").output, asked, used)
except JournalError as error:
    print("JournalError", error.partial.messages != [], asked, used)
"""


READ_ONLY = """
import os, sys
from pathlib import Path
from agentouto import Agent, JournalError, Provider, run
from agentouto.testing import Script, say

lead = Agent("lead", "You lead.", "m", Provider("p", kind="script", script=Script({"lead": [say("x")]})))
folder = Path(sys.argv[1])
os.chmod(folder, 0o777)
place = folder / "runs.db"
run("Go.", [lead], journal=place)
os.chmod(place, 0o444)
os.chmod(folder, {"file": 0o777, "folder": 0o555}[sys.argv[2]])
if sys.argv[2] == "folder":
    os.unlink(place)
if os.getuid() == 0:  # modes do not bind it; all that the run imports is loaded by now
    os.setuid(65534)
if not os.access(folder, os.X_OK):
    sys.exit("unreachable")
try:
    run("Go.", [lead], journal=place)
except JournalError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no modes of files")
@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("file", "is read-only for this process"),
        ("folder", "is in a folder that is read-only for this process"),
    ],
)
def test_a_place_that_is_read_only_is_named(what: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # where other users can reach it
        command = [sys.executable, "-c", READ_ONLY, folder, what]
        with child(command, stdout=-1, stderr=-1) as process:
            output, errors = process.communicate(timeout=30)
    if "unreachable" in errors:
        pytest.skip("folders for temporary files are for their owner only")
    assert output.startswith(f"the journal {folder}/runs.db {text}"), errors


@pytest.mark.skipif(sys.platform == "win32", reason="it has no limit for the size of files")
def test_a_full_disk_ends_the_run_which_goes_on_when_there_is_room(tmp_path: Path) -> None:
    for how, expected in (
        ("full", "JournalError True [0] []"),  # it is found at once: nothing happens after that
        ("room", "done [0, 1] [900000]"),
    ):
        command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "runs.db"), how]
        with child(command, stdout=-1) as process:
            assert process.communicate(timeout=30)[0].strip() == expected


def test_a_message_that_is_no_json_is_named_before_the_run_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="message"):
        run("half \ud800", [agent([say("x")])], journal=tmp_path / "r")


def test_an_event_that_is_no_json_ends_the_run_by_name(tmp_path: Path) -> None:
    @Tool(name="work")
    def use(what: str) -> ToolResult:
        return ToolResult(what, [Attachment("text/plain", data="half \ud800")])

    with pytest.raises(JournalError, match="ToolFinished of 'lead'"):
        run("Go.", [agent(LINES)], [use], journal=tmp_path / "r")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no modes of files")
def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    run("Go.", [agent([say("x")])], journal=tmp_path / "runs.db")
    assert stat.S_IMODE((tmp_path / "runs.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "runs.db.locks").stat().st_mode) == 0o700


def test_a_turn_takes_few_bytes_however_many_there_are(tmp_path: Path) -> None:
    sizes: dict[int, float] = {}
    for turns in (100, 400):
        lines: list[Any] = [tool("read", n=number) for number in range(turns)]
        place = tmp_path / f"{turns}.db"

        async def read(n: int) -> str:
            return "many words " * 91

        run("Go.", [agent([*lines, say("x")])], [Tool(read)], journal=place)
        sizes[turns] = place.stat().st_size / turns
    assert sizes[400] <= 2_600
    assert sizes[400] <= sizes[100] * 1.15


def count_files(journal: Path) -> int:
    connection = sqlite3.connect(journal)
    (count,) = connection.execute("select count(*) from files").fetchone()
    connection.close()
    return count


def test_a_file_for_many_agents_is_kept_once_until_the_last_run_with_it_is_removed(
    tmp_path: Path,
) -> None:
    picture = Attachment("image/png", data="iVBO" * 50_000, name="sea.png")
    provider = Provider("p", kind="script", script=Script(lambda _: say("seen")))
    agents = [Agent(f"agent-{number}", "", "m", provider) for number in range(5)]
    place = tmp_path / "runs.db"
    results = [
        run("Look.", agents, journal=place, run_id=run_id, attachments=[picture])
        for run_id in ("a", "b")
    ]
    journal = Journal(place)
    assert count_files(place) == 1
    assert place.stat().st_size < 2 * len(picture.data or "")
    for result in results:
        assert journal[result.run_id].result().messages == result.messages
        assert result.messages[0].attachments == [picture]
    journal["a"].fork(before=(results[0].outputs[0].call_id, 0), run_id="c")
    for run_id, left in (("a", 1), ("b", 1), ("c", 0)):
        journal[run_id].delete()
        assert count_files(place) == left


def test_letters_of_two_processes_have_two_ids_and_one_with_an_id_comes_once(
    tmp_path: Path,
) -> None:
    async def part(end: bool) -> list[Message]:
        hold = asyncio.Event()

        async def wait() -> str:
            await hold.wait()
            return "waited"

        lead, tools = agent([tool("wait"), say("done")]), [Tool(wait, on_restart="run")]
        stream = async_run_stream("Go.", [lead], tools, journal=tmp_path / "r", run_id="order")
        async with stream:
            async for each in stream:
                if each.type == "tool_call" or (each.type == "run_resumed" and end):
                    break
            stream.send("a letter")
            stream.send("an order", id="order-1")
            stream.send("an order", id="order-1")
            if not end:
                return []
            hold.set()
            return (await stream.result()).messages

    asyncio.run(part(end=False))
    messages = asyncio.run(part(end=True))
    letters = [message for message in messages if message.content == "a letter"]
    orders = [message for message in messages if message.content == "an order"]
    assert len({message.call_id for message in letters}) == len(letters) == 2
    assert len(orders) == 1


def test_a_team_keeps_its_runs_and_forgets_old_ones(tmp_path: Path) -> None:
    team = Team([agent([say("x")])], journal=tmp_path / "r")
    for number in range(3):
        team.run("Go.", run_id=f"run-{number}")
    journal = Journal(tmp_path / "r")
    journal["run-1"].keep()
    journal["run-0"].delete()
    assert [saved.id for saved in journal.runs("returned")] == ["run-2", "run-1"]
    assert journal.delete(older_than=0) == 1
    assert [saved.id for saved in journal.runs()] == ["run-1"]
    assert "run-1" in journal
    assert "run-2" not in journal
    with pytest.raises(ConfigurationError, match="has no run 'run-9'"):
        journal["run-9"]
    with pytest.raises(ConfigurationError, match="Did you mean"):
        journal.runs("returnd")


def test_a_fork_goes_on_from_an_earlier_turn_and_leaves_the_original_as_it_is(
    tmp_path: Path,
) -> None:
    asked: list[int] = []

    def line(request: Request) -> Any:
        asked.append(request.turn)
        words = [tool("work", what="a"), tool("work", what="b"), say(f"done {len(asked)}")]
        return words[request.turn]

    first = run("Go.", [agent(line)], [work], journal=tmp_path / "r", run_id="order")
    journal = Journal(tmp_path / "r")
    before = journal["order"].lines()
    fork = journal["order"].fork(before=("order", 1), run_id="again")
    assert (fork.status, fork.forked_from) == ("interrupted", "order")
    second = run("Go.", [agent(line)], [work], journal=tmp_path / "r", run_id="again")
    assert asked == [0, 1, 2, 1, 2]
    assert (first.output, second.output, second.run_id) == ("done 3", "done 5", "again")
    assert journal["order"].lines() == before
    with pytest.raises(ConfigurationError, match="has no turn 7"):
        journal["order"].fork(before=("order", 7))
    with pytest.raises(ConfigurationError, match="has not failed"):
        journal["order"].fork()
    with pytest.raises(ConfigurationError, match="there is a run 'again' already"):
        journal["order"].fork(before=("order", 1), run_id="again")


def test_a_fork_of_a_failed_run_goes_on_from_before_the_failure(tmp_path: Path) -> None:
    broken = True

    def line(request: Request) -> Any:
        if request.turn == 1 and broken:
            raise AgentError("lead", "the server is down")
        return [tool("work", what="a"), say("done")][request.turn]

    with pytest.raises(Exception, match="down"):
        run("Go.", [agent(line)], [work], journal=tmp_path / "r", run_id="order")
    broken = False
    fork = Journal(tmp_path / "r")["order"].fork()
    result = run("Go.", [agent(line)], [work], journal=tmp_path / "r", run_id=fork.id)
    assert result.output == "done"


async def test_a_team_goes_on_with_what_was_interrupted(tmp_path: Path) -> None:
    journal = await asyncio.to_thread(interrupted, tmp_path)
    team = Team([agent(LINES)], [work], journal=journal)
    (handle,) = team.resume_all()
    assert (str(handle), (await handle.wait()).output) == ("order", "done")
    assert team.resume_all() == []
    assert (await team.resume("order").result()).output == "done"
    with pytest.raises(ConfigurationError, match="has no run 'other'"):
        team.resume("other")
    with pytest.raises(ConfigurationError, match="give journal="):
        Team([agent(LINES)]).resume("order")


async def test_many_runs_share_a_file(tmp_path: Path) -> None:
    handles = [
        run_background("Go.", [agent(LINES)], [work], journal=tmp_path / "r", run_id=f"run-{n}")
        for n in range(20)
    ]
    assert [(await handle.wait()).output for handle in handles] == ["done"] * 20
    assert len(Journal(tmp_path / "r").runs("returned")) == 20


async def test_a_task_that_has_swallowed_a_cancellation_keeps_its_run(tmp_path: Path) -> None:
    async def careless() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            result = await async_run("Go.", [agent([say("x")])], journal=tmp_path / "r", run_id="a")
            return result.output
        return "was not cancelled"

    task = asyncio.create_task(careless())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "x"
    assert Journal(tmp_path / "r")["a"].status == "returned"


def test_a_fork_before_a_turn_of_a_peer_two_deep_repeats_nothing_before_it(tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []
    done: list[str] = []

    @Tool
    def do(what: str) -> str:
        done.append(what)
        return what

    words = {
        "lead": [tool("do", what="lead"), call("writer", "Write."), say("all")],
        "writer": [tool("do", what="writer"), call("helper", "Help."), say("written")],
        "helper": [tool("do", what="helper"), say("helped")],
    }

    def line(request: Request) -> Any:
        asked.append((request.agent_name, request.turn))
        return words[request.agent_name][request.turn]

    provider = Provider("p", kind="script", script=Script(line))
    agents = [Agent(name, "", "m", provider) for name in words]
    team = Team(agents, [do], journal=tmp_path / "r", starting_agents=agents[:1])
    assert team.run("Go.", run_id="order").output == "all"
    saved = Journal(tmp_path / "r")["order"]
    helper = next(one.id for one in saved.calls if one.name == "helper")
    asked.clear()
    done.clear()
    saved.fork(before=(helper, 1), run_id="again")
    assert team.run("Go.", run_id="again").output == "all"
    assert asked == [("helper", 1), ("writer", 2), ("lead", 2)]
    assert done == []


def test_several_that_make_the_same_file_at_once_all_can_use_it(tmp_path: Path) -> None:
    def opened(path: Path) -> str:
        together.wait()
        database = SqliteDatabase(path)
        database.close()
        return "opened"

    together = threading.Barrier(8)
    with ThreadPoolExecutor(8) as threads:
        for number in range(40):
            path = tmp_path / f"{number}.db"
            assert list(threads.map(opened, [path] * 8)) == ["opened"] * 8
