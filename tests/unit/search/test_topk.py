"""What topk takes, refuses and promises beyond the laws in tests/property."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import DeviceError, NonFiniteError, OutOfMemoryError, ShapeError

RNG = np.random.default_rng(0)
CORPUS = RNG.standard_normal((50, 12)).astype(np.float32)
QUERIES = RNG.standard_normal((4, 12)).astype(np.float32)
EXPECTED = es.topk(QUERIES, CORPUS, k=5)


def assert_same(hits: es.TopK, expected: es.TopK = EXPECTED) -> None:
    np.testing.assert_array_equal(hits.rows, expected.rows)
    np.testing.assert_array_equal(hits.scores, expected.scores)


def test_results_have_the_documented_shapes_and_dtypes() -> None:
    assert EXPECTED.scores.shape == EXPECTED.rows.shape == (4, 5)
    assert EXPECTED.scores.dtype == np.float32
    assert EXPECTED.rows.dtype == np.int64
    assert es.topk(QUERIES, CORPUS, k=10**30).rows.shape == (4, 50)


@pytest.mark.parametrize(
    "convert",
    [
        lambda a: a.tolist(),
        lambda a: a.astype(np.float64),
        lambda a: a.astype(">f4"),
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1][::-1],
    ],
    ids=["lists", "float64", "big-endian", "fortran", "strided", "reversed"],
)
def test_the_same_values_in_another_form_give_the_same_answer(convert) -> None:
    assert_same(es.topk(convert(QUERIES), convert(CORPUS), k=5))


def test_half_precision_widens_exactly() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for dtype in (np.float16, ml_dtypes.bfloat16, np.int8):
        corpus, queries = (CORPUS * 20).astype(dtype), (QUERIES * 20).astype(dtype)
        expected = es.topk(queries.astype(np.float32), corpus.astype(np.float32), k=5)
        assert_same(es.topk(queries, corpus, k=5), expected)


def test_a_memory_map_is_searched_as_it_lies(tmp_path) -> None:
    path = tmp_path / "corpus.f32"
    CORPUS.tofile(path)
    mapped = np.memmap(path, dtype=np.float32, mode="r", shape=CORPUS.shape)
    assert_same(es.topk(QUERIES, mapped, k=5))


def test_torch_tensors_are_taken_with_and_without_gradients() -> None:
    torch = pytest.importorskip("torch")
    corpus = torch.from_numpy(CORPUS).requires_grad_()
    assert_same(es.topk(torch.from_numpy(QUERIES), corpus, k=5))
    rounded = torch.from_numpy(CORPUS).bfloat16()
    assert_same(es.topk(QUERIES, rounded, k=5), es.topk(QUERIES, rounded.float().numpy(), k=5))


def test_a_tensor_on_another_device_is_refused_with_the_fix() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(DeviceError, match=r"pass corpus\.cpu\(\)"):
        es.topk(QUERIES, torch.empty(3, 12, device="meta"))


def test_mismatched_widths_name_both_and_the_fix() -> None:
    with pytest.raises(ShapeError, match="queries have 3 columns but corpus has 12.*same model"):
        es.topk(QUERIES[:, :3], CORPUS)


@pytest.mark.parametrize(
    ("queries", "corpus", "match"),
    [
        (QUERIES[0], CORPUS, r"queries has one axis.*queries\[None, :\]"),
        (QUERIES, CORPUS[None], r"corpus has shape \(1, 50, 12\)"),
        (QUERIES[:0], CORPUS, "queries is empty"),
        (QUERIES, CORPUS[:0], "corpus is empty"),
        ([["a", "b"]], CORPUS, "numbers are expected"),
        ([[1.0, 2.0], [1.0]], CORPUS, "rows of different lengths"),
        (QUERIES.astype(np.complex64), CORPUS, "holds complex64"),
        (QUERIES > 0, CORPUS, "holds bool"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_named(queries, corpus, match) -> None:
    with pytest.raises(ShapeError, match=match):
        es.topk(queries, corpus)


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", None])
def test_k_below_one_or_no_integer_is_refused(k) -> None:
    with pytest.raises(ShapeError, match="k="):
        es.topk(QUERIES, CORPUS, k=k)


def test_an_unknown_metric_lists_the_known() -> None:
    with pytest.raises(ShapeError, match=r"'manhattan' is unknown.*'cosine', 'dot', 'l2'"):
        es.topk(QUERIES, CORPUS, metric="manhattan")  # type: ignore[call-overload]
    with pytest.raises(ShapeError, match="did you mean 'cosine'"):
        es.Index(CORPUS, metric="cosin")  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("threads", [1, 2])
def test_nan_and_infinity_name_the_argument_and_the_first_row(bad, threads) -> None:
    corpus = np.tile(CORPUS, (200, 1))
    corpus[7_003, 3] = corpus[9_000, 1] = bad
    queries = np.tile(QUERIES, (50, 1))
    with pytest.raises(NonFiniteError, match="corpus row 7003"):
        es.topk(queries, corpus, threads=threads)
    with pytest.raises(NonFiniteError, match="corpus row 7003"):
        es.Index(corpus, threads=threads)
    with pytest.raises(NonFiniteError, match="queries row 7003"):
        es.topk(corpus, CORPUS)


def test_a_float64_beyond_float32_is_told_from_an_infinity() -> None:
    with pytest.raises(NonFiniteError, match=r"queries row 0 holds 1e\+300, which float32 cannot"):
        es.topk([[1e300] * 12], CORPUS)
    with pytest.raises(NonFiniteError, match="queries row 0 holds NaN or infinity"):
        es.topk([[np.inf] * 12], CORPUS)


def test_a_row_masked_out_may_hold_nan() -> None:
    corpus = CORPUS.copy()
    corpus[3] = np.nan
    where = np.arange(50) != 3
    assert 3 not in es.topk(QUERIES, corpus, k=50, where=where).rows


def test_excluded_and_masked_rows_leave_marked_places() -> None:
    hits = es.topk(QUERIES, CORPUS[:3], k=3, exclude=[[0], [], [1, 2], [2, 2, 0]])
    assert (hits.rows == -1).sum(axis=1).tolist() == [1, 0, 2, 2]
    assert np.isneginf(hits.scores[hits.rows == -1]).all()
    l2 = es.topk(QUERIES, CORPUS[:3], k=3, metric="l2", where=np.array([True, False, False]))
    assert l2.rows[:, 0].tolist() == [0, 0, 0, 0]
    assert np.isposinf(l2.scores[:, 1:]).all()


def test_exclude_takes_lists_and_padded_arrays_alike() -> None:
    lists = es.topk(QUERIES, CORPUS, exclude=[[1], [2, 3], [], [4]])
    array = np.array([[1, -1], [2, 3], [-1, -1], [-1, 4]])
    assert_same(es.topk(QUERIES, CORPUS, exclude=array), lists)
    own = es.topk(CORPUS, CORPUS, k=3, exclude=np.arange(50))
    assert not (own.rows == np.arange(50)[:, None]).any()


@pytest.mark.parametrize(
    ("exclude", "match"),
    [
        ([[1]], "1 entries for 4 queries"),
        ([[50], [], [], []], "row 50 for query 0, but corpus has rows 0 to 49"),
        ([[-2], [], [], []], "row -2"),
        ([[0.5], [], [], []], "integers"),
        ([1, 2, 3, 4], "integer array"),
        (["d1", [], [], []], "integers"),
    ],
)
def test_exclusions_that_fit_nothing_are_named(exclude, match) -> None:
    with pytest.raises(ShapeError, match=match):
        es.topk(QUERIES, CORPUS, exclude=exclude)


@pytest.mark.parametrize("where", [np.ones(49, dtype=bool), np.ones(50), [0, 1]])
def test_a_mask_of_another_length_or_type_is_refused(where) -> None:
    with pytest.raises(ShapeError, match=r"boolean mask of shape \(50,\)"):
        es.topk(QUERIES, CORPUS, where=where)


def test_a_forced_isa_that_is_missing_is_an_error_not_a_fallback(monkeypatch) -> None:
    monkeypatch.setenv("EMBEDSMITH_ISA", "amx9")
    with pytest.raises(DeviceError, match="amx9.*choose one of scalar"):
        es.topk(QUERIES, CORPUS)


def test_threads_come_from_the_argument_then_the_environment(monkeypatch) -> None:
    for threads in (0, -1, 100_000):
        with pytest.raises(ShapeError, match=f"threads={threads}"):
            es.topk(QUERIES, CORPUS, threads=threads)
        with pytest.raises(ShapeError, match=f"threads={threads}"):
            es.Index(CORPUS, threads=threads)
    monkeypatch.setenv("EMBEDSMITH_NUM_THREADS", "many")
    with pytest.raises(ShapeError, match="EMBEDSMITH_NUM_THREADS"):
        es.topk(QUERIES, CORPUS)
    assert_same(es.topk(QUERIES, CORPUS, k=5, threads=3))


def test_an_answer_that_no_memory_holds_is_an_error_and_not_an_abort() -> None:
    one = np.zeros((1, 0), dtype=np.float32)
    # Views of one value: 2^40 queries and as many bytes of answer, from no memory at all.
    many = np.broadcast_to(one, (2**40, 0))
    with pytest.raises(OutOfMemoryError, match="needs [0-9]+ bytes.*fewer queries"):
        es.topk(many, np.zeros((3, 0), dtype=np.float32), k=1)


@pytest.mark.model
def test_a_thread_that_flushes_subnormals_gets_the_same_answer() -> None:
    torch = pytest.importorskip("torch")
    corpus = RNG.standard_normal((3_000, 64), dtype=np.float32) * np.float32(1e-37)
    queries = RNG.standard_normal((20, 64), dtype=np.float32) * np.float32(0.05)
    expected = es.topk(queries, corpus, k=5, metric="dot")
    assert torch.set_flush_denormal(True)
    try:
        for threads in (1, 2):
            assert_same(es.topk(queries, corpus, k=5, metric="dot", threads=threads), expected)
    finally:
        torch.set_flush_denormal(False)


def test_searches_of_several_threads_do_not_wait_for_each_other() -> None:
    big = RNG.standard_normal((60_000, 256), dtype=np.float32)
    long = threading.Thread(target=es.topk, args=(big, big), kwargs={"threads": 2})
    long.start()
    small = big[:2_000]
    for _ in range(3):
        es.topk(small, small, threads=2)
    # The long search takes seconds; the short ones, once queued behind it, would outlast it.
    assert long.is_alive()
    long.join()


def test_a_forked_child_searches_too() -> None:
    """The parent's threads do not exist in the child; waiting for them would hang."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    code = """
import os, sys, warnings
import numpy as np
import embedsmith as es
warnings.simplefilter("ignore")
x = np.random.default_rng(0).standard_normal((4000, 64)).astype(np.float32)
first = es.topk(x, x, k=3, threads=2)
child = os.fork()
if child == 0:
    again = es.topk(x, x, k=3, threads=2)
    os._exit(0 if (again.rows == first.rows).all() else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_stops_a_long_search_at_once() -> None:
    # Tests that run in the background have SIGINT switched off: the child switches it on.
    code = """
import signal
import numpy as np
import embedsmith as es
signal.signal(signal.SIGINT, signal.default_int_handler)
x = np.random.default_rng(0).standard_normal((200_000, 256), dtype=np.float32)
print("ready", flush=True)
try:
    es.topk(x, x, k=10)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    assert process.stdout.readline() == "stopped\n"
    # The promise is 0.2 s; a busy machine gets slack. Unstopped, this search takes minutes.
    assert time.monotonic() - asked < 2.0
    process.stdout.close()
    assert process.wait(timeout=30) == 0
