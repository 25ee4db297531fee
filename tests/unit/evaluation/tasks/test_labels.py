"""Classification, clustering and bitext mining: by hand, at their edges, the whole way round."""

from __future__ import annotations

import numpy as np
import pytest

import embedsmith as es
from embedsmith.backends.fake import FakeEncoder
from embedsmith.evaluation.tasks import Experiments, family_of
from embedsmith.evaluation.tasks._confusion import CLASS_MEASURES, Predictions
from embedsmith.evaluation.tasks._resampling import Resampling
from embedsmith.exceptions import DataError, MeasureError, ShapeError

pytest.importorskip("sklearn", reason="needs scikit-learn")

KINDS = ("red", "green", "blue")
TRAIN = [(f"{kind} thing {i}", kind) for kind in KINDS for i in range(9)]
TEST = [(f"some {kind} matter {i}", kind) for kind in KINDS for i in range(5)]
TEXTS = es.LabelledTexts(*zip(*TRAIN, strict=True), *zip(*TEST, strict=True), name="colours")
CLUSTERS = es.TextClusters(*zip(*TRAIN, strict=True), name="colours")
PARALLEL = es.ParallelTexts(
    ["one cat", "two dogs", "red house", "blue sky"],
    ["a cat one", "dogs two", "house red", "green grass"],
    name="words",
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("data", [TEXTS, CLUSTERS, PARALLEL], ids=lambda data: data.task)
def test_a_task_goes_the_whole_way_round(data, tmp_path):
    models = {"wide": FakeEncoder(256), "narrow": FakeEncoder(3)}
    result = es.evaluate(models, data, n_experiments=2, latency_queries=0)
    assert result.task == data.task
    assert result.comparison is not None
    assert [pair.measure for pair in result.comparison.pairs] == list(result.settings.measures)
    wide = result.model("wide").table
    for name in result.settings.measures:
        low, high = wide.ci[name]
        assert low <= wide.mean[name] <= high
        assert wide.mean[name] > result.model("narrow").table.mean[name]
    result.save(tmp_path / "out")
    assert es.EvaluationResult.load(tmp_path / "out").to_dict() == result.to_dict()
    again = es.evaluate(models, data, n_experiments=2, latency_queries=0)
    assert [model.table.to_dict() for model in again.models] == [
        model.table.to_dict() for model in result.models
    ]
    seeded = es.evaluate(models, data, n_experiments=2, latency_queries=0, seed=1)
    assert seeded.model("narrow").table.ci != result.model("narrow").table.ci


def test_class_measures_by_hand():
    # Gold 0 0 0 1; given 0 0 1 1; class 2 is nowhere.
    found = Predictions(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 3)
    once = np.ones((1, 4), dtype=np.int64)
    measured = {name: float(found.measure(name, once)[0]) for name in CLASS_MEASURES}
    # Precision 2/2 and 1/2, recall 2/3 and 1/1, F1 4/5 and 2/3.
    assert measured == pytest.approx(
        {
            "accuracy": 3 / 4,
            "precision": (1 + 1 / 2) / 2,
            "precision_weighted": (3 * 1 + 1 / 2) / 4,
            "recall": (2 / 3 + 1) / 2,
            "recall_weighted": (3 * 2 / 3 + 1) / 4,
            "f1": (4 / 5 + 2 / 3) / 2,
            "f1_weighted": (3 * 4 / 5 + 2 / 3) / 4,
        }
    )


def test_a_resample_of_predictions_is_measured_as_the_texts_it_drew():
    from sklearn import metrics

    random = np.random.default_rng(2)
    # So few that many a resample has no text of some label.
    gold, given = random.integers(0, 4, 7), random.integers(0, 4, 7)
    counts = np.concatenate(list(Resampling(7, 0).blocks()))[:60]
    found = Predictions(gold, given, 4)
    for name in CLASS_MEASURES:
        kind, _, weighted = name.partition("_")
        values = found.measure(name, counts)
        for row, count in enumerate(counts):
            drawn = np.repeat(gold, count), np.repeat(given, count)
            if kind == "accuracy":
                expected = metrics.accuracy_score(*drawn)
            else:
                expected = getattr(metrics, f"{kind}_score")(
                    *drawn, average="weighted" if weighted else "macro", zero_division=0
                )
            assert values[row] == pytest.approx(expected, abs=1e-12), name


def test_fewer_texts_than_shots_are_all_used_and_told():
    few = es.LabelledTexts(
        ["red a", "red b", "green a", "green b", "green c"],
        ["red", "red", "green", "green", "green"],
        ["red c"],
        ["red"],
    )
    model = es.evaluate(
        FakeEncoder(64), few, samples_per_label=3, n_experiments=2, latency_queries=0
    ).models[0]
    assert [sorted(rows) for rows in model.details["training_rows"]] == [[0, 1, 2, 3, 4]] * 2
    assert model.details["notes"] == [
        "1 label of 2 has fewer than 3 training texts, the least 2: all of them were used."
    ]


def test_neighbours_that_are_not_there_are_refused_before_any_work():
    with pytest.raises(MeasureError, match="n_neighbors is 5, but an experiment trains on 3 texts"):
        es.evaluate(FakeEncoder(64), TEXTS, samples_per_label=1)
    plain = es.evaluate(
        FakeEncoder(64), TEXTS, samples_per_label=1, measures="accuracy", latency_queries=0
    )
    assert set(plain.models[0].details["predictions"]) == {"logistic"}
    with pytest.raises(ShapeError, match="n_experiments=0"):
        es.evaluate(FakeEncoder(64), TEXTS, n_experiments=0)


def test_only_the_training_texts_that_are_drawn_are_embedded():
    family = family_of(TEXTS, Experiments(n_experiments=1, samples_per_label=2))
    assert len(family.texts.queries) == 3 * 2 + len(TEST)


def test_each_experiment_counts_once_in_a_clustering():
    result = es.evaluate(FakeEncoder(256), CLUSTERS, n_experiments=2, latency_queries=0)
    table = result.models[0].table
    assert table.query_ids == ("experiment 1", "experiment 2")
    assert result.data.unit == "experiment"
    assert "over 2 experiments" in result.models[0].statement
    assert table.mean["v_measure"] == pytest.approx(np.mean(table.per_query["v_measure"]))


def test_a_model_that_finds_one_cluster_scores_nothing():
    class Constant(FakeEncoder):
        def encode_batch(self, texts, role):
            return np.ones_like(super().encode_batch(texts, role))

    model = es.evaluate(Constant(4), CLUSTERS, n_experiments=2, latency_queries=0).models[0]
    assert model.table.mean == pytest.approx({"v_measure": 0.0, "ami": 0.0, "ari": 0.0}, abs=1e-9)


def test_bitext_counts_what_is_nearest_both_ways():
    model = es.evaluate(FakeEncoder(512), PARALLEL, measures="all", latency_queries=0).models[0]
    # "blue sky" and "green grass" share nothing with each other, nor with any other text: the
    # words of each are one column, and the nearest of equally far ones is the shortest text.
    nearest = model.details["nearest_target"]
    assert nearest[:3] == [0, 1, 2]
    right = [1.0, 1.0, 1.0, float(nearest[3] == 3)]
    given = np.bincount(nearest, minlength=4)
    assert model.table.per_query["accuracy"].tolist() == right
    assert model.table.per_query["f1"].tolist() == [
        2 * hit / (1 + n) for hit, n in zip(right, given, strict=True)
    ]


def test_equal_texts_are_found_once_and_told():
    repeated = es.ParallelTexts(["cat", "dog", "dog"], ["cat x", "dog x", "dog x"])
    model = es.evaluate(FakeEncoder(64), repeated, latency_queries=0).models[0]
    assert model.details["nearest_target"] == [0, 1, 1]
    assert model.table.mean["accuracy"] == pytest.approx(2 / 3)
    assert [note.split(";")[0] for note in model.details["notes"]] == [
        "1 source repeats another's text",
        "1 target repeats another's text",
    ]


def test_a_label_that_was_never_taught_is_refused():
    with pytest.raises(DataError, match="1 test text have labels that no training text has"):
        es.LabelledTexts(["a", "b"], ["x", "y"], ["c"], ["z"])
