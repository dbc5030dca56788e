"""Opens the person's browser, where there is one that does not take the terminal."""

from __future__ import annotations

from pathlib import Path

IN_THE_TERMINAL = frozenset({"elinks", "links", "lynx", "w3m", "www-browser"})
"""Browsers that draw themselves where the program that asks is drawn."""


def open_in_browser(url: str) -> bool:
    """Open ``url`` in the browser of this machine; return whether that was possible."""
    import webbrowser  # noqa: PLC0415 - only where somebody signs in

    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    if Path(getattr(browser, "name", "")).name in IN_THE_TERMINAL:
        return False
    if type(browser) is webbrowser.GenericBrowser:  # waits until it is closed, and the page with it
        browser = webbrowser.BackgroundBrowser([browser.name, *browser.args])
    return browser.open(url)
