"""Measures the start: of a process that imports the package, and of one that makes a request.

The figure is CPU time from the first instruction of the interpreter to the answer, without the
exit. The programs are as short as possible, because all of each program is measured.
"""

from __future__ import annotations

import os
import subprocess
from textwrap import dedent

from environments import HERE, plain, python
from frameworks import FRAMEWORKS

BARE = "pass"

IMPORT = "import agentouto"

HELP = """
    import contextlib, io, sys
    from agentouto.cli import main
    sys.argv = ["agentouto", "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as told, contextlib.suppress(SystemExit):
        main()
    assert "Usage: agentouto" in told.getvalue()
"""

OURS = """
    import asyncio
    from agentouto import Agent, Provider, async_run
    provider = Provider("p", kind="openai", api_key="k", base_url=URL + "/v1")
    agent = Agent("solo", "You help.", "m", provider, max_output_tokens=4096)
    assert asyncio.run(async_run("Hello.", [agent])).output == "all done"
"""

OURS_WITH_TOOLS = """
    import asyncio
    from agentouto import Agent, Provider, Tool, async_run
    provider = Provider("p", kind="openai", api_key="k", base_url=URL + "/v1")
    agent = Agent("solo", "You help.", "m", provider, max_output_tokens=4096)

    @Tool
    async def work(i: int) -> str:
        "Do one unit of work."
        return "ok"

    assert asyncio.run(async_run("@@op=loop;turns=1@@", [agent], [work])).output == "all done"
"""

F1 = """
    import asyncio
    from openai import AsyncOpenAI

    async def main():
        client = AsyncOpenAI(api_key="k", base_url=URL + "/v1")
        messages = [{"role": "user", "content": "Hello."}]
        reply = await client.chat.completions.create(model="m", messages=messages)
        assert reply.choices[0].message.content == "all done"

    asyncio.run(main())
"""

F2 = """
    import asyncio
    import aiohttp, msgspec, orjson

    class Message(msgspec.Struct):
        content: str | None = None

    class Choice(msgspec.Struct):
        message: Message

    class Completion(msgspec.Struct):
        choices: list[Choice]

    async def main():
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello."}]}
        async with aiohttp.ClientSession() as session:
            post = session.post(URL + "/v1/chat/completions", data=orjson.dumps(body))
            async with post as response:
                reply = msgspec.json.decode(await response.read(), type=Completion)
        assert reply.choices[0].message.content == "all done"

    asyncio.run(main())
"""

PEER = """
    import asyncio, sys
    sys.path.insert(0, HERE)
    from contenders import opened

    async def main():
        who = opened(NAME, URL)
        await who.setup()
        assert "all done" in await who.run(who.agent("solo"), "Hello.")

    asyncio.run(main())
"""

PROGRAMS = {
    ("S1_import", "ours"): ("ours", IMPORT),
    ("S1_help", "ours"): ("ours", HELP),
    ("S1_first", "ours"): ("ours", OURS),
    ("S1_tools", "ours"): ("ours", OURS_WITH_TOOLS),
    ("S1_first", "f1"): ("floors", F1),
    ("S1_first", "f2"): ("floors", F2),
    ("S1_import", "bare"): ("ours", BARE),
    **{("S1_first", name): (each.environment, PEER) for name, each in FRAMEWORKS.items()},
}
"""By scenario and contender: where it runs, and what."""


def started(scenario: str, contender: str, url: str) -> dict[str, float]:
    """Return the CPU time of one process in milliseconds, and its memory at most in MB."""
    where, program = PROGRAMS[scenario, contender.replace("then", "ours")]
    if contender == "then":
        where = "then"
    end = "\nimport os; os._exit(0)"
    given = f"URL, HERE, NAME = {url!r}, {str(HERE)!r}, {contender!r}"
    command = [python(where), "-I", "-c", f"{given}\n{dedent(program)}{end}"]
    with subprocess.Popen(command, env=plain()) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{scenario} of {contender} failed"
    return {"ms": (used.ru_utime + used.ru_stime) * 1000, "mb": used.ru_maxrss / 1024}
