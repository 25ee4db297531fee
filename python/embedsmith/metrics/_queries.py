"""Which queries are measured, and what was unusual about the others."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedsmith.exceptions import DataError
from embedsmith.metrics._inputs import first_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedsmith.metrics._measures import Measure
    from embedsmith.metrics._options import Missing, Options

__all__ = ["Chosen", "chosen", "warn", "warn_if_shallow"]


@dataclass(frozen=True)
class Chosen:
    """The queries that are measured.

    Attributes
    ----------
    ids : list
        Their ids as they are, in the order of the judgements.
    names : tuple of str
        The same as text.
    n_missing : int
        Judged queries that the run lacks.
    n_unjudged : int
        Queries of the run without judgements.
    """

    ids: list[Any]
    names: tuple[str, ...]
    n_missing: int = 0
    n_unjudged: int = 0

    @classmethod
    def all_of(cls, ids: list[Any]) -> Chosen:
        """Return these queries, none of them unusual."""
        return cls(ids, tuple(map(str, ids)))


def chosen(judged: Mapping[Any, Any], searched: Mapping[Any, Any], options: Options) -> Chosen:
    """Return the queries that are measured, by the switches."""
    if not searched:
        msg = "run is empty; pass the results of at least one query."
        raise DataError(msg)
    absent = [query for query in judged if query not in searched]
    if len(absent) == len(judged):
        msg = (
            f"the run and the judgements have no query in common: the run has "
            f"{first_ids(searched, 3)}; the judgements have {first_ids(judged, 3)}. "
            "Pass the run of the judged queries, with the same ids."
        )
        raise DataError(msg)
    ids = list(judged)
    if absent:
        ids = _without(absent, ids, options.missing)
    n_unjudged = len(searched) - (len(judged) - len(absent))
    if n_unjudged and options.unjudged != "skip":
        others = [query for query in searched if query not in judged]
        if options.unjudged == "error":
            msg = (
                f"{len(others)} queries of the run have no judgements: {first_ids(others)}. "
                'Judge them, or pass unjudged="skip" or "zero".'
            )
            raise DataError(msg)
        ids = ids + others
    return Chosen(ids, tuple(map(str, ids)), len(absent), n_unjudged)


def _without(absent: list[Any], ids: list[Any], missing: Missing) -> list[Any]:
    named = f"{len(absent)} of {len(ids)} judged queries are not in the run: {first_ids(absent)}"
    if missing == "error":
        msg = f'{named}. Search for them too, or pass missing="zero" or "skip".'
        raise DataError(msg)
    if missing == "skip":
        warn(f'{named}. They are left out (missing="skip").')
        gone = set(absent)
        return [query for query in ids if query not in gone]
    warn(f'{named}. They score 0 (missing="zero").')
    return ids


def warn(message: str) -> None:
    """Warn at the first caller outside the metrics."""
    depth, frame = 1, sys._getframe(1)  # noqa: SLF001 - as traceback does
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(
        "embedsmith.metrics"
    ):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=depth + 1)


def warn_if_shallow(depth: int, measures: tuple[Measure, ...], n_docs: int) -> None:
    """Warn where lists are shorter than a cutoff, and documents were left to retrieve."""
    cut_short = [str(m) for m in measures if m.cutoff is not None and m.cutoff > depth]
    if cut_short and depth < n_docs:
        warn(
            f"{', '.join(cut_short)} is measured on lists of {depth}, "
            "so relevant documents further down do not count. Search with a larger k."
        )
