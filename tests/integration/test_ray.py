"""Shards on a Ray cluster: two worker nodes on this machine, one of which is killed on the way.

The cluster is Ray's own, with real raylets and object stores; it takes a while to start. Usage
statistics are switched off before it does.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import (
    ClusterError,
    DataError,
    MissingDependencyError,
    NonFiniteError,
    ShapeError,
)
from embedsmith.search import _ray

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    # Ray leaves sockets and child processes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DIM = 24
SIZES = (9_000, 4_000, 1, 7_000)
# A least object is kept where it was made, and not sent along with its reference.
assert min(SIZES[0], SIZES[1], SIZES[3]) * DIM * 4 > 100 << 10
STARTS = np.cumsum((0, *SIZES))


def make(number: int) -> np.ndarray:
    """Return a shard, the same each time; small integers tie everywhere."""
    rng = np.random.default_rng(number)
    return rng.integers(-2, 3, (SIZES[number], DIM)).astype(np.float32)


CORPUS = np.vstack([make(number) for number in range(len(SIZES))])
QUERIES = np.random.default_rng(9).integers(-2, 3, (20, DIM)).astype(np.float32)


def assert_same(hits: es.TopK, expected: es.TopK) -> None:
    np.testing.assert_array_equal(hits.rows, expected.rows)
    np.testing.assert_array_equal(hits.exact.view(np.uint64), expected.exact.view(np.uint64))
    np.testing.assert_array_equal(hits.scores.view(np.uint32), expected.scores.view(np.uint32))
    assert (hits.metric, hits.n_docs) == (expected.metric, expected.n_docs)


class Nodes:
    """The cluster's two workers, and how to make things there."""

    def __init__(self, ray: Any, cluster: Any, home: Path) -> None:
        self.ray, self.cluster, self.home = ray, cluster, home
        self.workers: list[Any] = []

    def add(self) -> None:
        self.workers.append(self.cluster.add_node(num_cpus=1, object_store_memory=80 << 20))

    def identity(self, worker: int) -> tuple[str, int]:
        """Return a node's id in the cluster, and its raylet's process."""
        node = self.workers[worker]
        return node.node_id, node.all_processes["raylet"][0].process.pid

    def on(self, worker: int) -> Any:
        """Return where a task starts; it may go elsewhere if that node is gone."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(self.workers[worker].node_id, soft=True)

    def refs(self, workers: tuple[int, ...]) -> list[Any]:
        """Return the shards, each made on a node and kept there."""
        made = self.ray.remote(make_by_value())
        refs = [
            made.options(scheduling_strategy=self.on(worker)).remote(number)
            for number, worker in enumerate(workers)
        ]
        self.ray.wait(refs, num_returns=len(refs), fetch_local=False)
        return refs

    def files(self) -> list[Path]:
        paths = [self.home / f"{number}.npy" for number in range(len(SIZES))]
        for number, path in enumerate(paths):
            np.save(path, make(number))
        return paths


def make_by_value() -> Any:
    """Return `make` as a function that travels whole: the nodes cannot import this module."""
    sizes, dim = SIZES, DIM

    def made(number: int) -> np.ndarray:
        rng = np.random.default_rng(number)
        return rng.integers(-2, 3, (sizes[number], dim)).astype(np.float32)

    return made


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray = pytest.importorskip("ray", reason="ray is not installed: the extra 'ray' brings it")
        from ray.cluster_utils import Cluster

        # A node that is gone is noticed in two seconds and not in half a minute.
        health = {
            "health_check_initial_delay_ms": 0,
            "health_check_period_ms": 500,
            "health_check_failure_threshold": 4,
        }
        cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "object_store_memory": 80 << 20,
                "include_dashboard": False,
                "_system_config": health,
            },
        )
        try:
            nodes = Nodes(ray, cluster, tmp_path_factory.mktemp("ray"))
            nodes.add()
            nodes.add()
            ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
            yield nodes
        finally:
            ray.shutdown()
            cluster.shutdown()


def test_without_a_cluster_none_is_started(tmp_path) -> None:
    ray = pytest.importorskip("ray", reason="ray is not installed: the extra 'ray' brings it")
    assert not ray.is_initialized()
    with pytest.raises(ClusterError, match=r"call ray\.init\(\) first.*RAY_USAGE_STATS_ENABLED"):
        es.topk_ray(QUERIES, [tmp_path / "a.npy"])
    assert not ray.is_initialized()


def test_without_ray_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"embedsmith\[ray\]"):
        es.topk_ray(QUERIES, ["a.npy"])
    assert es.topk(QUERIES, [CORPUS]).rows.shape == (20, 10)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_shards_on_nodes_give_the_answer_of_one_array(nodes, metric) -> None:
    rng = np.random.default_rng(1)
    how: dict[str, Any] = {
        "k": 30,
        "metric": metric,
        "where": rng.random(len(CORPUS)) < 0.5,
        "exclude": rng.integers(-1, len(CORPUS), (20, 300)),
    }
    refs, files = nodes.refs((0, 1, 1, 0)), nodes.files()
    told: list[tuple[int, int]] = []
    for more in ({}, how):
        expected = es.topk(QUERIES, CORPUS, **{"k": 30, "metric": metric, **more})
        for shards in (refs, files, [refs[0], files[1], refs[2], str(files[3])]):
            hits = es.topk_ray(
                QUERIES,
                shards,
                **{"k": 30, "metric": metric, **more},
                progress=lambda *done: told.append(done),
            )
            assert_same(hits, expected)
            assert told[-1] == (len(CORPUS), len(CORPUS))
            assert told.count(told[-1]) == 1
            told.clear()
        assert_same(es.topk(QUERIES, refs, **{"k": 30, "metric": metric, **more}), expected)
    assert_same(es.topk(QUERIES, refs[1], k=3), es.topk(QUERIES, make(1), k=3))
    hits = es.topk(QUERIES, refs, k=30, metric=metric, stats=True)
    assert_same(hits, es.topk(QUERIES, CORPUS, k=30, metric=metric))
    assert hits.stats is not None
    assert sum(hits.stats.rows.values()) >= len(CORPUS)
    assert_same(es.topk_ray(QUERIES, [nodes.home], k=30, threads=1), es.topk(QUERIES, CORPUS, k=30))


def test_shards_without_a_row_to_find_are_not_searched(nodes) -> None:
    refs = nodes.refs((0, 1, 1, 0))
    where = np.zeros(len(CORPUS), dtype=bool)
    where[STARTS[1] + 5] = True
    expected = es.topk(QUERIES, CORPUS, where=where)
    assert_same(es.topk_ray(QUERIES, refs, where=where), expected)
    where[:] = False
    assert (es.topk_ray(QUERIES, refs, where=where).rows == -1).all()


def test_each_shard_is_searched_on_the_node_that_holds_it(nodes, monkeypatch) -> None:
    home, search = str(nodes.home / "searched"), _ray._search

    def watched(number: int, *rest: Any) -> Any:
        import ray

        with open(home, "a", encoding="ascii") as file:  # noqa: PTH123
            file.write(f"{number} {ray.get_runtime_context().get_node_id()}\n")
        return search(number, *rest)

    monkeypatch.setattr(_ray, "_search", watched)
    placed = (0, 1, 1, 0)
    refs = nodes.refs(placed)
    # One at a time: a node that is full lends its tasks to the other, which is Ray's to decide.
    for number in (0, 1, 3):
        expected = es.topk(QUERIES, make(number), k=3)
        assert_same(es.topk_ray(QUERIES, [refs[number]], k=3), expected)
    lines = Path(home).read_text(encoding="ascii").split("\n")[:-1]
    found = [line.split()[1] for line in lines]
    assert found == [nodes.workers[placed[number]].node_id for number in (0, 1, 3)]


def test_what_is_wrong_with_a_shard_names_it(nodes, tmp_path) -> None:
    ray, refs = nodes.ray, nodes.refs((0, 1, 1, 0))

    bad = make(1)
    bad[77, 3] = np.nan
    at = STARTS[1] + 77
    with pytest.raises(NonFiniteError, match=rf"corpus row {at} \(row 77 of shard 1\) holds NaN"):
        es.topk_ray(QUERIES, [refs[0], ray.put(bad), refs[2]])
    with pytest.raises(ShapeError, match="queries have 24 columns but corpus shard 1 has 5"):
        es.topk_ray(QUERIES, [refs[0], ray.put(bad[:, :5])])
    with pytest.raises(ShapeError, match="corpus shard 1 has one axis"):
        es.topk_ray(QUERIES, [refs[0], ray.put(bad[0])])
    with pytest.raises(ShapeError, match="corpus shard 1 is empty"):
        es.topk_ray(QUERIES, [refs[0], ray.put(bad[:0])])
    with pytest.raises(DataError, match=r"corpus shard 1 \(.*none.npy\) cannot be read"):
        es.topk_ray(QUERIES, [refs[0], tmp_path / "none.npy"])
    with pytest.raises(ShapeError, match="shard 1 is of type ndarray.*searched by embedsmith.topk"):
        es.topk_ray(QUERIES, [refs[0], bad])
    with pytest.raises(ShapeError, match="shard 1 is of type ndarray"):
        es.topk(QUERIES, [refs[0], bad])
    with pytest.raises(ShapeError, match="corpus is empty"):
        es.topk_ray(QUERIES, [])
    with pytest.raises(ShapeError, match="boolean mask"):
        es.topk_ray(QUERIES, refs, where=np.ones(3, dtype=bool))
    with pytest.raises(NonFiniteError, match="queries row 0"):
        es.topk_ray(QUERIES * np.nan, refs)


def test_a_node_with_another_release_is_refused(nodes, monkeypatch) -> None:
    monkeypatch.setattr(_ray, "__version__", "0.0.0")
    with pytest.raises(ClusterError, match="a node runs embedsmith .*, and the driver 0.0.0"):
        es.topk_ray(QUERIES, nodes.files())


def test_a_shard_that_is_made_differently_each_time_is_refused(nodes, monkeypatch) -> None:
    monkeypatch.setattr(_ray, "_starts", lambda *_: [0, 8_000])
    with pytest.raises(ClusterError, match="had 8000 rows and has 9000 now.*same rows each time"):
        es.topk_ray(QUERIES, nodes.files()[:1])


# The last ones: each leaves a dead node behind.


def fatal_on(nodes: Nodes, worker: int) -> Any:
    """Return a search that kills its node, if it is this one, in place of searching there."""
    home, search = str(nodes.home), _ray._search
    victim, raylet = nodes.identity(worker)

    def fatal(number: int, *rest: Any) -> Any:
        import ray

        if ray.get_runtime_context().get_node_id() == victim:
            Path(home, f"died-{victim}").touch()
            # The raylet, as which the cluster knows the node, and this process: no word is said.
            os.kill(raylet, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        return search(number, *rest)

    return fatal


def test_a_node_killed_on_the_way_changes_nothing(nodes, monkeypatch) -> None:
    expected = es.topk(QUERIES, CORPUS, k=30)
    refs = nodes.refs((0, 1, 1, 1))
    with monkeypatch.context() as patched:
        patched.setattr(_ray, "_search", fatal_on(nodes, 1))
        hits = es.topk_ray(QUERIES, refs, k=30)
    assert Path(nodes.home, f"died-{nodes.identity(1)[0]}").exists()
    assert_same(hits, expected)
    # The objects that were on it were made again.
    assert_same(es.topk_ray(QUERIES, refs, k=30), expected)


def test_paths_are_read_elsewhere_if_a_node_is_killed(nodes, monkeypatch) -> None:
    nodes.add()
    worker = len(nodes.workers) - 1
    files = nodes.files()
    with monkeypatch.context() as patched:
        patched.setattr(_ray, "_search", fatal_on(nodes, worker))
        options = {"scheduling_strategy": nodes.on(worker)}
        hits = es.topk_ray(QUERIES, files, k=30, task_options=options)
    assert Path(nodes.home, f"died-{nodes.identity(worker)[0]}").exists()
    assert_same(hits, es.topk(QUERIES, CORPUS, k=30))


def test_an_object_that_cannot_be_made_again_is_named(nodes) -> None:
    nodes.add()
    worker = len(nodes.workers) - 1
    victim, raylet = nodes.identity(worker)

    class Keeper:
        def put(self) -> list[Any]:
            import ray

            here = ray.get_runtime_context().get_node_id()
            return [ray.put(np.ones((9_000, 24), np.float32)), here]

    # An actor that needs nothing would go anywhere.
    options = {"num_cpus": 0, "memory": 1 << 20, "scheduling_strategy": nodes.on(worker)}
    keeper = nodes.ray.remote(Keeper).options(**options).remote()
    lost, kept_on = nodes.ray.get(keeper.put.remote())
    assert kept_on == victim
    first = nodes.refs((0,))[0]
    expected = es.topk(QUERIES, [make(0), np.ones((9_000, DIM), np.float32)])
    assert_same(es.topk_ray(QUERIES, [first, lost]), expected)
    os.kill(raylet, signal.SIGKILL)
    with pytest.raises(ClusterError, match=r"shard 1 is lost.*ray\.put has no task"):
        es.topk_ray(QUERIES, [first, lost])
