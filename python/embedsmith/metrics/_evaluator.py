"""Judgements and measures, ready for any number of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith import _core
from embedsmith._validate import as_count
from embedsmith.exceptions import DataError, ShapeError
from embedsmith.metrics._aggregate import (
    LEAST,
    N_RESAMPLES,
    aggregated,
    check_confidence,
    intervals,
)
from embedsmith.metrics._arrays import (
    ListNames,
    array_run,
    check_list_count,
    compressed_qrels,
    holds_integers,
    ids_of_mapping,
    is_array_run,
    list_names,
)
from embedsmith.metrics._collapse import (
    Collapse,
    collapsed_array,
    collapsed_ids,
    collapsed_mapping,
)
from embedsmith.metrics._frames import as_mapping
from embedsmith.metrics._inputs import QrelsInput, RunInput, file_lists, first_ids
from embedsmith.metrics._names import parse_measures
from embedsmith.metrics._options import (
    Missing,
    Preset,
    ScoreDtype,
    Ties,
    check_expectations,
    options,
)
from embedsmith.metrics._queries import Chosen, chosen, warn_if_shallow
from embedsmith.metrics._table import MetricTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from embedsmith._typing import BoolArray, F64Array
    from embedsmith.metrics._measures import Measure

__all__ = ["Evaluator"]


@dataclass(frozen=True)
class _Prepared:
    """What arrays need of the judgements."""

    names: ListNames
    queries: Chosen
    judged: _core.JudgedArrays
    # Of each row, that of its document.
    document_of: NDArray[np.int64] | None
    own_rows: NDArray[np.int64] | None


class Evaluator:
    """Judgements and measures, prepared once for any number of runs.

    It may be used by several threads at once. Judgements in mappings are borrowed, not copied:
    change nothing in them while it lives.

    Parameters
    ----------
    qrels, measures, query_ids, doc_ids
        As for :func:`evaluate_run`. With ``query_ids`` and ``doc_ids`` runs are arrays, and the
        judged ids are looked up here, not in each call.
    preset, ties, missing, no_relevant, unjudged, score_dtype, ignore_self, collapse
        As for :func:`evaluate_run`.
    confidence, n_resamples, seed, threads
        As for :func:`evaluate_run`.

    Raises
    ------
    MeasureError, DataError, ShapeError
        As for :func:`evaluate_run`.

    Examples
    --------
    >>> evaluator = Evaluator({"q1": {"d1": 1, "d2": 3}}, ["RR", "nDCG@10"])
    >>> evaluator.evaluate({"q1": {"d2": 0.9, "d1": 0.8}}).mean
    {'RR': 1.0, 'nDCG@10': 1.0}
    >>> tables = evaluator.evaluate_many({"a": {"q1": ["d2"]}, "b": {"q1": ["d7", "d1"]}})
    >>> {name: table.mean["RR"] for name, table in tables.items()}
    {'a': 1.0, 'b': 0.5}
    """

    def __init__(
        self,
        qrels: QrelsInput,
        measures: str | Measure | Iterable[str | Measure],
        *,
        query_ids: Sequence[Any] | NDArray[Any] | None = None,
        doc_ids: Sequence[Any] | NDArray[Any] | None = None,
        preset: Preset | None = None,
        ties: Ties | None = None,
        missing: Missing | None = None,
        no_relevant: Missing | None = None,
        unjudged: Missing = "skip",
        score_dtype: ScoreDtype | None = None,
        ignore_self: bool | None = None,
        collapse: Collapse | None = None,
        confidence: float | None = 0.95,
        n_resamples: int = N_RESAMPLES,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        self._options = options(
            preset,
            ties=ties,
            missing=missing,
            no_relevant=no_relevant,
            unjudged=unjudged,
            score_dtype=score_dtype,
            ignore_self=ignore_self,
        )
        meant = [self._options.meant(measure) for measure in parse_measures(measures)]
        self._measures = tuple(dict.fromkeys(meant))
        check_expectations(self._measures, self._options)
        check_confidence(confidence)
        self._intervals: dict[str, Any] = {
            "confidence": confidence,
            "n_resamples": as_count("n_resamples", n_resamples),
            "seed": as_count("seed", seed, least=0),
            "threads": None if threads is None else as_count("threads", threads),
        }
        self._collapse = collapse
        self._needs_irrelevant = _core.needs_irrelevant([m.spec() for m in self._measures])
        self._judged: Mapping[Any, Any] = {}
        self._prepared: _Prepared | None = None
        if isinstance(qrels, tuple):
            self._prepared = self._prepare_compressed(qrels, query_ids, doc_ids)
            return
        # Judgements of a file stay as they were read, until a run of another kind is measured.
        self._judged_lists = file_lists(qrels, _core.QrelsLists)
        judged = qrels if self._judged_lists is not None else as_mapping("qrels", qrels)
        if not judged:
            msg = "qrels is empty; without judgements there is nothing to measure: pass some."
            raise DataError(msg)
        self._judged = judged
        self._ids_are_rows = self._judged_lists is None and holds_integers(judged)
        if query_ids is not None or doc_ids is not None:
            names = list_names(query_ids, doc_ids, n_lists=None, ids_are_rows=self._ids_are_rows)
            self._prepared = self._prepare(names)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures, as the preset means them."""
        return self._measures

    def evaluate(self, run: RunInput) -> MetricTable:
        """Return the measures of a run, per query and on average.

        Parameters
        ----------
        run : mapping, (scores, rows) or frame
            As for :func:`evaluate_run`.

        Returns
        -------
        MetricTable
            As from :func:`evaluate_run`.

        Raises
        ------
        DataError, NonFiniteError, ShapeError
            As for :func:`evaluate_run`.
        """
        if is_array_run(run):
            return self._table(*self._measure_arrays(run))
        if self._prepared is not None:
            raise ids_of_mapping()
        return self._table(*self._measure_mapping(run))

    def evaluate_many(self, runs: Mapping[str, RunInput]) -> dict[str, MetricTable]:
        """Return the table of each run.

        Parameters
        ----------
        runs : mapping of str to run
            Each as for :meth:`evaluate`.

        Returns
        -------
        dict of str to MetricTable
            In the order of ``runs``.
        """
        return {name: self.evaluate(run) for name, run in runs.items()}

    def _measure_mapping(self, run: RunInput) -> tuple[Chosen, F64Array, BoolArray, float]:
        judged_lists = self._judged_lists
        run_lists = file_lists(run, _core.RunLists)
        if judged_lists is not None and run_lists is not None and self._collapse is None:
            return self._measure_files(
                judged_lists, run_lists, chosen(self._judged, run, self._options)
            )
        lists = as_mapping("run", run)
        if self._collapse is not None:
            lists = collapsed_mapping(lists, self._collapse)
        queries = chosen(self._judged, lists, self._options)
        judged = as_mapping("qrels", self._judged)

        def measure(
            measures: list[Measure], ties: Ties, dtype: ScoreDtype
        ) -> tuple[F64Array, BoolArray, int, int]:
            return _core.measure_dicts(
                queries.ids,
                judged,
                lists,
                [m.spec() for m in measures],
                ties_rule=ties,
                f32_scores=dtype == "f32",
                ignore_self=self._options.ignore_self,
                threads=self._intervals["threads"],
            )

        return queries, *self._by_rule(measure)

    def _measure_files(
        self, judged: _core.QrelsLists, run: _core.RunLists, queries: Chosen
    ) -> tuple[Chosen, F64Array, BoolArray, float]:
        def measure(
            measures: list[Measure], ties: Ties, dtype: ScoreDtype
        ) -> tuple[F64Array, BoolArray, int, int]:
            return _core.measure_lists(
                queries.ids,
                judged,
                run,
                [m.spec() for m in measures],
                ties_rule=ties,
                f32_scores=dtype == "f32",
                ignore_self=self._options.ignore_self,
                threads=self._intervals["threads"],
            )

        return queries, *self._by_rule(measure)

    def _measure_arrays(self, run: tuple[Any, Any]) -> tuple[Chosen, F64Array, BoolArray, float]:
        arrays = array_run(run)
        prepared = self._prepared
        if prepared is None:
            names = list_names(
                None, None, n_lists=len(arrays.rows), ids_are_rows=self._ids_are_rows
            )
            prepared = self._prepare(names)
        names = prepared.names
        check_list_count(len(arrays.rows), len(names.query_ids))
        warn_if_shallow(arrays.rows.shape[1], self._measures, names.n_docs)
        if prepared.document_of is not None:
            arrays = collapsed_array(arrays, prepared.document_of)

        def measure(
            measures: list[Measure], ties: Ties, dtype: ScoreDtype
        ) -> tuple[F64Array, BoolArray, int, int]:
            own = arrays.rounded() if dtype == "f32" else arrays
            return _core.measure_arrays(
                prepared.judged,
                prepared.queries.ids,
                own.scores,
                own.rows,
                names.doc_ids,
                names.n_docs,
                [m.spec() for m in measures],
                own_rows=prepared.own_rows,
                ties_rule=ties,
                threads=self._intervals["threads"],
            )

        return prepared.queries, *self._by_rule(measure)

    def _by_rule(self, measure: Any) -> tuple[F64Array, BoolArray, float]:
        """Measure each group of measures that share a rule for ties and a type of scores."""
        rules = [self._options.of(m) for m in self._measures]
        if len(set(rules)) == 1:
            values, without, n_hits, n_tied = measure(list(self._measures), *rules[0])
            return values, without, n_tied / n_hits if n_hits else 0.0
        rows: dict[int, F64Array] = {}
        without, share = np.empty(0, dtype=np.bool_), 0.0
        for rule in dict.fromkeys(rules):
            places = [i for i, own in enumerate(rules) if own == rule]
            group, without, n_hits, n_tied = measure([self._measures[i] for i in places], *rule)
            rows |= dict(zip(places, group, strict=True))
            share = max(share, n_tied / n_hits if n_hits else 0.0)
        return np.array([rows[i] for i in range(len(rules))]), without, share

    def _prepare(self, names: ListNames) -> _Prepared:
        document_of = None
        if self._collapse is not None:
            if names.doc_ids is None:
                msg = "collapse needs doc_ids for a run of arrays; pass the id of each chunk."
                raise DataError(msg)
            documents, document_of = collapsed_ids(names.doc_ids, self._collapse)
            places = dict(zip(documents, range(len(documents)), strict=True))
            names = ListNames(names.query_ids, names.list_of, documents, places)
        queries = chosen(self._judged, names.list_of, self._options)
        judged = _core.JudgedArrays(
            queries.ids,
            as_mapping("qrels", self._judged),
            names.list_of,
            names.row_of,
            irrelevant_too=self._needs_irrelevant,
        )
        return _Prepared(names, queries, judged, document_of, self._own_rows(names))

    def _prepare_compressed(
        self, qrels: tuple[Any, ...], query_ids: Any, doc_ids: Any
    ) -> _Prepared:
        if self._collapse is not None:
            msg = "collapse needs judgements by id; pass qrels as a mapping."
            raise DataError(msg)
        judged, n = compressed_qrels(qrels, irrelevant_too=self._needs_irrelevant)
        names = list_names(query_ids, doc_ids, n_lists=n, ids_are_rows=True, looked_up=False)
        if len(names.query_ids) != n or n == 0:
            msg = (
                f"the judgements are for {n} queries but query_ids names "
                f"{len(names.query_ids)}; pass one per query."
            )
            raise ShapeError(msg)
        queries = Chosen.all_of(names.query_ids)
        return _Prepared(names, queries, judged, None, self._own_rows(names))

    def _own_rows(self, names: ListNames) -> NDArray[np.int64] | None:
        if not self._options.ignore_self:
            return None
        row_of = names.row_of
        own = [q if row_of is None else row_of.get(q, -1) for q in names.query_ids]
        return np.array(own, dtype=np.int64)

    def _table(
        self, queries: Chosen, values: F64Array, without: BoolArray, tie_share: float
    ) -> MetricTable:
        ids, n_without = queries.names, int(without.sum())
        if n_without and self._options.no_relevant != "zero":
            lacking = [query for query, none in zip(ids, without, strict=True) if none]
            if self._options.no_relevant == "error":
                msg = (
                    f"{n_without} queries have no relevant document: {first_ids(lacking)}. "
                    'Judge them, or pass no_relevant="zero" or "skip".'
                )
                raise DataError(msg)
            if n_without == len(ids):
                msg = "no query has a relevant document, so there is nothing to measure."
                raise DataError(msg + " Look at the grades: those from 1 on are relevant.")
            ids = tuple(query for query, none in zip(ids, without, strict=True) if not none)
            values = np.ascontiguousarray(values[:, ~without])
        for row, measure in zip(values, self._measures, strict=True):
            if measure.aggregate == "geometric mean":
                np.maximum(row, LEAST, out=row)
        values.flags.writeable = False
        columns = {str(m): row for m, row in zip(self._measures, values, strict=True)}
        ci, ci_method = intervals(self._measures, columns, **self._intervals)
        own = self._options
        return MetricTable(
            measures=tuple(columns),
            query_ids=ids,
            per_query=columns,
            mean={str(m): aggregated(m, columns[str(m)]) for m in self._measures},
            ci=ci,
            ci_method=ci_method,
            n_queries=len(ids),
            n_missing=queries.n_missing,
            n_unjudged=queries.n_unjudged,
            n_no_relevant=n_without,
            tie_share=tie_share,
            settings={
                "collapse": self._collapse is not None,
                "confidence": self._intervals["confidence"],
                "ignore_self": own.ignore_self,
                "missing": own.missing,
                "n_resamples": self._intervals["n_resamples"],
                "no_relevant": own.no_relevant,
                "preset": own.preset,
                "score_dtype": own.score_dtype,
                "seed": self._intervals["seed"],
                "ties": own.ties,
                "unjudged": own.unjudged,
            },
        )
