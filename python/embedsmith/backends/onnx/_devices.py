"""Which devices ONNX Runtime can use here, and for those it cannot: why, and what mends it."""

from __future__ import annotations

import contextlib
import ctypes
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedsmith._deps import pip_command
from embedsmith.backends._cuda_libraries import FOR_CUDA_12, cuda_remedy, missing_library
from embedsmith.backends._onnxruntime_packages import onnxruntime_packages
from embedsmith.exceptions import DeviceError

if TYPE_CHECKING:
    from embedsmith.backends._onnxruntime_packages import RuntimePackages

__all__ = [
    "CPU_PROVIDER",
    "Device",
    "check_available",
    "did_not_start",
    "gpu_count",
    "gpu_memory_bytes",
    "parse_device",
    "preload",
]

CPU_PROVIDER = "CPUExecutionProvider"
_CUDA_PROVIDER = "CUDAExecutionProvider"
_TENSORRT_PROVIDER = "TensorrtExecutionProvider"
_SPEC = re.compile(r"(cuda|tensorrt)(?::(\d+))?")
_CUDA_13 = 13
_SHARED = {"win32": "onnxruntime_providers_{}.dll"}.get(
    sys.platform, "libonnxruntime_providers_{}.so"
)


@dataclass(frozen=True)
class Device:
    """Where a session runs.

    Attributes
    ----------
    spec : str
        As it was asked for.
    kind : str
        ``"cpu"``, ``"cuda"`` or ``"tensorrt"``.
    index : int or None
        Of the GPU; None means all of them.
    """

    spec: str
    kind: str
    index: int | None = None

    @property
    def providers(self) -> tuple[str, ...]:
        """The runtime's names, the one that must run first in front."""
        return {
            "cpu": (CPU_PROVIDER,),
            "cuda": (_CUDA_PROVIDER,),
            # What TensorRT cannot do, CUDA does.
            "tensorrt": (_TENSORRT_PROVIDER, _CUDA_PROVIDER),
        }[self.kind]

    @property
    def extra(self) -> str:
        """The extra of embedsmith that installs the runtime for it."""
        return "onnx" if self.kind == "cpu" else "onnx-gpu"


def parse_device(spec: str) -> Device:
    """Return the device that a string names.

    Raises
    ------
    DeviceError
        If it names none.
    """
    if spec == "cpu":
        return Device(spec, "cpu")
    match = _SPEC.fullmatch(spec)
    if match is None:
        msg = (
            f"device is {spec!r}; for an ONNX model it must be 'cpu', 'cuda', 'cuda:N', 'tensorrt' "
            "or 'tensorrt:N'."
        )
        raise DeviceError(msg)
    return Device(spec, match[1], None if match[2] is None else int(match[2]))


def gpu_count() -> int | None:
    """Return the number of GPUs that CUDA sees; None if there is no driver.

    Asks the driver itself, so that neither torch nor the CUDA libraries are needed.
    """
    driver = _driver()
    if driver is None or driver.cuInit(0) != 0:
        return None
    count = ctypes.c_int()
    return count.value if driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else None


def gpu_memory_bytes(index: int) -> int | None:
    """Return all the memory of a GPU; None if the driver does not tell it."""
    driver = _driver()
    if driver is None or driver.cuInit(0) != 0:
        return None
    device, total = ctypes.c_int(), ctypes.c_size_t()
    if driver.cuDeviceGet(ctypes.byref(device), index) != 0:
        return None
    return total.value if driver.cuDeviceTotalMem_v2(ctypes.byref(total), device) == 0 else None


def _driver_cuda() -> int | None:
    """Return the newest CUDA, as a major version, that the driver can run."""
    driver, version = _driver(), ctypes.c_int()
    if driver is None or driver.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    return version.value // 1000


def _driver() -> Any:
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def check_available(runtime: Any, device: Device) -> None:
    """Refuse a device that the installed runtime cannot use, before a session is made.

    Parameters
    ----------
    runtime : module
        ``onnxruntime``.
    device : Device
        A GPU.

    Raises
    ------
    DeviceError
        With the reason and the command that mends it.
    """
    packages = onnxruntime_packages()
    damage = packages.damage
    if damage is not None:
        raise _refused(device, f"{damage} Run: {packages.keep('onnxruntime-gpu')}")
    needed = device.providers[0]
    if needed not in runtime.get_available_providers():
        installed = ", ".join(map(str, packages.installed)) or f"onnxruntime {runtime.__version__}"
        raise _refused(
            device,
            f"the installed {installed} has no {needed}. Run: {_install_gpu(packages)}",
        )
    count = gpu_count()
    if not count:
        what = "no NVIDIA driver was found" if count is None else "the driver sees no GPU"
        raise _refused(
            device,
            f"{what}. Check that nvidia-smi lists a GPU, that the container was started with it "
            "(docker run --gpus all), and what CUDA_VISIBLE_DEVICES says",
        )
    if device.index is not None and device.index >= count:
        raise _refused(device, f"there are {count} GPUs. Use '{device.kind}:0'")


def _install_gpu(packages: RuntimePackages) -> str:
    newest = _driver_cuda()
    wanted = "onnxruntime-gpu"
    if newest is not None and newest < _CUDA_13:
        # With CUDA's own libraries, which its packages bring for CUDA 12.
        wanted = FOR_CUDA_12
    install = pip_command("install", wanted)
    if not packages.installed:
        return install
    removed = [package.name for package in packages.installed]
    return f"{pip_command('uninstall', *removed)} && {install}"


def preload(runtime: Any) -> str:
    """Load the CUDA libraries that pip installed; return what went wrong, in the runtime's words.

    torch's own dependencies bring them. The runtime prints what it misses to stdout, where results
    belong.
    """
    load = getattr(runtime, "preload_dlls", None)
    if load is None:
        return ""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        load()
    return " ".join(said.getvalue().split())


def did_not_start(runtime: Any, device: Device, said: str) -> DeviceError:
    """Return the error for a provider that is installed and did not come up."""
    library = "tensorrt" if device.kind == "tensorrt" else "cuda"
    said = _missing_library(runtime, library) or said
    reason = (missing_library(said) or said or "its libraries could not be loaded").rstrip(".")
    newest = _driver_cuda()
    remedy = cuda_remedy(
        said,
        built=str(getattr(runtime, "cuda_version", "") or "") or None,
        driver=None if newest is None else str(newest),
    )
    return _refused(
        device,
        f"{device.providers[0]} did not start: {reason}. {remedy.fix} Run: {remedy.command}; or "
        "see embedsmith doctor",
    )


def _missing_library(runtime: Any, kind: str) -> str | None:
    """Return the loader's own words on why a provider's library does not load."""
    file = Path(runtime.__file__).parent / "capi" / _SHARED.format(kind)
    try:
        ctypes.CDLL(str(file))
    except OSError as error:
        return str(error)
    return None


def _refused(device: Device, reason: str) -> DeviceError:
    msg = (
        f"device={device.spec!r} cannot be used: {reason}; or use device='cpu' (--device cpu). "
        "Nothing was run on the CPU instead."
    )
    return DeviceError(msg)
