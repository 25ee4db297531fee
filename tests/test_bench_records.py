"""The arithmetic and the memory probe behind benches/record."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from benches import memory, records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MEGABYTE = 2**20


def measured(engine: str, median_s: float, *, docs: int = 100) -> dict[str, Any]:
    stats = SimpleNamespace(median=median_s, iqr=0.001, min=median_s / 2, rounds=5)
    facts = {
        "engine": engine,
        "baseline": "faiss",
        "shape": {"docs": docs},
        "dtype": "float32",
        "k": 10,
        "threads": 2,
        "operations": 4e9,
    }
    return records.entry("topk", stats, facts)


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
        ]
    )
    assert [one["times_baseline"] for one in entries] == [1.0, 4.0, 1.0, 4.0]


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


def fill(kept_mb: int, call_mb: int) -> Callable[[], object]:
    """Hold some memory as an input, and return a call that needs some more for a moment."""
    kept = bytearray(b"\1") * (kept_mb * MEGABYTE)

    def call() -> int:
        scratch = bytearray(b"\1") * (call_mb * MEGABYTE)
        return len(scratch) + len(kept)

    return call


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is sampled")
def test_memory_of_a_call_excludes_its_inputs() -> None:
    used = memory.measure(fill, 80, 30)
    assert used.before_bytes > 80 * MEGABYTE
    # The kernel's counters lag by some pages.
    assert 29 * MEGABYTE < used.call_bytes < 35 * MEGABYTE


def fail() -> Callable[[], object]:
    raise SystemExit(3)


def test_a_failing_engine_is_an_error_and_no_zero() -> None:
    with pytest.raises(RuntimeError, match="ended with status 3"):
        memory.measure(fail)
