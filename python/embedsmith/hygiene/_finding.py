"""What a check of training data found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedsmith._typing import Json

__all__ = ["Coverage", "DataCheck", "Finding", "Leakage"]


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
    """How much of an evaluation set stands in the training data, or in another evaluation set.

    Attributes
    ----------
    evaluation : str
        The set.
    against : str
        Where it was looked for.
    what : str
        What is counted: ``"queries"``; ``"pairs"`` of query and relevant passage of which both are
        in one pair there; relevant ``"passages"`` that are positives there. With ``"cross "`` in
        front if ``against`` is an evaluation set: its name in limits.
    n_leaked, n : int
        Those of the evaluation set that stand there, and all.
    n_equal, n_near, n_embedding : int
        Of the leaked ones: equal but for case and blanks, alike letter by letter, alike in
        embedding; a pair counts as the less sure of its parts.
    limit : float or None
        The share that is allowed; None where none is set.
    """

    evaluation: str
    against: str
    what: str
    n_leaked: int
    n: int
    n_equal: int
    n_near: int
    n_embedding: int
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
class Coverage:
    """How much of the passages training pairs speak of.

    Attributes
    ----------
    n_passages : int
        Distinct ones, of the corpus if it was given apart.
    n_positive, n_touched : int
        Those that are a positive of some query, and those that are in some pair.
    cosine : float or None
        From which a passage is near a positive; None without a model.
    n_near : int or None
        Passages that have a positive so near, positives included.
    median_cosine : float or None
        Of the passages, to the nearest positive.
    """

    n_passages: int
    n_positive: int
    n_touched: int
    cosine: float | None = None
    n_near: int | None = None
    median_cosine: float | None = None

    @property
    def positive(self) -> float:
        """Share of the passages that are a positive."""
        return self.n_positive / self.n_passages if self.n_passages else 0.0

    @property
    def touched(self) -> float:
        """Share of the passages that any pair touches."""
        return self.n_touched / self.n_passages if self.n_passages else 0.0

    @property
    def near(self) -> float | None:
        """Share of the passages that have a positive near."""
        if self.n_near is None:
            return None
        return self.n_near / self.n_passages if self.n_passages else 0.0


@dataclass(frozen=True)
class DataCheck:
    """The result of :func:`check_data`.

    Attributes
    ----------
    training : str
        The training data.
    sizes : mapping of str to int
        Queries, passages, positive and negative pairs.
    coverage : Coverage
        How much of the passages the pairs speak of.
    leakage : tuple of Leakage
        Three for each evaluation set, and three for each two of them.
    findings : tuple of Finding
        In the order of the kinds, then of the data.
    not_checked : tuple of str
        What was not looked at, and what would make it.
    settings : mapping
        The limits in use.
    """

    training: str
    sizes: Mapping[str, int]
    coverage: Coverage
    leakage: tuple[Leakage, ...]
    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...]
    settings: Mapping[str, object]

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
            "format": "embedsmith.data-check/2",
            "training": self.training,
            "passed": self.passed,
            "sizes": dict(self.sizes),
            "coverage": {
                **asdict(self.coverage),
                "positive": self.coverage.positive,
                "touched": self.coverage.touched,
                "near": self.coverage.near,
            },
            "leakage": [
                {**asdict(one), "share": one.share, "passed": one.passed} for one in self.leakage
            ],
            "findings": [{**asdict(one), "ids": list(one.ids)} for one in self.findings],
            "not_checked": list(self.not_checked),
            "settings": dict(self.settings),
        }
