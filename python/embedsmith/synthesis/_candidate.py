"""A query on its way through the filters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import Json

__all__ = ["Candidate", "Filter", "Finding", "applied"]


@dataclass
class Candidate:
    """A query that was written, and what each filter said of it.

    Attributes
    ----------
    passage : int
        Row in the corpus of what it was written for.
    kind : str
        Of the query.
    text : str
        The query; empty if its answer could not be read.
    prompt_hash : str
        SHA-256 of all that decided the answer.
    broken : str
        Why the answer could not be read, if so.
    surplus : bool
        Whether more queries were written than asked for, and this is one of them.
    nonce : str
        The mark around the passage in the prompt.
    trace : list of dict
        One entry for each filter that saw it.
    """

    passage: int
    kind: str
    text: str
    prompt_hash: str
    broken: str = ""
    surplus: bool = False
    nonce: str = ""
    trace: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class Finding:
    """What a filter says of one query.

    Attributes
    ----------
    because : str
        Why it is dropped; empty if it is kept. Few different ones: they are counted.
    value : object
        What was measured, for the trace; None if nothing was.
    """

    because: str = ""
    value: float | int | str | None = None


class Filter(Protocol):
    """Looks at all queries that are left."""

    name: str

    def look(self, candidates: Sequence[Candidate]) -> Sequence[Finding]:
        """Return what it says of each, in order."""
        ...


def applied(one: Filter, candidates: Sequence[Candidate]) -> tuple[list[Candidate], Json]:
    """Return the queries that a filter keeps, and what it took.

    Parameters
    ----------
    one : Filter
        Adds to the trace of each query.
    candidates : sequence of Candidate
        Those that are left.
    """
    findings = one.look(candidates)
    kept = []
    reasons: dict[str, int] = {}
    for candidate, found in zip(candidates, findings, strict=True):
        entry: Json = {"filter": one.name, "kept": not found.because}
        if found.value is not None:
            entry["value"] = found.value
        if found.because:
            entry["because"] = found.because
            reasons[found.because] = reasons.get(found.because, 0) + 1
        else:
            kept.append(candidate)
        candidate.trace.append(entry)
    counts: Json = {
        "filter": one.name,
        "seen": len(candidates),
        "kept": len(kept),
        "dropped": len(candidates) - len(kept),
        "because": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
    }
    return kept, counts
