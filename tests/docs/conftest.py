"""A stage for every test that plays blocks of code out of documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.stage import Stage


@pytest.fixture
def stage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Stage:
    monkeypatch.chdir(tmp_path)
    return Stage(monkeypatch, capsys)
