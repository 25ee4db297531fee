"""``NearestNeighbors`` with the interface of scikit-learn.

Change one import::

    from sklearn.neighbors import NearestNeighbors               # before
    from embedsmith.integrations.sklearn import NearestNeighbors

Examples
--------
>>> from embedsmith.integrations.sklearn import NearestNeighbors
>>> neighbors = NearestNeighbors(n_neighbors=2, metric="cosine")
>>> neighbors.fit([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]])
NearestNeighbors(metric='cosine', n_neighbors=2)
>>> distances, rows = neighbors.kneighbors([[0.0, 2.0]])
>>> distances.round(6), rows
(array([[0. , 0.2]]), array([[1, 2]]))
"""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith import _core
from embedsmith._deps import require
from embedsmith._validate import as_count
from embedsmith.exceptions import MeasureError, ShapeError
from embedsmith.integrations._within import rows_within
from embedsmith.search import Index

require("sklearn", extra="sklearn", feature="embedsmith.integrations.sklearn")

from sklearn.neighbors import NearestNeighbors as _SklearnNeighbors  # noqa: E402
from sklearn.utils.validation import check_is_fitted, validate_data  # noqa: E402

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, F64Array, I64Array, Metric

__all__ = ["NearestNeighbors"]

# By scikit-learn's names, of which several may mean the same.
_METRICS: dict[str, tuple[str, Metric]] = {
    "cosine": ("cosine", "cosine"),
    "euclidean": ("euclidean", "l2"),
    "l2": ("euclidean", "l2"),
    "minkowski": ("euclidean", "l2"),
    "sqeuclidean": ("sqeuclidean", "l2"),
}
_ALGORITHMS = ("auto", "ball_tree", "kd_tree", "brute")
_EUCLIDEAN_P = 2


