"""Search over a model's vectors in fewer columns and fewer bits."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from embedsmith._validate import as_count
from embedsmith.evaluation._measurer import Measurer, as_scores
from embedsmith.evaluation._passages import best_documents
from embedsmith.evaluation._small_vectors import (
    are_unit,
    bytes_per_vector,
    cut,
    int8_codes,
    int8_ranges,
    int8_values,
    signs,
)
from embedsmith.evaluation._variant import Precision, Variant
from embedsmith.exceptions import ShapeError
from embedsmith.metrics._inputs import check_choice
from embedsmith.search import Index, TopK, topk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith._typing import F32Array, I64Array, Metric
    from embedsmith.evaluation._progress import Progress
    from embedsmith.evaluation._resampling import Resampling
    from embedsmith.evaluation._systems import System
    from embedsmith.metrics import Measure, MetricTable

__all__ = ["PRECISIONS", "RESCORE_DEPTH", "Form", "Plan", "Variation", "as_variant", "checked_plan"]

logger = logging.getLogger(__name__)

# As they are asked for; float32 is always among them.
PRECISIONS = ("f32", "int8", "binary", "binary+f32", "binary+int8")
# Ten times what a served query asks for.
RESCORE_DEPTH = 100


@dataclass(frozen=True)
class Plan:
    """Which smaller forms of the vectors are to be measured.

    Attributes
    ----------
    dims : tuple of int
        Columns to keep, beside all of them.
    precisions : tuple of str
        Of ``PRECISIONS``, beside float32.
    rescore_depth : int
        Candidates of a binary search that are scored again.
    """

    dims: tuple[int, ...] = ()
    precisions: tuple[str, ...] = ()
    rescore_depth: int = RESCORE_DEPTH

    def forms(self, dim: int, label: str) -> list[Form]:
        """Return the forms of vectors of this width; the full one is not among them.

        Dimensions beyond the width are left out with a warning.
        """
        beyond = [str(one) for one in self.dims if one > dim]
        if beyond:
            logger.warning(
                "%s has %d dimensions: %s of dims can not be cut from it, and is left out.",
                label,
                dim,
                ", ".join(beyond),
            )
        if not self.dims and not self.precisions:
            return []
        dims = sorted({dim, *(one for one in self.dims if one < dim)}, reverse=True)
        return [
            Form.of(one, precision)
            for one in dims
            for precision in ("f32", *self.precisions)
            if (one, precision) != (dim, "f32")
        ]


@dataclass(frozen=True)
class Form:
    """One form of the vectors: how many columns, how they are kept."""

    dim: int
    precision: Precision
    rescore: Literal["f32", "int8"] | None

    @classmethod
    def of(cls, dim: int, precision: str) -> Form:
        """Return the form with a precision as it is asked for."""
        kind, _, rescore = precision.partition("+")
        kinds: dict[str, Precision] = {name: name for name in get_args(Precision)}
        again: dict[str, Literal["f32", "int8"]] = {"f32": "f32", "int8": "int8"}
        return cls(dim, kinds[kind], again.get(rescore))


def checked_plan(dims: Any, precisions: Any, rescore_depth: Any, deepest: int) -> Plan:
    """Return the plan that arguments ask for.

    Parameters
    ----------
    dims : int or iterable of int
        Columns to keep.
    precisions : str or iterable of str
        Of ``PRECISIONS``.
    rescore_depth : int
        Candidates that are scored again.
    deepest : int
        The deepest cutoff of the measures.

    Returns
    -------
    Plan
        Without repeats, in the order given.

    Raises
    ------
    ShapeError
        If a number of columns is below 1, or fewer are scored again than measures look at.
    MeasureError
        If a precision does not exist.
    """
    wanted = _listed(dims)
    names = [precisions] if isinstance(precisions, str) else _listed(precisions)
    for name in names:
        check_choice("precisions", name, PRECISIONS)
    depth = as_count("rescore_depth", rescore_depth)
    if depth < deepest and any("+" in name for name in names):
        msg = (
            f"rescore_depth is {depth}, but the measures look at the first {deepest} documents. "
            f"Raise it to {deepest} or more."
        )
        raise ShapeError(msg)
    return Plan(
        dims=tuple(dict.fromkeys(as_count("dims", one) for one in wanted)),
        precisions=tuple(dict.fromkeys(name for name in names if name != "f32")),
        rescore_depth=depth,
    )


def _listed(value: Any) -> list[Any]:
    try:
        return list(value)
    except TypeError:
        return [value]


class SmallSearch:
    """Exact search over the smaller forms of one model's vectors.

    Parameters
    ----------
    documents, queries : ndarray of shape (n, dim), float32
        The model's own; borrowed.
    metric : {"cosine", "dot", "l2"}
        How the model compares them.
    rescore_depth : int
        Candidates of a binary search that are scored again.
    threads : int or None
        Of the search.
    """

    def __init__(
        self,
        documents: F32Array,
        queries: F32Array,
        metric: Metric,
        *,
        rescore_depth: int,
        threads: int | None,
    ) -> None:
        self._full = documents, queries
        self._metric = metric
        self._rescore_depth = rescore_depth
        self._threads = threads
        self._unit = are_unit(documents) and are_unit(queries)

    def each(self, forms: Sequence[Form]) -> Iterator[tuple[Form, Searched]]:
        """Yield each form with its search; forms of one width stand together.

        What a form holds is released when the next one is asked for.
        """
        width = 0
        for form in forms:
            if form.dim != width:
                width = form.dim
                documents, queries = self._cut(width)
            yield form, self._searched(form, documents, queries)

    def _cut(self, width: int) -> tuple[F32Array, F32Array]:
        documents, queries = self._full
        if width == documents.shape[1]:
            # To the last bit as the model made them.
            return documents, queries
        return cut(documents, width, unit=self._unit), cut(queries, width, unit=self._unit)

    def _searched(self, form: Form, documents: F32Array, queries: F32Array) -> Searched:
        if form.precision == "binary":
            again = None
            if form.rescore is not None:
                again = documents if form.rescore == "f32" else _through_int8(documents)
            found = Searched(signs(documents), signs(queries), "dot", self._threads)
            if again is None:
                return found
            return Rescored(found, again, queries, self._metric, self._rescore_depth)
        if form.precision == "int8":
            documents = _through_int8(documents)
        return Searched(documents, queries, self._metric, self._threads)


def _through_int8(documents: F32Array) -> F32Array:
    ranges = int8_ranges(documents)
    return int8_values(int8_codes(documents, ranges), ranges)


class Searched:
    """Exact search of queries in documents, all of one form.

    Parameters
    ----------
    documents, queries : ndarray of shape (n, dim), float32
        Borrowed.
    metric : {"cosine", "dot", "l2"}
        How they are compared.
    threads : int or None
        Of the search.
    """

    def __init__(
        self, documents: F32Array, queries: F32Array, metric: Metric, threads: int | None
    ) -> None:
        self._index = Index(documents, metric=metric, threads=threads)
        self._queries = queries
        self._threads = threads
        self.metric: Metric = metric

    def search(self, depth: int, places: I64Array | None = None) -> TopK:
        """Return the best documents of all queries, or of those at some places."""
        queries = self._queries if places is None else self._queries[places]
        return self._index.search(queries, depth, threads=self._threads)


class Rescored(Searched):
    """A search whose best are put in the order of finer vectors.

    Parameters
    ----------
    first : Searched
        Finds the candidates.
    documents, queries : ndarray of shape (n, dim), float32
        What they are scored again by.
    metric : {"cosine", "dot", "l2"}
        How these are compared.
    depth : int
        Candidates per query; a list is never longer.
    """

    def __init__(
        self, first: Searched, documents: F32Array, queries: F32Array, metric: Metric, depth: int
    ) -> None:
        self._first = first
        self._documents = documents
        self._queries = queries
        self._depth = depth
        self.metric = metric

    def search(self, depth: int, places: I64Array | None = None) -> TopK:
        """Return the best candidates of all queries, or of those at some places."""
        candidates = self._first.search(self._depth, places).rows
        queries = self._queries if places is None else self._queries[places]
        width = min(depth, candidates.shape[1])
        scores = np.empty((len(queries), width), dtype=np.float32)
        rows = np.empty((len(queries), width), dtype=np.int64)
        exact = np.empty((len(queries), width), dtype=np.float64)
        for place, candidate in enumerate(candidates):
            # In the order of the corpus, so that equal scores rank as in any other search.
            known = np.sort(candidate)
            hits = topk(
                queries[place : place + 1],
                self._documents[known],
                k=width,
                metric=self.metric,
                threads=1,
            )
            scores[place], exact[place] = hits.scores[0], hits.exact[0]
            rows[place] = known[hits.rows[0]]
        return TopK(scores, rows, exact, metric=self.metric, n_docs=len(self._documents))


@dataclass(frozen=True)
class Variation:
    """Runs a model's smaller forms and measures each.

    Attributes
    ----------
    plan : Plan
        Which forms.
    measurer : Measurer
        Measures what they find.
    measures : tuple of Measure
        By what.
    depth : int
        Documents kept per query.
    progress : Progress
        Hears each form.
    """

    plan: Plan
    measurer: Measurer
    measures: tuple[Measure, ...]
    depth: int
    progress: Progress

    def run(self, label: str, system: System) -> tuple[tuple[Form, MetricTable], ...]:
        """Return the table of each form, without intervals.

        Parameters
        ----------
        label : str
            Name of the model.
        system : System
            Has read its texts. One without vectors has no forms.

        Returns
        -------
        tuple of (Form, MetricTable)
            The widest first.
        """
        if system.embeddings is None or system.dim is None:
            return ()
        forms = self.plan.forms(system.dim, label)
        if not forms:
            return ()
        search = SmallSearch(
            *system.embeddings,
            system.metric,
            rescore_depth=self.plan.rescore_depth,
            threads=self.measurer.threads,
        )
        tables = []
        self.progress.begin(label, "searching smaller vectors", len(forms))
        try:
            for form, searched in search.each(forms):
                hits = as_scores(self._hits(searched, form, label), searched.metric)
                tables.append((form, self.measurer.table(hits, self.measures)))
                self.progress.advance(1)
        finally:
            self.progress.end()
        return tuple(tables)

    def _hits(self, searched: Searched, form: Form, label: str) -> TopK:
        passages = self.measurer.passages
        n_queries = len(self.measurer.data.queries)
        hits = best_documents(searched.search, passages, self.depth, n_queries)
        if passages is not None and form.rescore is not None:
            looked_at = max(measure.cutoff or 0 for measure in self.measures)
            least = min(looked_at, len(passages.ids))
            n_short = int((np.count_nonzero(hits.rows >= 0, axis=1) < least).sum())
            if n_short:
                logger.warning(
                    "%s, %d columns, binary: the best %d passages of %d of %d queries are of fewer "
                    "than %d documents. Raise rescore_depth (--rescore-depth).",
                    label,
                    form.dim,
                    self.plan.rescore_depth,
                    n_short,
                    n_queries,
                    least,
                )
        return hits


def as_variant(
    form: Form, table: MetricTable, full: MetricTable, resampling: Resampling
) -> Variant:
    """Return what a form scored, beside the full model on the same queries."""
    mean, ci = resampling.means(table.per_query)
    return Variant(
        dim=form.dim,
        precision=form.precision,
        bytes_per_vector=bytes_per_vector(form.dim, form.precision),
        mean=mean,
        ci=ci,
        difference=resampling.gains(table.per_query, full.per_query),
        rescore=form.rescore,
    )
