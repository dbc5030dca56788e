"""The bars, and the table that shows which figures are over their bar."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Samples = Mapping[tuple[str, str], list[dict[str, float]]]
"""By scenario and contender."""


@dataclass(frozen=True)
class Row:
    """A figure, and what it must not be more than.

    Attributes:
        title: What is counted.
        scenario: Where it is counted.
        metric: Its name there.
        digits: How many to show after the point.
        bar: What it must not exceed: so many times the floor's, with ``absolute`` so much, and with
            ``added`` so much more than the floor's.
        who: Whose figure it is.
        floor: Whose figure it is held against; empty for none.
        floor_scenario: Where that is counted, if elsewhere.
        absolute: Whether the bar is a number and no ratio.
        added: Whether the bar is what there may be beyond the floor's figure.
    """

    title: str
    scenario: str
    metric: str
    digits: int
    bar: float | None
    who: str = "ours"
    floor: str = "f2"
    floor_scenario: str = ""
    absolute: bool = False
    added: bool = False


def _formats() -> Iterable[Row]:
    """Yield the rows of the other formats, beside our Chat Completions and beside their floors."""
    for kind in ("openai_responses", "anthropic", "google"):
        who = f"ours:{kind}"
        yield Row(f"S2 a turn, {kind}, µs", "S2", "us", 0, 1.3, who, "ours")
        yield Row(f"S6 a token, {kind}, µs", "S6", "us", 2, 1.3, who, "ours")
        yield Row(f"S6 a token, {kind}, by hand, µs", "S6", "us", 2, 3.0, who, f"f2:{kind}")


def _finish() -> Iterable[Row]:
    """Yield the rows of the words of a return while it is written, which only ours shows."""
    for kind in ("", ":openai_responses", ":anthropic", ":google"):
        title = f"S6 how late a word of `finish` is, at most{kind.replace(':', ', ')}, ms"
        yield Row(title, "S6_finish", "most_late_ms", 1, 150, f"ours{kind}", "", absolute=True)


def _layers() -> Iterable[Row]:
    """Yield the rows of what a run can do without: what it costs more, by ``layers.py``."""
    for title, scenario, metric, digits, bar in (
        ("S12 a turn of a scripted model in memory, µs", "S12", "plain_us", 0, None),
        ('S12 more with a journal, `on_restart="run"`, µs', "S12", "run_us", 0, 120),
        ('S12 more with a journal, `on_restart="report"`, µs', "S12", "report_us", 0, 120),
        ("S14 a line more with a page that watches, µs", "S14_page", "page_us", 1, 25),
        ("S15 a turn more with OpenTelemetry, no SDK, µs", "S15_otel", "api_us", 0, None),
        ("S15 a turn more with OpenTelemetry's SDK, in memory, µs", "S15_otel", "sdk_us", 0, None),
        ("S16 a tool of an MCP server beside one of ours, ms more", "S16_mcp", "ms", 2, 0.7),
        ("S16 of it the SDK of MCP, by hand, ms", "S16_mcp", "hand_ms", 2, None),
        ("S17 a call of a `Peer`, of 100 at once, µs", "S17_peer", "peer_us", 0, None),
        ("S17 the same of an agent with a scripted model, µs", "S17_peer", "agent_us", 0, None),
        ("S18 a call of an agent on another worker, ms more", "S18_remote", "agent_ms", 2, None),
        ("S18 a use of a tool on another worker, ms more", "S18_remote", "tool_ms", 2, None),
    ):
        yield Row(title, scenario, metric, digits, bar, floor="", absolute=True)


def _tls() -> Iterable[Row]:
    """Yield the rows over TLS 1.3, in loops of asyncio's and of uvloop's."""
    first, by_uvloop = "S10_first", "S10_first_uvloop"
    one, memory = "S10 TLS, a first request of 1,000 at once", "S10 TLS, memory for each of 1,000"
    yield Row(f"{one}, µs", first, "us", 0, 1.25)
    yield Row(f"{memory}, KB", first, "kb", 0, 20, added=True)
    yield Row(f"{one}, on uvloop, µs", by_uvloop, "us", 0, 1.25)
    yield Row(f"{memory}, on uvloop, KB", by_uvloop, "kb", 0, 90, absolute=True)
    title = "S10 TLS, handshakes for 1,000 requests in ten waves"
    yield Row(title, "S10_waves", "handshakes", 0, 100, absolute=True)
    yield Row("S10 TLS, a run of ten waves of 100, µs", "S10_waves", "us", 0, None)
    yield Row("S10 TLS, a turn of 200, µs", "S10_turn", "us", 0, 2.0)


def _page() -> Iterable[Row]:
    """Yield the rows of the page, which are measured in a browser and have no floor."""
    for title, scenario, metric, bar in (
        ("P1 first paint of the page, ms", "P1", "paint_ms", 600),
        ("P1 20,000 lines on screen after a click, ms", "P1", "on_screen_ms", 1_000),
        ("P1 20,000 lines folded, first time, ms", "P1", "fold_first_ms", 100),
        ("P1 20,000 lines folded, warm, ms", "P1", "fold_warm_ms", 30),
        ("P1 map drawn, ms", "P1", "map_ms", 50),
        ("P1 sequence drawn, ms", "P1", "sequence_ms", 50),
        ("P1 time drawn, ms", "P1", "time_ms", 50),
        ("P1 events drawn, ms", "P1", "events_ms", 50),
        ("P1 elements with the map", "P1", "map_elements", 3_000),
        ("P1 elements with the sequence", "P1", "sequence_elements", 3_000),
        ("P1 elements with the time", "P1", "time_elements", 3_000),
        ("P1 elements with the events", "P1", "events_elements", 3_000),
        ("P1 memory of the tab, MB", "P1", "memory_mb", 80),
        ("P2 a frame while 30 agents work, ms", "P2", "frame_ms", 100),
        ("P2 replay, percent off the time of the run", "P2", "replay_percent", 2),
        ("P3 a question answered in another tab is gone, ms", "P3", "gone_ms", 300),
    ):
        digits = 0 if metric.endswith("elements") else 1
        yield Row(title, scenario, metric, digits, bar, floor="", absolute=True)


def _odd() -> Iterable[Row]:
    """Yield the rows of replies that were once read in quadratic time, or late."""
    for what, scenario in (
        ("8,000 tool calls without an index beside 2,000", "S13_unnumbered"),
        ("a tool call in 20,000 pieces beside 5,000", "S13_pieces"),
        ("200,000 comments before an answer beside 50,000", "S13_comments"),
    ):
        yield Row(f"S13 {what}, times", scenario, "growth", 2, 5, floor="", absolute=True)
    title = "S13 a reply without `[DONE]` on a connection that stays open, ms"
    yield Row(title, "S13_open", "ms", 1, 1100, floor="", absolute=True)


ROWS = (
    Row("S1 import, ms", "S1_import", "ms", 0, 0.5, floor_scenario="S1_first"),
    Row(
        "S1 `agentouto --help`, ms",
        "S1_help",
        "ms",
        0,
        300,
        floor_scenario="S1_first",
        absolute=True,
    ),
    Row("S1 a first request, ms", "S1_first", "ms", 0, 1.2),
    Row("S1 a first run with a tool, ms", "S1_tools", "ms", 0, 1.4, floor_scenario="S1_first"),
    Row("S2 a turn of 200, µs", "S2", "us", 0, 1.6),
    Row("S3 a tool call of 32 in a reply, µs", "S3", "us", 1, 2.5),
    Row("S4 an agent call of 100 at once, µs", "S4_100", "us", 0, 1.7),
    Row("S4 an agent call of 1,000 at once, µs", "S4_1000", "us", 0, 1.7),
    Row("S4 memory for each of 1,000, KB", "S4_1000", "kb", 1, 40, absolute=True),
    Row("S5 a hop in a chain of 50, µs", "S5", "us", 0, 2.0),
    Row("S6 a token, µs", "S6", "us", 2, 2.2),
    Row("S6 how late a token is, median, µs", "S6_paced", "p50_us", 0, 2.0),
    *_finish(),
    Row("S7 a run of 1,000 at once, µs", "S7", "us", 0, 2.0),
    Row("S7 memory for each of 1,000, KB", "S7", "kb", 1, 36, absolute=True),
    Row("S8 turn 1,000 beside turn 100, times", "S8", "growth", 2, 1.5),
    Row("S8 turn 1,000, µs", "S8", "late_us", 0, None),
    Row("S9 eight tools of 200 ms, s", "S9", "wall_s", 3, 0.23, absolute=True),
    Row("S9 longest gap of the loop, ms", "S9", "gap_ms", 1, 20, absolute=True),
    *_tls(),
    *_layers(),
    Row(
        "S11 a request of 100 at once to `agentouto serve`, ms",
        "S11_serve",
        "ms",
        2,
        3,
        floor="",
        absolute=True,
    ),
    *_odd(),
    *_formats(),
    *_page(),
)


LAYERS = frozenset(row.scenario for row in _layers())
"""The scenarios of ``layers.py``."""


def wanted(scenarios: Iterable[str], contenders: Iterable[str]) -> list[tuple[str, str]]:
    """Return every scenario with the contenders whose figures are in the table."""
    found: dict[tuple[str, str], None] = {}
    for row in ROWS:
        for scenario, who in (
            (row.scenario, row.who),
            *([(row.floor_scenario or row.scenario, row.floor)] if row.floor else []),
            *([(row.scenario, "f1")] if _f1_isshown(row) else []),
        ):
            if who.partition(":")[0] in contenders and row.scenario.startswith(tuple(scenarios)):
                found[scenario, who] = None
    return list(found)


def _f1_isshown(row: Row) -> bool:
    """Tell whether there is an f1; a thousand turns of it take minutes."""
    return row.who == "ours" and row.scenario not in {
        "S1_import",
        "S1_help",
        "S1_tools",
        "S6_finish",
        "S8",
        "S10_first_uvloop",
        "S11_serve",
        *LAYERS,
        "S13_unnumbered",
        "S13_pieces",
        "S13_comments",
        "S13_open",
        "P1",
        "P2",
        "P3",
    }


def drawn(samples: Samples) -> tuple[str, int]:
    """Return the table as Markdown, and the number of figures over their bar."""
    lines = [
        "| | ours | f2 | f1 | ours / f2 | bar | |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    over = 0
    for row in ROWS:
        mine = _median(samples, row.scenario, row.who, row.metric)
        if mine is None:
            continue
        floor = _median(samples, row.floor_scenario or row.scenario, row.floor, row.metric)
        other = _median(samples, row.scenario, "f1", row.metric) if _f1_isshown(row) else None
        ratio = mine / floor if floor else None
        beyond = mine - floor if floor is not None else None
        held = mine if row.absolute else beyond if row.added else ratio
        mark = ""
        if row.bar is not None and held is not None and held > row.bar:
            mark, over = "**over**", over + 1
        bar = "" if row.bar is None else _bar(row)
        figures = [shown(figure, row.digits) for figure in (mine, floor, other)]
        times = f"{ratio:.2f}" if ratio else ""
        if row.floor == "ours" and floor:
            times += " of ours"
        lines.append("| " + " | ".join([row.title, *figures, times, bar, mark]) + " |")
    return "\n".join(lines), over


def _bar(row: Row) -> str:
    if row.added:
        return f"+{row.bar:g}"
    return f"{row.bar:g}" + ("" if row.absolute else "x")


def _median(samples: Samples, scenario: str, who: str, metric: str) -> float | None:
    figures = [one[metric] for one in samples.get((scenario, who), []) if metric in one]
    return statistics.median(figures) if figures else None


def shown(figure: float | None, digits: int) -> str:
    """Return ``figure`` as text for the table."""
    return "" if figure is None else f"{figure:,.{digits}f}"
