"""The result of measuring one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from embedsmith._deps import require
from embedsmith._phrases import counted
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

    from embedsmith._typing import F64Array, Json

__all__ = ["IntervalMethod", "MetricTable"]

IntervalMethod: TypeAlias = Literal["bca", "percentile", "constant"]

_SCHEMA = "embedsmith.metrics/1"


@dataclass(frozen=True, eq=False, repr=False)
class MetricTable:
    """Measures of a run: per query, their means, and the means' confidence intervals.

    Attributes
    ----------
    measures : tuple of str
        Canonical names, in the order asked for.
    query_ids : tuple of str
        The evaluated queries, in the order of the judgements.
    per_query : dict of str to ndarray of shape (n_queries,), float64
        Values in [0, 1], read-only, one array per measure, in the order of ``query_ids``; none for
        the measures in ``whole_set``.
    mean : dict of str to float
        Summed in query order in float64, never rounded.
    ci : dict of str to (float, float)
        Bootstrap interval of each mean. Empty if no confidence was asked for.
    ci_method : dict of str to {"bca", "percentile", "constant"}
        How each interval was computed. ``"percentile"``: the acceleration or the bias correction
        is not defined for these values. ``"constant"``: all values are equal (or there is one),
        so that a bootstrap has nothing to vary; the interval is the bound that
        :func:`embedsmith.decide` describes.
    n_queries : int
        Number of evaluated queries.
    n_missing : int
        Judged queries that the run lacks; they score 0, or are left out with ``missing="skip"``.
    n_unjudged : int
        Queries of the run without judgements; ignored.
    n_no_relevant : int
        Evaluated queries without any relevant document; they score 0.
    tie_share : float
        Of the relevant documents retrieved, the share that ties with another document, so that
        the rule for ties decided their rank. In [0, 1].
    settings : dict
        The arguments that the numbers depend on: confidence, n_resamples, seed, ties, missing,
        score_dtype.
    whole_set : tuple of str, default ()
        Measures that exist only over all queries (or pairs, or texts) together, such as a
        correlation: they have a value in ``mean`` and an interval, and nothing per query.
    """

    measures: tuple[str, ...]
    query_ids: tuple[str, ...]
    per_query: dict[str, F64Array]
    mean: dict[str, float]
    ci: dict[str, tuple[float, float]]
    ci_method: dict[str, IntervalMethod]
    n_queries: int
    n_missing: int
    n_unjudged: int
    n_no_relevant: int
    tie_share: float
    settings: Json
    whole_set: tuple[str, ...] = ()

    def __repr__(self) -> str:
        means = ", ".join(f"{name} {self.mean[name]:.4f}" for name in self.measures)
        return f"MetricTable({counted(self.n_queries, 'query', 'queries')}: {means})"

    def to_dict(self) -> Json:
        """Return the table as JSON-ready values.

        Returns
        -------
        dict
            ``"schema"`` is ``"embedsmith.metrics/1"``. Floats are kept to the last bit by ``json``.
        """
        return {
            "schema": _SCHEMA,
            "measures": list(self.measures),
            "query_ids": list(self.query_ids),
            "per_query": {name: self.per_query[name].tolist() for name in self._columns},
            "mean": dict(self.mean),
            "ci": {name: list(ends) for name, ends in self.ci.items()},
            "ci_method": dict(self.ci_method),
            "n_queries": self.n_queries,
            "n_missing": self.n_missing,
            "n_unjudged": self.n_unjudged,
            "n_no_relevant": self.n_no_relevant,
            "tie_share": self.tie_share,
            "settings": dict(self.settings),
            **({"whole_set": list(self.whole_set)} if self.whole_set else {}),
        }

    @property
    def _columns(self) -> tuple[str, ...]:
        return tuple(name for name in self.measures if name not in self.whole_set)

    @classmethod
    def from_dict(cls, data: Json) -> MetricTable:
        """Return the table that :meth:`to_dict` wrote.

        Parameters
        ----------
        data : dict
            Read from JSON.

        Returns
        -------
        MetricTable
            Equal in every value.

        Raises
        ------
        DataError
            If ``data`` is not of schema ``"embedsmith.metrics/1"``, lacks a field, or holds a
            column whose length is not the number of queries.
        """
        if data.get("schema") != _SCHEMA:
            msg = (
                f"the table has schema {data.get('schema')!r}, not {_SCHEMA!r}. "
                "Read it with the version of embedsmith that wrote it, or evaluate again."
            )
            raise DataError(msg)
        whole_set = tuple(data.get("whole_set", ()))
        try:
            table = cls(
                measures=tuple(data["measures"]),
                query_ids=tuple(data["query_ids"]),
                per_query={
                    name: _frozen(data["per_query"][name])
                    for name in data["measures"]
                    if name not in whole_set
                },
                mean=dict(data["mean"]),
                ci={name: (low, high) for name, (low, high) in data["ci"].items()},
                ci_method=dict(data["ci_method"]),
                n_queries=data["n_queries"],
                n_missing=data["n_missing"],
                n_unjudged=data["n_unjudged"],
                n_no_relevant=data["n_no_relevant"],
                tie_share=data["tie_share"],
                settings=dict(data["settings"]),
                whole_set=whole_set,
            )
        except KeyError as error:
            msg = f"the table lacks the field {error}; evaluate again to write a whole one."
            raise DataError(msg) from error
        for name, values in table.per_query.items():
            if not len(values) == len(table.query_ids) == table.n_queries:
                msg = (
                    f"{name} has {len(values)} values for {len(table.query_ids)} query ids; "
                    "the table was cut short or edited: evaluate again."
                )
                raise DataError(msg)
        return table

    def to_pandas(self) -> pd.DataFrame:
        """Return the per-query values as a frame.

        Returns
        -------
        pandas.DataFrame
            One row per query (index ``query_id``), one column per measure that has a value per
            query; copied.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas: Any = require("pandas", extra="data", feature="MetricTable.to_pandas")
        index = pandas.Index(self.query_ids, name="query_id")
        frame: pd.DataFrame = pandas.DataFrame(
            {name: self.per_query[name].copy() for name in self._columns}, index=index
        )
        return frame


def _frozen(values: object) -> F64Array:
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array
