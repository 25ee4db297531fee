"""Pairs above a threshold and neighbours within a corpus: answers, errors, manners."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import embedsmith as es
from embedsmith.exceptions import DataError, NonFiniteError, OutOfMemoryError, ShapeError
from embedsmith.search import SearchStats

RNG = np.random.default_rng(2)
ROWS = RNG.standard_normal((400, 24)).astype(np.float32)
ROWS[50:60] = ROWS[:10]
SQUARE = np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [2, 0]], dtype=np.float32)


def test_pairs_of_a_square_are_the_ones_one_can_draw() -> None:
    pairs = es.pairs_above(SQUARE, 0.0)
    # Cosine 1 for the two on one ray; 0 for the right angles.
    assert list(pairs) == [
        (0, 4, 1.0),
        (0, 1, 0.0),
        (0, 3, 0.0),
        (1, 2, 0.0),
        (1, 4, 0.0),
        (2, 3, 0.0),
        (3, 4, 0.0),
    ]
    assert len(pairs) == 7
    assert repr(pairs) == "Pairs(7 pairs)"
    near = es.pairs_above(SQUARE, 2.0, metric="l2")
    assert list(near) == [
        (0, 4, 1.0),
        (0, 1, 2.0),
        (0, 3, 2.0),
        (1, 2, 2.0),
        (2, 3, 2.0),
    ]
    assert [len(es.pairs_above(SQUARE, threshold, metric="dot")) for threshold in (2, 0)] == [1, 7]


def test_neighbours_of_a_square_leave_the_row_itself_out() -> None:
    hits = es.topk_self(SQUARE, 2, metric="l2")
    assert hits.rows.tolist() == [[4, 1], [0, 2], [1, 3], [0, 2], [0, 1]]
    assert hits.scores.tolist() == [[1, 2], [2, 2], [2, 2], [2, 2], [1, 5]]
    scores, rows = hits
    names = [array.dtype.name for array in (scores, rows, hits.exact)]
    assert names == ["float32", "int64", "float64"]


def test_arrays_have_the_documented_types() -> None:
    pairs = es.pairs_above(ROWS, 0.9)
    arrays = (pairs.first, pairs.second, pairs.scores, pairs.exact)
    assert [array.dtype.name for array in arrays] == ["int64", "int64", "float32", "float64"]
    assert [array.shape for array in arrays] == [(10,)] * 4
    # The cosine of two copies is 1 but for the last bit, which decides their order.
    np.testing.assert_array_equal(np.sort(pairs.first), np.arange(10))
    np.testing.assert_array_equal(pairs.second, pairs.first + 50)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_an_index_answers_as_the_functions_before_and_after_its_file(metric, tmp_path) -> None:
    threshold = {"cosine": 0.4, "dot": 8.0, "l2": 25.0}[metric]
    pairs, hits = es.pairs_above(ROWS, threshold, metric=metric), es.topk_self(ROWS, metric=metric)
    assert len(pairs) > 100
    index = es.Index(ROWS[:300], metric=metric)
    index.add(ROWS[300:])
    index.save(tmp_path / "index")
    for each in (index, es.Index.open(tmp_path / "index")):
        found = each.pairs_above(threshold)
        assert list(found) == list(pairs)
        np.testing.assert_array_equal(found.exact, pairs.exact)
        found_hits = each.topk_self()
        np.testing.assert_array_equal(found_hits.rows, hits.rows)
        np.testing.assert_array_equal(found_hits.exact, hits.exact)


@pytest.mark.parametrize(
    "given",
    [
        ROWS.astype(np.float16),
        ROWS.astype(ml_dtypes.bfloat16),
        torch.from_numpy(ROWS).to(torch.bfloat16),
        ROWS.astype(np.float64),
        ROWS.tolist(),
        np.asfortranarray(ROWS),
    ],
    ids=["float16", "bfloat16", "torch bfloat16", "float64", "list", "columns first"],
)
def test_whatever_holds_the_numbers_the_answer_is_theirs(given) -> None:
    values = given.float().numpy() if isinstance(given, torch.Tensor) else given
    single = np.ascontiguousarray(np.asarray(values).astype(np.float32))
    expected, hits = es.pairs_above(single, 0.5), es.topk_self(single, 6)
    np.testing.assert_array_equal(es.pairs_above(given, 0.5).exact, expected.exact)
    np.testing.assert_array_equal(es.topk_self(given, 6).rows, hits.rows)
    np.testing.assert_array_equal(es.topk_self(given, 6).exact, hits.exact)


def test_every_place_is_filled_however_many_neighbours_are_wanted() -> None:
    few = ROWS[:5]
    full = es.topk_self(few, 4)
    assert full.rows.shape == (5, 4)
    for k in (5, 1_000, 2**70):
        np.testing.assert_array_equal(es.topk_self(few, k).rows, full.rows)
    assert es.topk_self(ROWS[:1], 3).rows.shape == (1, 0)
    assert len(es.pairs_above(ROWS[:1], -1.0)) == 0


def test_rows_without_columns_and_zero_rows_score_nothing() -> None:
    nothing = np.zeros((3, 0), dtype=np.float32)
    assert [score for *_, score in es.pairs_above(nothing, 0.0)] == [0.0] * 3
    assert es.topk_self(np.zeros((3, 4)), 2).rows.tolist() == [[1, 2], [0, 2], [0, 1]]


def test_a_threshold_at_a_pair_s_very_score_takes_it_in() -> None:
    exact = es.pairs_above(ROWS, 0.3).exact
    for place in (0, 20, 100):
        threshold = float(exact[place])
        assert len(es.pairs_above(ROWS, threshold)) == np.count_nonzero(exact >= threshold)
        above = float(np.nextafter(threshold, 2.0))
        assert len(es.pairs_above(ROWS, above)) == np.count_nonzero(exact > threshold)


def test_more_pairs_than_allowed_are_refused_soon_and_in_little_memory() -> None:
    code = """
