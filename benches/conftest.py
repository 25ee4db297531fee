"""The ``bench`` fixture and the writing of records; benches/README.md says how to use both."""

from __future__ import annotations

import shutil
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from benches import machine, records, vectors, worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_benchmark.fixture import BenchmarkFixture

RECORD_FOLDER = Path(__file__).parent / "record"
PROBE = pytest.StashKey[dict[str, float]]()
# How long to measure, where the suite names no number of rounds. A round of very short calls has
# several of them; calls beyond a second are repeated less.
BUDGET_S = 1.5
ROUND_S = 0.01
MOST_ROUNDS = 41
FEWEST_ROUNDS = 5
FEWEST_LONG_ROUNDS = 3
LONG_S = 1.0
# Read by the libraries when they are loaded.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Bench(Protocol):
    """Time one engine on one case, measure the memory of one call, and return its result."""

    def __call__(
        self,
        prepare: worker.Prepare,
        *args: object,
        engine: str,
        baseline: str,
        shape: dict[str, int],
        dtype: str,
        threads: int,
        k: int | None = None,
        data: str | None = None,
        operations: float | None = None,
        rounds: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Any: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record",
        action="store_true",
        help="write what was measured to benches/record/<cpu>/<date>-<suite>.json",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.getoption("--record"):
        if vectors.SCALE != 1:
            msg = "EMBEDSMITH_BENCH_SCALE is for a try: unset it to record."
            raise pytest.UsageError(msg)
        session.config.stash[PROBE] = machine.probe()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if not config.getoption("--record"):
        return
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus != pytest.ExitCode.OK:
        # A record with holes would later be read as the whole suite.
        reporter.write_line("\nnothing recorded: a benchmark failed, or the run was interrupted")
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "bench" in getattr(item, "fixturenames", ()):
            # The engine's process takes the times; see worker.clock.
            item.add_marker(pytest.mark.benchmark(timer=worker.clock))


@pytest.fixture(scope="session")
def vector_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vectors.VectorFiles]:
    """Make files of vectors, which go when the session ends: they are gigabytes."""
    folder = tmp_path_factory.mktemp("vectors")
    yield vectors.VectorFiles(folder)
    shutil.rmtree(folder)


def fitting_rounds(round_s: float) -> int:
    """Return how often to repeat what takes so long."""
    fewest = FEWEST_ROUNDS if round_s <= LONG_S else FEWEST_LONG_ROUNDS
    return min(MOST_ROUNDS, max(fewest, int(BUDGET_S / round_s)))


@pytest.fixture
def bench(benchmark: BenchmarkFixture) -> Bench:
    def run(
        prepare: worker.Prepare,
        *args: object,
        engine: str,
        baseline: str,
        shape: dict[str, int],
        dtype: str,
        threads: int,
        k: int | None = None,
        data: str | None = None,
        operations: float | None = None,
        rounds: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Any:
        benchmark.extra_info.update(
            engine=engine, baseline=baseline, shape=shape, dtype=dtype, threads=threads, k=k
        )
        if data is not None:
            benchmark.extra_info["data"] = data
        if operations is not None:
            benchmark.extra_info["operations"] = operations
        variables = dict.fromkeys(THREAD_VARIABLES, str(threads)) | dict(environment or {})
        with closing(worker.Worker(prepare, *args, environment=variables)) as one:
            # The first call may have set up threads or compiled; a long one is warm-up enough.
            call_s = one.first_s if one.first_s > LONG_S else one.time()
            loops = max(1, round(ROUND_S / call_s))
            rounds = fitting_rounds(call_s * loops) if rounds is None else rounds
            benchmark.pedantic(one.time, args=(loops,), rounds=rounds, iterations=1)
            benchmark.extra_info.update(
                first_s=records.rounded(one.first_s),
                resident_before_bytes=one.memory.before_bytes,
                call_peak_bytes=one.memory.call_bytes,
                blas=one.blas,
            )
            return one.result()

    return run
