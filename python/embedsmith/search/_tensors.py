"""Search among torch tensors where they lie; loads torch only when it is called."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedsmith._deps import require
from embedsmith._validate import (
    as_count,
    as_exclude,
    as_mask,
    as_matrix,
    as_metric,
    check_kind,
    check_shape,
    is_tensor,
    overflow,
)
from embedsmith.exceptions import DeviceError, OutOfMemoryError, ShapeError
from embedsmith.search._stats import SearchStats

if TYPE_CHECKING:
    import torch
    from typing_extensions import Self

    from embedsmith._typing import F32Array, F64Array, I64Array, Metric, Progress

__all__ = ["TensorTopK", "as_tensor_hits", "require_torch", "topk_tensors"]

_FEATURE = "Search among tensors"


class _TensorPair(NamedTuple):
    scores: torch.Tensor
    rows: torch.Tensor


class TensorTopK(_TensorPair):
    """Hits per query as torch tensors, best first: a pair that unpacks as ``scores, rows``.

    Values and bits are those of :class:`embedsmith.TopK`.

    Attributes
    ----------
    scores : tensor of shape (n_queries, width), float32
        Similarities, descending; for ``metric="l2"`` squared distances, ascending. ``-inf``
        (``inf`` for l2) where no row is left.
    rows : tensor of shape (n_queries, width), int64
        Positions in the corpus; -1 where no row is left.
    exact : tensor of shape (n_queries, width), float64
        The canonical scores, which decide the order; ``scores`` is what float32 keeps of them.
    stats : SearchStats or None
        What the search took, if it was asked to tell.
    """

    exact: torch.Tensor
    stats: SearchStats | None

    def __new__(
        cls,
        scores: torch.Tensor,
        rows: torch.Tensor,
        exact: torch.Tensor | None = None,
        stats: SearchStats | None = None,
    ) -> Self:
        """Join the tensors of one search; without ``exact``, the scores are taken as they are."""
        hits = super().__new__(cls, scores, rows)
        hits.exact = scores.double() if exact is None else exact
        hits.stats = stats
        return hits

    def __getnewargs__(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, SearchStats | None]:
        return (self.scores, self.rows, self.exact, self.stats)

    def numpy(self) -> tuple[F32Array, I64Array, F64Array]:
        """Return scores, rows and canonical scores as numpy arrays.

        Returns
        -------
        scores : ndarray of shape (n_queries, width), float32
        rows : ndarray of shape (n_queries, width), int64
        exact : ndarray of shape (n_queries, width), float64
        """
        scores, rows, exact = (part.cpu().numpy() for part in (*self, self.exact))
        return scores, rows, exact


def require_torch() -> Any:
    """Return the torch module.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    return require("torch", extra="st", feature=_FEATURE)


def as_tensor_hits(
    scores: F32Array, rows: I64Array, exact: F64Array, stats: SearchStats | None
) -> TensorTopK:
    """Return the arrays of a search on the CPU as tensors that share their memory."""
    view = require_torch().from_numpy
    return TensorTopK(view(scores), view(rows), view(exact), stats)


