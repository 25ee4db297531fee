"""A session of ONNX Runtime, and how a batch goes into it and out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from embedsmith._deps import require
from embedsmith.backends.onnx._graph import FEATURE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from embedsmith._typing import F32Array

__all__ = ["GraphSession", "Place"]

_FATAL_ONLY = 4


class Place(NamedTuple):
    """A device as the runtime names it: ``"cpu"`` or ``"cuda"``, and its number."""

    kind: str
    number: int


class GraphSession:
    """Runs batches on one session.

    With a ``place``, inputs and output are bound: the inputs are copied to where the graph wants
    them, the output is made on the device, and one copy of it goes back once it is complete. On a
    CPU there is nothing to copy, and the runtime's own ``run`` was a little faster there.

    Host memory is not pinned: a batch of 16,384 tokens is less than half a megabyte in and, with
    pooling inside the graph, at most a few megabytes out. Nor are CUDA graphs captured: a capture
    is good for one shape, and shapes vary with the token budget. Not yet measured on a GPU.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        Safe to be run by several threads at once.
    place : Place, optional
        Where the output is made; None for plain ``run``.
    """

    def __init__(self, session: Any, place: Place | None = None) -> None:
        self._session = session
        self._options = _onnxruntime().RunOptions()
        # What a run that fails would write to stderr, its error says.
        self._options.log_severity_level = _FATAL_ONLY
        self.place = place
        self.inputs: dict[str, str] = {one.name: one.type for one in session.get_inputs()}

    def compute(
        self, output: str, feed: Mapping[str, NDArray[np.integer[Any]]]
    ) -> F32Array | NDArray[np.float16]:
        """Return one output of a batch, in host memory.

        Parameters
        ----------
        output : str
            Its name.
        feed : mapping of str to ndarray of shape (n_texts, n_tokens), int32 or int64, C-contiguous
            By the names of the graph's inputs; borrowed for the call.
        """
        if self.place is None:
            (computed,) = self._session.run([output], dict(feed), self._options)
        else:
            computed = self._bound(output, feed, self.place)
        array: F32Array | NDArray[np.float16] = computed
        return array

    def _bound(
        self, output: str, feed: Mapping[str, NDArray[np.integer[Any]]], place: Place
    ) -> Any:
        value = _onnxruntime().OrtValue
        # One for each call: a binding may not be shared by threads, and makes no copy to be kept.
        binding = self._session.io_binding()
        try:
            for name, array in feed.items():
                # Of host memory: the runtime copies what the graph wants elsewhere.
                binding.bind_ortvalue_input(name, value.ortvalue_from_numpy(array))
            binding.bind_output(output, place.kind, place.number)
            binding.synchronize_inputs()
            self._session.run_with_iobinding(binding, self._options)
            binding.synchronize_outputs()
            (computed,) = binding.copy_outputs_to_cpu()
        finally:
            # An error keeps this frame alive for as long as it is looked at. Where the memory ran
            # out, the halves of the batch need what is bound here.
            binding.clear_binding_inputs()
            binding.clear_binding_outputs()
        return computed


def _onnxruntime() -> Any:
    return require("onnxruntime", extra="onnx", feature=FEATURE)
