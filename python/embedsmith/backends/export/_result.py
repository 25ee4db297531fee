"""What an export hands back, and how it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith._typing import Json
    from embedsmith.backends._export_manifest import ExportManifest

__all__ = ["ExportResult"]

_MEGA = 1e6


@dataclass(frozen=True)
class ExportResult:
    """A finished export.

    Attributes
    ----------
    folder : Path
        Where it is; ``load_encoder(f"onnx:{folder}")`` runs it.
    manifest : ExportManifest
        What ``embedsmith_export.json`` in it says.
    """

    folder: Path
    manifest: ExportManifest

    def to_dict(self) -> Json:
        """Return folder and manifest as JSON values."""
        return {"folder": str(self.folder), **self.manifest.to_json()}

    def __str__(self) -> str:
        own = self.manifest
        size = sum(file.size_bytes for file in own.files.values()) / _MEGA
        graph = own.graph
        fused = f", attention fused in {graph['fused_layers']} of {graph['layers']} layers"
        head = (
            f"{self.folder}: {own.source['name']} as {own.precision} for {own.target}, "
            f"{size:.1f} MB{fused if graph['fused_layers'] else ''}"
        )
        lines = [
            head,
            _cosine_line(own.parity),
            *_retrieval_lines(own.parity["retrieval"]),
            _batch_line(own.batch_invariance),
            f"accepted; checked on {own.parity['device']}. Run it with: onnx:{self.folder}",
        ]
        return "\n".join(lines)


def _cosine_line(parity: Json) -> str:
    cosine = parity["cosine"]
    return (
        f"cosine to the original over {parity['texts']} texts: min {cosine['min']:.6f}, "
        f"p1 {cosine['p1']:.6f}, mean {cosine['mean']:.6f}"
    )


def _retrieval_lines(retrieval: dict[str, Any] | None) -> list[str]:
    if retrieval is None:
        return ["retrieval was not compared: no labelled set was given"]
    lines = []
    for name, one in retrieval["measures"].items():
        low, high = one["ci"]
        lines.append(
            f"{name} on {retrieval['data']}: {one['original']:.4f} -> {one['export']:.4f} "
            f"({one['difference']:+.4f}, {one['confidence']:.0%} interval {low:+.4f} to "
            f"{high:+.4f}): {one['verdict']} within {one['margin']:g} (p = {one['p']:.2g})"
        )
    if any(one["verdict"] == "not enough evidence" for one in retrieval["measures"].values()):
        lines.append(
            f"  {retrieval['queries']} queries are too few to show equivalence in retrieval, so "
            "the cosines decide; --data takes a larger labelled set"
        )
    return lines


def _batch_line(invariance: Json) -> str:
    if invariance["bitwise"]:
        return f"a text has the same bits in every batch ({invariance['texts']} texts)"
    return (
        f"a text alone and in a batch differ by at most {invariance['bound']:.1e} in a component "
        f"({invariance['texts']} texts)"
    )
