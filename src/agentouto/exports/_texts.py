"""Exports that are one text: JSON lines, Mermaid, SVG.

An export is made of event lines and nothing else, so that a saved run gives the same as a live one,
and JSON lines can be exported again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Literal

from agentouto._core.pictures.mermaid import draw_mermaid
from agentouto._core.pictures.notebook import draw_picture
from agentouto._core.run_history import Line
from agentouto._domain.configuration_error import ConfigurationError
from agentouto.exports._sources import RunSource, load_run


def to_jsonl(run: RunSource, *, content: bool = True) -> str:
    """Return ``run`` as JSON lines, which every function of this module can read again.

    Neighbouring pieces of a reply are joined, and pieces of tool calls are left out: the tool call
    has them whole.

    Args:
        run: The run.
        content: Whether to keep texts, arguments and results.

    Raises:
        ConfigurationError: It is no run, or lines of several runs.
    """
    rows = _joined_pieces(load_run(run, content=content).lines)
    text = "".join(
        f"{json.dumps(row, ensure_ascii=False, separators=(',', ':'))}\n" for row in rows
    )
    return text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates cannot be written


def to_mermaid(run: RunSource, *, content: bool = True) -> str:
    """Return the messages of ``run`` as a Mermaid sequence diagram.

    Of more than 80 messages, those of the longest calls are shown.

    Args:
        run: The run.
        content: Whether to show texts.

    Raises:
        ConfigurationError: It is no run, or lines of several runs.
    """
    return draw_mermaid(load_run(run, content=content))


def to_svg(
    run: RunSource,
    picture: Literal["auto", "sequence", "time"] = "auto",
    *,
    content: bool = True,
) -> str:
    """Return a picture of ``run`` as SVG.

    Args:
        run: The run.
        picture: ``sequence``: the messages, from top to bottom; of more than 80, those of the
            longest calls. ``time``: what each participant spent its time on, and the critical path.
            ``auto``: a sequence for up to 13 participants.
        content: Whether to show texts.

    Raises:
        ConfigurationError: It is no run, or lines of several runs; or there is no such picture.
    """
    if picture not in ("auto", "sequence", "time"):
        raise ConfigurationError(
            f"to_svg(picture={picture!r}): there are 'auto', 'sequence' and 'time'"
        )
    return draw_picture(load_run(run, content=content), picture)


def _joined_pieces(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield ``lines`` with neighbouring pieces of one reply as one line, which has their texts."""
    pieces: list[Line] = []
    # Pieces of two replies may alternate, where agents write at the same time: each change of call
    # begins a new line, so that the order of all lines stays.
    for line in lines:
        if line["type"] == "draft":
            continue
        if pieces and (line["type"], line.get("call")) != (pieces[0]["type"], pieces[0]["call"]):
            yield _joined_piece(pieces)
            pieces = []
        if line["type"] in {"token", "thinking"}:
            pieces.append(line)
        else:
            yield line
    if pieces:
        yield _joined_piece(pieces)


def _joined_piece(pieces: list[Line]) -> Line:
    return {**pieces[0], "text": "".join(str(piece["text"]) for piece in pieces)}
