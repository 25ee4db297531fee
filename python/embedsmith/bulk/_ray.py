"""Embed shards as tasks of a Ray cluster.

Ray's core is all that this takes. Ray Data would add pandas and pyarrow, decide the blocks and
their order by itself, and write files of its own: what is wanted here is one order, the same shards
each time, and a driver that knows which of them exist.
"""

from __future__ import annotations

import functools
import logging
import pickle
from typing import TYPE_CHECKING, Any

from embedsmith._core import __version__
from embedsmith._deps import require
from embedsmith.bulk._runner import Encoded, ModelOrder, encode
from embedsmith.bulk._worker import opened
from embedsmith.exceptions import ClusterError, EmbedsmithError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedsmith.backends import Encoder
    from embedsmith.bulk._runner import Told

__all__ = ["RayRunner"]

_log = logging.getLogger(__name__)
_ATTEMPTS = 3
_FEATURE = "Embedding on a Ray cluster"


class RayRunner:
    """Embeds in tasks, ``workers`` at a time; only texts and vectors travel.

    A shard whose node or process dies is given to another task, three times at most.
    """

    def __init__(
        self,
        order: ModelOrder,
        workers: int,
        told: Told,
        options: Mapping[str, Any] | None,
        *,
        cpus: int,
    ) -> None:
        self._ray = ray = require("ray", extra="ray", feature=_FEATURE)
        if not ray.is_initialized():
            msg = (
                "no Ray cluster is connected; call ray.init() first. None is started here, since "
                "a cluster of Ray's reports usage statistics unless RAY_USAGE_STATS_ENABLED=0 is "
                "set."
            )
            raise ClusterError(msg)
        self.ahead = workers
        self.n_restarts = 0
        self._told = told
        self._order = ray.put(order)
        self._cpus = cpus
        # What dies is asked for again by us, who count it.
        chosen = {"num_cpus": cpus, "max_retries": 0, **(options or {})}
        self._task = ray.remote(_embed).options(**chosen)

    def submit(self, number: int, texts: Sequence[str]) -> _Shard:
        """Begin with the texts of a shard."""
        return _Shard(self, number, texts)

    def start(self, number: int, texts: Any) -> Any:
        """Return the reference of a new task."""
        return self._task.remote(self._order, number, texts, __version__)

    def finish(self, shard: _Shard) -> Encoded:
        """Wait for a shard; give it to another task where its own died."""
        ray = self._ray
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                encoded: Encoded = Encoded(*ray.get(shard.reference))
            except ray.exceptions.RayError as error:
                reason = self._death(error, shard.number)
                if attempt == _ATTEMPTS:
                    msg = (
                        f"Ray lost shard {shard.number} {_ATTEMPTS} times, at last by {reason} "
                        "Look at the cluster's logs; what is finished is kept, and the same "
                        "command goes on from there."
                    )
                    raise ClusterError(msg) from error
                self.n_restarts += 1
                _log.warning(
                    "shard %d was lost (%s); it is given to another task", shard.number, reason
                )
                shard.restart()
            else:
                count = len(encoded.embedded.n_tokens)
                self._told(shard.number, count, int(encoded.computed_tokens))
                return encoded
        raise AssertionError  # the last attempt returned or raised

    def _death(self, error: Any, number: int) -> str:
        """Return how a task was lost; raise what it raised itself."""
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, EmbedsmithError):
            raise cause from error
        kinds = self._ray.exceptions
        lost = (
            kinds.WorkerCrashedError,
            kinds.NodeDiedError,
            kinds.LocalRayletDiedError,
            kinds.ObjectLostError,
            kinds.OutOfMemoryError,
        )
        if not isinstance(cause, kinds.RayError):
            raise error
        reason = f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"
        if not isinstance(cause, lost):
            msg = f"Ray gave up on shard {number}: {reason} Look at the cluster's logs."
            raise ClusterError(msg) from error
        return reason

    def close(self) -> None:
        """Leave tasks that run to end by themselves.

        Cancelling a task just as it finishes aborts the calling process (seen with Ray 2.60).
        """


class _Shard:
    """A shard that some task works on; the texts stay at hand for another one."""

    def __init__(self, runner: RayRunner, number: int, texts: Sequence[str]) -> None:
        self.number = number
        self._runner, self._texts = runner, texts
        self.reference = runner.start(number, texts)

    def restart(self) -> None:
        """Give it to another task."""
        self.reference = self._runner.start(self.number, self._texts)

    def result(self) -> Encoded:
        """Wait for the vectors."""
        return self._runner.finish(self)


@functools.lru_cache(maxsize=1)
def _encoder(order: bytes) -> Encoder:
    """Return the model; a process of Ray's keeps it for its next task."""
    # What this package pickled: options have no hash.
    return opened(pickle.loads(order))  # noqa: S301


def _embed(order: ModelOrder, number: int, texts: Sequence[str], version: str) -> Encoded:  # noqa: ARG001 - names the task
    """Embed the texts of a shard; runs on a node."""
    if version != __version__:
        msg = (
            f"a node runs embedsmith {__version__}, and the driver {version}; install one release "
            "on all nodes."
        )
        raise ClusterError(msg)
    encoder = _encoder(pickle.dumps(order))
    return encode(encoder, order.role, texts, lambda *_: None)
