"""A folder of shards as an index: mapped where it lies, and searched block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedsmith._files import sha256_of
from embedsmith._shard_file import SHARD_ENDING, read_shard
from embedsmith._validate import as_matrix, as_metric
from embedsmith.exceptions import DataError
from embedsmith.search._folder import MANIFEST, folder_manifest, folder_sources
from embedsmith.search._process_memory import comfortable_bytes
from embedsmith.search._shards import Shards, topk_shards
from embedsmith.search._sources import array_source

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith._typing import Metric
    from embedsmith.search._hits import TopK
    from embedsmith.search._sources import Source

__all__ = ["ShardedContent", "open_shards"]


@dataclass(frozen=True)
class ShardedContent:
    """A corpus in files, with what its manifest says of it.

    Attributes
    ----------
    shards : Shards
    metric : {"cosine", "dot", "l2"}
    fingerprint : str or None
    """

    shards: Shards
    metric: Metric
    fingerprint: str | None

    def __len__(self) -> int:
        return len(self.shards)

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.shards.dim

    def search(self, queries: Any, **how: Any) -> TopK:
        """Return the best rows; see :func:`embedsmith.topk`."""
        return topk_shards(as_matrix("queries", queries), self.shards, metric=self.metric, **how)


def open_shards(folder: Path, *, verify: bool) -> ShardedContent:
    """Open a folder whose ``shards.json`` names a metric, without reading its vectors.

    Vectors are mapped where they fit half of the memory, and read block by block by each search
    where they do not, or have to be converted.

    Raises
    ------
    DataError
        If the folder is not complete, names no metric, or, with ``verify``, a file does not have
        its SHA-256.
    """
    manifest = folder_manifest(folder)
    if "metric" not in manifest:
        msg = (
            f"{folder / MANIFEST} names no metric, so it is unclear how its vectors are to be "
            "compared. Pass the folder to embedsmith.topk with metric=..."
        )
        raise DataError(msg)
    metric, fingerprint = as_metric(manifest["metric"]), manifest.get("fingerprint")
    if verify:
        _verify(folder, manifest)
    sources = folder_sources(folder)
    sizes = [source.rows * source.dim * (4 if source.half is None else 2) for source in sources]
    if sum(sizes) <= comfortable_bytes():
        entries = manifest["shards"]
        sources = [
            _mapped(source, folder / entry["file"])
            for source, entry in zip(sources, entries, strict=True)
        ]
    return ShardedContent(Shards(tuple(sources)), metric, fingerprint)


def _mapped(source: Source, path: Path) -> Source:
    """Return the shard mapped, if its rows can be searched as they are."""
    if not path.name.endswith(SHARD_ENDING):
        return source
    shard = read_shard(path)
    if "scales" in shard.tensors or shard.tensors["vectors"].dtype.kind != "f":
        return source
    return array_source(source.label, shard.map("vectors"), in_place=True)


def _verify(folder: Path, manifest: dict[str, Any]) -> None:
    for entry in manifest["shards"]:
        path = folder / entry["file"]
        if "sha256" not in entry:
            msg = f"{folder / MANIFEST} has no sha256 of {path.name}. Open it without verify."
            raise DataError(msg)
        if not path.is_file() or sha256_of(path) != entry["sha256"]:
            msg = (
                f"{path} does not have the SHA-256 of the manifest: it is damaged, or was written "
                "to. Remove it, and give the command that wrote the folder again."
            )
            raise DataError(msg)
