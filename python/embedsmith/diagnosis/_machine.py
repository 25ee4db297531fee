"""Processor, threads and memory, as this process may use them; and whether the core computes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from embedsmith import _core
from embedsmith._cgroup import control_group
from embedsmith._phrases import counted
from embedsmith._processor import processor_name
from embedsmith.diagnosis._parts import Ability, Fact, Finding, Section
from embedsmith.exceptions import EmbedsmithError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith.diagnosis._apart import Ended

__all__ = ["core_section", "gibibytes", "machine_section", "memory_section"]

_THREADS = "EMBEDSMITH_NUM_THREADS"
_ISA = "EMBEDSMITH_ISA"
_OPENMP = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_SMALL_BYTES = 2 << 30
_REPORT = "Report it with the output of: embedsmith doctor --json"


def gibibytes(size: float) -> str:
    """Return a size for people.

    Examples
    --------
    >>> gibibytes(3 << 29), gibibytes(5 << 20)
    ('1.5 GiB', '5.0 MiB')
    """
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if size >= bytes_:
            return f"{size / bytes_:,.1f} {unit}"
    return f"{size / 1024:,.1f} KiB"


def machine_section() -> Section:
    """Tell of the processors, what the system grants of them, and what the variables say."""
    there = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    quota = control_group().cpu_quota
    findings = list(_thread_findings(allowed, quota))
    try:
        threads: int | None = _core.thread_count()
    except EmbedsmithError as error:
        threads = None
        findings.append(
            Finding(
                "threads-refused",
                "problem",
                f"{_THREADS}={os.environ.get(_THREADS)} is refused: {error}",
                f"Set {_THREADS} to a number from 1 on, or unset it.",
                f"unset {_THREADS}",
            )
        )
    name = processor_name()
    variables = {each: os.environ.get(each) for each in (_THREADS, *_OPENMP)}
    facts = (
        Fact("processor", name, name),
        Fact("processors", there, f"{there} in the machine (os.cpu_count)"),
        Fact("affinity", allowed, f"{allowed} that this process may run on"),
        Fact("quota", quota, "none" if quota is None else f"{quota:g} of a processor's time"),
        Fact("threads", threads, f"{threads or 'none'} that embedsmith uses by default"),
        *(Fact(each, value, value or "not set") for each, value in variables.items()),
    )
    some = "" if quota is None else f", quota {quota:g}"
    summary = (
        f"{name}; {allowed} of {counted(there, 'processor')}{some}; "
        f"embedsmith uses {counted(threads or 0, 'thread')}"
    )
    return Section("machine", "Processor", summary, facts, tuple(findings))


def _thread_findings(allowed: int, quota: float | None) -> Iterator[Finding]:
    granted = allowed if quota is None else max(1, min(allowed, int(quota)))
    counts = [int(value) for each in _OPENMP if (value := os.environ.get(each, "")).isdecimal()]
    if quota is not None and granted < allowed and not counts:
        yield Finding(
            "quota-below-processors",
            "warning",
            f"The control group grants {quota:g} processors, but libraries that count processors "
            f"see {allowed}: PyTorch and BLAS will start {allowed} threads, which wait for each "
            "other.",
            "Say so to them before Python starts.",
            f"export OMP_NUM_THREADS={granted}",
        )
    for each in _OPENMP:
        value = os.environ.get(each, "")
        if not value:
            continue
        if not value.replace(",", "").isdecimal():
            yield Finding(
                "threads-unreadable",
                "warning",
                f"{each}={value} is no number, and will be passed over by whoever reads it.",
                f"Set it to a number such as {granted}.",
                f"export {each}={granted}",
            )
        elif int(value.partition(",")[0]) < granted:
            yield Finding(
                "threads-limited",
                "warning",
                f"{each}={value}: PyTorch and BLAS will use {value} of the "
                f"{counted(granted, 'processor')} that are granted.",
                "If that is not meant so, unset it.",
                f"unset {each}",
            )
        elif int(value.partition(",")[0]) > granted:
            yield Finding(
                "threads-too-many",
                "warning",
                f"{each}={value}, but {counted(granted, 'processor')} "
                f"{'is' if granted == 1 else 'are'} granted: threads will wait for each other.",
                "Set it to what is granted.",
                f"export {each}={granted}",
            )


def core_section(ended: Ended) -> Section:
    """Tell which instruction set the searches use, and whether all agree with the reference.

    Parameters
    ----------
    ended : Ended
        Of `embedsmith.diagnosis._run_core`.
    """
    findings = []
    forced = (os.environ.get(_ISA) or "").strip()
    available = _core.available_isas()
    try:
        chosen: str | None = _core.isa()
    except EmbedsmithError as error:
        chosen = None
        findings.append(
            Finding(
                "isa-refused",
                "problem",
                f"{_ISA}={forced} is refused: {error}",
                f"Unset {_ISA}; the fastest is chosen then.",
                f"unset {_ISA}",
            )
        )
    if chosen is not None and forced and chosen != available[-1]:
        findings.append(
            Finding(
                "isa-forced",
                "warning",
                f"{_ISA}={forced} forces {chosen}; this processor has {available[-1]}, which is "
                "faster. The results are the same.",
                "If that is not meant so, unset it.",
                f"unset {_ISA}",
            )
        )
    agrees = {each["isa"]: each["agrees"] for each in ended.answers if "isa" in each}
    findings += [_disagreeing(isa) for isa, same in agrees.items() if not same]
    if ended.how != "done":
        findings.append(_stopped(ended, available))
    works = ended.how == "done" and all(agrees.values()) and chosen is not None
    said = (
        f"{counted(len(agrees), 'instruction set')} gave the reference's rows and bits"
        if works
        else "the self-test did not succeed"
    )
    facts = (
        Fact("version", _core.__version__, _core.__version__),
        Fact("isa", chosen, chosen or "none"),
        Fact("available", available, ", ".join(available)),
        Fact("agrees", agrees, ", ".join(f"{isa}: {same}" for isa, same in agrees.items())),
        Fact(_ISA, forced or None, forced or "not set"),
        Fact("seconds", ended.seconds, f"{ended.seconds:.1f} s for the self-test"),
    )
    ability = Ability("search", works, said)
    if not works and findings:
        ability = Ability("search", works, said, findings[-1].fix, findings[-1].command)
    summary = f"uses {chosen or 'nothing'}; {said}"
    return Section("core", "Search core", summary, facts, tuple(findings), (ability,))


def _disagreeing(isa: str) -> Finding:
    return Finding(
        "isa-wrong",
        "problem",
        f"Searches by {isa} differ from the reference: this processor or its virtual machine "
        "computes wrongly, or it is a bug in embedsmith.",
        f"Use the reference until it is clear. {_REPORT}",
        f"export {_ISA}=scalar",
    )


def _stopped(ended: Ended, available: list[str]) -> Finding:
    begun = [each["trying"] for each in ended.answers if "trying" in each]
    culprit = begun[-1] if begun else None
    if culprit is None:
        seen = f"The self-test of the search core did not start: {ended.reason}."
        return Finding("self-test-failed", "problem", seen, _REPORT)
    below = available[: available.index(culprit)] if culprit in available else []
    safe = below[-1] if below else "scalar"
    return Finding(
        "isa-crashes",
        "problem",
        f"A search by {culprit} did not end well: {ended.reason}. The processor claims to have it; "
        "its virtual machine may not pass it through.",
        f"Use {safe}, the next below it. {_REPORT}",
        f"export {_ISA}={safe}",
    )


def memory_section() -> Section:
    """Tell how much memory there is, how much is free, and what the control group allows."""
    total, free = _memory()
    limit = control_group().memory_limit_bytes
    findings = []
    usable = min((size for size in (total, limit) if size is not None), default=None)
    if usable is not None and usable < _SMALL_BYTES:
        findings.append(
            Finding(
                "little-memory",
                "warning",
                f"This process may fill {gibibytes(usable)}; a small model with PyTorch needs "
                "about 2 GiB.",
                "Raise the limit, or use the ONNX backend and smaller batches (batch_size=8).",
            )
        )
    facts = (
        Fact("total_bytes", total, "unknown" if total is None else gibibytes(total)),
        Fact("available_bytes", free, "unknown" if free is None else gibibytes(free)),
        Fact("limit_bytes", limit, "none" if limit is None else gibibytes(limit)),
    )
    parts = [] if total is None else [gibibytes(total)]
    parts += [] if free is None else [f"{gibibytes(free)} available"]
    parts += ["no limit by a control group" if limit is None else f"limit {gibibytes(limit)}"]
    return Section("memory", "Memory", ", ".join(parts), facts, tuple(findings))


def _memory() -> tuple[int | None, int | None]:
    """Return total and available bytes, None where the system does not say."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
        except (AttributeError, OSError, ValueError):
            return None, None
    sizes = {
        key: int(value.split()[0]) * 1024
        for key, _, value in (line.partition(":") for line in text.splitlines())
        if value.split() and value.split()[0].isdecimal()
    }
    return sizes.get("MemTotal"), sizes.get("MemAvailable")