def topk_tensors(
    queries: Any,
    corpus: Any,
    *,
    k: int = 10,
    metric: Metric = "cosine",
    exclude: Any = None,
    where: Any = None,
    stats: bool = False,
    progress: Progress | None = None,
) -> TensorTopK:
    """Return the best ``k`` corpus rows for each query, exactly, found where the corpus lies.

    The answer of :func:`embedsmith.topk`, bit for bit. Does not hand the work to the CPU: a CPU
    tensor is searched by torch too, much slower than :func:`embedsmith.topk` does it.

    Parameters
    ----------
    queries : array_like of shape (n_queries, dim)
        On the corpus's device, or on the CPU: then they are copied to it.
    corpus : tensor of shape (n_docs, dim), or array_like
        On a CUDA device or the CPU; floats or integers. Other dtypes than float32 are converted
        tile by tile.
    k, metric, exclude, where
        As in :func:`embedsmith.topk`; the last two may be tensors.
    stats : bool, default False
        Attach what the search took.
    progress : callable, optional
        Called with the number of rows done and of all rows that may be found, at most every 50 ms
        and at the end.

    Returns
    -------
    TensorTopK
        On the corpus's device.

    Raises
    ------
    ShapeError, NonFiniteError
        As :func:`embedsmith.topk` does, with the same words.
    DeviceError
        If the two are on different devices, or on one that is neither the CPU nor CUDA.
    OutOfMemoryError
        If the device lacks memory for the answer and for tiles.
    MissingDependencyError
        If torch is not installed.

    Notes
    -----
    Extra memory: the queries and the answer a few times over, and tiles of at most a quarter of
    the free memory. Torch's settings (TF32, autocast, default dtype and device, deterministic
    algorithms) neither change the answer nor are changed. Not yet measured on a GPU.
    """
    torch = require_torch()
    # Compiled, a multiplication could be fused with the addition after it, with other bits.
    if torch.compiler.is_compiling():
        return torch.compiler.disable(topk_tensors)(  # type: ignore[no-any-return]
            queries,
            corpus,
            k=k,
            metric=metric,
            exclude=exclude,
            where=where,
            stats=stats,
            progress=progress,
        )
    began = time.perf_counter()
    device = _common_device(torch, queries, corpus)
    try:
        hits, counted = _search(torch, queries, corpus, device, k, metric, exclude, where, progress)
    except torch.cuda.OutOfMemoryError as error:
        reason = ". ".join(str(error).split(". ")[:2])
        msg = (
            f"{device} ran out of memory ({reason}). Ask for less at once (fewer queries a call, a "
            "smaller k), free memory there, or pass tensors on the CPU."
        )
        raise OutOfMemoryError(msg) from error
    if stats:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        counts, shape, docs = counted
        hits.stats = SearchStats.of(counts, time.perf_counter() - began, shape, docs)
    return hits


def _common_device(torch: Any, queries: Any, corpus: Any) -> torch.device:
    cpu = torch.device("cpu")
    home = corpus.device if is_tensor(corpus) else cpu
    other = queries.device if is_tensor(queries) else cpu
    if home.type not in {"cpu", "cuda"} or other.type not in {"cpu", "cuda"}:
        name, device = ("corpus", home) if home.type not in {"cpu", "cuda"} else ("queries", other)
        msg = (
            f"{name} is a tensor on {device}; search runs on the CPU and on CUDA devices: "
            f"pass {name}.cpu()."
        )
        raise DeviceError(msg)
    if other not in (home, cpu):
        where, fix = str(home), f"pass queries.to('{home}')"
        if home == cpu:
            where = "the CPU"
            fix = f"pass queries.cpu(), or once torch.as_tensor(corpus, device='{other}')"
        msg = f"queries is a tensor on {other}, but corpus is on {where}: {fix}."
        raise DeviceError(msg)
    return home


def _search(  # noqa: PLR0917 -- the arguments of the call above, in its order
    torch: Any,
    queries: Any,
    corpus: Any,
    device: torch.device,
    k: int,
    metric: Metric,
    exclude: Any,
    where: Any,
    progress: Progress | None,
) -> tuple[TensorTopK, tuple[dict[str, Any], tuple[int, ...], int]]:
    # These import torch.
    from embedsmith.search._tensor_product import format_for  # noqa: PLC0415
    from embedsmith.search._tensor_scores import narrow, single  # noqa: PLC0415
    from embedsmith.search._tensor_search import Search  # noqa: PLC0415

    queries = single(_as_tensor(torch, "queries", queries, device))
    corpus = _as_tensor(torch, "corpus", corpus, device)
    count, total = int(queries.shape[0]), int(corpus.shape[0])
    width = min(as_count("k", k, most=None), max(total, 1))
    metric = as_metric(metric)
    excluded = None if exclude is None else _as_pairs(exclude, count, total)
    allowed = None if where is None else _as_allowed(torch, where, total, device)
    _refuse_empty("queries", count)
    _refuse_empty("corpus", total)
    if queries.shape[1] != corpus.shape[1]:
        msg = (
            f"queries have {queries.shape[1]} columns but corpus has {corpus.shape[1]}. "
            "Encode both with the same model, or cut both to the same width."
        )
        raise ShapeError(msg)
    if excluded is not None and allowed is not None:
        excluded = _among(excluded, allowed.cpu().numpy())
    search = Search(
        queries,
        corpus,
        metric=metric,
        width=width,
        form=format_for(device),
        rows=None if allowed is None else torch.nonzero(allowed).view(-1),
    )
    exact, rows = search.run(excluded, progress)
    counted = (search.counts(), tuple(queries.shape), total)
    return TensorTopK(narrow(exact), rows, exact), counted


