"""A request for a person's consent to one use of a tool, and how it is shown.

What is shown must be what runs, whatever the arguments are. So each argument is one line of JSON
under its name, invisible characters are escapes, and a long text is cut in the middle: no argument
can add lines that look like a question, or push the question off the screen, which comes last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

MAX_ARGUMENT_CHARACTERS = 1_000
"""How many characters of one argument are shown: half of a terminal of 80 columns and 24 rows."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One use of a tool that waits for a person's consent.

    Attributes:
        id: The id of this request, which ``approve(id, ...)`` of a handle takes. It stands for one
            tool call with exactly these arguments: another call, or other arguments, have another.
        tool: The name of the tool.
        arguments: The arguments by name, as JSON values. The tool is called with these, after they
            have been checked; changing this dictionary changes nothing.
        agent: The name of the agent that wants to use the tool.
        call_id: The call in which it does.
    """

    id: str
    tool: str
    arguments: dict[str, object]
    agent: str
    call_id: str

    @property
    def text(self) -> str:
        """The request as lines of text: the arguments, and the question last."""
        arguments = self.arguments.items()
        shown = [f"{_visible(name)}: {shown_value(value)}" for name, value in arguments]
        return "\n".join((*shown, f"May {self.agent} use the tool {_visible(self.tool)}?"))


def shown_value(value: object) -> str:
    """Return ``value`` as one line of JSON, with every invisible character as an escape.

    More than ``MAX_ARGUMENT_CHARACTERS`` are cut in the middle. In a text, the note about it stands
    outside of the quotation marks, where no model can write one.
    """
    if not isinstance(value, str):
        return _shortened(_visible_json(value), str, "")
    return _shortened(value, _visible_json, " ")


def _shortened(text: str, show: Callable[[str], str], space: str) -> str:
    left_out = len(text) - MAX_ARGUMENT_CHARACTERS
    if left_out <= 0:
        return show(text)
    half = MAX_ARGUMENT_CHARACTERS // 2
    note = f"[… {left_out:,} characters are not shown …]"
    return f"{show(text[:half])}{space}{note}{space}{show(text[-half:])}"


def as_json(arguments: dict[str, object]) -> str:
    """Return ``arguments`` as JSON; objects that a hook has put in as their ``repr``."""
    import json  # noqa: PLC0415 - most runs ask for no approval

    return json.dumps(arguments, default=repr)


def from_json(text: str) -> dict[str, object]:
    """Return the arguments that ``as_json`` has written."""
    import json  # noqa: PLC0415

    return cast("dict[str, object]", json.loads(text))


def _visible_json(value: object) -> str:
    # The json module also writes what msgspec refuses: large numbers and halves of characters.
    import json  # noqa: PLC0415

    return _visible(json.dumps(value, ensure_ascii=False))


def _visible(text: str) -> str:
    r"""Return ``text`` with characters that show nothing as escapes, such as ``\u202e``.

    These are the Unicode categories "Other" and "Separator", but for the space: controls, signs for
    the direction of text (UAX #9), spaces without width, tags.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
