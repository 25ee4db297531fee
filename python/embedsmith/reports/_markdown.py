"""A document as Markdown: words and tables, for wikis, tickets and pull requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from embedsmith.reports._document import Card, Code, Facts, Fold, Table, Text
from embedsmith.reports._visible import shortened, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith.reports._document import Block, Cell, Document

__all__ = ["markdown_document", "plain_markdown"]

_LIMIT = 700
# All that is markup somewhere in a line, HTML included.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~$@&])")
# And what is markup at its start, or turns words into a link.
_START = re.compile(r"^(\s*)([-+=]|\d+[.)])(?=\s|$)|(https?|ftp)(://)|\b(www)(\.)", re.IGNORECASE)
_DEEPEST = 6


def markdown_document(document: Document) -> str:
    """Return the words and tables of a document in GitHub's Markdown, without its plots.

    Parameters
    ----------
    document : Document
        What to show.

    Returns
    -------
    str
        Every text of the data is escaped: none can add markup, a link or a column. Ends with a
        newline.
    """
    parts = [f"# {plain_markdown(document.title)}", plain_markdown(document.subtitle)]
    for section in document.sections:
        parts.append(f"## {plain_markdown(section.title)}")
        parts += _blocks(section.blocks, 3)
    if document.absent:
        parts.append("## Not in this report")
        parts.append("\n".join(f"- {plain_markdown(reason)}" for reason in document.absent))
    return "\n\n".join(parts) + "\n"


def _blocks(blocks: Sequence[Block], level: int) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Text):
            if block.tone == "guide":
                continue
            words = plain_markdown(block.text)
            yield {"best": f"**{words}**", "warning": f"**Caution:** {words}"}.get(
                block.tone, words
            )
        elif isinstance(block, Table):
            yield _table(block)
        elif isinstance(block, Facts):
            yield "\n".join(
                f"- {plain_markdown(name)}: {plain_markdown(value)}" for name, value in block.pairs
            )
        elif isinstance(block, Code):
            # Indented: no run of backticks in it can end it.
            yield "\n".join(f"    {line}" for line in visible(block.text).splitlines())
        elif isinstance(block, Card):
            statement = plain_markdown(block.statement)
            yield f"- {plain_markdown(block.name)}: **{block.word}**. {statement}"
        elif isinstance(block, Fold):
            yield f"{'#' * min(level, _DEEPEST)} {plain_markdown(block.title)}"
            yield from _blocks(block.blocks, level + 1)
        else:
            yield f"{'#' * min(level, _DEEPEST)} {plain_markdown(block.title)}"
            yield _table(block.table, under=block.title)


def _table(table: Table, *, under: str = "") -> str:
    """Return a table below its caption, which a heading of the same words stands for."""
    lines = [
        *([] if table.caption == under else [f"{plain_markdown(table.caption)}:\n"]),
        _row([plain_markdown(head.text) for head in table.head]),
        _row(["---:" if head.numeric else "---" for head in table.head]),
        *(_row([_cell(cell) for cell in row]) for row in table.rows),
    ]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = plain_markdown(cell.text)
    if cell.tone == "best":
        text = f"**{text}**"
    return f"{text} {plain_markdown(cell.detail)}".rstrip()


def plain_markdown(text: str) -> str:
    """Return a text on one line in which nothing is markup."""
    line = " ".join(visible(shortened(text, _LIMIT)).split())
    line = _MARKUP.sub(r"\\\1", line)
    # A link needs its colon or its dot: one that stands for itself is read and not followed.
    return _START.sub(_defused, line)


def _defused(found: re.Match[str]) -> str:
    if found[3]:
        return f"{found[3]}&#58;//"
    if found[5]:
        return f"{found[5]}&#46;"
    return f"{found[1]}{found[2][:-1]}\\{found[2][-1]}"
