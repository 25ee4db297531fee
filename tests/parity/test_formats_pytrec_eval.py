"""The files that we write mean the same to pytrec_eval (0.5, trec_eval 9) as to us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytrec_eval

from embedsmith.datasets import Qrels, Run

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = [f"d{i}" for i in range(50)]
MEASURES = {"map", "ndcg", "recip_rank"}


def some_run(rng: np.random.Generator) -> Run:
    """Return a run in which most scores are tied."""
    return Run(
        {
            f"q{i}": {
                str(d): rng.integers(0, 5) / 4 for d in rng.choice(DOCUMENTS, 30, replace=False)
            }
            for i in range(20)
        }
    )


def some_qrels(rng: np.random.Generator) -> Qrels:
    return Qrels(
        {
            f"q{i}": {
                str(d): int(rng.integers(0, 3)) for d in rng.choice(DOCUMENTS, 10, replace=False)
            }
            for i in range(20)
        }
    )


def test_its_parsers_read_what_we_wrote(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    run, qrels = some_run(rng), some_qrels(rng)
    run.write(tmp_path / "a.run")
    qrels.write(tmp_path / "a.qrels")
    with (tmp_path / "a.run").open() as file:
        assert pytrec_eval.parse_run(file) == run
    with (tmp_path / "a.qrels").open() as file:
        assert pytrec_eval.parse_qrel(file) == qrels


def test_the_ranks_we_write_are_the_order_it_measures(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    run, qrels = some_run(rng), some_qrels(rng)
    run.write(tmp_path / "a.run")
    by_rank: dict[str, dict[str, float]] = {}
    for line in (tmp_path / "a.run").read_text().splitlines():
        query, _, document, rank, _, _ = line.split()
        by_rank.setdefault(query, {})[document] = -float(rank)
    evaluator = pytrec_eval.RelevanceEvaluator({q: dict(d) for q, d in qrels.items()}, MEASURES)
    with_ties = evaluator.evaluate({q: dict(d) for q, d in run.items()})
    assert evaluator.evaluate(by_rank) == with_ties
