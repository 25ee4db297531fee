"""Whether a service still answers with the model that a cache was begun with."""

from __future__ import annotations

import base64
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.exceptions import CacheError

if TYPE_CHECKING:
    from embedsmith._typing import F32Array
    from embedsmith.backends._cache import EmbeddingStore

__all__ = ["PROBE", "check_canary", "keep_canary"]

# Never changed: caches hold its vector. Words, a number, a name and two scripts, so that a change
# of tokenizer shows as well.
PROBE = "The branch in Zürich reports 1,250.75 in fees; 手数料は毎月計算される。"
_NAME = "api/canary/1"
# Services give one text vectors that differ by up to about 2e-4 (1 - cosine); another model's, or
# another version's, differ by far more.
_TOLERANCE = 1e-3


def keep_canary(store: EmbeddingStore, vector: F32Array) -> None:
    """Keep the probe's vector beside the vectors that will be stored.

    Parameters
    ----------
    store : EmbeddingStore
        Of this space.
    vector : ndarray of shape (dim,), float32
        Of `PROBE`.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    text = base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    store.put_measurement(_NAME, {"made_at": now, "vector": text})


def check_canary(store: EmbeddingStore, vector: F32Array, who: str) -> bool:
    """Compare the probe's vector with the one that was kept, and tell whether there is one.

    Parameters
    ----------
    store : EmbeddingStore
        What new vectors would be added to.
    vector : ndarray of shape (dim,), float32
        Of `PROBE`, as it is answered now.
    who : str
        Service and model, as the start of a sentence.

    Raises
    ------
    CacheError
        If they differ: what is kept and what would be added are not one space.
    """
    kept = store.get_measurement(_NAME)
    if kept is None:
        return False
    before = np.frombuffer(base64.b64decode(kept["vector"]), dtype="<f4").astype(np.float64)
    after = vector.astype(np.float64)
    cosine = 0.0
    if before.shape == after.shape:
        norms = np.linalg.norm(before) * np.linalg.norm(after)
        cosine = float(before @ after / norms) if norms > 0 else 0.0
    # Written so that NaN is a difference too.
    if not 1.0 - cosine <= _TOLERANCE:
        msg = (
            f"{who} has changed since {kept['made_at']}: the same text now has another vector "
            f"(cosine {cosine:.4f}), so new vectors do not belong to those in {store.path}. "
            "Nothing was sent but that text. Delete the file, or name another cache folder "
            "(cache=..., --cache), and embed all texts anew; or name a version of the model that "
            "does not change."
        )
        raise CacheError(msg)
    return True
