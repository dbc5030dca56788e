"""Server-sent events, without a server: bytes in, the data of each event out.

Framing only. What the data says, and which event was the last, is the decoder's business. There is
no limit to the length of an event, and one that arrives in a thousand pieces is joined once.
"""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"


class SseReader:
    """Cuts a stream of bytes into the data of its events, wherever the network has cut it."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, block: bytes) -> list[bytes]:
        """Take what the network brought; return the data of every event that is now complete."""
        pieces = self._pieces
        if b"\n" not in block and b"\r" not in block:
            pieces.append(block)
            return []
        if pieces:
            pieces.append(block)
            block = b"".join(pieces)
        text, held = _unified(block) if b"\r" in block else (block, b"")
        frames = text.split(b"\n\n")
        self._pieces = [rest] if (rest := frames.pop() + held) else []
        return _data(frames)

    def end(self) -> list[bytes]:
        """Return the data of a last event that no blank line has ended."""
        text = b"".join(self._pieces).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._pieces = []
        return _data(text.split(b"\n\n"))


def _unified(block: bytes) -> tuple[bytes, bytes]:
    """Return ``block`` with plain line ends, and a last CR that may be half of one."""
    held = b"\r" if block.endswith(b"\r") else b""
    text = block[: len(block) - len(held)]
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), held


def _data(frames: list[bytes]) -> list[bytes]:
    events: list[bytes] = []
    for frame in frames:
        if frame.startswith(b"event: "):  # the data says it too, where it matters
            frame = frame.partition(b"\n")[2]
        if frame.startswith(b"data: ") and b"\n" not in frame and len(frame) > 6:
            events.append(frame[6:])
        elif data := _data_lines(frame):
            events.append(data)
    return events


def _data_lines(frame: bytes) -> bytes:
    """Return the data of a frame that has more than one line, or an unusual one."""
    lines = [
        line[5:].removeprefix(b" ")
        for line in frame.removeprefix(_BOM).split(b"\n")
        if line.startswith(b"data:")
    ]
    return b"\n".join(lines).strip()
