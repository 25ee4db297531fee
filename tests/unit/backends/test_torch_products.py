"""torch's float32 products: another path only where it is exact and faster, and only inside."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="needs the extra 'st'")

from embedsmith.backends import _torch_forward, _torch_products  # noqa: E402
from embedsmith.backends._torch_products import (  # noqa: E402
    LARGEST_ERROR,
    Products,
    fast_products,
    may_be_slow,
    measured_products,
    worth_it,
)


def state() -> tuple[str, ...]:
    parts = (torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None))
    single = tuple(getattr(part, "fp32_precision", "") for part in parts)
    return (torch.get_float32_matmul_precision(), *single)


@pytest.mark.parametrize(
    ("error", "gain", "taken"),
    [
        (2.5e-6, 2.0, True),
        (2.5e-6, 1.29, False),
        (1.1e-5, 2.0, False),
        (1e-3, None, False),
        (float("nan"), 2.0, False),
    ],
)
def test_only_what_is_exact_and_clearly_faster_is_taken(
    error: float, gain: float | None, taken: bool
) -> None:
    assert worth_it(Products(error, gain)) is taken


def test_products_that_torch_computes_in_bfloat16_are_found_out() -> None:
    before = state()
    found = measured_products(torch.get_num_threads())
    assert state() == before
    if found.error <= LARGEST_ERROR:
        assert found.gain is not None
        pytest.skip("torch does not compute in bfloat16 for this setting on this CPU")
    # Not by their speed: they are several times as fast.
    assert 1e-4 < found.error < 1e-2
    assert found.gain is None
    assert not worth_it(found)


def _fails_inside() -> None:
    with fast_products(torch):
        msg = f"{torch.get_float32_matmul_precision()} on the way"
        raise RuntimeError(msg)


@pytest.mark.parametrize("setting", ["highest", "high"])
def test_the_callers_setting_is_back_even_after_an_error(setting: str) -> None:
    whole = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(setting)
        before = state()
        with pytest.raises(RuntimeError, match="medium on the way"):
            _fails_inside()
        assert state() == before
    finally:
        torch.set_float32_matmul_precision(whole)


def test_the_last_thread_to_leave_puts_the_setting_back() -> None:
    before, together = state(), Barrier(2, timeout=10)

    def inside(_: int) -> str:
        with fast_products(torch):
            together.wait()
        together.wait()
        return str(torch.get_float32_matmul_precision())

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(inside, range(2))) == [before[0]] * 2
    assert state() == before


@pytest.mark.parametrize(
    ("name", "slow"),
    [
        ("AMD EPYC 7763 64-Core Processor", True),
        ("AMD EPYC 9654", True),
        ("Intel(R) Xeon(R) Platinum 8259CL", False),
    ],
)
def test_torch_is_measured_only_where_its_products_may_be_slow(
    name: str, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(_torch_products, "processor_name", lambda: name)
    assert may_be_slow() is slow
    monkeypatch.setattr(_torch_forward, "measured_products", lambda _: Products(2e-6, 1.9))
    assert _torch_forward.products_setting() == ("medium" if slow else None)
