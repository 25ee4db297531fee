"""Runs batches: several at once, halved where memory runs out, searched where a vector is bad."""

from __future__ import annotations

import logging
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedsmith._phrases import counted
from embedsmith.backends._texts import excerpt
from embedsmith.exceptions import DeviceMemoryError, EmbedsmithError, ModelError, NonFiniteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embedsmith._typing import BoolArray, F32Array, I64Array
    from embedsmith.backends._protocol import BatchModel, TokenizedTexts

__all__ = ["BatchRunner"]

_logger = logging.getLogger(__name__)

_REMEDY = (
    "If the weights are float16, convert them to float32; else the weights are damaged: take the "
    "model from its source again."
)


class _Part(NamedTuple):
    """What can be kept of a batch, and why the rest of it cannot."""

    positions: I64Array
    vectors: F32Array
    failure: EmbedsmithError | None = None


class BatchRunner:
    """Runs the batches of one call.

    Parameters
    ----------
    model : BatchModel
        What computes.
    position : callable
        From the place of a unique text to where the caller passed it.
    """

    def __init__(self, model: BatchModel, position: Callable[[int], int]) -> None:
        self._model = model
        self._position = position
        self._in_flight = max(1, model.in_flight)
        # Padded tokens that did not fit; batches of as many are cut before they are tried.
        self._too_many: int | None = None
        self._threads: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Wait for what still runs, and end the threads."""
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(
                self._in_flight, thread_name_prefix="embedsmith-batch"
            )
        return self._threads

    def run(
        self, tokenized: TokenizedTexts, batches: list[I64Array], places: I64Array
    ) -> Iterator[tuple[I64Array, F32Array]]:
        """Yield each batch with its vectors; in their order unless several run at once.

        When one fails, those that run beside it are still yielded before its error is raised:
        what was computed, or paid for, is not lost. So are the other texts of a batch in which one
        has a vector that cannot be used, if vectors do not depend on their batch.

        Parameters
        ----------
        tokenized : TokenizedTexts
            The texts.
        batches : list of ndarray of shape (n_batch,), int64
            Positions in them.
        places : ndarray of shape (n_texts,), int64
            From a position to the place of the unique text, for messages.
        """
        # A batch alone has nothing to run beside, and a thread would have to be woken for it. Not
        # for a service: what is paid for has to outlive an interrupt.
        single = len(batches) == 1 and not self._asks_a_service
        if self._in_flight > 1 and not single:
            yield from self._together(self._pool(), tokenized, batches, places)
            return
        for batch in batches:
            part = self._whole(tokenized, batch, places)
            if len(part.positions):
                yield part.positions, part.vectors
            if part.failure is not None:
                raise part.failure

    def _together(
        self,
        threads: ThreadPoolExecutor,
        tokenized: TokenizedTexts,
        batches: list[I64Array],
        places: I64Array,
    ) -> Iterator[tuple[I64Array, F32Array]]:
        waiting = deque(batches)
        running: set[Future[_Part]] = set()
        failure: BaseException | None = None
        self._tell("resume")
        while running or (waiting and failure is None):
            try:
                while waiting and failure is None and len(running) < self._in_flight:
                    running.add(threads.submit(self._whole, tokenized, waiting.popleft(), places))
                done, _ = wait(running, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt as error:
                if failure is not None:
                    # Asked a second time to stop: what still runs is given up, not waited for.
                    self._give_up()
                    raise
                failure = error
                self._tell("halt")
                self._say_waiting(len(running))
                continue
            for task in done:
                running.remove(task)
                failed = task.exception()
                if failed is None:
                    part = task.result()
                    if len(part.positions):
                        yield part.positions, part.vectors
                    failed = part.failure
                if failed is not None and failure is None:
                    failure = failed
                    self._tell("halt")
        if failure is not None:
            raise failure

    def _give_up(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    def _say_waiting(self, n_running: int) -> None:
        if self._asks_a_service:
            _logger.warning(
                "%s: %s under way, and paid for: waiting for the answers. Ctrl-C again gives them "
                "up.",
                self._model.name,
                counted(n_running, "request"),
            )

    @property
    def _asks_a_service(self) -> bool:
        return hasattr(self._model, "halt")

    def _tell(self, what: str) -> None:
        """Tell a model that asks a service: a run begins, or nothing need be tried again."""
        hear = getattr(self._model, what, None)
        if hear is not None:
            hear()

    def _whole(self, tokenized: TokenizedTexts, batch: I64Array, places: I64Array) -> _Part:
        """Compute a batch and refuse what no search can rank."""
        computed = self._fitting(tokenized, batch)
        unusable = _unusable(computed)
        if not unusable.any():
            return _Part(batch, computed)
        failure = self._refusal(tokenized, batch, computed, places)
        # Where a neighbour may have had a part in it, nothing beside the bad row is trusted.
        good = np.flatnonzero(~unusable) if self._model.batch_invariant else batch[:0]
        return _Part(batch[good], computed[good], failure)

    def _fitting(self, tokenized: TokenizedTexts, batch: I64Array) -> F32Array:
        """Compute a batch in as many parts as the memory asks for."""
        padded = len(batch) * max(1, int(tokenized.n_tokens[batch].max(initial=0)))
        limit = self._model.token_limit(tokenized.role)
        if limit is not None:
            padded = min(padded, len(batch) * limit)
        if self._too_many is None or padded < self._too_many or len(batch) == 1:
            try:
                return self._once(tokenized, batch)
            except DeviceMemoryError as error:
                if len(batch) == 1:
                    raise
                self._too_many = padded if self._too_many is None else min(self._too_many, padded)
                _logger.warning(
                    "%s: a batch of %d texts (%d padded tokens) does not fit into the device's "
                    "memory, so batches of this size run in halves from now on; the last bits of "
                    "their vectors may differ. A smaller batch_size (--batch-size) avoids the "
                    "failed attempt. (%s)",
                    self._model.name,
                    len(batch),
                    padded,
                    error,
                )
        middle = (len(batch) + 1) // 2
        parts = (batch[:middle], batch[middle:])
        return np.concatenate([self._fitting(tokenized, part) for part in parts])

    def _once(self, tokenized: TokenizedTexts, batch: I64Array) -> F32Array:
        computed: Any = self._model.encode_tokenized(tokenized, batch)
        if computed.shape != (len(batch), self._model.dim):
            msg = (
                f"{self._model.name} answered shape {computed.shape} for {len(batch)} texts; "
                f"({len(batch)}, {self._model.dim}) was expected. The folder's configuration and "
                "its weights disagree: take the model from its source again."
            )
            raise ModelError(msg)
        vectors: F32Array = computed
        return vectors

    def _refusal(
        self, tokenized: TokenizedTexts, batch: I64Array, vectors: F32Array, places: I64Array
    ) -> EmbedsmithError:
        """Name the text whose vector is bad; its neighbours' may be bad because of it.

        Returns a NonFiniteError for NaN or infinity, a ModelError for the zero vector.
        """
        suspects = batch
        if self._model.batch_invariant:
            # No neighbour has a part in it, and a service would be paid for each further look.
            bad = np.flatnonzero(_unusable(vectors))[:1]
            suspects, vectors = batch[bad], vectors[bad]
        while len(suspects) > 1:
            middle = (len(suspects) + 1) // 2
            for half in (suspects[:middle], suspects[middle:]):
                computed = self._fitting(tokenized, half)
                if _unusable(computed).any():
                    suspects, vectors = half, computed
                    break
            else:
                break
        row = int(np.argmax(_unusable(vectors)))
        at = int(suspects[row])
        position = self._position(int(places[at]))
        text = f"texts[{position}] ({excerpt(tokenized.texts[at])})"
        alone = (
            ""
            if len(suspects) == 1
            else f", though only in one batch with {len(suspects) - 1} other texts"
        )
        name = self._model.name
        if not np.isfinite(vectors[row]).all():
            msg = (
                f"{name} answered NaN or infinity for {text}{alone}. "
                f"{getattr(self._model, 'remedy', _REMEDY)}"
            )
            not_finite = NonFiniteError(msg)
            not_finite.position = position
            return not_finite
        msg = (
            f"{name} answered the zero vector for {text}{alone}, which is equally far from "
            "everything. Drop this text, or use another model."
        )
        zero = ModelError(msg)
        zero.position = position
        return zero


def _unusable(vectors: F32Array) -> BoolArray:
    """Tell which rows hold NaN or infinity, or are all zero."""
    usable = np.logical_and(np.isfinite(vectors).all(axis=1), vectors.any(axis=1))
    return np.logical_not(usable)
