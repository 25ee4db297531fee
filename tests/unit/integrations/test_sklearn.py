"""The estimator: what it takes and refuses, and that it is one."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import embedsmith as es
from embedsmith import _core
from embedsmith.exceptions import MeasureError, ShapeError

sklearn = pytest.importorskip("sklearn", reason="needs the extra 'sklearn'")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.neighbors import NearestNeighbors as Reference  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from embedsmith.integrations import _within  # noqa: E402
from embedsmith.integrations.sklearn import NearestNeighbors  # noqa: E402
from embedsmith.search._topk import search_matrix  # noqa: E402

RNG = np.random.default_rng(4)
VECTORS = RNG.standard_normal((60, 8)).astype(np.float32)
QUERIES = RNG.standard_normal((7, 8)).astype(np.float32)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize("metric", ["minkowski", "cosine", "sqeuclidean"])
def test_the_checks_of_scikit_learn_pass(metric) -> None:
    results = check_estimator(NearestNeighbors(n_neighbors=2, metric=metric), on_fail=None)
    assert len(results) > 30
    failed = [
        (each["check_name"], each["exception"])
        for each in results
        if each["status"] not in {"passed", "skipped"}
    ]
    assert failed == []


@pytest.mark.parametrize(
    ("metric", "ours", "distance"),
    [
        ("cosine", "cosine", lambda exact: np.clip(1 - exact, 0, 2)),
        ("euclidean", "l2", np.sqrt),
        ("sqeuclidean", "l2", lambda exact: exact),
    ],
)
def test_neighbours_are_those_of_topk(metric, ours, distance) -> None:
    estimator = NearestNeighbors(metric=metric).fit(VECTORS)
    distances, rows = estimator.kneighbors(QUERIES, 3)
    expected = es.topk(QUERIES, VECTORS, k=3, metric=ours)
    np.testing.assert_array_equal(rows, expected.rows)
    np.testing.assert_array_equal(distances, distance(expected.exact))
    np.testing.assert_array_equal(estimator.kneighbors(QUERIES, 3, return_distance=False), rows)


def test_a_fitted_vector_is_not_its_own_neighbour_even_among_duplicates() -> None:
    vectors = np.repeat(VECTORS[:3], 4, axis=0)
    rows = NearestNeighbors(n_neighbors=3).fit(vectors).kneighbors(return_distance=False)
    for row, found in enumerate(rows):
        first = row // 4 * 4
        assert set(found) == set(range(first, first + 4)) - {row}


def test_parallel_vectors_have_cosine_distance_zero_and_no_less() -> None:
    vectors = RNG.standard_normal((500, 7)).astype(np.float32)
    distances, _ = NearestNeighbors(metric="cosine").fit(vectors).kneighbors(vectors * 3, 1)
    assert 0.0 <= distances.min() <= distances.max() < 1e-7


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "sqeuclidean"])
def test_radius_neighbours_are_all_rows_within_the_distance_and_no_others(metric) -> None:
    vectors = RNG.standard_normal((900, 5)).astype(np.float32)
    estimator = NearestNeighbors(metric=metric).fit(vectors)
    distances, rows = estimator.kneighbors(QUERIES[:, :5], 900)
    for place in (0, 3, 63, 64, 65, 511, 899):
        for query in range(len(QUERIES)):
            # The distance of one row, which it includes, and the next smaller number.
            for radius in (distances[query, place], np.nextafter(distances[query, place], 0.0)):
                far, near = estimator.radius_neighbors(QUERIES[query : query + 1, :5], radius)
                count = np.searchsorted(distances[query], radius, side="right")
                np.testing.assert_array_equal(near[0], rows[query, :count])
                np.testing.assert_array_equal(far[0], distances[query, :count])


def test_a_small_radius_takes_one_search(monkeypatch) -> None:
    depths = []
    search = search_matrix

    def record(*arguments, k, **options):
        depths.append(k)
        return search(*arguments, k=k, **options)

    monkeypatch.setattr(_within, "search_matrix", record)
    vectors = RNG.standard_normal((900, 5)).astype(np.float32)
    estimator = NearestNeighbors().fit(vectors)
    estimator.radius_neighbors(vectors[:20], 0.5)
    assert depths == [64]
    estimator.radius_neighbors(vectors[:20], 100.0)
    assert depths == [64, 64, 512, 900]


def test_radius_neighbours_of_fitted_vectors_leave_each_itself_out() -> None:
    estimator = NearestNeighbors(radius=np.inf).fit(VECTORS)
    for row, found in enumerate(estimator.radius_neighbors(return_distance=False)):
        assert set(found) == set(range(60)) - {row}
    none = NearestNeighbors(radius=0.0).fit(VECTORS).radius_neighbors(return_distance=False)
    assert [len(found) for found in none] == [0] * 60


def test_answers_of_equal_length_are_arrays_of_arrays_too() -> None:
    distances, rows = NearestNeighbors(radius=1e9).fit(VECTORS).radius_neighbors(QUERIES)
    assert distances.shape == rows.shape == (7,)
    assert (distances.dtype, rows.dtype) == (object, object)
    assert (distances[0].dtype, rows[0].dtype) == (np.float64, np.int64)


def test_graphs_come_in_the_form_of_scikit_learn() -> None:
    estimator, reference = (
        each(n_neighbors=4, radius=2.0).fit(VECTORS) for each in (NearestNeighbors, Reference)
    )
    for graph in ("kneighbors_graph", "radius_neighbors_graph"):
        for mode in ("connectivity", "distance"):
            for queries in (None, QUERIES):
                ours = getattr(estimator, graph)(queries, mode=mode)
                theirs = getattr(reference, graph)(queries, mode=mode)
                assert type(ours) is type(theirs)
                np.testing.assert_allclose(ours.toarray(), theirs.toarray(), atol=1e-6)


def test_parameters_are_kept_cloned_and_set() -> None:
    estimator = NearestNeighbors(n_neighbors=3, metric="cosine", n_jobs=2, leaf_size=10)
    assert estimator.get_params() == clone(estimator).get_params()
    assert set(estimator.get_params()) == set(Reference().get_params())
    assert NearestNeighbors().get_params() == Reference().get_params()
    assert isinstance(estimator, Reference)
    estimator.set_params(n_neighbors=2)
    assert estimator.fit(VECTORS).kneighbors(QUERIES)[1].shape == (7, 2)
    assert repr(estimator).startswith("NearestNeighbors(")


def test_a_pickle_and_a_copy_answer_alike_and_hold_the_vectors_once() -> None:
    vectors = RNG.standard_normal((2_000, 64)).astype(np.float32)
    estimator = NearestNeighbors(metric="cosine").fit(vectors)
    expected = estimator.kneighbors(vectors[:5])
    assert "_index" not in estimator.__getstate__()
    written = pickle.dumps(estimator)
    assert len(written) < vectors.nbytes * 1.1
    for other in (pickle.loads(written), copy.deepcopy(estimator)):  # noqa: S301
        np.testing.assert_array_equal(other.kneighbors(vectors[:5]), expected)
    unfitted = pickle.loads(pickle.dumps(NearestNeighbors()))  # noqa: S301
    with pytest.raises(NotFittedError):
        unfitted.kneighbors(QUERIES)


def test_it_ends_a_pipeline() -> None:
    pipeline = make_pipeline(StandardScaler(), NearestNeighbors(n_neighbors=1)).fit(VECTORS)
    rows = pipeline[-1].kneighbors(pipeline[:-1].transform(VECTORS), return_distance=False)
    assert rows[:, 0].tolist() == list(range(60))


def test_float32_vectors_are_borrowed() -> None:
    assert NearestNeighbors().fit(VECTORS)._fit_X is VECTORS


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1, -2, -1000])
def test_threads_do_not_change_the_answer(n_jobs, monkeypatch) -> None:
    asked = []
    search = es.Index.search

    def record(*arguments, threads, **options):
        asked.append(threads)
        return search(*arguments, threads=threads, **options)

    monkeypatch.setattr(es.Index, "search", record)
    monkeypatch.setattr(_core, "thread_count", lambda: 3)
    estimator = NearestNeighbors(n_jobs=n_jobs).fit(VECTORS)
    assert estimator.kneighbors(QUERIES)[1].shape == (7, 5)
    wanted = {None: None, -1: None, -2: 2, -1000: 1}
    assert asked == [wanted.get(n_jobs, n_jobs)]


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"metric": "manhattan"}, "metric='manhattan' is not searched here.*'cosine'.*or use"),
        ({"metric": "precomputed"}, "precomputed"),
        ({"metric": np.dot}, "metric=<"),
        ({"p": 1}, "p=1: of the Minkowski distances, only p=2"),
        ({"metric_params": {"w": 1}}, "no metric here has parameters"),
        ({"algorithm": "hnsw"}, "algorithm='hnsw' is unknown.*'kd_tree'"),
    ],
)
def test_what_is_not_searched_here_is_refused_when_it_is_fitted(parameters, match) -> None:
    with pytest.raises(MeasureError, match=match):
        NearestNeighbors(**parameters).fit(VECTORS)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda e: e.kneighbors(QUERIES, 0), "n_neighbors=0"),
        (lambda e: e.kneighbors(QUERIES, 2.5), "n_neighbors=2.5"),
        (lambda e: e.kneighbors(QUERIES, 61), "n_neighbors <= n_samples_fit.*Pass n_neighbors=60"),
        (lambda e: e.kneighbors(None, 60), "n_neighbors < n_samples_fit.*Pass n_neighbors=59"),
        (lambda e: e.radius_neighbors(QUERIES, -1), "radius=-1"),
        (lambda e: e.radius_neighbors(QUERIES, np.nan), "radius=nan"),
        (lambda e: e.radius_neighbors(QUERIES, np.ones(7)), "one number for all queries"),
        (lambda e: e.radius_neighbors(return_distance=False, sort_results=True), "sort_results"),
        (lambda e: e.set_params(n_jobs=0).kneighbors(QUERIES), "n_jobs=0"),
    ],
)
def test_a_call_that_cannot_be_answered_says_what_to_pass(call, match) -> None:
    with pytest.raises(ShapeError, match=match):
        call(NearestNeighbors().fit(VECTORS))


def test_input_that_scikit_learn_refuses_is_refused_in_its_words() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="Sparse data was passed"):
        NearestNeighbors().fit(sparse.csr_matrix(VECTORS))
    with pytest.raises(ValueError, match="NaN"):
        NearestNeighbors().fit(VECTORS * np.nan)
    with pytest.raises(ValueError, match=r"infinity or a value too large for dtype\('float32'\)"):
        NearestNeighbors().fit([[1e300], [0.0]])
    with pytest.raises(ValueError, match="expecting 8 features"):
        NearestNeighbors().fit(VECTORS).kneighbors(QUERIES[:, :4])


def test_without_scikit_learn_the_import_names_the_extra() -> None:
    code = """
import sys
sys.modules["sklearn"] = None
import embedsmith as es
try:
    es.integrations.sklearn
except ImportError as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MissingDependencyError embedsmith.integrations.sklearn needs")
    assert "pip install 'embedsmith[sklearn]'" in done.stdout
