"""Readers that come while a model writes, or go on after a pause, miss nothing and get it once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from agentouto import StreamEvent, run_background, run_background_sync
from agentouto.testing import Turn, call, finish, say, think
from golden import Lines
from teams import peers

WORDS = " ".join(f"w{number}" for number in range(40))


def slow(*words: object) -> Turn:
    return Turn(*words, stream=True, pause=0.005)  # type: ignore[arg-type]


def written(lines: Iterable[Mapping[str, object]]) -> str:
    """Return the text that a page shows: ``text`` stands for all that it has of an open reply."""
    shown, open_text = "", ""
    for line in lines:
        match line["type"]:
            case "text":
                open_text = str(line["text"])
            case "token":
                open_text += str(line["text"])
            case "model.start":
                open_text = ""
            case "model.end":
                shown, open_text = shown + open_text, ""
            case _:
                pass
    return shown + open_text


def tokens(events: Iterable[StreamEvent]) -> str:
    return "".join(event.data["text"] for event in events if event.type == "token")


async def test_a_late_reader_of_lines_gets_one_text_so_far_and_the_further_pieces() -> None:
    handle = run_background("Go.", peers({"a": [slow(think("Hm hm."), say(WORDS))]}, "a"))
    read = 0
    async for line in handle.lines():
        read += line["type"] == "token"
        if read == 3:
            break
    late = [line async for line in handle.lines()]
    so_far = [line for line in late if line["type"] == "text"]
    assert len(so_far) == 1
    assert so_far[0]["thinking"] == "Hm hm."
    assert WORDS.startswith(str(so_far[0]["text"]).strip())
    assert sum(line["type"] == "token" for line in late) > 1
    assert written(late) == WORDS


async def test_a_reader_that_goes_on_at_any_fact_loses_no_word() -> None:
    agents = peers(
        {"a": [slow(say(WORDS), call("b", "x")), finish("end")], "b": [say("hi")]}, "a", "b"
    )
    handle = run_background("Go.", agents[:1], run_agents=agents)
    seen: Lines = []
    seq = -1
    while not (seen and seen[-1]["type"] == "run.end"):
        read = 0
        # What was read of a reply that has not ended is forgotten, as the page on events says.
        ends = [place for place, line in enumerate(seen) if line["type"] == "model.end"]
        keep = ends[-1] + 1 if ends else 0
        seen = [
            line
            for place, line in enumerate(seen)
            if place < keep or line["type"] not in {"token", "thinking", "draft", "text"}
        ]
        async for line in handle.lines(start=seq + 1):
            seen.append(line)
            seq = int(str(line["seq"]))
            read += 1
            if read == 4:
                break
    facts = [line["seq"] for line in seen if "part" not in line]
    assert facts == sorted(set(facts), key=lambda each: int(str(each)))
    assert len(facts) == len([line for line in (await handle.wait()).lines() if "part" not in line])
    assert written(seen) == WORDS + "hi"


async def test_a_late_reader_of_events_gets_every_word_once() -> None:
    agents = peers({"a": [slow(say(WORDS), finish(WORDS))]}, "a")
    handle = run_background("Go.", agents)
    read = 0
    async for event in handle.events():
        read += event.type == "token"
        if read == 60:  # in the middle of finish
            break
    late = [event async for event in handle.events()]
    assert tokens(late) == WORDS * 2
    assert sum(event.type == "token" for event in late) > 3
    assert tokens((await handle.wait()).events) == WORDS * 2


def test_a_reader_in_another_thread_gets_every_word_once() -> None:
    handle = run_background_sync("Go.", peers({"a": [slow(say(WORDS), finish(WORDS))]}, "a"))
    told: dict[int, str] = {}

    def read(number: int) -> None:
        told[number] = tokens(handle.events())

    readers: list[threading.Thread] = []
    for _ in handle.events():
        if len(readers) < 30:
            readers.append(threading.Thread(target=read, args=(len(readers),)))
            readers[-1].start()
    for each in readers:
        each.join()
    assert set(told.values()) == {WORDS * 2}
    assert len(told) == 30
