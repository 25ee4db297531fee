"""PyTorch and sentence-transformers: whether they load and compute, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith._deps import pip_command
from embedsmith._phrases import counted
from embedsmith.diagnosis._gpu import NO_CARD_FIX
from embedsmith.diagnosis._libraries import installed_version
from embedsmith.diagnosis._parts import Ability, Fact, Finding, Section, can, cannot

if TYPE_CHECKING:
    from embedsmith.diagnosis._apart import Ended
    from embedsmith.diagnosis._gpu import Cards

__all__ = ["torch_section"]

_INSTALL = pip_command("install", "embedsmith[st]")
_REINSTALL = pip_command("install", "--force-reinstall", "embedsmith[st]")


def torch_section(ended: Ended | None, cards: Cards) -> Section:
    """Tell whether PyTorch computes rightly on each device.

    Parameters
    ----------
    ended : Ended or None
        Of `embedsmith.diagnosis._run_torch`; None if PyTorch is not installed.
    cards : Cards
        What the driver told.
    """
    if ended is None:
        missing = "PyTorch is not installed"
        abilities = tuple(
            cannot(name, missing, "Install it.", _INSTALL) for name in ("st", "st-cuda")
        )
        return Section("torch", "PyTorch", "not installed", abilities=abilities, present=False)
    first = ended.answers[0] if ended.answers else {}
    devices = {each["device"]: each for each in ended.answers if "device" in each}
    imported = [each["imported"] for each in ended.answers if "imported" in each]
    version = first.get("version") or installed_version("torch") or "unknown"
    cuda = first.get("cuda")
    findings = [*_failures(ended, version), *_wrong(devices), *_without_card(first, cards)]
    runs = [name for name, each in devices.items() if each["right"]]
    facts = (
        Fact("version", version, version),
        Fact("cuda", cuda, cuda or ("built without CUDA" if first else "unknown")),
        Fact("threads", first.get("threads"), str(first.get("threads", "unknown"))),
        Fact("capability", first.get("capability"), str(first.get("capability", "unknown"))),
        Fact("runs_on", runs, ", ".join(runs) or "nothing"),
        Fact("imported", imported, ", ".join(imported) or "not tried"),
        Fact("seconds", ended.seconds, f"{ended.seconds:.1f} s to import and try it"),
    )
    build = f"built for CUDA {cuda}" if cuda else "built without CUDA"
    if ended.how == "done":
        summary = f"{version}, {build}; computes on {', '.join(runs) or 'nothing'}"
        summary += f", {counted(first['threads'], 'thread')}"
    else:
        summary = f"{version}: {ended.reason}"
    return Section(
        "torch",
        "PyTorch",
        summary,
        facts,
        tuple(findings),
        (_st(ended, runs, imported), _cuda_of(ended, runs, findings, cards)),
    )


def _failures(ended: Ended, version: str) -> list[Finding]:
    if ended.how == "done":
        return []
    return [
        Finding(
            "torch-fails",
            "problem",
            f"torch {version} was tried in a process of its own, and failed: {ended.reason}.",
            "Install it again.",
            _REINSTALL,
        )
    ]


def _wrong(devices: dict[str, dict[str, object]]) -> list[Finding]:
    return [
        Finding(
            "torch-wrong",
            "problem",
            f"torch multiplies wrongly on {name}: products of small whole numbers are not exact.",
            "Do not use this device. Update its driver and torch; test the card's memory.",
        )
        for name, each in devices.items()
        if not each["right"]
    ]


def _without_card(first: dict[str, object], cards: Cards) -> list[Finding]:
    if not first or not cards.cards or first["devices"]:
        return []
    card = cards.cards[0]["name"]
    if first["cuda"] is None:
        return [
            Finding(
                "torch-without-cuda",
                "warning",
                f"torch {first['version']} is built without CUDA, and there is a {card}.",
                "Install the build for CUDA; pytorch.org's 'Get started' gives the line for each "
                "version.",
                pip_command("install", "--force-reinstall", "torch"),
            )
        ]
    return [
        Finding(
            "torch-sees-no-card",
            "problem",
            f"torch {first['version']} is built for CUDA {first['cuda']} and sees no card, though "
            f"there is a {card}; the driver serves up to CUDA {cards.cuda}.",
            f"Update the driver to one that serves CUDA {first['cuda']}, or install a torch that "
            "is built for the driver's.",
        )
    ]


def _st(ended: Ended, runs: list[str], imported: list[str]) -> Ability:
    absent = [
        name
        for name in ("sentence-transformers", "transformers", "tokenizers")
        if installed_version(name) is None
    ]
    if absent:
        return cannot("st", f"{', '.join(absent)} is not installed", "Install it.", _INSTALL)
    if ended.how != "done" or "cpu" not in runs:
        why = ended.reason or "torch computes wrongly"
        return cannot("st", why, "Install it again.", _REINSTALL)
    if not imported:
        return Ability("st", None, "PyTorch computes; sentence-transformers was not loaded")
    return can("st", f"PyTorch computes, and {' and '.join(imported)} load")


def _cuda_of(ended: Ended, runs: list[str], findings: list[Finding], cards: Cards) -> Ability:
    on = [name for name in runs if name.startswith("cuda")]
    if on and ended.how == "done":
        return can("st-cuda", f"PyTorch computes on {', '.join(on)}")
    if not cards.cards:
        return cannot("st-cuda", "there is no NVIDIA card that can be used", NO_CARD_FIX)
    for each in findings:
        return cannot("st-cuda", each.seen, each.fix, each.command)
    return cannot("st-cuda", "PyTorch was not tried on the card")
