"""Records of measurements: one slim JSON file a suite and a day, for each processor."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SCHEMA = "embedsmith.bench/1"
REQUIRED = ("engine", "baseline", "shape", "dtype", "k", "threads")
CASE = ("case", "shape", "dtype", "k", "threads")


def entry(case: str, stats: Any, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return one measurement: what ran, its times in seconds, its memory in bytes."""
    measured = {
        "case": case,
        **facts,
        "median_s": _digits(stats.median),
        "iqr_s": _digits(stats.iqr),
        "min_s": _digits(stats.min),
        "rounds": stats.rounds,
    }
    operations = measured.pop("operations", None)
    if operations is not None:
        measured["gflops"] = _digits(operations / stats.median / 1e9)
    return measured


def with_speedups(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries with ``times_baseline``: the baseline's median over the engine's own.

    Two entries are compared when case, shape, dtype, k and threads are the same. Where the
    baseline was not measured the key is absent.
    """
    groups: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in entries:
        groups[json.dumps([one[key] for key in CASE])].append(one)
    done = []
    for group in groups.values():
        medians = {one["engine"]: one["median_s"] for one in group}
        for one in group:
            base = medians.get(one["baseline"])
            speed = {} if base is None else {"times_baseline": _digits(base / one["median_s"])}
            done.append({**one, **speed})
    return done


def write(
    folder: Path, suite: str, machine: Mapping[str, Any], entries: Iterable[dict[str, Any]]
) -> Path:
    """Write ``<cpu>/<date>-<suite>.json`` under ``folder``; a later run of the day replaces it."""
    cpu = re.sub(r"[^a-z0-9]+", "-", str(machine["cpu"]).lower()).strip("-")
    date = dt.datetime.now(dt.timezone.utc).date().isoformat()
    path = folder / cpu / f"{date}-{suite}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "schema": SCHEMA,
        "suite": suite,
        "date": date,
        "machine": dict(machine),
        "entries": with_speedups(entries),
    }
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def _digits(value: float) -> float:
    """Four significant digits: more would be noise."""
    return float(f"{value:.4g}")
