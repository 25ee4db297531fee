"""How much memory a process may fill."""

from __future__ import annotations

import os

from embedsmith._cgroup import control_group

__all__ = ["comfortable_bytes"]

# Assumed where the system does not say.
_MODEST_BYTES = 4 << 30


def comfortable_bytes() -> int:
    """Return half of the memory that this process may have, by the machine and its container."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        total = _MODEST_BYTES
    limit = control_group().memory_limit_bytes
    return (total if limit is None else min(total, limit)) // 2
