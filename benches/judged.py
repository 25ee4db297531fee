"""Runs with judgements, made so that every measure is known, and what each peer calls them.

Each query has four relevant documents, of grade 1: three at random ranks of its list, one that was
not found. Scores are distinct, so that no rule for ties matters: all engines must agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

MEASURES = ("nDCG@10", "AP", "RR", "R@100", "P@10", "Success@10")
PYTREC_EVAL = ("ndcg_cut_10", "map", "recip_rank", "recall_100", "P_10", "success_10")
RANX = ("ndcg@10", "map", "mrr", "recall@100", "precision@10", "hit_rate@10")
N_DOCS = 100_000
DEPTH = 100
FOUND, RELEVANT = 3, 4
TOLERANCE = 1e-9


class Judged(NamedTuple):
    """A run as arrays, with its judgements.

    Attributes
    ----------
    scores, rows : ndarray of shape (n_queries, DEPTH), float32 and int64
        Falling scores, and documents.
    relevant : ndarray of shape (n_queries, RELEVANT), int64
        Documents of grade 1.
    ranks : ndarray of shape (n_queries, FOUND), int64
        From 1, ascending, where they were found.
    """

    scores: np.ndarray
    rows: np.ndarray
    relevant: np.ndarray
    ranks: np.ndarray

    @property
    def query_ids(self) -> list[str]:
        return [f"query-{i}" for i in range(len(self.rows))]

    def qrels(self) -> dict[str, dict[str, int]]:
        """Return the judgements as a dict of dicts."""
        return {
            query: {f"document-{row}": 1 for row in rows}
            for query, rows in zip(self.query_ids, self.relevant.tolist(), strict=True)
        }

    def run(self) -> dict[str, dict[str, float]]:
        """Return the run as a dict of dicts."""
        documents = doc_ids()
        return {
            query: {documents[row]: score for row, score in zip(rows, scores, strict=True)}
            for query, rows, scores in zip(
                self.query_ids, self.rows.tolist(), self.scores.tolist(), strict=True
            )
        }

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write judgements and run as TREC files."""
        qrels, run = folder / "qrels.txt", folder / "run.txt"
        with qrels.open("w", encoding="utf-8") as file:
            for query, grades in self.qrels().items():
                file.writelines(
                    f"{query} 0 {document} {grade}\n" for document, grade in grades.items()
                )
        with run.open("w", encoding="utf-8") as file:
            for query, scores in self.run().items():
                file.writelines(
                    f"{query} Q0 {document} {rank} {score:.7f} bench\n"
                    for rank, (document, score) in enumerate(scores.items(), 1)
                )
        return qrels, run


def make(n_queries: int) -> Judged:
    """Return a run of so many queries; the same number gives the same run."""
    rng = np.random.default_rng(20)
    # Distinct rows, scattered as a search scatters them: the stride shares no factor with N_DOCS.
    start = rng.integers(0, N_DOCS, (n_queries, 1))
    stride = 10 * rng.integers(1, N_DOCS // 10, (n_queries, 1)) + 1
    places = (start + stride * np.arange(DEPTH + 1)) % N_DOCS
    rows, unfound = np.ascontiguousarray(places[:, :-1]), places[:, -1:]
    steps = np.arange(DEPTH, 0, -1) + 0.9 * rng.random((n_queries, DEPTH))
    found = np.sort(np.argpartition(rng.random((n_queries, DEPTH)), FOUND)[:, :FOUND], axis=1)
    relevant = np.concatenate([np.take_along_axis(rows, found, axis=1), unfound], axis=1)
    return Judged((steps / (DEPTH + 1)).astype(np.float32), rows, relevant, found + 1)


def doc_ids() -> list[str]:
    return [f"document-{i}" for i in range(N_DOCS)]


def expected(judged: Judged) -> dict[str, float]:
    """Return the means by the formulas, from the ranks that were chosen."""
    ranks = judged.ranks
    near = ranks <= 10
    ideal = (1 / np.log2(np.arange(1, RELEVANT + 1) + 1)).sum()
    values = {
        "nDCG@10": (near / np.log2(ranks + 1)).sum(axis=1) / ideal,
        "AP": (np.arange(1, FOUND + 1) / ranks).sum(axis=1) / RELEVANT,
        "RR": 1 / ranks[:, 0],
        "R@100": np.full(len(ranks), FOUND / RELEVANT),
        "P@10": near.sum(axis=1) / 10,
        "Success@10": near.any(axis=1),
    }
    return {name: float(value.mean()) for name, value in values.items()}


def check(means: dict[str, float], judged: Judged) -> None:
    """Fail unless an engine's means are those of the formulas."""
    by_formula = expected(judged)
    assert list(means) == list(MEASURES)
    worst = max(abs(means[name] - by_formula[name]) for name in MEASURES)
    assert worst <= TOLERANCE, f"a mean is {worst:.2g} away: {means}, not {by_formula}"


def named(found: Any, names: tuple[str, ...]) -> dict[str, float]:
    """Return the means under our names, from those of a peer."""
    return {ours: float(found[theirs]) for ours, theirs in zip(MEASURES, names, strict=True)}


def averaged(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the means of what pytrec_eval returns per query."""
    return {
        ours: sum(values[theirs] for values in found.values()) / len(found)
        for ours, theirs in zip(MEASURES, PYTREC_EVAL, strict=True)
    }


def numba_environment(folder: Path, threads: int) -> dict[str, str]:
    """Return variables with which ranx compiles anew, and uses no more threads than the others."""
    return {"NUMBA_CACHE_DIR": str(folder), "NUMBA_NUM_THREADS": str(threads)}
