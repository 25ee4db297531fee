"""Which libraries are installed, and what stands between them and an import."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from embedsmith._deps import pip_command
from embedsmith._phrases import counted
from embedsmith.diagnosis._guard import guarded_findings
from embedsmith.diagnosis._parts import Fact, Finding, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LIBRARIES", "installed_version", "libraries_section", "python_section"]

# Name of the package and of its module. ONNX Runtime, of which there are several packages, and the
# CUDA libraries have sections of their own.
LIBRARIES = {
    "numpy": "numpy",
    "torch": "torch",
    "sentence-transformers": "sentence_transformers",
    "transformers": "transformers",
    "tokenizers": "tokenizers",
    "safetensors": "safetensors",
    "huggingface-hub": "huggingface_hub",
    "onnx": "onnx",
    "openai": "openai",
    "cohere": "cohere",
    "tiktoken": "tiktoken",
    "ray": "ray",
    "bm25s": "bm25s",
    "pyarrow": "pyarrow",
}
_OWN = "embedsmith"


def installed_version(name: str) -> str | None:
    """Return the version of an installed package, None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def python_section(version: str) -> Section:
    """Tell of the interpreter and of where it looks for packages."""
    in_environment = sys.prefix != sys.base_prefix
    kind = "virtual environment" if in_environment else "no virtual environment"
    findings = []
    path = os.environ.get("PYTHONPATH")
    if path:
        findings.append(
            Finding(
                "pythonpath-set",
                "note",
                f"PYTHONPATH is set ({path}): what lies there hides installed packages of the same "
                "name.",
                "If that is not meant so: unset PYTHONPATH",
                "unset PYTHONPATH",
            )
        )
    facts = (
        Fact("version", platform.python_version(), platform.python_version()),
        Fact("executable", sys.executable, sys.executable),
        Fact("prefix", sys.prefix, f"{sys.prefix} ({kind})"),
        Fact("platform", platform.platform(), platform.platform()),
        Fact("PYTHONPATH", path, path or "not set"),
        Fact("embedsmith", version, version),
    )
    summary = f"{platform.python_version()} in {sys.prefix} ({kind}), {_system()}"
    return Section("python", "Python", summary, facts, tuple(findings))


def _system() -> str:
    return f"{platform.system()} {platform.machine()}"


def libraries_section() -> Section:
    """Tell which libraries are installed, and whether their requirements of each other hold."""
    versions = {name: installed_version(name) for name in LIBRARIES}
    facts = tuple(Fact(name, found, found or "not installed") for name, found in versions.items())
    present = [f"{name} {found}" for name, found in versions.items() if found]
    findings: list[Finding] = []
    for name in (name for name, found in versions.items() if found):
        findings += guarded_findings(name, _registered_twice)
        findings += guarded_findings(name, _shadowed)
    for name in (_OWN, *LIBRARIES):
        findings += guarded_findings(name, _unmet_requirements)
    counts = f"{len(present)} of {counted(len(LIBRARIES), 'library', 'libraries')}: "
    return Section("libraries", "Libraries", counts + ", ".join(present), facts, tuple(findings))


def _registered_twice(name: str) -> Iterator[Finding]:
    """Find two versions of one package in one folder: what a broken upgrade leaves."""
    found: dict[str, set[str]] = {}
    for distribution in metadata.distributions(name=name):
        folder = str(distribution.locate_file(""))
        found.setdefault(folder, set()).add(distribution.version)
    for folder, versions in found.items():
        if len(versions) > 1:
            both = " and ".join(sorted(versions))
            yield Finding(
                "registered-twice",
                "problem",
                f"{name} is registered in {folder} as {both}: an upgrade was interrupted, and its "
                "files may be of either.",
                f"Remove both and install {name} again.",
                f"{pip_command('uninstall', name)}; {pip_command('uninstall', name)}; "
                f"{pip_command('install', name)}",
            )


def _shadowed(name: str) -> Iterator[Finding]:
    """Find a module that Python takes from elsewhere than where its package is installed."""
    module, distribution = LIBRARIES[name], metadata.distribution(name)
    if _is_editable(distribution):
        return
    folder = Path(str(distribution.locate_file(""))).resolve()
    spec = importlib.util.find_spec(module)
    if spec is None:
        yield Finding(
            "files-gone",
            "problem",
            f"{name} {distribution.version} is registered in {folder}, but its module {module} is "
            "gone.",
            f"Install {name} again.",
            pip_command("install", "--force-reinstall", "--no-deps", name),
        )
        return
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    if places and not any(Path(place).resolve().is_relative_to(folder) for place in places):
        yield Finding(
            "shadowed",
            "problem",
            f"Python takes {module} from {places[0]}, not from {name} {distribution.version} in "
            f"{folder}.",
            "Rename or move that file or folder, or take its folder out of PYTHONPATH.",
        )


def _is_editable(distribution: metadata.Distribution) -> bool:
    text = distribution.read_text("direct_url.json")
    information: Any = json.loads(text) if text else {}
    return bool(information.get("dir_info", {}).get("editable"))


class _Need(NamedTuple):
    name: str
    specifier: str
    extra: str | None


def _unmet_requirements(owner: str) -> Iterator[Finding]:
    """Compare versions with the ranges that a library asks for."""
    found = installed_version(owner)
    if found is None:
        return
    if importlib.util.find_spec("packaging") is None:
        yield Finding(
            "ranges-unknown",
            "note",
            f"'packaging' is not installed, so what {owner} requires was not compared.",
            "Install it to have ranges of versions compared.",
            pip_command("install", "packaging"),
        )
        return
    for need in _needs(owner):
        yield from _compared(owner, found, need)


def _needs(owner: str) -> Iterator[_Need]:
    """Yield what a package requires; of this package also what its extras do."""
    # Their standard parser; a dependency of transformers, and not ours.
    from packaging.requirements import Requirement  # noqa: PLC0415

    distribution = metadata.distribution(owner)
    extras = [None, *distribution.metadata.get_all("Provides-Extra", [])]
    for text in distribution.requires or ():
        requirement = Requirement(text)
        for extra in extras if owner == _OWN else [None]:
            marker = requirement.marker
            if marker is None or marker.evaluate({"extra": extra or ""}):
                yield _Need(requirement.name, str(requirement.specifier), extra)
                break


def _compared(owner: str, version: str, need: _Need) -> Iterator[Finding]:
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - see above

    found = installed_version(need.name)
    wanted = f"{need.name}{need.specifier}"
    who = f"{owner} {version}" if need.extra is None else f"embedsmith[{need.extra}]"
    if found is None:
        if need.extra is None:
            yield Finding(
                "requirement-missing",
                "problem",
                f"{who} needs {wanted}, which is not installed.",
                f"Install {need.name}.",
                pip_command("install", wanted),
            )
    elif not SpecifierSet(need.specifier).contains(found, prereleases=True):
        command = wanted if need.extra is None else f"embedsmith[{need.extra}]"
        yield Finding(
            "out-of-range",
            "problem" if need.extra is None else "warning",
            f"{who} needs {wanted}, and {need.name} {found} is installed.",
            f"Install a {need.name} in that range.",
            pip_command("install", command),
        )
