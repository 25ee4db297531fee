"""Turn what people have in hand into what the core borrows."""

from __future__ import annotations

import difflib
import operator
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

import numpy as np

from embedsmith._typing import Metric
from embedsmith.exceptions import DeviceError, NonFiniteError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import BoolArray, F32Array, I64Array, Progress

__all__ = [
    "CorpusMatrix",
    "Exclusions",
    "as_corpus",
    "as_count",
    "as_exclude",
    "as_mask",
    "as_matrix",
    "as_metric",
    "as_number",
    "as_progress",
    "check_kind",
    "check_shape",
    "fitting",
    "is_tensor",
    "on_cuda",
    "overflow",
]

_LARGEST_U64 = 2**64 - 1


def as_matrix(argument: str, value: Any) -> F32Array:
    """View or convert an array-like as a C-contiguous float32 matrix.

    Copies only what is not already C-contiguous float32 in native byte order.

    Parameters
    ----------
    argument : str
        Name for the error message.
    value : array_like of shape (rows, dim)
        Floats, or integers, which are rounded to float32.

    Returns
    -------
    ndarray of shape (rows, dim), float32, C-contiguous

    Raises
    ------
    ShapeError
        If ``value`` is not a two-dimensional array of numbers.
    DeviceError
        If ``value`` lives on a device other than the CPU.
    NonFiniteError
        If a number is too large for float32.
    """
    array = _two_axes(argument, _to_numpy(argument, value))
    # bfloat16 and its kin (ml_dtypes) are of kind "V" and widen by a cast.
    numeric = array.dtype.kind in "fiu" or "float" in array.dtype.name
    check_kind(argument, array.dtype.name, numeric=numeric)
    with np.errstate(over="ignore"):
        matrix = np.require(array.astype(np.float32, copy=False), requirements=["C", "A"])
    if array.dtype.itemsize > matrix.dtype.itemsize:
        _refuse_overflow(argument, array, matrix)
    return matrix


