"""What recall_of counts, takes and refuses."""

from __future__ import annotations

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import DataError, MeasureError, ShapeError

# Rows 0 and 1 are equal, and so are 3 and 4; for the query (1, 0) the scores are
# 1, 1, 0.8, 0.6, 0.6, 0.
CORPUS = np.array(
    [[1.0, 0.0], [2.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.6, 0.8], [0.0, 1.0]], dtype=np.float32
)
QUERY = np.array([[1.0, 0.0]], dtype=np.float32)


def exact(k: int, queries: int = 1) -> es.TopK:
    return es.topk(np.repeat(QUERY, queries, axis=0), CORPUS, k=k)


def test_recall_is_the_share_of_the_exact_rows_in_any_order() -> None:
    found = np.array([[3, 1, 0, 2], [0, 5, 9, -1], [5, -1, -1, -1]])
    recall = es.recall_of(found, exact(4, queries=3))
    assert recall.per_query.tolist() == [1.0, 0.25, 0.0]
    assert recall.mean == (1.0 + 0.25 + 0.0) / 3
    assert (recall.lowest, recall.perfect) == (0.0, 1 / 3)
    assert (recall.n_unfilled, recall.n_repeated) == (4, 0)
    assert not recall.per_query.flags.writeable


def test_the_exact_answer_against_itself_is_perfect() -> None:
    truth = exact(6, queries=2)
    assert es.recall_of(truth, truth).per_query.tolist() == [1.0, 1.0]
    assert es.recall_of(truth.rows, truth.rows).mean == 1.0


def test_rows_beyond_k_do_not_count_unless_depth_asks_for_them() -> None:
    found = np.array([[5, 4, 0, 1]])
    assert es.recall_of(found, exact(2), k=2).mean == 0.0
    assert es.recall_of(found, exact(2), k=2, depth=3).mean == 0.5
    candidates = es.recall_of(found, exact(2), k=2, depth=4)
    assert (candidates.mean, candidates.k, candidates.depth) == (1.0, 2, 4)


@pytest.mark.parametrize(
    ("found", "plain", "tie_aware"),
    [
        ([0, 1, 2, 3], 1.0, 1.0),
        ([0, 1, 2, 4], 0.75, 1.0),  # row 4 is worth what row 3 is
        ([0, 1, 3, 4], 0.75, 0.75),  # two of the tie fill one place: row 2 is lost
        ([0, 1, 4, 5], 0.5, 0.75),
        ([1, 4, 5, -1], 0.25, 0.5),
    ],
)
def test_a_row_that_ties_with_the_last_place_is_as_good(found, plain, tie_aware) -> None:
    recall = es.recall_of(np.array([found]), exact(6), k=4)
    assert recall.per_query.tolist() == [plain]
    assert recall.tie_aware is not None
    assert recall.tie_aware.tolist() == [tie_aware]
    assert (recall.mean_tie_aware, recall.n_open_ties) == (tie_aware, 0)


def test_ties_of_l2_are_seen_likewise() -> None:
    truth = es.topk(QUERY, CORPUS / np.float32(2), k=6, metric="l2")
    # Squared distances to (0.5, 0) and (1, 0) and so on: rows 3 and 4 tie, in places 4 and 5.
    assert truth.rows.tolist() == [[1, 0, 2, 3, 4, 5]]
    recall = es.recall_of(np.array([[1, 0, 2, 4]]), truth, k=4)
    assert (recall.mean, recall.mean_tie_aware) == (0.75, 1.0)


def test_a_tie_that_may_go_on_beyond_the_exact_answer_is_counted() -> None:
    found = np.array([[0, 5]])
    # Place 1 ties with place 2, the last that is known; place 3 might tie too.
    assert es.recall_of(found, exact(2), k=1).n_open_ties == 0  # row 0 was found: nothing is open
    lost = es.recall_of(found[:, ::-1], exact(2), k=1)
    assert (lost.mean_tie_aware, lost.n_open_ties) == (0.0, 1)
    assert es.recall_of(found[:, ::-1], exact(3), k=1).n_open_ties == 0


def test_without_scores_or_places_beyond_k_ties_are_not_guessed() -> None:
    found = np.array([[0, 1, 2, 4]])
    for truth in (exact(4), exact(6).rows):
        recall = es.recall_of(found, truth, k=4)
        assert (recall.tie_aware, recall.mean_tie_aware) == (None, None)
    assert "tie-aware" not in repr(es.recall_of(found, exact(4)))
    assert "tie-aware 1.0000" in repr(es.recall_of(found, exact(6), k=4))


def test_a_repeated_row_counts_once_and_is_counted() -> None:
    recall = es.recall_of(np.array([[0, 0, 0, 7]]), exact(4))
    assert (recall.mean, recall.n_repeated) == (0.25, 2)


def test_places_that_no_row_can_fill_are_not_missed() -> None:
    truth = es.topk(np.repeat(QUERY, 2, axis=0), CORPUS, k=3, exclude=[[2, 3, 4, 5], range(6)])
    assert truth.rows.tolist() == [[0, 1, -1], [-1, -1, -1]]
    recall = es.recall_of(np.array([[1, -1, -1], [-1, -1, -1]]), truth)
    # One of two rows; and nothing was to be found.
    assert recall.per_query.tolist() == [0.5, 1.0]
    narrow = es.recall_of(np.array([[1, 5], [5, 5]]), truth, k=2)
    assert narrow.tie_aware is not None
    # Both places of the first query tie, and row 0 is missing.
    assert narrow.tie_aware.tolist() == [0.5, 1.0]
    assert narrow.n_open_ties == 0
    beyond = es.topk(QUERY, CORPUS, k=5, exclude=[[2, 3, 4, 5]])
    lost = es.recall_of(np.array([[1, 5, 5]]), beyond, k=3)  # empty places do not tie
    assert (lost.mean, lost.mean_tie_aware, lost.n_open_ties) == (0.5, 0.5, 0)


