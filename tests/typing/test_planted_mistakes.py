"""Thirty mistakes of new users: a type checker finds each, or it is refused with what to write."""

from __future__ import annotations

import asyncio
import inspect
import textwrap
from pathlib import Path
from typing import Any

import pytest
from tests.typing.test_typing import complaints

PRELUDE = """
from __future__ import annotations

from agentouto import (
    Agent, Attachment, Hooks, Limits, Message, Provider, RunStream, Team, Tool,
    async_run, async_run_stream, run, run_background, run_stream,
)
from agentouto.testing import Script, Turn, call, finish, say, tool

def look(path: str) -> str:
    return path

def scripted() -> Provider:
    return Provider("s", kind="script", script={"a": [finish("Done.")], "b": [finish("Done.")]})

LOCAL = Provider("x", kind="openai", base_url="localhost:1")
a = Agent("a", "Do.", "m", scripted())
b = Agent("b", "Do.", "m", scripted())
"""

REFUSED: dict[str, str] = {
    "run('Go.', a)": r"write \[agent\]",
    "run([a], 'Go.')": "the message comes first",
    "run('Go.', [Agent('a', 'Do.', 'openai', 'gpt-5.2')])": "swapped: model='gpt-5.2'",
    "run('Go.', [Agent('a', 'Do.', 'm', 'opnai')])": r"Did you mean 'openai'\?",
    "Provider('ollama')": 'kind="openai", base_url="http://localhost:11434/v1"',
    "Provider('x', kind='opnai')": r"Did you mean 'openai'\?",
    "Provider('openai', script=Script({}))": "script= is for kind='script' only",
    "run('Go.', [Agent('a', 'Do.', 'm', LOCAL)])": "one looks like 'http://",
    "Agent('a', 'Do.', '', 'openai')": "names no model",
    "Agent('a', system_prompt='Do.')": "it is instructions= here",
    "Agent('a', 'Do.', 'm', 'openai', tools=[look])": r"run\(\.\.\., tools=",
    "Limits(request=3)": r"Did you mean 'requests'\?",
    "Limits(max_turns=3)": "it is turns= here",
    "Hooks(on_forwards=look)": r"Did you mean 'on_forward'\?",
    "run('Go.', [a], max_turns=3)": r"Limits\(turns=",
    "run('Go.', [a], run_agent=[b])": r"Did you mean 'run_agents'\?",
    "run('Go.', [a], debug='yes')": "debug= takes True or False",
    "run('Go.', [a], allow_background_agents='no')": "takes True or False",
    "run('Go.', [a], providers=Provider('openai'))": "providers= takes a list",
    "run('Go.', [a], output_type='Forecast')": "is a value and no type",
    "run('Go.', [a], history=[{'role': 'user', 'content': 'x'}])": "messages of an earlier run",
    "run('Go.', [a], ask_user=lambda: 'yes')": r"function of \(message\) or \(message, here\)",
    "Attachment('image/png', url='photo.png')": r"Attachment\.from_file\(path\)",
    "Script({'a': ['hello']})": r"did you mean say\('hello'\)\?",
    "Turn(say(5))": "its text is no text; write '5'",
    "Tool(lambda *args: None)": "a model cannot know what to put here",
    "list(async_run_stream('Go.', [a]))": r"`for event in run_stream\(\.\.\.\)`",
    "with Team([a]).start('Go.') as stream: pass": "write `async with`",
    "await async_run_stream('Go.', [a])": r"write `await stream\.result\(\)`",
    "await run_stream('Go.', [a])": r"write `stream\.result\(\)`",
    "run_background('Go.', [a]).output": r"\.wait\(\)",
    "run('Go.', [a, b]).data": r"use result\.outputs\[i\]\.data",
    "run('Go.', [Agent('c', 'Do.', 'm', scripted())])": "the script has no agent 'c'; it has: a, b",
}

FOUND_BY_CHECKERS = [
    "result = async_run('Go.', [a]).output",
    "answer = run('Go.', [a], output_type=Limits).data.high",
    "typo = [event for event in run_stream('Go.', [a]) if event.data.token]",
    "for event in async_run_stream('Go.', [a]): pass",
    "stream: RunStream[int] = run_stream('Go.', [a])",
    "words = say(5)",
]
"""Nothing refuses the third before the run: ``data`` is a dictionary. The others are refused too."""


@pytest.mark.parametrize("mistake", REFUSED)
async def test_a_mistake_is_refused_with_what_to_write(mistake: str) -> None:
    names: dict[str, Any] = {}
    exec(PRELUDE, names)  # noqa: S102 - our own text
    body = f"async def main():\n{textwrap.indent(mistake, '    ')}"
    exec(compile(body, "<mistake>", "exec"), names)  # noqa: S102
    assert inspect.iscoroutinefunction(names["main"])
    with pytest.raises(Exception, match=REFUSED[mistake]) as raised:
        await asyncio.wait_for(names["main"](), 30)
    assert len(str(raised.value)) < 500


def test_there_are_thirty() -> None:
    assert len(REFUSED) + len(FOUND_BY_CHECKERS) >= 30


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", ["pyright basic", "mypy"])
def test_a_checker_finds_a_mistake(checker: str, tmp_path: Path) -> None:
    begin = len(PRELUDE.splitlines())
    text = PRELUDE + "".join(f"{line}\n" for line in FOUND_BY_CHECKERS)
    (tmp_path / "mistakes.py").write_text(text, encoding="utf-8")
    lines = {line for _, line in complaints(checker, tmp_path)}
    assert lines == set(range(begin + 1, begin + 1 + len(FOUND_BY_CHECKERS)))
