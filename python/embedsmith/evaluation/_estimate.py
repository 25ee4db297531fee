"""What an evaluation would send to services, and what that would cost, without sending anything."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedsmith.backends import Bm25
from embedsmith.backends.api._estimate import estimate
from embedsmith.datasets import Dataset, load_task
from embedsmith.evaluation._loading import ModelOptions
from embedsmith.evaluation._models import Model, open_models
from embedsmith.evaluation.tasks import Experiments, family_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal
    from pathlib import Path

    from embedsmith._typing import Json
    from embedsmith.backends import Role
    from embedsmith.datasets import TaskData

__all__ = ["CostEstimate", "estimate_cost"]


@dataclass(frozen=True)
class CostEstimate:
    """What one model would be asked.

    Attributes
    ----------
    name, spec : str
        The model.
    host : str or None
        Where texts would go; None: nowhere, the model runs here.
    n_texts, n_cached : int
        Distinct texts, and how many of them the cache holds: those cost nothing.
    n_tokens : int or None
        Of the texts that would be sent, prompts and the probe of the canary included; None for a
        model that runs here.
    exact : bool
        Whether the tokens are the service's own count; else they are the most that it can count.
    tokens : str or None
        How they were counted.
    cost : Decimal or None
        US dollars; None if no price is known. Without failed attempts, which may be billed too.
    price : dict or None
        Dollars per million tokens, with source and date.
    """

    name: str
    spec: str
    host: str | None
    n_texts: int
    n_cached: int
    n_tokens: int | None
    exact: bool
    tokens: str | None
    cost: Decimal | None
    price: Json | None

    def to_dict(self) -> Json:
        """Return plain values for JSON.

        Returns
        -------
        dict
            The cost as a string.
        """
        return {**vars(self), "cost": None if self.cost is None else f"{self.cost:f}"}


def estimate_cost(
    encoders: Model | Iterable[Model] | Mapping[str, Model],
    data: Dataset | TaskData | str | Path,
    **options: Any,
) -> tuple[CostEstimate, ...]:
    """Return what an evaluation would send to services and what that would cost.

    Uses no network, embeds nothing and writes nothing. Counts the texts of the data, not repeated
    measurements of latency, which `evaluate` makes of a paid service only if told how many.

    Parameters
    ----------
    encoders : spec, Encoder, Bm25, an iterable of them, or a mapping from names to them
        As `evaluate` takes them.
    data : Dataset, TaskData or path
        Likewise; a path is a retrieval set.
    **options
        What `evaluate` hands to ``load_encoder``: ``base_url``, ``dimensions``, ``cache``, ...

    Returns
    -------
    tuple of CostEstimate
        In the order of the models.

    Raises
    ------
    ModelError
        If a model cannot be used.
    DataError
        If the data cannot be read.

    Examples
    --------
    >>> from embedsmith.evaluation import estimate_cost
    >>> (found,) = estimate_cost("fake:8", "sample:bank", cache=False)
    >>> found.n_texts, found.host
    (221, None)
    """
    given = ModelOptions(**options).shared()
    if isinstance(data, (str, os.PathLike)):
        data = load_task(data, "retrieval")
    texts = _texts(data)
    found = []
    with open_models(encoders, given.load) as opened:
        given.check(entry.model.spec for entry in opened)
        for entry in opened:
            if isinstance(entry.model, Bm25):
                continue
            part = estimate(entry.model, texts)
            found.append(CostEstimate(name=entry.label, spec=entry.model.spec, **vars(part)))
    return tuple(found)


def _texts(data: Any) -> dict[Role, list[str]]:
    if isinstance(data, Dataset):
        return {"document": list(data.corpus.texts), "query": list(data.queries.texts)}
    experiments = Experiments(seed=0, n_experiments=1, samples_per_label=1, n_neighbors=1)
    texts = family_of(data, experiments).texts
    return {"document": list(texts.documents), "query": list(texts.queries)}
