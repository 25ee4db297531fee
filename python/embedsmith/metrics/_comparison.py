"""The result of comparing runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from embedsmith._deps import require
from embedsmith._validate import as_count
from embedsmith.exceptions import DataError
from embedsmith.metrics._comparison_grids import items, means_grid, pairs_grid, procedure
from embedsmith.metrics._grid import Grid, grid_to_html, grid_to_latex, grid_to_markdown
from embedsmith.metrics._inputs import check_choice

if TYPE_CHECKING:
    import pandas as pd

    from embedsmith._typing import Json
    from embedsmith.metrics._corrections import Correction

__all__ = ["Layout", "PairDifference", "PairVerdict", "RunComparison", "RunTest"]

RunTest: TypeAlias = Literal["randomisation", "t", "wilcoxon", "sign", "tukey"]
# What a comparison may have been made by: the bootstrap is for measures over a whole set.
ComparedBy: TypeAlias = Literal[RunTest, "bootstrap"]
PairVerdict: TypeAlias = Literal["better", "worse", "not enough evidence"]
Layout: TypeAlias = Literal["means", "pairs"]

_SCHEMA = "embedsmith.comparison/2"
# Without the fields that have defaults below: written before there was a choice of tests.
_READ = (_SCHEMA, "embedsmith.comparison/1")
_MOST_DIGITS = 17


@dataclass(frozen=True)
class PairDifference:
    """How much better one run is than another by one measure.

    Attributes
    ----------
    measure : str
        Canonical name.
    a, b : str
        Names of the runs.
    mean_a, mean_b : float
        Their means, in [0, 1].
    difference : float
        Mean over queries of ``b - a``.
    ci : (float, float)
        Bootstrap interval of the difference, not corrected for the number of pairs.
    p : float
        Two-sided p-value of the test, above 0.
    p_exact : bool
        Whether p was counted over all arrangements, rather than sampled or taken from a limiting
        law.
    p_corrected : float
        ``p`` corrected for the number of pairs compared by this measure. Tukey's test answers for
        all of them already: there it is ``p``.
    wins, ties, losses : int
        Queries on which ``b`` is better than, equal to and worse than ``a``; values within 1e-12
        of their size are equal.
    verdict : {"better", "worse", "not enough evidence"}
        For ``b`` against ``a``: a side is taken if ``p_corrected <= 1 - confidence``.
    effect_size : float or None
        Mean difference over its standard deviation (Cohen's d_z); None where all differences are
        equal.
    effect_ci : (float, float) or None
        Its interval, from the noncentral t distribution.
    rank_biserial : float or None
        Share of Wilcoxon's ranks in favour of ``b`` less the share against it, from -1 to 1.
    smallest_p : float or None
        The smallest ``p`` that so many queries that differ can give; see :func:`smallest_p`. If it
        exceeds the level, more labels are needed whatever the runs do.
    p_equivalence : float or None
        p-value of the two one-sided tests that the means differ by less than the margin, corrected
        like ``p_corrected``; None if no margin was given.
    equivalent : bool or None
        Whether ``p_equivalence <= 1 - confidence``.

    The last six are None in comparisons that were written before they existed.
    """

    measure: str
    a: str
    b: str
    mean_a: float
    mean_b: float
    difference: float
    ci: tuple[float, float]
    p: float
    p_exact: bool
    p_corrected: float
    wins: int
    ties: int
    losses: int
    verdict: PairVerdict
    effect_size: float | None = None
    effect_ci: tuple[float, float] | None = None
    rank_biserial: float | None = None
    smallest_p: float | None = None
    p_equivalence: float | None = None
    equivalent: bool | None = None


@dataclass(frozen=True, repr=False)
class RunComparison:
    """All pairs of some runs, compared by some measures.

    Attributes
    ----------
    names : tuple of str
        The runs, in the order given.
    measures : tuple of str
        Canonical names.
    pairs : tuple of PairDifference
        By measure, then pair, in the order of ``measures`` and ``names``.
    n_queries : int
        Queries on which the runs were paired.
    confidence, correction, n_permutations, n_resamples, seed, test, equivalence_margin
        The arguments that the numbers depend on. ``test="bootstrap"``: measures over a whole set,
        such as a correlation, compared on the same resamples of its items.
    unit : str
        What was paired: ``"query"``, or an item of another task, such as ``"pair"``.
    """

    names: tuple[str, ...]
    measures: tuple[str, ...]
    pairs: tuple[PairDifference, ...]
    n_queries: int
    confidence: float
    correction: Correction
    n_permutations: int
    n_resamples: int
    seed: int
    test: ComparedBy = "randomisation"
    equivalence_margin: float | None = None
    unit: str = "query"

    def __repr__(self) -> str:
        queries = items(self)
        return f"RunComparison({', '.join(self.names)} by {', '.join(self.measures)}, {queries})"

    def _repr_html_(self) -> str:
        return self.to_html()

    @property
    def procedure(self) -> str:
        """Test, correction, level, number of queries and seed in one sentence, to be quoted."""
        return procedure(self)

    def to_markdown(self, *, layout: Layout = "means", digits: int = 3) -> str:
        """Return a table for Markdown, with a caption that says what its marks mean.

        Parameters
        ----------
        layout : {"means", "pairs"}, default "means"
            ``"means"``: one row per run and one column per measure; a raised letter marks a mean
            that is significantly higher than that of the run with this letter. ``"pairs"``: one
            row per measure and pair, with difference, interval, p-values and effect size.
        digits : int, default 3
            Digits after the point, up to 17. Numbers are rounded here only.

        Returns
        -------
        str
            In GitHub's dialect. Names are escaped: none can add a column or markup.

        Raises
        ------
        MeasureError
            If there is no such layout.
        ShapeError
            If ``digits`` is out of range.
        """
        return grid_to_markdown(self._grid(layout, digits))

    def to_latex(self, *, layout: Layout = "means", digits: int = 3) -> str:
        """Return a table for LaTeX, with a caption that says what its marks mean.

        Parameters
        ----------
        layout, digits
            As for :meth:`to_markdown`.

        Returns
        -------
        str
            A ``table`` environment, which needs the package booktabs. Names are escaped.

        Raises
        ------
        MeasureError, ShapeError
            As for :meth:`to_markdown`.
        """
        return grid_to_latex(self._grid(layout, digits))

    def to_html(self, *, layout: Layout = "means", digits: int = 3) -> str:
        """Return a table for HTML, with a caption that says what its marks mean.

        Parameters
        ----------
        layout, digits
            As for :meth:`to_markdown`.

        Returns
        -------
        str
            A ``table`` element without scripts or links. Names are escaped.

        Raises
        ------
        MeasureError, ShapeError
            As for :meth:`to_markdown`.
        """
        return grid_to_html(self._grid(layout, digits))

    def _grid(self, layout: Layout, digits: int) -> Grid:
        check_choice("layout", layout, get_args(Layout))
        digits = as_count("digits", digits, most=_MOST_DIGITS)
        return (means_grid if layout == "means" else pairs_grid)(self, digits)

    def to_dict(self) -> Json:
        """Return the comparison as JSON-ready values, of schema ``"embedsmith.comparison/2"``.

        Returns
        -------
        dict
            Floats are kept to the last bit by ``json``.
        """
        data = asdict(self)
        data["names"], data["measures"] = list(self.names), list(self.measures)
        data["pairs"] = [
            {
                **asdict(pair),
                "ci": list(pair.ci),
                "effect_ci": None if pair.effect_ci is None else list(pair.effect_ci),
            }
            for pair in self.pairs
        ]
        return {"schema": _SCHEMA, **data}

    @classmethod
    def from_dict(cls, data: Json) -> RunComparison:
        """Return the comparison that :meth:`to_dict` wrote.

        Parameters
        ----------
        data : dict
            Read from JSON, of this schema or of ``"embedsmith.comparison/1"``, which always
            tested by randomisation and had no effect sizes.

        Returns
        -------
        RunComparison
            Equal to the one written.

        Raises
        ------
        DataError
            If ``data`` is of another schema, or has other fields.
        """
        fields = dict(data)
        if (schema := fields.pop("schema", None)) not in _READ:
            msg = (
                f"the comparison has schema {schema!r}, not {_SCHEMA!r}. "
                "Read it with the version of embedsmith that wrote it, or compare again."
            )
            raise DataError(msg)
        try:
            pairs = tuple(map(_pair_from, fields.pop("pairs")))
            names, measures = tuple(fields.pop("names")), tuple(fields.pop("measures"))
            return cls(names=names, measures=measures, pairs=pairs, **fields)
        except (KeyError, TypeError) as error:
            msg = f"the comparison has other fields than {_SCHEMA!r} ({error}); compare again."
            raise DataError(msg) from error

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per measure and pair.

        Returns
        -------
        pandas.DataFrame
            The fields of :class:`PairDifference`, with ``ci`` as ``ci_low`` and ``ci_high``, and
            ``effect_ci`` likewise.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas: Any = require("pandas", extra="data", feature="RunComparison.to_pandas")
        rows = []
        for pair in self.pairs:
            row = asdict(pair)
            row["ci_low"], row["ci_high"] = row.pop("ci")
            row["effect_ci_low"], row["effect_ci_high"] = row.pop("effect_ci") or (None, None)
            rows.append(row)
        frame: pd.DataFrame = pandas.DataFrame(rows)
        return frame


def _pair_from(data: Json) -> PairDifference:
    effect_ci = data.get("effect_ci")
    ends = {"ci": tuple(data["ci"]), "effect_ci": None if effect_ci is None else tuple(effect_ci)}
    return PairDifference(**{**data, **ends})
