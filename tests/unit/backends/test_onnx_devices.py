"""What is said where a device cannot be used, and how sessions are set up; no GPU is needed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra 'onnx'")
onnxruntime: Any = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

from embedsmith.backends import load_encoder  # noqa: E402
from embedsmith.backends._onnxruntime_packages import RuntimePackage, RuntimePackages  # noqa: E402
from embedsmith.backends.onnx import OnnxEncoder, _devices, _sessions  # noqa: E402
from embedsmith.backends.onnx._devices import Device, parse_device  # noqa: E402
from embedsmith.backends.onnx._sessions import SessionMaker, translated  # noqa: E402
from embedsmith.backends.onnx._tensorrt import padded_width, provider_options  # noqa: E402
from embedsmith.exceptions import DeviceError, DeviceMemoryError, ModelError  # noqa: E402
from tests.unit.backends.onnx_folders import graph, write  # noqa: E402

CUDA = parse_device("cuda")
WITH_CUDA = SimpleNamespace(
    get_available_providers=lambda: ["TensorrtExecutionProvider", "CUDAExecutionProvider"],
    __file__=onnxruntime.__file__,
    __version__="1.32.0",
    cuda_version="13.0",
)


def packages(*names: str) -> RuntimePackages:
    here = Path("site-packages")
    each = tuple(RuntimePackage(name, "1.32.0", here, 10, 10, 0) for name in names)
    return RuntimePackages(each, names[0], None)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set what is installed, how many GPUs there are, and the newest CUDA of the driver."""

    def make(*names: str, gpus: int | None = 1, cuda: int | None = 13) -> None:
        monkeypatch.setattr(_devices, "onnxruntime_packages", lambda: packages(*names))
        monkeypatch.setattr(_devices, "gpu_count", lambda: gpus)
        monkeypatch.setattr(_devices, "_driver_cuda", lambda: cuda)

    return make


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "tensorrt:-1", "CPU", ""])
def test_a_device_that_is_none_is_refused(tmp_path: Path, device: str) -> None:
    path = write(tmp_path / "m")
    with pytest.raises(DeviceError, match="'cpu', 'cuda', 'cuda:N', 'tensorrt'"):
        load_encoder(f"onnx:{path}", device=device, cache=False)


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="there is CUDA here"
)
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "tensorrt"])
def test_without_the_gpu_package_nothing_runs_on_the_cpu(tmp_path: Path, device: str) -> None:
    encoder = load_encoder(f"onnx:{write(tmp_path / 'm')}", device=device, cache=False)
    with pytest.raises(
        DeviceError, match=r"has no (CUDA|Tensorrt)ExecutionProvider\. Run: .*onnxruntime-gpu"
    ) as caught:
        encoder.encode(["w1"], role="query")
    # The CPU package goes first: the two overwrite each other.
    assert str(caught.value).index("uninstall") < str(caught.value).index("onnxruntime-gpu")


def test_two_runtimes_are_named_with_the_commands_that_leave_one(machine: Any) -> None:
    machine("onnxruntime", "onnxruntime-gpu")
    with pytest.raises(DeviceError, match=r"overwrite each other.*uninstall.*install"):
        _devices.check_available(WITH_CUDA, CUDA)


def test_a_driver_for_cuda_12_is_told_which_release_it_can_use(machine: Any) -> None:
    machine("onnxruntime", cuda=12)
    with pytest.raises(DeviceError, match=r"onnxruntime-gpu\[cuda,cudnn\]<1\.27"):
        _devices.check_available(onnxruntime, CUDA)
    error = _devices.did_not_start(WITH_CUDA, CUDA, "")
    assert "The driver serves up to CUDA 12, and this ONNX Runtime is built for CUDA 13.0" in str(
        error
    )
    assert "onnxruntime-gpu[cuda,cudnn]<1.27" in str(error)


@pytest.mark.parametrize(
    ("gpus", "message"), [(None, "no NVIDIA driver was found"), (0, "the driver sees no GPU")]
)
def test_a_machine_without_gpu_says_so(machine: Any, gpus: int | None, message: str) -> None:
    machine("onnxruntime-gpu", gpus=gpus)
    with pytest.raises(DeviceError, match=message):
        _devices.check_available(WITH_CUDA, CUDA)


def test_a_gpu_that_is_not_there_is_named(machine: Any) -> None:
    machine("onnxruntime-gpu", gpus=2)
    _devices.check_available(WITH_CUDA, parse_device("cuda:1"))
    with pytest.raises(DeviceError, match=r"there are 2 GPUs\. Use 'cuda:0'"):
        _devices.check_available(WITH_CUDA, parse_device("cuda:2"))


def test_a_provider_that_does_not_start_says_which_library_is_missing(machine: Any) -> None:
    machine("onnxruntime-gpu")
    # The CPU package has no such library either, so the loader's own words are real ones.
    error = str(_devices.did_not_start(WITH_CUDA, CUDA, ""))
    assert "onnxruntime_providers_cuda" in error
    assert "onnxruntime-gpu[cuda,cudnn]" in error
    assert "Nothing was run on the CPU instead" in error


