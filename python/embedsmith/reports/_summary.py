"""An evaluation as a small JSON object, for scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from embedsmith.evaluation._records import plain

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith._typing import Json
    from embedsmith.evaluation import EvaluationResult, ModelResult

__all__ = ["evaluation_summary"]


def evaluation_summary(result: EvaluationResult, *, folder: Path | None = None) -> Json:
    """Return means, intervals, differences and verdicts, without the values per query.

    What was asked for beside them is there too: groups of queries, the curve of recall, fewer
    columns or bits, the queries answered worst.

    Parameters
    ----------
    result : EvaluationResult
        What to sum up.
    folder : Path, optional
        Where the result was written.

    Returns
    -------
    dict
        Schema ``embedsmith.summary/1``; plain values for JSON.
    """
    return {
        "schema": "embedsmith.summary/1",
        "task": result.task,
        "data": asdict(result.data),
        "depth": result.settings.depth,
        "confidence": result.settings.confidence,
        "models": [_model(model) for model in result.models],
        "differences": [
            {
                "measure": pair.measure,
                "a": pair.a,
                "b": pair.b,
                "difference": pair.difference,
                "interval": list(pair.ci),
                "p": pair.p,
                "p_corrected": pair.p_corrected,
                "effect_size": pair.effect_size,
                "verdict": pair.verdict,
            }
            for pair in (result.comparison.pairs if result.comparison else ())
        ],
        "result": str(folder / "result.json") if folder else None,
    }


def _model(model: ModelResult) -> Json:
    return {
        "name": model.name,
        "spec": model.spec,
        "fingerprint": model.fingerprint.digest,
        "dim": model.dim,
        "encoder": asdict(model.encoder) if model.encoder else None,
        "measures": {
            name: {"mean": mean, "interval": list(model.table.ci[name])}
            for name, mean in model.table.mean.items()
        },
        "queries": {
            "judged": model.table.n_queries,
            "without_results": model.n_empty,
            "without_relevant": model.table.n_no_relevant,
        },
        "tie_share": model.table.tie_share,
        "truncation": model.truncation.to_dict(),
        "verdict": model.verdict.decision if model.verdict else None,
        "statement": model.statement,
        "timing": model.timing.to_dict(),
        "slices": plain(model.slices),
        "curve": plain(model.curve),
        "variants": plain(model.variants),
        "worst": plain(model.worst),
    }
