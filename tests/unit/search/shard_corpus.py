"""A small corpus in shards, and what its tests share."""

from __future__ import annotations

import json
import threading
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

import embedsmith as es
from embedsmith.search import _read_ahead

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
CORPUS = RNG.integers(-3, 4, (300, 12)).astype(np.float32)
QUERIES = RNG.integers(-3, 4, (9, 12)).astype(np.float32)
CUTS = (0, 100, 101, 300)
SHARDS = [CORPUS[a:b] for a, b in pairwise(CUTS)]
EXPECTED = es.topk(QUERIES, CORPUS, k=15)


def assert_same(hits: es.TopK, expected: es.TopK = EXPECTED) -> None:
    np.testing.assert_array_equal(hits.rows, expected.rows)
    np.testing.assert_array_equal(hits.exact.view(np.uint64), expected.exact.view(np.uint64))
    np.testing.assert_array_equal(hits.scores.view(np.uint32), expected.scores.view(np.uint32))
    assert (hits.metric, hits.n_docs) == (expected.metric, expected.n_docs)


def reading_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith(_read_ahead.THREAD_NAME)]


def save(folder: Path, shards=None, names=None) -> list[Path]:
    shards = SHARDS if shards is None else shards
    names = names or [f"{i:03}.npy" for i in range(len(shards))]
    paths = [folder / name for name in names]
    for path, shard in zip(paths, shards, strict=True):
        np.save(path, shard)
    return paths


def manifest(folder: Path, entries, **more) -> None:
    content = {"version": 1, "shards": [{"file": n, "rows": r} for n, r in entries], **more}
    (folder / "shards.json").write_text(json.dumps(content), encoding="utf-8")
