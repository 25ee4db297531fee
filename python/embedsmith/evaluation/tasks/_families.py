"""Which family measures which data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith.datasets import (
    LabelledPairs,
    LabelledTexts,
    ParallelTexts,
    RerankingSet,
    ScoredPairs,
    TextClusters,
)
from embedsmith.evaluation.tasks._bitext import BitextMining
from embedsmith.evaluation.tasks._classification import Classification
from embedsmith.evaluation.tasks._clustering import Clustering
from embedsmith.evaluation.tasks._pair_classification import PairClassification
from embedsmith.evaluation.tasks._reranking import Reranking
from embedsmith.evaluation.tasks._sts import TextSimilarity

if TYPE_CHECKING:
    from embedsmith.datasets import TaskData
    from embedsmith.evaluation.tasks._experiments import Experiments
    from embedsmith.evaluation.tasks._family import Family

__all__ = ["family_of"]


def family_of(data: TaskData, experiments: Experiments) -> Family:
    """Return the task of a data set.

    Parameters
    ----------
    data : TaskData
        Decides the task.
    experiments : Experiments
        Seed of everything random in it, and the size of what is drawn.
    """
    if isinstance(data, ScoredPairs):
        return TextSimilarity(data, seed=experiments.seed)
    if isinstance(data, LabelledPairs):
        return PairClassification(data, seed=experiments.seed)
    if isinstance(data, LabelledTexts):
        return Classification(data, experiments)
    if isinstance(data, TextClusters):
        return Clustering(data, experiments)
    if isinstance(data, ParallelTexts):
        return BitextMining(data, seed=experiments.seed)
    if isinstance(data, RerankingSet):
        return Reranking(data, seed=experiments.seed)
    msg = f"there is no task for {type(data).__name__}"
    raise TypeError(msg)
