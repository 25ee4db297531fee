"""Whether the parts of a split, as they were written, share what they should not."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from embedsmith.datasets import load_dataset
from embedsmith.hygiene import leakage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith._typing import Json
    from embedsmith.datasets import Dataset

__all__ = ["leaks_between"]

_SHOWN = 5


def leaks_between(
    folder: Path,
    names: Sequence[str],
    *,
    near: float,
    seed: int,
    max_passage_leakage: float | None,
) -> list[Json]:
    """Return what each later part shares with each earlier one: queries, and relevant passages.

    Reads the parts from their folders, as those who use them do.

    Parameters
    ----------
    folder : Path
        With a folder for each part.
    names : sequence of str
    near : float
        Jaccard similarity from which two texts count as one.
    seed : int
    max_passage_leakage : float or None
        Share of relevant passages that may be shared; None where any may.
    """
    parts = {name: load_dataset(folder / name, split=name) for name in names}
    found = []
    for earlier, later in combinations(names, 2):
        for what, limit in (("queries", 0.0), ("passages", max_passage_leakage)):
            ours, theirs = _texts(parts[earlier], what), _texts(parts[later], what)
            leaks = leakage(list(theirs.values()), list(ours.values()), near=near, seed=seed)
            ids = list(theirs)
            of = list(ours)
            share = len(leaks) / len(ids) if ids else 0.0
            found.append(
                {
                    "training": earlier,
                    "evaluation": later,
                    "what": what,
                    "n_leaked": len(leaks),
                    "n": len(ids),
                    "limit": limit,
                    "passed": limit is None or share <= limit,
                    "examples": [
                        [ids[one.row], of[one.evaluation_row], one.how] for one in leaks[:_SHOWN]
                    ],
                }
            )
    return found


def _texts(data: Dataset, what: str) -> dict[str, str]:
    """Return the queries, or the passages that are relevant to one, by id."""
    if what == "queries":
        return dict(zip(data.queries.ids, data.queries.texts, strict=True))
    texts = dict(zip(data.corpus.ids, data.corpus.texts, strict=True))
    relevant = {one for judged in data.qrels.values() for one, grade in judged.items() if grade > 0}
    return {one: texts[one] for one in sorted(relevant)}
