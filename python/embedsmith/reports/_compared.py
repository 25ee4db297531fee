"""Models of several results, compared, for a terminal, a page or a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from embedsmith._phrases import counted
from embedsmith.reports._cells import Cell, Head, Table
from embedsmith.reports._columns import Column, lay_out
from embedsmith.reports._document import Document, Fold, Section, Text
from embedsmith.reports._forest import difference_blocks
from embedsmith.reports._html import html_document
from embedsmith.reports._identity import model_facts
from embedsmith.reports._markdown import markdown_document
from embedsmith.reports._numbers import interval, level, score
from embedsmith.reports._subject import items
from embedsmith.reports._terminal_pairs import differences_text

if TYPE_CHECKING:
    from embedsmith.evaluation import ResultComparison

__all__ = ["ComparisonFormat", "comparison_document", "comparison_page", "comparison_text"]

ComparisonFormat: TypeAlias = Literal["md", "html", "latex"]


def comparison_text(compared: ResultComparison, *, width: int = 100) -> str:
    """Return a comparison of stored results as plain text.

    Parameters
    ----------
    compared : ResultComparison
        What was compared.
    width : int, default 100
        Characters per line.

    Returns
    -------
    str
        Means with intervals, then the paired differences; no newline at the end.
    """
    names = Column("model", tuple(one.name for one in compared.models), "left")
    files = Column("from", tuple(", ".join(one.sources) for one in compared.models), "left")
    columns = [
        Column(
            measure,
            tuple(
                f"{score(one.model.table.mean[measure])} {_ascii(one.model.table.ci.get(measure))}"
                for one in compared.models
            ),
        )
        for measure in compared.measures
    ]
    return "\n\n".join(
        (
            _heading(compared),
            lay_out(names, [columns, [files]], width=width),
            differences_text(compared.comparison, width=width),
        )
    )


def _heading(compared: ResultComparison) -> str:
    data = compared.data
    return (
        f"{data.title}, split {data.split}: "
        f"{items(data, compared.comparison.n_queries)}, "
        f"{counted(len(compared.models), 'model')}"
    )


def _ascii(ends: tuple[float, float] | None) -> str:
    return f"[{ends[0]:.3f}, {ends[1]:.3f}]" if ends else ""


def comparison_page(compared: ResultComparison, kind: ComparisonFormat) -> str:
    """Return a comparison of stored results in a format for documents.

    Parameters
    ----------
    compared : ResultComparison
        What was compared.
    kind : {"md", "html", "latex"}
        Markdown; a whole page with its plots; or tables of means and of pairs for LaTeX.

    Returns
    -------
    str
        The text; names are escaped.

    Raises
    ------
    MissingDependencyError
        If a page is asked for and jinja2 is not installed.
    """
    if kind == "latex":
        tables = compared.comparison
        return f"{tables.to_latex()}\n\n{tables.to_latex(layout='pairs')}"
    document = comparison_document(compared)
    return html_document(document) if kind == "html" else markdown_document(document)


def comparison_document(compared: ResultComparison) -> Document:
    """Return a comparison of stored results as a document, in no format yet.

    Parameters
    ----------
    compared : ResultComparison
        What was compared.

    Returns
    -------
    Document
        Means, differences and identities.
    """
    comparison, measures = compared.comparison, compared.measures
    means = Table(
        f"Means, each with its {level(comparison.confidence)} interval below it",
        (Head("Model", numeric=False), *map(Head, measures), Head("From", numeric=False)),
        tuple(
            (
                Cell(one.name, model=place),
                *(
                    Cell(
                        score(one.model.table.mean[measure]),
                        interval(one.model.table.ci.get(measure)),
                    )
                    for measure in measures
                ),
                Cell(", ".join(one.sources)),
            )
            for place, one in enumerate(compared.models)
        ),
    )
    best = max(compared.models, key=lambda one: one.model.table.mean[measures[0]]).name
    identities = tuple(
        Fold(f"{one.name}: fingerprint {one.model.fingerprint.short}", (model_facts(one.model),), i)
        for i, one in enumerate(compared.models)
    )
    return Document(
        title=f"{counted(len(compared.models), 'model')} compared on {compared.data.title}",
        subtitle=_heading(compared),
        sections=(
            Section("verdict", "Models", (means,)),
            Section("differences", "Differences", difference_blocks(comparison, best)),
            Section(
                "identity",
                "What was compared",
                (Text(f"SHA-256 of the data: {compared.data.hash}."), *identities),
            ),
        ),
    )
