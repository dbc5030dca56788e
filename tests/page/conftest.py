"""One browser for all tests, which reaches this machine only, and axe, which looks at its pages."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from outside.simulators import absent
from page.browsing import Axe, Visitor

NAMES = ("chromium", "chromium-browser", "google-chrome")
IN_THREAD = ThreadPoolExecutor(1, "browser")
"""The one thread that talks with the browser."""

ARGUMENTS = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have 64 MB of it
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    arguments = [*ARGUMENTS, *root]
    playwright = IN_THREAD.submit(sync_playwright().start).result()

    def launch() -> Browser:
        return playwright.chromium.launch(executable_path=found, args=arguments, timeout=60_000)

    try:
        try:
            browser = IN_THREAD.submit(launch).result()
        except Error as error:
            absent(f"no Chromium can be started: {str(error)[:400]}")
        yield browser
        IN_THREAD.submit(browser.close).result()
    finally:
        IN_THREAD.submit(playwright.stop).result()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test with a browser in the thread that the browser belongs to.

    There, playwright keeps an event loop running. In the main thread, no other test could run one.
    """
    if "browser" not in pyfuncitem.fixturenames:
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    IN_THREAD.submit(pyfuncitem.obj, **arguments).result()
    return True


@pytest.fixture(scope="session")
def axe() -> Axe:
    file = Path(sys.prefix) / "axe/node_modules/axe-core/axe.min.js"
    if not file.is_file():
        absent(f"axe-core is not in {file.parent}; 'python3 dev.py test' puts it there")
    return Axe(file.read_text(encoding="utf-8"))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    def make() -> BrowserContext:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(20_000)
        return context

    context = IN_THREAD.submit(make).result()
    yield IN_THREAD.submit(context.new_page).result()
    IN_THREAD.submit(context.close).result()


@pytest.fixture
def visitor(page: Page) -> Iterator[Visitor]:
    """A person at the page, who sees no error on the console and no request to elsewhere."""
    visitor = IN_THREAD.submit(Visitor, page).result()
    yield visitor
    assert visitor.complaints == []
