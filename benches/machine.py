"""What a timing depends on: the processor, what it reaches today, the libraries and the commit."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from threadpoolctl import threadpool_info, threadpool_limits

from embedsmith import _core

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = (
    "bm25s",
    "embedsmith",
    "faiss-cpu",
    "fastembed",
    "ir-measures",
    "ml_dtypes",
    "numpy",
    "onnxruntime",
    "pandas",
    "pytrec-eval-terrier",
    "ranx",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "tokenizers",
    "torch",
)
# The flags that decide which kernel a library picks.
ISA_FLAGS = re.compile(r"sse4_2|avx\w*|fma|f16c|amx\w*|asimd\w*|sve\w*|i8mm|bf16")
PROBE_ROUNDS = 5
SGEMM_SIDE = 2048
COPY_BYTES = 256 * 2**20
READ_BYTES = 2**30
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def describe() -> dict[str, Any]:
    """Return the processor, the libraries with versions, and the commit of the checkout."""
    model, flags = _processor()
    return {
        "cpu": model,
        "isa_flags": flags,
        "cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": _usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "huge_pages": _huge_pages(),
        "embedsmith_isas": _core.available_isas(),
        "rustc": _output("rustc", "--version"),
        "libraries": _versions(),
        "blas": sorted(
            f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".rstrip()
            for pool in threadpool_info()
        ),
        "environment": {
            name: os.environ[name]
            for name in ("EMBEDSMITH_ISA", "OPENBLAS_CORETYPE", "OMP_NUM_THREADS")
            if name in os.environ
        },
        "commit": _commit(),
    }


def probe() -> dict[str, float]:
    """Return what the processor reaches at this moment; virtual cores float, so ask twice.

    Peak float32 rate of numpy's matrix product, the rate of reading more than any cache holds (by
    numpy's sum), and the rate of a large copy (bytes read plus bytes written), best of a few
    rounds, with one thread and with all of them. Then the rates that the extension tells of its
    own kernels' instructions, if this build has ``peak_rates``: a name and 10^9 operations per
    second each.
    """
    rng = np.random.default_rng(0)
    a = rng.random((SGEMM_SIDE, SGEMM_SIDE), dtype=np.float32)
    product = np.empty_like(a)
    with threadpool_limits(1, user_api="blas"):
        one = _best_s(lambda: np.matmul(a, a, out=product))
    every = _best_s(lambda: np.matmul(a, a, out=product))
    read_one, read_every = _read_s(1), _read_s(_usable_cores())
    flop = 2 * SGEMM_SIDE**3
    return {
        "numpy_sgemm_one_thread_gflops": round(flop / one / 1e9, 1),
        "numpy_sgemm_all_threads_gflops": round(flop / every / 1e9, 1),
        "read_one_thread_gb_per_s": round(READ_BYTES / read_one / 1e9, 1),
        "read_all_threads_gb_per_s": round(READ_BYTES / read_every / 1e9, 1),
        "copy_one_thread_gb_per_s": round(2 * COPY_BYTES / _copy_s() / 1e9, 1),
        **_core_rates(),
    }


def _copy_s() -> float:
    source = np.ones(COPY_BYTES // 8)
    target = np.empty_like(source)
    return _best_s(lambda: np.copyto(target, source))


def _read_s(threads: int) -> float:
    rows = np.ones((threads, READ_BYTES // 4 // threads), dtype=np.float32)
    # numpy drops the GIL while it sums.
    with ThreadPoolExecutor(threads) as pool:
        return _best_s(lambda: list(pool.map(np.sum, rows)))


def _core_rates() -> dict[str, float]:
    rates: dict[str, float] = getattr(_core, "peak_rates", dict)()
    return {f"core_{name}_gops": round(rate, 1) for name, rate in rates.items()}


def _best_s(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(PROBE_ROUNDS):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def _processor() -> tuple[str, list[str]]:
    if sys.platform == "darwin":
        name = _output("sysctl", "-n", "machdep.cpu.brand_string")
        return name, _output("sysctl", "-n", "machdep.cpu.features").lower().split()
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return platform.processor() or platform.machine(), []
    facts: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, found, value = line.partition(":")
        if found:
            facts.setdefault(name.strip(), value.strip())
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    model = facts.get("model name") or platform.machine()
    family = "-".join(facts[key] for key in ("cpu family", "model") if key in facts)
    # Hypervisors often hide the model's name; its family and number still tell it apart.
    label = f"{model} (family-model {family})" if family else model
    return label, [flag for flag in flags if ISA_FLAGS.fullmatch(flag)]


def _huge_pages() -> str:
    if not HUGE_PAGES.is_file():
        return "unknown"
    # The choice in force stands in brackets.
    return HUGE_PAGES.read_text(encoding="ascii").partition("[")[2].partition("]")[0]


def _usable_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _commit() -> str:
    commit = _output("git", "rev-parse", "--short=12", "HEAD")
    changed = _output("git", "status", "--porcelain", "--", ":!benches/record")
    return f"{commit} with uncommitted changes" if changed else commit


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        # A fact that this machine cannot tell is recorded as such; it is no reason not to measure.
        return "unknown"
    return done.stdout.strip()
