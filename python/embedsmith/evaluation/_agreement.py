"""Whether two sets of queries put models in the same order: synthetic ones, and those of people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from embedsmith._validate import as_count, as_number
from embedsmith.exceptions import DataError, MeasureError, ShapeError

if TYPE_CHECKING:
    from embedsmith._typing import F64Array, Json
    from embedsmith.evaluation._result import EvaluationResult

__all__ = ["RankingAgreement", "kendall_tau_b", "ranking_agreement"]

_FEWEST = 2
# With so few models, tau-b takes a handful of values: an interval over them says little.
_FEW = 4
_BLOCK = 256


@dataclass(frozen=True)
class RankingAgreement:
    """How two evaluations rank the models that both hold.

    Attributes
    ----------
    measure : str
        By which models are ranked.
    models : tuple of str
        Names in the first result, the best by the people's queries first.
    synthetic, human : tuple of float
        Means of each model, in that order.
    synthetic_data, human_data : str
        Titles of the two data sets.
    n_synthetic, n_human : int
        Queries of each.
    tau : float
        Kendall's tau-b: 1 for one order, -1 for the reverse. NaN if one set tells no two models
        apart.
    ci : tuple of float
        Percentile interval over resampled queries of both sets; NaN where tau is not defined.
    same_best : float
        Share of resamples in which both sets have the same best model.
    undefined : float
        Share of resamples in which tau is not defined: all models equal on one set.
    confidence : float
        Level of the interval.
    n_resamples, seed : int
        Of the bootstrap.
    """

    measure: str
    models: tuple[str, ...]
    synthetic: tuple[float, ...]
    human: tuple[float, ...]
    synthetic_data: str
    human_data: str
    n_synthetic: int
    n_human: int
    tau: float
    ci: tuple[float, float]
    same_best: float
    undefined: float
    confidence: float
    n_resamples: int
    seed: int

    @property
    def sentence(self) -> str:
        """What can be said, and what cannot."""
        low, high = self.ci
        count = len(self.models)
        told = (
            f"By {self.measure}, {count} models: Kendall's tau-b {self.tau:.2f} "
            f"({100 * self.confidence:g} % interval {low:.2f} to {high:.2f}) between "
            f"{self.synthetic_data} ({self.n_synthetic:,} queries) and {self.human_data} "
            f"({self.n_human:,}). Both have the same best model in {100 * self.same_best:.0f} % of "
            "resamples."
        )
        if count == _FEWEST:
            told += (
                " Two models have one order or the other: this says whether the two sets agree "
                "which is better, and nothing about other models."
            )
        elif count < _FEW:
            told += (
                f" With {count} models tau takes four values at most: evidence about these models, "
                "hardly about the queries. Evaluate more models."
            )
        elif low <= 0:
            told += " The interval holds 0: agreement is not shown."
        return told

    def to_dict(self) -> Json:
        """Return plain values for JSON.

        Returns
        -------
        dict
            Schema ``embedsmith.agreement/1``; NaN is null.
        """
        content = {
            "schema": "embedsmith.agreement/1",
            **asdict(self),
            "models": list(self.models),
            "synthetic": list(self.synthetic),
            "human": list(self.human),
            "tau": _or_none(self.tau),
            "ci": [_or_none(end) for end in self.ci],
            "sentence": self.sentence,
        }
        return dict(content)


def ranking_agreement(
    synthetic: EvaluationResult,
    human: EvaluationResult,
    *,
    measure: str | None = None,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> RankingAgreement:
    """Return how far models rank alike on synthetic queries and on those that people labelled.

    Models are matched by fingerprint. Embeds and measures nothing.

    Parameters
    ----------
    synthetic, human : EvaluationResult
        Two results with the same models; only those in both are compared.
    measure : str, optional
        A mean over queries that both hold; default: the first of ``human`` that both hold.
    confidence : float, default 0.95
        Level of the interval, in (0, 1).
    n_resamples : int, default 2000
        Of the queries of each set, drawn apart from each other: models keep their queries, so
        their differences are paired.
    seed : int, default 0
        Of the bootstrap.

    Returns
    -------
    RankingAgreement
        ``sentence`` says it in words.

    Raises
    ------
    DataError
        If fewer than two models are in both, the second is synthetic itself, or the first is not.
    MeasureError
        If a result lacks the measure, or it is no mean over queries.
    ShapeError
        If a number is out of range.

    References
    ----------
    Kendall, "The treatment of ties in ranking problems", 1945: concordant less discordant pairs,
    divided by the geometric mean of the pairs that each side does not tie. As
    ``scipy.stats.kendalltau``, to 1e-12.

    Examples
    --------
    >>> kendall_tau_b(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 3.0, 2.0]])).round(3).tolist()
    [0.333]
    """
    n_resamples = as_count("n_resamples", n_resamples)
    seed = as_count("seed", seed, least=0)
    confidence = as_number("confidence", confidence)
    if not 0 < confidence < 1:
        msg = f"confidence is {confidence}; pass a share between 0 and 1, such as 0.95."
        raise ShapeError(msg)
    _check_kinds(synthetic, human)
    pairs = _shared(synthetic, human)
    name = _measure(synthetic, human, measure)
    one, two = (
        np.stack([result.models[pair[side]].table.per_query[name] for pair in pairs])
        for side, result in enumerate((synthetic, human))
    )
    means_one, means_two = np.round(one.mean(axis=1), 12), np.round(two.mean(axis=1), 12)
    order = np.argsort(-means_two, kind="stable")
    rng = np.random.default_rng(seed)
    taus, best = [], []
    for start in range(0, n_resamples, _BLOCK):
        count = min(_BLOCK, n_resamples - start)
        drawn = [_resampled(values, count, rng) for values in (one, two)]
        taus.append(kendall_tau_b(*drawn))
        best.append(drawn[0].argmax(axis=1) == drawn[1].argmax(axis=1))
    found = np.concatenate(taus)
    defined = found[~np.isnan(found)]
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(defined, [tail, 100 - tail]) if defined.size else (np.nan, np.nan)
    return RankingAgreement(
        measure=name,
        models=tuple(synthetic.models[pairs[place][0]].name for place in order),
        synthetic=tuple(float(means_one[place]) for place in order),
        human=tuple(float(means_two[place]) for place in order),
        synthetic_data=synthetic.data.title,
        human_data=human.data.title,
        n_synthetic=one.shape[1],
        n_human=two.shape[1],
        tau=float(kendall_tau_b(means_one[None], means_two[None])[0]),
        ci=(float(low), float(high)),
        same_best=float(np.concatenate(best).mean()),
        undefined=float(np.isnan(found).mean()),
        confidence=confidence,
        n_resamples=n_resamples,
        seed=seed,
    )


def kendall_tau_b(first: F64Array, second: F64Array) -> F64Array:
    """Return Kendall's tau-b of each row.

    Parameters
    ----------
    first, second : ndarray of shape (n_rows, n_models), float64
        Scores.

    Returns
    -------
    ndarray of shape (n_rows,), float64
        NaN where all of one side are equal.
    """
    lower, upper = np.array(list(combinations(range(first.shape[1]), 2))).T
    one = np.sign(first[:, lower] - first[:, upper])
    two = np.sign(second[:, lower] - second[:, upper])
    untied = np.sqrt((one != 0).sum(axis=1) * (two != 0).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        tau: F64Array = np.where(untied > 0, (one * two).sum(axis=1) / untied, np.nan)
    return tau


def _resampled(values: F64Array, count: int, rng: np.random.Generator) -> F64Array:
    """Return the means of each model on some resamples, the same queries for all of them."""
    n_queries = values.shape[1]
    drawn = rng.multinomial(n_queries, np.full(n_queries, 1 / n_queries), size=count)
    # Equal models are to stay equal: products of matrices round each row in a way of its own.
    means: F64Array = np.round(drawn @ values.T / n_queries, 12)
    return means


def _check_kinds(synthetic: EvaluationResult, human: EvaluationResult) -> None:
    if not synthetic.data.n_synthetic:
        msg = (
            f"{synthetic.data.name} is not marked as synthetic. Pass the result on synthetic "
            "queries first (--synthetic), and that on labelled ones second (--human)."
        )
        raise DataError(msg)
    if human.data.n_synthetic:
        msg = (
            f"{human.data.title} is no set that people labelled. Pass a result on such a set "
            "second (--human)."
        )
        raise DataError(msg)


def _shared(synthetic: EvaluationResult, human: EvaluationResult) -> list[tuple[int, int]]:
    places = {model.fingerprint.digest: place for place, model in enumerate(human.models)}
    pairs = [
        (place, places[model.fingerprint.digest])
        for place, model in enumerate(synthetic.models)
        if model.fingerprint.digest in places
    ]
    if len(pairs) < _FEWEST:
        msg = (
            f"the two results share {len(pairs)} of {len(synthetic.models)} and "
            f"{len(human.models)} models (by fingerprint); an order needs two. Evaluate the same "
            "models on both sets."
        )
        raise DataError(msg)
    return pairs


def _measure(synthetic: EvaluationResult, human: EvaluationResult, asked: str | None) -> str:
    has = [
        name
        for name in human.models[0].table.per_query
        if name in synthetic.models[0].table.per_query
    ]
    by_name = {name.lower(): name for name in has}
    if asked is None and has:
        return has[0]
    if asked is not None and asked.lower() in by_name:
        return by_name[asked.lower()]
    msg = (
        f"{asked or 'no measure'} is not a mean over queries that both results hold; there "
        f"are {', '.join(has) or 'none'}. Evaluate again with the same measures."
    )
    raise MeasureError(msg)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