def _as_tensor(torch: Any, argument: str, value: Any, device: torch.device) -> torch.Tensor:
    """Return a matrix of numbers on a device; wider ones than float32 are checked to fit it."""
    if not is_tensor(value):
        # Copied: what numpy maps may be read-only, of which torch has no notion.
        return torch.tensor(as_matrix(argument, value), device=device)
    if value.layout != torch.strided:
        msg = f"{argument} is a tensor of layout {value.layout}; pass {argument}.to_dense()."
        raise ShapeError(msg)
    check_shape(argument, tuple(value.shape))
    numeric = not value.dtype.is_complex and value.dtype != torch.bool
    check_kind(argument, str(value.dtype).removeprefix("torch."), numeric=numeric)
    tensor = value.detach().to(device)
    if tensor.dtype == torch.float64:
        _refuse_overflow(torch, argument, tensor)
    return tensor


def _refuse_overflow(torch: Any, argument: str, tensor: torch.Tensor) -> None:
    at_once = max((1 << 24) // max(int(tensor.shape[1]), 1), 1)
    for start in range(0, int(tensor.shape[0]), at_once):
        part = tensor[start : start + at_once]
        grown = part.float().isinf().any(dim=1) & part.isfinite().all(dim=1)
        if grown.any():
            row = int(grown.to(torch.uint8).argmax())
            raise overflow(argument, start + row, float(part[row].abs().max()))


def _as_pairs(exclude: Any, queries: int, rows: int) -> tuple[I64Array, I64Array]:
    """Return the excluded (query, row) pairs, sorted by row."""
    if is_tensor(exclude):
        exclude = exclude.detach().cpu().numpy()
    offsets, listed = as_exclude(exclude, queries)
    query = np.repeat(np.arange(queries), np.diff(offsets))
    wrong = np.flatnonzero((listed < 0) | (listed >= rows))
    if wrong.size:
        first = wrong[0]
        msg = (
            f"exclude names row {listed[first]} for query {query[first]}, but corpus has rows 0 to "
            f"{max(rows - 1, 0)}. Rows are positions in corpus, not document ids."
        )
        raise ShapeError(msg)
    order = np.argsort(listed, kind="stable")
    return query[order], listed[order]


def _among(pairs: tuple[I64Array, I64Array], allowed: Any) -> tuple[I64Array, I64Array]:
    """Return the pairs of allowed rows, with their positions among those."""
    query, row = pairs
    position = np.cumsum(allowed) - 1
    left = allowed[row]
    return query[left], position[row[left]]


def _as_allowed(torch: Any, where: Any, rows: int, device: torch.device) -> torch.Tensor:
    if not is_tensor(where):
        return torch.tensor(as_mask("where", where, rows), device=device)
    if where.dtype != torch.bool or tuple(where.shape) != (rows,):
        as_mask("where", where.detach().cpu().numpy(), rows)
    return where.detach().to(device)


def _refuse_empty(argument: str, rows: int) -> None:
    if not rows:
        msg = f"{argument} is empty; pass at least one row."
        raise ShapeError(msg)
