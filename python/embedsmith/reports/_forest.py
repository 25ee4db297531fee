"""Paired differences, drawn with their intervals."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from embedsmith.reports._axis import Axis
from embedsmith.reports._chart import SHAPES, WIDTH, Chart, Label, Line, Mark
from embedsmith.reports._document import Cell, Fold, Head, Section, Table, Text
from embedsmith.reports._numbers import ABSENT, interval, level, p_value, signed
from embedsmith.reports._pairs import against, headline, leader
from embedsmith.reports._visible import shortened, shortened_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.evaluation import EvaluationResult
    from embedsmith.metrics import PairDifference, RunComparison
    from embedsmith.reports._document import Block, Tone
    from embedsmith.reports._pairs import AgainstBest

__all__ = ["TONES", "difference_blocks", "differences_section", "forest"]

TONES: dict[str, Tone] = {"better": "good", "worse": "bad", "equivalent": "good"}

_ROW = 40
_TOP, _BOTTOM = 8, 46
_LEFT, _RIGHT = 20, WIDTH - 20
# Characters that fit beside the numbers of a row.
_NAME = 26


def differences_section(result: EvaluationResult) -> Section | str:
    """Return the paired differences, or a sentence on why there are none.

    Parameters
    ----------
    result : EvaluationResult
        What was found.

    Returns
    -------
    Section or str
        Plots against the leading model, and the table of all pairs.
    """
    comparison = result.comparison
    if comparison is None or not comparison.pairs:
        return "Differences: there is one model only, and nothing to compare it with."
    best = leader(result, headline(result))
    return Section("differences", "Differences between models", difference_blocks(comparison, best))


def difference_blocks(comparison: RunComparison, best: str) -> tuple[Block, ...]:
    """Return the plots of all differences to one model, and the tables of all pairs.

    Parameters
    ----------
    comparison : RunComparison
        With one pair or more.
    best : str
        The model to measure from.

    Returns
    -------
    tuple of Block
        Words, plots, tables.
    """
    blocks: list[Block] = [
        Text(
            "Both models are measured on the very same data, and their difference is taken item by "
            f"item. A line is the {level(comparison.confidence)} interval of the mean difference; "
            "a filled mark is a difference that the corrected test takes for real, a hollow one is "
            "not enough evidence.",
            "guide",
        )
    ]
    rows = {measure: against(comparison, best, measure) for measure in comparison.measures}
    if len(comparison.names) == 2:  # noqa: PLR2004 - one pair: its measures are the rows
        flat = [(measure, one) for measure in comparison.measures for one in rows[measure]]
        blocks.append(forest("forest", f"{flat[0][1].other} less {best}", flat))
    else:
        blocks += [
            forest(
                f"forest-{place}",
                f"{measure}: each model less {best}",
                [(one.other, one) for one in rows[measure]],
            )
            for place, measure in enumerate(comparison.measures)
        ]
    blocks.append(Fold("All pairs, with tests", _tables(comparison)))
    return tuple(blocks)


def forest(chart_id: str, title: str, rows: Sequence[tuple[str, AgainstBest]]) -> Chart:
    """Return a forest plot: one line per difference, and zero.

    Parameters
    ----------
    chart_id : str
        Of the chart.
    title : str
        What is subtracted from what.
    rows : sequence of (str, AgainstBest)
        One or more, each with what it is called.

    Returns
    -------
    Chart
        With the table of its numbers.
    """
    ends = [end for _, one in rows for end in one.ci]
    # Zero is the question, and stands free of the frame.
    room = 0.12 * max(abs(end) for end in ends)
    axis = Axis.around([*ends, -room, room], start=_LEFT, end=_RIGHT, anchor=0.0)
    bottom = _TOP + _ROW * len(rows)
    lines: list[Line] = []
    marks, labels = [], []
    for place, (name, one) in enumerate(rows):
        y = _TOP + _ROW * place + 28
        tone = TONES.get(one.verdict, "open")
        # Not through the words of the row.
        lines.append(Line(((axis.at(0.0), y - 8), (axis.at(0.0), y + 10)), "zero"))
        low, high = (axis.at(end) for end in one.ci)
        lines.append(Line(((low, y), (high, y)), f"whisker {tone}"))
        lines += [Line(((end, y - 4), (end, y + 4)), f"whisker {tone}") for end in (low, high)]
        told = f"{signed(one.difference, 3)} {interval(one.ci, sign=True)}"
        marks.append(
            Mark(
                axis.at(one.difference),
                y,
                SHAPES[1],
                tone,
                f"{name}: {told}, {one.verdict}",
                hollow=tone == "open",
            )
        )
        labels.append(Label(_LEFT, y - 13, shortened_name(name, _NAME)))
        labels.append(Label(_RIGHT, y - 13, told, "end", "soft"))
    best, other = rows[0][1].best, "the other model" if len({n for n, _ in rows}) > 1 else ""
    other = rows[0][1].other if len({one.other for _, one in rows}) == 1 else "the other model"
    return Chart(
        id=chart_id,
        title=title,
        description=(
            f"Mean paired differences with their intervals. Left of zero {best} is better, right "
            f"of it {other} is."
        ),
        table=_forest_table(title, rows),
        height=bottom + _BOTTOM,
        frame=(_LEFT, _TOP, _RIGHT, bottom),
        x_ticks=axis.ticks(),
        x_label=f"← {shortened_name(best, 20)} better · {shortened_name(other, 20)} better →",
        lines=tuple(lines),
        marks=tuple(marks),
        labels=tuple(labels),
    )


def _forest_table(title: str, rows: Sequence[tuple[str, AgainstBest]]) -> Table:
    return Table(
        title,
        (
            Head("Measure" if len({one.other for _, one in rows}) == 1 else "Model", numeric=False),
            Head("Difference"),
            Head("p corrected"),
            Head("Verdict", numeric=False),
        ),
        tuple(
            (
                Cell(name),
                Cell(signed(one.difference), interval(one.ci, sign=True)),
                Cell(p_value(one.pair.p_corrected)),
                Cell(one.verdict, tone=TONES.get(one.verdict, "open")),
            )
            for name, one in rows
        ),
    )


def _tables(comparison: RunComparison) -> tuple[Table, ...]:
    return tuple(
        Table(
            f"{measure}: the second model less the first",
            (
                Head("Models", numeric=False),
                Head("Difference"),
                Head("p"),
                Head("p corrected"),
                Head("Effect size"),
                Head("Won / tied / lost"),
                Head("Verdict on the second", numeric=False),
            ),
            tuple(map(_pair_row, pairs)),
        )
        for measure, pairs in groupby(comparison.pairs, key=lambda pair: pair.measure)
    )


def _counts(pair: PairDifference) -> str:
    """Return wins, ties and losses; a measure over the whole set alone has none."""
    counts = (pair.wins, pair.ties, pair.losses)
    return " / ".join(map(str, counts)) if any(counts) else ABSENT


def _pair_row(pair: PairDifference) -> tuple[Cell, ...]:
    return (
        Cell(shortened(pair.b, 80), f"against {shortened(pair.a, 80)}"),
        Cell(signed(pair.difference), interval(pair.ci, sign=True)),
        Cell(p_value(pair.p), "exact" if pair.p_exact else ""),
        Cell(p_value(pair.p_corrected)),
        Cell(
            ABSENT if pair.effect_size is None else signed(pair.effect_size, 2),
            interval(pair.effect_ci, sign=True),
        ),
        Cell(_counts(pair)),
        Cell(pair.verdict, tone=TONES.get(pair.verdict, "open")),
    )
