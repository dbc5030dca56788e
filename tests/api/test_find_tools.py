"""Many tools of sources: models look for them, instead of being shown all."""

from __future__ import annotations

from typing import Any

from agentouto import Agent, Approval, Hooks, Provider, Tool, ToolResult, run, run_stream
from agentouto._core.tool_search import ranked_tools
from agentouto._domain.ports import ToolSpec
from agentouto.testing import Script, finish, tool

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def numbered(number: int, **settings: Any) -> Tool[..., object]:
    async def use(arguments: Any) -> ToolResult:
        return ToolResult(f"tool {number} with {arguments['n']}")

    return Tool.foreign(f"tool_{number}", f"Does thing {number}.", SCHEMA, use, **settings)


class Shelf:
    """A source of tools."""

    name = "shelf"

    def __init__(self, *tools: Tool[..., object], search: bool = False) -> None:
        self.search = search
        self._tools = tools

    async def tools(self) -> list[Tool[..., object]]:
        return [*self._tools]


MANY = tuple(numbered(number) for number in range(300))


def worker(*lines: Any, name: str = "worker") -> Agent:
    provider = Provider(f"p-{name}", kind="script", script=Script({name: [*lines]}))
    return Agent(name, "You work.", "m", provider)


def last(request: Any) -> Any:
    return finish(request.outcomes[-1].content)


def offered(*sources: Any, **options: Any) -> list[str]:
    names: list[str] = []

    def look(request: Any) -> Any:
        names.extend(request.tools)
        return finish("seen")

    run("Look.", [worker(look)], [*sources], **options)
    return names


def test_up_to_40_tools_of_sources_are_shown() -> None:
    assert "find_tools" not in offered(Shelf(*MANY[:40]))
    assert "tool_39" in offered(Shelf(*MANY[:40]))


def test_of_more_than_40_none_is_shown_and_two_tools_find_and_use_them() -> None:
    names = offered(Shelf(*MANY[:21]), Shelf(*MANY[21:41]), numbered(999))
    assert [name for name in names if name.startswith("tool_")] == ["tool_999"]
    assert {"find_tools", "use_tool"} < set(names)


def test_a_source_can_ask_for_it() -> None:
    names = offered(Shelf(*MANY[:2], search=True), Shelf(numbered(7)))
    assert [name for name in names if name.startswith("tool_")] == ["tool_7"]
    assert "find_tools" in names


def test_where_searching_is_disabled_all_are_shown() -> None:
    assert "tool_299" in offered(Shelf(*MANY), disabled_tools={"find_tools"})


def test_a_tool_is_found_and_used_and_told_of_by_its_name() -> None:
    def use(request: Any) -> Any:
        found = request.outcomes[-1].content
        assert "tool_217: Does thing 217." in found
        assert '"n"' in found
        return tool("use_tool", name="tool_217", arguments={"n": 5})

    agent = worker(tool("find_tools", words="thing 217"), use, last)
    with run_stream("Go.", [agent], [Shelf(*MANY)]) as stream:
        events = [*stream]
        assert stream.result().output == "tool 217 with 5"
    used = [event.data["tool_name"] for event in events if event.type == "tool_call"]
    assert used == ["tool_217"]


def test_a_found_tool_obeys_approval_hooks_and_its_agents() -> None:
    seen: list[str] = []
    approvals: list[Approval] = []

    def approve(approval: Approval) -> bool:
        approvals.append(approval)
        return False

    async def around(use: Any, proceed: Any) -> Any:
        seen.append(use.tool_name)
        return await proceed(use.arguments)

    guarded = numbered(500, needs_approval=True)
    others = numbered(501, for_agents=["other"])
    shelf = Shelf(*MANY[:2], guarded, others, search=True)
    using = tool("use_tool", name="tool_500", arguments={"n": 1})
    hooks = Hooks(around_tool=around)
    asker, other = worker(using, last), worker(name="other")
    refused = run("Go.", [asker], [shelf], approve=approve, hooks=hooks, run_agents=[asker, other])
    assert "did not approve" in refused.output
    assert [approval.tool for approval in approvals] == ["tool_500"]
    assert seen == ["tool_500"]
    using = tool("use_tool", name="tool_501", arguments={"n": 1})
    asker = worker(using, last)
    narrow = run("Go.", [asker], [shelf], run_agents=[asker, other])
    assert "There is no tool 'tool_501'" in narrow.output


def test_bad_uses_say_what_there_is() -> None:
    def told(use: Any) -> str:
        return run("Go.", [worker(use, last)], [Shelf(*MANY)]).output

    assert "tool_21" in told(tool("use_tool", name="tol_21", arguments={"n": 1}))
    assert "There is no tool 'finish'" in told(tool("use_tool", name="finish", arguments={}))
    assert "needs 'name'" in told(tool("use_tool", arguments={}))
    assert "n" in told(tool("use_tool", name="tool_1", arguments={}))
    assert told(tool("use_tool", name="tool_1", arguments='{"n": 3}')) == "tool 1 with 3"
    assert "No tool has these words. There are: tool_0, " in told(tool("find_tools", words="zebra"))
    assert told(tool("tool_3", n=4)) == "tool 3 with 4"


def test_the_search_ranks_rare_words_and_names_first() -> None:
    specs = [
        ToolSpec("git_log", "Show commits of a repository.", {}),
        ToolSpec("git_commit", "Record changes in a repository.", {}),
        ToolSpec("readFile", "Read a file of the repository.", {}),
        ToolSpec("weather", "Tell the weather.", {}),
    ]

    def best(query: str) -> list[str]:
        return [spec.name for spec in ranked_tools(query, specs, 2)]

    assert best("show the log") == ["git_log", "weather"]
    assert best("commit changes") == ["git_commit", "git_log"]
    assert best("read files") == ["readFile"]
    assert best("zebra") == []
