"""What pytrec_eval makes of a run file, read without any code of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytrec_eval

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def measured_by_trec_eval(
    run_file: Path, qrels: Mapping[str, Mapping[str, int]], names: set[str]
) -> dict[str, dict[str, float]]:
    """Return each measure's value for every judged query, as ``trec_eval -c`` counts them."""
    run: dict[str, dict[str, float]] = {}
    for line in run_file.read_text(encoding="utf-8").splitlines():
        query, _, document, _, score, _ = line.split()
        run.setdefault(query, {})[document] = float(score)
    judged = {query: dict(documents) for query, documents in qrels.items()}
    found = pytrec_eval.RelevanceEvaluator(judged, names).evaluate(run)
    # A query that found nothing has no line in the file; -c scores it 0.
    return {
        name: {
            query: found[query][name.replace(".", "_")] if query in found else 0.0
            for query in judged
        }
        for name in names
    }
