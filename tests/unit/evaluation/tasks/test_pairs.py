"""STS and pair classification: small cases by hand, degenerate models, the whole way round."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.backends.fake import FakeEncoder
from embedsmith.evaluation.tasks import Vectors, family_of
from embedsmith.evaluation.tasks._correlation import (
    Ranking,
    weighted_pearson,
    weighted_spearman,
)
from embedsmith.evaluation.tasks._experiments import Experiments
from embedsmith.evaluation.tasks._resampling import Resampling, interval_of, paired
from embedsmith.evaluation.tasks._thresholds import Separation
from embedsmith.exceptions import DataError, MeasureError, ModelError

# What no type checker would let pass.
NONE: Any = None
WORD: Any = "x"

WORDS = ["alpha beta", "alpha gamma", "delta", "epsilon zeta", "eta theta", "iota"]
SCORED = es.ScoredPairs(
    [*WORDS, "alpha", "delta"],
    ["alpha beta", "alpha", "delta eta", "kappa", "theta eta", "iota", "zeta", "delta"],
    [5, 3, 3.5, 0, 4.5, 5, 0.5, 5],
    name="pairs",
)
LABELLED = es.LabelledPairs(
    SCORED.sentences1, SCORED.sentences2, [1, 0, 1, 0, 1, 1, 0, 1], name="pairs"
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))


class Constant(FakeEncoder):
    """Answers every text with one vector."""

    def encode_batch(self, texts, role):
        return np.ones_like(super().encode_batch(texts, role))


def repeated(values, counts):
    return np.repeat(values, counts)


def test_a_weighted_correlation_is_that_of_the_repeated_items():
    random = np.random.default_rng(3)
    x = random.integers(0, 6, 40).astype(np.float64)
    y = x + random.integers(0, 4, 40)
    counts = np.concatenate(list(Resampling(40, 0).blocks()))[:50]
    pearson = weighted_pearson(x, y, counts)
    spearman = weighted_spearman(Ranking(x), Ranking(y), counts)
    stats = pytest.importorskip("scipy.stats", reason="needs scipy")
    for row, count in enumerate(counts):
        drawn = repeated(x, count), repeated(y, count)
        assert pearson[row] == pytest.approx(stats.pearsonr(*drawn)[0], abs=1e-12)
        assert spearman[row] == pytest.approx(stats.spearmanr(*drawn)[0], abs=1e-12)


def test_equal_values_have_no_correlation():
    x = np.array([0.1, 0.1, 0.1, 0.3])
    y = np.array([1.0, 2.0, 3.0, 4.0])
    # The mean of three times 0.1 is not 0.1: rounding leaves a trace of a spread.
    counts = np.array([[1, 1, 1, 0], [1, 1, 1, 1]])
    assert np.isnan(weighted_pearson(x, y, counts)).tolist() == [True, False]
    assert np.isnan(weighted_spearman(Ranking(x), Ranking(y), counts)).tolist() == [True, False]
    # A spread in the last bits is a spread.
    near = 1.0 + np.array([0.0, 1.0, 2.0, 3.0]) * np.finfo(np.float64).eps
    assert weighted_pearson(near, y, np.ones((1, 4), dtype=np.int64))[0] > 0.9


def test_the_best_cut_lies_between_two_scores_and_splits_no_tie():
    # From the top: 1 | 0 0 1 (tied) | 1. Cuts after 1 or after 4 pairs.
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    labels = np.array([1, 0, 0, 1, 1])
    found = Separation(scores, labels)
    measured = {
        name: values[0] for name, values in found.measure(np.ones((1, 5), dtype=np.int64)).items()
    }
    # After 4: precision 2/4, recall 2/3, F1 4/7; after 1: precision 1, recall 1/3, F1 1/2.
    assert measured["f1"] == pytest.approx(4 / 7)
    assert (measured["precision"], measured["recall"]) == pytest.approx((1 / 2, 2 / 3))
    # After 1: one alike pair above, two others below: 3 of 5.
    assert measured["accuracy"] == pytest.approx(3 / 5)
    # 1/3 * 1 + 1/3 * 2/4 + 1/3 * 3/5
    assert measured["ap"] == pytest.approx((1 + 0.5 + 0.6) / 3)
    thresholds = found.thresholds()
    assert (thresholds.f1, thresholds.accuracy) == pytest.approx((0.3, 0.7))


def test_a_resample_of_pairs_is_measured_as_the_pairs_it_drew():
    random = np.random.default_rng(5)
    scores = random.integers(0, 8, 30) / 8.0
    labels = random.integers(0, 2, 30)
    counts = np.concatenate(list(Resampling(30, 1).blocks()))[:40]
    found = Separation(scores, labels).measure(counts)
    for row, count in enumerate(counts):
        alone = Separation(repeated(scores, count), repeated(labels, count))
        expected = alone.measure(np.ones((1, 30), dtype=np.int64))
        for name, values in found.items():
            assert values[row] == pytest.approx(expected[name][0], abs=1e-12), name


def test_a_resample_of_one_kind_is_undefined():
    found = Separation(np.array([0.5, 0.1]), np.array([1, 0])).measure(np.array([[2, 0], [0, 2]]))
    assert all(np.isnan(values).all() for values in found.values())


def test_resamples_repeat_with_the_seed_and_differ_without():
    blocks = [np.concatenate(list(Resampling(25, seed).blocks())) for seed in (1, 1, 2)]
    assert (blocks[0] == blocks[1]).all()
    assert not (blocks[0] == blocks[2]).all()
    assert blocks[0].shape == (10_000, 25)
    assert (blocks[0].sum(axis=1) == 25).all()
    assert Resampling(200_000, 0).n_resamples == 1_000


def test_an_interval_without_variation_still_has_a_width():
    (low, high), method = interval_of(1.0, np.ones(9), 0.95, n_items=20)
    assert method == "constant"
    assert low < 1.0 == high
    assert interval_of(-1.0, -np.ones(9), 0.95, n_items=20)[0] == (-high, -low)


def test_equal_models_do_not_differ_and_a_p_is_never_zero():
    draws = np.linspace(0.4, 0.6, 999)
    assert paired(0.0, draws, draws, 0.95) == ((0.0, 0.0), 1.0)
    assert paired(0.5, draws, draws + 0.5, 0.95).p == 2 / 1000


def test_sts_of_a_real_way_round(tmp_path):
    result = es.evaluate(
        {"wide": FakeEncoder(256), "narrow": FakeEncoder(4)}, SCORED, latency_queries=2
    )
    assert (result.task, result.qrels, result.gold) == ("sts", None, SCORED.scores)
    assert result.data.unit == "pair"
    assert (result.data.n_queries, result.data.n_texts) == (8, 11)
    wide = result.model("wide")
    assert wide.run is None
    assert wide.verdict is None
    assert wide.table.whole_set == wide.table.measures == ("cosine_spearman", "cosine_pearson")
    assert "cosine_spearman is" in wide.statement
    assert "over 8 pairs" in wide.statement
    assert wide.timing.latency is not None
    # The measures can be computed again from what the result holds.
    ranks = (
        Ranking(np.array(result.gold)),
        Ranking(np.array(wide.details["similarities"]["cosine"])),
    )
    again = weighted_spearman(*ranks, np.ones((1, 8), dtype=np.int64))[0]
    assert wide.table.mean["cosine_spearman"] == again
    assert result.comparison is not None
    assert [(p.measure, p.a, p.b) for p in result.comparison.pairs] == [
        ("cosine_spearman", "wide", "narrow"),
        ("cosine_pearson", "wide", "narrow"),
    ]
    result.save(tmp_path / "out")
    assert es.EvaluationResult.load(tmp_path / "out").to_dict() == result.to_dict()
    assert json.loads((tmp_path / "out" / "result.json").read_text())["task"] == "sts"


def test_a_model_that_finds_all_pairs_alike_is_told_and_not_nan():
    result = es.evaluate({"flat": Constant(8), "words": FakeEncoder(64)}, SCORED, latency_queries=0)
    flat = result.model("flat")
    assert flat.table.mean == {"cosine_spearman": 0.0, "cosine_pearson": 0.0}
    assert flat.details["undefined"] == ["cosine_spearman", "cosine_pearson"]
    assert "undefined" in flat.details["notes"][0]
    assert result.comparison is not None
    assert result.comparison.pairs[0].difference > 0
    labelled = es.evaluate(Constant(8), LABELLED, latency_queries=0).models[0]
    assert labelled.table.mean["cosine_f1"] == labelled.table.mean["cosine_accuracy"] == 0.0
    # All tied: precision is the share of alike pairs.
    assert labelled.table.mean["cosine_ap"] == pytest.approx(5 / 8)
    assert labelled.details["thresholds"]["cosine_f1_threshold"] is None
    assert "no threshold" in labelled.details["notes"][0]


def test_each_distinct_text_is_embedded_once():
    class Counting(FakeEncoder):
        seen: list[str] = []  # noqa: RUF012 - of this test alone

        def encode_batch(self, texts, role):
            self.seen += [text for text in texts if text != "warm-up"]
            return super().encode_batch(texts, role)

    es.evaluate(Counting(16), SCORED, latency_queries=0)
    assert sorted(Counting.seen) == sorted({*SCORED.sentences1, *SCORED.sentences2})


def test_a_similarity_that_a_model_was_made_for_is_its_own():
    encoder = FakeEncoder(64)
    family = family_of(SCORED, Experiments())
    vectors = encoder.encode(family.texts.queries, role="query").vectors
    for metric, similarity in (("cosine", "cosine"), ("dot", "dot"), ("l2", "euclidean")):
        measured = family.measure(
            Vectors(vectors, vectors[:0], metric),  # type: ignore[arg-type]
            ("spearman", f"{similarity}_spearman"),
            confidence=0.9,
            threads=1,
        )
        assert len(set(measured.table.mean.values())) == 1


def test_measures_have_the_names_of_mteb_and_wrong_ones_get_the_nearest():
    family = family_of(LABELLED, Experiments())
    assert family.chosen("L2_AP, max_f1,l2_ap") == ("euclidean_ap", "max_f1")
    assert len(family.chosen("all")) == 30
    with pytest.raises(MeasureError, match=r"did you mean 'cosine_ap'.*"):
        family.chosen("cosin_ap")
    with pytest.raises(MeasureError, match="is empty"):
        family.chosen(" , ")


def test_a_model_of_words_is_refused_before_any_work():
    with pytest.raises(ModelError, match="bm25 is a model of words"):
        es.evaluate(["fake:8", "bm25"], SCORED)


def test_a_task_that_the_data_is_not_for_is_refused():
    with pytest.raises(
        DataError, match=r"task='clustering', but ScoredPairs is for the task 'sts'"
    ):
        es.evaluate("fake:8", SCORED, task="clustering")
    with pytest.raises(MeasureError, match="slices asks about retrieval"):
        es.evaluate("fake:8", SCORED, slices="length")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: es.ScoredPairs(["a"] * 3, ["b"] * 3, [1, 1, 1]), "no correlation is defined"),
        (lambda: es.ScoredPairs(["a"] * 2, ["b"] * 2, [1, 2]), "needs at least 3"),
        (lambda: es.ScoredPairs(["a"] * 3, ["b"] * 2, [1, 2, 3]), "2 sentences2, 3 scores"),
        (lambda: es.ScoredPairs(["a"] * 3, ["b"] * 3, [1, 2, float("nan")]), r"scores\[2\] is nan"),
        (lambda: es.ScoredPairs(["a"] * 3, ["b"] * 3, [1, WORD, 3]), r"scores\[1\] is 'x'"),
        (lambda: es.ScoredPairs([], [], []), "is empty"),
        (
            lambda: es.ScoredPairs(["a", NONE, "c"], ["b"] * 3, [1, 2, 3]),
            r"sentences1\[1\] is None",
        ),
        (lambda: es.LabelledPairs(["a"] * 2, ["b"] * 2, [1, 1]), "all 2 labels are 1"),
        (lambda: es.LabelledPairs(["a"] * 2, ["b"] * 2, [1, 2]), r"labels\[1\] is 2"),
        (lambda: es.ParallelTexts(["a"], ["b"]), "one pair"),
        (lambda: es.ParallelTexts(["a", "b"], ["b"]), "2 sources, 1 targets"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_what_to_do(make, said):
    with pytest.raises(DataError, match=said):
        make()


def test_the_hash_knows_content_and_task_and_nothing_else():
    again = es.ScoredPairs(SCORED.sentences1, SCORED.sentences2, SCORED.scores, name="other")
    assert again.hash == SCORED.hash
    other = es.ScoredPairs(SCORED.sentences1, SCORED.sentences2, [*SCORED.scores[:-1], 4])
    assert other.hash != SCORED.hash
    assert (
        es.ParallelTexts(["a", "b"], ["c", "d"]).hash
        != es.ParallelTexts(["ab", ""], ["c", "d"]).hash
    )
