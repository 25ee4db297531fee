"""What stands behind benches/record: times, memory, answers, records, tables and the plot."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benches import answers, plot, records, table, vectors, wordnet, worker

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTE = 2**20
ROOT = Path(__file__).resolve().parent.parent


def measured(
    engine: str, median_s: float, *, case: str = "topk", docs: int = 100, **facts: Any
) -> dict[str, Any]:
    stats = SimpleNamespace(median=median_s, iqr=0.001, min=median_s / 2, rounds=5)
    known: dict[str, Any] = {
        "engine": engine,
        "baseline": "faiss",
        "shape": {"docs": docs},
        "dtype": "float32",
        "k": 10,
        "threads": 2,
        "operations": 4e9,
    }
    return records.entry(case, stats, known | facts)


def test_rate_is_operations_over_the_median() -> None:
    assert measured("faiss", 0.5)["gflops"] == 8.0


def test_speed_up_is_counted_against_the_baseline_of_the_same_case() -> None:
    entries = records.with_speedups(
        [
            measured("faiss", 0.4),
            measured("embedsmith", 0.1),
            # Another case, ten times larger: 4.0 against its own baseline, not against 0.4.
            measured("faiss", 4.0, docs=1000),
            measured("embedsmith", 1.0, docs=1000),
            # Other vectors of the same shape are another case, too.
            measured("faiss", 0.6, data="wordnet"),
            measured("embedsmith", 0.3, data="wordnet"),
        ]
    )
    assert [one["times_baseline"] for one in entries] == [1.0, 4.0, 1.0, 4.0, 1.0, 2.0]


def test_without_its_baseline_an_entry_has_no_speed_up() -> None:
    (entry,) = records.with_speedups([measured("embedsmith", 0.1)])
    assert "times_baseline" not in entry


def test_record_is_filed_by_processor_date_and_suite(tmp_path: Path) -> None:
    path = records.write(tmp_path, "topk", {"cpu": "Fast(R) CPU @ 3"}, [measured("faiss", 0.4)])
    assert path.parent.name == "fast-r-cpu-3"
    assert path.name.endswith("-topk.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["schema"] == records.SCHEMA
    assert path.name.startswith(record["date"])
    assert record["entries"][0]["median_s"] == 0.4


def test_newest_record_is_that_of_the_latest_day_and_of_the_processor_asked_for(
    tmp_path: Path,
) -> None:
    for cpu, date in [("slow", "2026-01-31"), ("slow", "2026-02-01"), ("fast", "2026-03-01")]:
        (tmp_path / cpu).mkdir(exist_ok=True)
        text = json.dumps({"date": date})
        (tmp_path / cpu / f"{date}-topk.json").write_text(text, encoding="utf-8")
    assert records.newest(tmp_path, "topk")["date"] == "2026-03-01"
    assert records.newest(tmp_path, "topk", "slow")["date"] == "2026-02-01"
    with pytest.raises(FileNotFoundError, match="make bench writes one"):
        records.newest(tmp_path, "index")


def fill(kept_mb: int, call_mb: int) -> Callable[[], object]:
    """Hold some memory as an input, and return a call that needs some more for a moment."""
    # Making an input often takes more than keeping it.
    scratch = bytearray(b"\1") * (2 * kept_mb * MEGABYTE)
    del scratch
    kept = bytearray(b"\1") * (kept_mb * MEGABYTE)

    def call() -> int:
        scratch = bytearray(b"\1") * (call_mb * MEGABYTE)
        return len(scratch) + len(kept)

    return call


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is sampled")
def test_memory_of_a_call_excludes_its_inputs() -> None:
    with closing(worker.Worker(fill, 80, 30)) as one:
        used = one.memory
        assert one.result() == 110 * MEGABYTE
    assert used.before_bytes > 80 * MEGABYTE
    # The kernel's counters lag by some pages.
    assert 29 * MEGABYTE < used.call_bytes < 35 * MEGABYTE


def sleep(seconds: float) -> Callable[[], object]:
    return lambda: time.sleep(seconds)


def test_clock_moves_by_the_time_of_one_call_and_not_by_that_of_asking() -> None:
    with closing(worker.Worker(sleep, 0.02)) as one:
        before = worker.clock()
        took = one.time(loops=5)
        assert worker.clock() - before == pytest.approx(took)
    assert 0.02 <= took < 0.09


def variable(name: str) -> Callable[[], object]:
    return lambda: os.environ.get(name)


def test_a_variable_is_set_in_the_engine_s_process_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    environment = {"OPENBLAS_CORETYPE": "SkylakeX"}
    with closing(worker.Worker(variable, "OPENBLAS_CORETYPE", environment=environment)) as one:
        assert one.result() == "SkylakeX"
    assert "OPENBLAS_CORETYPE" not in os.environ


def fail() -> Callable[[], object]:
    raise SystemExit(3)


def test_a_failing_engine_is_an_error_and_no_zero() -> None:
    with pytest.raises(RuntimeError, match="ended with status 3"):
        worker.Worker(fail)


def test_cosines_of_anisotropic_vectors_lie_where_those_of_e5_and_ada_do() -> None:
    queries = vectors.make_chunk("anisotropic", "queries", 384, 0)[:200]
    corpus = vectors.make_chunk("anisotropic", "documents", 384, 0)
    cosines = queries @ corpus.T
    assert cosines.min() >= 0.70
    assert cosines.max() <= 0.95
    # Neighbours stand out from the crowd, and the crowd is no point.
    assert np.median(cosines.max(axis=1)) > np.median(cosines) + 0.1
    assert cosines.std() > 0.01


def test_a_smaller_corpus_is_the_beginning_of_a_larger_one(tmp_path: Path) -> None:
    files = vectors.VectorFiles(tmp_path)
    few = files("clustered", 3, 10, 4).load()
    many = files("clustered", 5, vectors.CHUNK_ROWS + 1, 4).load()
    assert many[1].shape == (vectors.CHUNK_ROWS + 1, 4)
    for small, large in zip(few, many, strict=True):
        np.testing.assert_array_equal(small, large[: len(small)])
    assert not np.array_equal(many[1][-1], many[1][0])
    assert np.linalg.norm(many[1], axis=1) == pytest.approx(1, abs=1e-6)


def test_vectors_of_wordnet_are_absent_until_they_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDSMITH_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EMBEDSMITH_TEST_DATA", str(tmp_path / "data"))
    assert "EMBEDSMITH_TEST_DATA names another folder" in str(wordnet.absent())
    (tmp_path / "data" / "wordnet").mkdir(parents=True)
    wordnet.path("documents").parent.mkdir(parents=True)
    wordnet.path("documents").touch()
    assert "python -m benches.wordnet makes them" in str(wordnet.absent())
    (wordnet.cache_folder() / "about.json").touch()
    assert wordnet.absent() is None


@pytest.fixture
def searched(tmp_path: Path) -> tuple[vectors.Vectors, np.ndarray]:
    """Return small vectors, and the rows of each query in order."""
    spec = vectors.VectorFiles(tmp_path)("clustered", 5, 50, 8)
    queries, corpus = spec.load()
    return spec, np.argsort(-(queries.astype(np.float64) @ corpus.T.astype(np.float64)), axis=1)


def test_check_accepts_the_exact_answer(searched: tuple[vectors.Vectors, np.ndarray]) -> None:
    spec, order = searched
    answers.check(spec, order[:, :10], 10, tolerance=answers.EXACT)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda order: order[:, 1:11],  # the best one left out
        lambda order: np.delete(order, 4, axis=1)[:, :10],  # a hole
        lambda order: order[:, [0, 0, 1, 2, 3, 4, 5, 6, 7, 8]],  # one twice
        lambda order: order[:, [1, 0, 2, 3, 4, 5, 6, 7, 8, 9]],  # out of order
        lambda order: order[:, :9],  # too few
    ],
)
def test_check_refuses_a_wrong_answer(
    searched: tuple[vectors.Vectors, np.ndarray], spoil: Callable[[np.ndarray], np.ndarray]
) -> None:
    spec, order = searched
    with pytest.raises(AssertionError):
        answers.check(spec, spoil(order), 10, tolerance=answers.FLOAT32)


def test_check_refuses_one_row_twice_whatever_its_score(
    searched: tuple[vectors.Vectors, np.ndarray],
) -> None:
    spec, order = searched
    with pytest.raises(AssertionError):
        answers.check(spec, order[:, [0, 0]], 2, tolerance=10.0)


def sample_records(folder: Path) -> table.Records:
    """Write records with round numbers: faiss takes 8 us a document and query, ours a quarter."""
    facts = {
        "cpu": "Sample CPU",
        "usable_cores": 2,
        "commit": "0123456789ab",
        "libraries": {"faiss-cpu": "1.15.1"},
    }
    entries = []
    for case, queries in [("batch", 1_000), ("few_queries", 1)]:
        for docs in plot.DOCS:
            for engine, each_s in [("faiss", 8e-9), ("embedsmith-index", 2e-9)]:
                searched: dict[str, Any] = {
                    "case": case,
                    "data": "clustered",
                    "shape": {"queries": queries, "docs": docs, "dim": 384},
                    "call_peak_bytes": 7_000_000 if engine == "faiss" else 3_000_000,
                }
                entries.append(measured(engine, queries * docs * each_s, **searched))
    records.write(folder, "topk", facts, entries)
    build: dict[str, Any] = {
        "shape": {"docs": 1_000_000, "dim": 384},
        "case": "build",
        "call_peak_bytes": 4e8,
    }
    engines = [("memory-pass", 0.1), ("embedsmith-index", 0.35)]
    records.write(folder, "index", facts, [measured(name, s, **build) for name, s in engines])
    return table.Records(folder)


def test_table_has_the_medians_of_the_record_the_fastest_first(tmp_path: Path) -> None:
    found = sample_records(tmp_path)
    lines = table.batch(found).splitlines()
    assert lines[0].startswith("Sample CPU, 2 cores, 2 threads, medians, 20")
    assert lines[0].endswith("-topk.json`")
    assert lines[4:] == [
        "| **embedsmith `Index`** | 200 ms | - | 2.00 s | - | 3 MB |",
        "| faiss 1.15 `IndexFlatIP` | 800 ms | - | 8.00 s | - | 7 MB |",
    ]
    assert "| **embedsmith `Index`** | 2.00 µs | 200 µs | 2.00 ms |" in table.few(found)


def test_speed_ups_are_ratios_of_medians(tmp_path: Path) -> None:
    lines = table.speedups(sample_records(tmp_path)).splitlines()
    start = "| 1 x 1,000,000 x 384, k = 10 | **embedsmith `Index`** | 4.0 | - |"
    assert [line for line in lines if line.startswith(start)] == [f"{start} - | - | - | - | - |"]


def test_building_is_counted_in_passes_of_memory(tmp_path: Path) -> None:
    assert "| **embedsmith `Index`** | 350 ms | 3.5 | 400 MB |\n" in table.index(
        sample_records(tmp_path)
    )


def test_measuring_is_told_per_input_with_ours_first_and_the_first_call(tmp_path: Path) -> None:
    facts = {
        "cpu": "Sample CPU",
        "usable_cores": 2,
        "commit": "0123456789ab",
        "libraries": {"ranx": "0.3.21", "numpy": "2.1.0"},
    }
    shape = {
        "queries": 1_000,
        "docs": 500,
        "dim": 8,
        "depth": 100,
        "permutations": 10_000,
        "resamples": 10_000,
    }
    for suite in ("topk", "measures", "run_files", "statistics", "evaluators"):
        cases = [case for of, case, _ in table.MEASURED if of == suite]
        entries = [
            measured(engine, s, case=case, shape=shape, first_s=10 * s, call_peak_bytes=2e6)
            for case in cases
            for engine, s in [("ranx", 0.3), ("embedsmith", 0.01), ("numpy", 0.05)]
        ]
        records.write(tmp_path, suite, facts, entries)
    lines = table.measures(table.Records(tmp_path)).splitlines()
    assert lines[4:7] == [
        "| arrays, 1,000 x 100 | **embedsmith** | 10.0 ms | 1.0 | 100 ms | 2 MB |",
        "| arrays, 1,000 x 100 | numpy 2.1, by hand | 50.0 ms | 5.0 | 500 ms | 2 MB |",
        "| arrays, 1,000 x 100 | ranx 0.3 | 300 ms | 30 | 3.00 s | 2 MB |",
    ]
    assert len(lines) == 4 + 3 * len(table.MEASURED)
    assert any(line.startswith("| 10,000 permutations of 1,000 queries |") for line in lines)
    records.write(tmp_path, "measures", facts, [])
    with pytest.raises(ValueError, match="has no 'arrays': run measures of make bench"):
        table.measures(table.Records(tmp_path))


def test_precisions_are_told_in_points_with_interval_and_verdict(tmp_path: Path) -> None:
    sample_records(tmp_path)
    facts = {"cpu": "Sample CPU", "usable_cores": 2, "commit": "0123456789ab", "libraries": {}}
    known: dict[str, Any] = {"original": 0.3736, "difference": 0.0006, "margin": 0.005}
    close = {**known, "ci": [-0.0004, 0.0016], "verdict": "equivalent"}
    wide = {**known, "ci": [-0.0104, 0.0116], "verdict": "not enough evidence"}
    lower = {
        "measures": {"nDCG@10": close, "R@10": wide},
        "cosine": {"mean": 0.99998, "p1": 0.9999, "min": 0.9995},
    }
    of: dict[str, Any] = {"case": "quality", "data": "minilm/cranfield", "baseline": "st"}
    entries = [measured("st", 2.0, **of, precision="fp32")]
    records.write(tmp_path, "precisions", facts, entries)
    with pytest.raises(ValueError, match="compares no precision"):
        table.precisions(table.Records(tmp_path))
    entries.append(measured("st-bf16", 1.0, **of, precision="bf16", against_float32=lower))
    records.write(tmp_path, "precisions", facts, entries)
    lines = table.precisions(table.Records(tmp_path)).splitlines()
    assert "medians" not in lines[0]
    expected = (
        "| minilm, cranfield | `st:` bf16 | 37.36 | +0.060 (-0.040 to +0.160) | 0.5: yes | 37.36 "
        "| +0.060 (-1.040 to +1.160) | 0.5: not enough evidence | 0.999980 / 0.999900 / 0.999500 |"
    )
    assert lines[4:] == [expected]


def test_marked_tables_of_a_document_are_replaced_and_nothing_else(tmp_path: Path) -> None:
    made = table.batch(sample_records(tmp_path))
    start, end = "before\n<!-- table: batch sample-cpu -->\n", "<!-- end -->\nafter\n"
    assert table.replaced(f"{start}old\n{end}", tmp_path) == start + made + end
    assert table.replaced(start + made + end, tmp_path) == start + made + end
    with pytest.raises(ValueError, match="no table is called 'bach'; there are batch,"):
        table.replaced(f"{start}old\n{end}".replace("batch", "bach"), tmp_path)


def test_tables_of_the_readme_are_those_of_the_newest_records() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert table.replaced(text) == text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.02984, "0.0298"),
        (0.9999, "1.00"),
        (9.306, "9.31"),
        (53.16, "53.2"),
        (280.04, "280"),
        (1203.4, "1,203"),
    ],
)
def test_numbers_are_written_with_three_digits(value: float, written: str) -> None:
    assert table._digits(value) == written


def test_plot_draws_each_engine_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    sample_records(tmp_path)
    record = records.newest(tmp_path, "topk")
    assert plot.series(record, "batch", 1_000)["faiss"] == {
        1_000: 0.008,
        10_000: 0.08,
        100_000: 0.8,
        1_000_000: 8.0,
    }
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    plot.draw(record, first)
    plot.draw(record, second)
    text = first.read_text(encoding="utf-8")
    assert ">faiss<" in text
    assert ">embedsmith Index<" in text
    assert ">torch<" not in text
    assert first.read_bytes() == second.read_bytes()
    assert str(record["date"]) not in text


def test_plot_of_a_record_without_searches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run all of make bench"):
        plot.draw({"entries": []}, tmp_path / "plot.svg")
    assert not (tmp_path / "plot.svg").exists()
