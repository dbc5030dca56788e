"""A report opens from a file in a browser: no request, no complaint, nothing that keeps people out."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from agentouto import RunResult
from agentouto.exports import save
from exports.teams import busy_run
from page.browsing import Axe

HOSTILE = ' <script>alert(1)</script><img src="http://evil.example/x" onerror=alert(1)>'


@pytest.fixture(scope="module")
def result() -> RunResult:
    return busy_run(HOSTILE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1280])
def test_a_report_opens_without_a_request_and_keeps_no_one_out(
    page: Page, axe: Axe, result: RunResult, tmp_path: Path, scheme: str, width: int
) -> None:
    file = save(result, tmp_path / "report.html")
    requests: list[str] = []
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert complaints == []
    assert requests == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert axe.findings(page) == []
