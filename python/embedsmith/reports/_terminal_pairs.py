"""Paired differences as plain text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from embedsmith._phrases import plural
from embedsmith.reports._columns import Column, fits, lay_out
from embedsmith.reports._numbers import p_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.metrics import PairDifference, RunComparison

__all__ = ["differences_text"]

_USUAL = (
    "Paired differences over the same {items}; p by a paired randomisation test, then corrected "
    "after Holm over all pairs of models, each measure on its own."
)
_CORRECTED = {
    "holm": "p (Holm)",
    "bonferroni": "p (Bonferroni)",
    "bh": "p (BH)",
    "none": "p (as is)",
}


def differences_text(comparison: RunComparison, *, width: int, how: str | None = None) -> str:
    """Return all pairs of models with their differences and tests.

    Parameters
    ----------
    comparison : RunComparison
        What was compared.
    width : int
        Characters per line.
    how : str, optional
        The sentence on the test, where it is none over queries.

    Returns
    -------
    str
        A sentence on the test, then one table per pair.
    """
    usual = (comparison.test, comparison.correction) == ("randomisation", "holm")
    if how is None:
        items = plural(comparison.unit)
        how = (
            _USUAL.format(items=items)
            if usual
            else f"Paired differences over the same {items}: {comparison.procedure}."
        )
    blocks = [_fill(how, width)]
    names = comparison.names
    for first, a in enumerate(names):
        for b in names[first + 1 :]:
            pairs = [pair for pair in comparison.pairs if (pair.a, pair.b) == (a, b)]
            blocks.append(
                _fill(f"{b} against {a}", width) + "\n" + _pair_table(pairs, comparison, width)
            )
    return "\n\n".join(blocks)


def _pair_table(pairs: Sequence[PairDifference], comparison: RunComparison, width: int) -> str:
    names = Column("measure", tuple(pair.measure for pair in pairs), "left")
    intervals = [f"[{pair.ci[0]:+.3f}, {pair.ci[1]:+.3f}]" for pair in pairs]
    tests = [
        Column("p", tuple(p_value(pair.p) for pair in pairs)),
        Column(
            _CORRECTED[comparison.correction], tuple(p_value(pair.p_corrected) for pair in pairs)
        ),
        Column("won/tied/lost", tuple(_won(pair) for pair in pairs)),
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


def _won(pair: PairDifference) -> str:
    counts = (pair.wins, pair.ties, pair.losses)
    # A measure over the whole set is not won query by query.
    return "/".join(map(str, counts)) if any(counts) else "-"


def _fill(text: str, width: int) -> str:
    # A name that is broken cannot be copied.
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
