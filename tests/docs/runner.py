"""Executes blocks of code from documents."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest

import agentouto
from agentouto import Agent, Message, Provider, RunResult, Tool
from agentouto.testing import Request, Script, call, finish, say, tool

SEED = Path(__file__).with_name("seed")
TEXTS = {
    "researcher": "Research findings...",
    "writer": "Written report...",
    "reviewer": "Review complete...",
    "vision_agent": "A picture.",
}


NOT_RUN = "<!-- not run -->"

FENCE = re.compile(
    rf"^(?P<mark>{re.escape(NOT_RUN)}\s*\n)?```python\n(?P<code>.*?)^```$"
    r"(?:\n\n?```text\n(?P<shown>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
TIME = re.compile(r"\b\d+\.\d+(?= ?s\b)")
"""A number of seconds, which differs from run to run."""


class Block(NamedTuple):
    """A block of code, where it begins, and what the page says that it prints."""

    code: str
    line: int
    runs: bool
    shown: str | None


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start("code")) + 1
        yield Block(found["code"], line, runs=not found["mark"], shown=found["shown"])


def execute_page(page: Path, names: dict[str, object], *, runs: bool = True) -> None:
    """Execute the blocks of a page one after the other; compile those that do not run.

    A block of text directly below is what the code prints.
    """
    for block in blocks(page):
        code = "\n" * (block.line - 1) + block.code  # so that errors name the line of the page
        if block.runs and runs:
            with redirect_stdout(StringIO()) as printed:
                execute(code, str(page), names)
            if block.shown is not None:
                said = plain(printed.getvalue())
                where = f"line {block.line} of {page.name} prints something else:\n{said}"
                assert said == plain(block.shown), where
        else:
            compile(code, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def plain(printed: str) -> str:
    """Return what was printed without times, and without spaces at the ends of lines."""
    lines = TIME.sub("0", printed).strip("\n").splitlines()
    return "\n".join(line.rstrip() for line in lines)


def execute(source: str, name: str, names: dict[str, object]) -> list[object]:
    """Execute ``source`` in the module ``names``; return the values of its bare expressions.

    ``await`` and ``async for`` may be at the top level, as in a notebook.
    """
    values: list[object] = []
    names["__values__"] = values
    tree = ast.parse(source, name)
    for statement in tree.body:
        if isinstance(statement, ast.Expr):
            keep = ast.parse("__values__.append(0)", mode="eval").body
            assert isinstance(keep, ast.Call)
            keep.args = [statement.value]
            statement.value = ast.copy_location(keep, statement.value)
    ast.fix_missing_locations(tree)
    code = compile(tree, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:

        async def main() -> None:
            await eval(code, names)  # noqa: S307 - our own documents

        asyncio.run(main())
    else:
        exec(code, names)  # noqa: S102 - our own documents
    return values


class BlockRun:
    """A block that was executed.

    Attributes:
        names: The names that it defined.
        values: The values of its bare expressions.
        results: The results of its calls of ``run``.
        printed: Its output.
        script: The script of its agents.
    """

    def __init__(
        self, names: Mapping[str, object], values: list[object], printed: str, script: Script
    ) -> None:
        self.names = SimpleNamespace(**names)
        self.values = values
        self.printed = printed
        self.script = script
        self.results: list[RunResult] = []


class BlockRunner:
    """Executes blocks of the documents as they are, with values for their undefined names.

    ``Provider`` creates providers with a script, so no request leaves the process; everything else
    is real.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def source(self, block: str) -> str:
        """Return the code of a block."""
        text = (SEED / f"{block}.md").read_text(encoding="utf-8")
        found = re.fullmatch(r"```(?:python|json)\n(.*)```\n", text, re.DOTALL)
        assert found, f"{block} is no single block"
        return found[1]

    def run(
        self,
        block: str,
        script: Mapping[str, object] | Script | None = None,
        *,
        fill: Mapping[str, str] | None = None,
        carried: bool = False,
        **names: object,
    ) -> BlockRun:
        """Execute a block.

        Args:
            block: Document and topic.
            script: The replies of the agents; left out, one sentence for each.
            fill: Parts of the text to replace: what the document leaves open.
            carried: Whether the agents hold their provider.
            **names: Values for more undefined names.
        """
        source = self.source(block)
        for gap, filling in (fill or {}).items():
            assert gap in source, f"{block} has no {gap}"
            source = source.replace(gap, filling)
        lines = script or self.lines()
        replies = lines if isinstance(lines, Script) else Script(cast("dict[str, Any]", lines))
        replacement, results = self._agentouto(replies)
        module = ModuleType("example")
        module.__dict__.update(self._open_names(replies, replacement, carried=carried), **names)
        self._monkeypatch.setitem(sys.modules, "example", module)
        self._capsys.readouterr()
        with self._monkeypatch.context() as patched:
            patched.setitem(sys.modules, "agentouto", replacement)
            values = execute(source, block, module.__dict__)
        done = BlockRun(module.__dict__, values, self._capsys.readouterr().out, replies)
        done.results = results
        return done

    def lines(self, **more: object) -> dict[str, object]:
        """Return a script in which every agent says one sentence, except those in ``more``."""
        return {**{name: [say(text)] for name, text in TEXTS.items()}, **more}

    def agent(self, name: str, provider: Provider | str = "openai") -> Agent:
        """Return an agent for a name that the document does not define."""
        return Agent(name, f"You are {name}.", "some-model", provider)

    def as_a_model(self, tool_name: str, **arguments: object) -> str:
        """Let an agent use a tool as the document describes; return the outcome that it gets.

        The writer works in the background meanwhile, and its id replaces any id in the arguments.
        """
        told: list[str] = []
        resting = asyncio.Event()

        def start(_: Request) -> object:
            return call("writer", "Write a report on AI trends.", background=True)

        def act(request: Request) -> object:
            if "task_id" in arguments:
                arguments["task_id"] = id_in(request.outcomes[0].content)
            return tool(tool_name, **arguments)

        def hear(request: Request) -> object:
            told.append(request.outcomes[0].content)
            resting.set()
            return finish("Done.")

        async def write(request: Request) -> object:
            if request.turn == 0 and tool_name in {"send_message", "get_messages"}:
                return tool("rest")
            return say("Summary text...")

        async def rest() -> str:
            """Wait until the others are done."""
            await resting.wait()
            return "Rested."

        lead = [start, act, hear] if "task_id" in arguments else [act, hear]
        script = Script(cast("dict[str, Any]", self.lines(lead=lead, writer=write)))
        provider = Provider("scripted", kind="script", script=script)
        team = [self.agent(name, provider) for name in ("lead", "researcher", "writer", "reviewer")]
        agentouto.run("Go.", team[:1], [rest], run_agents=team)
        (text,) = told
        return text

    def _agentouto(self, script: Script) -> tuple[ModuleType, list[RunResult]]:
        replacement = ModuleType("agentouto")
        replacement.__dict__.update(vars(agentouto))
        results: list[RunResult] = []

        def make_provider(*args: object, **fields: object) -> Provider:
            real = Provider(*args, **fields)  # type: ignore[arg-type]
            return Provider(real.name, kind="script", script=script)

        def run(*args: object, **options: object) -> RunResult:
            results.append(agentouto.run(*args, **options))  # type: ignore[arg-type]
            return results[-1]

        replacement.__dict__.update(Provider=make_provider, run=run)
        return replacement, results

    def _open_names(
        self, script: Script, replacement: ModuleType, *, carried: bool
    ) -> dict[str, object]:
        scripted = Provider("scripted", kind="script", script=script)
        agents = {name: self.agent(name, scripted if carried else "openai") for name in TEXTS}
        providers = {
            name: Provider(name, kind="script", script=script)
            for name in ("openai", "anthropic", "google")
        }
        said = [
            Message("forward", "user", "writer", "Earlier."),
            Message("return", "writer", "user", "Yes."),
        ]
        values = {
            "search_web": Tool(search_web),
            "write_file": Tool(write_file),
            "base64_string": "aGk=",
            "previous_result": RunResult("Yes.", said),
        }
        exported = {name: getattr(replacement, name) for name in agentouto.__all__}
        return {**exported, **providers, **agents, **values}


def search_web(query: str) -> str:
    """Search the web."""
    return f"Results for: {query}"


def write_file(path: str, text: str) -> str:
    """Write a file."""
    return f"Wrote {len(text)} characters to {path}."


def id_in(text: str) -> str:
    """Return the first task id in ``text``."""
    found = re.search(r"bg_[0-9a-f]{12}", text)
    assert found, f"no task id in: {text}"
    return found[0]
