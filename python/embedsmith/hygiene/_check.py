"""Training data looked at from all sides."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from embedsmith._validate import as_count, as_number
from embedsmith.exceptions import ShapeError
from embedsmith.hygiene._coverage import coverage_of
from embedsmith.hygiene._duplicates import duplicate_findings
from embedsmith.hygiene._embedded import Embeddings, as_encoded
from embedsmith.hygiene._finding import DataCheck
from embedsmith.hygiene._labels import label_findings
from embedsmith.hygiene._language import Languages
from embedsmith.hygiene._leakage import Sides, leakage_between
from embedsmith.hygiene._likeness import Likeness
from embedsmith.hygiene._limits import Limits
from embedsmith.hygiene._listed import passages_of, queries_of
from embedsmith.hygiene._long import long_findings
from embedsmith.hygiene._scores import pair_scores
from embedsmith.hygiene._single_texts import text_findings
from embedsmith.hygiene._stages import Stages
from embedsmith.hygiene._training_data import TrainingData

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from embedsmith.backends import Encoder, Role
    from embedsmith.datasets import Corpus, Dataset
    from embedsmith.hygiene._finding import Leakage
    from embedsmith.hygiene._listed import Listed
    from embedsmith.hygiene._scores import PairScores
    from embedsmith.hygiene._stages import StageProgress

__all__ = ["check_data", "texts_to_embed"]


def check_data(
    training: Dataset | TrainingData | str | os.PathLike[str],
    evaluation: Sequence[Dataset | TrainingData | str | os.PathLike[str]] = (),
    *,
    corpus: Corpus | str | os.PathLike[str] | None = None,
    encoder: Encoder | None = None,
    teacher: Any = None,
    languages: Sequence[str] | None = None,
    split: str = "train",
    evaluation_split: str = "test",
    near: float = 0.8,
    cosine: float = 0.95,
    coverage_cosine: float = 0.7,
    false_negative_ratio: float = 0.95,
    max_words: int = 400,
    max_leakage: float | Mapping[str, float] = 0.0,
    seed: int = 0,
    progress: StageProgress | None = None,
) -> DataCheck:
    """Return what is wrong with training data, alone and beside evaluation sets.

    Looks for leakage, duplicates, labels that contradict each other, likely false negatives,
    texts that are empty, broken, long, boilerplate or in another script or language, and personal
    data. Changes nothing, and needs no model; with one it sees paraphrases too.

    Parameters
    ----------
    training : Dataset, TrainingData or path
        A BEIR folder; or a file of JSON lines with ``query``, ``positive`` and perhaps
        ``negative`` and ``scores``, as :meth:`TrainingData.of` reads them.
    evaluation : sequence of Dataset, TrainingData or path
        Sets that the model will be measured on. Each is looked for in training, and in the others.
    corpus : Corpus or path, optional
        What will be searched, as :func:`embedsmith.stream_corpus` reads it: duplicates, texts and
        coverage are then those of the corpus. By default the passages of the training data.
    encoder : Encoder, optional
        As :func:`embedsmith.load_encoder` returns it. Adds duplicates and leakage by cosine, false
        negatives by its score, the real number of tokens, and coverage by nearest neighbour. Embeds
        all texts.
    teacher : object, optional
        Judges negatives in place of the scores in the data and of the encoder: has
        ``predict(pairs)``, as sentence-transformers' CrossEncoder, or is a callable that takes a
        list of (query, passage) and returns a number for each.
    languages : sequence of str, optional
        ISO 639-1 codes that texts may be in; others are reported where that is sure. Needs the
        extra ``lang``. By default texts are told apart by script only.
    split, evaluation_split : str, default "train" and "test"
        Which judgements of folders.
    near : float, default 0.8
        Jaccard similarity from which two texts count as one; see
        :func:`embedsmith.near_duplicates`.
    cosine : float, default 0.95
        The same for embeddings. What is right depends on the model.
    coverage_cosine : float, default 0.7
        From which a passage counts as covered by a positive near it.
    false_negative_ratio : float, default 0.95
        A negative is suspicious if its score reaches this share of the query's lowest positive
        score; of one that is 0 or below, if it reaches that score.
    max_words : int, default 400
        Longer texts are reported. With an encoder its own limit in tokens counts instead.
    max_leakage : float or mapping of str to float, default 0.0
        Share of an evaluation set's queries, and of its pairs, that may stand in training. Or
        shares by name: ``"queries"``, ``"pairs"``, ``"passages"`` (relevant ones, no limit by
        default: training and evaluation often share a corpus), and the same with ``"cross "`` in
        front for what evaluation sets share with each other (no limit by default). A set's name and
        a colon before it hold for that set: ``{"test.jsonl:queries": 0.01}``.
    seed : int, default 0
        For the near-duplicates.
    progress : callable, optional
        Called as ``progress(stage, done, total)``; what it raises stops the check.

    Returns
    -------
    DataCheck
        ``passed`` says whether leakage is within its limits; ``findings`` name everything.

    Raises
    ------
    DataError
        If a source cannot be read, or a language is unknown.
    ShapeError
        If a number is out of range, or a limit has an unknown name.
    MissingDependencyError
        If languages are asked for, and the extra is not installed.
    OutOfMemoryError
        If there are more than 10 million pairs of near-duplicates.

    Notes
    -----
    Without ``languages`` Cyrillic in a Latin corpus is seen, German in an English one is not.
    Paraphrases between training and evaluation are looked for among the ten nearest of each text,
    from either side. Memory: the texts, those of :func:`embedsmith.near_duplicates`, and with an
    encoder ``8 * dim`` bytes for each distinct text.

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
    cosine, cover = _cosine("cosine", cosine), _cosine("coverage_cosine", coverage_cosine)
    max_words, seed = as_count("max_words", max_words), as_count("seed", seed, least=0)
    tongues = None if languages is None else Languages(languages)
    stages = Stages(progress)
    tests = _named([TrainingData.of(source, evaluation_split) for source in evaluation])
    limits = Limits(max_leakage, [test.name for test in tests])
    data = TrainingData.of(training, split)
    queries, (passages, findings) = queries_of(data), passages_of(data, corpus)
    embeddings = None if encoder is None else _embedded(encoder, data, tests, passages, stages)
    likeness = Likeness(near, cosine, seed, embeddings, stages)
    leakage: list[Leakage] = []
    for left, right, cross in _to_compare(data, tests):
        counts, found = leakage_between(left, right, likeness, limit=limits, cross=cross)
        leakage += counts
        findings += found
    scored = pair_scores(data, teacher, embeddings, stages)
    findings += label_findings(data, scored, likeness, ratio=ratio)
    for listed in (queries, passages):
        findings += duplicate_findings(listed, likeness)
    for listed in (queries, passages):
        findings += text_findings(listed.role, listed.ids, listed.texts)
        findings += long_findings(listed, max_words=max_words, embeddings=embeddings)
        if tongues is not None:
            findings += tongues.findings(listed.role, listed.ids, listed.texts, stages)
    coverage, found = coverage_of(
        data, passages, embeddings=embeddings, cosine=cover, stages=stages
    )
    findings += found
    n_relevant = sum(pair.relevant for pair in data.pairs)
    sizes = {
        "queries": len(data.query_ids),
        "passages": len(passages.ids),
        "positive pairs": n_relevant,
        "negative pairs": len(data.pairs) - n_relevant,
    }
    settings: dict[str, object] = {
        "near": near,
        "cosine": cosine,
        "coverage_cosine": cover,
        "false_negative_ratio": ratio,
        "max_words": max_words,
        "max_leakage": dict(limits.shares),
        "languages": None if tongues is None else list(tongues.wanted),
        "encoder": None if encoder is None else encoder.spec,
        "fingerprint": None if encoder is None else encoder.fingerprint.digest,
        "scores_by": scored.by,
        "seed": seed,
    }
    return DataCheck(
        data.name,
        sizes,
        coverage,
        tuple(leakage),
        tuple(findings),
        tuple(_not_checked(tests, scored, tongues, encoder)),
        settings,
    )


