"""Which way of writing a graph is taken for a target and a precision, and which is refused."""

from __future__ import annotations

from embedsmith.backends._export_manifest import PRECISIONS, TARGETS
from embedsmith.backends.export._layers import Plan
from embedsmith.exceptions import ModelError

__all__ = ["plan_for"]


def plan_for(precision: str, target: str) -> Plan:
    """Return how the graph is written.

    On a CPU the plain operators: at the shapes that were tried with all-MiniLM-L6-v2 and
    all-mpnet-base-v2, onnxruntime took no less processor time for the fused attention, and up to
    about a tenth more; other shapes and processors may differ. On CUDA the fused ones, for which
    it has kernels that keep the scores out of memory; not for bfloat16, whose fused kernels are
    not in all its releases.

    Raises
    ------
    ModelError
        If there is no such precision or target, or the two do not go together.
    """
    for what, value, valid in (
        ("precision", precision, PRECISIONS),
        ("target", target, TARGETS),
    ):
        if value not in valid:
            msg = f"{what} is {value!r}; it must be one of {', '.join(valid)}."
            raise ModelError(msg)
    if target == "cpu" and precision == "bf16":
        msg = (
            "bf16 runs on CUDA only: onnxruntime has no bfloat16 product for CPUs. On a CPU take "
            "precision fp32 or int8, or the torch backend in bfloat16: st:MODEL with "
            "precision='bf16'."
        )
        raise ModelError(msg)
    if target == "cpu" and precision == "fp16":
        msg = (
            "fp16 runs on CUDA only: on a CPU onnxruntime would turn each value into float32 and "
            "back. On a CPU take precision fp32, or int8 for a smaller file."
        )
        raise ModelError(msg)
    return Plan(precision, target, fused=target == "cuda" and precision != "bf16")
