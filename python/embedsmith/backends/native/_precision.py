"""Which number format a model may run in here."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from embedsmith import _core
from embedsmith._processor import processor_name
from embedsmith.backends._fingerprint import canonical_json
from embedsmith.backends._sample_texts import sample_digest, sample_texts
from embedsmith.backends.native._choice import Choice
from embedsmith.exceptions import DeviceError, ModelError

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, F64Array
    from embedsmith.backends.native._kept_choices import KeptChoices
    from embedsmith.backends.native._source import NativeSource

__all__ = [
    "NATIVE_FORMATS",
    "NATIVE_PRECISIONS",
    "PRECISIONS",
    "checked_precision",
    "choose",
]

PRECISIONS = ("auto", "f32", "bf16", "int8")
# As exports and torch's users write it.
_ALIASES = {"fp32": "f32"}
NATIVE_PRECISIONS = (*PRECISIONS, *_ALIASES)
# What is computed in, without the word that chooses.
NATIVE_FORMATS = PRECISIONS[1:]

# Cosine with the vectors of f32 over the texts that come with embedsmith, in the mean and at least.
_CLOSE = {"bf16": (0.9999, 0.9995), "int8": (0.999, 0.997)}
# What a processor needs to multiply a format fast, and who says whether it does.
_NEEDS = {
    "bf16": ("AVX-512 BF16 or AMX", _core.has_fast_bf16),
    "int8": ("AVX-512 VNNI or AMX", _core.has_fast_int8),
}
# A format that is not clearly faster than f32 is not worth its rounding.
_GAIN = 1.2


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
        msg = f"precision is {precision!r}; native models run in auto, fp32, bf16 and int8."
        raise ModelError(msg)
    if precision in _NEEDS:
        needs, is_fast = _NEEDS[precision]
        if not is_fast():
            msg = (
                f"precision={precision!r} needs a processor with {needs}, and this one has neither "
                "(or EMBEDSMITH_ISA hides them). Use precision='f32' or 'auto' (--precision)."
            )
            raise DeviceError(msg)
    return precision


def choose(
    source: NativeSource, precision: str, kept: KeptChoices | None = None
) -> tuple[_core.NativeModel, Choice]:
    """Return the loaded model, and why it runs in its format.

    ``"auto"`` takes the fastest format of this processor whose vectors keep close to those of f32
    on the texts that come with embedsmith. ``"int8"`` evens out its ranges by the same texts.

    Parameters
    ----------
    source : NativeSource
        The folder.
    precision : {"auto", "f32", "bf16", "int8"}
        What was asked for.
    kept : KeptChoices, optional
        Where what was found out is looked up, and kept: looking takes seconds.
    """
    if precision in ("f32", "bf16"):
        return source.load(precision), Choice(precision)
    if kept is None:
        return _looked_for(source, precision)[:2]
    key = _key(source, precision)
    found = kept.find(key)
    if found is not None:
        choice, ranges = found
        return source.load(choice.precision, ranges), choice
    model, choice, ranges = _looked_for(source, precision)
    kept.keep(key, choice, ranges)
    return model, choice


def _looked_for(
    source: NativeSource, precision: str
) -> tuple[_core.NativeModel, Choice, F32Array | None]:
    """Return the model in its format, the choice, and the ranges that int8 took."""
    wanted = _candidates() if precision == "auto" else ["int8"]
    exact = source.load("f32")
    if not wanted:
        return exact, Choice("f32"), None
    ids, offsets, _ = exact.tokenize(sample_texts())
    truth, seen = exact.survey(ids, offsets)
    refused: dict[str, str] = {}
    for name in wanted:
        ranges = seen if name == "int8" else None
        model = source.load(name, ranges)
        found = _cosines(truth, model.encode(ids, offsets))
        mean, least = float(found.mean()), float(found.min())
        if precision != "auto" or (mean >= _CLOSE[name][0] and least >= _CLOSE[name][1]):
            return model, Choice(name, mean, least, refused), ranges
        refused[name] = (
            f"cosine {mean:.5f} to f32 in the mean and {least:.5f} at least; {_CLOSE[name][0]} and "
            f"{_CLOSE[name][1]} are asked"
        )
    return exact, Choice("f32", refused=refused), None


def _key(source: NativeSource, precision: str) -> str:
    """Return a hash of all that a choice depends on."""
    told = {
        "asked": precision,
        "close": _CLOSE,
        "gain": _GAIN,
        "isa": _core.isa(),
        "processor": processor_name(),
        "samples": sample_digest(),
        "space": source.fingerprint("f32").digest,
        "version": _core.__version__,
    }
    return hashlib.sha256(canonical_json(told).encode()).hexdigest()


def _candidates() -> list[str]:
    """Return the formats that beat f32 on this processor, fastest first.

    By its peaks, which are far apart where they differ: the order does not hang on a noisy clock.
    """
    peaks = _core.peak_rates()

    def peak(name: str) -> float:
        return max((rate for kind, rate in peaks.items() if kind.endswith(name)), default=0.0)

    fast = [name for name in ("int8", "bf16") if _NEEDS[name][1]()]
    return [name for name in fast if peak(name) >= _GAIN * peak("f32")]


def _cosines(a: F32Array, b: F32Array) -> F64Array:
    a, b = a.astype("f8"), b.astype("f8")
    lengths = (a**2).sum(axis=1) * (b**2).sum(axis=1)
    found: F64Array = (a * b).sum(axis=1) / lengths**0.5
    return found
