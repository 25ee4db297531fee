"""What search among tensors refuses, in the words of topk where topk refuses it too."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import (
    DeviceError,
    MissingDependencyError,
    NonFiniteError,
    OutOfMemoryError,
    ShapeError,
)
from embedsmith.search import _topk
from embedsmith.search._tensors import topk_tensors
from tests.unit.search.conftest import CORPUS, METRICS, QUERIES, assert_same_bits

if TYPE_CHECKING:
    from embedsmith._typing import Metric
    from tests.unit.search.conftest import Move

torch = pytest.importorskip("torch")

from embedsmith.search import _tensor_search  # noqa: E402 -- it imports torch


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.usefixtures("small_tiles")
def test_nan_and_infinity_are_told_as_topk_tells_them(
    move: Move, bad: float, metric: Metric
) -> None:
    corpus = CORPUS.copy()
    corpus[203, 3] = corpus[250, 0] = bad
    where = np.arange(300) >= 210
    for queries, rows, allowed in (
        (QUERIES, corpus, None),
        (QUERIES, corpus, where),
        (corpus, corpus, None),
    ):
        with pytest.raises(NonFiniteError) as expected:
            es.topk(queries, rows, metric=metric, where=allowed)
        with pytest.raises(NonFiniteError) as found:
            topk_tensors(move(queries), move(rows), metric=metric, where=allowed)
        assert str(found.value) == str(expected.value)
    left = np.isfinite(corpus).all(axis=1)
    hits = topk_tensors(move(QUERIES), move(corpus), metric=metric, where=left)
    assert_same_bits(hits, es.topk(QUERIES, corpus, metric=metric, where=left))


@pytest.mark.parametrize(
    ("queries", "corpus", "options"),
    [
        (QUERIES[0], CORPUS, {}),
        (QUERIES, CORPUS[None], {}),
        (QUERIES[:0], CORPUS, {}),
        (QUERIES, CORPUS[:0], {}),
        (QUERIES[:, :3], CORPUS, {}),
        (QUERIES.astype(np.complex64), CORPUS, {}),
        (QUERIES, CORPUS > 0, {}),
        (QUERIES.astype(np.float64) * 1e300, CORPUS, {}),
        (QUERIES, CORPUS.astype(np.float64) * 1e300, {}),
        (QUERIES, CORPUS, {"k": 0}),
        (QUERIES, CORPUS, {"k": 2.5}),
        (QUERIES, CORPUS, {"metric": "cosin"}),
        (QUERIES, CORPUS, {"exclude": [[1]]}),
        (QUERIES, CORPUS, {"exclude": [[1], [300], [], [], [], [], []]}),
        (QUERIES, CORPUS, {"exclude": [[], [], [0.5], [], [], [], []]}),
        (QUERIES, CORPUS, {"where": np.ones(299, dtype=bool)}),
    ],
)
def test_bad_input_is_told_as_topk_tells_it(
    move: Move, queries: Any, corpus: Any, options: dict[str, Any]
) -> None:
    with pytest.raises((ShapeError, NonFiniteError)) as expected:
        es.topk(queries, corpus, **options)
    with pytest.raises(type(expected.value)) as found:
        topk_tensors(move(queries), move(corpus), **options)
    assert str(found.value) == str(expected.value)


def test_a_sparse_tensor_is_refused_with_the_fix(move: Move) -> None:
    with pytest.raises(ShapeError, match=r"pass corpus\.to_dense\(\)"):
        topk_tensors(move(QUERIES), move(CORPUS).to_sparse())


def test_tensors_on_two_devices_are_told_what_to_move() -> None:
    class Elsewhere:
        """A tensor of a device that this machine may lack."""

        def __init__(self, device: str) -> None:
            self.device = torch.device(device)

        def detach(self) -> Elsewhere:
            return self

    with pytest.raises(
        DeviceError, match=r"queries is a tensor on cuda:1, but corpus is on the CPU"
    ):
        topk_tensors(Elsewhere("cuda:1"), CORPUS)
    with pytest.raises(DeviceError, match=r"torch\.as_tensor\(corpus, device='cuda:1'\)"):
        es.topk(Elsewhere("cuda:1"), torch.tensor(CORPUS))
    with pytest.raises(DeviceError, match=r"pass queries\.to\('cuda:0'\)"):
        es.topk(Elsewhere("cuda:1"), Elsewhere("cuda:0"))
    with pytest.raises(DeviceError, match=r"corpus is a tensor on mps:0.*pass corpus\.cpu\(\)"):
        topk_tensors(QUERIES, Elsewhere("mps:0"))
    with pytest.raises(DeviceError, match=r"corpus is a tensor on mps:0.*pass corpus\.cpu\(\)"):
        es.topk(QUERIES, Elsewhere("mps:0"))
    with pytest.raises(DeviceError, match=r"runs on the CPU.*pass corpus\.cpu\(\)"):
        es.Index(Elsewhere("cuda:0"))


def test_without_torch_tensors_on_request_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(_topk, "search_matrix", None)  # told before the search
    with pytest.raises(MissingDependencyError, match=r"embedsmith\[st\]"):
        es.topk(QUERIES, CORPUS, as_tensors=True)


def test_a_full_device_is_told_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        msg = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total of 8 GiB."
        raise torch.cuda.OutOfMemoryError(msg)

    monkeypatch.setattr(_tensor_search, "product", full)
    with pytest.raises(OutOfMemoryError, match=r"20\.00 GiB\).*smaller k.*free memory"):
        topk_tensors(torch.tensor(QUERIES), torch.tensor(CORPUS))


def test_too_little_free_memory_is_told_before_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda:0")
    for name, value in {
        "mem_get_info": (40 << 20, 8 << 30),
        "memory_reserved": 30 << 20,
        "memory_allocated": 10 << 20,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, value=value: value)
    with pytest.raises(OutOfMemoryError, match=f"and {60 << 20} of its {8 << 30} are.*Free some"):
        _tensor_search._working_memory(device)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (8 << 30, 8 << 30))
    assert _tensor_search._working_memory(device) == (8 << 30) // 4 + (20 << 20) // 4