def test_a_library_that_torch_does_not_bring_is_named_with_its_package(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("onnxruntime-gpu")
    said = "libcurand.so.10: cannot open shared object file: No such file or directory"
    monkeypatch.setattr(_devices, "_missing_library", lambda *_: said)
    error = str(_devices.did_not_start(WITH_CUDA, CUDA, ""))
    assert "did not start: libcurand.so.10: cannot open shared object file. " in error
    assert "install nvidia-curand;" in error


class Session:
    """As the runtime's: some operators on the CPU."""

    def __init__(self, first: str, *on_cpu: str) -> None:
        self.first, self.on_cpu = first, on_cpu

    def get_providers(self) -> list[str]:
        return [self.first, "CPUExecutionProvider"]

    def get_inputs(self) -> list[Any]:
        return []

    def get_session_options(self) -> Any:
        return SimpleNamespace(get_session_config_entry=lambda _: "1")

    def get_provider_graph_assignment_info(self) -> list[Any]:
        nodes = [SimpleNamespace(op_type=name) for name in self.on_cpu]
        return [SimpleNamespace(ep_name="CPUExecutionProvider", get_nodes=lambda: nodes)]


def check(session: Session) -> None:
    maker = SessionMaker(Path("model.onnx"), b"")
    maker._check_providers(WITH_CUDA, session, CUDA, "")


def test_operators_on_shapes_may_stay_on_the_cpu_and_matrix_products_may_not() -> None:
    check(Session("CUDAExecutionProvider", "Shape", "Gather", "Concat"))
    with pytest.raises(DeviceError, match="MatMul, Softmax would run on the CPU"):
        check(Session("CUDAExecutionProvider", "Shape", "Softmax", "MatMul"))


def test_a_session_that_fell_back_to_the_cpu_is_refused(machine: Any) -> None:
    machine("onnxruntime-gpu")
    with pytest.raises(DeviceError, match="CUDAExecutionProvider did not start"):
        check(Session("CPUExecutionProvider"))


class Made:
    """Stands for ``InferenceSession``: keeps what it was asked, and is a session on CUDA."""

    def __init__(self, *refusals: str) -> None:
        self.refusals = list(refusals)
        self.asked: list[tuple[Any, list[str], int]] = []

    def __call__(
        self, _: bytes, options: Any, *, providers: list[Any], enable_fallback: int
    ) -> Any:
        names = [one if isinstance(one, str) else one[0] for one in providers]
        self.asked.append((options, names, enable_fallback))
        if self.refusals:
            raise RuntimeError(self.refusals.pop(0))
        return Session("CUDAExecutionProvider", "Shape")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let sessions on CUDA be made, by the stand-in that is returned."""

    def make(*refusals: str) -> Made:
        stand_in = Made(*refusals)
        monkeypatch.setattr(_sessions, "check_available", lambda *_: None)
        monkeypatch.setattr(onnxruntime, "InferenceSession", stand_in)
        return stand_in

    return make


def entry(options: Any, name: str) -> str | None:
    try:
        return str(options.get_session_config_entry(f"session.{name}"))
    except RuntimeError:
        return None


def test_a_session_on_a_gpu_is_forbidden_to_fall_back(made: Any) -> None:
    stand_in = made()
    session = SessionMaker(Path("model.onnx"), b"").on_gpu(CUDA, 3, {})
    assert session.place == ("cuda", 3)
    ((options, providers, fallback),) = stand_in.asked
    assert providers == ["CUDAExecutionProvider"]
    assert entry(options, "disable_cpu_ep_fallback") == "1"
    # The library's own, in Python, which makes a session on the CPU in silence.
    assert fallback == 0


def test_a_graph_with_operators_on_shapes_is_asked_for_again_and_watched(made: Any) -> None:
    stand_in = made("fallback to CPU EP has been explicitly disabled by the user")
    SessionMaker(Path("model.onnx"), b"").on_gpu(CUDA, 0, {})
    _, (options, providers, fallback) = stand_in.asked
    assert providers == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert entry(options, "disable_cpu_ep_fallback") is None
    assert entry(options, "record_ep_graph_assignment_info") == "1"
    assert fallback == 0


def test_another_refusal_is_not_asked_again(made: Any) -> None:
    stand_in = made("CUDA failure 999: unknown error")
    with pytest.raises(DeviceError, match="cannot be loaded on device='cuda': CUDA failure 999"):
        SessionMaker(Path("model.onnx"), b"").on_gpu(CUDA, 0, {})
    assert len(stand_in.asked) == 1


def test_what_the_runtime_prints_while_loading_is_kept_from_stdout(
    capsys: pytest.CaptureFixture[str],
) -> None:
    loud = SimpleNamespace(preload_dlls=lambda: print("Failed to load\n libcudart.so.13"))  # noqa: T201
    assert _devices.preload(loud) == "Failed to load libcudart.so.13"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Failed to allocate memory for requested buffer of size 1234", DeviceMemoryError),
        ("CUDA failure 2: out of memory ; GPU=0", DeviceMemoryError),
        ("std::bad_alloc", DeviceMemoryError),
        ("Non-zero status code returned while running Gather node", ModelError),
    ],
)
def test_the_runtime_s_errors_are_told_apart(text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=text[:12]), translated(Path("model.onnx"), "cuda"):
        raise RuntimeError(text)


def test_an_error_of_the_arena_tells_what_is_missing_and_not_where_it_was_thrown() -> None:
    # The words of onnxruntime 1.32 where the limit of its own arena is reached.
    text = (
        "Error in execution: Non-zero status code returned while running Add node. Name:'/layer.0/"
        "attention/self/Add' Status Message: /onnxruntime_src/onnxruntime/core/framework/"
        "bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, "
        "onnxruntime::Stream*) Available memory of 38831104 is smaller than requested bytes of "
        "46476288\n"
    )
    with pytest.raises(DeviceMemoryError) as caught, translated(Path("model.onnx"), "cuda:1"):
        raise RuntimeError(text)
    said = "Available memory of 38831104 is smaller than requested bytes of 46476288. Free memory"
    assert said in str(caught.value)
    assert "BFCArena::" not in str(caught.value)


def test_a_gpu_s_arena_is_limited_by_what_the_driver_says_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def total(reference: Any, device: Any) -> int:
        reference._obj.value = (device.value + 1) * 1000
        return 0

    def number(reference: Any, index: int) -> int:
        reference._obj.value = index
        return 0

    driver = SimpleNamespace(
        cuInit=lambda _: 0,
        cuDeviceGet=number,
        cuDeviceTotalMem_v2=total,
        cuDeviceGetCount=lambda reference: number(reference, 3),
    )
    monkeypatch.setattr(_devices, "_driver", lambda: driver)
    encoder = OnnxEncoder(write(tmp_path / "m"))
    options = provider_options(CUDA, 2, encoder)["CUDAExecutionProvider"]
    assert (options["device_id"], options["gpu_mem_limit"]) == ("2", "2700")
    driver.cuDeviceTotalMem_v2 = lambda *_: 999
    assert "gpu_mem_limit" not in provider_options(CUDA, 2, encoder)["CUDAExecutionProvider"]
    assert "does not tell the memory of GPU 2" in caplog.text


def test_the_options_bound_threads_and_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "m")
    file = path / "onnx" / "model.onnx"
    maker = SessionMaker(file, file.read_bytes())
    options = maker.options(3)
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    assert not options.enable_mem_pattern
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"
    # The runtime's own is milliseconds: on a busy machine a query takes several times as long.
    assert 0 < int(options.get_session_config_entry("session.intra_op.spin_duration_us")) <= 50
    session = maker.on_cpu(1)
    assert session._session.get_providers() == ["CPUExecutionProvider"]
    # Bound, it gives the same bits there, no sooner.
    assert session.place is None


def test_tensorrt_gets_a_profile_few_lengths_and_a_cache_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))
    device = Device("tensorrt", "tensorrt")
    encoder = OnnxEncoder(write(tmp_path / "m"), device="tensorrt", batch_size=48)
    options = provider_options(device, 1, encoder)["TensorrtExecutionProvider"]
    assert options["trt_profile_min_shapes"] == "input_ids:1x12,attention_mask:1x12"
    assert options["trt_profile_max_shapes"] == "input_ids:48x12,attention_mask:48x12"
    assert options["device_id"] == "1"
    assert encoder.fingerprint.digest[:32] in options["trt_engine_cache_path"]
    long = SimpleNamespace(max_tokens=512)
    widths = {padded_width(device, n, long) for n in range(1, 513)}
    assert widths == {16, 32, 64, 128, 256, 512}
    assert padded_width(CUDA, 37, long) == 37


def test_tensorrt_gets_a_profile_of_every_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))
    inputs = ("input_ids", "token_type_ids", "attention_mask")
    folder = write(tmp_path / "m", graph(inputs=inputs))
    encoder = OnnxEncoder(folder, device="tensorrt", batch_size=8)
    device = Device("tensorrt", "tensorrt")
    options = provider_options(device, 0, encoder)["TensorrtExecutionProvider"]
    assert options["trt_profile_opt_shapes"] == ",".join(f"{name}:8x12" for name in inputs)


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(tmp_path: Path) -> None:
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("no onnxruntime-gpu; the CPU twin is test_vectors_are_those_computed_by_hand")
    path = write(tmp_path / "m", graph())
    texts = [f"w{n % 30} w{n % 7}" for n in range(100)]
    on_gpu = OnnxEncoder(path, device="cuda").encode(texts, role="document").vectors
    on_cpu = OnnxEncoder(path).encode(texts, role="document").vectors
    assert np.abs(on_gpu - on_cpu).max() <= 1e-4
