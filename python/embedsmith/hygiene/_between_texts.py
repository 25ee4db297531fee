"""Which of these texts stand among those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from embedsmith._validate import as_count, as_number
from embedsmith.exceptions import DataError, ShapeError
from embedsmith.hygiene._alike import How, alike
from embedsmith.hygiene._same_text import Distinct
from embedsmith.search import topk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import Progress

__all__ = ["LeakedText", "leakage"]


class LeakedText(NamedTuple):
    """A text of training that stands in an evaluation set.

    Attributes
    ----------
    row : int
        Its place in the training texts.
    evaluation_row : int
        The evaluation text that it is most like; of equal ones the first.
    how : {"equal", "near", "embedding"}
        Equal but for case and blanks; alike letter by letter; or alike in meaning.
    similarity : float
        1 if equal, Jaccard similarity of the shingles if near, cosine if by embedding.
    """

    row: int
    evaluation_row: int
    how: How
    similarity: float


def leakage(
    training: Sequence[str],
    evaluation: Sequence[str],
    *,
    near: float | None = 0.8,
    training_embeddings: Any = None,
    evaluation_embeddings: Any = None,
    cosine: float = 0.95,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[LeakedText, ...]:
    """Return the training texts that stand in the evaluation texts, with their rows.

    The small door for code that holds texts: a trainer refuses these rows, a splitter moves them.
    Compares texts of one role: call it for the queries, and again for the passages. For pairs,
    limits and a report see :func:`embedsmith.check_data`.

    Parameters
    ----------
    training, evaluation : sequence of str
        Texts, repeated ones included. Empty ones are like nothing.
    near : float or None, default 0.8
        Jaccard similarity from which texts count as one, as in
        :func:`embedsmith.near_duplicates`. None: only texts that are equal but for case and blanks.
    training_embeddings, evaluation_embeddings : array_like of shape (n_texts, dim), optional
        A row for each text, of one model and one role: both are given, or none. With them,
        paraphrases are found too.
    cosine : float, default 0.95
        From which two embeddings count as one text. What is right depends on the model.
    seed : int, default 0
        For the near-duplicates.
    threads : int, optional
        Defaults to ``EMBEDSMITH_NUM_THREADS``, else to the processors granted to this process.
    progress : callable, optional
        Called as ``progress(done, total)`` while near-duplicates are looked for.

    Returns
    -------
    tuple of LeakedText
        One for each training text that leaks, by row, with the surest of the three ways. Empty: no
        text of training stands in the evaluation texts.

    Raises
    ------
    DataError
        If something is no string.
    ShapeError
        If a limit is out of range, one of two embeddings is missing, or they do not fit the texts.
    NonFiniteError
        If an embedding holds NaN or infinity.
    OutOfMemoryError
        If there are more than 10 million pairs of near-duplicates.

    Notes
    -----
    The same for every number of threads. Equal texts are compared once, so repeated queries (one
    line for each of their passages) cost nothing. Memory: see
    :func:`embedsmith.near_duplicates`. Drops the GIL and answers Ctrl-C.

    Examples
    --------
    >>> from embedsmith.hygiene import leakage
    >>> training = ["what is the fee", "close my account", "How do I block a stolen card"]
    >>> for one in leakage(training, ["How do I block a stolen card?", "What is  the fee"]):
    ...     print(one.row, one.evaluation_row, one.how, one.similarity)
    0 1 equal 1.0
    2 0 near 1.0
    """
    if near is not None:
        near = as_number("near", near)
    cosine, seed = as_number("cosine", cosine), as_count("seed", seed, least=0)
    if not -1.0 <= cosine <= 1.0:
        msg = f"cosine is {cosine}; pass a number from -1 to 1, such as 0.95."
        raise ShapeError(msg)
    _checked("training", training)
    _checked("evaluation", evaluation)
    found: dict[int, LeakedText] = {}
    vectors = training_embeddings, evaluation_embeddings
    if any(one is not None for one in vectors) and _fitting(training, evaluation, *vectors):
        hits = topk(*vectors, k=1, metric="cosine", threads=threads)
        best = zip(hits.exact[:, 0].tolist(), hits.rows[:, 0].tolist(), strict=True)
        found = {
            row: LeakedText(row, other, "embedding", score)
            for row, (score, other) in enumerate(best)
            if score >= cosine and training[row].strip() and evaluation[other].strip()
        }
    left, right = Distinct.of(training), Distinct.of(evaluation)
    pairs = alike(left, right, near=near, seed=seed, threads=threads, progress=progress)
    # Of each text the surest and most similar comes last, of equal ones the first.
    ordered = sorted(
        (how == "equal", similarity, -second, first)
        for (first, second), (how, similarity) in pairs.items()
    )
    for equal, similarity, minus_second, first in ordered:
        other = right.places[-minus_second][0]
        way: How = "equal" if equal else "near"
        found |= {row: LeakedText(row, other, way, similarity) for row in left.places[first]}
    return tuple(found[row] for row in sorted(found))


def _checked(name: str, texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        msg = f"{name} is one string; pass a list of texts."
        raise DataError(msg)
    given: Sequence[object] = texts
    for place, text in enumerate(given):
        if not isinstance(text, str):
            msg = f"{name} has {text!r:.60} at position {place}, which is no string. Pass str."
            raise DataError(msg)


def _fitting(training: Sequence[str], evaluation: Sequence[str], left: Any, right: Any) -> bool:
    """Refuse embeddings that are not those of the texts; tell whether there is any pair."""
    for name, texts, vectors in (
        ("training", training, left),
        ("evaluation", evaluation, right),
    ):
        if vectors is None:
            msg = f"{name}_embeddings are missing; pass the embeddings of both sides, or of none."
            raise ShapeError(msg)
        if len(vectors) != len(texts):
            msg = (
                f"{name}_embeddings have {len(vectors):,} rows for {len(texts):,} texts; "
                "pass one row for each text."
            )
            raise ShapeError(msg)
    return len(training) > 0 and len(evaluation) > 0
