"""The models of an evaluation, opened before the first one runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from embedsmith.backends import Bm25, Encoder
from embedsmith.evaluation._labels import canonical_spec, label_specs

__all__ = ["Model", "OpenModel", "chosen_because", "open_models", "warn_of_twins"]

logger = logging.getLogger(__name__)

Model: TypeAlias = str | Encoder | Bm25


@dataclass(frozen=True)
class OpenModel:
    """A model under the name that it has in the result.

    Attributes
    ----------
    label : str
        Unique in the evaluation.
    model : Encoder or Bm25
        Checked; its weights are loaded when it is first used.
    owned : bool
        Whether it was opened here. What the caller opened is left open.
    """

    label: str
    model: Encoder | Bm25
    owned: bool

    def release(self) -> None:
        """Close the model if it was opened here."""
        if self.owned:
            self.model.close()


@contextmanager
def open_models(
    models: Model | Iterable[Model] | Mapping[str, Model], load: Callable[[str], Encoder]
) -> Iterator[tuple[OpenModel, ...]]:
    """Open all models, and close those that were opened here in the end.

    What is wrong with the last one is so said now, and not after hours with the others.

    Parameters
    ----------
    models : spec, Encoder, Bm25, an iterable of them, or a mapping from names to them
        As ``evaluate`` takes them.
    load : callable
        Opens a spec that is not ``"bm25"``.

    Yields
    ------
    tuple of OpenModel
        In the order given.
    """
    labels, listed = _listed(models)
    with ExitStack() as stack:
        found = [
            _opened(model, load, stack) if isinstance(model, str) else model for model in listed
        ]
        # A name that left the backend open has one now.
        names = label_specs([model.spec for model in found]) if labels is None else labels
        yield tuple(
            OpenModel(label, model, owned=isinstance(given, str))
            for label, model, given in zip(names, found, listed, strict=True)
        )


def warn_of_twins(opened: Sequence[OpenModel]) -> None:
    """Log a warning for two models of one embedding space.

    Parameters
    ----------
    opened : sequence of OpenModel
        Of one evaluation.
    """
    for first, second in combinations(opened, 2):
        if first.model.fingerprint == second.model.fingerprint:
            logger.warning(
                "%s and %s are the same model (fingerprint %s): their difference says nothing.",
                first.label,
                second.label,
                first.model.fingerprint.short,
            )


def _opened(spec: str, load: Callable[[str], Encoder], stack: ExitStack) -> Encoder | Bm25:
    model = Bm25() if spec == Bm25.spec else load(spec)
    stack.callback(model.close)
    return model


def chosen_because(model: Encoder | Bm25) -> str | None:
    """Return why a model runs by the backend it runs by; None if its spec named one."""
    reason: str | None = getattr(getattr(model, "encoder", model), "chosen", None)
    return reason


def _listed(
    models: Model | Iterable[Model] | Mapping[str, Model],
) -> tuple[tuple[str, ...] | None, list[Model]]:
    """Return the names that were chosen for models, if any were, and the models."""
    if isinstance(models, Mapping):
        label_specs(list(models))
        return tuple(models), [_canonical(model) for model in models.values()]
    given = (
        list(models) if isinstance(models, Iterable) and not isinstance(models, str) else [models]
    )
    listed = [_canonical(model) for model in given]
    # Before the first is opened: a spec that is given twice, or none at all.
    label_specs([model if isinstance(model, str) else model.spec for model in listed])
    return None, listed


def _canonical(model: Model) -> Model:
    return canonical_spec(model) if isinstance(model, str) else model
