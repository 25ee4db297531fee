"""Laws of mining, on vectors small enough to compare with a loop over all rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import embedsmith as es
from embedsmith.mining import _scan


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    """Vectors of few distinct values, so that ties, duplicates and zero rows occur."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_docs = draw(st.integers(5, 60))
    dim = draw(st.sampled_from([2, 3, 8]))
    high = draw(st.sampled_from([2, 4, 100]))
    docs = rng.integers(-high, high, (n_docs, dim)).astype(np.float32)
    queries = rng.integers(-high, high, (draw(st.integers(1, 8)), dim)).astype(np.float32)
    positives = [
        rng.choice(n_docs, size=rng.integers(1, 4), replace=False).tolist() for _ in queries
    ]
    rules: dict[str, Any] = {
        "num_negatives": draw(st.integers(1, 4)),
        "range_min": draw(st.integers(0, 3)),
        "range_max": draw(st.sampled_from([None, None, 8, 20])),
        "relative_margin": draw(st.sampled_from([None, 0.0, 0.05, 0.5])),
        "absolute_margin": draw(st.sampled_from([None, 0.0, 0.1])),
        "max_score": draw(st.sampled_from([None, None, 0.3, 0.9])),
        "min_score": draw(st.sampled_from([None, None, -0.5, 0.1])),
        "near_duplicate": draw(st.sampled_from([None, 0.95, 0.6])),
        "margin_to": draw(st.sampled_from(["min", "mean", "max", "each"])),
    }
    if rules["max_score"] is not None and rules["min_score"] is not None:
        rules["min_score"] = None
    return {"docs": docs, "queries": queries, "positives": positives, "rules": rules}


def mined(case: dict[str, Any], **more: Any) -> es.MinedNegatives | None:
    try:
        return es.mine_hard_negatives(
            case["positives"],
            query_embeddings=case["queries"],
            corpus_embeddings=case["docs"],
            **{**case["rules"], **more},
        )
    except es.exceptions.DataError as error:
        assert "no query got a negative" in str(error)  # noqa: PT017 - one class for all bad data
        return None


def expected(case: dict[str, Any]) -> list[list[int]]:  # noqa: C901 - one loop, as plain as it goes
    """Return the negatives of each unit by looking at every row in the order of a full search."""
    rules, docs = case["rules"], case["docs"]
    hits = es.topk(case["queries"], docs, k=len(docs))
    wide = docs.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1)
    found = []
    for query, positives in enumerate(case["positives"]):
        scores = dict(zip(hits.rows[query].tolist(), hits.exact[query].tolist(), strict=True))
        own = np.array([scores[row] for row in positives])
        of_all = {
            "min": own.min(),
            "mean": np.add.reduceat(own, [0])[0] / len(own),
            "max": own.max(),
        }
        each = rules["margin_to"] == "each"
        for anchor in own if each else [of_all[rules["margin_to"]]]:
            ceiling = np.inf
            if rules["absolute_margin"] is not None:
                ceiling = min(ceiling, anchor - rules["absolute_margin"])
            if rules["relative_margin"] is not None:
                ceiling = min(ceiling, anchor - abs(anchor) * rules["relative_margin"])
            if rules["max_score"] is not None:
                ceiling = min(ceiling, rules["max_score"])
            eligible = [row for row in hits.rows[query].tolist() if row not in positives]
            kept = []
            for rank, row in enumerate(eligible):
                if rank < rules["range_min"] or scores[row] > ceiling:
                    continue
                if rules["range_max"] is not None and rank >= rules["range_max"]:
                    continue
                if rules["min_score"] is not None and scores[row] < rules["min_score"]:
                    continue
                if rules["near_duplicate"] is not None:
                    products = wide[positives] @ wide[row]
                    norms = lengths[positives] * lengths[row]
                    cosine = np.divide(
                        products, norms, out=np.zeros_like(products), where=norms > 0
                    )
                    if (np.round(cosine, 9) >= rules["near_duplicate"]).any():
                        continue
                kept.append(row)
            found.append(kept[: rules["num_negatives"]])
    return found


def lists(result: es.MinedNegatives | None, count: int) -> list[list[int]]:
    if result is None:
        return [[] for _ in range(count)]
    return [[row for row in unit if row >= 0] for unit in result.rows.tolist()]


@given(case=cases())
@settings(max_examples=150, deadline=None)
def test_negatives_are_those_of_a_loop_over_every_row(case: dict[str, Any]) -> None:
    wanted = expected(case)
    assert lists(mined(case), len(wanted)) == wanted


@given(case=cases())
@settings(max_examples=80, deadline=None)
def test_a_search_that_goes_on_in_small_steps_finds_the_same(case: dict[str, Any]) -> None:
    before = (_scan._SPARE, _scan._DEEPER, _scan._WIDEST)
    try:
        _scan._SPARE, _scan._DEEPER, _scan._WIDEST = 0, 1, 2
        wanted = expected(case)
        assert lists(mined(case), len(wanted)) == wanted
    finally:
        _scan._SPARE, _scan._DEEPER, _scan._WIDEST = before


@given(case=cases(), strategy=st.sampled_from(["top", "window", "random", "softmax", "stratified"]))
@settings(max_examples=60, deadline=None)
def test_every_query_gets_its_negatives_if_the_corpus_holds_them_and_none_is_excluded(
    case: dict[str, Any], strategy: str
) -> None:
    result = mined(case, sampling_strategy=strategy)
    wanted = expected(case)
    found = lists(result, len(wanted))
    assert [len(one) for one in found] == [len(one) for one in wanted]
    each = case["rules"]["margin_to"] == "each"
    owners = [q for q, rows in enumerate(case["positives"]) for _ in (rows if each else [0])]
    for query, rows in zip(owners, found, strict=True):
        assert not set(rows) & set(case["positives"][query])
        assert len(set(rows)) == len(rows)


@given(case=cases(), strategy=st.sampled_from(["top", "random", "softmax", "stratified"]))
@settings(max_examples=40, deadline=None)
def test_queries_in_another_order_and_other_threads_give_the_same_negatives(
    case: dict[str, Any], strategy: str
) -> None:
    case["rules"]["margin_to"] = "min"
    texts = [f"text {row}" for row in range(len(case["docs"]))]
    pairs = [
        (f"query {query}", texts[row])
        for query, rows in enumerate(case["positives"])
        for row in rows
    ]
    order = np.random.default_rng(len(pairs)).permutation(len(case["positives"]))
    turned = [pair for query in order for pair in pairs if pair[0] == f"query {query}"]

    def run(pairs: list[tuple[str, str]], queries: np.ndarray, threads: int) -> dict[str, Any]:
        try:
            found = es.mine_hard_negatives(
                pairs,
                corpus=texts,
                query_embeddings=queries,
                corpus_embeddings=case["docs"],
                sampling_strategy=strategy,  # type: ignore[arg-type]  # one of them
                shingle_similarity=None,
                threads=threads,
                **case["rules"],
            )
        except es.exceptions.DataError:
            return {}
        names = found.data.query_texts or []
        return dict(zip(names, found.rows.tolist(), strict=True))

    assert run(pairs, case["queries"], 1) == run(turned, case["queries"][order], 2)
