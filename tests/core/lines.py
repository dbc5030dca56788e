"""Event lines written by hand, for tests of what is computed from them."""

from __future__ import annotations


class Lines(list[dict[str, object]]):
    """Lines of a run, each with a type, a time, a call and its fields."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[str, tuple[str, str | None]] = {}

    def add(self, t: float, type_: str, call: str, **fields: object) -> None:
        agent, parent = self._calls.get(call, ("user", None))
        about = {"v": 1, "run": "r", "seq": len(self), "t": t, "type": type_}
        self.append({**about, "agent": agent, "call": call, "parent": parent, **fields})

    def forward(self, t: float, call: str, parent: str | None = None, **fields: object) -> None:
        agent = str(fields.pop("agent", call))
        self._calls[call] = agent, parent
        sender = self._calls[parent][0] if parent else "user"
        type_ = "ask" if agent == "user" else "forward"
        message = {"sender": sender, "receiver": agent, "text": "Go.", "background": False}
        self.add(t, type_, call, **{**message, **fields})

    def returns(self, t: float, call: str) -> None:
        self.add(t, "return", call, text="done", background=False)

    def thinks(self, start: float, word: float, end: float, call: str) -> None:
        """Add a whole reply of a model."""
        self.add(start, "model.start", call, turn=0, model="m", attempt=1)
        self.add(word, "token", call, text="x")
        self.add(end, "model.end", call, turn=0, stop="complete", first=word - start)

    def uses(
        self, start: float, end: float, call: str, tool: str = "t", place: str = "0.0"
    ) -> None:
        about = {"tool_call": place, "tool": tool}
        self.add(start, "tool.start", call, **about, arguments={"x": 1}, builtin=False)
        self.add(end, "tool.end", call, **about, result="ok", failed=False)

    def in_order(self) -> Lines:
        """Return the lines as a run would have written them."""
        ordered = Lines()
        ordered.extend(sorted(self, key=lambda line: float(str(line["t"]))))
        return ordered
