"""Graphics cards, their driver, and the CUDA libraries that came as packages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from embedsmith._phrases import counted
from embedsmith.diagnosis._libraries import installed_version
from embedsmith.diagnosis._machine import gibibytes
from embedsmith.diagnosis._parts import Fact, Finding, Section

if TYPE_CHECKING:
    from embedsmith.diagnosis._apart import Ended

__all__ = ["NO_CARD_FIX", "Cards", "cards_of", "gpu_section"]

NO_CARD_FIX = "Use device='cpu' (--device cpu), or a machine with a card and its driver."

_HIDING = "CUDA_VISIBLE_DEVICES"
_PACKAGES = (
    "nvidia-cuda-runtime",
    "nvidia-cublas",
    "nvidia-cufft",
    "nvidia-curand",
    "nvidia-cudnn",
    "tensorrt",
)
_SUFFIXES = ("", "-cu12", "-cu13")


class Cards(NamedTuple):
    """What the driver told."""

    driver: str | None
    cuda: str | None
    error: str | None
    cards: tuple[dict[str, Any], ...]
    library: bool


def cards_of(ended: Ended) -> Cards:
    """Return what the driver told; nothing if asking it failed."""
    if not ended.answers:
        return Cards(None, None, ended.reason or "the driver did not answer", (), library=True)
    first, *cards = ended.answers
    error = first["error"] if ended.how == "done" else ended.reason
    return Cards(first["driver"], first["cuda"], error, tuple(cards), library=first["library"])


def gpu_section(cards: Cards) -> Section:
    """Tell which cards there are, and whether their driver answers."""
    packages = {
        name: version
        for start in _PACKAGES
        for name in (f"{start}{suffix}" for suffix in _SUFFIXES)
        if (version := installed_version(name)) is not None
    }
    hidden = os.environ.get(_HIDING)
    findings = []
    if cards.library and cards.error is not None and hidden not in {"", "-1"}:
        findings.append(
            Finding(
                "driver-fails",
                "problem" if cards.driver else "warning",
                f"The driver's library is there, but the driver does not answer: {cards.error}.",
                "Look at it with nvidia-smi; a container has to be started with --gpus all, and "
                "after an update of the driver the machine has to be restarted.",
                "nvidia-smi",
            )
        )
    elif cards.driver and not cards.library:
        findings.append(
            Finding(
                "driver-library-missing",
                "problem",
                f"The system runs the NVIDIA driver {cards.driver}, but its library libcuda.so.1 "
                "is not here.",
                "Start the container with the card passed through: docker run --gpus all ...",
            )
        )
    if hidden in {"", "-1"}:
        findings.append(
            Finding(
                "cards-hidden",
                "warning",
                f"{_HIDING}={hidden} hides all graphics cards.",
                "If that is not meant so, unset it.",
                f"unset {_HIDING}",
            )
        )
    facts = (
        Fact("driver", cards.driver, cards.driver or "none"),
        Fact("driver_cuda", cards.cuda, cards.cuda or "none"),
        Fact("cards", list(cards.cards), "; ".join(map(_card, cards.cards)) or "none"),
        Fact(_HIDING, hidden, "not set" if hidden is None else repr(hidden)),
        Fact(
            "packages",
            packages,
            ", ".join(f"{name} {version}" for name, version in packages.items()) or "none",
        ),
    )
    if cards.cards:
        names = "; ".join(map(_card, cards.cards))
        summary = f"{names}; driver {cards.driver or 'unknown'}, up to CUDA {cards.cuda}"
    else:
        summary = "no NVIDIA card that can be used"
        if packages:
            summary += f"; {counted(len(packages), 'CUDA library', 'CUDA libraries')} installed"
    return Section(
        "gpu", "Graphics card", summary, facts, tuple(findings), present=bool(cards.cards)
    )


def _card(card: dict[str, Any]) -> str:
    return f"{card['name']} ({gibibytes(card['memory_bytes'])}, compute {card['capability']})"
