"""The page on agents of other frameworks runs as it stands."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from docs.runner import execute_page
from edges.parties import python_module

for package in ("langchain", "langgraph", "pydantic_ai"):
    python_module(package)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guests.md"


def test_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)
    execute_page(PAGE, module.__dict__)
