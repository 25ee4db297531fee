"""What of an evaluation set was seen in training."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from embedsmith.hygiene._finding import Finding, Leakage
from embedsmith.hygiene._single_texts import example_of
from embedsmith.text import near_duplicates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.hygiene._training_data import TrainingData

__all__ = ["leakage_between"]


def leakage_between(
    training: TrainingData,
    evaluation: TrainingData,
    *,
    near: float,
    max_leakage: float,
    max_passage_leakage: float | None,
    seed: int,
) -> tuple[list[Leakage], list[Finding]]:
    """Return how much of an evaluation set stands in training, and every query, pair and passage.

    Only passages that are relevant to a query count: training and evaluation may well search one
    corpus.
    """
    queries = _seen(training.query_texts, evaluation.query_texts, near, seed)
    trained = sorted({pair.passage for pair in training.pairs if pair.relevant})
    asked = sorted({pair.passage for pair in evaluation.pairs if pair.relevant})
    found = _seen(
        [training.passage_texts[place] for place in trained],
        [evaluation.passage_texts[place] for place in asked],
        near,
        seed,
    )
    passages = {
        asked[second]: {trained[first]: score for first, score in of.items()}
        for second, of in found.items()
    }
    positives: defaultdict[int, set[int]] = defaultdict(set)
    for pair in training.pairs:
        if pair.relevant:
            positives[pair.query].add(pair.passage)
    findings = []
    for place, of in sorted(queries.items()):
        # All of them, the most similar first: each has to leave the training data.
        alike = sorted(of, key=lambda one: (-of[one], one))
        score = of[alike[0]]
        ids = (evaluation.query_ids[place], *(training.query_ids[one] for one in alike))
        detail = f"similarity {score:.2f} to a query of training"
        example = example_of(evaluation.query_texts[place])
        findings.append(Finding("leaked query", ids, detail, example, "drop from training"))
    relevant = [pair for pair in evaluation.pairs if pair.relevant]
    n_pairs = 0
    for pair in relevant:
        like = passages.get(pair.passage, {})
        both = sorted(q for q in queries.get(pair.query, {}) if positives[q] & like.keys())
        if both:
            n_pairs += 1
            ids = (
                evaluation.query_ids[pair.query],
                evaluation.passage_ids[pair.passage],
                training.query_ids[both[0]],
            )
            example = example_of(evaluation.query_texts[pair.query])
            detail = "query and relevant passage are a training pair"
            findings.append(Finding("leaked pair", ids, detail, example, "drop from training"))
    for place, of in sorted(passages.items()):
        first, score = min(of.items(), key=lambda one: (-one[1], one[0]))
        ids = (evaluation.passage_ids[place], training.passage_ids[first])
        detail = f"similarity {score:.2f} to a positive of training"
        example = example_of(evaluation.passage_texts[place])
        findings.append(Finding("leaked passage", ids, detail, example, "split by document"))
    name = evaluation.name
    counts = [
        Leakage(name, "queries", len(queries), len(evaluation.query_ids), max_leakage),
        Leakage(name, "pairs", n_pairs, len(relevant), max_leakage),
        Leakage(name, "passages", len(passages), len(asked), max_passage_leakage),
    ]
    return counts, findings


def _seen(
    trained: Sequence[str], asked: Sequence[str], near: float, seed: int
) -> dict[int, dict[int, float]]:
    """Return the texts of ``asked`` that are like some of ``trained``: which, and how much."""
    found: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for first, second, score in near_duplicates(trained, near, other=asked, seed=seed):
        found[second][first] = score
    return dict(found)