import resource, time
import numpy as np
import embedsmith as es
copies = np.tile(np.arange(24, dtype=np.float32), (100_000, 1))
es.pairs_above(copies[:2000], max_pairs=3_000_000)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, began = peak(), time.monotonic()
try:
    es.pairs_above(copies, max_pairs=1_000_000)
except es.exceptions.OutOfMemoryError as error:
    print(time.monotonic() - began, peak() - before, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    seconds, kilobytes, message = done.stdout.split(maxsplit=2)
    # All five thousand million pairs would take minutes, and their places alone 40 GB.
    assert float(seconds) < 5.0
    assert int(kilobytes) < 64 << 10
    assert message.startswith("more than 1000000 pairs reach the threshold.")
    assert "max_pairs=" in message


def test_max_pairs_is_the_most_that_are_allowed() -> None:
    count = len(es.pairs_above(ROWS, 0.5))
    assert len(es.pairs_above(ROWS, 0.5, max_pairs=count)) == count
    with pytest.raises(OutOfMemoryError):
        es.Index(ROWS).pairs_above(0.5, max_pairs=count - 1)


def test_errors_name_what_was_passed_and_what_to_do() -> None:
    bad = ROWS.copy()
    bad[7, 3] = np.nan
    calls: tuple[Any, ...] = (es.pairs_above, es.topk_self)
    for call in calls:
        with pytest.raises(NonFiniteError, match="embeddings row 7 holds NaN"):
            call(bad)
        with pytest.raises(ShapeError, match="embeddings is empty"):
            call(ROWS[:0])
        with pytest.raises(ShapeError, match="embeddings has one axis"):
            call(ROWS[0])
        with pytest.raises(ShapeError, match="did you mean 'cosine'"):
            call(ROWS, metric="cosin")
        with pytest.raises(ShapeError, match="progress=3"):
            call(ROWS, progress=3)
        with pytest.raises(ShapeError, match="threads=0"):
            call(ROWS, threads=0)
    with pytest.raises(ShapeError, match="k=0"):
        es.topk_self(ROWS, 0)
    with pytest.raises(ShapeError, match="threshold is NaN"):
        es.pairs_above(ROWS, float("nan"))
    for threshold in ("0.9", None, True, [0.9, 0.8]):
        with pytest.raises(ShapeError, match="is no number"):
            es.pairs_above(ROWS, threshold)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="max_pairs=0"):
        es.pairs_above(ROWS, max_pairs=0)


def test_an_index_whose_vectors_were_damaged_names_the_row(tmp_path) -> None:
    path = tmp_path / "index"
    es.Index(ROWS).save(path)
    sound = es.Index.open(path)
    start = path.read_bytes().index(ROWS[70].tobytes())
    damaged = bytearray(path.read_bytes())
    damaged[start : start + 4] = np.float32(np.nan).tobytes()
    path.write_bytes(damaged)
    with pytest.raises(DataError):
        es.Index.open(path, verify=True)
    index = es.Index.open(path)
    with pytest.raises(NonFiniteError, match="row 70"):
        index.topk_self(399)
    with pytest.raises(NonFiniteError, match="row 70"):
        index.pairs_above(-1.0)
    assert len(sound) == 400


def test_statistics_tell_what_ran_and_progress_reaches_its_end() -> None:
    calls: list[tuple[int, int]] = []
    hits = es.topk_self(ROWS, 3, stats=True, progress=lambda *at: calls.append(at))
    assert isinstance(hits.stats, SearchStats)
    assert sum(hits.stats.rows.values()) >= 399
    assert hits.stats.scored_per_query >= 3
    assert es.topk_self(ROWS).stats is None
    es.Index(ROWS).pairs_above(0.5, progress=lambda *at: calls.append(at))
    done = [done for done, total in calls if done == total > 0]
    assert len(done) == 2


def test_what_progress_raises_stops_the_work() -> None:
    big = RNG.standard_normal((30_000, 64)).astype(np.float32)

    def refuse(_done: int, total: int) -> None:
        raise RuntimeError(total)

    for call in (es.topk_self, es.pairs_above, es.Index(big).topk_self, es.Index(big).pairs_above):
        arguments = (big,) if call in (es.topk_self, es.pairs_above) else ()
        with pytest.raises(RuntimeError):
            call(*arguments, progress=refuse)


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("call", ["es.topk_self(x)", "es.pairs_above(x, 0.3)"])
def test_ctrl_c_stops_it_at_once(call) -> None:
    # Tests that run in the background have SIGINT switched off: the child switches it on.
    code = f"""
import signal
import numpy as np
import embedsmith as es
signal.signal(signal.SIGINT, signal.default_int_handler)
x = np.random.default_rng(0).standard_normal((400_000, 256), dtype=np.float32)
print("ready", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    assert process.stdout.readline() == "stopped\n"
    # The promise is 0.2 s; a busy machine gets slack. Unstopped, this takes a minute or more.
    assert time.monotonic() - asked < 2.0
    process.stdout.close()
    assert process.wait(timeout=30) == 0
