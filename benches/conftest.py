"""The ``bench`` fixture and the writing of records; benches/README.md says how to use both."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from benches import machine, memory, records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

    from benches.memory import Prepare

RECORD_FOLDER = Path(__file__).parent / "record"
PROBE = pytest.StashKey[dict[str, float]]()


class Bench(Protocol):
    """Time one engine on one case, and measure the memory of one call."""

    def __call__(
        self,
        prepare: Prepare,
        *args: object,
        engine: str,
        baseline: str,
        shape: dict[str, int],
        dtype: str,
        threads: int,
        k: int | None = None,
        operations: float | None = None,
        rounds: int | None = None,
        measure_memory: bool = True,
    ) -> Any: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record",
        action="store_true",
        help="write what was measured to benches/record/<cpu>/<date>-<suite>.json",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.getoption("--record"):
        session.config.stash[PROBE] = machine.probe()


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if not config.getoption("--record"):
        return
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if session.testsfailed:
        # A record with holes would later be read as the whole suite.
        reporter.write_line("\nnothing recorded: a benchmark failed")
        return
    suites: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in config._benchmarksession.benchmarks:  # type: ignore[attr-defined]
        if one.stats.rounds:
            suite, _, case = one.fullname.rpartition("/")[2].partition("::")
            name = suite.removeprefix("test_").removesuffix(".py")
            case = case.partition("[")[0].removeprefix("test_")
            suites[name].append(records.entry(case, one.stats, one.extra_info))
    facts = machine.describe()
    facts["probe"] = {"before": config.stash[PROBE], "after": machine.probe()}
    for name, entries in suites.items():
        path = records.write(RECORD_FOLDER, name, facts, entries)
        reporter.write_line(f"\nrecord: {path.relative_to(machine.ROOT)}")


@pytest.fixture(autouse=True)
def _facts_are_complete(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a benchmark that does not say what it measured."""
    yield
    used = request.node.funcargs.get("benchmark")
    if used is not None and used.stats is not None:
        absent = [key for key in records.REQUIRED if key not in used.extra_info]
        assert not absent, f"set benchmark.extra_info for {absent}, or use the bench fixture"


@pytest.fixture
def bench(benchmark: BenchmarkFixture) -> Bench:
    def run(
        prepare: Prepare,
        *args: object,
        engine: str,
        baseline: str,
        shape: dict[str, int],
        dtype: str,
        threads: int,
        k: int | None = None,
        operations: float | None = None,
        rounds: int | None = None,
        measure_memory: bool = True,
    ) -> Any:
        benchmark.extra_info.update(
            engine=engine, baseline=baseline, shape=shape, dtype=dtype, threads=threads, k=k
        )
        if operations is not None:
            benchmark.extra_info["operations"] = operations
        if measure_memory:
            # Before the timing, so that this process holds no inputs beside the child's yet.
            used = memory.measure(prepare, *args)
            benchmark.extra_info["resident_before_bytes"] = used.before_bytes
            benchmark.extra_info["call_peak_bytes"] = used.call_bytes
        call = prepare(*args)
        if rounds is None:
            return benchmark(call)
        return benchmark.pedantic(call, rounds=rounds, iterations=1, warmup_rounds=1)

    return run
