"""Keeps one failing check from taking the others with it; what failed is reported, not hidden."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from embedsmith.diagnosis._parts import Finding, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["guarded_findings", "guarded_section"]

_REPORT = "The rest of the diagnosis stands. Report it with the output of: embedsmith doctor --json"


def guarded_section(name: str, title: str, build: Callable[[], Section]) -> Section:
    """Return a section, or one that says that its check failed."""
    try:
        return build()
    except Exception as error:  # noqa: BLE001 - it is reported as a finding
        return Section(name, title, "could not be looked at", findings=(_failed(title, error),))


def guarded_findings(name: str, find: Callable[[str], Iterable[Finding]]) -> list[Finding]:
    """Return what is found about a package, and one more if looking for it failed on the way."""
    found: list[Finding] = []
    try:
        # One by one: those before the failure stay.
        for finding in find(name):
            found.append(finding)  # noqa: PERF402
    except Exception as error:  # noqa: BLE001 - it is reported as a finding
        found.append(_failed(name, error))
    return found


def _failed(what: str, error: Exception) -> Finding:
    place = traceback.extract_tb(error.__traceback__)[-1]
    kind = type(error).__name__
    return Finding(
        "check-failed",
        "warning",
        f"The check of {what} itself failed: {kind}: {error} ({place.name}, line {place.lineno}).",
        _REPORT,
    )
