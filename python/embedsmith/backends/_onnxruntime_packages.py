"""Which packages brought ``onnxruntime``, and whose files lie there now.

``onnxruntime`` and ``onnxruntime-gpu`` install different files under the same names: whichever came
last wins, and removing either leaves the other in pieces. pip does not notice. Nothing is imported.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.machinery
import re
from collections import defaultdict
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from embedsmith._deps import pip_command

__all__ = ["RuntimePackage", "RuntimePackages", "onnxruntime_packages"]

_MODULE = "onnxruntime"
_NAMES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-rocm",
    "onnxruntime-training",
    "onnxruntime-webgpu",
    "ort-nightly",
    "ort-nightly-gpu",
)
_BUILD = f"{_MODULE}/capi/build_and_package_info.py"
# Larger files are told apart by their size: hashing 300 MB takes longer than all other checks.
_HASHED_BYTES = 4 << 20


@dataclass(frozen=True)
class RuntimePackage:
    """One installed package that brings the module ``onnxruntime``.

    Attributes
    ----------
    name, version : str
        As pip lists them.
    folder : Path
        The folder of packages it is installed in.
    files : int
        Files of the module that it installed; 0 if it kept no list of them.
    own : int
        How many of them lie there as it installed them.
    missing : int
        How many are gone.
    """

    name: str
    version: str
    folder: Path
    files: int
    own: int
    missing: int

    def __str__(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class RuntimePackages:
    """Every installed package that brings the module ``onnxruntime``.

    Attributes
    ----------
    installed : tuple of RuntimePackage
        In the order of their names.
    build : str or None
        The package that the module itself says it is, None if it says nothing.
    cuda : str or None
        The CUDA version that the module was built for.
    folder : Path or None
        The folder that Python takes the module from.
    """

    installed: tuple[RuntimePackage, ...]
    build: str | None
    cuda: str | None
    folder: Path | None = None

    @property
    def hidden(self) -> tuple[RuntimePackage, ...]:
        """Packages that Python does not look at, since the module comes from another folder."""
        return tuple(
            package
            for package in self.installed
            if self.folder is not None and package.folder.resolve() != self.folder
        )

    @property
    def damage(self) -> str | None:
        """What is wrong with the files, as a sentence; None if nothing is.

        Two packages in one folder are wrong even if the module can be imported.
        """
        folders: dict[Path, list[RuntimePackage]] = defaultdict(list)
        for package in self.installed:
            folders[package.folder].append(package)
        for together in folders.values():
            if len(together) > 1:
                return self._overwritten(together)
        for package in self.installed:
            if package.missing:
                return (
                    f"{package} is registered, but {package.missing} of its {package.files} files "
                    "are gone: another package of that module was removed after it."
                )
        return None

    def _overwritten(self, together: list[RuntimePackage]) -> str:
        names = " and ".join(str(package) for package in together)
        won = max(together, key=lambda package: (package.own / max(package.files, 1), package.own))
        says = f", and the module says it is {self.build}" if self.build else ""
        shares = "; ".join(
            f"{package.own} of {package.files} files are as {package.name} installed them"
            for package in together
        )
        return (
            f"{names} are both installed and overwrite each other's files. {won.name} won: "
            f"{shares}{says}."
        )

    def keep(self, name: str) -> str:
        """Return the commands that leave one whole package of that name.

        Removing one removes files of the other, so all are removed and the one is installed again.

        Parameters
        ----------
        name : str
            ``"onnxruntime"`` or ``"onnxruntime-gpu"``.
        """
        kept = next((package for package in self.installed if package.name == name), None)
        wanted = name if kept is None else f"{name}=={kept.version}"
        removed = dict.fromkeys(package.name for package in self.installed)
        return f"{pip_command('uninstall', *removed)} && {pip_command('install', wanted)}"


def onnxruntime_packages() -> RuntimePackages:
    """Return the installed packages of ONNX Runtime and the state of their files.

    Reads lists of files, sizes and hashes of small files; imports nothing.
    """
    found = {
        (name, str(distribution.locate_file(""))): distribution
        for name in _NAMES
        for distribution in metadata.distributions(name=name)
    }
    installed = tuple(_package(name, each) for (name, _), each in found.items())
    # By the path alone: a module that is imported already may be of a package that is gone.
    spec = importlib.machinery.PathFinder.find_spec(_MODULE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    folder = Path(places[0]).parent.resolve() if places else None
    said = _build_text(folder)
    return RuntimePackages(
        installed, _assigned(said, "package_name"), _assigned(said, "cuda_version"), folder
    )


def _package(name: str, distribution: metadata.Distribution) -> RuntimePackage:
    files = own = missing = 0
    for file in distribution.files or ():
        if file.parts[0] != _MODULE or file.suffix == ".pyc":
            continue
        files += 1
        path = Path(str(distribution.locate_file(file)))
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            missing += 1
            continue
        own += _is_as_installed(file, path, size)
    folder = Path(str(distribution.locate_file("")))
    return RuntimePackage(name, distribution.version, folder, files, own, missing)


def _is_as_installed(file: metadata.PackagePath, path: Path, size: int) -> bool:
    if file.size is not None and file.size != size:
        return False
    if file.hash is None or file.hash.mode != "sha256" or size > _HASHED_BYTES:
        return True
    digest = hashlib.sha256(path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value


def _build_text(folder: Path | None) -> str:
    """Return what the module says of its own build, "" if it says nothing."""
    if folder is None:
        return ""
    try:
        return (folder / _BUILD).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _assigned(source: str, name: str) -> str | None:
    found = re.search(rf"^{name}\s*=\s*['\"]([^'\"]+)['\"]", source, re.MULTILINE)
    return found[1] if found else None
