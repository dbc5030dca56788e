"""A runner for every test that executes blocks of code from documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.runner import BlockRunner


@pytest.fixture
def runner(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> BlockRunner:
    monkeypatch.chdir(tmp_path)
    return BlockRunner(monkeypatch, capsys)