def _two_axes(argument: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    check_shape(argument, array.shape)
    return array


def check_shape(argument: str, shape: tuple[int, ...]) -> None:
    """Refuse the shape of anything but a matrix.

    Raises
    ------
    ShapeError
        If ``shape`` has another number of axes than two.
    """
    if len(shape) == 1:
        msg = (
            f"{argument} has one axis, of length {shape[0]}; a matrix of one row per text "
            f"is expected. For a single vector pass {argument}[None, :]."
        )
        raise ShapeError(msg)
    if len(shape) != 2:  # noqa: PLR2004
        msg = f"{argument} has shape {shape}; a matrix of one row per text is expected."
        raise ShapeError(msg)


def check_kind(argument: str, dtype: str, *, numeric: bool) -> None:
    """Refuse a dtype whose values are no real numbers.

    Raises
    ------
    ShapeError
        Naming ``dtype``, unless it is ``numeric``.
    """
    if not numeric:
        msg = f"{argument} holds {dtype}; numbers are expected, best float32."
        raise ShapeError(msg)


class CorpusMatrix(NamedTuple):
    """A corpus as the core reads it.

    Attributes
    ----------
    values : ndarray of shape (rows, dim), float32 or uint16
    half : {"float16", "bfloat16"} or None
        What 16 bits stand for; None for float32.
    """

    values: np.ndarray[Any, Any]
    half: str | None


def as_corpus(argument: str, value: Any) -> CorpusMatrix:
    """View an array-like as a corpus, without a float32 copy of one in half precision.

    C-contiguous float16 and bfloat16 (of ml_dtypes or torch) are borrowed as they are; everything
    else is as in :func:`as_matrix`, which also says what is refused.
    """
    array = value
    if is_tensor(value):
        if value.device.type == "cpu" and "bfloat16" in str(value.dtype):
            # Only who has a tensor has imported torch.
            bits = value.detach().contiguous().view(sys.modules["torch"].int16)
            return CorpusMatrix(_two_axes(argument, bits.numpy()).view(np.uint16), "bfloat16")
        array = _tensor_to_numpy(argument, value)
    if isinstance(array, np.ndarray) and array.dtype.name in ("float16", "bfloat16"):
        own = _two_axes(argument, array).astype(array.dtype.newbyteorder("="), copy=False)
        bits = np.require(own, requirements=["C", "A"]).view(np.uint16)
        return CorpusMatrix(bits, array.dtype.name)
    return CorpusMatrix(as_matrix(argument, value), None)


def fitting(argument: str, corpus: CorpusMatrix, half: str | None) -> CorpusMatrix:
    """Convert a corpus to another's precision.

    Raises
    ------
    NonFiniteError
        If a number is too large for it.
    """
    if corpus.half == half:
        return corpus
    values = corpus.values if corpus.half is None else _widened(corpus)
    if half is None:
        return CorpusMatrix(values, None)
    if half == "float16":
        with np.errstate(over="ignore"):
            narrow = values.astype(np.float16)
        _refuse_overflow(argument, values, narrow)
        return CorpusMatrix(narrow.view(np.uint16), half)
    msg = (
        f"{argument} is {values.dtype.name} but the index holds {half}; pass {half} "
        "(ml_dtypes.bfloat16 or a torch tensor)."
    )
    raise ShapeError(msg)


def _widened(corpus: CorpusMatrix) -> F32Array:
    if corpus.half == "float16":
        return corpus.values.view(np.float16).astype(np.float32)
    return (corpus.values.astype(np.uint32) << 16).view(np.float32)


def _refuse_overflow(
    argument: str, array: np.ndarray[Any, Any], matrix: np.ndarray[Any, Any]
) -> None:
    """Tell a value too large for the narrower type from an infinity that was there before."""
    grown = np.isinf(matrix).any(axis=1) & np.isfinite(array).all(axis=1)
    if grown.any():
        row = int(np.flatnonzero(grown)[0])
        raise overflow(argument, row, float(np.abs(array[row]).max()), matrix.dtype)


def overflow(
    argument: str, row: int, largest: float, dtype: np.dtype[Any] | type[np.float32] = np.float32
) -> NonFiniteError:
    """Return the error for a row with a number that a narrower type cannot hold."""
    limit = np.finfo(dtype)
    msg = (
        f"{argument} row {row} holds {largest:g}, which {limit.dtype.name} cannot hold "
        f"(at most {limit.max:.2g}). Scale the vectors down."
    )
    return NonFiniteError(msg)


def is_tensor(value: Any) -> bool:
    """Tell a torch tensor from all else, without importing torch."""
    return hasattr(value, "detach") and hasattr(value, "device")


def on_cuda(value: Any) -> bool:
    """Tell whether a value is a torch tensor on a CUDA device, without importing torch."""
    return is_tensor(value) and value.device.type == "cuda"


def _to_numpy(argument: str, value: Any) -> np.ndarray[Any, Any]:
    if isinstance(value, np.ndarray):
        return value
    if is_tensor(value):
        return _tensor_to_numpy(argument, value)
    try:
        return np.asarray(value)
    except ValueError as error:
        msg = f"{argument} has rows of different lengths; every vector needs the same width."
        raise ShapeError(msg) from error


def _tensor_to_numpy(argument: str, tensor: Any) -> np.ndarray[Any, Any]:
    """View a torch tensor without importing torch."""
    if tensor.device.type != "cpu":
        msg = (
            f"{argument} is a tensor on {tensor.device}; this runs on the CPU (embedsmith.topk on "
            f"CUDA devices too): pass {argument}.cpu()."
        )
        raise DeviceError(msg)
    tensor = tensor.detach()
    if "bfloat16" in str(tensor.dtype):  # numpy has no bfloat16
        tensor = tensor.float()
    array: np.ndarray[Any, Any] = tensor.numpy()
    return array


def as_count(argument: str, value: Any, *, least: int = 1, most: int | None = _LARGEST_U64) -> int:
    """Return a whole number from ``least`` to ``most``, or say which argument is none.

    Raises
    ------
    ShapeError
        If ``value`` is no integer (a boolean is none), or out of range. By default the range ends
        where the core's 64 bits do; ``most=None`` is for a count that is cut to size afterwards.
    """
    try:
        count = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError as error:
        msg = f"{argument}={value!r} is no integer; pass {argument}={least} or more."
        raise ShapeError(msg) from error
    if count < least:
        msg = f"{argument}={value!r} is too small; pass {argument}={least} or more."
        raise ShapeError(msg)
    if most is not None and count > most:
        msg = f"{argument}={value!r} is too large; pass {argument}={most} or less."
        raise ShapeError(msg)
    return count


def as_number(argument: str, value: Any) -> float:
    """Return a float, or say which argument is none.

    Raises
    ------
    ShapeError
        If ``value`` is no real number (a boolean is none).
    """
    try:
        if isinstance(value, (bool, str)):
            raise TypeError  # noqa: TRY301 - float() would take them.
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"{argument}={value!r} is no number; pass a float."
        raise ShapeError(msg) from error


def as_progress(value: Any) -> Progress | None:
    """Return a progress callback, or say that it cannot be called.

    Raises
    ------
    ShapeError
        If ``value`` is neither None nor callable.
    """
    if value is not None and not callable(value):
        msg = f"progress={value!r} cannot be called; pass a function of (done, total)."
        raise ShapeError(msg)
    return cast("Progress | None", value)


def as_metric(value: Any) -> Metric:
    """Return the name of a metric, or list those there are.

    Raises
    ------
    ShapeError
        If there is no such metric.
    """
    names = get_args(Metric)
    if value not in names:
        nearest = difflib.get_close_matches(str(value), names, n=1)
        meant = f"did you mean {nearest[0]!r}?" if nearest else "choose one of"
        msg = f"metric={value!r} is unknown; {meant} ({', '.join(map(repr, names))})"
        raise ShapeError(msg)
    return cast("Metric", value)


def as_mask(argument: str, value: Any, rows: int) -> BoolArray:
    """Return a boolean mask with one entry per corpus row.

    Raises
    ------
    ShapeError
        If ``value`` is not boolean or not of that length.
    """
    mask = np.asarray(value)
    if mask.dtype != np.bool_ or mask.shape != (rows,):
        msg = (
            f"{argument} is {mask.dtype.name} of shape {mask.shape}; a boolean mask of shape "
            f"({rows},) is expected, True where a corpus row may be found."
        )
        raise ShapeError(msg)
    return np.ascontiguousarray(mask)


class Exclusions(NamedTuple):
    """Excluded rows of all queries, one query's after the other's.

    Attributes
    ----------
    offsets : ndarray of shape (queries + 1,), int64
        Where each query's rows begin in ``rows``.
    rows : ndarray, int64
    """

    offsets: I64Array
    rows: I64Array


def as_exclude(
    exclude: Sequence[Any] | np.ndarray[Any, Any] | Exclusions, queries: int
) -> Exclusions:
    """Flatten per-query lists of excluded rows.

    Parameters
    ----------
    exclude : sequence of sequences of int, or integer ndarray
        One list of corpus rows per query. An integer array of one or two axes names one row, or
        several, per query; -1 in it names none. What is flat already is passed on.
    queries : int
        Number of queries.

    Returns
    -------
    Exclusions

    Raises
    ------
    ShapeError
        If there is not one list of integers per query.
    """
    if isinstance(exclude, Exclusions):
        return exclude
    if len(exclude) != queries:
        msg = (
            f"exclude has {len(exclude)} entries for {queries} queries; "
            "pass one list of corpus rows per query, empty where nothing is excluded."
        )
        raise ShapeError(msg)
    if isinstance(exclude, np.ndarray) and exclude.ndim in (1, 2) and exclude.dtype.kind in "iu":
        table = exclude.reshape(queries, -1).astype(np.int64)
        named = table != -1
        counts = named.sum(axis=1)
        rows = table[named]
    else:
        lists = [_integers(entry) for entry in exclude]
        counts = np.array([len(entry) for entry in lists], dtype=np.int64)
        rows = np.concatenate(lists)
    offsets = np.zeros(queries + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return Exclusions(offsets, rows)


def _integers(entry: Any) -> I64Array:
    array = np.asarray(entry)
    if array.ndim == 1 and array.size == 0:
        return np.empty(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        msg = (
            f"exclude holds {entry!r} for one query; a list of corpus rows (integers) is expected. "
            "One row per query can be given as an integer array."
        )
        raise ShapeError(msg)
    return array.astype(np.int64)
