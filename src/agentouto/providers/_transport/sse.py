"""Server-sent events, without a server: bytes in, the data of each event out.

Framing only, as the WHATWG's HTML standard describes it (§9.2.6, "Interpreting an event stream").
What the data says, and which event was the last, is the decoder's business. An event that arrives
in a thousand pieces is joined once.

Two things differ from the standard, because servers do. Where a server leaves out the blank lines,
a line of data that is a whole JSON object is an event. And lines that are no field of the standard
are not passed over in silence: llama.cpp wrote ``error: {...}`` before its pull request 16109, and
proxies write their own error text into a stream that they break off. An ``error:`` line, or a bare
JSON object that holds an error, becomes an event with that error; other text becomes the event
``{"msg": text}``, which decoders report only where the answer does not end as it should.
"""

from __future__ import annotations

import msgspec

from agentouto.providers._format.errors import holds_error
from agentouto.providers._format.json import Json, as_object, dump, parse
from agentouto.providers._transport.http_limits import USUAL, UnusableBody, megabytes

_skim = msgspec.json.Decoder(msgspec.Raw).decode
_BOM = b"\xef\xbb\xbf"
_LF = 10

_STREAM_FIELDS = (b"data", b"event", b"id", b"retry")
"""The fields of the standard. Comments and empty lines have none."""

_MOST_STRAY = 4096
"""Bytes of other text that are kept. More of it is not shown in an error."""


class SseReader:
    """Cuts a stream of bytes into the data of its events, wherever the network has cut it."""

    __slots__ = ("_held", "_loose", "_most", "_pieces", "_size", "_stray")

    def __init__(self, most: int = USUAL.event_bytes) -> None:
        self._most = most
        self._pieces: list[bytes] = []
        self._size = 0  # of the pieces, or a little more
        self._held = b""  # a CR at the end, which may be half of a line end
        self._loose = True  # whether lines of the event at hand may be events of their own
        self._stray = b""  # text outside of events, as far as it has come

    def feed(self, block: bytes) -> list[bytes]:
        """Take what the network brought; return the data of every event that is now complete.

        Raises:
            UnusableBody: The event that is not complete is too large.
        """
        pieces = self._pieces
        if self._held or b"\r" in block:
            block, self._held = _unified(self._held + block)
        if not block:
            return []
        if b"\n\n" not in block and not (block[0] == _LF and pieces and pieces[-1][-1] == _LF):
            pieces.append(block)
            self._size += len(block)
            if self._size > self._most:
                raise UnusableBody(f"an event of the answer is larger than {megabytes(self._most)}")
            return self._lines() if self._loose and b"\n" in block else []
        if pieces:
            pieces.append(block)
            block = b"".join(pieces)
        whole, _, rest = block.rpartition(b"\n\n")
        events = _plain_data(whole)
        if not events:
            frames = block.split(b"\n\n")
            rest = frames.pop()
            events = self._data(frames)
        self._pieces = [rest] if rest else []
        self._size = len(rest)
        self._loose = True
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
            elif not _is_stream_field(line):
                events += self._other(line)
            begin = end + 1
        self._pieces = [text[begin:]] if begin < len(text) else []
        self._size = len(text) - begin
        return events

    def end(self) -> list[bytes]:
        """Return the data of a last event that no blank line has ended."""
        text = b"".join(self._pieces) + self._held.replace(b"\r", b"\n")
        self._pieces, self._held = [], b""
        return self._data(text.split(b"\n\n"))

    def _data(self, frames: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        for frame in filter(None, frames):  # a bomb may become millions of blank lines
            if frame.startswith(b"event: "):  # the data says it too, where it matters
                frame = frame.partition(b"\n")[2]
            if frame.startswith(b"data: ") and b"\n" not in frame and len(frame) > 6:
                events.append(frame[6:])
            elif frame:
                events += self._fields(frame)
        return events

    def _fields(self, frame: bytes) -> list[bytes]:
        """Return the events of a frame that has more than one line, or an unusual one."""
        data: list[bytes] = []
        others: list[bytes] = []
        for line in frame.removeprefix(_BOM).split(b"\n"):
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not _is_stream_field(line):
                others += self._other(line)
        joined = b"\n".join(data).strip()
        return [joined, *others] if joined else others

    def _other(self, line: bytes) -> list[bytes]:
        """Return the event that stands for a line without a field of the standard."""
        if line.startswith(b"error:"):
            content = line[6:].strip().decode("utf-8", "replace")
            return [dump({"error": _as_object(content) or content})]
        text = line.decode("utf-8", "replace")
        found = _as_object(text)
        if found and holds_error(found):
            return [dump(found)]
        if not text.strip() or len(self._stray) >= _MOST_STRAY:
            return []
        self._stray = (self._stray + line + b"\n")[:_MOST_STRAY]
        return [dump({"msg": self._stray.decode("utf-8", "replace")})]


def _plain_data(text: bytes) -> list[bytes]:
    """Return the data of whole events in the form in which nearly all come; else nothing.

    Each is one line of data: after nothing (Chat Completions, Gemini), or after the event's name
    (Messages, Responses). The number of line ends tells whether all are, without a look at each.
    """
    if text.startswith(b"data: "):
        data = text[6:].split(b"\n\ndata: ")
        line_ends = 2 * (len(data) - 1)
    elif text.startswith(b"event: "):
        data = [each.partition(b"\ndata: ")[2] for each in text[7:].split(b"\n\nevent: ")]
        line_ends = 3 * len(data) - 2
    else:
        return []
    return data if b"" not in data and text.count(b"\n") == line_ends else []


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


def _is_stream_field(line: bytes) -> bool:
    """Return whether ``line`` is a field, a comment, or the beginning of one that was cut off."""
    name = line.partition(b":")[0]
    return any(field.startswith(name) for field in _STREAM_FIELDS)


def _as_object(text: str) -> Json:
    try:
        return as_object(parse(text.encode()))
    except ValueError:
        return {}
