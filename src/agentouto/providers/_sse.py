"""Server-sent events, without a server: bytes in, the data of each event out.

Framing only. What the data says, and which event was the last, is the decoder's business. There is
no limit to the length of an event, and one that arrives in a thousand pieces is joined once. Where
a server leaves out the blank lines, a line of data that is a whole JSON object is an event.
"""

from __future__ import annotations

import msgspec

_skim = msgspec.json.Decoder(msgspec.Raw).decode
_BOM = b"\xef\xbb\xbf"
_LF = 10


class SseReader:
    """Cuts a stream of bytes into the data of its events, wherever the network has cut it."""

    __slots__ = ("_held", "_loose", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held = b""  # a CR at the end, which may be half of a line end
        self._loose = True  # whether lines of the event at hand may be events of their own

    def feed(self, block: bytes) -> list[bytes]:
        """Take what the network brought; return the data of every event that is now complete."""
        pieces = self._pieces
        if self._held or b"\r" in block:
            block, self._held = _unified(self._held + block)
        if not block:
            return []
        if b"\n\n" not in block and not (block[0] == _LF and pieces and pieces[-1][-1] == _LF):
            pieces.append(block)
            return self._lines() if self._loose and b"\n" in block else []
        if pieces:
            pieces.append(block)
            block = b"".join(pieces)
        frames = block.split(b"\n\n")
        self._pieces = [rest] if (rest := frames.pop()) else []
        self._loose = True
        events = _data(frames)
        return events + self._lines() if b"\n" in rest else events

    def _lines(self) -> list[bytes]:
        """Return the data of lines that are whole: nothing that follows could belong to them."""
        text = b"".join(self._pieces)
        events: list[bytes] = []
        begin = 0
        while (end := text.find(b"\n", begin)) >= 0:
            line = text[begin:end].removeprefix(_BOM)
            data = line[5:].strip() if line.startswith(b"data:") else b""
            if data and not _is_whole(data):
                self._loose = False
                break
            if data:
                events.append(data)
            begin = end + 1
        self._pieces = [text[begin:]] if begin < len(text) else []
        return events

    def end(self) -> list[bytes]:
        """Return the data of a last event that no blank line has ended."""
        text = b"".join(self._pieces) + self._held.replace(b"\r", b"\n")
        self._pieces, self._held = [], b""
        return _data(text.split(b"\n\n"))


def _is_whole(data: bytes) -> bool:
    if data == b"[DONE]":
        return True
    if not (data.startswith(b"{") and data.endswith(b"}")):
        return False
    try:
        _skim(data)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


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
