"""An evaluation as plain text, for a terminal, a pipe or a log."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from embedsmith.reports._columns import Column, fits, lay_out
from embedsmith.reports._notes import notes
from embedsmith.reports._numbers import p_value
from embedsmith.reports._subject import TASKS, contents
from embedsmith.reports._table import model_table
from embedsmith.reports._terminal_axes import axis_sections

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith.evaluation import EvaluationResult
    from embedsmith.metrics import PairDifference

__all__ = ["evaluation_report"]


def evaluation_report(
    result: EvaluationResult, *, width: int = 100, folder: Path | None = None
) -> str:
    """Return the whole result as text: table, notes, differences, verdicts.

    Parameters
    ----------
    result : EvaluationResult
        What to show.
    width : int, default 100
        Characters per line. From 60 on nothing needs to be cut; paths are never broken.
    folder : Path, optional
        Where the result was written, for the last line.

    Returns
    -------
    str
        No colours, no control characters, no newline at the end.
    """
    parts = [
        _fill(_heading(result), width),
        model_table(result.models, result.settings.measures, width=width),
        "\n".join(_fill(note, width, "  ") for note in notes(result)),
    ]
    if result.comparison is not None:
        parts.append(_differences(result, width))
    parts += axis_sections(result, width=width)
    parts.append(
        "Verdict\n" + "\n".join(_fill(model.statement, width, "  ") for model in result.models)
    )
    if folder is not None:
        files = "result.json, qrels.txt, and one TREC run file per model"
        parts.append(f"Written to {folder}: {files}.")
    return "\n\n".join(parts)


def _heading(result: EvaluationResult) -> str:
    data = result.data
    task = "" if result.task == "retrieval" else f"{TASKS[result.task]}, "
    return f"{data.name}, {task}split {data.split}: {contents(result)}"


def _differences(result: EvaluationResult, width: int) -> str:
    comparison = result.comparison
    if comparison is None:
        return ""
    blocks = [
        _fill(
            "Paired differences over the same queries; p by a paired randomisation test, then "
            "corrected after Holm over all pairs of models, each measure on its own.",
            width,
        )
    ]
    names = comparison.names
    for first, a in enumerate(names):
        for b in names[first + 1 :]:
            pairs = [pair for pair in comparison.pairs if (pair.a, pair.b) == (a, b)]
            blocks.append(_fill(f"{b} against {a}", width) + "\n" + _pair_table(pairs, width))
    return "\n\n".join(blocks)


def _pair_table(pairs: Sequence[PairDifference], width: int) -> str:
    names = Column("measure", tuple(pair.measure for pair in pairs), "left")
    intervals = [f"[{pair.ci[0]:+.3f}, {pair.ci[1]:+.3f}]" for pair in pairs]
    tests = [
        Column("p", tuple(p_value(pair.p) for pair in pairs)),
        Column("p (Holm)", tuple(p_value(pair.p_corrected) for pair in pairs)),
        Column("won/tied/lost", tuple(f"{pair.wins}/{pair.ties}/{pair.losses}" for pair in pairs)),
        Column("verdict", tuple(pair.verdict for pair in pairs), "left"),
    ]

    def columns(separator: str) -> list[Column]:
        cells = (
            f"{pair.difference:+.4f}{separator}{interval}"
            for pair, interval in zip(pairs, intervals, strict=True)
        )
        return [Column("difference", tuple(cells)), *tests]

    beside = columns(" ")
    # Below each other, both fit a line of 80.
    chosen = beside if fits(names, beside, width=width) else columns("\n")
    return lay_out(names, [chosen], width=width)


def _fill(text: str, width: int, indent: str = "") -> str:
    # A name or a path that is broken cannot be copied.
    return textwrap.fill(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
