"""Which queries a model answered worst, and with what."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.evaluation._ranking import ranked
from embedsmith.evaluation._worst_query import Expected, Retrieved, WorstQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from embedsmith.datasets import Dataset, Run
    from embedsmith.metrics import MetricTable

__all__ = ["EXCERPT_CHARS", "excerpt", "worst_queries"]

EXCERPT_CHARS = 200
_MOST_EXPECTED = 20
_MOST_RETRIEVED = 5


def worst_queries(
    data: Dataset,
    table: MetricTable,
    run: Run,
    *,
    count: int,
    passage: Callable[[str, str], str] = lambda _, document: document,
    chars: int | None = EXCERPT_CHARS,
) -> tuple[WorstQuery, ...]:
    """Return the queries with the lowest values of the table's first measure.

    Among equal values, those come first whose best relevant document stands furthest down, then
    those that the judgements name first. A query without any relevant document is left out: no
    model could have answered it.

    Parameters
    ----------
    data : Dataset
        Texts and judgements.
    table : MetricTable
        What the model scored.
    run : Run
        What it found.
    count : int
        Most queries to return.
    passage : callable, optional
        From a query and a document to the passage whose text is shown.
    chars : int or None
        Most characters of a text; None leaves all texts out.

    Returns
    -------
    tuple of WorstQuery
        The worst first.
    """
    measure = table.measures[0]
    found = []
    for row in _lowest(table, data, count):
        query, value = table.query_ids[row], float(table.per_query[measure][row])
        relevant = _relevant(data, query)
        scores = run.get(query, {})
        # An order is made only where a rank is to be told.
        hits = ranked(scores.items()) if relevant.keys() & scores.keys() else []
        ranks = {doc: rank for rank, (doc, _) in enumerate(hits, 1) if doc in relevant}
        found.append((value, -min(ranks.values(), default=math.inf), row, query, relevant, ranks))
    worst = sorted(found, key=lambda entry: entry[:3])[:count]
    lists = {entry[3]: ranked(run.get(entry[3], {}).items())[:_MOST_RETRIEVED] for entry in worst}
    expected = {
        query: sorted(relevant.items(), key=lambda pair: (-pair[1], pair[0]))
        for _, _, _, query, relevant, _ in worst
    }
    wanted = {
        passage(query, doc)
        for pairs in (lists, expected)
        for query, listed in pairs.items()
        for doc, _ in listed
    }
    texts = {} if chars is None else _texts(data.corpus.ids, data.corpus.texts, wanted)
    asked = {} if chars is None else _texts(data.queries.ids, data.queries.texts, set(lists))

    def shown(text: str | None) -> str | None:
        return None if chars is None or text is None else excerpt(text, chars)

    return tuple(
        WorstQuery(
            query_id=query,
            text=shown(asked.get(query)),
            measure=measure,
            value=value,
            expected=tuple(
                Expected(doc, float(grade), ranks.get(doc), shown(texts.get(passage(query, doc))))
                for doc, grade in expected[query][:_MOST_EXPECTED]
            ),
            retrieved=tuple(
                Retrieved(
                    doc,
                    score,
                    None if doc not in data.qrels[query] else float(data.qrels[query][doc]),
                    shown(texts.get(passage(query, doc))),
                )
                for doc, score in lists[query]
            ),
            n_expected=len(relevant) if len(relevant) > _MOST_EXPECTED else None,
        )
        for value, _, _, query, relevant, ranks in worst
    )


def _relevant(data: Dataset, query: str) -> dict[str, float]:
    return {doc: grade for doc, grade in data.qrels[query].items() if grade > 0}


def _lowest(table: MetricTable, data: Dataset, count: int) -> list[int]:
    """Return the rows of the lowest values, with all that equal the last one of them."""
    values = table.per_query[table.measures[0]]
    rows = [row for row, query in enumerate(table.query_ids) if _relevant(data, query)]
    if not rows or not count:
        return []
    limit = np.sort(values[rows])[min(count, len(rows)) - 1]
    return [row for row in rows if values[row] <= limit]


def excerpt(text: str, chars: int) -> str:
    """Return the beginning of a text on one line, with an ellipsis where it goes on.

    Examples
    --------
    >>> excerpt("Fees are due on the first day.", 12)
    'Fees are du…'
    """
    line = " ".join(text.split())
    return line if len(line) <= chars else line[: chars - 1] + "…"


def _texts(ids: Iterable[str], texts: Iterable[str], wanted: set[str]) -> dict[str, str]:
    return {one: text for one, text in zip(ids, texts, strict=True) if one in wanted}
