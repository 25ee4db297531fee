"""Texts of one list that are like texts of another, and in which way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from embedsmith.search import topk
from embedsmith.text import near_duplicates

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, Progress
    from embedsmith.hygiene._same_text import Distinct

__all__ = ["Alike", "How", "alike"]

How: TypeAlias = Literal["equal", "near", "embedding"]

# Paraphrases that are looked for of each text, from either side.
_NEIGHBOURS = 10


class Alike(NamedTuple):
    """In which way two texts are alike, the surest one, and how much.

    Attributes
    ----------
    how : {"equal", "near", "embedding"}
    similarity : float
        1, the Jaccard similarity of the shingles, or the cosine.
    """

    how: How
    similarity: float


def alike(
    left: Distinct,
    right: Distinct,
    *,
    near: float | None,
    seed: int,
    vectors: tuple[F32Array, F32Array] | None = None,
    cosine: float = 1.0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[tuple[int, int], Alike]:
    """Return the pairs of one text of ``left`` and one of ``right``, by number, that are alike.

    Parameters
    ----------
    left, right : Distinct
        So that copies on both sides are one pair, and not a product.
    near : float or None
        Jaccard similarity from which they count; None: only equal ones.
    seed : int
        For the near-duplicates.
    vectors : pair of ndarrays of shape (n_distinct, dim), optional
        With them, the ten nearest of each text count too, from ``cosine`` on.
    cosine : float
        From which embeddings count.
    threads : int, optional
    progress : callable, optional

    Returns
    -------
    dict of (int, int) to Alike
        In no order.
    """
    found: dict[tuple[int, int], Alike] = {}
    if not len(left) or not len(right):
        return found
    if vectors is not None:
        for swapped, (rows, others) in enumerate((vectors, vectors[::-1])):
            hits = topk(rows, others, k=min(_NEIGHBOURS, len(others)), metric="cosine")
            for row, place in zip(*(hits.exact >= cosine).nonzero(), strict=True):
                own, other = int(row), int(hits.rows[row, place])
                pair = (other, own) if swapped else (own, other)
                found[pair] = Alike("embedding", float(hits.exact[row, place]))
    if near is not None:
        pairs = near_duplicates(
            left.texts, near, other=right.texts, seed=seed, threads=threads, progress=progress
        )
        for first, second, similarity in pairs:
            found[first, second] = Alike("near", similarity)
    for form in left.numbers.keys() & right.numbers.keys():
        found[left.numbers[form], right.numbers[form]] = Alike("equal", 1.0)
    return found
