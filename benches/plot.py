"""Draw time against the number of documents, ours and the peers', from the newest record.

``python -m benches.plot`` writes ``benches/search.svg``: batches on the left, single queries on the
right, both axes logarithmic. The same record gives the same bytes. Colours and grey letters are
chosen to be read on white and on dark pages.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from benches import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

FOLDER = Path(__file__).parent
DOCS = (1_000, 10_000, 100_000, 1_000_000)
# Engine: name, colour, line; ours last, so that they lie on top.
LINES = {
    "numpy": ("numpy", "#8c8c8c", "-"),
    "sentence-transformers": ("sentence-transformers", "#b07aa1", "-"),
    "torch": ("torch", "#e8762c", "-"),
    "faiss": ("faiss", "#3987c9", "-"),
    "faiss-skylakex": ("faiss, SkylakeX", "#3987c9", ":"),
    "faiss-panorama": ("faiss panorama", "#3987c9", "--"),
    "embedsmith": ("embedsmith topk", "#2ba84a", "--"),
    "embedsmith-index": ("embedsmith Index", "#2ba84a", "-"),
}
PANELS = (
    ("batch", 1_000, "1,000 queries, k = 10"),
    ("few_queries", 1, "one query, k = 10"),
)
INK = "#7d8590"
# Its type differs between versions of matplotlib.
STYLE: Any = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "font.family": "sans-serif",
    "font.size": 9,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "embedsmith",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def series(record: Mapping[str, Any], case: str, queries: int) -> dict[str, dict[int, float]]:
    """Return the medians in seconds by engine and number of documents, on clustered vectors."""
    found: dict[str, dict[int, float]] = {}
    for docs in DOCS:
        shape = {"queries": queries, "docs": docs, "dim": 384}
        for engine, entry in records.select(record, case, shape, data="clustered", k=10).items():
            found.setdefault(engine, {})[docs] = entry["median_s"]
    return found


def draw(record: Mapping[str, Any], path: Path) -> None:
    """Write the picture.

    Parameters
    ----------
    record : mapping
        Of the suite ``topk``.
    path : Path
        The SVG file.

    Raises
    ------
    ValueError
        If the record has no entry to draw.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.9), layout="constrained")
        handles: dict[str, Any] = {}
        for axes, (case, queries, title) in zip(figure.subplots(1, 2), PANELS, strict=True):
            handles |= _panel(axes, series(record, case, queries), title)
        if not handles:
            msg = "the record has no searches of clustered vectors: run all of make bench."
            raise ValueError(msg)
        names = [name for name, _, _ in LINES.values() if name in handles]
        figure.legend(
            [handles[name] for name in names],
            names,
            loc="outside lower center",
            ncols=4,
            frameon=False,
        )
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})


def _panel(axes: Axes, found: Mapping[str, Mapping[int, float]], title: str) -> dict[str, Any]:
    handles = {}
    for engine, (name, colour, line) in LINES.items():
        if points := found.get(engine):
            ours = engine.startswith("embedsmith")
            (handles[name],) = axes.loglog(
                list(points),
                list(points.values()),
                line,
                color=colour,
                linewidth=2.4 if ours else 1.4,
                marker="o",
                markersize=5 if ours else 3.5,
            )
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("documents of width 384")
    axes.set_ylabel("median time")
    axes.xaxis.set_major_formatter(lambda docs, _: f"{docs:,.0f}")
    axes.yaxis.set_major_formatter(EngFormatter("s"))
    axes.grid(visible=True, color=INK, alpha=0.25, linewidth=0.6)
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    return handles


def main() -> None:
    """Draw the newest record."""
    parser = argparse.ArgumentParser(prog="python -m benches.plot", description=__doc__)
    parser.add_argument("--cpu", help="a folder of benches/record; that of the newest record")
    parser.add_argument("--out", type=Path, default=FOLDER / "search.svg")
    given = parser.parse_args()
    try:
        draw(records.newest(FOLDER / "record", "topk", given.cpu), given.out)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
