"""A graph of ONNX small enough to be written here, and what it must answer.

Written byte by byte, so that a runtime can be tried where the package ``onnx`` is not installed:
``product = input @ weights`` and ``answer = tanh(scale * product)``. The products and sums are of
small whole numbers, which every precision down to bfloat16 holds exactly: ``product`` must agree to
the last bit on any device, ``answer`` within what an approximate tanh may do.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from embedsmith._typing import F32Array

__all__ = ["INPUT", "OUTPUTS", "expected", "tiny_graph", "tiny_input", "tiny_weights"]

INPUT = "input"
OUTPUTS = ("product", "answer")
_ROWS, _INNER, _COLUMNS = 4, 16, 8
_SCALE = 1.0 / 64.0
_IR_VERSION = 8
_OPSET = 13
_FLOAT = 1


def tiny_input() -> F32Array:
    """Return the input, float32 of shape (4, 16): whole numbers from -3 to 3."""
    numbers = np.arange(_ROWS * _INNER, dtype=np.int64).reshape(_ROWS, _INNER)
    return (numbers * 5 % 7 - 3).astype(np.float32)


def tiny_weights() -> F32Array:
    numbers = np.arange(_INNER * _COLUMNS, dtype=np.int64).reshape(_INNER, _COLUMNS)
    return (numbers * 3 % 5 - 2).astype(np.float32)


def expected() -> dict[str, F32Array]:
    """Return what the graph must answer, by the names of its outputs; both of shape (4, 8)."""
    product = tiny_input() @ tiny_weights()
    return {"product": product, "answer": np.tanh(product * np.float32(_SCALE))}


def tiny_graph() -> bytes:
    """Return the model file's bytes, as onnx.proto lays them out."""
    nodes = [
        _node("MatMul", ("input", "weights"), "product"),
        _node("Mul", ("product", "scale"), "scaled"),
        _node("Tanh", ("scaled",), "answer"),
    ]
    graph = _message(
        *((1, node) for node in nodes),
        (2, b"tiny"),
        (5, _tensor("weights", tiny_weights())),
        (5, _tensor("scale", np.array([_SCALE], dtype=np.float32))),
        (11, _value(INPUT, (_ROWS, _INNER))),
        *((12, _value(name, (_ROWS, _COLUMNS))) for name in OUTPUTS),
    )
    return _message((1, _IR_VERSION), (2, b"embedsmith"), (7, graph), (8, _message((2, _OPSET))))


def _node(operator: str, inputs: Iterable[str], output: str) -> bytes:
    return _message(
        *((1, name.encode()) for name in inputs), (2, output.encode()), (4, operator.encode())
    )


def _tensor(name: str, values: F32Array) -> bytes:
    return _message(
        *((1, size) for size in values.shape),
        (2, _FLOAT),
        (8, name.encode()),
        (9, struct.pack(f"<{values.size}f", *values.ravel().tolist())),
    )


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = _message(*((1, _message((1, size))) for size in shape))
    tensor = _message((1, _FLOAT), (2, dimensions))
    return _message((1, name.encode()), (2, _message((1, tensor))))


def _message(*fields: tuple[int, int | bytes]) -> bytes:
    """Return fields in the wire format of protocol buffers: whole numbers and lengths."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts += [_varint(number << 3), _varint(value)]
        else:
            parts += [_varint(number << 3 | 2), _varint(len(value)), value]
    return b"".join(parts)


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
