"""``import embedsmith`` costs numpy and the extension, nothing heavier."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = (
    "bm25s",
    "cohere",
    "httpx",
    "krippendorff",
    "matplotlib",
    "mteb",
    "openai",
    "openpyxl",
    "pandas",
    "polars",
    "psutil",
    "pyarrow",
    "ray",
    "rich",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "tiktoken",
    "torch",
    "transformers",
    "typer",
)
BUDGET_S = 0.2
ROUNDS = 7

PROGRAM = """
import json, sys, time
{before}
start = time.perf_counter()
import {module}
spent = time.perf_counter() - start
print(json.dumps([spent, sorted(name.partition(".")[0] for name in sys.modules)]))
"""


def import_in_a_fresh_interpreter(module: str, before: str = "") -> tuple[float, set[str]]:
    """Return the seconds that an import took, and the top-level modules loaded after it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module, before=before)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, loaded = json.loads(done.stdout)
    return seconds, set(loaded)


def test_import_loads_no_optional_package() -> None:
    _, loaded = import_in_a_fresh_interpreter("embedsmith")
    assert loaded.isdisjoint(HEAVY)


def test_import_loads_no_third_party_package_but_numpy() -> None:
    _, with_numpy = import_in_a_fresh_interpreter("numpy")
    _, with_us = import_in_a_fresh_interpreter("embedsmith")
    added = {name for name in with_us - with_numpy if name not in sys.stdlib_module_names}
    assert added == {"embedsmith"}


def test_import_costs_under_a_fifth_of_a_second_more_than_numpy() -> None:
    # Other work on the machine only ever adds time: the smallest of several runs is the cost.
    runs = (import_in_a_fresh_interpreter("embedsmith", "import numpy") for _ in range(ROUNDS))
    assert min(seconds for seconds, _ in runs) < BUDGET_S


def test_the_probe_sees_a_heavy_import() -> None:
    seconds, loaded = import_in_a_fresh_interpreter("scipy")
    assert seconds > 0
    assert not loaded.isdisjoint(HEAVY)
