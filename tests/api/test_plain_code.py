"""Plain code watches runs: background runs by their handle, others by ``run_stream``."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from agentouto import (
    Agent,
    Cancelled,
    Handle,
    ProviderError,
    async_run,
    run_background,
    run_stream,
)
from agentouto.testing import Request, Script, Turn, fail, finish, say, tool
from teams import peers


def solo(*replies: Any) -> list[Agent]:
    return peers({"solo": list(replies)}, "solo")


def until(event: threading.Event) -> Script:
    """Return a script whose first reply waits for ``event``."""

    async def wait(request: Request) -> Any:
        while not event.is_set():
            await asyncio.sleep(0.01)
        return finish("Done.")

    return Script(wait)


def test_plain_code_reads_the_events_of_a_background_run() -> None:
    handle = run_background("Go.", solo(Turn(say("word by word"), stream=True)))
    events = list(handle.events())
    assert events[-1].type == "finish"
    assert "".join(event.data["token"] for event in events if event.type == "token")
    again = list(handle.events())
    assert again[-1] == events[-1]


def test_plain_code_waits_for_the_next_event() -> None:
    go = threading.Event()
    handle = run_background("Go.", peers(until(go), "solo"))
    types: list[str] = []
    reader = threading.Thread(target=lambda: types.extend(one.type for one in handle.events()))
    reader.start()
    assert reader.is_alive()
    go.set()
    reader.join(30)
    assert types == ["token", "finish"]


def test_events_of_a_run_in_this_loop_are_not_waited_for_in_plain_code() -> None:
    async def main() -> None:
        handle = run_background("Go.", solo(finish("Done.")))
        with pytest.raises(RuntimeError, match="async for event in"):
            next(handle.events())
        assert [event.type async for event in handle.events()] == ["token", "finish"]

    asyncio.run(main())


def test_events_of_a_run_whose_loop_has_ended_are_read() -> None:
    async def main() -> Handle:
        handle = run_background("Go.", solo(finish("Done.")))
        await handle.wait()
        return handle

    assert [event.type for event in asyncio.run(main()).events()] == ["token", "finish"]


def test_a_stream_in_plain_code_has_the_events_and_the_result() -> None:
    stream = run_stream("Go.", solo(Turn(say("word by word"), stream=True)))
    words = [event.data["token"] for event in stream if event.type == "token"]
    assert len(words) > 1
    assert "".join(words) == stream.result().output == "word by word"


def test_a_stream_in_plain_code_raises_what_the_run_raised() -> None:
    stream = run_stream("Go.", solo([say("half"), fail("cut")]))
    seen: list[str] = []
    with pytest.raises(ProviderError):
        seen.extend(event.type for event in stream)
    assert seen[-1] == "error"


def test_leaving_a_stream_in_plain_code_ends_the_run() -> None:
    replies = [Turn(say("word by word"), stream=True, pause=0.01)]
    stream = run_stream("Go.", solo(*replies))
    for event in stream:
        assert event.type == "token"
        break
    with pytest.raises(Cancelled):
        stream.result()


def test_in_a_block_a_stream_goes_on_after_a_break() -> None:
    with run_stream("Go.", solo(Turn(say("word by word"), stream=True))) as stream:
        for _ in stream:
            break
        assert stream.result().output == "word by word"


def test_a_stream_in_plain_code_takes_messages_and_can_be_cancelled() -> None:
    def echo(request: Request) -> Any:
        return finish("Heard.") if any("Hurry" in one for one in request.heard) else tool("wait")

    stream = run_stream("Go.", peers(Script(echo), "solo"))
    stream.send("Hurry.")
    assert stream.result().output == "Heard."
    stayed = run_stream("Go.", peers(until(threading.Event()), "solo"))
    stayed.cancel("enough")
    assert all(event.type == "error" for event in stayed)
    with pytest.raises(Cancelled, match="enough"):
        stayed.result()


def test_a_stream_in_plain_code_works_beside_a_running_loop() -> None:
    async def main() -> str:
        return run_stream("Go.", solo(finish("Done."))).result().output

    assert asyncio.run(main()) == "Done."


def test_a_handle_says_where_the_result_is() -> None:
    handle: Any = run_background("Go.", solo(finish("Done.")))
    with pytest.raises(AttributeError, match=r"handle\.result\(\), or await handle\.wait\(\)"):
        _ = handle.output
    with pytest.raises(AttributeError, match=r"no attribute 'colour'$"):
        _ = handle.colour
    assert handle.result(30).output == "Done."


def test_a_result_that_takes_too_long_says_so() -> None:
    go = threading.Event()
    handle = run_background("Go.", peers(until(go), "solo"))
    with pytest.raises(TimeoutError, match=r"has not ended within 0\.01 s; it goes on"):
        handle.result(0.01)
    go.set()
    assert handle.result(30).output == "Done."


async def test_a_handle_that_is_awaited_is_its_id() -> None:
    handle = run_background("Go.", solo(finish("Done.")))
    assert await handle == str(handle)
    assert (await handle.wait()).output == "Done."
    assert (await async_run("Go.", solo(finish("Done.")))).output == "Done."
