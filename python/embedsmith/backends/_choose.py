"""Which backend runs a model that was named without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith import _core
from embedsmith.backends._export_manifest import MANIFEST_FILE
from embedsmith.backends._resolve import locate_model
from embedsmith.backends._spec import bare_name
from embedsmith.backends.native import NATIVE_PRECISIONS, why_not_native

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Chosen", "choose_backend", "resolve_spec"]


@dataclass(frozen=True)
class Chosen:
    """The backend that was chosen for a model.

    Attributes
    ----------
    spec : str
        What runs the model, its backend included: ``"native:all-MiniLM-L6-v2"``.
    reason : str
        Why it is this backend.
    """

    spec: str
    reason: str


def choose_backend(
    name: str,
    *,
    device: str = "cpu",
    precision: str | None = None,
    trust_remote_code: bool = False,
    allow_download: bool = False,
) -> Chosen:
    """Return the spec with the backend that suits a model, this processor and what is asked.

    An export runs by onnxruntime. Anything else runs natively on a CPU with vector instructions
    if its layers do, else by sentence-transformers.

    Parameters
    ----------
    name : str
        A folder, or a name as `resolve_model` takes it.
    device, precision, trust_remote_code, allow_download
        As of `load_encoder`.

    Raises
    ------
    ModelError
        If there is no such model; names the nearest one.
    """
    path = locate_model(name, allow_download=allow_download).path
    if (path / MANIFEST_FILE).is_file():
        return Chosen(f"onnx:{name}", f"the folder is an export ({MANIFEST_FILE})")
    against = _against_native(path, device, precision, trust_remote_code=trust_remote_code)
    if against is not None:
        return Chosen(f"st:{name}", f"not native, since {against}")
    return Chosen(f"native:{name}", f"its layers run natively on this CPU ({_core.isa()})")


def _against_native(
    path: Path, device: str, precision: str | None, *, trust_remote_code: bool
) -> str | None:
    if device != "cpu":
        return f"native models run on the CPU, and the device is {device}"
    if trust_remote_code:
        return "a native model runs no code of its own, and trust_remote_code is given"
    if precision is not None and precision not in NATIVE_PRECISIONS:
        return f"native models do not run in {precision}"
    if _core.isa() == "scalar":
        return "only the scalar instruction set is in use here (EMBEDSMITH_ISA, or the processor)"
    return why_not_native(path)


def resolve_spec(
    spec: str,
    *,
    device: str = "cpu",
    precision: str | None = None,
    trust_remote_code: bool = False,
    allow_download: bool = False,
) -> Chosen | None:
    """Return what a spec that names no backend stands for; None if it names one.

    Parameters
    ----------
    spec : str
        As for `load_encoder`.
    device, precision, trust_remote_code, allow_download
        Likewise.

    Returns
    -------
    Chosen or None
        The spec that `load_encoder` would open, and why.

    Raises
    ------
    ModelError
        If there is no such model; names the nearest one.

    Examples
    --------
    >>> resolve_spec("st:all-MiniLM-L6-v2") is None
    True
    """
    name = bare_name(spec)
    if name is None:
        return None
    return choose_backend(
        name,
        device=device,
        precision=precision,
        trust_remote_code=trust_remote_code,
        allow_download=allow_download,
    )