def _named(tests: list[TrainingData]) -> list[TrainingData]:
    """Return the sets with names that tell them apart, for limits and findings."""
    counts = Counter(test.name for test in tests)
    seen: Counter[str] = Counter()
    made = []
    for test in tests:
        name = test.name
        if counts[name] > 1 and test.path is not None:
            name = f"{test.path}" if test.split is None else f"{test.path} ({test.split})"
        seen[name] += 1
        made.append(replace(test, name=name if seen[name] == 1 else f"{name} {seen[name]}"))
    return made


def texts_to_embed(
    training: TrainingData,
    evaluation: Sequence[Dataset | TrainingData | str | os.PathLike[str]],
    *,
    corpus: Corpus | str | os.PathLike[str] | None,
    evaluation_split: str,
) -> dict[Role, list[str]]:
    """Return what `check_data` with these arguments would have an encoder embed."""
    tests = [TrainingData.of(source, evaluation_split) for source in evaluation]
    queries, passages = _said(training, tests, passages_of(training, corpus)[0])
    return {
        "query": [as_encoded(text) for texts in queries for text in texts],
        "document": [as_encoded(text) for texts in passages for text in texts],
    }


def _embedded(
    encoder: Encoder,
    data: TrainingData,
    tests: Sequence[TrainingData],
    passages: Listed,
    stages: Stages,
) -> Embeddings:
    return Embeddings(encoder, *_said(data, tests, passages), stages)


def _said(
    data: TrainingData, tests: Sequence[TrainingData], passages: Listed
) -> tuple[list[Sequence[str]], list[Sequence[str]]]:
    """Return the queries and the passages of all sets."""
    touched = {pair.passage for pair in data.pairs}
    answers = [
        [test.passage_texts[pair.passage] for pair in test.pairs if pair.relevant] for test in tests
    ]
    return (
        [data.query_texts, *(test.query_texts for test in tests)],
        [passages.texts, [data.passage_texts[place] for place in sorted(touched)], *answers],
    )


def _to_compare(
    data: TrainingData, tests: Sequence[TrainingData]
) -> Iterator[tuple[Sides, Sides, bool]]:
    """Yield training with each evaluation set, then each two of these."""
    if tests:
        own, sides = Sides.of(data), [Sides.of(test) for test in tests]
        yield from ((own, side, False) for side in sides)
        yield from ((one, other, True) for one, other in combinations(sides, 2))


def _not_checked(
    tests: Sequence[TrainingData],
    scored: PairScores,
    tongues: Languages | None,
    encoder: Encoder | None,
) -> Iterator[str]:
    if not tests:
        yield "leakage: no evaluation set was given."
    if not any(score is not None for score in scored.scores):
        yield (
            "false negatives by score: no negative has one. Give a model, or lines with scores of "
            "a teacher; copies of positives were looked for all the same."
        )
    if tongues is None:
        yield "languages of one script: texts are told apart by their letters; name languages."
    if encoder is None:
        yield (
            "paraphrases, tokens, and what lies near a positive: texts are compared by letters; "
            "give a model."
        )


def _cosine(name: str, value: float) -> float:
    number = as_number(name, value)
    if not -1.0 <= number <= 1.0:
        msg = f"{name} is {value}; pass a number from -1 to 1, such as 0.95."
        raise ShapeError(msg)
    return number
