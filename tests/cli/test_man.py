"""``agentouto man``, and what the help says about exit codes."""

from __future__ import annotations

import re
from pathlib import Path

from cli.terminal import agentouto


def test_the_manual_page_has_every_command_of_the_help(tmp_path: Path) -> None:
    page = agentouto("man", cwd=tmp_path)
    assert page.code == 0
    help_ = agentouto("--help", cwd=tmp_path).out
    commands = re.findall(r"^  ([a-z]+)  ", help_.partition("Commands:")[2], re.MULTILINE)
    described = [*dict.fromkeys(re.findall(r"^\.SS agentouto ([a-z]+)", page.out, re.MULTILINE))]
    assert len(commands) > 10
    assert described == commands
    assert ".B \\-\\-no\\-limits\nNo limits but those of the team.\n" in page.out
    macros = set(re.findall(r"^\.[A-Z]+", page.out, re.MULTILINE))
    assert macros == {".TH", ".SH", ".SS", ".TP", ".PP", ".B"}


def test_the_help_has_all_exit_codes(tmp_path: Path) -> None:
    for arguments in (["--help"], ["run", "--help"]):
        words = " ".join(agentouto(*arguments, cwd=tmp_path).out.split())
        for code in ("0 returned", "1 failed", "2 wrong usage", "3 the team", "4 a provider"):
            assert code in words
        for code in ("5 a limit", "6 an agent asked you", "130 stopped"):
            assert code in words


def test_no_line_of_the_help_is_cut_at_80_columns(tmp_path: Path) -> None:
    for arguments in (["--help"], ["runs", "--help"], ["models", "--help"]):
        done = agentouto(*arguments, cwd=tmp_path, env={"COLUMNS": "80"})
        assert done.code == 0
        assert "...\n" not in done.out.partition("Commands:")[2]
        assert max(map(len, done.out.splitlines())) < 80
        assert "[[" not in done.out
