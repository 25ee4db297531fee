"""Looks at an ONNX graph before any runtime does: what it needs, and whether it is safe to load."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith.exceptions import ModelError, UnsafeModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["FEATURE", "GraphFacts", "GraphOutput", "read_graph"]

FEATURE = "The ONNX backend"

# The standard's operators, and those that onnxruntime itself brings. Any other is code that a
# library would have to be loaded for.
_DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})
# Operators of these domains that load what somebody compiled.
_LOADING = frozenset({"EPContext", "PyOp", "PythonOp"})
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_TAKEN = ("input_ids", "attention_mask", "token_type_ids")
_AGAIN = "Copy or download the whole folder again, or use another model."
_SENTENCE, _TOKENS = 2, 3


@dataclass(frozen=True)
class GraphOutput:
    """One output of the graph: its name, rank, and width if it is written there."""

    name: str
    rank: int
    width: int | None


@dataclass(frozen=True)
class GraphFacts:
    """What a graph says of itself.

    Attributes
    ----------
    inputs : tuple of str
        Names, of ``input_ids``, ``attention_mask`` and ``token_type_ids``.
    sentence : GraphOutput or None
        The output with one vector per text.
    tokens : GraphOutput or None
        The output with one vector per token.
    vocabulary : int or None
        Rows of the table that ``input_ids`` are looked up in; None if it was not found.
    external : tuple of str
        Names of the files that hold weights beside the graph.
    n_nodes : int
        Operators, those of inner graphs included.
    """

    inputs: tuple[str, ...]
    sentence: GraphOutput | None
    tokens: GraphOutput | None
    vocabulary: int | None
    external: tuple[str, ...]
    n_nodes: int


def read_graph(content: bytes, file: Path) -> GraphFacts:
    """Return what a graph needs, or refuse it.

    Parameters
    ----------
    content : bytes
        The file's content: what is checked is what is loaded.
    file : Path
        For messages, and the folder that its weights may lie in.

    Raises
    ------
    UnsafeModelError
        If it would load code, or a file outside its folder.
    ModelError
        If it is cut off, lacks a file, or is no graph that embeds texts.
    """
    onnx = require("onnx", extra="onnx", feature=FEATURE)
    message = require("google.protobuf.message", extra="onnx", feature=FEATURE)
    if content.startswith(b"version https://git-lfs"):
        msg = f"{file} is a Git LFS pointer, not the graph. Fetch it: git -C {file.parent} lfs pull"
        raise ModelError(msg)
    try:
        model = onnx.load_model_from_string(content)
    except (message.DecodeError, ValueError) as error:
        msg = (
            f"{file} is not a complete ONNX file ({len(content):,} bytes): it is cut off or "
            f"damaged. {_AGAIN}"
        )
        raise ModelError(msg) from error
    graph = model.graph
    if not graph.node or not graph.input or not graph.output:
        msg = f"{file} holds no graph: it is cut off or damaged. {_AGAIN}"
        raise ModelError(msg)
    graphs = [graph, *model.functions]
    nodes = [node for each in graphs for node in _nodes(each)]
    _refuse_code(nodes, file)
    external = _external_files(onnx, graph, nodes, file)
    return GraphFacts(
        inputs=_inputs(onnx, graph, file),
        sentence=_output(onnx, graph, _SENTENCE),
        tokens=_output(onnx, graph, _TOKENS),
        vocabulary=_vocabulary(graph),
        external=external,
        n_nodes=len(nodes),
    )


def _nodes(graph: Any) -> Iterator[Any]:
    """Walk over the nodes of a graph or function, and of the graphs inside their attributes."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _inner_graphs(nodes: list[Any]) -> Iterator[Any]:
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.g, *attribute.graphs)


def _refuse_code(nodes: list[Any], file: Path) -> None:
    for node in nodes:
        foreign = node.domain not in _DOMAINS
        if foreign or node.op_type in _LOADING:
            what = f"{node.domain or 'ai.onnx'}::{node.op_type}"
            msg = (
                f"{file} uses the operator {what}, which runs code that neither ONNX nor "
                "onnxruntime brings; embedsmith loads no libraries for a model. Export it again "
                "with standard operators, or use another model."
            )
            raise UnsafeModelError(msg)


