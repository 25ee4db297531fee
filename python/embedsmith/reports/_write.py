"""A result as a file for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from embedsmith._files import atomic_writer
from embedsmith.exceptions import OutputError
from embedsmith.reports._build import build_document
from embedsmith.reports._html import html_document

if TYPE_CHECKING:
    import os

    from embedsmith.evaluation import EvaluationResult

__all__ = ["ReportFormat", "report_format", "write_report"]

ReportFormat: TypeAlias = Literal["html"]

_SUFFIXES: dict[str, ReportFormat] = {".html": "html", ".htm": "html"}


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
    format : {"html"}, optional
        By default as the name ends: one self-contained page, which asks no other machine for
        anything and works without scripts.

    Returns
    -------
    Path
        The file. Equal results give equal bytes.

    Raises
    ------
    OutputError
        If the place cannot be written, or the format does not exist.
    MissingDependencyError
        If the extra ``report`` is not installed.

    Examples
    --------
    >>> import embedsmith as es
    >>> result = es.EvaluationResult.load("results/demo")  # doctest: +SKIP
    >>> es.write_report(result, "report.html")  # doctest: +SKIP
    PosixPath('report.html')
    """
    place = Path(path)
    report_format(place, format)
    _check_place(place)
    content = html_document(build_document(result)).encode("utf-8")
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
