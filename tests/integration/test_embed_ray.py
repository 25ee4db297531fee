"""Bulk embedding on a Ray cluster: two worker nodes on this machine, one of which is killed.

The cluster is Ray's own; it takes a while to start. Usage statistics are switched off before.
"""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import embedsmith as es
from embedsmith.bulk import _ray
from embedsmith.exceptions import ClusterError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    # Ray leaves sockets and child processes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CORPUS = es.Corpus(
    tuple(f"d{n}" for n in range(90)), tuple(f"text {n % 70} of {n % 7}" for n in range(90))
)
SPEC = "fake:32"


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def embed(out: Path, model: Any = SPEC, **more: Any) -> es.EmbeddingRun:
    return es.embed_corpus(CORPUS, model, out, shard_rows=10, **more)


class Nodes:
    """The cluster and its two workers."""

    def __init__(self, ray: Any, cluster: Any) -> None:
        self.ray, self.cluster = ray, cluster
        self.workers = [
            cluster.add_node(num_cpus=1, object_store_memory=80 << 20) for _ in range(2)
        ]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
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
            nodes = Nodes(ray, cluster)
            ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
            yield nodes
        finally:
            ray.shutdown()
            cluster.shutdown()


@pytest.mark.usefixtures("nodes")
def test_a_cluster_writes_the_bytes_of_one_process(tmp_path: Path) -> None:
    embed(tmp_path / "one", threads=1, cache=False)
    told: list[int] = []
    run = embed(
        tmp_path / "ray", cluster="ray", workers=2, progress=lambda state: told.append(state.texts)
    )
    assert (run.n_computed, run.n_restarts, told[-1]) == (70, 0, 90)
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")


@pytest.mark.usefixtures("nodes")
def test_what_is_wrong_on_a_node_is_said_here(tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(ModelError, match="There is no kind|there is no kind"):
        embed(tmp_path / "a", "none:9", cluster="ray")
    with monkeypatch.context() as patched:
        patched.setattr(_ray, "__version__", "0.0.0")
        with pytest.raises(
            ClusterError, match=r"a node runs embedsmith .*, and the driver 0\.0\.0"
        ):
            embed(tmp_path / "b", cluster="ray")
    with pytest.raises(ModelError, match="pass what load_encoder takes"):
        embed(tmp_path / "c", es.load_encoder(SPEC, cache=False), cluster="ray")


# The last one: it leaves a dead node behind.


def test_the_shard_of_a_node_that_dies_is_redone_and_said(
    nodes: Nodes, tmp_path: Path, monkeypatch: Any, caplog: Any
) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    home, embed_there = str(tmp_path), _ray._embed
    node = nodes.workers[1]
    victim, raylet = node.node_id, node.all_processes["raylet"][0].process.pid

    def fatal(order: Any, number: int, *rest: Any) -> Any:
        import ray

        if number >= 3 and ray.get_runtime_context().get_node_id() == victim:
            Path(home, "died").touch()
            # The raylet, as which the cluster knows the node, and this process: no word is said.
            os.kill(raylet, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        return embed_there(order, number, *rest)

    monkeypatch.setattr(_ray, "_embed", fatal)
    embed(tmp_path / "one", threads=1, cache=False)
    strategy = NodeAffinitySchedulingStrategy(victim, soft=True)
    with caplog.at_level(logging.WARNING):
        run = embed(
            tmp_path / "ray",
            cluster="ray",
            workers=2,
            task_options={"scheduling_strategy": strategy},
        )
    assert (tmp_path / "died").exists()
    assert run.n_restarts >= 1
    assert "was lost" in caplog.text
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")
