"""The limits of the control group a process runs in: processor time and memory.

How many threads to use is not decided here: `embedsmith._core.thread_count` does, in one place for
the whole package, from ``EMBEDSMITH_NUM_THREADS``, the affinity mask and the same quota.
"""

from __future__ import annotations

import functools
from pathlib import Path, PurePosixPath
from typing import NamedTuple

__all__ = ["ControlGroup", "control_group"]

# Version 1 writes "no limit" as the largest number of whole pages that fits 63 bits.
_NO_LIMIT_BYTES = 1 << 60


class ControlGroup(NamedTuple):
    """What the system grants; None where it sets no limit.

    ``cpu_quota`` is in processors (1.5 is three halves of one), ``memory_limit_bytes`` in bytes.
    """

    cpu_quota: float | None
    memory_limit_bytes: int | None


@functools.cache
def control_group(process: Path = Path("/proc/self")) -> ControlGroup:
    """Return the limits of a process's control group and of all groups above it.

    Reads both versions of control groups, also side by side; a system without them has no limits.
    Asked once: reading the files takes longer than a small search.

    Parameters
    ----------
    process : Path
        The process's folder in ``/proc``.
    """
    folders = _folders(process)
    quotas = [quota for folder in folders for quota in _quotas(folder)]
    limits = [limit for folder in folders for limit in _memory_limits(folder)]
    return ControlGroup(min(quotas, default=None), min(limits, default=None))


def _folders(process: Path) -> list[Path]:
    """Return the folders that hold a process's limits, the innermost of each hierarchy first."""
    own: dict[str, str] = {}
    for line in _lines(process / "cgroup"):
        # 4:memory:/path, or 0::/path in version 2.
        parts = line.split(":", 2)
        if len(parts) == 3:  # noqa: PLR2004 - as above
            own.update(dict.fromkeys(parts[1].split(","), parts[2]))
    folders: list[Path] = []
    for line in _lines(process / "mountinfo"):
        left, _, right = line.partition(" - ")
        mount, kind = left.split(), right.split()
        if len(mount) < 5 or len(kind) < 3:  # noqa: PLR2004 - fields before and after the dash
            continue
        if kind[0] == "cgroup2":
            wanted = [""]
        elif kind[0] == "cgroup":
            wanted = [name for name in kind[2].split(",") if name in {"cpu", "memory"}]
        else:
            continue
        root, point = PurePosixPath(_plain(mount[3])), Path(_plain(mount[4]))
        for path in {own[name] for name in wanted if name in own}:
            inner = PurePosixPath(path)
            # In a container the mount begins at its own group; a group outside is not visible.
            below = inner.relative_to(root) if inner.is_relative_to(root) else PurePosixPath()
            if ".." in below.parts:
                below = PurePosixPath()
            at = point / below
            folders += [at, *list(at.parents)[: len(below.parts)]]
    return folders


def _quotas(folder: Path) -> list[float]:
    found = []
    # "max 100000" is no limit, "150000 100000" one and a half processors.
    both = _text(folder / "cpu.max").split()
    if len(both) == 2:  # noqa: PLR2004 - quota and period
        found.append(both)
    found.append([_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")])
    return [
        int(quota) / int(period)
        for quota, period in found
        if quota.isdecimal() and period.isdecimal() and int(period) > 0
    ]


def _memory_limits(folder: Path) -> list[int]:
    texts = [_text(folder / name) for name in ("memory.max", "memory.limit_in_bytes")]
    return [int(text) for text in texts if text.isdecimal() and int(text) < _NO_LIMIT_BYTES]


def _plain(field: str) -> str:
    """Return a path as it is: mountinfo writes blanks and backslashes as octal numbers."""
    for escaped, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        field = field.replace(escaped, character)
    return field


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _text(path: Path) -> str:
    """Return a file's text; "" where there is none, as on systems without control groups."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
