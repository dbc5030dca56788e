"""Opens a graphical browser on this machine, if there is one."""

from __future__ import annotations

from pathlib import Path

IN_THE_TERMINAL = frozenset({"elinks", "links", "lynx", "w3m", "www-browser"})
"""Text browsers: they would draw over the terminal that the program uses."""


def open_in_browser(url: str) -> bool:
    """Open ``url`` in the browser of this machine; return whether that was possible."""
    import webbrowser  # noqa: PLC0415 - needed for a sign-in only

    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    if Path(getattr(browser, "name", "")).name in IN_THE_TERMINAL:
        return False
    if type(browser) is webbrowser.GenericBrowser:  # GenericBrowser waits until the browser closes
        browser = webbrowser.BackgroundBrowser([browser.name, *browser.args])
    return browser.open(url)
