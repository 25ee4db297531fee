"""A result as a file for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from embedsmith._files import atomic_writer
from embedsmith.exceptions import OutputError
from embedsmith.reports._build import build_document
from embedsmith.reports._html import html_document
from embedsmith.reports._markdown import markdown_document
from embedsmith.reports._pdf import pdf_of

if TYPE_CHECKING:
    import os

    from embedsmith.evaluation import EvaluationResult

__all__ = ["ReportFormat", "report_format", "write_report"]

ReportFormat: TypeAlias = Literal["html", "md", "pdf"]

_SUFFIXES: dict[str, ReportFormat] = {
    ".html": "html",
    ".htm": "html",
    ".md": "md",
    ".markdown": "md",
    ".pdf": "pdf",
}


def report_format(path: str | os.PathLike[str], wanted: str | None = None) -> ReportFormat:
    """Return the format of a report: the one asked for, else the one that the name ends with.

    Parameters
    ----------
    path : path-like
        Where the report will stand.
    wanted : str, optional
        The format asked for.

    Returns
    -------
    str
        The format.

    Raises
    ------
    OutputError
        If there is no such format.

    Examples
    --------
    >>> report_format("result.html")
    'html'
    """
    known = get_args(ReportFormat)
    suffix = Path(path).suffix.lower()
    found = next((one for one in known if one == wanted), None) if wanted else _SUFFIXES.get(suffix)
    if found is None:
        seen = f"the format {wanted!r}" if wanted else f"the name {Path(path).name!r}"
        msg = (
            f"{seen} names no kind of report; choose one of {', '.join(known)}, by the name's end "
            "(report.html) or with format= (--format)."
        )
        raise OutputError(msg)
    return found


def write_report(
    result: EvaluationResult,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
) -> Path:
    """Write a report that a risk officer and an engineer can read.

    The verdict comes first, then tables with intervals, differences, plots, the worst queries, the
    identity of data and models, and how each number was made. It shows what the result holds and
    computes nothing new.

    Parameters
    ----------
    result : EvaluationResult
        From :func:`embedsmith.evaluate`, or ``EvaluationResult.load``.
    path : path-like
        The file to write; its folder must exist. It appears whole or not at all.
    format : {"html", "md", "pdf"}, optional
        By default as the name ends. ``"html"``: one self-contained page, which asks no other
        machine for anything and works without scripts. ``"md"``: its words and tables in GitHub's
        Markdown. ``"pdf"``: the page as an installed Chromium, Chrome or Edge prints it.

    Returns
    -------
    Path
        The file. Equal results give equal bytes, except in a PDF, which holds a time.

    Raises
    ------
    OutputError
        If the place cannot be written, or the format does not exist.
    MissingDependencyError
        If the extra ``report`` is not installed, or for a PDF the extra ``pdf`` or a browser.

    Examples
    --------
    >>> import embedsmith as es
    >>> result = es.EvaluationResult.load("results/demo")  # doctest: +SKIP
    >>> es.write_report(result, "report.html")  # doctest: +SKIP
    PosixPath('report.html')
    """
    place = Path(path)
    chosen = report_format(place, format)
    _check_place(place)
    document = build_document(result)
    if chosen == "md":
        content = markdown_document(document).encode("utf-8")
    else:
        page = html_document(document)
        content = pdf_of(page) if chosen == "pdf" else page.encode("utf-8")
    with atomic_writer(place) as file:
        file.write(content)
    return place


def _check_place(place: Path) -> None:
    """Say what is wrong with a place before any work is done."""
    if place.is_dir():
        msg = f"{place} is a folder. Name a file in it, such as {place / 'report.html'}."
        raise OutputError(msg)
    if not place.parent.is_dir():
        msg = f"{place.parent} is no folder. Make it first, or choose another place."
        raise OutputError(msg)
