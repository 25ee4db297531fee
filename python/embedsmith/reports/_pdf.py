"""A page on paper, by a browser that is installed here."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from embedsmith._deps import require
from embedsmith.exceptions import MissingDependencyError, OutputError

__all__ = ["find_browser", "pdf_of"]

# In this order; all of them are Chromium.
_BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
)


def find_browser() -> str | None:
    """Return the path of an installed Chromium, Chrome or Edge; None if none is on PATH."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


def pdf_of(page: str) -> bytes:
    """Return an HTML page as PDF, as a browser prints it: all details open, light colours.

    The browser is started for it without a window, without a network and without scripts, and
    reads a temporary file.

    Parameters
    ----------
    page : str
        A whole page.

    Returns
    -------
    bytes
        A tagged PDF with an outline. Unlike the page, it holds the time at which it was made.

    Raises
    ------
    MissingDependencyError
        If playwright is not installed.
    OutputError
        If there is no browser, or it fails; the message holds its reason.
    """
    api: Any = require("playwright.sync_api", extra="pdf", feature="A PDF report")
    # In a thread of its own: a notebook has a loop of events in this one.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_print, api, page).result()


def _print(api: Any, page: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder, api.sync_playwright() as driver:
        place = Path(folder) / "report.html"
        place.write_text(page, encoding="utf-8")
        try:
            # playwright's own browser, where no other is on PATH.
            browser = driver.chromium.launch(executable_path=find_browser())
        except api.Error as error:
            raise _without_browser(error) from error
        try:
            context = browser.new_context(java_script_enabled=False, offline=True)
            sheet = context.new_page()
            sheet.goto(place.as_uri())
            content: bytes = sheet.pdf(prefer_css_page_size=True, tagged=True, outline=True)
        except api.Error as error:
            msg = f"the browser could not print it: {_first_line(error)} Write .html instead."
            raise OutputError(msg) from error
        finally:
            browser.close()
    return content


def _without_browser(error: Exception) -> Exception:
    found = find_browser()
    if found is not None:
        msg = f"{found} does not start: {_first_line(error)} Write .html, and print it elsewhere."
        return OutputError(msg)
    msg = (
        "A PDF report needs Chromium, Chrome or Edge, and none is on PATH. Install one "
        "(apt-get install chromium, or playwright install chromium), or write .html and print it."
    )
    return MissingDependencyError(msg, name="chromium")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") + "."
