"""What of an evaluation set was seen in training, or stands in another evaluation set."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from embedsmith.hygiene._finding import Finding, Leakage
from embedsmith.hygiene._same_text import Distinct
from embedsmith.hygiene._single_texts import example_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from embedsmith.hygiene._alike import Alike
    from embedsmith.hygiene._likeness import Likeness
    from embedsmith.hygiene._training_data import TrainingData, TrainingPair

__all__ = ["Sides", "leakage_between"]

_LESS_SURE = {"equal": 0, "near": 1, "embedding": 2}
_SAID = {
    "equal": "the same text as",
    "near": "similarity {:.2f} to",
    "embedding": "cosine {:.3f} to",
}


@dataclass(frozen=True)
class Sides:
    """The distinct queries and relevant passages of one set.

    Attributes
    ----------
    data : TrainingData
    queries, passages : Distinct
        Only passages that are relevant to a query count: training and evaluation may well search
        one corpus.
    query_number, passage_number : dict of int to int
        The number of the text at each place.
    positives : dict of int to set of int
        Numbers of the passages that are relevant to each query's number.
    """

    data: TrainingData
    queries: Distinct
    passages: Distinct
    query_number: dict[int, int]
    passage_number: dict[int, int]
    positives: dict[int, set[int]]

    @classmethod
    def of(cls, data: TrainingData) -> Sides:
        """Take a set apart."""
        relevant = [pair for pair in data.pairs if pair.relevant]
        queries = Distinct.of(data.query_texts)
        passages = Distinct.of(data.passage_texts, sorted({pair.passage for pair in relevant}))
        asked, said = queries.by_place(), passages.by_place()
        positives: defaultdict[int, set[int]] = defaultdict(set)
        for pair in relevant:
            if pair.query in asked and pair.passage in said:
                positives[asked[pair.query]].add(said[pair.passage])
        return cls(data, queries, passages, asked, said, dict(positives))


def leakage_between(
    training: Sides,
    evaluation: Sides,
    likeness: Likeness,
    *,
    limit: Callable[[str, str], float | None],
    cross: bool = False,
) -> tuple[list[Leakage], list[Finding]]:
    """Return how much of an evaluation set stands in another, and every query, pair and passage.

    Parameters
    ----------
    training, evaluation : Sides
    likeness : Likeness
        From when on two texts count as one.
    limit : callable
        Takes a set's name and what is counted; returns the share that is allowed.
    cross : bool, default False
        Both are evaluation sets.
    """
    stage = f"{evaluation.data.name} in {training.data.name}"
    queries = likeness.between("query", training.queries, evaluation.queries, f"{stage}, queries")
    passages = likeness.between(
        "document", training.passages, evaluation.passages, f"{stage}, passages"
    )
    kind = "shared evaluation" if cross else "leaked"
    advice = "keep it in one set" if cross else "drop from training"
    findings = list(_texts(f"{kind} query", advice, training, evaluation, queries, of_queries=True))
    seen = list(_shared_pairs(training, evaluation, queries, passages))
    findings += [_of_pair(f"{kind} pair", advice, training, evaluation, one) for one in seen]
    advice = "keep it in one set" if cross else "split by document"
    findings += _texts(f"{kind} passage", advice, training, evaluation, passages, of_queries=False)

    def count(what: str, ways: Iterable[str], n: int) -> Leakage:
        found = list(ways)
        what = f"cross {what}" if cross else what
        name = evaluation.data.name
        return Leakage(
            name,
            training.data.name,
            what,
            len(found),
            n,
            n_equal=found.count("equal"),
            n_near=found.count("near"),
            n_embedding=found.count("embedding"),
            limit=limit(name, what),
        )

    def ways(found: dict[int, dict[int, Alike]], places: list[list[int]]) -> Iterable[str]:
        # Each copy counts: an evaluation measures every one of them.
        return [_best(of)[1].how for number, of in found.items() for _ in places[number]]

    n_relevant = sum(pair.relevant for pair in evaluation.data.pairs)
    n_passages = len({pair.passage for pair in evaluation.data.pairs if pair.relevant})
    return [
        count("queries", ways(queries, evaluation.queries.places), len(evaluation.data.query_ids)),
        count("pairs", (one.how for one in seen), n_relevant),
        count("passages", ways(passages, evaluation.passages.places), n_passages),
    ], findings


def _best(of: dict[int, Alike]) -> tuple[int, Alike]:
    """Return the surest and most similar, of equals the first."""
    return min(of.items(), key=lambda one: (_LESS_SURE[one[1].how], -one[1].similarity, one[0]))


def _texts(
    kind: str,
    advice: str,
    training: Sides,
    evaluation: Sides,
    found: dict[int, dict[int, Alike]],
    *,
    of_queries: bool,
) -> Iterable[Finding]:
    left, right = (
        (training.queries, evaluation.queries)
        if of_queries
        else (training.passages, evaluation.passages)
    )
    what = "query" if of_queries else "positive"
    data, other = evaluation.data, training.data
    ids, other_ids = (
        (data.query_ids, other.query_ids) if of_queries else (data.passage_ids, other.passage_ids)
    )
    for number, of in sorted(found.items(), key=lambda one: right.places[one[0]][0]):
        best = _best(of)
        # All of them, the most similar first: each has to leave the training data.
        order = sorted(of, key=lambda one: (_LESS_SURE[of[one].how], -of[one].similarity, one))
        seen = [other_ids[place] for one in order for place in left.places[one]]
        detail = f"{_SAID[best[1].how].format(best[1].similarity)} a {what} of {other.name}"
        example = example_of(right.texts[number])
        for place in right.places[number]:
            yield Finding(kind, (ids[place], *seen), detail, example, advice)
            # Its copies leak with it; whom they leak to is said once.
            seen = seen[:1]


class _SharedPair(NamedTuple):
    how: str
    pair: TrainingPair
    query: int
    passage: int


def _shared_pairs(
    training: Sides,
    evaluation: Sides,
    queries: dict[int, dict[int, Alike]],
    passages: dict[int, dict[int, Alike]],
) -> Iterator[_SharedPair]:
    """Yield the pairs of which query and passage are both in one pair of the other set."""
    for pair in evaluation.data.pairs:
        asked = queries.get(evaluation.query_number.get(pair.query, -1))
        said = passages.get(evaluation.passage_number.get(pair.passage, -1))
        if not pair.relevant or not asked or not said:
            continue
        both = [
            (max(_LESS_SURE[asked[q].how], _LESS_SURE[said[p].how]), q, p)
            for q in asked
            for p in training.positives.get(q, set()) & said.keys()
        ]
        if both:
            sure, query, passage = min(both)
            yield _SharedPair(list(_LESS_SURE)[sure], pair, query, passage)


def _of_pair(
    kind: str, advice: str, training: Sides, evaluation: Sides, shared: _SharedPair
) -> Finding:
    data, other = evaluation.data, training.data
    ids = (
        data.query_ids[shared.pair.query],
        data.passage_ids[shared.pair.passage],
        other.query_ids[training.queries.places[shared.query][0]],
        other.passage_ids[training.passages.places[shared.passage][0]],
    )
    detail = f"query and relevant passage are a pair of {other.name}"
    example = example_of(data.query_texts[shared.pair.query])
    return Finding(kind, ids, detail, example, advice)
