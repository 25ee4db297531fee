"""What a check of training data found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedsmith._typing import Json

__all__ = ["DataCheck", "Finding", "Leakage"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be.

    Attributes
    ----------
    kind : str
        ``"leaked query"``, ``"contradiction"``, ``"likely false negative"`` and so on.
    ids : tuple of str
        Whom it is about.
    detail : str
        What was seen, with its number.
    example : str
        The start of the text, with personal data masked.
    suggestion : str
        What to do: ``"drop"``, ``"relabel as positive"``, ``"expert"``, or words.
    """

    kind: str
    ids: tuple[str, ...]
    detail: str
    example: str
    suggestion: str


@dataclass(frozen=True)
class Leakage:
    """How much of an evaluation set stands in the training data.

    Attributes
    ----------
    evaluation : str
        The set.
    what : {"queries", "pairs", "passages"}
        What is counted: queries; pairs of query and relevant passage of which both are in one
        training pair; relevant passages that are positives of training.
    n_leaked, n : int
        Those of the evaluation set that were seen in training, and all.
    limit : float or None
        The share that is allowed; None where none is set.
    """

    evaluation: str
    what: str
    n_leaked: int
    n: int
    limit: float | None

    @property
    def share(self) -> float:
        """Leaked ones by all, from 0 to 1."""
        return self.n_leaked / self.n if self.n else 0.0

    @property
    def passed(self) -> bool:
        """Whether the share is within the limit."""
        return self.limit is None or self.share <= self.limit


@dataclass(frozen=True)
class DataCheck:
    """The result of :func:`check_data`.

    Attributes
    ----------
    training : str
        The training data.
    sizes : mapping of str to int
        Queries, passages, positive and negative pairs.
    coverage : float
        Share of the passages that are a positive of some query.
    leakage : tuple of Leakage
        Three for each evaluation set.
    findings : tuple of Finding
        In the order of the kinds, then of the data.
    not_checked : tuple of str
        What was not looked at, and what would make it.
    settings : mapping
        The limits in use.
    """

    training: str
    sizes: Mapping[str, int]
    coverage: float
    leakage: tuple[Leakage, ...]
    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...]
    settings: Mapping[str, float | int | None]

    @property
    def passed(self) -> bool:
        """Whether all leakage is within its limit."""
        return all(one.passed for one in self.leakage)

    def counts(self) -> dict[str, int]:
        """Return the number of findings of each kind.

        Returns
        -------
        dict of str to int
            Kinds without a finding are not in it.
        """
        found: dict[str, int] = {}
        for finding in self.findings:
            found[finding.kind] = found.get(finding.kind, 0) + 1
        return found

    def to_dict(self) -> Json:
        """Return the result as JSON-ready values.

        Returns
        -------
        dict
            A field for each attribute, ``passed`` and ``format``.
        """
        return {
            "format": "embedsmith.data-check/1",
            "training": self.training,
            "passed": self.passed,
            "sizes": dict(self.sizes),
            "coverage": self.coverage,
            "leakage": [
                {**asdict(one), "share": one.share, "passed": one.passed} for one in self.leakage
            ],
            "findings": [{**asdict(one), "ids": list(one.ids)} for one in self.findings],
            "not_checked": list(self.not_checked),
            "settings": dict(self.settings),
        }
