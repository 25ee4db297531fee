"""What was measured, in words that fit the task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith._phrases import counted

if TYPE_CHECKING:
    from embedsmith.evaluation import DataSummary, EvaluationResult

__all__ = ["TASKS", "contents", "items", "ranks"]

TASKS = {
    "retrieval": "Retrieval",
    "reranking": "Reranking",
    "sts": "Semantic textual similarity",
    "pair_classification": "Pair classification",
    "classification": "Classification",
    "clustering": "Clustering",
    "bitext": "Bitext mining",
}


def ranks(result: EvaluationResult) -> bool:
    """Tell whether the task ranks documents for queries."""
    return result.task in {"retrieval", "reranking"}


def items(data: DataSummary, count: int | None = None, *, labelled: bool = False) -> str:
    """Return how many things were measured one by one, with their noun.

    Parameters
    ----------
    data : DataSummary
        Names the unit.
    count : int, optional
        By default all of them.
    labelled : bool
        Whether to say that they have labels.

    Returns
    -------
    str
        Such as ``100 labelled queries``.
    """
    unit = f"labelled {data.unit}" if labelled else data.unit
    many = f"{unit[:-1]}ies" if unit.endswith("query") else None
    return counted(data.n_queries if count is None else count, unit, many)


def contents(result: EvaluationResult) -> str:
    """Return the size of the data in the words of its task."""
    data = result.data
    parts = [items(data)]
    if ranks(result):
        parts.append(counted(data.n_documents, "document"))
        parts.append(counted(data.n_judgements, "judgement"))
    else:
        for count, noun in (
            (data.n_texts, "distinct text"),
            (data.n_labels, "label"),
            (data.n_train, "training text"),
        ):
            if count:
                parts.append(counted(count, noun))
    return ", ".join(parts)
