"""Writes docs/events.md from the table of event lines: ``python tests/docs/events_page.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from agentouto.events import COMMON, LINE_TYPES, LineField

PAGE = Path(__file__).resolve().parents[2] / "docs" / "events.md"

HEAD = """\
# Event lines

What happens in a run, one JSON object a line. `agentouto run --jsonl` prints them, and `RunStream.lines()`, `Handle.lines()` and
`RunResult.lines()` give them as dictionaries: the same lines for the same run, but for the size of pieces of text. A reader that comes
later gets each reply in one piece, and one that comes while a model writes gets a `text` line with what has been written so far, and then
the further pieces.

This page is version 1 of the form. Within a version, types and fields are only added, so skip what you do not know. Times are rounded to
milliseconds, and texts are whole.

```python
import json
from agentouto import Agent, Provider, run
from agentouto.events import critical, figures, held, read
from agentouto.testing import Script, call, finish

script = Script({"lead": [call("writer", "Write."), finish("done")], "writer": [finish("written")]})
provider = Provider("scripted", kind="script", script=script)
lead, writer = [Agent(name, "", "any-model", provider) for name in ("lead", "writer")]
result = run("Go.", [lead], run_agents=[lead, writer])
with open("run.jsonl", "w", encoding="utf-8") as file:      # as agentouto run --jsonl would
    file.writelines(json.dumps(line) + "\\n" for line in result.lines())

lines = read("run.jsonl")
asked = next(n for n, line in enumerate(lines) if line["type"] == "forward" and line["agent"] == "writer")
[now] = held(lines[: asked + 1])             # who acts at the end of these lines, and whom they hold up
assert (now.agent, len(now.holds)) == ("writer", 1)
for piece in critical(lines):                # the chain of work that decided when the answer came
    print(f"{piece.start:.3f} to {piece.end:.3f} s  {piece.agent}: {piece.doing} {piece.detail}")
count = figures(lines)                       # path, speed_up, bound, density, repeated, stragglers, people
print(count.seconds, count.speed_up, "of at most", count.bound)
```

`read` leaves out a last line that was cut off, and refuses lines of a newer version. The others take any iterable of lines of one run, from
its first line on; of a run that was cut off they answer what can be said. Persons come first in `held`; it is empty only if no call is open.
The pieces of `critical` follow each other without a gap, and so add up to the time of the answer. Where a call waited for a message, the
path goes on with its sender.

A line is identified by `seq` and `part`. `token`, `thinking`, `draft`, `text` and `tool.progress` are no facts: they have the `seq` of the
fact before them, and a `part`. To go on after a line, ask for `lines(start=seq + 1)`, and forget what you have of replies without a
`model.end`: you get it again, in a `text` line or whole.

What another line says is left out: `tool.*` of `call_agent`, `spawn_background_agent`, `send_message` and `finish`, unless they fail before
there is a call, a message or a return. What a model writes into `finish` or `call_agent` comes as `draft` until then.

An agent whose `wait` names a call waits for a message of that call; `forward` and `ask` that are not in the background hold up the call in
`parent`. `model.wait` ends with the next `model.start` of its call, or, if that is cancelled, with a broken `model.end`.
"""

BELOW = """
`null` stands where nothing is known. Fields in italics are left out where they do not apply.
"""


def _rows(fields: Mapping[str, LineField]) -> Iterator[str]:
    yield "| field | type | meaning |"
    yield "| --- | --- | --- |"
    for name, field in fields.items():
        shown = f"*`{name}`*" if field.optional else f"`{name}`"
        kind = f"{field.kind} or null" if field.nullable else field.kind
        yield f"| {shown} | {kind} | {field.meaning} |"


def text() -> str:
    """Return the page."""
    lines = [HEAD, "## All lines", BELOW, *_rows(COMMON), "", "## Types"]
    for name, row in LINE_TYPES.items():
        lines += ["", f"### `{name}`", "", row.meaning, "", *_rows(row.fields)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), "utf-8")
