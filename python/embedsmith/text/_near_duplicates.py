"""Near-duplicate texts by MinHash, verified."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from embedsmith import _core
from embedsmith._validate import as_count, as_number, as_progress
from embedsmith.exceptions import DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith._typing import F64Array, I64Array, Progress

__all__ = ["TextPairs", "near_duplicates"]

MAX_PAIRS = 10_000_000


@dataclass(frozen=True, eq=False, repr=False)
class TextPairs:
    """Pairs of near-duplicate texts, the most similar first, then by ``first`` and ``second``.

    ``len()`` counts them, and iterating gives ``(first, second, similarity)`` for each.

    Attributes
    ----------
    first : ndarray of shape (n_pairs,), int64
        Place of one text. Without ``other`` the lower one.
    second : ndarray of shape (n_pairs,), int64
        Place of the other; a place in ``other`` if there is one.
    similarity : ndarray of shape (n_pairs,), float64
        Exact Jaccard similarity of the two sets of shingles, from the threshold to 1.
    recall : float
        Probability with which a pair at the threshold is found; more similar ones are found more
        often, and equal ones always.
    """

    first: I64Array
    second: I64Array
    similarity: F64Array
    recall: float

    def __len__(self) -> int:
        return int(self.first.shape[0])

    def __iter__(self) -> Iterator[tuple[int, int, float]]:
        return zip(self.first.tolist(), self.second.tolist(), self.similarity.tolist(), strict=True)

    def __repr__(self) -> str:
        return f"TextPairs({len(self)} pairs)"


def near_duplicates(
    texts: Sequence[str],
    threshold: float = 0.8,
    *,
    other: Sequence[str] | None = None,
    unit: Literal["character", "word"] = "character",
    size: int = 5,
    links: bool = False,
    recall: float = 0.999,
    seed: int = 0,
    max_pairs: int = MAX_PAIRS,
    threads: int | None = None,
    progress: Progress | None = None,
) -> TextPairs:
    """Return the pairs of texts that share most of their shingles.

    Compares letters, not meaning: it needs no model, and finds copies that were edited, not
    paraphrases; for those see :func:`embedsmith.pairs_above`. Texts are compared in Unicode's NFKC
    form, in lower case, with everything between letters and digits as one blank.

    Parameters
    ----------
    texts : sequence of str
        Texts without a letter or digit have no shingles, and no duplicates.
    threshold : float, default 0.8
        Jaccard similarity that a pair must reach: shared shingles by all of both. Above 0, to 1.
    other : sequence of str, optional
        Only pairs of one of ``texts`` and one of ``other``: training against evaluation.
    unit : {"character", "word"}, default "character"
        What a shingle is a run of.
    size : int, default 5
        Characters or words of a shingle. A shorter text is one shingle.
    links : bool, default False
        Return no more than one pair for each text: as many as are needed to join near-duplicates
        into groups, so that a group of n texts costs n - 1 pairs and not n squared. Not with
        ``other``.
    recall : float, default 0.999
        Probability with which a pair right at the threshold is found, over seeds. Below 1.
    seed : int, default 0
        Chooses the hash functions, and so which rare pairs are missed.
    max_pairs : int, default 10_000_000
        More pairs are an error, raised as soon as they are found; ``links`` needs no limit.
    threads : int, optional
        Defaults to ``EMBEDSMITH_NUM_THREADS``, else to the processors granted to this process.
    progress : callable, optional
        Called as ``progress(done, total)`` every 50 ms and at the end; what it raises stops the
        search.

    Returns
    -------
    TextPairs
        No pair of it is below the threshold: what the hashes propose is compared letter by letter.

    Raises
    ------
    DataError
        If something is no string.
    ShapeError
        If a number is out of range.
    OutOfMemoryError
        If there are more than ``max_pairs`` pairs.

    Notes
    -----
    The same pairs for every number of threads. MinHash in b bands of r hashes finds a pair of
    similarity s with probability ``1 - (1 - s**r)**b``; r and b follow from ``threshold`` and
    ``recall``: 23 bands of 6 at 0.8, 52 of 3 at 0.5. Memory beside the caller's texts: their
    normalised copy, ``4 * b + 80`` bytes a text, and the answer. Texts that share most of their
    shingles without reaching the threshold (one template, other figures) are all compared, so time
    grows with the square of the largest such family. Drops the GIL and answers Ctrl-C.

    References
    ----------
    Broder, "On the resemblance and containment of documents", 1997.

    Examples
    --------
    >>> import embedsmith as es
    >>> texts = ["The fee is 5 euros a month.", "Cards are free.", "the fee is 5 Euros a month!"]
    >>> list(es.near_duplicates(texts))
    [(0, 2, 1.0)]
    """
    threshold = as_number("threshold", threshold)
    recall = as_number("recall", recall)
    if not 0.0 < threshold <= 1.0:
        msg = f"threshold is {threshold}; a Jaccard similarity lies above 0, up to 1."
        raise ShapeError(msg)
    if not 0.0 < recall < 1.0:
        msg = f"recall is {recall}; pass a probability between 0 and 1, such as 0.999."
        raise ShapeError(msg)
    if unit not in ("character", "word"):
        msg = f"unit={unit!r} is unknown. Choose 'character' or 'word'."
        raise ShapeError(msg)
    if links and other is not None:
        msg = "links join the texts of one list; leave out links, or other."
        raise ShapeError(msg)
    size = as_count("size", size)
    seed = as_count("seed", seed, least=0)
    most = as_count("max_pairs", max_pairs)
    threads = None if threads is None else as_count("threads", threads)
    folded = _folded("texts", texts)
    border = None
    if other is not None:
        border = len(folded)
        folded += _folded("other", other)
    first, second, similarity = _core.near_duplicates(
        folded,
        threshold,
        size,
        unit == "word",
        recall,
        seed,
        None if links else most,
        border,
        threads,
        as_progress(progress),
    )
    return TextPairs(first, second if border is None else second - border, similarity, recall)


def _folded(argument: str, texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        msg = f"{argument} is one string; pass a list of texts."
        raise DataError(msg)
    made = []
    given: Sequence[object] = texts
    for place, text in enumerate(given):
        if not isinstance(text, str):
            msg = f"{argument} has {text!r} at position {place}, which is no string. Pass str."
            raise DataError(msg)
        # A lone surrogate is no character, and so neither letter nor digit.
        whole = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
        made.append(unicodedata.normalize("NFKC", whole))
    return made
