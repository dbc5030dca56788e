"""Writes an export to a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from agentouto._domain.configuration_error import ConfigurationError, did_you_mean
from agentouto.exports._report import to_html
from agentouto.exports._sources import RunSource
from agentouto.exports._texts import to_jsonl, to_mermaid, to_svg

EXPORT_FORMS: Mapping[str, Callable[..., str]] = MappingProxyType(
    {"html": to_html, "svg": to_svg, "mermaid": to_mermaid, "jsonl": to_jsonl}
)
"""The forms of exports: name and function."""

_SUFFIXES = MappingProxyType(
    {
        ".html": "html",
        ".htm": "html",
        ".svg": "svg",
        ".mmd": "mermaid",
        ".mermaid": "mermaid",
        ".jsonl": "jsonl",
    }
)
"""Endings of names, by which a form is chosen; ``.mmd`` is that of Mermaid's own tools."""


def save(
    run: RunSource,
    path: str | Path,
    form: str | None = None,
    *,
    content: bool = True,
    overwrite: bool = False,
) -> Path:
    """Write ``run`` to a file and return its path.

    Args:
        run: The run.
        path: The file.
        form: ``html``, ``svg``, ``mermaid`` or ``jsonl``; by default what the name of the file
            ends with: ``.html``, ``.svg``, ``.mmd``, ``.jsonl``.
        content: Whether to keep texts, arguments and results.
        overwrite: Whether to replace a file that exists.

    Raises:
        ConfigurationError: The form is unknown, or the run is none.
        FileExistsError: The file exists, and ``overwrite`` is ``False``.
        OSError: The file cannot be read or written.
    """
    file = Path(path)
    known = form or _SUFFIXES.get(file.suffix.lower())
    if known is None:
        raise ConfigurationError(
            f"{file}: its name does not say in which form the run is saved. Name it "
            f"{', '.join(_SUFFIXES)}, or give form= one of {', '.join(EXPORT_FORMS)}"
        )
    if known not in EXPORT_FORMS:
        raise ConfigurationError(
            f"there is no form {known!r} to save a run in{did_you_mean(known, EXPORT_FORMS)}. "
            f"There are: {', '.join(EXPORT_FORMS)}"
        )
    if file.exists() and not overwrite:
        raise FileExistsError(f"{file} exists; overwrite=True replaces it")
    text = EXPORT_FORMS[known](run, content=content)
    # "x" fails if the file has come into being since the check; one line end on every system keeps
    # exports of the same run equal.
    with file.open("w" if overwrite else "x", encoding="utf-8", newline="\n") as out:
        out.write(text)
    return file
