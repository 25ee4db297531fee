"""Search among tensors: what it takes and gives back; each on the CPU and on a GPU."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import DeviceError, ShapeError
from embedsmith.search import _tensors, _topk
from embedsmith.search._tensors import TensorTopK, topk_tensors
from tests.unit.search.conftest import (
    CORPUS,
    METRICS,
    QUERIES,
    RNG,
    assert_same_bits,
)

if TYPE_CHECKING:
    from embedsmith._typing import Metric
    from tests.unit.search.conftest import Move

torch = pytest.importorskip("torch")

from embedsmith.search import _tensor_scores, _tensor_search  # noqa: E402 -- they import torch
from embedsmith.search._tensor_search import Sizes  # noqa: E402


@pytest.mark.parametrize("metric", METRICS)
def test_the_answer_is_topks_bit_for_bit(move: Move, metric: Metric) -> None:
    hits = topk_tensors(move(QUERIES), move(CORPUS), k=9, metric=metric)
    assert_same_bits(hits, es.topk(QUERIES, CORPUS, k=9, metric=metric))
    assert hits.scores.dtype == torch.float32
    assert hits.rows.dtype == torch.int64
    assert hits.exact.dtype == torch.float64


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 5, 16, 290, 300, 10**30])
def test_tiles_and_batches_change_nothing(move: Move, metric: Metric, k: int) -> None:
    hits = topk_tensors(move(QUERIES), move(CORPUS), k=k, metric=metric)
    assert_same_bits(hits, es.topk(QUERIES, CORPUS, k=k, metric=metric))


@pytest.mark.parametrize("dim", [0, 1, 15, 16, 17, 100_000, 140_000])
def test_any_width_is_searched_even_one_too_wide_for_the_certificate(dim: int, move: Move) -> None:
    rng = np.random.default_rng(dim)
    corpus = rng.standard_normal((5, dim), dtype=np.float32)
    for metric in METRICS:
        hits = topk_tensors(move(corpus[:1]), move(corpus), k=2, metric=metric)
        assert_same_bits(hits, es.topk(corpus[:1], corpus, k=2, metric=metric))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8", "int64"])
@pytest.mark.parametrize("metric", METRICS)
def test_other_dtypes_are_taken_as_float32(move: Move, dtype: str, metric: Metric) -> None:
    queries, corpus = (move(array * 20).to(getattr(torch, dtype)) for array in (QUERIES, CORPUS))
    expected = es.topk(
        queries.cpu().float().numpy(), corpus.cpu().float().numpy(), k=5, metric=metric
    )
    assert_same_bits(topk_tensors(queries, corpus, k=5, metric=metric), expected)


def test_float64_is_rounded_as_numpy_rounds_it(move: Move) -> None:
    rng = np.random.default_rng(1)
    corpus = rng.standard_normal((200, 33)) * 10.0 ** rng.integers(-44, 3, (200, 1))
    queries = rng.standard_normal((5, 33))
    for metric in METRICS:
        hits = topk_tensors(move(queries), move(corpus), k=50, metric=metric)
        assert_same_bits(hits, es.topk(queries, corpus, k=50, metric=metric))


def test_views_gradients_and_lists_are_taken(move: Move) -> None:
    expected = es.topk(QUERIES, CORPUS, k=5)
    transposed = move(np.ascontiguousarray(CORPUS.T)).t()
    assert_same_bits(topk_tensors(move(QUERIES), transposed, k=5), expected)
    strided = move(np.repeat(CORPUS, 2, axis=1))[:, ::2].requires_grad_()
    hits = topk_tensors(QUERIES.tolist(), strided, k=5)
    assert_same_bits(hits, expected)
    assert not hits.exact.requires_grad


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("metric", METRICS)
def test_excluded_and_masked_rows_leave_marked_places(move: Move, metric: Metric) -> None:
    rng = np.random.default_rng(2)
    where = rng.random(300) < 0.1
    exclude = [rng.choice(300, 40) for _ in QUERIES]
    for k in (4, 35):
        expected = es.topk(QUERIES, CORPUS, k=k, metric=metric, exclude=exclude, where=where)
        found = topk_tensors(
            move(QUERIES), move(CORPUS), k=k, metric=metric, exclude=exclude, where=where
        )
        assert_same_bits(found, expected)
    assert (expected.rows == -1).any()
    nothing = topk_tensors(move(QUERIES), move(CORPUS), metric=metric, where=np.zeros(300, bool))
    assert (nothing.rows == -1).all()


def test_exclude_and_where_may_be_tensors(move: Move) -> None:
    own, where = np.arange(300), np.arange(300) % 2 == 0
    expected = es.topk(CORPUS, CORPUS, k=3, exclude=own, where=where)
    hits = topk_tensors(move(CORPUS), move(CORPUS), k=3, exclude=move(own), where=move(where))
    assert_same_bits(hits, expected)
    with pytest.raises(ShapeError, match=r"boolean mask of shape \(300,\)"):
        topk_tensors(move(CORPUS), move(CORPUS), where=move(own))


@pytest.mark.parametrize("metric", METRICS)
def test_equal_rows_are_all_scored_within_the_memory(
    move: Move, metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bound can tell them apart: every pair is a hit, and the lowest rows win."""
    taken: list[int] = []
    take = _tensor_search.Search._take

    def counted(*arguments: Any) -> None:
        taken.append(len(arguments[2]))
        take(*arguments)

    monkeypatch.setattr(_tensor_search.Search, "_take", counted)
    monkeypatch.setattr(_tensor_search, "_working_memory", lambda _: 1 << 20)
    corpus = np.tile(CORPUS[:1], (3_000, 1))
    hits = topk_tensors(move(QUERIES), move(corpus), k=5, metric=metric)
    assert_same_bits(hits, es.topk(QUERIES, corpus, k=5, metric=metric))
    assert (hits.rows.cpu() == torch.arange(5)).all()
    assert max(taken) <= (1 << 20) // 8 // 160
    assert len(taken) > 5