class NearestNeighbors(_SklearnNeighbors):  # type: ignore[misc]
    """Find neighbours as ``sklearn.neighbors.NearestNeighbors`` does, with this package's search.

    An estimator of scikit-learn in all else: ``clone``, ``get_params``, pipelines, pickles, and
    ``kneighbors_graph`` and ``radius_neighbors_graph`` in scikit-learn's sparse form.

    Parameters
    ----------
    n_neighbors : int, default 5
        Neighbours per query, unless a call says otherwise.
    radius : float, default 1.0
        Radius of :meth:`radius_neighbors`, unless a call says otherwise.
    algorithm : {"auto", "ball_tree", "kd_tree", "brute"}, default "auto"
        Taken so that calls need no change: all of them are exact, and here every one is this
        package's search.
    leaf_size : int, default 30
        Of trees, of which there are none; taken likewise.
    metric : {"minkowski", "euclidean", "l2", "sqeuclidean", "cosine"}, default "minkowski"
        With ``p=2`` the first three are the Euclidean distance. ``"cosine"`` is 1 - cosine.
    p : float, default 2
        Power of ``"minkowski"``; 2 only.
    metric_params : dict, optional
        None or empty: no metric here has parameters.
    n_jobs : int, optional
        Threads; -1 for all processors, -2 for all but one. None is the default of
        :func:`embedsmith.topk`, not one thread.

    Attributes
    ----------
    effective_metric_ : str
        "euclidean", "sqeuclidean" or "cosine".
    effective_metric_params_ : dict
        Empty.
    n_features_in_ : int
        Width of the vectors.
    n_samples_fit_ : int
        Number of vectors.

    Notes
    -----
    What differs from scikit-learn: vectors are rounded to float32, while distances are computed
    from them in float64; neighbours at equal distance are ordered by row; sparse input, precomputed
    distances and other metrics are refused by an error, never searched in another way.

    Examples
    --------
    >>> import numpy as np
    >>> from embedsmith.integrations.sklearn import NearestNeighbors
    >>> vectors = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], dtype=np.float32)
    >>> neighbors = NearestNeighbors(n_neighbors=1).fit(vectors)
    >>> neighbors.kneighbors()
    (array([[1.        ], [4.24264069], [1.        ]]), array([[2], [2], [0]]))
    >>> neighbors.kneighbors_graph(vectors[:1], n_neighbors=2).toarray()
    array([[1., 0., 1.]])
    """

    def fit(self, X: Any, y: Any = None) -> NearestNeighbors:  # noqa: ARG002, N803
        """Take the vectors to search.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Borrowed if it is C-contiguous float32, else converted once. Do not write to it while
            the estimator is in use.
        y : None
            Ignored, as everywhere in scikit-learn.

        Returns
        -------
        NearestNeighbors
            The estimator itself.

        Raises
        ------
        MeasureError
            If metric, p, metric_params or algorithm ask for what is not computed here.
        ValueError
            If scikit-learn refuses ``X``: NaN, infinity, no numbers, no matrix.
        """
        self.effective_metric_, self._metric = _supported(self)
        self.effective_metric_params_: dict[str, Any] = {}
        self._fit_X = _float32(self, X, reset=True)
        self.n_samples_fit_ = len(self._fit_X)
        # What scikit-learn's own code asks of a fitted estimator.
        self._fit_method, self._tree = "brute", None
        self._build()
        return self

    def kneighbors(
        self,
        X: Any = None,  # noqa: N803
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Return the nearest vectors per query, nearest first.

        Parameters
        ----------
        X : array_like of shape (n_queries, n_features), optional
            By default every fitted vector is a query, and is not its own neighbour.
        n_neighbors : int, optional
            Neighbours per query.
        return_distance : bool, default True
            Return the distances too.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors), float64
            Only with ``return_distance``.
        rows : ndarray of shape (n_queries, n_neighbors), int64

        Raises
        ------
        ShapeError
            If there are fewer vectors than neighbours asked for.
        """
        check_is_fitted(self)
        wanted = as_count("n_neighbors", self.n_neighbors if n_neighbors is None else n_neighbors)
        queries, own = self._queries(X)
        most = self.n_samples_fit_ - (own is not None)
        if wanted > most:
            msg = (
                f"Expected n_neighbors {'<' if own is not None else '<='} n_samples_fit, but "
                f"n_neighbors = {wanted}, n_samples_fit = {self.n_samples_fit_}, "
                f"n_samples = {len(queries)}. Pass n_neighbors={most}, or fit more vectors."
            )
            raise ShapeError(msg)
        hits = self._index.search(queries, wanted, exclude=own, threads=_threads(self.n_jobs))
        return (self._distances(hits.exact), hits.rows) if return_distance else hits.rows

    def radius_neighbors(
        self,
        X: Any = None,  # noqa: N803
        radius: float | None = None,
        return_distance: bool = True,
        sort_results: bool = False,
    ) -> Any:
        """Return all vectors within a radius of each query, nearest first.

        Parameters
        ----------
        X : array_like of shape (n_queries, n_features), optional
            By default every fitted vector is a query, and is not its own neighbour.
        radius : float, optional
            Largest distance, itself included.
        return_distance : bool, default True
            Return the distances too.
        sort_results : bool, default False
            Results are always sorted; True without distances is an error, as in scikit-learn.

        Returns
        -------
        distances : ndarray of shape (n_queries,) of float64 arrays
            Only with ``return_distance``.
        rows : ndarray of shape (n_queries,) of int64 arrays

        Raises
        ------
        ShapeError
            If the radius is no number of 0 or more, or ``sort_results`` is asked for alone.

        Notes
        -----
        Searches ever deeper until each query's radius is passed: every pass reads all vectors, so
        a radius that holds hundreds of rows costs as much as several searches.
        """
        check_is_fitted(self)
        if sort_results and not return_distance:
            msg = "return_distance must be True if sort_results is True; pass both, or neither."
            raise ShapeError(msg)
        largest = _radius(self.radius if radius is None else radius)
        queries, own = self._queries(X)
        cosine = self.effective_metric_ == "cosine"
        reach = {"euclidean": largest**2, "sqeuclidean": largest, "cosine": 1.0 - largest}
        # A little further than the radius; the distances themselves decide below.
        slack = 4 * np.finfo(np.float64).eps * max(1.0, abs(reach[self.effective_metric_]))
        found = rows_within(
            queries,
            self._fit_X,
            metric=self._metric,
            worst=reach[self.effective_metric_] + (-slack if cosine else slack),
            exclude=own,
            threads=_threads(self.n_jobs),
        )
        rows, distances = _objects(len(queries)), _objects(len(queries))
        for query, (near, scores) in enumerate(found):
            distance = self._distances(scores)
            kept = distance <= largest
            rows[query], distances[query] = near[kept], distance[kept]
        return (distances, rows) if return_distance else rows

    def _build(self) -> None:
        self._index = Index(self._fit_X, metric=self._metric, threads=_threads(self.n_jobs))

    def _queries(self, X: Any) -> tuple[F32Array, I64Array | None]:  # noqa: N803
        """Return the queries, and the row that each must not find, if they are the fitted ones."""
        if X is None:
            return self._fit_X, np.arange(self.n_samples_fit_)
        return _float32(self, X, reset=False), None

    def _distances(self, exact: F64Array) -> F64Array:
        if self.effective_metric_ == "cosine":
            # Rounding can take the cosine of parallel vectors an ulp past 1.
            return np.clip(1.0 - exact, 0.0, 2.0)
        return np.sqrt(exact) if self.effective_metric_ == "euclidean" else exact

    def __getstate__(self) -> dict[str, Any]:
        # The index is built again from the vectors: no need to write them twice.
        return {name: value for name, value in super().__getstate__().items() if name != "_index"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_fit_X" in state:
            self._build()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags


def _float32(estimator: Any, vectors: Any, *, reset: bool) -> F32Array:
    """Return vectors as scikit-learn's checks let them through."""
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused, as an infinity
        matrix: F32Array = validate_data(
            estimator, vectors, dtype=np.float32, order="C", reset=reset
        )
    return matrix


