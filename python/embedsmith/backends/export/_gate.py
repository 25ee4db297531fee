"""Compares an export with its original, and says by how much it is outside the tolerance."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from embedsmith.backends.export._retrieval import RetrievalSet, compare_retrieval
from embedsmith.exceptions import NonFiniteError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embedsmith._typing import F32Array, F64Array, Json, Metric
    from embedsmith.backends._protocol import Role
    from embedsmith.backends.export._tolerance import Tolerance

__all__ = ["Embeds", "batch_invariance", "check_parity", "failures"]

_SEVERAL = 8
_COMPARED = 24


class Embeds(Protocol):
    """An export that runs, or its original."""

    def encode(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of texts."""
        ...


class EmbedsBatches(Embeds, Protocol):
    """An export whose batches can be chosen."""

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of one forward pass."""
        ...


def check_parity(
    original: Embeds,
    export: Embeds,
    texts: Sequence[str],
    data: RetrievalSet | None,
    *,
    tolerance: Tolerance,
    metric: Metric,
    tell: Callable[[str], object],
) -> Json:
    """Return how near the export is to its original, as it goes into the manifest.

    Parameters
    ----------
    original, export : Embeds
        What is compared.
    texts : sequence of str
        Embedded by both, as documents.
    data : RetrievalSet or None
        A labelled set on which both search; None leaves retrieval out.
    tolerance : Tolerance
        Its ``retrieval`` is the margin of the test.
    metric : {"cosine", "dot", "l2"}
        Of the search.
    tell : callable
        Called with what is being done.

    Returns
    -------
    dict
        ``cosine`` (min, p1, mean), ``worst`` (the text of the least cosine), ``texts``,
        ``tolerance``, ``retrieval`` (by measure; None without data).
    """
    tell(f"comparing {len(texts)} texts with the original")
    a, b = original.encode(texts, "document"), export.encode(texts, "document")
    cosine = cosines(a, b)
    worst = int(np.argmin(cosine))
    parity: Json = {
        "texts": len(texts),
        "cosine": {
            "min": float(cosine[worst]),
            "p1": float(np.percentile(cosine, 1)),
            "mean": float(cosine.mean()),
        },
        "worst": texts[worst][:80],
        # Cosines do not see the length of a vector; where vectors are not normalised, this does.
        "length_ratio": _length_ratio(a, b),
        "tolerance": asdict(tolerance),
        "retrieval": None,
    }
    if data is not None:
        parity["retrieval"] = compare_retrieval(
            original, export, data, margin=tolerance.retrieval, metric=metric, tell=tell
        )
    return parity


def cosines(a: F32Array, b: F32Array) -> F64Array:
    """Return the cosine of each row of ``a`` with the same row of ``b``, in float64."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        which = "export" if np.isfinite(x).all() else "original"
        row = int(np.argmin(np.isfinite(y if which == "export" else x).all(axis=1)))
        msg = (
            f"the {which} answers NaN or infinity for text {row}. Export in another precision "
            "(bf16 or fp32 have more range than fp16)."
        )
        raise NonFiniteError(msg)
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    found: F64Array = np.minimum((x * y).sum(axis=1) / np.maximum(lengths, 1e-300), 1.0)
    return found


def _length_ratio(a: F32Array, b: F32Array) -> Json:
    ratio = np.linalg.norm(b.astype(np.float64), axis=1) / np.maximum(
        np.linalg.norm(a.astype(np.float64), axis=1), 1e-300
    )
    return {"min": float(ratio.min()), "max": float(ratio.max())}


def batch_invariance(export: EmbedsBatches, texts: Sequence[str]) -> Json:
    """Return how much a text's vector depends on the texts beside it.

    Each text is embedded alone, beside texts of its own kind of length, and beside the longest and
    shortest ones, which pads it.
    """
    by_length = sorted(texts, key=len)
    step = max(1, len(by_length) // _COMPARED)
    chosen = by_length[::step][:_COMPARED]
    alone = np.concatenate([export.encode_batch([text], "document") for text in chosen])
    neighbours = [
        export.encode_batch(chosen[start : start + _SEVERAL], "document")
        for start in range(0, len(chosen), _SEVERAL)
    ]
    mixed = np.empty_like(alone)
    rows = -(-len(chosen) // _SEVERAL)
    for start in range(rows):
        # Every rows-th text: short and long ones in one batch.
        mixed[start::rows] = export.encode_batch(chosen[start::rows], "document")
    differences = [np.abs(other - alone) for other in (np.concatenate(neighbours), mixed)]
    same = all(np.array_equal(other, alone) for other in (np.concatenate(neighbours), mixed))
    return {
        "bitwise": bool(same),
        "bound": float(max(each.max() for each in differences)),
        "texts": len(chosen),
        "method": (
            f"each text alone, in batches of up to {_SEVERAL} of like length, and in batches of "
            f"up to {_SEVERAL} from the shortest to the longest"
        ),
    }


def failures(parity: Json, invariance: Json, tolerance: Tolerance) -> list[str]:
    """Return what is outside the tolerance, each with by how much and its name."""
    found = []
    for name, value in parity["cosine"].items():
        least = getattr(tolerance, f"cosine_{name}")
        if value < least:
            found.append(
                f"cosine to the original, {name}: {value:.6f}, at least {least:g} is asked "
                f"(cosine_{name})"
            )
    low, high = parity["length_ratio"]["min"], parity["length_ratio"]["max"]
    most = 1.0 - tolerance.cosine_min
    # A relative error e of a vector moves its length by at most e, and its cosine by about e^2/2.
    allowed = float(np.sqrt(2.0 * most)) + 1e-6
    if low < 1.0 - allowed or high > 1.0 + allowed:
        found.append(
            f"length of the vectors: {low:.4f} to {high:.4f} of the original's, within "
            f"{allowed:.4f} of 1 is asked (cosine_min)"
        )
    if invariance["bound"] > tolerance.batch:
        found.append(
            f"a vector depends on its batch: up to {invariance['bound']:.2e} in a component, "
            f"at most {tolerance.batch:g} is asked (batch)"
        )
    retrieval: dict[str, Any] = parity["retrieval"] or {"measures": {}}
    for name, one in retrieval["measures"].items():
        if one["verdict"] == "different":
            found.append(
                f"{name}: {one['difference']:+.4f} to the original, less than "
                f"{one['margin']:g} is asked (retrieval)"
            )
    return found
