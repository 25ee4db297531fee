"""The queries that each model answered worst, and what it found instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.reports._document import Cell, Fold, Head, Section, Table, Text
from embedsmith.reports._numbers import score
from embedsmith.reports._visible import shortened

if TYPE_CHECKING:
    from embedsmith.evaluation import EvaluationResult, ModelResult, WorstQuery
    from embedsmith.reports._document import Block

__all__ = ["worst_section"]

_TEXT, _ID = 600, 120
# A report is read, not searched: result.json has all that was kept.
_QUERIES = 50
_TITLE = 90


def worst_section(result: EvaluationResult) -> Section | str:
    """Return the worst queries of each model, or a sentence on why there are none.

    Parameters
    ----------
    result : EvaluationResult
        What was found.

    Returns
    -------
    Section or str
        Each query can be opened.
    """
    kept = [(place, model) for place, model in enumerate(result.models) if model.worst]
    if not kept:
        return "Worst queries: none were kept in this result (--worst)."
    blocks: list[Block] = [
        Text(
            "Where a model fails is where to look first: a wrong judgement, a passage that is "
            "missing, or words that the model does not know."
        )
    ]
    for place, model in kept:
        blocks.append(
            Fold(
                f"{model.name}: {counted(len(model.worst), 'query', 'queries')}",
                _model(model),
                place,
            )
        )
    return Section("worst", "Worst queries", tuple(blocks))


def _model(model: ModelResult) -> tuple[Block, ...]:
    shown = [_query(one) for one in model.worst[:_QUERIES]]
    rest = len(model.worst) - len(shown)
    if not rest:
        return tuple(shown)
    return (*shown, Text(f"{counted(rest, 'more query', 'more queries')} in result.json."))


def _query(one: WorstQuery) -> Fold:
    text = one.text if one.text is not None else "(its text was left out)"
    title = f"{score(one.value)} {one.measure} · {shortened(text, _TITLE) or '(blank)'}"
    expected = Table(
        "What should have been found",
        (
            Head("Document", numeric=False),
            Head("Grade"),
            Head("Found at"),
            Head("Text", numeric=False),
        ),
        tuple(
            (
                Cell(shortened(document.doc_id, _ID)),
                Cell(f"{document.grade:g}"),
                Cell("not found" if document.rank is None else f"rank {document.rank:,}"),
                Cell(_excerpt(document.excerpt)),
            )
            for document in one.expected
        ),
    )
    retrieved = Table(
        "What was found instead",
        (
            Head("Document", numeric=False),
            Head("Grade"),
            Head("Score"),
            Head("Text", numeric=False),
        ),
        tuple(
            (
                Cell(shortened(document.doc_id, _ID)),
                Cell("not judged" if document.grade is None else f"{document.grade:g}"),
                Cell(f"{document.score:.4f}"),
                Cell(_excerpt(document.excerpt)),
            )
            for document in one.retrieved
        ),
    )
    blocks: list[Block] = [
        Text(shortened(text, _TEXT) or "(blank)"),
        Text(f"Query {shortened(one.query_id, _ID)}."),
        expected if one.expected else Text("No document is judged relevant to it."),
        retrieved if one.retrieved else Text("Nothing was found."),
    ]
    return Fold(title, tuple(blocks))


def _excerpt(text: str | None) -> str:
    return "(left out)" if text is None else shortened(text, _TEXT)
