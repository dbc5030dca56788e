"""The lines of a run of 20,000, without a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def big_run(agents: int = 30, calls: int = 300, words: int = 62) -> list[dict[str, Any]]:
    """Return the lines of a run in which each call writes ``words`` words."""
    return list(numbered(_lines(agents, calls, words)))


def numbered(lines: Iterator[tuple[float, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    seq, part = -1, 0
    for t, line in lines:
        piece = line["type"] == "token"
        seq, part = (seq, part + 1) if piece else (seq + 1, 0)
        address = {"seq": seq} | ({"part": part} if part else {})
        yield {"v": 1, "run": "big", **address, "t": round(t, 3), **line}


def _lines(agents: int, calls: int, words: int) -> Iterator[tuple[float, dict[str, Any]]]:
    names = [f"agent_{n}" for n in range(agents)]
    told = [{"name": name, "model": "m", "provider": "p", "role": None} for name in names]
    yield (
        0.0,
        {"type": "run.start", "text": "Go.", "to": names[:1], "at": 1.8e9, "agents": told}
        | {"tools": [], "limits": {}, "history": 0, "version": "0"},
    )
    at = [{"agent": names[n % agents], "call": f"c{n}"} for n in range(calls)]
    parents = [None if n == 0 else f"c{(n - 1) // 3}" for n in range(calls)]
    common = [{**one, "parent": parent} for one, parent in zip(at, parents, strict=True)]
    senders = ["user" if n == 0 else names[((n - 1) // 3) % agents] for n in range(calls)]
    for n, (one, sender) in enumerate(zip(common, senders, strict=True)):
        forward = {"type": "forward", "sender": sender, "receiver": one["agent"]}
        yield n * 0.01, {**forward, **one, "text": f"Part {n}.", "background": n % 17 == 3}
        yield n * 0.01, {"type": "model.start", **one, "turn": 0, "model": "m", "attempt": 1}
    for word in range(words):
        for n, one in enumerate(common):
            yield 3 + word * 0.1 + n * 0.0003, {"type": "token", **one, "text": f"word{word} "}
    for n, (one, sender) in reversed(list(enumerate(zip(common, senders, strict=True)))):
        t = 10 + (calls - n) * 0.01
        used = {"input": 10, "output": words, "cached": None, "reasoning": None, "cost": None}
        yield t, {"type": "model.end", **one, "turn": 0, "stop": "complete", **used, "first": 0.5}
        back = {"type": "return", "sender": one["agent"], "receiver": sender}
        yield t, {**back, **one, "text": f"Done {n}.", "background": False, "usage": {}}
    end = {"type": "run.end", "status": "completed", "output": "Done.", "outputs": []}
    yield 10 + calls * 0.01, {**end, "usage": {"input": 1, "output": 1}, "cost": None, "limits": {}}
