"""Finds what went wrong between the agents of a run, where its lines show it.

The terms are those of the MAST taxonomy ("Why Do Multi-Agent LLM Systems Fail?", arXiv 2503.13657).
Each check looks for facts, and a finding claims no more than they show: whether an answer is wrong,
or a role was left, cannot be seen in the events of a run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import cast

import msgspec

from agentouto._core.builtin_tools import GET_MESSAGES
from agentouto._core.recorded_run import RecordedRun
from agentouto._core.run_history import CallHistory, Line

FAILURE_MODES: Mapping[str, str] = MappingProxyType(
    {
        "FM-1.3": "step repetition",
        "FM-1.5": "unaware of termination conditions",
        "FM-2.5": "ignored other agent's input",
        "FM-3.1": "premature termination",
    }
)
"""The modes of failure of the taxonomy that the checks find, with their terms."""

_DEEP = 4
"""From this many nested calls between two agents on, they are said to call each other in turns: an
agent that asks back, and gets an answer, makes three."""

_SHOWN = 80


class Finding(msgspec.Struct, frozen=True):
    """Something that went wrong, and where.

    Attributes:
        check: ``step-repetition``, ``ignored-answer``, ``unread-mail``, ``premature-return`` or
            ``ping-pong``.
        mode: The mode of failure in the MAST taxonomy, such as ``FM-1.3``.
        term: Its term there.
        agent: The participant it is about.
        call: The id of its call.
        at: When it showed, in seconds since the start of the run.
        seq: The ``seq`` of the line that shows it.
        what: A sentence that says what happened.
    """

    check: str
    mode: str
    term: str
    agent: str
    call: str
    at: float
    seq: int
    what: str


def find_failures(run: RecordedRun) -> list[Finding]:
    """Return the findings of all checks, in the order of time."""
    found = [
        *_repeated_forwards(run),
        *_repeated_tool_calls(run),
        *_ignored_answers(run),
        *_unread_mail(run),
        *_premature_returns(run),
        *_ping_pong(run),
    ]
    return sorted(found, key=lambda one: (one.at, one.seq))


def _finding(check: str, mode: str, call: CallHistory, line: Line, what: str) -> Finding:
    at, seq = cast("float", line["t"]), cast("int", line["seq"])
    return Finding(check, mode, FAILURE_MODES[mode], call.agent, call.id, at, seq, what)


def _repeated_forwards(run: RecordedRun) -> Iterator[Finding]:
    """Yield calls that ask a participant what the same caller has had answered by it before."""
    calls = run.history.calls
    answered: dict[tuple[str, str, str], int] = defaultdict(int)
    for line in run.lines:
        call = calls.get(str(line.get("call")))
        if call is None or call.parent is None or line["type"] not in {"forward", "return"}:
            continue
        key = call.parent.id, call.agent, call.text
        if line["type"] == "return":
            answered[key] += 1
        elif answered[key]:
            what = (
                f"{call.parent.agent} asks {call.agent} again what it has answered "
                f"{_times(answered[key])}: {_quoted(call.text)}"
            )
            yield _finding("step-repetition", "FM-1.3", call.parent, line, what)


def _repeated_tool_calls(run: RecordedRun) -> Iterator[Finding]:
    """Yield tool calls whose arguments and result are those of an earlier one of the same call."""
    started: dict[tuple[str, str], Line] = {}
    results: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for line in run.lines:
        call = run.history.calls.get(str(line.get("call")))
        if call is None or line["type"] not in {"tool.start", "tool.end"}:
            continue
        place = call.id, str(line["tool_call"])
        if line["type"] == "tool.start":
            if line.get("builtin") is not True:
                started[place] = line
            continue
        begin = started.pop(place, None)
        if begin is None:
            continue
        arguments = json.dumps(begin["arguments"], sort_keys=True, ensure_ascii=False)
        before = results[call.id, str(line["tool"]), arguments]
        times = before.count(str(line["result"]))
        if times:
            what = (
                f"{call.agent} uses {line['tool']} with the same arguments as before, and gets the "
                f"same result: {_quoted(arguments)}"
            )
            yield _finding("step-repetition", "FM-1.3", call, line, what)
        before.append(str(line["result"]))


def _ignored_answers(run: RecordedRun) -> Iterator[Finding]:
    """Yield background calls that have returned while their caller worked, and were not read."""
    # By their order: several of these lines may have the same time.
    looked: dict[str, list[tuple[str, int]]] = defaultdict(list)
    returned: dict[str, int] = {}
    for place, line in enumerate(run.lines):
        caller_id = str(line.get("call"))
        if line["type"] == "tool.start" and line["tool"] == GET_MESSAGES:
            arguments = cast("Mapping[str, object]", line["arguments"])
            looked[caller_id].append((str(arguments.get("task_id", "")), place))
        elif line["type"] == "wait.end":
            looked[caller_id].append((str(line["for"]), place))
        elif line["type"] == "return":
            returned[caller_id] = place
    for place, line in enumerate(run.lines):
        call = run.history.calls.get(str(line.get("call")))
        if line["type"] != "return" or call is None or not _awaits_reading(call):
            continue
        caller = cast("CallHistory", call.parent)
        if returned.get(caller.id, -1) <= place:
            continue
        if any(task in {call.id, ""} and when > place for task, when in looked[caller.id]):
            continue
        what = (
            f"{call.agent} has answered in the background, and {caller.agent} has returned without "
            f"reading the answer: {_quoted(str(line['text']))}"
        )
        yield _finding("ignored-answer", "FM-2.5", caller, line, what)


def _awaits_reading(call: CallHistory) -> bool:
    """Whether a model has started the call in the background: code may keep what it returns."""
    return call.background and call.by_tool and call.parent is not None


def _unread_mail(run: RecordedRun) -> Iterator[Finding]:
    """Yield messages that went back to their senders."""
    for line in run.lines:
        call = run.history.calls.get(str(line.get("call")))
        if line["type"] == "message.returned" and call is not None:
            what = (
                f"a message of {line['sender']} to {call.agent} was not read ({line['reason']}): "
                f"{_quoted(str(line.get('text', '')))}"
            )
            yield _finding("unread-mail", "FM-2.5", call, line, what)


def _premature_returns(run: RecordedRun) -> Iterator[Finding]:
    """Yield returns of calls whose own calls in the background were still open."""
    open_calls: dict[str, dict[str, str]] = defaultdict(dict)
    for line in run.lines:
        call = run.history.calls.get(str(line.get("call")))
        if call is None:
            continue
        if line["type"] == "forward" and _awaits_reading(call):
            open_calls[cast("CallHistory", call.parent).id][call.id] = call.agent
        elif line["type"] in {"return", "error"}:
            if call.parent is not None:
                open_calls[call.parent.id].pop(call.id, None)
            left = list(open_calls[call.id].values())
            if left and line["type"] == "return":
                what = (
                    f"{call.agent} returns while {', '.join(left[:5])}, started by it in the "
                    "background, had not answered"
                )
                yield _finding("premature-return", "FM-3.1", call, line, what)


def _ping_pong(run: RecordedRun) -> Iterator[Finding]:
    """Yield where agents get their own question back, or two call each other in turns."""
    for line in run.lines:
        call = run.history.calls.get(str(line.get("call")))
        if call is None:
            continue
        if line["type"] == "repeated":
            what = (
                f"{call.agent} is asked the same by a descendant of its own call, "
                f"{_times(cast('int', line.get('times', 2)))} by now: {_quoted(call.text)}"
            )
            yield _finding("ping-pong", "FM-1.5", call, line, what)
        elif line["type"] == "forward" and _turns(call) == _DEEP:
            caller = cast("CallHistory", call.parent).agent
            what = f"{caller} and {call.agent} call each other in turns, {_DEEP} calls deep by now"
            yield _finding("ping-pong", "FM-1.5", call, line, what)


def _turns(call: CallHistory) -> int:
    """Return how many nested calls up to this one two agents answer in turns."""
    if call.parent is None or call.parent.agent == call.agent:
        return 1
    pair = call.agent, call.parent.agent
    count, one = 0, call
    while one.agent == pair[count % 2]:
        count += 1
        if one.parent is None:
            break
        one = one.parent
    return count


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _quoted(text: str) -> str:
    line = " ".join(text[: _SHOWN * 4].split())
    return f'"{line}"' if len(line) <= _SHOWN else f'"{line[: _SHOWN - 1]}…"'
