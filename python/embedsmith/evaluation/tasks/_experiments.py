"""How often, and with what, the tasks that draw at random are repeated."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Experiments"]

# What mteb seeds its draws with: seed 0 of ours gives them, so that the numbers can be compared.
_MTEB_SEED = 42


@dataclass(frozen=True)
class Experiments:
    """The random part of classification and clustering.

    Attributes
    ----------
    seed : int
        Of resampling; experiments are drawn with 42 more, so that 0 gives the very draws of mteb.
    n_experiments : int
        Draws whose results are averaged.
    samples_per_label : int
        Training texts per label and experiment.
    n_neighbors : int
        Neighbours that vote.
    """

    seed: int = 0
    n_experiments: int = 10
    samples_per_label: int = 8
    n_neighbors: int = 5

    @property
    def draw_seed(self) -> int:
        """Seed of the draws, as numpy's and scikit-learn's old generators take it: 32 bits."""
        return (self.seed + _MTEB_SEED) % 2**32
