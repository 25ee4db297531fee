"""A small table with a caption, written as Markdown, LaTeX or HTML."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

__all__ = ["Grid", "Mark", "grid_to_html", "grid_to_latex", "grid_to_markdown"]

# Characters that Markdown (GitHub's) would read as markup; a backslash makes them plain.
_MARKDOWN = re.compile(r"([\\`*_\[\]|~$^#])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
}


@dataclass(frozen=True)
class Mark:
    """A number, and what stands above its end.

    Attributes
    ----------
    text : str
        The number.
    marks : tuple of str
        Letters.
    """

    text: str
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """A table to be written.

    Attributes
    ----------
    caption : str
        What the reader has to know.
    head : tuple of str
        One name per column.
    rows : tuple of tuple of (str or Mark)
        Text, which stands left, or numbers, which stand right.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str | Mark, ...], ...]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers, by the first row."""
        first = self.rows[0] if self.rows else ("",) * len(self.head)
        return tuple(isinstance(cell, Mark) for cell in first)


def _one_line(text: str) -> str:
    # A name with a line break would end the row; other controls break LaTeX and HTML, or turn the
    # direction of what follows. Half a surrogate pair cannot be written to a file.
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+", " ", text)
    return re.sub(r"[\ud800-\udfff]", "\ufffd", text)


def _markdown(text: str) -> str:
    plain = _MARKDOWN.sub(r"\\\1", _one_line(text))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def grid_to_markdown(grid: Grid) -> str:
    """Return the table for GitHub's Markdown; superscripts are HTML, which it allows."""

    def cell(value: str | Mark) -> str:
        if isinstance(value, str):
            return _markdown(value)
        above = f"<sup>{','.join(value.marks)}</sup>" if value.marks else ""
        return value.text + above

    def line(cells: list[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rule = ["---:" if numeric else ":---" for numeric in grid.numeric]
    lines = [line([_markdown(name) for name in grid.head]), line(rule)]
    lines += [line([cell(value) for value in row]) for row in grid.rows]
    return "\n".join([*lines, "", _markdown(grid.caption), ""])


def _latex(text: str) -> str:
    escaped = "".join(_LATEX.get(character, character) for character in _one_line(text))
    # Two hyphens would become a dash.
    return re.sub(r"-(?=-)", "-{}", escaped)


def grid_to_latex(grid: Grid) -> str:
    """Return a table environment for LaTeX; it needs the package booktabs."""

    def cell(value: str | Mark) -> str:
        if isinstance(value, str):
            return _latex(value)
        above = rf"\textsuperscript{{{','.join(value.marks)}}}" if value.marks else ""
        # A hyphen is no minus, and "<" is another character in LaTeX's old fonts.
        return re.sub(r"-(?=\d)", "$-$", value.text).replace("<", "$<$") + above

    columns = "".join("r" if numeric else "l" for numeric in grid.numeric)
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_latex(grid.caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(_latex(name) for name in grid.head) + r" \\",
        r"\midrule",
        *(" & ".join(cell(value) for value in row) + r" \\" for row in grid.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def grid_to_html(grid: Grid) -> str:
    """Return a table element; it refers to no style sheet, script or other file."""

    def cell(value: str | Mark, *, first: bool) -> str:
        if isinstance(value, str):
            text = html.escape(_one_line(value))
            return f'<th scope="row">{text}</th>' if first else f"<td>{text}</td>"
        above = f"<sup>{','.join(map(html.escape, value.marks))}</sup>" if value.marks else ""
        return f'<td style="text-align: right">{html.escape(value.text)}{above}</td>'

    def row(values: tuple[str | Mark, ...]) -> str:
        cells = (cell(value, first=place == 0) for place, value in enumerate(values))
        return f"<tr>{''.join(cells)}</tr>"

    head = "".join(f'<th scope="col">{html.escape(_one_line(name))}</th>' for name in grid.head)
    lines = [
        '<table class="embedsmith-comparison">',
        f"<caption>{html.escape(_one_line(grid.caption))}</caption>",
        f"<thead><tr>{head}</tr></thead>",
        "<tbody>",
        *map(row, grid.rows),
        "</tbody>",
        "</table>",
        "",
    ]
    return "\n".join(lines)
