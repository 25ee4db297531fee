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

__all__ = ["Model", "OpenModel", "open_models", "warn_of_twins"]

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
    with ExitStack() as stack:
        opened = []
        for label, model in _labelled(models).items():
            if isinstance(model, str):
                found = Bm25() if model == Bm25.spec else load(model)
                entry = OpenModel(label, found, owned=True)
            else:
                entry = OpenModel(label, model, owned=False)
            stack.callback(entry.release)
            opened.append(entry)
        yield tuple(opened)


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


def _labelled(models: Model | Iterable[Model] | Mapping[str, Model]) -> dict[str, Model]:
    if isinstance(models, Mapping):
        label_specs(list(models))
        return {label: _canonical(model) for label, model in models.items()}
    given = (
        list(models) if isinstance(models, Iterable) and not isinstance(models, str) else [models]
    )
    listed = [_canonical(model) for model in given]
    specs = [model if isinstance(model, str) else model.spec for model in listed]
    return dict(zip(label_specs(specs), listed, strict=True))


def _canonical(model: Model) -> Model:
    return canonical_spec(model) if isinstance(model, str) else model
