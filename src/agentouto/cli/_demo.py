"""``agentouto demo``: builds the demo team, runs it, and completes its report.

The team itself, its tools and its scripted models are in the package ``demo``; the run is executed
by ``_execute``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agentouto import Provider
from agentouto.cli._arguments import require_page
from agentouto.cli._execute import check_names, execute_run, print_answer
from agentouto.cli._exit_codes import ExitCode, ExitError
from agentouto.cli._run import check_keys, limits_notices
from agentouto.cli._terminal_text import print_notice
from agentouto.cli._views import CommandOptions, Progress
from agentouto.cli.demo.findings import Findings
from agentouto.cli.demo.folder import Folder
from agentouto.cli.demo.report import complete_report, may_overwrite
from agentouto.cli.demo.team import MESSAGE, make_team, scripted
from agentouto.cli.demo.tools import FolderTools
from agentouto.wires import example_models

WATCHED_PAUSE = 0.009
"""Seconds between two pieces of a scripted word while a person watches.

At this speed a whole demo takes about ten seconds: slow enough to read the tree, fast enough to
wait for.
"""

DEMO_NOTICE = "Demo team, scripted models: no key and no network used."


def serve_demo(
    path: Path,
    report: Path,
    model: str,
    base_url: str,
    pause: float | None,
    options: CommandOptions,
) -> ExitCode:
    """Serve the page of the demo team, which reviews ``path`` when the person starts it."""
    require_page()
    from agentouto.cli._ui import PageOptions, serve_page  # noqa: PLC0415 - needs an extra
    from agentouto.ui import PageSetup  # noqa: PLC0415 - likewise

    _check_report(report)
    provider, name = _choose_model(model, base_url, WATCHED_PAUSE if pause is None else pause)
    findings = Findings(Folder(path, report, None))
    team = make_team(FolderTools(findings, report).functions(), provider, name)
    check_keys(team, has_file=False)
    limits = options.limits if model else None
    setup = PageSetup(team, source="the demo", limits=limits, message=MESSAGE)
    return serve_page(setup, PageOptions())


def run_demo(
    path: Path,
    report: Path,
    model: str,
    base_url: str,
    pause: float | None,
    options: CommandOptions,
) -> ExitCode:
    """Review ``path``, write ``report`` and print the answer."""
    _check_report(report)
    watched = options.resolved_progress() is Progress.TREE and not options.jsonl
    provider, name = _choose_model(
        model, base_url, WATCHED_PAUSE if pause is None and watched else pause or 0.0
    )
    findings = Findings(
        Folder(
            path, report, print_notice if options.resolved_progress() is Progress.LINES else None
        )
    )
    team = make_team(FolderTools(findings, report).functions(), provider, name)
    check_names(team, options)
    check_keys(team, has_file=False)
    notices = limits_notices(team, options)
    if not model:  # scripted models cost nothing, and the person may take any time to answer
        options = replace(options, limits=None)
        notices = [] if options.quiet else [DEMO_NOTICE]
    lines: list[Mapping[str, object]] = []
    try:
        result = execute_run(
            team, MESSAGE, None, options, lines.append, asks=_can_ask(options), notices=notices
        )
    except BaseException:
        if findings.sizes:
            complete_report(findings, report, lines)
        raise
    complete_report(findings, report, lines)
    code = print_answer(result, options)
    if not options.quiet:
        sys.stderr.write(f"Report: {report}\n")
    return code


def _can_ask(options: CommandOptions) -> bool:
    return bool(options.answers) or (sys.stdin.isatty() and sys.stderr.isatty())


def _choose_model(model: str, base_url: str, pause: float) -> tuple[Provider, str]:
    if not model:
        if base_url:
            raise ExitError("--base-url goes with --model KIND:NAME.", ExitCode.USAGE)
        return scripted(pause), "scripted"
    kind, _, name = model.partition(":")
    examples = example_models()
    if kind in examples and not name:
        why = f"--model {model} does not say which model of {kind}."
        raise ExitError(f"{why} For example: --model {kind}:{examples[kind]}", ExitCode.USAGE)
    if not (kind and name):
        only = model.strip(":") or examples["openai"]
        raise ExitError(f"--model takes KIND:NAME, for example openai:{only}.", ExitCode.USAGE)
    if kind not in examples:
        why = f"--model {model}: the demo knows no kind {kind}; there are: {', '.join(examples)}."
        more = "A kind of your own is an object: put it into a team file, and `agentouto run` that."
        raise ExitError(f"{why} {more}", ExitCode.USAGE)
    return Provider(kind, base_url=base_url or None), name


def _check_report(report: Path) -> None:
    if not report.parent.is_dir():
        raise ExitError(f"There is no folder {report.parent} for the report.", ExitCode.USAGE)
    if not may_overwrite(report):
        why = f"{report} is there already, and was not written by the demo."
        raise ExitError(f"{why} Name another: --report FILE", ExitCode.USAGE)
