"""The pool of candidates that sentence-transformers looks at, and no more.

It retrieves a fixed number of passages for every query, as many as the query with most positives
needs, and filters afterwards: a query whose candidates are all filtered away stays without
negatives. Kept for those who have to reproduce earlier training sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedsmith.exceptions import ShapeError
from embedsmith.mining._block import Block
from embedsmith.mining._found import ENDED, FILTERS
from embedsmith.mining._sampling import chosen

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, I64Array
    from embedsmith.mining._block import Miner

__all__ = ["pool_of", "st_block"]


def pool_of(miner: Miner) -> tuple[int, int]:
    """Return the last rank looked at, and how many passages are retrieved.

    Raises
    ------
    ShapeError
        If the strategy is none of theirs.
    """
    settings = miner.settings
    if settings.sampling_strategy not in {"top", "random"}:
        msg = (
            f"sampling_strategy={settings.sampling_strategy!r} is none of sentence-transformers'; "
            "with pool='st' choose 'top' or 'random', or take pool='full'."
        )
        raise ShapeError(msg)
    most = miner.data.most_pairs or int(miner.data.positives.counts.max(initial=0))
    if settings.range_max is not None:
        return settings.range_max, settings.range_max + most
    rules = (settings.absolute_margin, settings.relative_margin, settings.max_score)
    filtered = any(rule is not None for rule in rules) or (
        miner.teacher is not None and settings.min_score is not None
    )
    times = 10 if filtered else 1
    last = settings.range_min + times * settings.num_negatives + most
    return last, last + most


def st_block(miner: Miner, queries: I64Array, *, threads: int | None) -> Block:
    """Return the negatives that sentence-transformers' function gives these queries."""
    settings = miner.settings
    last, depth = pool_of(miner)
    found = miner.embeddings.corpus.search(
        miner.embeddings.queries[queries], depth, None, threads=threads
    )
    rows, scores = found.rows, found.scores.copy()
    positives = miner.positives.take(queries)
    lowest = _lowest(miner, queries)
    taught = np.full(scores.shape, np.nan)
    if miner.teacher is not None and settings.limits_scores:
        owners = np.broadcast_to(queries[:, None], rows.shape)
        taught[rows >= 0] = miner._taught(owners[rows >= 0], rows[rows >= 0])  # noqa: SLF001
        scores = taught.astype(np.float32)
        scores[rows < 0] = -np.inf
    if not settings.include_positives:
        for place in range(len(queries)):
            scores[place, np.isin(rows[place], positives.at(place))] = -np.inf
    # Their arithmetic is float32's, and so are the comparisons.
    taken = np.zeros((len(queries), len(FILTERS)), dtype=np.int64)
    limits: list[tuple[str, F32Array]] = []
    if settings.absolute_margin is not None:
        over = scores + np.float32(settings.absolute_margin) > lowest[:, None]
        _take(scores, over, taken, "absolute_margin")
        limits.append(("absolute_margin", lowest - np.float32(settings.absolute_margin)))
    if settings.relative_margin is not None:
        limit = lowest - np.abs(lowest) * np.float32(settings.relative_margin)
        _take(scores, scores > limit[:, None], taken, "relative_margin")
        limits.append(("relative_margin", limit))
    if settings.max_score is not None:
        _take(scores, scores > np.float32(settings.max_score), taken, "max_score")
        limits.append(("max_score", np.full(len(queries), settings.max_score, dtype=np.float32)))
    if settings.min_score is not None:
        _take(scores, scores < np.float32(settings.min_score), taken, "min_score")
    return _picked(
        miner,
        queries,
        rows,
        scores,
        taught=taught,
        exact=found.exact,
        taken=taken,
        limits=limits,
        last=last,
    )


def _lowest(miner: Miner, queries: I64Array) -> F32Array:
    counts = miner.positives.counts[queries]
    offsets = miner.positives.offsets
    values = miner.positive_scores.astype(np.float32)
    return np.array(
        [
            values[offsets[query] : offsets[query + 1]].min() if count else np.inf
            for query, count in zip(queries.tolist(), counts.tolist(), strict=True)
        ],
        dtype=np.float32,
    )


def _take(scores: F32Array, where: np.ndarray, taken: I64Array, name: str) -> None:
    taken[:, FILTERS.index(name)] += (where & (scores > -np.inf)).sum(axis=1)
    scores[where] = -np.inf


def _picked(
    miner: Miner,
    queries: I64Array,
    rows: I64Array,
    scores: F32Array,
    *,
    taught: np.ndarray,
    exact: np.ndarray,
    taken: I64Array,
    limits: list[tuple[str, F32Array]],
    last: int,
) -> Block:
    settings, count = miner.settings, len(queries)
    width = settings.num_negatives
    table = np.stack([np.full(count, np.inf), *(limit for _, limit in limits)])
    codes = np.array([0, *(FILTERS.index(name) for name, _ in limits)])
    out = Block(
        rows=np.full((count, width), -1, dtype=np.int64),
        scores=np.full((count, width), -np.inf),
        ranks=np.zeros((count, width), dtype=np.int64),
        lexical_ranks=np.zeros((count, width), dtype=np.int64),
        teacher_scores=np.full((count, width), np.nan),
        ceilings=table.min(axis=0).astype(np.float64),
        rules=codes[np.argmin(table, axis=0)],
        taken=taken,
        ended=np.full(count, ENDED.index("range_max"), dtype=np.int64),
    )
    order = np.argsort(-scores, axis=1, kind="stable")[:, settings.range_min : last]
    for place, query in enumerate(queries.tolist()):
        kept = order[place][scores[place, order[place]] > -np.inf]
        own = rows[place, kept]
        keys = own.astype(np.uint64) if miner.doc_keys is None else miner.doc_keys[own]
        values = scores[place, kept].astype(np.float64)
        picked = chosen(settings, values, int(miner.query_keys[query]), keys)
        slots = np.arange(len(picked))
        out.rows[place, slots] = own[picked]
        out.scores[place, slots] = exact[place, kept][picked]
        out.ranks[place, slots] = kept[picked] + 1
        out.teacher_scores[place, slots] = taught[place, kept][picked]
        if len(picked) == width:
            out.ended[place] = ENDED.index("enough")
    return out
