"""The rows of the table of precisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = {"nDCG@10": "nDCG@10", "R@10": "Recall@10"}


def grid(record: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return heading and rows of a record of the suite ``precisions``; measures in points.

    Raises
    ------
    ValueError
        If it holds no lower precision.
    """
    rows = [_row(one) for one in record["entries"] if "against_float32" in one]
    if not rows:
        msg = f"the record of {record['date']} compares no precision: run all of make bench."
        raise ValueError(msg)
    heading = ["", "in points"]
    for name in NAMES.values():
        heading += [f"{name}, float32", "difference, 90 % interval", "within"]
    return [*heading, "cosine, mean / 1 % / least"], sorted(rows, key=lambda row: row[:2])


def _row(one: Mapping[str, Any]) -> list[str]:
    model, _, data = one["data"].rpartition("/")
    lower = one["against_float32"]
    cells = [f"{model}, {data}", f"`{one['baseline']}:` {one['precision']}"]
    for name in NAMES:
        of = lower["measures"][name]
        low, high = (100 * end for end in of["ci"])
        verdict = "yes" if of["verdict"] == "equivalent" else of["verdict"]
        cells += [
            f"{100 * of['original']:.2f}",
            f"{100 * of['difference']:+.3f} ({low:+.3f} to {high:+.3f})",
            f"{100 * of['margin']:g}: {verdict}",
        ]
    near = lower["cosine"]
    return [*cells, f"{near['mean']:.6f} / {near['p1']:.6f} / {near['min']:.6f}"]
