"""Thirty-odd conversations, told so that every format can be asked to write each of them down."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from agentouto._core.history import history_entries as of_history
from agentouto._core.ids import assign_ids
from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply, Text, ToolCall
from agentouto._domain.message import Attachment, Message
from wire.dialects import DIALECTS, Call, Dialect, Odd, Redacted, Said, Thought, Words


class Own(NamedTuple):
    """A reply of the very model that is asked again."""

    said: tuple[Said, ...]


class Foreign(NamedTuple):
    """A reply of each other vendor's model that stood in until now, one after the other."""

    said: tuple[Said, ...]


class Plain(NamedTuple):
    """A reply of which nothing was kept but words and calls."""

    said: tuple[Said, ...]


class Came(NamedTuple):
    """What came of one call."""

    text: str = ""
    files: tuple[Attachment, ...] = ()
    failed: bool = False


Step: TypeAlias = str | Incoming | Reply | Own | Foreign | Plain | tuple[Came, ...]


def own(*said: Said) -> Own:
    return Own(said)


def foreign(*said: Said) -> Foreign:
    return Foreign(said)


def plain(*said: Said) -> Plain:
    return Plain(said)


def came(*results: str | Came) -> tuple[Came, ...]:
    return tuple(Came(one) if isinstance(one, str) else one for one in results)


def told(steps: Sequence[Step], dialect: Dialect) -> list[Entry]:
    """Return the conversation as an agent has it whose model speaks ``dialect``."""
    entries: list[Entry] = []
    taken: set[str] = set()
    turn = 0
    for step in steps:
        match step:
            case str():
                entries.append(Incoming(step))
            case Incoming():
                entries.append(step)
            case tuple() if not step or isinstance(step[0], Came):
                entries.append(Outcomes(tuple(map(_outcome, _calls(entries), step))))
            case _:
                replies = _replies(step, dialect)
                for number, reply in enumerate(replies, 1):
                    entries.append(assign_ids(reply, turn, taken))
                    turn += 1
                    if number < len(replies):
                        entries.append(_answered(entries))
    return entries


def _replies(step: Step, dialect: Dialect) -> list[Reply]:
    match step:
        case Reply():
            return [step]
        case Own(said):
            return [dialect.reply(*said)]
        case Foreign(said):
            return [other.reply(*said) for other in DIALECTS.values() if other is not dialect]
        case Plain(said):
            parts = [Text(one.text) for one in said if isinstance(one, Words)]
            calls = [ToolCall(c.id, c.name, c.arguments) for c in said if isinstance(c, Call)]
            return [Reply((*parts, *calls))]
        case _:
            raise TypeError(step)


def _answered(entries: list[Entry]) -> Entry:
    """Something that lets the next model speak."""
    calls = _calls(entries)
    return Outcomes(tuple(Outcome(c, "seen") for c in calls)) if calls else Incoming("Go on.")


def _calls(entries: list[Entry]) -> tuple[ToolCall, ...]:
    last = entries[-1]
    return last.tool_calls if isinstance(last, Reply) else ()


def _outcome(call: ToolCall, one: Came) -> Outcome:
    return Outcome(call, one.text, one.files, is_error=one.failed)


def history(*messages: Message) -> tuple[Entry, ...]:
    """Messages of earlier runs, as the agent called a reads them."""
    return tuple(of_history(messages, "a"))


# The table ----------------------------------------------------------------------------------------


def _file(mime_type: str, content: bytes, name: str | None = None) -> Attachment:
    return Attachment(mime_type, data=base64.b64encode(content).decode(), name=name)


PNG = _file("image/png", b"\x89PNG\r\n\x1a\nrest", "x.png")
JPEG = _file("image/jpeg", b"\xff\xd8\xffrest")
GIF = _file("image/gif", b"GIF89a rest")
PDF = _file("application/pdf", b"%PDF-1.7", "x.pdf")
WAV = _file("audio/wav", b"RIFF\0\0\0\0WAVEfmt ")
MP3 = _file("audio/mpeg", b"ID3\x04rest")
TXT = _file("text/plain", "naïve 👋".encode(), "x.txt")
MP4 = _file("video/mp4", b"\0\0\0\x18ftypmp42")
WRONG = _file("image/jpg", b"\x89PNG\r\n\x1a\nrest")
ZIP = _file("application/zip", b"PK\x03\x04rest", "x.zip")
LINK = Attachment("image/png", url="https://example.com/x.png")
PDF_LINK = Attachment("application/pdf", url="https://example.com/x.pdf")

TRICKY = 'naïve 👋 日本\u2028\u0085\x7f "quoted" \\ </s> \n\ttab'
HM = Thought("hm", "U0lH")
A, B = Call("call_A"), Call("call_B", '{"what":"y"}')
LONG_ID = "call|" + "x" * 80
FORWARD = Message("forward", "user", "a", "First question", "c1")
RETURN = Message("return", "a", "user", "First answer", "c1")
OTHERS = Message("return", "b", "user", "What b found", "c2")

