"""A notebook shows results, and a run while it goes on, in a real kernel."""

from __future__ import annotations

from edges.parties import python_module

nbformat = python_module("nbformat")
nbclient = python_module("nbclient")
python_module("ipykernel")

CELLS = (
    """
from agentouto import Agent, Provider, run_background
from agentouto.exports import watch
from agentouto.testing import Script, call, finish
lines = {"lead": [call("writer", "Write."), finish("Done.")], "writer": [finish("Written.")]}
provider = Provider("scripted", kind="script", script=Script(lines, delay=0.4))
lead, writer = [Agent(name, "", "any-model", provider) for name in lines]
handle = run_background("Go.", [lead], run_agents=[lead, writer])
result = await watch(handle)
""",
    "result",
    "result.trace",
)


def test_a_notebook_shows_a_run_and_its_result() -> None:
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    updates: list[str] = []

    class Client(nbclient.NotebookClient):  # type: ignore[misc, name-defined]
        def process_message(self, msg: dict[str, object], *rest: object) -> object:
            updates.append(str(msg["msg_type"]))
            return super().process_message(msg, *rest)

    Client(notebook, timeout=50).execute()
    watched, shown, traced = (cell.outputs[-1].data for cell in notebook.cells)
    assert updates.count("update_display_data") >= 2
    assert watched["text/plain"].startswith("completed, 2 calls, 4 messages")
    assert shown["text/html"].count("<img ") == 1
    assert traced["text/vnd.mermaid"].startswith("sequenceDiagram")
