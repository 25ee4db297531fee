"""How much memory a process may fill."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["comfortable_bytes"]

# Assumed where the system does not say.
_MODEST_BYTES = 4 << 30
# Version 2 and version 1 of control groups; a container sees its own limit there.
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def comfortable_bytes() -> int:
    """Return half of the memory that this process may have, by the machine and its container."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        total = _MODEST_BYTES
    for limit in _LIMITS:
        try:
            text = limit.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():  # "max" is no limit
            total = min(total, int(text))
    return total // 2
