"""The table of kinds: every row can be opened, and nothing else has to know a kind."""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import agentouto
from agentouto._domain.kinds import BUILT_IN, KINDS, Kind
from agentouto._domain.participants import Provider
from agentouto.providers import example_models, open_backend
from agentouto.providers._format.wire import Wire
from agentouto.providers._transport import wire_loading
from agentouto.testing import Script

PACKAGE = Path(agentouto.__file__).parent
ACME = Path(__file__).with_name("acme.py")

ROW = """BuiltInKind(
            "acme",
            f"{_PROVIDERS}._acme:AcmeWire",
            key_variables=("ACME_API_KEY", "ACME_TOKEN"),
            example_model="acme-1",
        ),
        """


def test_every_name_has_a_row_and_every_row_a_name() -> None:
    assert tuple(BUILT_IN) == KINDS == get_args(Kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_there_is_can_be_opened(kind: str, tmp_path: Path) -> None:
    settings = {
        "script": {"script": Script({})},
        "record": {"file": tmp_path / "tape", "source": Provider("openai")},
    }
    backend = open_backend(Provider(kind, **settings.get(kind, {})))  # type: ignore[arg-type]
    assert callable(backend.stream)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_with_a_vendor_says_all_about_it_and_others_nothing(kind: str) -> None:
    row = BUILT_IN[kind]
    assert bool(row.wire) != bool(row.backend)
    assert len({bool(row.wire), bool(row.key_variables), bool(row.sold_by)}) == 1
    assert row.example_model == example_models().get(kind, "")


def test_a_wire_is_checked_for_all_that_the_port_names() -> None:
    port = {name for name, _ in inspect.getmembers(Wire) if not name.startswith("_")}
    assert {"url", *wire_loading._METHODS} == port


def test_a_kind_is_compared_with_a_name_in_the_table_only() -> None:
    """What a kind needs stands in its row, so that a new one is complete with that."""

    def is_kind(node: ast.expr) -> bool:
        return isinstance(node, ast.Attribute) and ast.unparse(node).endswith("provider.kind")

    def asked(tree: ast.Module) -> Iterator[ast.AST]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and any(map(is_kind, (node.left, *node.comparators))):
                yield node
            if isinstance(node, ast.Subscript) and is_kind(node.slice):
                yield node
            if isinstance(node, ast.Match) and is_kind(node.subject):
                yield node

    found = [
        f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', '?')}"
        for path in PACKAGE.rglob("*.py")
        for node in asked(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found


def test_a_new_built_in_kind_is_its_row_and_its_wire(tmp_path: Path) -> None:
    """A copy of the package gets two changes, and everything knows the kind."""
    package = tmp_path / "agentouto"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    table = package / "_domain" / "kinds.py"
    text = table.read_text(encoding="utf-8")
    text = text.replace('"script", "record"]', '"script", "record", "acme"]')
    text = re.sub(r'BuiltInKind\(\s*"script"', lambda found: ROW + found[0], text)
    table.write_text(text, encoding="utf-8")
    wire, _, _ = ACME.read_text(encoding="utf-8").partition("ACME = KindSpec(")
    (package / "providers" / "_acme.py").write_text(wire, encoding="utf-8")

    program = """
import agentouto
from agentouto import Agent, AuthError, ConfigurationError, KindSpec, Provider, run
from agentouto.providers import example_models, missing_key, open_backend

agent = Agent("a", "", "acme-1", "acme")
assert missing_key(Provider("acme")) == "ACME_API_KEY"
assert example_models()["acme"] == "acme-1"
assert type(open_backend(Provider("acme"))._wire).__module__ == "agentouto.providers._acme"
try:
    run("Hi", [agent])
except AuthError as error:
    assert "ACME_API_KEY or ACME_TOKEN" in str(error)
try:
    KindSpec("acme", "acme:AcmeWire")
except ConfigurationError as error:
    print(agentouto.__file__, error)
"""
    command = [sys.executable, "-c", program]
    unmeasured = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    env = unmeasured | {"PYTHONPATH": str(tmp_path)}  # the copy is not what coverage is for
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(package))
    assert "'acme' is the name of a built-in kind" in done.stdout