def _external_files(onnx: Any, graph: Any, nodes: list[Any], file: Path) -> tuple[str, ...]:
    """Check every tensor that lies in another file, and return the names of these files."""
    tensors = [tensor for each in (graph, *_inner_graphs(nodes)) for tensor in _tensors(each)]
    for node in nodes:
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                tensors += [sparse.values, sparse.indices]
    stored = [
        tensor
        for tensor in tensors
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data
    ]
    return tuple(sorted({_external_file(tensor, file) for tensor in stored}))


def _external_file(tensor: Any, file: Path) -> str:
    """Return the name of the file that a tensor lies in, if it is one of the graph's folder."""
    facts = {entry.key: entry.value for entry in tensor.external_data}
    name = str(facts.get("location", ""))
    beside = file.parent / name
    if _PLAIN_NAME.fullmatch(name) is None:
        msg = (
            f"{file} takes the weights {tensor.name!r:.60} from {name!r:.120}, which is no "
            "file of its own folder; nothing is read from there. Use another model."
        )
        raise UnsafeModelError(msg)
    if not beside.is_file():
        msg = f"{beside} is missing: {file.name} keeps weights in it. {_AGAIN}"
        raise ModelError(msg)
    if beside.resolve().parent != file.parent.resolve():
        msg = (
            f"{beside} is a link that leads out of its folder, to {beside.resolve()}; nothing "
            "is read from there. If you trust it, copy the folder with its files (cp -rL)."
        )
        raise UnsafeModelError(msg)
    try:
        end = int(facts.get("offset") or 0) + int(facts.get("length") or 0)
    except ValueError as error:
        msg = f"{file} says of {tensor.name!r:.60} no place in {name}: {facts}. {_AGAIN}"
        raise ModelError(msg) from error
    if end > beside.stat().st_size:
        msg = f"{beside} is cut off: it ends before the weights {tensor.name!r:.60}. {_AGAIN}"
        raise ModelError(msg)
    return name


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)


def _inputs(onnx: Any, graph: Any, file: Path) -> tuple[str, ...]:
    given = {tensor.name for tensor in graph.initializer}
    names = []
    for value in graph.input:
        if value.name in given:
            continue
        kind = value.type.tensor_type.elem_type
        whole = kind in (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
        if value.name not in _TAKEN or not whole:
            msg = (
                f"{file} asks for the input {value.name!r:.60}; a text encoder takes "
                f"{', '.join(_TAKEN)}, as whole numbers. Export the encoder alone."
            )
            raise ModelError(msg)
        names.append(value.name)
    if "input_ids" not in names or "attention_mask" not in names:
        msg = (
            f"{file} takes {', '.join(names) or 'no input'}; an encoder that is given several "
            "texts needs input_ids and attention_mask. Export it with both."
        )
        raise ModelError(msg)
    return tuple(names)


def _output(onnx: Any, graph: Any, rank: int) -> GraphOutput | None:
    """Return the output with vectors per text or per token, by its customary name or alone."""
    names = {
        _SENTENCE: ("embedding", "sentence_embedding"),
        _TOKENS: ("last_hidden_state", "token_embeddings"),
    }[rank]
    found = []
    for value in graph.output:
        tensor = value.type.tensor_type
        if tensor.elem_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
            continue
        shape = tensor.shape.dim
        if len(shape) == rank:
            width = shape[-1].dim_value if shape[-1].HasField("dim_value") else None
            found.append(GraphOutput(value.name, rank, width))
    named = [one for name in names for one in found if one.name == name]
    if named:
        return named[0]
    # Vectors of tokens may have any name. Vectors of texts may be a pooler's: not without one.
    return found[0] if rank == _TOKENS and len(found) == 1 else None


def _vocabulary(graph: Any) -> int | None:
    """Return how many ids the table of the first look-up has."""
    same = {"input_ids"}
    tables = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in {"Cast", "Identity"} and same.intersection(node.input):
            same.update(node.output)
        table: tuple[int, ...] | None = None
        # Of weights in 8 bits, which onnxruntime looks up without a check of its own: an id beyond
        # the table gives a vector of nothing.
        looks_up = node.op_type in {"Gather", "GatherBlockQuantized"}
        if looks_up and len(node.input) > 1 and node.input[1] in same:
            table = tables.get(node.input[0])
        elif node.op_type == "EmbedLayerNormalization" and node.input[0] in same:
            table = tables.get(node.input[2])
        if table is not None and len(table) == _SENTENCE:
            return int(table[0])
    return None
