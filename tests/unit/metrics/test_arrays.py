"""evaluate_run on arrays of scores and rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from embedsmith.exceptions import DataError, NonFiniteError, ShapeError
from embedsmith.metrics import evaluate_run

DOCS = ["d0", "d1", "d2", "d3", "d4"]
QUERIES = ["q0", "q1"]
QRELS = {"q0": {"d1": 2, "d3": 1}, "q1": {"d0": 1, "gone": 1}}


class Hits(NamedTuple):
    scores: np.ndarray
    rows: np.ndarray


def _hits() -> Hits:
    scores = np.array([[3.0, 2.0, 1.0], [2.0, 1.0, -np.inf]], dtype=np.float32)
    return Hits(scores, np.array([[3, 0, 1], [4, 0, -1]]))


def _evaluate(hits, names=("RR", "AP", "R@3"), **options):
    options = {"query_ids": QUERIES, "doc_ids": DOCS, **options}
    return evaluate_run(QRELS, hits, list(names), **options)


def test_goldens_of_two_short_lists():
    # q0: d3 at 1, d1 at 3. q1: d0 at 2; "gone" is no document of the corpus but is relevant.
    table = _evaluate(_hits())
    assert table.per_query["RR"].tolist() == [1.0, 0.5]
    assert table.per_query["AP"].tolist() == pytest.approx([(1 + 2 / 3) / 2, (1 / 2) / 2])
    assert table.per_query["R@3"].tolist() == [1.0, 0.5]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("rows_dtype", [np.int32, np.int64, np.intp])
def test_types_and_layouts_of_arrays_change_nothing(dtype, rows_dtype):
    hits = _hits()
    scores = np.asfortranarray(hits.scores.astype(dtype))
    rows = np.repeat(hits.rows.astype(rows_dtype), 2, axis=1)[:, ::2]
    assert _evaluate((scores, rows)).mean == _evaluate(hits).mean
    named: dict[str, Any] = {"query_ids": np.array(QUERIES), "doc_ids": np.array(DOCS)}
    assert _evaluate(hits, **named).mean == _evaluate(hits).mean


@pytest.mark.parametrize(("rule", "rank"), [("docid_desc", 2), ("docid_asc", 1), ("input", 1)])
def test_ties_are_broken_by_id_and_not_by_row(rule, rank):
    # Rows 0 and 1 tie; their ids are "a" and "b".
    table = evaluate_run(
        {"q": {"a": 1}},
        (np.ones((1, 2)), np.array([[0, 1]])),
        ["RR"],
        query_ids=["q"],
        doc_ids=["a", "b"],
        ties=rule,
    )
    assert (table.mean["RR"], table.tie_share) == (1 / rank, 1.0)


def test_refused_ties_name_query_and_document():
    hits = (np.ones((2, 2)), np.array([[4, 2], [0, 1]]))
    with pytest.raises(DataError, match=r"\"d0\" ties .* for query \"q1\""):
        _evaluate(hits, ["RR"], ties="error")


def test_f64_scores_are_not_rounded_unless_asked_for():
    scores, rows = np.array([[1.0 + 1e-12, 1.0]]), np.array([[0, 1]])
    options: dict[str, Any] = {"query_ids": ["q"], "doc_ids": ["a", "b"]}
    assert evaluate_run({"q": {"a": 1}}, (scores, rows), ["RR"], **options).mean["RR"] == 1.0
    f32 = evaluate_run({"q": {"a": 1}}, (scores, rows), ["RR"], score_dtype="f32", **options)
    assert f32.mean["RR"] == 0.5


def test_missing_and_unjudged_queries_are_counted():
    hits = _hits()
    with pytest.warns(UserWarning, match="1 of 2 judged queries are not in the run: 'q1'"):
        table = _evaluate(hits, query_ids=["q0", "other"])
    assert table.per_query["RR"].tolist() == [1.0, 0.0]
    assert (table.n_missing, table.n_unjudged) == (1, 1)
    with pytest.warns(UserWarning, match="left out"):
        assert _evaluate(hits, query_ids=["other", "q1"], missing="skip").query_ids == ("q1",)


def test_lists_shallower_than_a_cutoff_are_warned_about():
    with pytest.warns(UserWarning, match=r"R@4 is measured on lists of 3.*larger k"):
        _evaluate(_hits(), ["R@3", "R@4"])


@pytest.mark.parametrize(
    ("place", "score", "row", "error", "message"),
    [
        ((0, 1), np.nan, 0, NonFiniteError, r"document \"d0\" NaN for query \"q0\""),
        ((0, 2), 2.5, 1, DataError, r"query \"q0\" rise at place 2.*pass \(-scores, rows\)"),
        ((1, 1), 1.0, 5, DataError, r"query \"q1\" names row 5 at place 1, but doc_ids has 5"),
        ((1, 1), 1.0, -2, DataError, r"names row -2 at place 1"),
        ((1, 1), 1.0, 4, DataError, r"query \"q1\" names document \"d4\" \(row 4\) twice"),
        ((0, 1), 2.0, -1, DataError, r"query \"q0\" has row 1 at place 2, after a -1"),
    ],
)
def test_faulty_lists_are_named(place, score, row, error, message):
    scores, rows = _hits()
    scores[place], rows[place] = score, row
    with pytest.raises(error, match=message):
        _evaluate((scores, rows))


def test_distances_are_refused_rather_than_ranked_backwards():
    scores, rows = _hits()
    with pytest.raises(DataError, match=r"metric=\"l2\""):
        _evaluate((-scores, rows))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"query_ids": None}, DataError, "needs query_ids"),
        ({"doc_ids": None}, DataError, "needs doc_ids"),
        ({"doc_ids": ["d0", "d1", "d2", "d1", "d4"]}, DataError, "doc_ids names 'd1' more than"),
        ({"query_ids": ["q0", "q0"]}, DataError, "query_ids names 'q0' more than once"),
        ({"doc_ids": [0.5, 1, 2, 3, 4]}, DataError, "doc_ids holds the id 0.5; ids are strings"),
        ({"query_ids": ["q0"]}, ShapeError, "2 lists but query_ids names 1"),
    ],
)
def test_ids_that_do_not_fit_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        _evaluate(_hits(), **change)


@pytest.mark.parametrize(
    ("scores", "rows", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 2), dtype=int), r"\(2, 3\) and rows of shape \(2, 2\)"),
        (np.ones(3), np.ones(3, dtype=int), r"pass two arrays of shape \(n_queries, k\)"),
        (np.ones((2, 3)), np.ones((2, 3)), "rows have dtype float64"),
        (np.ones((2, 3), dtype=int), np.ones((2, 3), dtype=int), "scores have dtype int64"),
    ],
)
def test_arrays_of_other_shapes_and_types_are_refused(scores, rows, message):
    with pytest.raises(ShapeError, match=message):
        _evaluate((scores, rows))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("rule", "first"), [("docid_desc", 1), ("docid_asc", 48_001), ("input", 6_001)]
)
def test_thousands_of_relevant_documents_in_one_tie_are_placed_at_once(rule, first):
    # Relevant are the 12,000 largest ids, in the list from place 6,001 on. Place by place this
    # would be 7e8 ids fetched and compared.
    n, n_relevant, start = 60_000, 12_000, 6_000
    ids = [f"d{i:06}" for i in range(n)]
    rows = np.roll(np.arange(n), n_relevant + start)[None]
    table = evaluate_run(
        {"q": dict.fromkeys(ids[n - n_relevant :], 2)},
        (np.ones((1, n)), rows),
        ["RR", f"P@{first + n_relevant - 1}", f"R@{first}"],
        query_ids=["q"],
        doc_ids=ids,
        ties=rule,
    )
    assert list(table.mean.values()) == [
        1 / first,
        n_relevant / (first + n_relevant - 1),
        1 / n_relevant,
    ]
    assert table.tie_share == 1.0