def _supported(estimator: Any) -> tuple[str, Metric]:
    """Return the distance and the search's metric, or say which parameter has no such value."""
    metric, algorithm = estimator.metric, estimator.algorithm
    if not isinstance(metric, str) or metric not in _METRICS:
        msg = f"metric={metric!r} is not searched here; choose one of {_listed(_METRICS)}"
    elif metric == "minkowski" and estimator.p != _EUCLIDEAN_P:
        msg = f"p={estimator.p!r}: of the Minkowski distances, only p=2 is searched here"
    elif estimator.metric_params:
        msg = f"metric_params={estimator.metric_params!r}: no metric here has parameters; pass None"
    elif algorithm not in _ALGORITHMS:
        msg = f"algorithm={algorithm!r} is unknown; choose one of {_listed(_ALGORITHMS)}"
    else:
        return _METRICS[metric]
    msg += "; or use sklearn.neighbors.NearestNeighbors."
    raise MeasureError(msg)


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names))


def _radius(value: Any) -> float:
    number = float(value) if isinstance(value, Real) else np.nan
    if not number >= 0:
        msg = f"radius={value!r}; pass one number for all queries, 0 or more."
        raise ShapeError(msg)
    return number


def _threads(n_jobs: int | None) -> int | None:
    """Return threads as this package counts them: None for the default."""
    if n_jobs is None or n_jobs == -1:
        return None
    if n_jobs < 0:
        return max(_core.thread_count() + 1 + n_jobs, 1)
    return as_count("n_jobs", n_jobs)


def _objects(length: int) -> np.ndarray[Any, np.dtype[np.object_]]:
    return np.empty(length, dtype=object)
