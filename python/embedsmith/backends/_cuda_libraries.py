"""Which package brings a CUDA library that the GPU provider of ONNX Runtime misses."""

from __future__ import annotations

import re
from typing import NamedTuple

from embedsmith._deps import pip_command

__all__ = ["FOR_CUDA_12", "Remedy", "cuda_remedy", "missing_library"]

# What is on PyPI is built for CUDA 13 from 1.27 on.
FOR_CUDA_12 = "onnxruntime-gpu[cuda,cudnn]<1.27"
_MISSING = re.compile(r"(lib[\w+-]+)\.so\.(\d+)[\d.]*: cannot open shared object file")
# The line that names what a provider itself lacks; others name what it was offered before.
_OF_PROVIDER = re.compile(r"with error: (?=lib)")
# The packages of the toolkit carry the number of CUDA up to this one, and cuDNN's always.
_NUMBERED = 12
_PRESENT = 13
# torch's wheels bring most of them, and not cuRAND.
_PACKAGE_OF = {
    "libcublas": "nvidia-cublas",
    "libcublasLt": "nvidia-cublas",
    "libcudart": "nvidia-cuda-runtime",
    "libcudnn": "nvidia-cudnn",
    "libcufft": "nvidia-cufft",
    "libcurand": "nvidia-curand",
    "libnvrtc": "nvidia-cuda-nvrtc",
    "libnvJitLink": "nvidia-nvjitlink",
    "libnvinfer": "tensorrt",
    "libnvonnxparser": "tensorrt",
}


class Remedy(NamedTuple):
    """What to do, as a sentence and as a command line."""

    fix: str
    command: str


def missing_library(said: str) -> str | None:
    """Return what the loader said of a library that is not there; None if it missed none.

    Parameters
    ----------
    said : str
        What the runtime wrote.

    Examples
    --------
    >>> missing_library("x.so with error: libcurand.so.10: cannot open shared object file: No ...")
    'libcurand.so.10: cannot open shared object file'
    """
    at = _OF_PROVIDER.search(said)
    missing = _MISSING.search(said, at.end() if at else 0)
    return missing[0] if missing else None


def cuda_remedy(why: str, *, built: str | None, driver: str | None) -> Remedy:
    """Return what to do about a CUDA or TensorRT provider that did not come up.

    Parameters
    ----------
    why : str
        What the runtime said.
    built : str or None
        The CUDA version that the runtime was built for.
    driver : str or None
        The newest CUDA version that the driver serves.
    """
    major = _major(built)
    newest = _major(driver)
    if newest is not None and major is not None and newest < major:
        return Remedy(
            f"The driver serves up to CUDA {driver}, and this ONNX Runtime is built for CUDA "
            f"{built}: update the driver, or install the last one that was built for CUDA 12.",
            pip_command("install", FOR_CUDA_12),
        )
    missing = _MISSING.search(why)
    if missing is None or missing[1] not in _PACKAGE_OF:
        return Remedy(
            "Install the CUDA libraries that this ONNX Runtime was built for; if they are there, "
            "update the driver.",
            pip_command("install", "onnxruntime-gpu[cuda,cudnn]"),
        )
    package = _PACKAGE_OF[missing[1]]
    if package == "tensorrt":
        package = f"tensorrt-cu{major or _PRESENT}"
    elif major == _NUMBERED or (major is None and missing[2] == str(_NUMBERED)):
        package = f"{package}-cu{_NUMBERED}"
    elif package == "nvidia-cudnn":
        package = f"{package}-cu{major or _PRESENT}"
    return Remedy(
        f"Install the library that is missing ({missing[1]}).", pip_command("install", package)
    )


def _major(version: str | None) -> int | None:
    first = (version or "").partition(".")[0]
    return int(first) if first.isdecimal() else None
