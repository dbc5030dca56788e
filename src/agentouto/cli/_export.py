"""``agentouto runs export`` and ``agentouto lint``: read the lines of a run, and write about it."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentouto import ConfigurationError, Journal
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._journal_choice import find_run, home_journal, named_journal, saved_journal
from agentouto.cli._terminal_text import clean, plural
from agentouto.events import lint as find_failures
from agentouto.events import read
from agentouto.exports import EXPORT_FORMS, save, to_svg

OTLP = "otlp"
PICTURES = ("auto", "sequence", "time")


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How a run is exported: the options of ``agentouto runs export``."""

    to: str
    output: Path | None
    picture: str
    content: bool
    force: bool


def export_run(run: str, journal: str, options: ExportOptions) -> ExitCode:
    """Write the run, or send it."""
    forms = (*EXPORT_FORMS, OTLP)
    if options.to and options.to not in forms:
        raise ExitError(
            f"--to {options.to}: there is no such form. There are: {', '.join(forms)}",
            ExitCode.USAGE,
        )
    if options.picture not in PICTURES:
        raise ExitError(
            f"--picture {options.picture}: there is no such picture. There are: "
            f"{', '.join(PICTURES)}",
            ExitCode.USAGE,
        )
    if options.output is None and not options.to:
        raise ExitError(
            f"runs export needs --to FORM or -o FILE. Forms: {', '.join(forms)}", ExitCode.USAGE
        )
    lines = read_run(run, journal)
    if options.to == OTLP:
        return _send_spans(lines, options)
    _write(lines, options)
    return ExitCode.RETURNED


def lint_run(run: str, journal: str, *, as_json: bool) -> ExitCode:
    """Print what went wrong, one finding a line."""
    findings = find_failures(read_run(run, journal))
    for one in findings:
        fields = {name: getattr(one, name) for name in one.__struct_fields__}
        if as_json:
            text = json.dumps(fields, separators=(",", ":"))
        else:
            text = clean(f"{one.at:.2f} s  {one.check} ({one.mode} {one.term}): {one.what}")
            text += f"  [call {clean(one.call)}, line {one.seq}]"
        sys.stdout.write(text + "\n")
    if not findings and not as_json:
        sys.stderr.write("Nothing was found. Whether the answer is right, events do not show.\n")
    return ExitCode.FAILED if findings else ExitCode.RETURNED


def read_run(run: str, journal: str) -> Sequence[Mapping[str, object]]:
    """Return the lines of a run, and say on standard error if it has not ended."""
    lines: Sequence[Mapping[str, object]]
    if journal or (run != "-" and _is_saved(run)):
        lines = find_run(saved_journal(journal), run).lines()
    elif run == "-":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "standard input")
            file.write_bytes(sys.stdin.buffer.read())
            lines = read(file)
    else:
        try:
            lines = read(run)
        except OSError as error:
            raise ExitError(f"{run} cannot be read: {error.strerror or error}") from error
    if not lines:
        raise ExitError(f"{run} has no event line, so there is no run to show")
    if not any(line["type"] == "run.end" for line in lines):
        sys.stderr.write(
            "This run has not ended: it goes on, or was cut off. This is what there is.\n"
        )
    return lines


def _is_saved(run: str) -> bool:
    """Whether ``run`` is no file and the beginning of the id of a saved run."""
    journal = Journal(named_journal("") or home_journal())
    if Path(run).exists() or not journal.exists():
        return False
    return any(saved.id.startswith(run) for saved in journal.runs())


def _write(lines: Sequence[Mapping[str, object]], options: ExportOptions) -> None:
    if options.output is not None:
        if options.output.exists() and not options.force:
            raise ExitError(f"{options.output} exists; --force replaces it", ExitCode.USAGE)
        is_svg = options.to == "svg" or (not options.to and options.output.suffix == ".svg")
        if is_svg and options.picture != "auto":
            options.output.write_text(_draw(lines, options), encoding="utf-8")
        else:
            form = options.to or None
            save(lines, options.output, form, content=options.content, overwrite=options.force)
        sys.stderr.write(f"Written: {options.output}\n")
        return
    is_svg = options.to == "svg"
    text = (
        _draw(lines, options)
        if is_svg
        else EXPORT_FORMS[options.to](lines, content=options.content)
    )
    sys.stdout.write(clean(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def _draw(lines: Sequence[Mapping[str, object]], options: ExportOptions) -> str:
    match options.picture:
        case "sequence":
            return to_svg(lines, "sequence", content=options.content)
        case "time":
            return to_svg(lines, "time", content=options.content)
        case _:
            return to_svg(lines, content=options.content)


def _send_spans(lines: Sequence[Mapping[str, object]], options: ExportOptions) -> ExitCode:
    if options.output is not None:
        raise ExitError("--to otlp sends the run, so -o FILE means nothing", ExitCode.USAGE)
    try:
        from agentouto.otel import send_otlp  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ExitError(str(error)) from error
    try:
        count = send_otlp(lines, content=None if options.content else False)
    except ConfigurationError as error:
        raise ExitError(str(error)) from error
    sys.stderr.write(f"Sent: {plural(count, 'span')}\n")
    return ExitCode.RETURNED
