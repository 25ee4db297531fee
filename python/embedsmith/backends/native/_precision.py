"""Which number format a model may run in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith import _core
from embedsmith.backends._sample_texts import sample_texts
from embedsmith.exceptions import DeviceError, ModelError

if TYPE_CHECKING:
    from embedsmith._typing import F64Array
    from embedsmith.backends.native._source import NativeSource

__all__ = [
    "NATIVE_FORMATS",
    "NATIVE_PRECISIONS",
    "PRECISIONS",
    "Choice",
    "checked_precision",
    "choose",
]

PRECISIONS = ("auto", "f32", "bf16")
# As exports and torch's users write it.
_ALIASES = {"fp32": "f32"}
NATIVE_PRECISIONS = (*PRECISIONS, *_ALIASES)
# What is computed in, without the word that chooses.
NATIVE_FORMATS = PRECISIONS[1:]

# Of the vectors of both formats, over the texts that come with embedsmith.
_LEAST_MEAN, _LEAST = 0.9999, 0.9995


@dataclass(frozen=True)
class Choice:
    """The format that was taken.

    Attributes
    ----------
    precision : {"f32", "bf16"}
        The format.
    mean, least : float or None
        Cosine of its vectors with those of f32 on the texts that come with embedsmith; None for
        f32 itself, or if it was not compared.
    """

    precision: str
    mean: float | None = None
    least: float | None = None


def checked_precision(precision: str) -> str:
    """Return a format by its own name; refuse one that is unknown, or that would crawl here.

    Raises
    ------
    ModelError
        If there is no such format.
    DeviceError
        If the processor would have to imitate it, at a fraction of the speed of f32.
    """
    precision = _ALIASES.get(precision, precision)
    if precision not in PRECISIONS:
        msg = (
            f"precision is {precision!r}; native models run in auto, fp32 and bf16. For 8-bit "
            "weights export the model: embedsmith export --precision int8."
        )
        raise ModelError(msg)
    if precision == "bf16" and not _core.has_fast_bf16():
        msg = (
            "precision='bf16' needs a processor with AVX-512 BF16 or AMX, and this one has neither "
            "(or EMBEDSMITH_ISA hides them). Use precision='f32' or 'auto' (--precision)."
        )
        raise DeviceError(msg)
    return precision


def choose(source: NativeSource, precision: str) -> tuple[_core.NativeModel, Choice]:
    """Return the loaded model, and why it runs in its format.

    ``"auto"`` takes bf16 where the processor multiplies it fast and its vectors keep close to those
    of f32 on the texts that come with embedsmith; else f32.
    """
    if precision != "auto":
        return source.load(precision), Choice(precision)
    if not _core.has_fast_bf16():
        return source.load("f32"), Choice("f32")
    exact, fast = source.load("f32"), source.load("bf16")
    cosines = _cosines(exact, fast)
    mean, least = float(cosines.mean()), float(cosines.min())
    if mean >= _LEAST_MEAN and least >= _LEAST:
        return fast, Choice("bf16", mean, least)
    return exact, Choice("f32", mean, least)


def _cosines(exact: _core.NativeModel, fast: _core.NativeModel) -> F64Array:
    ids, offsets, _ = exact.tokenize(sample_texts())
    a, b = (model.encode(ids, offsets).astype("f8") for model in (exact, fast))
    lengths = (a**2).sum(axis=1) * (b**2).sum(axis=1)
    found: F64Array = (a * b).sum(axis=1) / lengths**0.5
    return found
