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
CASE = ("case", "data", "shape", "dtype", "k", "threads")


def entry(case: str, stats: Any, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return one measurement: what ran, its times in seconds, its memory in bytes."""
    measured = {
        "case": case,
        **facts,
        "median_s": rounded(stats.median),
        "iqr_s": rounded(stats.iqr),
        "min_s": rounded(stats.min),
        "rounds": stats.rounds,
    }
    operations = measured.pop("operations", None)
    if operations is not None:
        measured["gflops"] = rounded(operations / stats.median / 1e9)
    return measured


def with_speedups(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries with ``times_baseline``: the baseline's median over the engine's own.

    Two entries are compared when case, data, shape, dtype, k and threads are the same. Where the
    baseline was not measured the key is absent.
    """
    groups: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in entries:
        groups[json.dumps([one.get(key) for key in CASE])].append(one)
    done = []
    for group in groups.values():
        medians = {one["engine"]: one["median_s"] for one in group}
        for one in group:
            base = medians.get(one["baseline"])
            speed = {} if base is None else {"times_baseline": rounded(base / one["median_s"])}
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


def newest(folder: Path, suite: str, cpu: str | None = None) -> dict[str, Any]:
    """Return the newest record of a suite.

    Parameters
    ----------
    folder : Path
        Holds a folder for each processor.
    suite : str
        Its name: ``"topk"``.
    cpu : str, optional
        Name of a processor's folder; any processor if None.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    found = sorted(folder.glob(f"{cpu or '*'}/*-{suite}.json"), key=lambda path: path.name)
    if not found:
        msg = f"no record of the suite {suite!r} in {folder / (cpu or '')}: make bench writes one."
        raise FileNotFoundError(msg)
    record: dict[str, Any] = json.loads(found[-1].read_text(encoding="utf-8"))
    return {**record, "cpu": found[-1].parent.name, "file": found[-1].name}


def select(
    record: Mapping[str, Any], case: str, shape: Mapping[str, int], **facts: object
) -> dict[str, dict[str, Any]]:
    """Return the entries of one case by engine.

    Parameters
    ----------
    record : mapping
        Of `newest`.
    case : str
        Name of the benchmark.
    shape : mapping of str to int
        All of its numbers.
    **facts : object
        Values that further keys must have, such as ``k=10``.
    """
    wanted = {"case": case, "shape": dict(shape), **facts}
    return {
        one["engine"]: one
        for one in record["entries"]
        if all(one.get(key) == value for key, value in wanted.items())
    }


def rounded(value: float) -> float:
    """Return a number with four significant digits: more would be noise."""
    return float(f"{value:.4g}")
