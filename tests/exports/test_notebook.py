"""What a notebook shows of results, traces and runs that go on."""

from __future__ import annotations

import pickle
import re
from base64 import b64decode
from importlib.util import find_spec

import pytest

from agentouto import Agent, ConfigurationError, Peer, RunResult, Trace, async_run, run_background
from agentouto.exports import to_mermaid, to_svg, watch
from agentouto.exports._watch import RunView
from agentouto.testing import Script, call, finish
from exports.teams import busy_run, many_agents_run, provider

IMAGE = re.compile(r'<img alt="([^"]+)" src="data:image/svg\+xml;base64,([^"]+)">')


def bundle(shown: object) -> dict[str, str]:
    return shown._repr_mimebundle_(include=None, exclude=None)  # type: ignore[attr-defined]


def image(html: str) -> str:
    found = IMAGE.search(html)
    assert found
    return b64decode(found[2]).decode()


def test_a_result_is_shown_as_its_answer_with_a_picture_that_notebooks_let_pass() -> None:
    result = busy_run("<script>")
    shown = bundle(result)
    assert {*shown} == {"text/plain", "text/html"}
    assert shown["text/plain"].startswith("RunResult('Done.<script>', 4 calls, 9 messages, ")
    html = shown["text/html"]
    assert "<pre>Done.&lt;script&gt;</pre>" in html
    assert not re.search(r"<(script|svg|style)", html)
    assert image(html) == to_svg(result, "sequence")
    assert "between user, lead, writer, critic" in html


def test_a_result_of_many_participants_is_shown_with_its_time() -> None:
    result = many_agents_run(16)
    assert image(bundle(result)["text/html"]) == to_svg(result, "time")


def test_a_result_made_by_hand_is_shown_as_text() -> None:
    assert bundle(RunResult("Yes.")) == {"text/plain": "RunResult('Yes.')"}


def test_a_trace_is_shown_as_a_tree_and_as_a_diagram() -> None:
    result = busy_run()
    shown = bundle(result.trace)
    assert shown == {"text/plain": str(result.trace), "text/vnd.mermaid": to_mermaid(result)}
    copied = pickle.loads(pickle.dumps(result.trace))
    assert isinstance(copied, Trace)
    assert bundle(copied) == {"text/plain": str(result.trace)}


async def test_a_run_that_goes_on_is_shown_with_who_acts_now() -> None:
    seen: list[dict[str, str]] = []

    async def look(message: object) -> str:
        seen.append(bundle(view))
        return "done"

    script = Script({"lead": [call("guest", "Look."), finish("Done.")]})
    lead = Agent("lead", "", "any-model", provider(script))
    guest = Peer("guest", "Looks.", look)
    handle = run_background("Go.", [lead], run_agents=[lead, guest])
    view = RunView(handle)
    await handle.wait()
    [during] = seen
    assert "not ended" in during["text/plain"]
    assert "guest: engine" in during["text/plain"]
    assert "This run has not ended" in image(during["text/html"])
    assert bundle(view)["text/plain"].startswith("completed, 2 calls, 4 messages")
    assert handle.done()
    assert to_svg(handle) == to_svg(await handle.wait())


async def test_watching_needs_a_notebook() -> None:
    if find_spec("IPython") is not None:
        pytest.skip("IPython is here")
    lead = Agent("lead", "", "any-model", provider(Script({"lead": [finish("Done.")]})))
    handle = run_background("Go.", [lead])
    with pytest.raises(ConfigurationError, match="in a notebook, and there is no IPython here"):
        await watch(handle)
    assert (await handle.wait()).output == "Done."


async def test_the_figures_of_a_result_are_those_of_its_lines() -> None:
    lead = Agent("lead", "", "any-model", provider(Script({"lead": [finish("Done.")]})))
    result = await async_run("Go.", [lead])
    figures = result.figures()
    assert (figures.messages, figures.people) == (2, ())
    assert pickle.loads(pickle.dumps(figures)) == figures
