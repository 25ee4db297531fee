"""The number format that a model runs in, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Choice"]


@dataclass(frozen=True)
class Choice:
    """The format that was taken.

    Attributes
    ----------
    precision : {"f32", "bf16", "int8"}
        The format.
    mean, least : float or None
        Cosine of its vectors with those of f32 on the texts that come with embedsmith; None for
        f32 itself, or if it was not compared.
    refused : dict of str to str
        Faster formats that were not taken, each with the reason.
    """

    precision: str
    mean: float | None = None
    least: float | None = None
    refused: dict[str, str] = field(default_factory=dict)