CONVERSATIONS: dict[str, Sequence[Step]] = {
    "hello": ["Hi"],
    "words": ["Hi", own(Words("Ho")), "And?"],
    "nothing said": [""],
    "blank words": ["Hi", own(Words(" \n")), "And?"],
    "empty reply": ["Hi", Reply(()), "And?"],
    "one call": ["Hi", own(A), came("seen")],
    "parallel calls": ["Hi", own(A, B), came("one", "two")],
    "words before calls": ["Hi", own(Words("Let me look."), A, B), came("one", "two")],
    "failing tool": ["Hi", own(A, B), came("one", Came("boom", failed=True))],
    "empty outputs": ["Hi", own(A, B), came("", Came("", failed=True))],
    "thinking": ["Hi", own(HM, A), came("seen")],
    "thinking over many turns": [
        "Hi",
        *(own(HM, A), came("one")),
        *(own(Thought("hmm", "U0lHMg=="), Words("So."), B), came("two")),
        *(own(Thought("aha", "U0lHMw=="), Words("Done.")), "And?"),
    ],
    "thinking between calls": ["Hi", own(HM, A, Thought("hm?", "U0lHMg=="), B), came("1", "2")],
    "thinking in secret": ["Hi", own(Redacted(), A), came("seen"), own(HM, Redacted(), Words("Ho")), "And?"],
    "thinking without a seal": ["Hi", own(Thought("hm", ""), A), came("seen")],
    "thinking alone": ["Hi", own(HM), "And?"],
    "mail after results": ["Hi", own(A), came("seen"), "[From b]: hurry", "[From c]: really"],
    "mail after words": ["Hi", own(Words("Ho")), "[From b]: hurry", "[From c]: really"],
    "other vendors": ["Hi", foreign(HM, Words("Ho"), A, B), came("one", "two")],
    "other vendors and back": ["Hi", own(HM, A), came("one"), foreign(HM, B), came("two"), own(HM, A), came("three")],
    "words of other vendors": ["Hi", foreign(HM, Words("Ho")), "And?"],
    "things nobody knows": ["Hi", own(HM, Odd("new"), A), came("seen")],
    "things nobody elsewhere knows": ["Hi", foreign(Odd("new"), A), came("seen")],
    "invalid arguments": ["Hi", plain(Call("1", '{"what": "x'), Call("2", ""), Call("3", "[1]")), came("bad", "ok", "bad")],
    "arguments in a string": ["Hi", plain(Call("1", '"{\\"what\\":\\"x\\"}"')), came("ok")],
    "exact numbers": ["Hi", plain(Call("1", '{"n": 12345678901234567890, "f": 1.0}')), came("ok")],
    "repeated ids": ["Hi", own(Call("call_0")), came("1"), own(Call("call_0"), Call("call_1")), came("2", "3")],
    "odd ids": ["Hi", plain(Call(LONG_ID), Call(""), Call("ä:1")), came("1", "2", "3")],
    "odd names": ["Hi", plain(Call("1", "{}", "no such tool"), Call("2", "{}", "7" * 80)), came("none", "none")],
    "odd names elsewhere": ["Hi", foreign(HM, Call("1", "{}", "default_api:look")), came("none")],
    "unicode": [TRICKY, plain(Words(TRICKY), Call("1", '{"what":"naïve 👋\\u2028"}')), came(TRICKY)],
    "half a letter": ["\ud83d", own(A), came("\udc4b")],
    "image": [Incoming("See", (PNG, JPEG))],
    "image at an address": [Incoming("See", (LINK,))],
    "image of another type": [Incoming("See", (WRONG,))],
    "image that moves": [Incoming("See", (GIF,))],
    "document": [Incoming("See", (PDF,))],
    "document at an address": [Incoming("See", (PDF_LINK,))],
    "sound": [Incoming("Hear", (WAV, MP3))],
    "video": [Incoming("See", (MP4,))],
    "text file": [Incoming("Read", (TXT,))],
    "file of no known type": [Incoming("Open", (ZIP,))],
    "files without words": [Incoming("", (PNG,))],
    "images of two tools": ["Hi", own(A, B), came(Came("one", (PNG,)), Came("two", (JPEG,)))],
    "files of tools": ["Hi", own(A, B), came(Came("", (PDF, TXT)), Came("also", (WAV, ZIP), failed=True)), "And?"],
    "history": [*history(FORWARD, RETURN, OTHERS), "And?"],
    "history with files": [*history(Message("return", "a", "user", "Seen", "c1", [PNG])), "And?"],
    "a summary": ["[Summary of what happened so far]: much", own(HM, A), came("seen")],
}  # fmt: skip
