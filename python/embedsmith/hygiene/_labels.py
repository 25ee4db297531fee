"""What labels say about each other and about their texts."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from embedsmith.hygiene._finding import Finding
from embedsmith.hygiene._same_text import same_text
from embedsmith.hygiene._single_texts import example_of
from embedsmith.text import near_duplicates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from embedsmith.hygiene._training_data import TrainingData, TrainingPair

__all__ = ["label_findings"]


def label_findings(
    data: TrainingData, *, near: float, ratio: float, seed: int
) -> Iterator[Finding]:
    """Yield pairs that contradict each other, repeat, or are likely labelled wrongly.

    Parameters
    ----------
    data : TrainingData
        With scores, or without likely false negatives by score.
    near : float
        Jaccard similarity from which a negative counts as a copy of a positive.
    ratio : float
        A negative whose score reaches this share of the query's lowest positive score is reported.
    seed : int
        For the near-duplicates.

    Yields
    ------
    Finding
        Once for each pair.
    """
    by_query: defaultdict[str, list[TrainingPair]] = defaultdict(list)
    for pair in data.pairs:
        by_query[same_text(data.query_texts[pair.query])].append(pair)
    copies = _copies_of_positives(data, by_query.values(), near, seed)
    for of_query in by_query.values():
        seen: dict[tuple[str, bool], TrainingPair] = {}
        positives = {
            same_text(data.passage_texts[pair.passage]): pair for pair in of_query if pair.relevant
        }
        # A score of 0 or below has no share; then nothing can be told from it.
        scores = [pair.score for pair in of_query if pair.relevant and pair.score is not None]
        least = min(scores, default=0.0)
        for pair in of_query:
            text = same_text(data.passage_texts[pair.passage])
            ids: tuple[str, ...] = (data.query_ids[pair.query], data.passage_ids[pair.passage])
            example = example_of(data.passage_texts[pair.passage])
            first = seen.setdefault((text, pair.relevant), pair)
            if first is not pair:
                ids = (*ids, data.query_ids[first.query], data.passage_ids[first.passage])
                yield Finding(
                    "repeated pair", ids, "query and passage stand before", example, "drop"
                )
                continue
            if text == same_text(data.query_texts[pair.query]):
                yield Finding("passage is query", ids, "both texts are the same", example, "drop")
            if pair.relevant:
                continue
            if text in positives:
                other = data.passage_ids[positives[text].passage]
                detail = f"negative here, positive as {other}"
                yield Finding("contradiction", (*ids, other), detail, example, "expert")
            elif pair in copies:
                detail = f"similarity {copies[pair]:.2f} to a positive of its query"
                yield Finding("likely false negative", ids, detail, example, "relabel as positive")
            elif pair.score is not None and least > 0 and pair.score >= ratio * least:
                detail = f"score {pair.score:.4g}, the positive's is {least:.4g}"
                advice = "expert" if pair.score >= least else "drop"
                yield Finding("likely false negative", ids, detail, example, advice)


def _copies_of_positives(
    data: TrainingData, queries: Iterable[Sequence[TrainingPair]], near: float, seed: int
) -> dict[TrainingPair, float]:
    positives = {pair.passage for of_query in queries for pair in of_query if pair.relevant}
    negatives = {pair.passage for pair in data.pairs if not pair.relevant}
    left, right = sorted(positives), sorted(negatives)
    if not right:
        return {}
    found: defaultdict[int, dict[int, float]] = defaultdict(dict)
    pairs = near_duplicates(
        [data.passage_texts[place] for place in left],
        near,
        other=[data.passage_texts[place] for place in right],
        seed=seed,
    )
    for first, second, similarity in pairs:
        found[right[second]][left[first]] = similarity
    copies: dict[TrainingPair, float] = {}
    for of_query in queries:
        relevant = {pair.passage for pair in of_query if pair.relevant}
        for pair in of_query:
            if not pair.relevant:
                like = [s for place, s in found[pair.passage].items() if place in relevant]
                if like:
                    copies[pair] = max(like)
    return copies
