"""What a run was, what it found, and what its filters took."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from embedsmith._core import __version__
from embedsmith.exceptions import DataError
from embedsmith.mining._found import FILTERS
from embedsmith.mining._texts import keys_of

if TYPE_CHECKING:
    from embedsmith._typing import Json
    from embedsmith.mining._block import Miner
    from embedsmith.mining._excluded import Excluded
    from embedsmith.mining._result import MinedNegatives

__all__ = ["identity_of", "report_of"]

REPORT_SCHEMA = "embedsmith.mining/1"


def identity_of(miner: Miner, pool: str, retrievers: tuple[str, ...], *, hashed: bool) -> Json:
    """Return all that decides a result; embeddings by their bytes if it must be compared."""
    found: Json = {
        "version": __version__,
        "settings": miner.settings.to_dict(),
        "pool": pool,
        "retrievers": list(retrievers),
        "metric": miner.embeddings.corpus.metric,
        "model": miner.embeddings.model,
        "fingerprint": miner.embeddings.fingerprint,
        "cross_encoder": None if miner.teacher is None else miner.teacher.name,
    }
    if hashed:
        if miner.teacher is not None:
            found["cross_encoder_sha256"] = miner.teacher.weights_sha256()
        digest = hashlib.sha256(miner.embeddings.queries.data)
        for _, block in miner.embeddings.corpus.blocks():
            digest.update(np.ascontiguousarray(block).data)
        for lists in (miner.excluded, miner.positives):
            digest.update(np.ascontiguousarray(lists.offsets).data)
            digest.update(np.ascontiguousarray(lists.rows).data)
        for texts in (miner.data.query_ids, miner.data.query_texts, miner.data.doc_texts):
            digest.update(b"" if texts is None else keys_of(texts, as_they_are=True).data)
        found["inputs_sha256"] = digest.hexdigest()
    return found


def report_of(result: MinedNegatives, miner: Miner, identity: Json, excluded: Excluded) -> Json:
    """Return the report of a run as JSON values.

    Raises
    ------
    DataError
        If no query got a negative; names how many passages each filter took.
    """
    taken = dict(zip(FILTERS, result.block.taken.sum(axis=0).tolist(), strict=True))
    if identity["pool"] == "full" and not (result.rows >= 0).any():
        said = ", ".join(f"{name} took {count:,}" for name, count in taken.items() if count)
        kept_out = ", ".join(f"{count:,} by {name}" for name, count in excluded.counts.items())
        msg = (
            f"no query got a negative: {said or 'no filter took any'}; excluded were {kept_out}. "
            "Loosen what took most, or pass a larger corpus."
        )
        raise DataError(msg)
    short = [vars(one) for one in result.short()]
    found = result.rows >= 0
    return {
        "schema": REPORT_SCHEMA,
        **identity,
        "counts": {
            "queries": len(miner.data),
            "positives": len(miner.data.positives.rows),
            "passages": len(miner.embeddings.corpus),
            "negatives": int(found.sum()),
            "short": len(short),
            "without_negative": int((~found[:, 0]).sum()),
            "without_positive": len(miner.data.without_positive),
        },
        "excluded": excluded.counts,
        "taken": taken,
        "scores": {
            "positive_mean": float(miner.positive_scores.mean()),
            "negative_mean": float(result.scores[found].mean()) if found.any() else None,
            "negative_max": float(result.scores[found].max()) if found.any() else None,
        },
        "without_positive": list(miner.data.without_positive),
        "short": short,
    }
