"""How well each pair fits, by a teacher or an encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedsmith.exceptions import NonFiniteError, ShapeError
from embedsmith.hygiene._embedded import cosines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F64Array
    from embedsmith.hygiene._embedded import Embeddings
    from embedsmith.hygiene._stages import Stages
    from embedsmith.hygiene._training_data import TrainingData

__all__ = ["PairScores", "pair_scores"]

_AT_ONCE = 1024


class PairScores(NamedTuple):
    """A score for each pair of the data.

    Attributes
    ----------
    by : str
        Who gave them: ``"the data"``, or a model's name.
    scores : sequence of float or None
        In the order of the pairs.
    """

    by: str
    scores: Sequence[float | None]


def pair_scores(
    data: TrainingData, teacher: Any, embeddings: Embeddings | None, stages: Stages
) -> PairScores:
    """Return the scores to judge negatives by: a teacher's, those of the data, or an encoder's.

    Only pairs of queries that have a negative are scored.
    """
    given = [pair.score for pair in data.pairs]
    if teacher is None and (embeddings is None or any(one is not None for one in given)):
        return PairScores("the data", given)
    judged = {pair.query for pair in data.pairs if not pair.relevant}
    places = [place for place, pair in enumerate(data.pairs) if pair.query in judged]
    scores: list[float | None] = [None] * len(given)
    if not places:
        return PairScores("the data", scores)
    pairs = [(data.pairs[place].query, data.pairs[place].passage) for place in places]
    if teacher is not None:
        name = str(getattr(teacher, "__name__", type(teacher).__name__))
        values = _taught(teacher, name, data, pairs, stages)
    elif embeddings is not None:
        name = embeddings.name
        query_row = {query: row for row, query in enumerate(dict.fromkeys(q for q, _ in pairs))}
        passage_row = {place: row for row, place in enumerate(dict.fromkeys(p for _, p in pairs))}
        values = cosines(
            embeddings.vectors("query", [data.query_texts[one] for one in query_row]),
            embeddings.vectors("document", [data.passage_texts[one] for one in passage_row]),
            [(query_row[query], passage_row[passage]) for query, passage in pairs],
        )
    for place, value in zip(places, values.tolist(), strict=True):
        scores[place] = value
    return PairScores(name, scores)


def _taught(
    teacher: Any, name: str, data: TrainingData, pairs: Sequence[tuple[int, int]], stages: Stages
) -> F64Array:
    """Ask the teacher once for each two texts, those of like length together."""
    texts = [(data.query_texts[query], data.passage_texts[passage]) for query, passage in pairs]
    distinct = sorted(dict.fromkeys(texts), key=lambda one: -len(one[0]) - len(one[1]))
    ask = getattr(teacher, "predict", teacher)
    if not callable(ask):
        msg = (
            f"teacher={teacher!r} can neither predict nor be called; pass a CrossEncoder, or a "
            "function of a list of (query, passage) pairs."
        )
        raise ShapeError(msg)
    known: dict[tuple[str, str], float] = {}
    with stages.stage(f"{name}: scoring pairs", len(distinct)) as done:
        for start in range(0, len(distinct), _AT_ONCE):
            part = distinct[start : start + _AT_ONCE]
            values = np.asarray(ask(part), dtype=np.float64)
            if values.shape != (len(part),):
                msg = (
                    f"the teacher answered with shape {values.shape} to {len(part)} pairs; one "
                    "number for each is expected (a CrossEncoder with num_labels=1)."
                )
                raise ShapeError(msg)
            if not np.isfinite(values).all():
                query, passage = part[int(np.argmin(np.isfinite(values)))]
                msg = (
                    f"the teacher answered NaN or infinity for the query {query[:60]!r} and the "
                    f"passage {passage[:60]!r}. Leave the pair out, or mend the model."
                )
                raise NonFiniteError(msg)
            known.update(zip(part, values.tolist(), strict=True))
            done(start + len(part))
    return np.array([known[one] for one in texts], dtype=np.float64)
