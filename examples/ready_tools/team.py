"""Two agents use files, a shell, skills, a memory and the web, without a key and a network.

A script stands in for the models. With real models, leave it out: see README.md.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from agentouto import Agent, Approval, Provider, Team
from agentouto.testing import Request, Script, Turn, call, finish, tool
from agentouto.tools import files, memory, shell, skills, web

HERE = Path(__file__).parent


def report_from(seen: Request) -> Turn:
    """Write the report that the writer was asked for."""
    text = f"# Tides\n\n{seen.heard[0]}\n"
    return Turn(tool("write_file", path="out/report.md", content=text))


script = Script(
    {
        "researcher": [
            [
                tool("fetch_url", url="http://192.168.0.1/tides"),
                tool("search_memory", query="tides"),
                tool("read_file", path="notes.txt"),
            ],
            tool("save_memory", text="Tides: notes.txt says that high tide is at six."),
            lambda seen: call("writer", f"Write: {seen.results('save_memory')[0]} High at six."),
            lambda seen: finish(seen.answers("writer")[0]),
        ],
        "writer": [
            tool("read_skill", name="report"),
            report_from,
            tool("edit_file", path="out/report.md", old="High at six.", new="High tide: six."),
            tool("run_command", command="wc -l < out/report.md"),
            lambda seen: finish(f"Done. {seen.results('run_command')[0]}"),
        ],
    }
)


def approve(approval: Approval) -> bool:
    """Approve one command, in place of the user."""
    print(approval.text)
    return approval.arguments == {"command": "wc -l < out/report.md"}


def main() -> None:
    """Run the team in a temporary folder, and print the result."""
    scripted = Provider("scripted", kind="script", script=script)
    agents = [
        Agent("researcher", "You find things out, and remember them.", "any", scripted),
        Agent("writer", "You write reports.", "any", scripted),
    ]
    with TemporaryDirectory() as folder:
        Path(folder, "notes.txt").write_text("High tide is at six.\n", encoding="utf-8")
        tools = [
            *files(folder, write=True),
            *shell(folder),
            *skills(HERE / "skills"),
            *memory(Path(folder, "memory.db")),
            *web(),
        ]
        team = Team(agents, tools=tools, starting_agents=[agents[0]], approve=approve)
        result = team.run("When is high tide? Write it down.")
        print(result.output)
        print(result.format_trace())
        assert result.output == "Done. exit code 0\n3\n"
        used = {event.data["tool_name"] for event in result.events if event.type == "tool_result"}
        assert {"fetch_url", "read_file", "read_skill", "run_command", "save_memory"} <= used
        results = [str(event.data) for event in result.events if event.type == "tool_result"]
        assert any("192.168.0.1 is no public address" in one for one in results)
        report = Path(folder, "out", "report.md").read_text(encoding="utf-8")
        assert report.endswith("High tide: six.\n")


if __name__ == "__main__":
    main()
