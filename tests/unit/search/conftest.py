"""What the tests of search share; those among tensors run on the CPU and on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest

from embedsmith.search import _read_ahead, _sources
from tests.unit.search.shard_corpus import reading_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import embedsmith as es
    from embedsmith._typing import Metric
    from embedsmith.search import TensorTopK

METRICS: tuple[Metric, ...] = ("cosine", "dot", "l2")
RNG = np.random.default_rng(0)
CORPUS = RNG.standard_normal((300, 21), dtype=np.float32)
QUERIES = RNG.standard_normal((7, 21), dtype=np.float32)
Move: TypeAlias = "Callable[[Any], Any]"


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def move(request: pytest.FixtureRequest) -> Move:
    """Return what turns an array into a tensor on the device under test."""
    torch = pytest.importorskip("torch")
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return lambda array: torch.tensor(array, device=request.param)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the shards of ``shard_corpus`` many blocks of a few pieces, and leave no thread."""
    monkeypatch.setattr(_read_ahead, "BLOCK_BYTES", 23 * 12 * 4)
    monkeypatch.setattr(_sources, "_PIECE_BYTES", 5 * 12 * 4 + 3)
    yield
    assert not reading_threads()


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut every search into batches of 3 queries and tiles of 16 rows."""
    pytest.importorskip("torch")
    from embedsmith.search._tensor_search import Sizes

    sizes = Sizes(queries=3, rows=16, hits=40, pairs=11)
    monkeypatch.setattr(Sizes, "for_memory", lambda *_, **__: sizes)


def assert_same_bits(hits: TensorTopK, expected: es.TopK) -> None:
    scores, rows, exact = hits.numpy()
    np.testing.assert_array_equal(rows, expected.rows)
    np.testing.assert_array_equal(scores.view(np.uint32), expected.scores.view(np.uint32))
    np.testing.assert_array_equal(exact.view(np.uint64), expected.exact.view(np.uint64))
