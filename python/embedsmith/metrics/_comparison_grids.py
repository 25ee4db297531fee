"""What a comparison says, laid out in rows and columns with a caption that explains them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from embedsmith._phrases import counted
from embedsmith.metrics._grid import Grid, Mark

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Compared", "items", "letter", "means_grid", "pairs_grid", "procedure"]

_TESTS = {
    "randomisation": "paired randomisation test",
    "t": "Student's paired t-test",
    "wilcoxon": "Wilcoxon's signed-rank test (queries without a difference left out)",
    "sign": "exact sign test",
    "tukey": "randomised Tukey HSD test, values exchanged within each query",
    "bootstrap": "paired bootstrap",
}
_CORRECTIONS = {
    "holm": "Holm's correction",
    "bonferroni": "Bonferroni's correction",
    "bh": "Benjamini and Hochberg's correction (false discovery rate)",
    "none": "not corrected",
}
_PAIR = 2


class _Pair(Protocol):
    """What a grid reads of a pair."""

    @property
    def measure(self) -> str: ...
    @property
    def a(self) -> str: ...
    @property
    def b(self) -> str: ...
    @property
    def mean_a(self) -> float: ...
    @property
    def mean_b(self) -> float: ...
    @property
    def difference(self) -> float: ...
    @property
    def ci(self) -> tuple[float, float]: ...
    @property
    def p(self) -> float: ...
    @property
    def p_exact(self) -> bool: ...
    @property
    def p_corrected(self) -> float: ...
    @property
    def effect_size(self) -> float | None: ...
    @property
    def p_equivalence(self) -> float | None: ...
    @property
    def wins(self) -> int: ...
    @property
    def ties(self) -> int: ...
    @property
    def losses(self) -> int: ...
    @property
    def verdict(self) -> str: ...


class Compared(Protocol):
    """What a grid reads of a comparison."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def measures(self) -> tuple[str, ...]: ...
    @property
    def pairs(self) -> Sequence[_Pair]: ...
    @property
    def n_queries(self) -> int: ...
    @property
    def unit(self) -> str: ...
    @property
    def confidence(self) -> float: ...
    @property
    def test(self) -> str: ...
    @property
    def correction(self) -> str: ...
    @property
    def n_permutations(self) -> int: ...
    @property
    def n_resamples(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def equivalence_margin(self) -> float | None: ...


def letter(place: int) -> str:
    """Return the letter of a run by its place: a to z, then aa, ab and so on.

    Examples
    --------
    >>> letter(0), letter(25), letter(26)
    ('a', 'z', 'aa')
    """
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


def procedure(comparison: Compared) -> str:
    """Return test, correction, number of pairs, queries and seed in one sentence."""
    sampled = comparison.test in ("randomisation", "tukey")
    drawn = ""
    if sampled:
        exact = "exact where counting is quick, else " if comparison.test != "tukey" else ""
        drawn = f", {exact}{comparison.n_permutations:,} arrangements, seed {comparison.seed}"
    if comparison.test == "bootstrap":
        drawn = f", {comparison.n_resamples:,} resamples of the {comparison.unit}s"
    n_pairs = len(comparison.names) * (len(comparison.names) - 1) // _PAIR
    if comparison.test == "tukey":
        family = f"which answers for all {counted(n_pairs, 'pair')} of a measure at once"
    elif comparison.correction == "none":
        family = f"not corrected for the {counted(n_pairs, 'pair')} of each measure"
    else:
        family = (
            f"{_CORRECTIONS[comparison.correction]} over the {counted(n_pairs, 'pair')} "
            "of each measure"
        )
    return (
        f"{_TESTS[comparison.test]}, two-sided{drawn}; {family}; "
        f"level {_level(comparison)}; {items(comparison)}"
    )


def items(comparison: Compared) -> str:
    """Return how many items were paired, in words."""
    return counted(comparison.n_queries, comparison.unit)


def _level(comparison: Compared) -> str:
    return f"{1.0 - comparison.confidence:.3g}"


def means_grid(comparison: Compared, digits: int) -> Grid:
    """Return one row per run, with letters where it is significantly better than another."""
    letters = {name: letter(place) for place, name in enumerate(comparison.names)}
    means: dict[tuple[str, str], float] = {}
    beaten: dict[tuple[str, str], list[str]] = {}
    for pair in comparison.pairs:
        means[pair.a, pair.measure], means[pair.b, pair.measure] = pair.mean_a, pair.mean_b
        if pair.verdict == "better":
            beaten.setdefault((pair.b, pair.measure), []).append(letters[pair.a])
        elif pair.verdict == "worse":
            beaten.setdefault((pair.a, pair.measure), []).append(letters[pair.b])
    rows: tuple[tuple[str | Mark, ...], ...] = tuple(
        (
            letters[name],
            name,
            *(
                Mark(
                    f"{means[name, measure]:.{digits}f}",
                    tuple(x for x in letters.values() if x in beaten.get((name, measure), ())),
                )
                for measure in comparison.measures
            ),
        )
        for name in comparison.names
    )
    caption = (
        "Means. A raised letter says that the mean is significantly higher than that of the run "
        f"with this letter ({procedure(comparison)})."
    )
    return Grid(caption, ("", "Run", *comparison.measures), rows)


def pairs_grid(comparison: Compared, digits: int) -> Grid:
    """Return one row per measure and pair, with all that was computed."""
    equivalence = comparison.equivalence_margin is not None
    rows = tuple(_pair_row(pair, digits, equivalence=equivalence) for pair in comparison.pairs)
    head = (
        *("Measure", "Run", "against", "Difference"),
        f"{100 * comparison.confidence:g} % interval",
        *("p", "p corrected", "d", "Won/tied/lost", "Verdict"),
        *(("p equivalent",) if equivalence else ()),
    )
    whole = comparison.test == "bootstrap"
    caption = (
        f"Paired differences{'' if whole else ' of means'}, with bootstrap intervals that are not "
        f"corrected for the number of pairs ({comparison.n_resamples:,} resamples, seed "
        f"{comparison.seed}); {procedure(comparison)}."
    )
    if not whole:
        caption += " d: mean difference over its standard deviation."
    if equivalence:
        caption += (
            " p equivalent: two one-sided tests that the means differ by less than "
            f"{comparison.equivalence_margin:g}, corrected likewise."
        )
    return Grid(caption, head, rows)


def _pair_row(pair: _Pair, digits: int, *, equivalence: bool) -> tuple[str | Mark, ...]:
    low, high = pair.ci
    # Columns are numeric or not as a whole; a dash stands where there is no number.
    effect = "-" if pair.effect_size is None else f"{pair.effect_size:+.{digits}f}"
    last = "-" if pair.p_equivalence is None else _p(pair.p_equivalence)
    return (
        pair.measure,
        pair.b,
        pair.a,
        Mark(f"{pair.difference:+.{digits}f}"),
        Mark(f"[{low:+.{digits}f}, {high:+.{digits}f}]"),
        Mark(_p(pair.p)),
        Mark(_p(pair.p_corrected)),
        Mark(effect),
        Mark(_won(pair)),
        pair.verdict,
        *((Mark(last),) if equivalence else ()),
    )


def _won(pair: _Pair) -> str:
    counts = (pair.wins, pair.ties, pair.losses)
    # A measure over the whole set is not won item by item.
    return "/".join(map(str, counts)) if any(counts) else "-"


def _p(value: float) -> str:
    return f"{value:.4f}" if round(value, 4) > 0.0 else "<0.0001"
