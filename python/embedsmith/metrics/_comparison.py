"""The result of comparing runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from embedsmith._deps import require
from embedsmith._phrases import counted
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

    from embedsmith._typing import Json

__all__ = ["Correction", "PairDifference", "PairVerdict", "RunComparison"]

Correction: TypeAlias = Literal["holm", "none"]
PairVerdict: TypeAlias = Literal["better", "worse", "not enough evidence"]

_SCHEMA = "embedsmith.comparison/1"


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
        Two-sided p-value of the paired randomisation test, above 0.
    p_exact : bool
        Whether every arrangement of signs was counted, rather than a seeded sample.
    p_corrected : float
        ``p`` corrected for the number of pairs compared by this measure.
    wins, ties, losses : int
        Queries on which ``b`` is better than, equal to and worse than ``a``.
    verdict : {"better", "worse", "not enough evidence"}
        For ``b`` against ``a``: a side is taken if ``p_corrected <= 1 - confidence``.
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
    confidence, correction, n_permutations, n_resamples, seed
        The arguments that the numbers depend on.
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

    def __repr__(self) -> str:
        queries = counted(self.n_queries, "query", "queries")
        return f"RunComparison({', '.join(self.names)} by {', '.join(self.measures)}, {queries})"

    def to_dict(self) -> Json:
        """Return the comparison as JSON-ready values, of schema ``"embedsmith.comparison/1"``.

        Returns
        -------
        dict
            Floats are kept to the last bit by ``json``.
        """
        data = asdict(self)
        data["names"], data["measures"] = list(self.names), list(self.measures)
        data["pairs"] = [{**asdict(pair), "ci": list(pair.ci)} for pair in self.pairs]
        return {"schema": _SCHEMA, **data}

    @classmethod
    def from_dict(cls, data: Json) -> RunComparison:
        """Return the comparison that :meth:`to_dict` wrote.

        Parameters
        ----------
        data : dict
            Read from JSON.

        Returns
        -------
        RunComparison
            Equal to the one written.

        Raises
        ------
        DataError
            If ``data`` is not of schema ``"embedsmith.comparison/1"``, or has other fields.
        """
        fields = dict(data)
        if (schema := fields.pop("schema", None)) != _SCHEMA:
            msg = (
                f"the comparison has schema {schema!r}, not {_SCHEMA!r}. "
                "Read it with the version of embedsmith that wrote it, or compare again."
            )
            raise DataError(msg)
        try:
            pairs = tuple(
                PairDifference(**{**pair, "ci": tuple(pair["ci"])}) for pair in fields.pop("pairs")
            )
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
            The fields of :class:`PairDifference`, with ``ci`` as ``ci_low`` and ``ci_high``.

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
            rows.append(row)
        frame: pd.DataFrame = pandas.DataFrame(rows)
        return frame
