"""Choose, tune and run text-embedding models.

Names are loaded on first use, so that ``import embedsmith`` costs numpy and the extension only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from embedsmith._core import __version__
from embedsmith._provided import provide

if TYPE_CHECKING:
    from embedsmith import exceptions, integrations
    from embedsmith.backends import encode_async, encode_stream, export_model, load_encoder
    from embedsmith.backends.api import ApiOptions, Budget
    from embedsmith.bulk import EmbeddingFolder, EmbeddingRun, embed_corpus
    from embedsmith.datasets import (
        Corpus,
        Dataset,
        LabelledPairs,
        LabelledTexts,
        ParallelTexts,
        Qrels,
        Queries,
        RerankingSet,
        Run,
        ScoredPairs,
        TextClusters,
        load_dataset,
        load_task,
    )
    from embedsmith.diagnosis import Diagnosis, doctor
    from embedsmith.evaluation import (
        CostEstimate,
        EvaluationResult,
        RankingAgreement,
        ResultComparison,
        compare_results,
        estimate_cost,
        evaluate,
        ranking_agreement,
    )
    from embedsmith.hygiene import DataCheck, check_data
    from embedsmith.labelling import (
        DatasetSplit,
        ImportedLabels,
        LabelAgreement,
        Labels,
        import_labels,
        label_agreement,
        read_labels,
        split_dataset,
        write_adjudication,
    )
    from embedsmith.metrics import (
        Evaluator,
        MetricTable,
        RunComparison,
        Verdict,
        compare_runs,
        compare_tables,
        confidence_sequence,
        corrected_p,
        decide,
        effect_size,
        equivalence,
        evaluate_run,
        mean_interval,
        paired_test,
        power,
        smallest_p,
        tukey_hsd,
        wilson_interval,
    )
    from embedsmith.mining import MinedNegatives, mine_hard_negatives
    from embedsmith.reports import write_report
    from embedsmith.search import (
        Index,
        IndexRecall,
        Pairs,
        TensorTopK,
        TopK,
        merge_topk,
        pairs_above,
        recall_of,
        topk,
        topk_ray,
        topk_self,
    )
    from embedsmith.synthesis import SyntheticQueries, synthesize_queries
    from embedsmith.text import TextPairs, near_duplicates

_MODULES = ("exceptions", "integrations")

_HOMES: dict[str, str] = {
    "ApiOptions": "embedsmith.backends.api",
    "Budget": "embedsmith.backends.api",
    "Corpus": "embedsmith.datasets",
    "CostEstimate": "embedsmith.evaluation",
    "DataCheck": "embedsmith.hygiene",
    "Dataset": "embedsmith.datasets",
    "DatasetSplit": "embedsmith.labelling",
    "Diagnosis": "embedsmith.diagnosis",
    "EmbeddingFolder": "embedsmith.bulk",
    "EmbeddingRun": "embedsmith.bulk",
    "EvaluationResult": "embedsmith.evaluation",
    "Evaluator": "embedsmith.metrics",
    "ImportedLabels": "embedsmith.labelling",
    "Index": "embedsmith.search",
    "IndexRecall": "embedsmith.search",
    "LabelAgreement": "embedsmith.labelling",
    "LabelledPairs": "embedsmith.datasets",
    "LabelledTexts": "embedsmith.datasets",
    "Labels": "embedsmith.labelling",
    "MetricTable": "embedsmith.metrics",
    "MinedNegatives": "embedsmith.mining",
    "Pairs": "embedsmith.search",
    "ParallelTexts": "embedsmith.datasets",
    "Qrels": "embedsmith.datasets",
    "Queries": "embedsmith.datasets",
    "RankingAgreement": "embedsmith.evaluation",
    "RerankingSet": "embedsmith.datasets",
    "ResultComparison": "embedsmith.evaluation",
    "Run": "embedsmith.datasets",
    "RunComparison": "embedsmith.metrics",
    "ScoredPairs": "embedsmith.datasets",
    "SyntheticQueries": "embedsmith.synthesis",
    "TensorTopK": "embedsmith.search",
    "TextClusters": "embedsmith.datasets",
    "TextPairs": "embedsmith.text",
    "TopK": "embedsmith.search",
    "Verdict": "embedsmith.metrics",
    "check_data": "embedsmith.hygiene",
    "compare_results": "embedsmith.evaluation",
    "compare_runs": "embedsmith.metrics",
    "compare_tables": "embedsmith.metrics",
    "confidence_sequence": "embedsmith.metrics",
    "corrected_p": "embedsmith.metrics",
    "decide": "embedsmith.metrics",
    "doctor": "embedsmith.diagnosis",
    "effect_size": "embedsmith.metrics",
    "embed_corpus": "embedsmith.bulk",
    "encode_async": "embedsmith.backends",
    "encode_stream": "embedsmith.backends",
    "equivalence": "embedsmith.metrics",
    "estimate_cost": "embedsmith.evaluation",
    "evaluate": "embedsmith.evaluation",
    "evaluate_run": "embedsmith.metrics",
    "export_model": "embedsmith.backends",
    "import_labels": "embedsmith.labelling",
    "label_agreement": "embedsmith.labelling",
    "load_dataset": "embedsmith.datasets",
    "load_encoder": "embedsmith.backends",
    "load_task": "embedsmith.datasets",
    "mean_interval": "embedsmith.metrics",
    "merge_topk": "embedsmith.search",
    "mine_hard_negatives": "embedsmith.mining",
    "near_duplicates": "embedsmith.text",
    "paired_test": "embedsmith.metrics",
    "pairs_above": "embedsmith.search",
    "power": "embedsmith.metrics",
    "ranking_agreement": "embedsmith.evaluation",
    "read_labels": "embedsmith.labelling",
    "recall_of": "embedsmith.search",
    "smallest_p": "embedsmith.metrics",
    "split_dataset": "embedsmith.labelling",
    "synthesize_queries": "embedsmith.synthesis",
    "topk": "embedsmith.search",
    "topk_ray": "embedsmith.search",
    "topk_self": "embedsmith.search",
    "tukey_hsd": "embedsmith.metrics",
    "wilson_interval": "embedsmith.metrics",
    "write_adjudication": "embedsmith.labelling",
    "write_report": "embedsmith.reports",
}

__all__ = [
    "ApiOptions",
    "Budget",
    "Corpus",
    "CostEstimate",
    "DataCheck",
    "Dataset",
    "DatasetSplit",
    "Diagnosis",
    "EmbeddingFolder",
    "EmbeddingRun",
    "EvaluationResult",
    "Evaluator",
    "ImportedLabels",
    "Index",
    "IndexRecall",
    "LabelAgreement",
    "LabelledPairs",
    "LabelledTexts",
    "Labels",
    "MetricTable",
    "MinedNegatives",
    "Pairs",
    "ParallelTexts",
    "Qrels",
    "Queries",
    "RankingAgreement",
    "RerankingSet",
    "ResultComparison",
    "Run",
    "RunComparison",
    "ScoredPairs",
    "SyntheticQueries",
    "TensorTopK",
    "TextClusters",
    "TextPairs",
    "TopK",
    "Verdict",
    "__version__",
    "check_data",
    "compare_results",
    "compare_runs",
    "compare_tables",
    "confidence_sequence",
    "corrected_p",
    "decide",
    "doctor",
    "effect_size",
    "embed_corpus",
    "encode_async",
    "encode_stream",
    "equivalence",
    "estimate_cost",
    "evaluate",
    "evaluate_run",
    "exceptions",
    "export_model",
    "import_labels",
    "integrations",
    "label_agreement",
    "load_dataset",
    "load_encoder",
    "load_task",
    "mean_interval",
    "merge_topk",
    "mine_hard_negatives",
    "near_duplicates",
    "paired_test",
    "pairs_above",
    "power",
    "ranking_agreement",
    "read_labels",
    "recall_of",
    "smallest_p",
    "split_dataset",
    "synthesize_queries",
    "topk",
    "topk_ray",
    "topk_self",
    "tukey_hsd",
    "wilson_interval",
    "write_adjudication",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"embedsmith.{name}")
    home = _HOMES.get(name)
    if home is None:
        msg = f"module 'embedsmith' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


# EvaluationResult.report writes with it.
provide("write_report", __getattr__)
