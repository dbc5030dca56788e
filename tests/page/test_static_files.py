"""The files of the page: how large they are, and that the foreign one is what it says it is."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import agentouto.ui

STATIC = Path(agentouto.ui.__file__).parent / "static"
SCRIPTS = sorted(STATIC.glob("*.js"))

MOST_SCRIPT = 80 * 1024
MOST_COMPRESSED = 30 * 1024


def test_the_scripts_are_small() -> None:
    whole = b"".join(path.read_bytes() for path in SCRIPTS)
    assert len(whole) <= MOST_SCRIPT
    assert len(gzip.compress(whole)) <= MOST_COMPRESSED


def test_the_foreign_script_has_its_licences_and_is_unchanged() -> None:
    note = (STATIC / "vendor.md").read_text(encoding="utf-8")
    digest = hashlib.sha256((STATIC / "vendor.js").read_bytes()).hexdigest()
    assert f"SHA-256 of vendor.js: `{digest}`" in note
    assert "MIT" in note
    assert "Permission is hereby granted, free of charge" in note
    assert "Apache-2.0" in note


def test_no_file_names_another_host() -> None:
    for path in STATIC.iterdir():
        if path.suffix in {".js", ".css", ".html"}:
            named = re.findall(r"https?://[^\s'\"`)]+", path.read_text(encoding="utf-8"))
            namespaces = [one for one in named if one.startswith("http://www.w3.org/")]
            assert named == namespaces, path.name


def test_no_script_makes_html_of_text() -> None:
    for path in SCRIPTS:
        text = path.read_text(encoding="utf-8")
        assert path.name == "vendor.js" or not re.search(r"innerHTML|insertAdjacent|eval\(", text)
