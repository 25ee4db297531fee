"""How far annotators agree."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from embedsmith._phrases import counted
from embedsmith._validate import as_count, as_number
from embedsmith.exceptions import DataError, ShapeError
from embedsmith.labelling._alpha import LEVELS, Alpha, Level, alphas

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from embedsmith._typing import I64Array, Json
    from embedsmith.labelling._labels import Labels

__all__ = ["AnnotatorPair", "LabelAgreement", "Resample", "label_agreement"]

Resample: TypeAlias = Literal["pair", "query"]

_RELIABLE = 0.8
_TENTATIVE = 0.667
_FEW = 50
_LOPSIDED = 0.9


class AnnotatorPair(NamedTuple):
    """How far two annotators agree.

    Attributes
    ----------
    first, second : str
    n : int
        Pairs of query and document that both judged.
    agreement : float
        Share of these with the same grade.
    kappa : float or None
        Cohen's, unweighted; None where chance alone would make them agree always.
    weighted_kappa : float or None
        Cohen's with quadratic weights, for grades in an order.
    """

    first: str
    second: str
    n: int
    agreement: float
    kappa: float | None
    weighted_kappa: float | None


@dataclass(frozen=True)
class LabelAgreement:
    """The result of :func:`label_agreement`.

    Attributes
    ----------
    annotators : mapping of str to int
        Judgements of each.
    n_pairs, n_overlap : int
        Judged pairs of query and document, and those that two or more annotators judged.
    level : {"nominal", "ordinal", "interval"}
        The level of measurement that fits the grades, or that was asked for.
    alpha : mapping of str to Alpha
        Krippendorff's alpha at each level.
    annotator_pairs : tuple of AnnotatorPair
        Each two annotators that share a pair.
    confidence, draws, seed, resample
        Of the intervals.
    reading : str
        What the alpha of ``level`` means by custom.
    notes : tuple of str
        What to keep in mind.
    """

    annotators: Mapping[str, int]
    n_pairs: int
    n_overlap: int
    level: Level
    alpha: Mapping[Level, Alpha]
    annotator_pairs: tuple[AnnotatorPair, ...]
    confidence: float
    draws: int
    seed: int
    resample: Resample
    reading: str
    notes: tuple[str, ...]

    @property
    def overlap(self) -> float:
        """Share of the pairs that two or more annotators judged."""
        return self.n_overlap / self.n_pairs

    def __str__(self) -> str:
        who = ", ".join(f"{name} {count:,}" for name, count in self.annotators.items())
        first = (
            f"{counted(self.n_pairs, 'judged pair')}, {self.n_overlap:,} by two or more "
            f"annotators ({self.overlap:.0%})"
        )
        lines = [
            first,
            f"  judgements: {who}",
            "",
            f"Krippendorff's alpha, with {self.confidence:.0%} intervals",
        ]
        lines += [
            f"  {'>' if level == self.level else ' '} {level:<9} {_interval(self.alpha[level])}"
            for level in LEVELS
        ]
        lines += [f"  {self.reading}", "", "Each two annotators"]
        width = max(len(f"{one.first}, {one.second}") for one in self.annotator_pairs)
        lines += [
            f"  {f'{one.first}, {one.second}':<{width}}  {one.n:>6,} shared  same grade "
            f"{one.agreement:>4.0%}  Cohen's kappa {_number(one.kappa)}  "
            f"weighted {_number(one.weighted_kappa)}"
            for one in self.annotator_pairs
        ]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> Json:
        """Return the result as JSON-ready values.

        Returns
        -------
        dict
            A field for each attribute, ``overlap`` and ``format``.
        """
        return {
            "format": "embedsmith.label-agreement/1",
            **vars(self),
            "overlap": self.overlap,
            "annotators": dict(self.annotators),
            "alpha": {level: one._asdict() for level, one in self.alpha.items()},
            "annotator_pairs": [one._asdict() for one in self.annotator_pairs],
            "notes": list(self.notes),
        }


def label_agreement(
    labels: Labels,
    *,
    level: Level | None = None,
    resample: Resample = "pair",
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> LabelAgreement:
    r"""Return how far annotators agree on what they both judged.

    Says nothing about who is right, nor whether the labels are good: annotators may agree on what
    is wrong.

    Parameters
    ----------
    labels : Labels
        As :func:`read_labels` returns them.
    level : {"nominal", "ordinal", "interval"}, optional
        The level of measurement to read: any difference counts the same, grades have an order, or
        their distances count. By default "nominal" for two grades and "ordinal" for more.
    resample : {"pair", "query"}, default "pair"
        What the bootstrap draws. With "query" all judged pairs of a query are drawn together:
        right where the pairs of a query are alike, and its intervals are wider.
    confidence : float, default 0.95
        Of the percentile intervals, between 0 and 1.
    draws : int, default 2000
        Of the bootstrap.
    seed : int, default 0
        Of the bootstrap.

    Returns
    -------
    LabelAgreement
        Alpha at all three levels, and Cohen's kappa of each two annotators.

    Raises
    ------
    DataError
        If fewer than two annotators judged, or no pair was judged by two.
    ShapeError
        If a number is out of range.
    MissingDependencyError
        If krippendorff is not installed.

    Notes
    -----
    Alpha is 1 - observed / expected disagreement over the pairs that two or more judged; any number
    of annotators, gaps allowed. By Krippendorff's custom one relies on data from .800 on, and draws
    tentative conclusions only between .667 and .800. They are customs, not tests, and what follows
    from an error matters more.

    References
    ----------
    Krippendorff, "Content Analysis", 4th edition, 2018, chapter 12. Cohen, "A coefficient of
    agreement for nominal scales", 1960.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import embedsmith as es
    >>> rows = [f"q,{n},{n % 2},{n % 2 if n else 1}" for n in range(30)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "labels.csv"
    ...     _ = file.write_text("\n".join(["query,text,grade anna,grade ben", *rows]))
    ...     found = es.label_agreement(es.read_labels(file))
    >>> round(found.alpha["nominal"].value, 3), found.annotator_pairs[0].n
    (0.934, 30)
    """
    if level is not None and level not in LEVELS:
        msg = f"level={level!r} is unknown. Choose {', '.join(map(repr, LEVELS))}."
        raise ShapeError(msg)
    if resample not in get_args(Resample):
        msg = f"resample={resample!r} is unknown. Choose 'pair' or 'query'."
        raise ShapeError(msg)
    confidence = as_number("confidence", confidence)
    if not 0.0 < confidence < 1.0:
        msg = f"confidence is {confidence}; pass a share between 0 and 1, such as 0.95."
        raise ShapeError(msg)
    draws, seed = as_count("draws", draws, least=100), as_count("seed", seed, least=0)
    pairs = labels.pairs()
    shared = {pair: grades for pair, grades in pairs.items() if len(grades) > 1}
    if not shared:
        names = ", ".join(labels.annotators)
        msg = (
            f"no pair of query and document was judged by two annotators (those who judged: "
            f"{names}). Have some judged twice, or name the column of annotators "
            "(columns={'annotator': NAME}, --column annotator=NAME)."
        )
        raise DataError(msg)
    grades = sorted({grade for given in shared.values() for grade in given.values()})
    chosen: Level = level or ("nominal" if len(grades) <= 2 else "ordinal")  # noqa: PLR2004
    place = {grade: at for at, grade in enumerate(grades)}
    counts = np.zeros((len(shared), len(grades)), np.int64)
    for row, given in enumerate(shared.values()):
        for grade in given.values():
            counts[row, place[grade]] += 1
    queries = {query_id: at for at, query_id in enumerate(dict.fromkeys(q for q, _ in shared))}
    by_query = [queries[query_id] for query_id, _ in shared]
    units = np.asarray(by_query if resample == "query" else range(len(shared)), np.int64)
    alpha = alphas(counts, units, grades, confidence=confidence, draws=draws, seed=seed)
    return LabelAgreement(
        labels.annotators,
        len(pairs),
        len(shared),
        chosen,
        alpha,
        tuple(_annotator_pairs(shared.values(), grades)),
        confidence,
        draws,
        seed,
        resample,
        _reading(alpha[chosen]),
        tuple(
            _notes(alpha[chosen], counts, draws=draws, n_queries=len(queries), resample=resample)
        ),
    )


def _annotator_pairs(
    shared: Iterable[Mapping[str, int]], grades: Sequence[int]
) -> Iterable[AnnotatorPair]:
    both: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for given in shared:
        for first, second in combinations(sorted(given), 2):
            both.setdefault((first, second), []).append((given[first], given[second]))
    for (first, second), values in sorted(both.items()):
        same = sum(one == other for one, other in values) / len(values)
        kappas = [_kappa(values, grades, weighted=weighted) for weighted in (False, True)]
        yield AnnotatorPair(first, second, len(values), same, *kappas)


def _kappa(
    values: Sequence[tuple[int, int]], grades: Sequence[int], *, weighted: bool
) -> float | None:
    """Return 1 - observed / expected disagreement, each annotator's own shares being chance's."""
    ours, theirs = (np.asarray(side, np.float64) for side in zip(*values, strict=True))
    domain = np.asarray(grades, np.float64)
    shares = [(side[:, None] == domain).mean(axis=0) for side in (ours, theirs)]
    gaps = domain[:, None] - domain
    distance = gaps**2 if weighted else (gaps != 0).astype(np.float64)
    seen = ((ours - theirs) ** 2 if weighted else (ours != theirs)).mean()
    expected = float(shares[0] @ distance @ shares[1])
    return None if expected == 0 else float(1 - seen / expected)


def _reading(alpha: Alpha) -> str:
    if alpha.value is None:
        return "There is no alpha: all grades are one, so that nothing could differ."
    custom = "by Krippendorff's custom"
    if alpha.low is None or alpha.high is None:
        return "There is no interval, and so no reading: too many draws have one grade only."
    if alpha.low >= _RELIABLE:
        return f"The whole interval is at .800 or above: {custom} labels to rely on."
    if alpha.low >= _TENTATIVE:
        return f"The whole interval is at .667 or above: {custom} enough for tentative conclusions."
    if alpha.high < _TENTATIVE:
        return f"The whole interval is below .667: {custom} not enough to conclude from."
    border = ".667" if alpha.low < _TENTATIVE <= alpha.high else ".800"
    return (
        f"The interval holds {border}, a border {custom} (.667 tentative, .800 to rely on): "
        "more pairs judged twice would tell."
    )


def _notes(
    alpha: Alpha, counts: I64Array, *, draws: int, n_queries: int, resample: Resample
) -> Iterable[str]:
    if len(counts) < _FEW:
        yield (
            f"only {counted(len(counts), 'pair')} judged by two or more: have at least {_FEW} "
            "judged twice, drawn at random, before you read these numbers."
        )
    most = int(counts.sum(axis=0).max()) / int(counts.sum())
    if most > _LOPSIDED:
        yield (
            f"{most:.0%} of these judgements are one grade: chance alone would make annotators "
            "agree, so alpha and kappa rest on the few others."
        )
    if resample == "pair" and n_queries < len(counts):
        yield (
            f"the pairs are of {counted(n_queries, 'query')}: if those of one query are alike, "
            "intervals by query are right, and wider (--resample query)."
        )
    if alpha.n_undefined and alpha.value is not None:
        yield f"{alpha.n_undefined:,} of {draws:,} draws had one grade only and are left out."


def _interval(alpha: Alpha) -> str:
    if alpha.value is None:
        return "none"
    if alpha.low is None or alpha.high is None:
        return f"{alpha.value:.3f}"
    return f"{alpha.value:.3f} [{alpha.low:.3f}, {alpha.high:.3f}]"


def _number(value: float | None) -> str:
    return "  none" if value is None else f"{value:>6.3f}"
