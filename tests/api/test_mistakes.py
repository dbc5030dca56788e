"""What cannot work is refused where it is given, with what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentouto import (
    Agent,
    Attachment,
    ConfigurationError,
    Hooks,
    Limits,
    Provider,
    Team,
    Tool,
    run,
)
from agentouto.testing import Script, Turn, finish, say, think
from teams import peers

# Mistakes on purpose, so without the types that would find them.
AGENT: Any = Agent
ATTACHMENT: Any = Attachment
HOOKS: Any = Hooks
LIMITS: Any = Limits
PROVIDER: Any = Provider
RUN: Any = run
SAY: Any = say
THINK: Any = think
TOOL: Any = Tool
TURN: Any = Turn
TEAM: Any = Team


def solo() -> list[Agent]:
    return peers({"solo": [finish("Done.")]}, "solo")


def look(path: str) -> str:
    """Look."""
    return path


WORDS: list[tuple[Callable[[], object], str]] = [
    (lambda: AGENT("a", "i", "m", "openai", tools=[]), r"'tools': .*run\(\.\.\., tools="),
    (lambda: AGENT("a", system_prompt="i"), r"'system_prompt': it is instructions= here"),
    (lambda: AGENT("a", "i", "m", "openai", temprature=1), r"Did you mean 'temperature'\?"),
    (lambda: AGENT("a", "i", "m", "openai", max_tokens=9), r"max_output_tokens= here"),
    (lambda: LIMITS(request=3), r"Limits\(\) has no argument 'request'. Did you mean 'requests'\?"),
    (lambda: LIMITS(max_turns=3), r"turns= here"),
    (lambda: HOOKS(on_forwards=look), r"Hooks\(\) has no .*Did you mean 'on_forward'\?"),
    (
        lambda: TURN(say("x"), delays=1),
        r"Turn\(\) has no argument 'delays'. Did you mean 'delay'\?",
    ),
    (lambda: PROVIDER("x", kind="openai", url="http://localhost"), r"'url': it is base_url= here"),
    (lambda: RUN("Go.", solo(), max_turns=3), r"'max_turns': .*Limits\(turns="),
    (lambda: RUN("Go.", solo(), run_agent=solo()), r"Did you mean 'run_agents'\?"),
    (lambda: RUN("Go.", solo(), system_prompt="x"), r"Agent\(\.\.\., instructions="),
    (lambda: TEAM(solo(), max_turns=3), r"Team\(\) has no argument 'max_turns': .*Limits\(turns="),
]


@pytest.mark.parametrize(("mistake", "hint"), WORDS)
def test_a_word_from_elsewhere_is_answered_with_ours(
    mistake: Callable[[], object], hint: str
) -> None:
    with pytest.raises(TypeError, match=hint):
        mistake()


def ask_nothing() -> str:
    return ""


def one_argument(one: object) -> None:
    return None


VALUES: list[tuple[Callable[[], object], str]] = [
    (lambda: AGENT("a", "i", "", "openai"), "model='' names no model"),
    (lambda: AGENT("a", "i", "m", "openai", output_type="Report"), "is a value and no type"),
    (lambda: RUN("Go.", solo(), output_type="Report"), "is a value and no type"),
    (lambda: RUN("Go.", solo(), debug="yes"), "debug= takes True or False, not 'yes'"),
    (
        lambda: RUN("Go.", solo(), allow_background_agents="no"),
        "allow_background_agents= takes True or False, not 'no'",
    ),
    (lambda: RUN("Go.", solo(), extra_instructions=5), "extra_instructions= takes text, not 5"),
    (lambda: TOOL(look, needs_approval="no"), "needs_approval= takes True or False, not 'no'"),
    (lambda: PROVIDER("openai", script=Script({})), "script= is for kind='script' only"),
    (lambda: PROVIDER("openai", file="a.json"), "file= is for kind='record' only"),
    (lambda: PROVIDER("ollama"), r"kind=\"openai\", base_url=\"http://localhost:11434/v1\""),
    (lambda: PROVIDER("local", base_url="http://localhost:1/v1"), 'kind="openai"'),
    (lambda: PROVIDER("opnai"), r"Did you mean 'openai'\?"),
    (lambda: ATTACHMENT("image/png", url="photo.png"), r"Attachment\.from_file\(path\)"),
    (lambda: ATTACHMENT("image/png", url="/etc/passwd"), r"Attachment\.from_file\(path\)"),
    (lambda: ATTACHMENT("image/png", url="C:\\\\photo.png"), r"Attachment\.from_file\(path\)"),
    (lambda: ATTACHMENT("image/png", url="file:///photo.png"), r"Attachment\.from_file\(path\)"),
    (lambda: RUN("Go.", solo()[0]), r"not the agent 'solo' alone: write \[agent\]"),
    (lambda: RUN("Go.", solo(), run_agents=solo()[0]), r"write \[agent\]"),
    (lambda: RUN(solo(), "Go."), "the message comes first"),
    (lambda: RUN("Go.", solo(), providers=PROVIDER("openai")), "providers= takes a list"),
    (
        lambda: RUN("Go.", [Agent("a", "i", "openai", "gpt-5.2")]),
        "Known here: openai, .*swapped: model='gpt-5.2', provider='openai'",
    ),
    (lambda: RUN("Go.", [Agent("a", "i", "m", "opnai")]), r"Did you mean 'openai'\?"),
    (lambda: RUN("Go.", [Agent("a", "i", "m", "ollama")]), "http://localhost:11434/v1"),
    (
        lambda: RUN("Go.", solo(), history=[{"role": "user", "content": "x"}]),
        "history= takes the messages of an earlier run",
    ),
    (
        lambda: RUN("Go.", solo(), ask_user=ask_nothing),
        r"ask_user= takes a function of \(message\) or \(message, here\), and ask_nothing\(\) -> 'str' cannot",
    ),
    (
        lambda: RUN("Go.", solo(), on_message=one_argument),
        r"on_message= takes a function of \(message, send\)",
    ),
    (lambda: HOOKS(around_tool=ask_nothing), r"around_tool=\) takes .*\(use\) or \(use, proceed\)"),
    (lambda: HOOKS(on_return=5), r"Hooks\(on_return=\) takes a function, not 5"),
    (lambda: TURN(SAY(5)), "its text is no text; write '5'"),
    (lambda: TURN(THINK(5)), "its text is no text"),
]


@pytest.mark.parametrize(("mistake", "hint"), VALUES)
def test_a_value_that_cannot_work_is_refused_with_what_can(
    mistake: Callable[[], object], hint: str
) -> None:
    with pytest.raises(ConfigurationError, match=hint) as raised:
        mistake()
    assert len(str(raised.value)) < 400


def test_a_function_without_a_readable_signature_is_taken() -> None:
    assert run("Go.", solo(), on_message=print, ask_user=str).output == "Done."


def test_an_attachment_is_read_from_a_file(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"PNG")
    file = Attachment.from_file(photo)
    assert (file.mime_type, file.data, file.name) == ("image/png", "UE5H", "photo.png")
    named = Attachment.from_file(str(photo), mime_type="image/x-own", name="a.own")
    assert (named.mime_type, named.name) == ("image/x-own", "a.own")


def test_the_type_of_a_file_must_be_known(tmp_path: Path) -> None:
    (tmp_path / "thing").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match="mime_type="):
        Attachment.from_file(tmp_path / "thing")
    with pytest.raises(FileNotFoundError):
        Attachment.from_file(tmp_path / "none.png")
