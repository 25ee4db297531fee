"""Whether the native encoder computes here, and how near it comes to what the processor can do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from embedsmith import _core
from embedsmith.diagnosis._parts import Ability, Fact, Finding, Section

if TYPE_CHECKING:
    from embedsmith.diagnosis._apart import Ended

__all__ = ["native_section"]

_ISA = "EMBEDSMITH_ISA"
_REPORT = "Report it with the output of: embedsmith doctor --json"
# Cosine with float32, of two layers.
_NEAR = 0.99
# What a whole layer, attention and normalisations included, reaches of products in registers on a
# machine with nothing else to do is twice as much. Tiles multiply faster than caches deliver.
_POOR, _POOR_TILES = 0.25, 0.08


def native_section(ended: Ended) -> Section:
    """Tell how fast each precision runs, as a share of the measured peak.

    Parameters
    ----------
    ended : Ended
        Of `embedsmith.diagnosis._run_native`.
    """
    rates = [_rate(each) for each in ended.answers if "precision" in each]
    wrong = [each["precision"] for each in rates if each["close"] < _NEAR]
    findings = [_wrong(precision) for precision in wrong]
    if ended.how != "done":
        findings.append(_stopped(ended))
    findings += [_slow(each) for each in rates if _is_slow(each)]
    works = ended.how == "done" and bool(rates) and not wrong
    said = "; ".join(map(_told, rates)) if works else "the self-test did not succeed"
    ability = Ability("native", works, f"computes in {_listed(rates)}" if works else said)
    if not works and findings:
        ability = Ability("native", works, said, findings[0].fix, findings[0].command)
    facts = (
        *(Fact(each["precision"], each, _told(each)) for each in rates),
        Fact("seconds", ended.seconds, f"{ended.seconds:.1f} s for the self-test"),
    )
    return Section("native", "Native encoder", said, facts, tuple(findings), (ability,))


def _rate(answer: dict[str, Any]) -> dict[str, Any]:
    peak = answer["peak"]
    return {**answer, "share": None if peak is None else answer["alone"] / peak}


def _told(rate: dict[str, Any]) -> str:
    unit = "GOP/s" if rate["precision"] == "int8" else "GFLOP/s"
    share = "" if rate["share"] is None else f" ({rate['share']:.0%} of the peak)"
    text = f"{rate['precision']} {rate['alone']:,.0f} {unit} by one thread{share}"
    if rate["threads"] > 1:
        text += f", {rate['together']:,.0f} by {rate['threads']}"
    return text


def _listed(rates: list[dict[str, Any]]) -> str:
    return ", ".join(each["precision"] for each in rates)


def _is_slow(rate: dict[str, Any]) -> bool:
    by_tiles = rate["precision"] != "f32" and _core.isa() == "amx"
    return rate["share"] is not None and rate["share"] < (_POOR_TILES if by_tiles else _POOR)


def _slow(rate: dict[str, Any]) -> Finding:
    return Finding(
        "native-slow",
        "warning",
        f"The native encoder reaches {rate['share']:.0%} of what this processor can multiply in "
        f"{rate['precision']}, {rate['alone']:,.0f} of {rate['peak']:,.0f} billion operations a "
        "second by one thread.",
        "Look again while nothing else runs; if it stays, set EMBEDSMITH_NUM_THREADS to the cores "
        f"that are free, unset {_ISA}, and turn power saving off.",
        "embedsmith doctor",
    )


def _wrong(precision: str) -> Finding:
    return Finding(
        "native-wrong",
        "problem",
        f"Vectors that the native encoder computes in {precision} are far from those of float32: "
        "this processor or its virtual machine computes wrongly, or it is a bug in embedsmith.",
        f"Compute in float32 until it is clear (--precision fp32). {_REPORT}",
    )


def _stopped(ended: Ended) -> Finding:
    begun = [each["trying"] for each in ended.answers if "trying" in each]
    forced = f" ({_ISA}={os.environ[_ISA]})" if os.environ.get(_ISA) else ""
    where = f" in {begun[-1]}{forced}" if begun else forced
    return Finding(
        "native-stopped",
        "problem",
        f"The self-test of the native encoder{where} did not end well: {ended.reason}.",
        f"Load models with st: until it is clear. {_REPORT}",
    )
