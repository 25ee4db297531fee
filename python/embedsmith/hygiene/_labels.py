"""What labels say about each other and about their texts."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from embedsmith.hygiene._finding import Finding
from embedsmith.hygiene._same_text import Distinct, same_text
from embedsmith.hygiene._single_texts import example_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from embedsmith.hygiene._alike import Alike
    from embedsmith.hygiene._likeness import Likeness
    from embedsmith.hygiene._scores import PairScores
    from embedsmith.hygiene._training_data import TrainingData

__all__ = ["label_findings"]

# Where a pair stands only once: among all positives of a query, all its negatives, or in a line.
_POSITIVE, _NEGATIVE = -1, -2


def label_findings(
    data: TrainingData, scored: PairScores, likeness: Likeness, *, ratio: float
) -> Iterator[Finding]:
    """Yield pairs that contradict each other, repeat, or are likely labelled wrongly.

    Parameters
    ----------
    data : TrainingData
    scored : PairScores
        Where a score is None, its pair is not judged by it.
    likeness : Likeness
        From when on a negative counts as a copy of a positive.
    ratio : float
        A negative whose score reaches this share of the query's lowest positive score is reported.

    Yields
    ------
    Finding
        Once for each pair.
    """
    by_query: defaultdict[str, list[int]] = defaultdict(list)
    for place, pair in enumerate(data.pairs):
        by_query[same_text(data.query_texts[pair.query])].append(place)
    copies = _copies_of_positives(data, by_query.values(), likeness)
    for of_query in by_query.values():
        yield from _of_query(data, scored, of_query, copies, ratio)


def _of_query(
    data: TrainingData,
    scored: PairScores,
    of_query: Sequence[int],
    copies: dict[int, Alike],
    ratio: float,
) -> Iterator[Finding]:
    texts = {place: same_text(data.passage_texts[data.pairs[place].passage]) for place in of_query}
    positives = {texts[place]: place for place in of_query if data.pairs[place].relevant}
    known = [scored.scores[place] for place in of_query if data.pairs[place].relevant]
    least = min((score for score in known if score is not None), default=None)
    seen: dict[tuple[str, int], int] = {}
    for place in of_query:
        pair, text, score = data.pairs[place], texts[place], scored.scores[place]
        ids: tuple[str, ...] = (data.query_ids[pair.query], data.passage_ids[pair.passage])
        found = partial(_found, data.passage_texts[pair.passage])
        # A negative of several lines is one of each of their positives.
        within = _POSITIVE if pair.relevant else _NEGATIVE if data.named else pair.query
        first = data.pairs[seen.setdefault((text, within), place)]
        if first is not pair:
            ids = (*ids, data.query_ids[first.query], data.passage_ids[first.passage])
            yield found("repeated pair", ids, "query and passage stand before", "drop")
            continue
        if text and text == same_text(data.query_texts[pair.query]):
            yield found("passage is query", ids, "both texts are the same", "drop")
        if pair.relevant:
            continue
        if text in positives:
            other = data.passage_ids[data.pairs[positives[text]].passage]
            detail = f"negative here, positive as {other}"
            yield found("contradiction", (*ids, other), detail, "expert")
        elif place in copies:
            what = "cosine" if copies[place].how == "embedding" else "similarity"
            detail = f"{what} {copies[place].similarity:.2f} to a positive of its query"
            yield found("likely false negative", ids, detail, "relabel as positive")
        elif score is not None and least is not None and score >= _border(least, ratio):
            detail = f"score {score:.4g} by {scored.by}, the positive's is {least:.4g}"
            advice = "expert" if score >= least else "drop"
            yield found("likely false negative", ids, detail, advice)


def _found(passage: str, kind: str, ids: tuple[str, ...], detail: str, suggestion: str) -> Finding:
    return Finding(kind, ids, detail, example_of(passage), suggestion)


def _border(least: float, ratio: float) -> float:
    """Return the score from which a negative is suspicious; one of 0 or below has no share."""
    return ratio * least if least > 0 else least


def _copies_of_positives(
    data: TrainingData,
    queries: Iterable[Sequence[int]],
    likeness: Likeness,
) -> dict[int, Alike]:
    """Return the negatives that are like a positive of their query: by place, how much."""
    judged = [
        of_query for of_query in queries if not all(data.pairs[one].relevant for one in of_query)
    ]
    relevant = {data.pairs[one].passage for of in judged for one in of if data.pairs[one].relevant}
    against = {
        data.pairs[one].passage for of in judged for one in of if not data.pairs[one].relevant
    }
    left = Distinct.of(data.passage_texts, sorted(relevant))
    right = Distinct.of(data.passage_texts, sorted(against))
    found = likeness.between("document", left, right, "copies of positives")
    positive, negative = left.by_place(), right.by_place()
    copies: dict[int, Alike] = {}
    for of_query in judged:
        own = {
            positive[data.pairs[one].passage]
            for one in of_query
            if data.pairs[one].passage in positive and data.pairs[one].relevant
        }
        for one in of_query:
            if data.pairs[one].relevant:
                continue
            like = found.get(negative.get(data.pairs[one].passage, -1), {})
            ways = [how for number, how in like.items() if number in own]
            if ways:
                copies[one] = max(ways, key=lambda way: (way.how != "embedding", way.similarity))
    return copies