def test_lists_of_several_lengths_end_in_empty_places() -> None:
    recall = es.recall_of([[0, 1], [], [2, 0, 1]], exact(3, queries=3), k=3)
    assert recall.per_query.tolist() == [2 / 3, 0.0, 1.0]
    assert recall.n_unfilled == 4


def test_an_index_narrower_than_k_leaves_places_unfilled() -> None:
    recall = es.recall_of(np.array([[0, 1]]), exact(4), k=4)
    assert (recall.mean, recall.n_unfilled) == (0.5, 2)


def test_labels_of_hnswlib_are_unsigned() -> None:
    labels = np.array([[0, 2**64 - 1]], dtype=np.uint64)
    recall = es.recall_of(labels, exact(2))
    assert (recall.mean, recall.n_unfilled) == (0.5, 1)


def test_tensors_are_taken() -> None:
    torch = pytest.importorskip("torch")
    assert es.recall_of(torch.tensor([[0, 1]]), exact(2)).mean == 1.0


@pytest.mark.parametrize("ids", ["abcdef", [10, 11, 12, 13, 14, 15], np.arange(6) * 7])
def test_ids_name_the_rows(ids) -> None:
    found = [[ids[1], ids[4]], [None, ids[0]]]
    recall = es.recall_of(found, exact(2, queries=2), ids=ids)
    assert recall.per_query.tolist() == [0.5, 0.5]
    assert recall.n_unfilled == 1


def test_an_id_of_minus_one_is_an_empty_place_unless_it_is_an_id() -> None:
    assert es.recall_of([[-1, 11]], exact(2), ids=[10, 11, 12, 13, 14, 15]).n_unfilled == 1
    assert es.recall_of([[-1, 11]], exact(2), ids=[-1, 11, 12, 13, 14, 15]).mean == 1.0


def test_the_interval_covers_the_mean_and_repeats() -> None:
    rng = np.random.default_rng(3)
    truth = np.arange(20)[None, :].repeat(200, axis=0)
    found = np.where(rng.random(truth.shape) < 0.9, truth, -1)
    recall = es.recall_of(found, truth)
    low, high = recall.interval()
    assert low < recall.mean < high
    assert high - low < 0.03  # about 4 standard errors of 0.3 / sqrt(200 * 20)
    assert recall.interval() == (low, high)
    assert recall.interval(confidence=0.5)[0] > low


def test_a_perfect_index_is_not_certain_to_stay_so() -> None:
    low, high = es.recall_of(exact(2, queries=5), exact(2, queries=5)).interval()
    assert low < 1.0 == high


def test_a_confidence_that_is_none_is_refused() -> None:
    with pytest.raises(MeasureError, match=r"confidence=95 is not between 0 and 1; pass 0\.95"):
        es.recall_of(exact(2), exact(2)).interval(confidence=95)
    with pytest.raises(ShapeError, match="n_resamples=0"):
        es.recall_of(exact(2), exact(2)).interval(n_resamples=0)


@pytest.mark.parametrize(
    ("found", "options", "error", "match"),
    [
        (np.array([[0, 1]]), {}, ShapeError, "2 wide and exact is 3 wide.*pass k=2"),
        (np.array([[0, 1, 2]]), {"k": 4}, ShapeError, "k=4, but exact is 3 wide"),
        (np.array([[0, 1, 2]]), {"k": 2, "depth": 1}, ShapeError, "depth=1 is less than k=2"),
        (np.array([[0, 1, 2]] * 2), {}, ShapeError, "for 2 queries and exact is for 1"),
        (np.array([0, 1, 2]), {}, ShapeError, r"shape \(3,\).*index_results\[None, :\]"),
        (np.array([[0.5, 0.25, 0.1]]), {}, ShapeError, "holds float64; integer rows"),
        ([["a", "b", "c"]], {}, ShapeError, "pass ids="),
        ([["a"], []], {"k": 1}, ShapeError, "for query 0 holds str"),
        (np.array([[0, 1, -2]]), {}, ShapeError, "holds -2 for query 0"),
        ((np.zeros((1, 3)), np.array([[0, 1, 2]])), {}, ShapeError, "second result of faiss"),
        ([["z", "a", "b"]], {"ids": "abcdef"}, DataError, "'z' for query 0, which is not in ids"),
        ([["a", "b", "c"]], {"ids": "abcabc"}, DataError, "ids holds 'a' twice"),
        ([["a", "b", "b"]], {"ids": "ab"}, DataError, "row 2, but there are 2 ids"),
        (["abc"], {"ids": "abcdef"}, ShapeError, "'abc' for query 0; a list of ids"),
    ],
)
def test_results_that_cannot_be_compared_are_named(found, options, error, match) -> None:
    with pytest.raises(error, match=match):
        es.recall_of(found, exact(3), **options)


def test_a_truth_that_repeats_a_row_is_refused() -> None:
    with pytest.raises(DataError, match="exact holds row 4 twice for query 1"):
        es.recall_of(np.array([[1, 2]] * 2), np.array([[1, 2], [4, 4]]))


def test_no_queries_are_refused() -> None:
    with pytest.raises(ShapeError, match="one at least"):
        es.recall_of(np.empty((0, 2), dtype=np.int64), np.empty((0, 2), dtype=np.int64))
