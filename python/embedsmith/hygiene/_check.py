"""Training data looked at from all sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith._validate import as_count, as_number
from embedsmith.exceptions import ShapeError
from embedsmith.hygiene._finding import DataCheck, Finding
from embedsmith.hygiene._labels import label_findings
from embedsmith.hygiene._leakage import leakage_between
from embedsmith.hygiene._single_texts import example_of, text_findings
from embedsmith.hygiene._training_data import TrainingData
from embedsmith.text import near_duplicates

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from embedsmith.datasets import Dataset

__all__ = ["check_data"]


def check_data(
    training: Dataset | TrainingData | str | os.PathLike[str],
    evaluation: Sequence[Dataset | TrainingData | str | os.PathLike[str]] = (),
    *,
    split: str = "train",
    evaluation_split: str = "test",
    near: float = 0.8,
    false_negative_ratio: float = 0.95,
    max_words: int = 400,
    max_leakage: float = 0.0,
    max_passage_leakage: float | None = None,
    seed: int = 0,
) -> DataCheck:
    """Return what is wrong with training data, alone and beside evaluation sets.

    Looks for leakage, duplicates, labels that contradict each other, likely false negatives,
    texts that are empty, long, boilerplate or in another script, and personal data. Changes
    nothing, and needs no model.

    Parameters
    ----------
    training : Dataset, TrainingData or path
        A BEIR folder; or a file of JSON lines with ``query``, ``positive`` and perhaps
        ``negative`` and ``scores``, as :meth:`TrainingData.of` reads them.
    evaluation : sequence of Dataset, TrainingData or path
        Sets that the model will be measured on.
    split, evaluation_split : str, default "train" and "test"
        Which judgements of folders.
    near : float, default 0.8
        Jaccard similarity from which two texts count as one; see
        :func:`embedsmith.near_duplicates`.
    false_negative_ratio : float, default 0.95
        A negative is suspicious if its score reaches this share of the query's lowest positive
        score. Used where the data has scores.
    max_words : int, default 400
        Longer texts are reported.
    max_leakage : float, default 0.0
        Share of an evaluation set's queries, and of its pairs, that may stand in training.
    max_passage_leakage : float, optional
        The same for relevant passages. By default they are counted and have no limit: training
        and evaluation often share a corpus.
    seed : int, default 0
        For the near-duplicates.

    Returns
    -------
    DataCheck
        ``passed`` says whether leakage is within its limits; ``findings`` name everything.

    Raises
    ------
    DataError
        If a source cannot be read.
    ShapeError
        If a number is out of range.
    OutOfMemoryError
        If there are more than 10 million pairs of near-duplicates between training and evaluation.

    Notes
    -----
    Languages are told apart by script only: Cyrillic in a Latin corpus is seen, German in an
    English one is not. Phone numbers are found in their international form.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> import embedsmith as es
    >>> rows = [{"query": "what is the monthly fee", "positive": "It is 5 euros."}]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     train, test = (pathlib.Path(folder) / name for name in ("a.jsonl", "b.jsonl"))
    ...     _ = train.write_text(json.dumps(rows[0]))
    ...     _ = test.write_text(json.dumps({**rows[0], "query": "What is the monthly fee?"}))
    ...     found = es.check_data(train, [test])
    >>> found.passed, found.counts()
    (False, {'leaked query': 1, 'leaked pair': 1, 'leaked passage': 1})
    """
    near, ratio = as_number("near", near), as_number("false_negative_ratio", false_negative_ratio)
    max_leakage = _share("max_leakage", max_leakage)
    if max_passage_leakage is not None:
        max_passage_leakage = _share("max_passage_leakage", max_passage_leakage)
    max_words, seed = as_count("max_words", max_words), as_count("seed", seed, least=0)
    data = TrainingData.of(training, split)
    leakage, findings = [], []
    for source in evaluation:
        counts, found = leakage_between(
            data,
            TrainingData.of(source, evaluation_split),
            near=near,
            max_leakage=max_leakage,
            max_passage_leakage=max_passage_leakage,
            seed=seed,
        )
        leakage += counts
        findings += found
    findings += label_findings(data, near=near, ratio=ratio, seed=seed)
    findings += _duplicates("query", data.query_ids, data.query_texts, near, seed)
    findings += _duplicates("passage", data.passage_ids, data.passage_texts, near, seed)
    for role, ids, texts in (
        ("query", data.query_ids, data.query_texts),
        ("passage", data.passage_ids, data.passage_texts),
    ):
        findings += text_findings(role, ids, texts, max_words=max_words)
    n_relevant = sum(pair.relevant for pair in data.pairs)
    covered = {pair.passage for pair in data.pairs if pair.relevant}
    sizes = {
        "queries": len(data.query_ids),
        "passages": len(data.passage_ids),
        "positive pairs": n_relevant,
        "negative pairs": len(data.pairs) - n_relevant,
    }
    settings = {
        "near": near,
        "false_negative_ratio": ratio,
        "max_words": max_words,
        "max_leakage": max_leakage,
        "max_passage_leakage": max_passage_leakage,
        "seed": seed,
    }
    return DataCheck(
        data.name,
        sizes,
        len(covered) / len(data.passage_ids),
        tuple(leakage),
        tuple(findings),
        tuple(_not_checked(data, evaluation)),
        settings,
    )


def _duplicates(
    role: str, ids: Sequence[str], texts: Sequence[str], near: float, seed: int
) -> Iterator[Finding]:
    for first, second, similarity in near_duplicates(texts, near, links=True, seed=seed):
        kind = f"duplicate {role}" if texts[first] == texts[second] else f"near-duplicate {role}"
        detail = f"similarity {similarity:.2f}"
        yield Finding(
            kind, (ids[second], ids[first]), detail, example_of(texts[second]), "drop one"
        )


def _not_checked(data: TrainingData, evaluation: Sequence[object]) -> Iterator[str]:
    if not evaluation:
        yield "leakage: no evaluation set was given."
    if not any(pair.score is not None for pair in data.pairs if not pair.relevant):
        yield (
            "false negatives by score: no negative has a score. Give lines with scores of a "
            "teacher; copies of positives were looked for all the same."
        )
    yield "languages of one script: texts are told apart by their letters only."
    yield "paraphrases: duplicates are compared by letters; pairs_above compares embeddings."


def _share(name: str, value: float) -> float:
    number = as_number(name, value)
    if not 0.0 <= number <= 1.0:
        msg = f"{name} is {value}; pass a share from 0 to 1."
        raise ShapeError(msg)
    return number
