"""Join the hits of parts of a corpus to those of the whole."""

from __future__ import annotations

import operator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._validate import as_count, as_metric
from embedsmith.exceptions import NonFiniteError, ShapeError
from embedsmith.search._best import PLACES_AT_ONCE, empty_places, keep_best, rounded, worst
from embedsmith.search._hits import TopK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from embedsmith._typing import I64Array, Metric

__all__ = ["merge_topk"]


def merge_topk(
    parts: Iterable[TopK],
    *,
    offsets: Sequence[int] | I64Array | None,
    k: int | None = None,
    metric: Metric | None = None,
) -> TopK:
    """Return the best hits of a corpus from those of its parts, exactly.

    Rows, order and score bits are those of one search over all parts together. It computes no
    score: hits are ordered by the canonical scores that each part carries, then by row.

    Parameters
    ----------
    parts : iterable of TopK
        The same queries searched in each part, whole as the searches returned them: a pair of
        scores and rows has lost the float64 scores that tell near-ties apart.
    offsets : sequence of int, or None
        What to add to the rows of each part: the number of rows before it. None says that the rows
        are those of one corpus already, as after searches with different ``where``. There is no
        default, since forgetting them would return wrong rows and no error.
    k : int, optional
        Hits wanted per query; at most what all parts can vouch for. A part that was cut at its own
        ``k`` does not know its next best row; one that returned all of its rows has no next. By
        default, as many as the parts can vouch for.
    metric : {"cosine", "dot", "l2"}, optional
        How the vectors were compared. Needed only for hits that do not know it themselves.

    Returns
    -------
    TopK
        Of width ``min(k, rows of all parts)``; row -1 and the worst score where no row is left.

    Raises
    ------
    ShapeError
        If there are no parts, or they do not fit together: other numbers of queries, metrics or
        corpora, overlapping rows, hits out of order, ``k`` beyond what a part can vouch for.
    NonFiniteError
        If a part holds NaN, or an infinite score for a row.

    Notes
    -----
    O(n_queries * w log w) for w places of all parts together. Memory: the answer, and about twice
    the largest part.

    Examples
    --------
    >>> import numpy as np
    >>> import embedsmith as es
    >>> corpus = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 3.0]], dtype=np.float32)
    >>> query = np.array([[2.0, 0.0]])
    >>> parts = [es.topk(query, corpus[:1], k=2), es.topk(query, corpus[1:], k=2)]
    >>> es.merge_topk(parts, offsets=[0, 1], k=2).rows
    array([[0, 2]])
    """
    parts = list(parts)
    _check_parts(parts)
    metric = _metric_of(parts, metric)
    for number, part in enumerate(parts):
        _check_hits(f"parts[{number}]", part, metric)
    shifts = _offsets_of(parts, offsets)
    covered = _rows_of_all(parts, offsets)
    width = _width_of(parts, k, covered)
    places = sum(part.rows.shape[1] for part in parts)
    queries = parts[0].rows.shape[0]
    exact, rows = empty_places(queries, width, metric)
    step = max(1, PLACES_AT_ONCE // max(places, 1))
    for first in range(0, queries, step):
        chosen = slice(first, first + step)
        all_exact = np.concatenate([part.exact[chosen] for part in parts], axis=1)
        all_rows = np.concatenate(
            [
                np.where(part.rows[chosen] < 0, -1, part.rows[chosen] + shift)
                for part, shift in zip(parts, shifts, strict=True)
            ],
            axis=1,
        )
        _refuse_twins(all_rows, first)
        best_exact, best_rows = keep_best(all_exact, all_rows, width, metric)
        exact[chosen, : best_exact.shape[1]] = best_exact
        rows[chosen, : best_rows.shape[1]] = best_rows
    # Parts that leave a gap are not the rows 0 to n_docs of anything.
    gaps = covered is not None and covered != max(
        shift + (part.n_docs or 0) for part, shift in zip(parts, shifts, strict=True)
    )
    return rounded(exact, rows, metric, None if gaps else covered)


def _check_parts(parts: list[Any]) -> None:
    if not parts:
        msg = "parts is empty; pass the hits of at least one part of the corpus."
        raise ShapeError(msg)
    for number, part in enumerate(parts):
        if not isinstance(part, TopK):
            msg = (
                f"parts[{number}] is of type {type(part).__name__}; a TopK is expected, whole as a "
                "search returned it: other pairs lack the canonical scores that break ties."
            )
            raise ShapeError(msg)
        arrays = (part.scores, part.rows, part.exact)
        kinds = [getattr(array, "dtype", None) for array in arrays]
        if not all(isinstance(array, np.ndarray) for array in arrays) or kinds != [
            np.float32,
            np.int64,
            np.float64,
        ]:
            msg = (
                f"parts[{number}] holds {', '.join(str(kind) for kind in kinds)}; numpy arrays of "
                "float32 (scores), int64 (rows) and float64 (exact) are expected. Tensors: ask the "
                "search for arrays."
            )
            raise ShapeError(msg)
        shapes = {array.shape for array in arrays}
        if len(shapes) != 1 or part.rows.ndim != 2:  # noqa: PLR2004
            msg = f"parts[{number}] has arrays of shapes {sorted(shapes)}; pass hits unchanged."
            raise ShapeError(msg)
        if part.rows.shape[0] != parts[0].rows.shape[0]:
            msg = (
                f"parts[{number}] answers {part.rows.shape[0]} queries but parts[0] answers "
                f"{parts[0].rows.shape[0]}; search every part with the same queries."
            )
            raise ShapeError(msg)


def _metric_of(parts: list[TopK], metric: Metric | None) -> Metric:
    given = None if metric is None else as_metric(metric)
    known = {part.metric: number for number, part in enumerate(parts) if part.metric is not None}
    names = [*known, *([given] if given is not None and given not in known else [])]
    if len(names) > 1:
        seen = ", ".join(f"{name!r} (parts[{number}])" for name, number in known.items())
        asked = "" if given is None else f", and metric={given!r} is asked for"
        msg = f"parts were searched with {seen}{asked}; scores of two metrics have no order."
        raise ShapeError(msg + " Search all parts with one metric.")
    if not names or names[0] is None:
        msg = "parts do not know their metric; pass the one they were searched with as metric=."
        raise ShapeError(msg)
    return names[0]


def _check_hits(name: str, part: TopK, metric: Metric) -> None:
    """Refuse hits that no search of this metric returns."""
    exact, rows = part.exact, part.rows
    filled = rows >= 0
    strange = np.isnan(exact) | (np.isinf(exact) & filled)
    if strange.any():
        query = int(np.argwhere(strange)[0, 0])
        msg = (
            f"{name} scores a row {exact[strange][0]} for query {query}, which has no place in an "
            "order. Pass hits unchanged."
        )
        raise NonFiniteError(msg)
    key = exact if metric == "l2" else -exact
    falls = (key[:, 1:] < key[:, :-1]) | (
        (key[:, 1:] == key[:, :-1]) & (rows[:, 1:] <= rows[:, :-1]) & filled[:, 1:]
    )
    with np.errstate(over="ignore"):
        reasons = {
            f"are not in the order of metric={metric!r}": falls,
            "have an empty place that no search leaves": ~filled
            & ((rows != -1) | (exact != worst(metric))),
            "have scores that are not their canonical scores as float32": (
                exact.astype(np.float32) != part.scores
            ),
            "name rows beyond the corpus that was searched": (
                rows >= (np.iinfo(np.int64).max if part.n_docs is None else part.n_docs)
            ),
        }
    for reason, wrong in reasons.items():
        if wrong.any():
            query = int(np.argwhere(wrong)[0, 0])
            msg = (
                f"the hits of {name} for query {query} {reason}; pass hits as the search returned "
                "them, and the metric that it used."
            )
            raise ShapeError(msg)


def _offsets_of(parts: list[TopK], offsets: Sequence[int] | I64Array | None) -> list[int]:
    sizes = [part.n_docs for part in parts]
    if offsets is None:
        known = sorted({size for size in sizes if size is not None})
        if len(known) > 1:
            msg = (
                f"parts come from corpora of {known[0]} and {known[-1]} rows, so their rows are "
                "not those of one corpus; pass offsets=, the number of rows before each part."
            )
            raise ShapeError(msg)
        return [0] * len(parts)
    try:
        shifts = [operator.index(offset) for offset in offsets]
    except TypeError as error:
        msg = f"offsets={offsets!r} are no integers; pass the number of rows before each part."
        raise ShapeError(msg) from error
    if len(shifts) != len(parts):
        msg = f"offsets has {len(shifts)} entries for {len(parts)} parts; pass one per part."
        raise ShapeError(msg)
    if min(shifts) < 0 or max(shifts) >= np.iinfo(np.int64).max // 2:
        msg = f"offsets={shifts} are out of range; pass the number of rows before each part."
        raise ShapeError(msg)
    order = sorted(range(len(parts)), key=shifts.__getitem__)
    for one, next_one in pairwise(order):
        size = sizes[one]
        if size is not None and shifts[one] + size > shifts[next_one]:
            msg = (
                f"parts[{one}] covers rows {shifts[one]} to {shifts[one] + size - 1}, and "
                f"parts[{next_one}] starts at {shifts[next_one]}; offsets= are the numbers of "
                "rows before each part, and parts may not overlap."
            )
            raise ShapeError(msg)
    return shifts


def _rows_of_all(parts: list[TopK], offsets: Sequence[int] | I64Array | None) -> int | None:
    """Return how many rows the parts cover together; None if a part does not know its own."""
    sizes = [part.n_docs for part in parts]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        return None
    return max(known) if offsets is None else sum(known)


def _width_of(parts: list[TopK], k: int | None, covered: int | None) -> int:
    """Return the width of the answer, which no part may be too short for."""
    sure: int | None = None
    short = 0
    for number, part in enumerate(parts):
        width = part.rows.shape[1]
        # A search returns fewer rows than it has places for only if no more are left.
        whole = width == part.n_docs or (width > 0 and bool((part.rows[:, -1] < 0).all()))
        if not whole and (sure is None or width < sure):
            sure, short = width, number
    places = sum(part.rows.shape[1] for part in parts)
    if k is None:
        wanted = places if sure is None else sure
    else:
        wanted = as_count("k", k, most=None)
        if sure is not None and wanted > sure:
            size = parts[short].n_docs
            of_all = "its rows" if size is None else f"its {size} rows"
            msg = (
                f"k={k} is more than parts[{short}] can vouch for: it holds the best {sure} of "
                f"{of_all}. Search the parts with k={k}, or merge with k={sure}."
            )
            raise ShapeError(msg)
    return min(wanted, places if covered is None else covered)


def _refuse_twins(rows: I64Array, first: int) -> None:
    ordered = np.sort(rows, axis=1)
    twins = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twins.any():
        query, place = np.argwhere(twins)[0]
        msg = (
            f"row {ordered[query, place]} comes twice for query {first + query}: parts overlap. "
            "Pass offsets=, the number of rows before each part, and each part once."
        )
        raise ShapeError(msg)
