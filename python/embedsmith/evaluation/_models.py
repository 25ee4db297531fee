"""The models of an evaluation, opened before the first one runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from embedsmith.backends import Bm25, Encoder
from embedsmith.evaluation._labels import canonical_spec, label_specs

__all__ = ["Model", "OpenModel", "open_models"]

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