@pytest.mark.parametrize(
    ("tile", "hits", "order"),
    [(500, 100, "rising"), (500, 10**9, "falling"), (4_000, 10**9, "any")],
)
def test_few_rows_are_scored_in_full(
    move: Move, tile: int, hits: int, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where each row beats the last."""
    scored: list[int] = []
    goodness = _tensor_scores.goodness

    def counted(*arguments: Any) -> Any:
        scored.append(len(arguments[1]))
        return goodness(*arguments)

    monkeypatch.setattr(_tensor_search, "goodness", counted)
    monkeypatch.setattr(
        Sizes, "for_memory", classmethod(lambda cls, *_, **__: cls(1, tile, hits, pairs=1_000))
    )
    corpus = RNG.standard_normal((4_000, 16), dtype=np.float32)
    if order != "any":
        corpus = corpus[np.argsort(corpus @ QUERIES[0, :16])[:: 1 if order == "rising" else -1]]
    found = topk_tensors(move(QUERIES[:1, :16]), move(corpus), k=10, metric="dot")
    assert_same_bits(found, es.topk(QUERIES[:1, :16], corpus, k=10, metric="dot"))
    assert sum(scored) < 400


@pytest.mark.parametrize("queries", [QUERIES, QUERIES.tolist(), torch.tensor(QUERIES)])
def test_topk_sends_cuda_tensors_to_the_device_and_brings_arrays_back(
    move: Move, monkeypatch: pytest.MonkeyPatch, queries: Any
) -> None:
    monkeypatch.setattr(_topk, "on_cuda", lambda value: isinstance(value, torch.Tensor))
    monkeypatch.setattr(_topk, "search_matrix", None)
    expected = topk_tensors(QUERIES, CORPUS, k=5, metric="l2")
    corpus = move(CORPUS)
    hits = es.topk(queries, corpus, k=5, metric="l2", threads=2)
    assert isinstance(hits, es.TopK)
    np.testing.assert_array_equal(hits.rows, expected.rows.cpu())
    np.testing.assert_array_equal(hits.exact, expected.exact.cpu())
    tensors = es.topk(queries, corpus, k=5, metric="l2", as_tensors=True)
    assert isinstance(tensors, TensorTopK)
    assert tensors.rows.device == tensors.scores.device == tensors.exact.device == corpus.device
    assert torch.equal(tensors.exact.cpu(), expected.exact.cpu())
    with pytest.raises(ShapeError, match="threads=0"):
        es.topk(queries, corpus, threads=0)


@pytest.mark.gpu
def test_topk_finds_cuda_tensors_itself() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    hits = es.topk(QUERIES, torch.tensor(CORPUS, device="cuda"), k=5, as_tensors=True)
    assert hits.rows.is_cuda
    assert_same_bits(hits, es.topk(QUERIES, CORPUS, k=5))
    with pytest.raises(DeviceError, match="but corpus is on the CPU"):
        es.topk(torch.tensor(QUERIES, device="cuda"), CORPUS)


def test_arrays_come_back_as_tensors_on_request() -> None:
    expected = es.topk(QUERIES, CORPUS, k=5)
    hits = es.topk(QUERIES, CORPUS, k=5, as_tensors=True)
    assert_same_bits(hits, expected)
    scores, rows = hits
    assert scores is hits.scores
    assert rows is hits.rows
    assert_same_bits(copy.copy(hits), expected)
    assert TensorTopK(scores, rows).exact.dtype == torch.float64


@pytest.mark.parametrize("tile", [16, 300])
def test_statistics_count_what_the_search_did(
    move: Move, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = Sizes(queries=3, rows=tile, hits=10**6, pairs=100)
    monkeypatch.setattr(Sizes, "for_memory", lambda *_, **__: sizes)
    corpus = move(CORPUS)
    assert topk_tensors(QUERIES, corpus).stats is None
    stats = topk_tensors(QUERIES, corpus, k=4, stats=True).stats
    assert stats is not None
    # Three batches of at most three queries; the first tile's best four are always scored.
    assert list(stats.rows.values()) == [3 * 300]
    assert stats.scored_per_query == stats.hits_per_query + 4
    assert stats.fallbacks == stats.repeated_queries == 0
    assert stats.gflops == pytest.approx(2e-9 * 7 * 21 * 300 / stats.seconds)
    sizes = Sizes(queries=3, rows=tile, hits=3, pairs=100)
    equal = move(np.ones((300, 5), dtype=np.float32))
    crowded = topk_tensors(equal[:7], equal, k=4, stats=True).stats
    assert crowded is not None
    assert crowded.fallbacks == 3
    assert crowded.scored_per_query == 300


@pytest.mark.usefixtures("small_tiles")
def test_progress_ends_with_all_rows_that_may_be_found(move: Move) -> None:
    told: list[tuple[int, int]] = []
    topk_tensors(
        move(QUERIES),
        move(CORPUS),
        where=np.arange(300) < 250,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (250, 250)
    assert told == sorted(told)


def test_torch_settings_change_nothing_and_stay_as_they_are(move: Move) -> None:
    expected = es.topk(QUERIES, CORPUS, k=5)
    queries, corpus = move(QUERIES), move(CORPUS)
    before = torch.get_float32_matmul_precision()
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast(queries.device.type, dtype=torch.bfloat16), torch.device("meta"):
            hits = topk_tensors(queries, corpus, k=5)
        assert torch.get_float32_matmul_precision() == "medium"
        assert_same_bits(hits, expected)
        with torch.inference_mode():
            assert_same_bits(topk_tensors(queries, corpus, k=5), expected)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.use_deterministic_algorithms(mode=False)
        torch.set_float32_matmul_precision(before)


def test_compiled_callers_get_the_same_bits(move: Move) -> None:
    """What is compiled may fuse a multiplication with an addition: the search must not be."""
    compiled: list[str] = []

    def backend(graph: Any, _: Any) -> Any:
        compiled.extend(node.name for node in graph.graph.nodes if node.op == "call_function")
        return graph.forward

    @torch.compile(backend=backend)
    def caller(queries: Any, corpus: Any) -> Any:
        return topk_tensors(queries * 1.0, corpus, k=5, metric="l2").exact * 1.0

    expected = es.topk(QUERIES, CORPUS, k=5, metric="l2").exact
    np.testing.assert_array_equal(caller(move(QUERIES), move(CORPUS)).cpu(), expected)
    assert set(compiled) <= {"queries", "mul"}


def test_a_process_that_flushes_subnormals_gets_the_same_answer() -> None:
    """In a process of its own: torch's threads would keep the mode."""
    code = """
import sys
import numpy as np, torch
import embedsmith as es
from embedsmith.search._tensors import topk_tensors
rng = np.random.default_rng(0)
corpus = rng.standard_normal((900, 40)) * 1e-37
corpus[::3] *= 1e-5
corpus[1::3] *= 1e30
queries = (rng.standard_normal((6, 40)) * 0.05).astype(np.float32)
single = corpus.astype(np.float32)
expected = {m: es.topk(queries, single, k=500, metric=m) for m in ("cosine", "dot", "l2")}
tensors = torch.tensor(queries), torch.tensor(single), torch.tensor(corpus)
assert torch.set_flush_denormal(True)
for metric, hits in expected.items():
    for rows in tensors[1:]:
        scores, found, exact = topk_tensors(tensors[0], rows, k=500, metric=metric).numpy()
        assert (found == hits.rows).all(), metric
        assert (exact.view(np.int64) == hits.exact.view(np.int64)).all(), metric
        assert (scores.view(np.int32) == hits.scores.view(np.int32)).all(), metric
print("same", bool((expected["dot"].scores.view(np.int32) & 0x7F800000 == 0).any()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "same True\n"


def test_importing_the_search_loads_no_torch() -> None:
    code = "import sys, embedsmith as es; es.topk; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
    assert _tensors.__name__ in sys.modules
