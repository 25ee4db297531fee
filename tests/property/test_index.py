"""Laws of the index: it answers as topk does, and a damaged file is never believed."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embedsmith as es
from embedsmith._core import available_isas
from embedsmith._validate import CorpusMatrix
from embedsmith.exceptions import DataError
from embedsmith.search._topk import search_matrix

if TYPE_CHECKING:
    from pathlib import Path

METRICS = ("cosine", "dot", "l2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    rng = np.random.default_rng(8)
    path = tmp_path_factory.mktemp("whole") / "index"
    es.Index(rng.standard_normal((200, 70)).astype(np.float32)).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "index"


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_holds_what_it_held(
    whole: bytes, place: Path, data: st.DataObject
) -> None:
    damaged = bytearray(whole)
    kind = data.draw(st.sampled_from(("flip", "cut", "splice", "repeat", "zeros")))
    start = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(1, 6_000))
    if kind == "flip":
        damaged[start] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del damaged[start:]
    elif kind == "splice":
        del damaged[start : start + length]
    elif kind == "repeat":
        damaged[start:start] = damaged[start : start + length]
    else:
        end = min(len(damaged), start + length)
        damaged[start:end] = bytes(end - start)
    place.write_bytes(damaged)
    queries = np.ones((2, 70), dtype=np.float32)
    try:
        index = es.Index.open(place, verify=True)
    except DataError:
        return
    # Only what no section holds was touched: padding, or bytes that were zero before.
    place.with_name("good").write_bytes(whole)
    good = es.Index.open(place.with_name("good"), verify=True)
    np.testing.assert_array_equal(index.search(queries).exact, good.search(queries).exact)


@settings(max_examples=60, deadline=None)
@given(
    isa=st.sampled_from(available_isas()),
    metric=st.sampled_from(METRICS),
    shape=st.tuples(
        st.sampled_from((1, 31, 33, 500, 9_000)),
        st.sampled_from((1, 15, 17, 70)),
        st.sampled_from((1, 3, 63, 64, 65, 200)),
        st.sampled_from((1, 10, 700)),
    ),
    kind=st.sampled_from(("normal", "leaning", "steps", "outliers", "copies")),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_pass_over_stored_codes_finds_what_float32_finds(
    isa: str, metric: str, shape: tuple[int, int, int, int], kind: str, seed: int
) -> None:
    n, n_queries, dim, k = shape
    rng = np.random.default_rng(seed)
    corpus = rng.standard_normal((n, dim)).astype(np.float32)
    queries = rng.standard_normal((n_queries, dim)).astype(np.float32)
    if kind == "leaning":
        corpus += 6
        queries += 6
    elif kind == "steps":  # closer than any code can tell
        corpus = (corpus[:1] + np.float32(1e-6) * rng.integers(-3, 4, (n, dim))).astype(np.float32)
    elif kind == "outliers":
        corpus[np.arange(n), rng.integers(0, dim, n)] = 1e4
    elif kind == "copies":
        corpus = corpus[rng.integers(0, min(n, 5), n)]
    index = es.Index(corpus, metric=metric)  # type: ignore[arg-type]
    content = index._in_one_piece()
    with mock.patch.dict(os.environ, {"EMBEDSMITH_ISA": isa}):
        found = search_matrix(
            queries,
            CorpusMatrix(corpus, None),
            norms=content.norms,
            plane=content.plane,
            k=k,
            metric=metric,  # type: ignore[arg-type]
            exclude=None,
            where=None,
            threads=2,
            precision="int8",
        )
    expected = search_matrix(
        queries,
        CorpusMatrix(corpus, None),
        norms=None,
        k=k,
        metric=metric,  # type: ignore[arg-type]
        exclude=None,
        where=None,
        threads=1,
        precision="f32",
    )
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.exact, expected.exact)


def test_searches_go_on_while_rows_are_added() -> None:
    rng = np.random.default_rng(3)
    corpus = rng.standard_normal((4_000, 48)).astype(np.float32)
    queries = rng.standard_normal((5, 48)).astype(np.float32)
    index = es.Index(corpus[:1_000])
    sizes = range(1_000, 4_001, 100)
    allowed = [es.topk(queries, corpus[:n], k=5).exact.tobytes() for n in sizes]
    seen: set[int] = set()
    failures: list[object] = []

    def search() -> None:
        for _ in range(150):
            exact = index.search(queries, 5).exact.tobytes()
            if exact in allowed:
                seen.add(allowed.index(exact))
            else:
                failures.append(exact)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in sizes[:-1]:
        index.add(corpus[start : start + 100])
    for thread in threads:
        thread.join()
    assert not failures
    assert index.search(queries, 5).exact.tobytes() == allowed[-1]
