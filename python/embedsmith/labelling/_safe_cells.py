"""Cells that no spreadsheet takes for a formula, and back."""

from __future__ import annotations

import re

__all__ = ["plain_cell", "safe_cell"]

# What may begin a formula, also in full width, or hide one; and the mark itself.
_TRIGGER = "'=+\\-@\t\r\n＝＋－＠"  # noqa: RUF001 - these very characters
# A spreadsheet of another country may divide a quoted cell at these.
_INNER = re.compile(rf"([;|\t\r\n][ ]*)(?=[{_TRIGGER}])")
_OUTER = re.compile(rf"[ ]*[{_TRIGGER}]")
_MARKED = re.compile(rf"([;|\t\r\n][ ]*)'(?=[{_TRIGGER}])")


def safe_cell(text: str) -> str:
    """Return a text with an apostrophe before whatever a spreadsheet could take for a formula.

    That is at its start, and after a semicolon, bar, tab or line break, at which a spreadsheet with
    another separator may divide it. :func:`plain_cell` takes the apostrophes away again.

    Examples
    --------
    >>> safe_cell("=1+1"), safe_cell("a;=1+1"), safe_cell("5 - 3"), safe_cell("'quoted'")
    ("'=1+1", "a;'=1+1", '5 - 3', "''quoted'")
    """
    inner = _INNER.sub(r"\1'", text)
    return f"'{inner}" if _OUTER.match(inner) else inner


def plain_cell(text: str) -> str:
    r"""Return the text of which :func:`safe_cell` made ``text``.

    Examples
    --------
    >>> all(plain_cell(safe_cell(text)) == text for text in ("=1", "'a", ";'=", "\t=x", "a"))
    True
    """
    outer = text.removeprefix("'")
    return _MARKED.sub(r"\1", outer)
