"""Collects the nodes and constants of an ONNX graph; knows nothing of transformers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._deps import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["BF16", "CONTRIB", "F16", "F32", "I32", "I64", "OPSET", "GraphWriter"]

FEATURE = "Exporting to ONNX"
CONTRIB = "com.microsoft"
# The first with Gelu; later ones would lock out older runtimes for nothing.
OPSET = 20
_IR_VERSION = 9
# Of onnx.TensorProto.
F32, I32, I64, F16, BF16 = 1, 6, 7, 10, 16


class GraphWriter:
    """Writes nodes one after another; every value is known by its name."""

    def __init__(self) -> None:
        self._onnx = require("onnx", extra="onnx", feature=FEATURE)
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._known: dict[tuple[Any, ...], str] = {}
        self._count = 0

    @property
    def operators(self) -> dict[str, int]:
        """Count of nodes by operator, sorted by name."""
        return dict(sorted(Counter(node.op_type for node in self._nodes).items()))

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; return the output's name. ``""`` leaves an input out."""
        return self.ops(kind, inputs, 1, domain=domain, **attributes)[0]

    def ops(
        self, kind: str, inputs: Sequence[str], outputs: int, *, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs; return their names."""
        self._count += 1
        names = [f"{kind}_{self._count}" + (f"_{at}" if at else "") for at in range(outputs)]
        given = list(inputs)
        while given and not given[-1]:
            given.pop()
        self._nodes.append(
            self._onnx.helper.make_node(
                kind, given, names, name=f"n{self._count}_{kind}", domain=domain, **attributes
            )
        )
        return names

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant under its own name; return the name."""
        if name in self._constants:
            msg = f"the graph has two constants {name!r}"
            raise ValueError(msg)
        # ascontiguousarray would make a list of a single number.
        tensor = self._onnx.numpy_helper.from_array(np.array(values, order="C"), name)
        self._constants[name] = tensor
        return name

    def constant_bf16(self, name: str, values: NDArray[np.float32]) -> str:
        """Add a constant rounded to bfloat16, to nearest, ties to even."""
        bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        self._constants[name] = self._onnx.helper.make_tensor(
            name, BF16, values.shape, rounded.astype("<u2").tobytes(), raw=True
        )
        return name

    def ints(self, *values: int) -> str:
        """Return the name of a constant list of int64; equal lists are one constant."""
        key = ("ints", *values)
        if key not in self._known:
            self._known[key] = self.constant(
                f"ints_{'_'.join(map(str, values))}".replace("-", "m"),
                np.asarray(values, dtype=np.int64),
            )
        return self._known[key]

    def scalar(self, value: float, dtype: Any = np.float32) -> str:
        """Return the name of a constant number; equal numbers are one constant."""
        key = ("scalar", value, np.dtype(dtype).str)
        if key not in self._known:
            self._known[key] = self.constant(
                f"scalar_{len(self._known)}", np.asarray(value, dtype=dtype)
            )
        return self._known[key]

    def model(self, output: str, dim: int) -> Any:
        """Return the graph with its two inputs and its one output as an ``onnx.ModelProto``."""
        helper = self._onnx.helper
        self._nodes.append(helper.make_node("Identity", [output], ["embedding"], name="embedding"))
        graph = helper.make_graph(
            self._nodes,
            "embedsmith",
            [
                helper.make_tensor_value_info(name, I64, ["batch", "tokens"])
                for name in ("input_ids", "attention_mask")
            ],
            [helper.make_tensor_value_info("embedding", F32, ["batch", dim])],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == CONTRIB for node in self._nodes):
            opsets.append(helper.make_opsetid(CONTRIB, 1))
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="embedsmith"
        )
